"""What moto 5.2.5 lacks of AWS for this pipeline, filled in; each with the reason.

Nothing here touches the synthesized template or the code under test. What is not filled in is in docs/emulation.md.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest
from moto.core.common_models import CloudFormationModel
from moto.core.exceptions import JsonRESTError

from tests.aws.runtime import Answer

WAIT_SHORTENED = 0.05
"""Retriers' waits pass twenty times as fast; their number, backoff and jitter stay the definition's."""
LOOKS_SHORTENED = 0.004
"""Wait states pass faster yet: a job that waits for its machine is looked at every minute."""
STARTED_S = 5.0
"""In so long a time an execution has its status."""


class NotReady(JsonRESTError):
    """A function whose call is refused, as that of one which nobody called for weeks."""

    code = 409

    def __init__(self, name: str) -> None:
        super().__init__(name, "Lambda is initializing your function. It will be ready to invoke shortly.")


class Outside(Protocol):
    """What the emulator does outside moto."""

    def refuses(self, function: Any) -> str:
        """The error by which a call of the function is refused; empty if it isn't."""

    def invoke(self, function: Any, body: bytes) -> Answer:
        """Runs a Lambda function."""

    def has_machine(self) -> bool:
        """Whether Batch gets a machine for a job."""

    def run_job(self, job: Any) -> int:
        """Runs a Batch job; its exit code."""

    def deliver(self, event: dict[str, Any], destination: str) -> None:
        """Sends an event to an API destination."""

    def call(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """Answers a state's HTTP call. Raises HttpRefused."""


@dataclass
class HttpRefused(Exception):
    status: int
    body: str = ""


@dataclass
class Model(CloudFormationModel):
    """A resource that moto's CloudFormation does not know: it keeps its properties and gives itself a name."""

    name: str
    properties: dict[str, Any]
    attributes: dict[str, str] = field(default_factory=dict)

    @property
    def physical_resource_id(self) -> str:
        return self.name

    @classmethod
    def has_cfn_attr(cls, attr: str) -> bool:
        return True

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return self.attributes.get(attribute_name, f"{self.name}-{attribute_name}")

    @staticmethod
    def cloudformation_name_type() -> str:
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        return "Tests::Aws::Model"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **kwargs: Any
    ) -> Model:
        properties = cloudformation_json["Properties"]
        service = {"Events": "events", "Pipes": "pipes"}.get(cls.cloudformation_type().split("::")[1], "none")
        kind = {"ApiDestination": "api-destination", "Connection": "connection"}.get(
            cls.cloudformation_type().split("::")[2], "resource"
        )
        arn = f"arn:aws:{service}:{region_name}:{account_id}:{kind}/{resource_name}"
        made = cls(resource_name, properties, {"Arn": arn, "SecretArn": f"{arn}-secret"})
        MADE[arn] = made
        return made


MADE: dict[str, Model] = {}
"""By ARN."""

UNKNOWN_TYPES = (
    "AWS::Events::Connection",
    "AWS::Events::ApiDestination",
    "AWS::Pipes::Pipe",
    "AWS::ApiGateway::Model",
    "AWS::ApiGateway::RequestValidator",
    "AWS::ApiGateway::Stage",
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::UsagePlan",
    "AWS::ApiGateway::UsagePlanKey",
    "AWS::ApiGateway::ApiKey",
    "AWS::CloudWatch::Alarm",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SNS::Subscription",
    "AWS::Lambda::EventInvokeConfig",
)
"""Interpreted by the emulator (connection, destination, pipe, API) or only there to be referred to (the rest).

Bucket, queue and topic policies stay without effect on purpose: moto ignores their conditions, so a bucket's TLS-only
Deny would refuse everything.
"""


MODELS = [
    type(kind.replace("::", ""), (Model,), {"cloudformation_type": staticmethod(lambda kind=kind: kind)})
    for kind in UNKNOWN_TYPES
]


def fill(patch: pytest.MonkeyPatch, outside: Outside) -> None:
    """Fills the gaps until `patch` is undone."""
    _register_models(patch)
    _buses_have_names(patch)
    _state_machines_execute(patch)
    _functions_run_outside(patch, outside)
    _jobs_run_outside(patch, outside)
    _failed_children_fail_the_map(patch)
    _batch_speaks_pascal_case(patch)
    _definite_paths_give_values(patch)
    _retriers_wait_shorter(patch)
    _clients_are_kept(patch)
    _http_invoke(patch, outside)
    _rules_reach_all_targets(patch, outside)
    _executions_tell_their_status(patch)
    _start_times_are_text(patch)
    _executions_get_names(patch)
    _histories_can_be_reversed(patch)


def _register_models(patch: pytest.MonkeyPatch) -> None:
    """The list of models is made of direct subclasses only, and cached."""
    from moto.cloudformation import parsing

    known = {kind.cloudformation_type(): kind for kind in [*CloudFormationModel.__subclasses__(), *MODELS]}
    patch.setattr(parsing, "get_model_map", lambda: known)
    patch.setattr(parsing, "get_model_list", lambda: list(known.values()))


def _buses_have_names(patch: pytest.MonkeyPatch) -> None:
    """A reference to a bus gives moto's object instead of its name."""
    from moto.events.models import EventBus

    patch.setattr(EventBus, "physical_resource_id", property(lambda self: self.name), raising=False)


def _state_machines_execute(patch: pytest.MonkeyPatch) -> None:
    """CloudFormation makes state machines in the backend that does not execute."""
    from moto.stepfunctions import models
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    patch.setattr(models, "stepfunctions_backends", stepfunctions_parser_backends)


def _functions_run_outside(patch: pytest.MonkeyPatch, outside: Outside) -> None:
    """moto runs functions in Docker or not at all."""
    from moto.awslambda_simple.models import LambdaSimpleBackend

    def invoke(
        self: Any, function_name: str, qualifier: Any, body: Any, headers: Any, response_headers: dict[str, str]
    ) -> bytes:
        function = self.get_function(function_name, qualifier)
        if refused := outside.refuses(function):
            raise NotReady(refused)
        answer = outside.invoke(function, body if isinstance(body, bytes) else str(body or "{}").encode())
        if answer.error:
            response_headers["x-amz-function-error"] = answer.error
        return answer.payload

    patch.setattr(LambdaSimpleBackend, "invoke", invoke)


def _jobs_run_outside(patch: pytest.MonkeyPatch, outside: Outside) -> None:
    """moto runs jobs in Docker, and its CloudFormation starts EC2 instances for a compute environment."""
    from moto.batch.models import ComputeEnvironment, Job, JobDefinition, JobQueue

    def run(self: Any) -> None:
        self.status = "RUNNABLE"
        while not self.stop and not outside.has_machine():
            time.sleep(0.05)
        if self.stop:
            self._mark_stopped(success=False)
            return
        self.job_started_at = datetime.now()
        self.status = "RUNNING"
        self._start_attempt()
        self.exit_code = outside.run_job(self)
        if self.exit_code:
            self.job_stopped_reason = "Essential container in task exited"
        self._mark_stopped(success=self.exit_code == 0)

    details = Job._container_details

    def container_details(self: Any) -> dict[str, Any]:
        # DescribeJobs gives the exit code, by which the state machine tells bad input.
        told: dict[str, Any] = details(self)
        return told if self.exit_code is None else {**told, "exitCode": self.exit_code}

    def create_environment(
        cls: type[Any],
        /,
        resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
        **kwargs: Any,
    ) -> Any:
        from moto.batch.models import batch_backends

        properties = cloudformation_json["Properties"]
        made = ComputeEnvironment(
            resource_name, "MANAGED", "ENABLED", properties["ComputeResources"], "", account_id, region_name
        )
        batch_backends[account_id][region_name]._compute_environments[made.arn] = made
        return made

    def create_queue(
        cls: type[Any],
        /,
        resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
        **kwargs: Any,
    ) -> Any:
        from moto.batch.models import batch_backends

        made = JobQueue(resource_name, "1", "ENABLED", [], [], None, batch_backends[account_id][region_name], {})
        batch_backends[account_id][region_name]._job_queues[made.arn] = made
        return made

    def attribute(self: Any, name: str) -> str:
        arn: str = self.arn
        return arn

    for kind in (ComputeEnvironment, JobQueue, JobDefinition):
        patch.setattr(kind, "has_cfn_attr", classmethod(lambda cls, name: True), raising=False)
        patch.setattr(kind, "get_cfn_attribute", attribute, raising=False)
    patch.setattr(Job, "run", run)
    patch.setattr(Job, "_container_details", container_details)
    patch.setattr(ComputeEnvironment, "create_from_cloudformation_json", classmethod(create_environment))
    patch.setattr(JobQueue, "create_from_cloudformation_json", classmethod(create_queue))


def _failed_children_fail_the_map(patch: pytest.MonkeyPatch) -> None:
    """A failed child of a Distributed Map leaves null among the results, and the map succeeds: a chunk goes missing.

    AWS fails the map once more children failed than are tolerated.
    """
    from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
    from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
        FailureEvent,
        FailureEventException,
    )
    from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
    from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
    from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor import (
        distributed_item_processor_worker as worker,
    )
    from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
    from moto.stepfunctions.parser.asl.eval.program_state import ProgramError

    children: dict[str, list[dict[str, str]]] = {}
    """Error and cause of the failed children, by their map's run."""
    _executions_are_listed(patch, children)
    evaluate = worker.DistributedItemProcessorWorker._eval_job

    def eval_job(self: Any, env: Any, job: Any) -> None:
        evaluate(self, env, job)
        if job.job_output is not None:
            return
        ended = env.program_state()
        if isinstance(ended, ProgramError):
            children.setdefault(self._map_run_record.map_run_arn, []).append(dict(ended.error or {}))
        failed = len(children.get(self._map_run_record.map_run_arn, []))
        if failed <= self._map_run_record.tolerated_failure_count:
            job.job_output = {}
            return
        typ = StatesErrorNameType.StatesExceedToleratedFailureThreshold
        job.job_output = FailureEventException(
            FailureEvent(
                env=env,
                error_name=StatesErrorName(typ=typ),
                event_type=HistoryEventType.MapRunFailed,
                event_details=EventDetails(
                    taskFailedEventDetails=TaskFailedEventDetails(
                        error=typ.to_name(), cause="The specified tolerated failure threshold was exceeded"
                    )
                ),
            )
        )

    patch.setattr(worker.DistributedItemProcessorWorker, "_eval_job", eval_job)


def _executions_are_listed(patch: pytest.MonkeyPatch, children: dict[str, list[dict[str, str]]]) -> None:
    """A map's children are no executions there, so that nobody can ask what failed them; and an execution that is
    being started has no status for a moment, over which a list of them stumbles."""
    from moto.core.responses import ActionResult
    from moto.stepfunctions.responses import StepFunctionResponse

    list_all, describe = StepFunctionResponse.list_executions, StepFunctionResponse.describe_execution

    def list_executions(self: Any) -> Any:
        run = self._get_param("mapRunArn")
        if not run:
            give_up = time.monotonic() + STARTED_S
            while True:
                try:
                    return list_all(self)
                except AttributeError:
                    if time.monotonic() > give_up:
                        raise
                    time.sleep(0.01)
        found = [{"executionArn": f"{run}/child/{number}"} for number, _ in enumerate(children.get(run, []))]
        return ActionResult({"executions": found[: self._get_int_param("maxResults", 100)]})

    def describe_execution(self: Any) -> Any:
        run, child, number = self._get_param("executionArn").rpartition("/child/")
        if not child:
            return describe(self)
        return ActionResult({"status": "FAILED", **children[run][int(number)]})

    patch.setattr(StepFunctionResponse, "list_executions", list_executions)
    patch.setattr(StepFunctionResponse, "describe_execution", describe_execution)


def _batch_speaks_pascal_case(patch: pytest.MonkeyPatch) -> None:
    """Step Functions names what it hands to Batch and gets from it in PascalCase (`Container.ExitCode`), by both of its
    ways to ask; moto as the API spells it."""
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import (
        state_task_service_aws_sdk as sdk,
    )
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_batch as batch

    def spelled(value: Any, case: Callable[[str], str]) -> Any:
        if isinstance(value, dict):
            return {case(key[:1]) + key[1:]: spelled(inner, case) for key, inner in value.items()}
        return [spelled(inner, case) for inner in value] if isinstance(value, list) else value

    for kind in (batch.StateTaskServiceBatch, sdk.StateTaskServiceAwsSdk):

        def eval_task(
            self: Any,
            env: Any,
            resource_runtime_part: Any,
            normalised_parameters: Any,
            state_credentials: Any,
            evaluate: Any = kind._eval_service_task,
        ) -> None:
            ours = "batch" in (self.resource.service_name, self.resource.api_name)
            asked = spelled(normalised_parameters, str.lower) if ours else normalised_parameters
            evaluate(self, env, resource_runtime_part, asked, state_credentials)
            if ours:
                env.stack[-1] = spelled(env.stack[-1], str.upper)

        patch.setattr(kind, "_eval_service_task", eval_task)


def _definite_paths_give_values(patch: pytest.MonkeyPatch) -> None:
    """A path with an index in it, `$.rows[0].name`, gives a list of one there instead of the value."""
    from moto.stepfunctions.parser.asl.utils import json_path

    known = json_path.extract_json

    def extract_json(path: str, data: Any) -> Any:
        found = known(path, data)
        several = any(sign in path for sign in ("*", "..", ":", "?", ","))
        inside = re.search(r"\[\d+\]\.", path)
        return found[0] if inside and not several and isinstance(found, list) and len(found) == 1 else found

    for module in [module for name, module in sys.modules.items() if name.startswith("moto.stepfunctions.parser")]:
        if getattr(module, "extract_json", None) is known:
            patch.setattr(module, "extract_json", extract_json)


def _retriers_wait_shorter(patch: pytest.MonkeyPatch) -> None:
    """The tests have no minutes to wait."""
    from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl

    waits = types.SimpleNamespace(sleep=lambda seconds: time.sleep(seconds * WAIT_SHORTENED))
    patch.setattr(retrier_decl, "time", waits)
    from moto.stepfunctions.parser.asl.component.state.wait.wait_function import wait_function

    patch.setattr(
        wait_function.WaitFunction,
        "_wait_interval",
        lambda self, env, wait_seconds: env.program_state_event.wait(wait_seconds * LOOKS_SHORTENED),
    )


def _clients_are_kept(patch: pytest.MonkeyPatch) -> None:
    """Every task of a state machine makes a client of its own, which takes longer than its call."""
    from moto.stepfunctions.parser.asl.utils import boto_client

    known, lock = boto_client.boto_client_for, threading.Lock()
    kept: dict[tuple[str, str], Any] = {}

    def boto_client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        with lock:
            if (region, service) not in kept:
                kept[region, service] = known(region, service, state_credentials)
            return kept[region, service]

    for module in [module for name, module in sys.modules.items() if name.startswith("moto.stepfunctions.parser")]:
        if getattr(module, "boto_client_for", None) is known:
            patch.setattr(module, "boto_client_for", boto_client_for)


def _http_invoke(patch: pytest.MonkeyPatch, outside: Outside) -> None:
    """moto has no `http:invoke`."""
    from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
    from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
    from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import state_task_factory as factory
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import (
        StateTaskService,
    )
    from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

    make = CustomErrorName.__init__

    def custom_error_name(self: Any, error_name: str | None) -> None:
        # The errors of HTTP tasks are the only ones of that prefix that are not on the list of States' own.
        make(self, (error_name or "").replace("States.Http", "Http"))
        self.error_name = error_name

    patch.setattr(CustomErrorName, "__init__", custom_error_name)

    class Http(StateTaskService):
        def _get_supported_parameters(self) -> set[str]:
            return {"ApiEndpoint", "Method", "Authentication", "Headers", "QueryParameters", "RequestBody", "Transform"}

        def _from_error(self, env: Any, ex: Exception) -> Any:
            if not isinstance(ex, HttpRefused):
                return super()._from_error(env=env, ex=ex)
            error = f"States.Http.StatusCode.{ex.status}"
            return FailureEvent(
                env=env,
                error_name=CustomErrorName(error),
                event_type=HistoryEventType.TaskFailed,
                event_details=EventDetails(taskFailedEventDetails=TaskFailedEventDetails(error=error, cause=ex.body)),
            )

        def _eval_service_task(
            self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
        ) -> None:
            env.stack.append(outside.call(normalised_parameters))

    known = factory.state_task_service_for

    def service_for(service_name: str) -> Any:
        return Http() if service_name == "http" else known(service_name)

    patch.setattr(factory, "state_task_service_for", service_for)


def _rules_reach_all_targets(patch: pytest.MonkeyPatch, outside: Outside) -> None:
    """moto's rules reach queues, logs and buses, but no state machine, function or API destination.

    S3's events also spell `etag` otherwise there and hold a version of null where AWS leaves it out.
    """
    from moto.events.models import Rule

    send = Rule.send_to_targets

    def send_to_targets(self: Any, original_event: Any, transform_input: bool = True) -> None:
        event = as_sent(original_event)
        if self.state == "DISABLED" or not self.event_pattern.matches_event(event):
            return
        ours: list[Any] = []
        others: list[Any] = []
        for target in self.targets:
            service = target["Arn"].split(":")[2]
            mine = service in ("states", "lambda") or ":api-destination/" in target["Arn"]
            (ours if mine else others).append(target)
        for target in ours:
            transformer = target.get("InputTransformer")
            handed = event
            if transformer:
                handed = transformed(event, transformer["InputTemplate"], transformer.get("InputPathsMap", {}))
            threading.Thread(target=_hand_over, args=(target["Arn"], handed, outside), daemon=True).start()
        if others:
            kept, self.targets = self.targets, others
            try:
                send(self, original_event, transform_input)
            finally:
                self.targets = kept

    patch.setattr(Rule, "send_to_targets", send_to_targets)


def as_sent(event: Any) -> dict[str, Any]:
    """An event as AWS spells it."""
    event = json.loads(json.dumps(event))
    if isinstance(event.get("time"), int | float):
        event["time"] = datetime.fromtimestamp(event["time"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    thing = event.get("detail", {}).get("object") if isinstance(event.get("detail"), dict) else None
    if isinstance(thing, dict) and "eTag" in thing:
        thing["etag"] = thing.pop("eTag")
        if thing.get("version-id") in (None, "null"):
            del thing["version-id"]
    return dict(event)


def transformed(event: dict[str, Any], template: str, paths: dict[str, str]) -> Any:
    """A rule's input transformer. moto's own neither quotes nor escapes text, as EventBridge does."""
    from jsonpath_ng.ext import parse

    for name, path in paths.items():
        found = parse(path).find(event)
        value = found[0].value if found else ""
        template = template.replace(f'"<{name}>"', f"<{name}>").replace(f"<{name}>", json.dumps(value))
    return json.loads(template)


def _hand_over(arn: str, event: Any, outside: Outside) -> None:
    import boto3

    if ":states:" in arn:
        boto3.client("stepfunctions").start_execution(
            stateMachineArn=arn, name=str(uuid.uuid4()), input=json.dumps(event)
        )
    elif ":lambda:" in arn:
        # An asynchronous invocation: AWS tries twice more.
        for _ in range(3):
            answer = boto3.client("lambda").invoke(FunctionName=arn, Payload=json.dumps(event).encode())
            if "FunctionError" not in answer:
                break
    else:
        outside.deliver(event, arn)


def _executions_tell_their_status(patch: pytest.MonkeyPatch) -> None:
    """moto sends no `Step Functions Execution Status Change`."""
    from moto.stepfunctions.parser.backend import execution as executions

    reflect = executions.BaseExecutionWorkerCommunication._reflect_execution_status

    def reflect_status(self: Any) -> None:
        reflect(self)
        tell_status(self.execution)

    patch.setattr(executions.BaseExecutionWorkerCommunication, "_reflect_execution_status", reflect_status)


def _start_times_are_text(patch: pytest.MonkeyPatch) -> None:
    """`$$.Execution.StartTime` is a datetime there, which no payload can hold."""
    from moto.stepfunctions.parser.backend import execution as executions

    details = executions.Execution.get_start_execution_details

    def with_text(self: Any) -> Any:
        found = details(self)
        found.start_time = found.start_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return found

    patch.setattr(executions.Execution, "get_start_execution_details", with_text)


def _executions_get_names(patch: pytest.MonkeyPatch) -> None:
    """AWS names an execution that was started without a name."""
    from moto.stepfunctions.parser.models import StepFunctionsParserBackend

    start = StepFunctionsParserBackend.start_execution

    def start_execution(self: Any, state_machine_arn: str, name: str | None = None, *given: Any, **named: Any) -> Any:
        return start(self, state_machine_arn, name or str(uuid.uuid4()), *given, **named)

    patch.setattr(StepFunctionsParserBackend, "start_execution", start_execution)


def _histories_can_be_reversed(patch: pytest.MonkeyPatch) -> None:
    """moto gives an execution's history oldest first whatever is asked for."""
    from moto.core.responses import ActionResult
    from moto.stepfunctions.responses import StepFunctionResponse

    def get_execution_history(self: Any) -> Any:
        found = self.stepfunction_backend.get_execution_history(self._get_param("executionArn"))
        events = list(found["events"])
        return ActionResult({"events": events[::-1] if self._get_param("reverseOrder") else events})

    patch.setattr(StepFunctionResponse, "get_execution_history", get_execution_history)


def tell_status(execution: Any) -> None:
    """Sends the event of an execution that ended."""
    from moto.events.models import events_backends

    def milliseconds(time: datetime | None) -> int | None:
        return None if time is None else int(time.timestamp() * 1000)

    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": execution.account_id,
        "time": time.time(),
        "region": execution.region_name,
        "resources": [execution.exec_arn],
        "detail": {
            "executionArn": execution.exec_arn,
            "stateMachineArn": execution.state_machine.arn,
            "name": execution.name,
            "status": str(execution.exec_status.value),
            "startDate": milliseconds(execution.start_date),
            "stopDate": milliseconds(execution.stop_date),
            "input": json.dumps(execution.input_data),
            "output": None,
        },
    }
    backend = events_backends[execution.account_id][execution.region_name]
    for rule in list(backend.event_buses["default"].rules.values()):
        rule.send_to_targets(event)
