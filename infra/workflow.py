"""The state machine: the order of the stages, what they hand one another, which failures are tried again.

Written as Amazon States Language itself, in JSONPath, so that what the console shows stands here word for word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.gpu import Gpu
from infra.log_groups import log_group
from infra.notifications import EVENT_SOURCE, Database
from infra.settings import DeploymentSettings
from infra.stages import Stage
from infra.states.database import lookup_states, tell_states
from infra.states.job import job_states
from infra.states.language import (
    EXECUTION_ROW,
    LOST,
    QUICK_S,
    STATUS,
    Places,
    State,
    choice,
    invoke,
    named_end,
    noting,
    retry,
    update_item,
)
from infra.states.requests import request_states
from infra.states.turns import turn_states
from infra.storage import Storage, acknowledge_wildcard

EVENTS_TRANSIENT = ["EventBridge.FailedEntry", "EventBridge.InternalException", "EventBridge.SdkClientException"]

CLAIM_POLL_S = 30
"""Corrections wait for a run that is being worked on, and ask so often: each costs three transitions."""

CHILDREN = (":*", "/*")
"""How the names of a map's runs and of their children go on after the machine's."""

METRICS = (
    ("Cost", "None", "metrics.cost_usd"),
    ("VideoSeconds", "Seconds", "video.duration_s"),
    ("People", "Count", "metrics.people"),
)
"""Name, unit and where in the `Video Processed` event it stands. Cost is USD, as the manifest estimates it."""


class Workflow(Construct):
    """The state machine `Pipeline` with its role and log."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        stages: Mapping[str, Stage],
        storage: Storage,
        bus: events.IEventBus,
        gpu: Gpu | None,
        database: Database | None,
    ) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        # Under this prefix one policy serves all log groups; elsewhere each adds to one that has a limit.
        self.log = log_group(self, "Log", settings.log_days, name=f"/aws/vendedlogs/states/{settings.stack}-Pipeline")
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        places = Places(
            partition=stack.partition,
            functions={name: stage.function.function_arn for name, stage in stages.items()},
            staging=storage.staging.bucket_name,
            source=storage.source.bucket_name,
            ledger=storage.ledger.table_name,
            bus=bus.event_bus_name,
            gpu_queue=gpu.queue.job_queue_arn if gpu else "",
            gpu_job=gpu.job.job_definition_arn if gpu else "",
            connection=database.connection.connection_arn if database else "",
        )
        self.machine = sfn.StateMachine(
            self,
            "StateMachine",
            # Not Stack.to_json_string: on its way to the CDK a null (ResultPath) gets lost.
            definition_body=sfn.DefinitionBody.from_string(json.dumps(definition(settings, places))),
            role=self.role,
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=self.log, level=sfn.LogLevel.ALL, include_execution_data=False),
        )
        element = self.machine.node.default_child
        assert isinstance(element, cdk.CfnResource)
        element.override_logical_id("Pipeline")
        self._let_work(settings.stack, stages, storage, bus, gpu, database)

    def _let_work(
        self,
        namespace: str,
        stages: Mapping[str, Stage],
        storage: Storage,
        bus: events.IEventBus,
        gpu: Gpu | None,
        database: Database | None,
    ) -> None:
        def allow(actions: list[str], *resources: str) -> None:
            self.role.add_to_policy(iam.PolicyStatement(actions=actions, resources=list(resources)))

        stack = cdk.Stack.of(self)
        allow(["lambda:InvokeFunction"], *(stage.function.function_arn for stage in stages.values()))
        storage.let_read_staging(self.role, "runs/*/chunks.json")
        storage.let_use_ledger(self.role, "UpdateItem")
        allow(["events:PutEvents"], bus.event_bus_arn)
        if gpu:
            allow(["batch:SubmitJob"], gpu.queue.job_queue_arn, gpu.job.job_definition_arn)
            allow(["batch:DescribeJobs"], "*")
            allow(["batch:TerminateJob"], stack.format_arn(service="batch", resource="job", resource_name="*"))
            acknowledge_wildcard(
                self.role,
                "arn:<AWS::Partition>:batch:<AWS::Region>:<AWS::AccountId>:job/*",
                "Jobs get their names later.",
            )
        if database:
            allow(["events:RetrieveConnectionCredentials"], database.connection.connection_arn)
            allow(
                ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
                database.connection.connection_secret_arn,
            )
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],
                conditions={"StringEquals": {"cloudwatch:namespace": namespace}},
            )
        )
        # Of its own, as the machine waits for the role's other policy and this one names the machine.
        own = iam.Policy(self, "MachinePolicy")
        own.attach_to_role(self.role)
        own.add_statements(
            iam.PolicyStatement(
                sid="StartMapChildren", actions=["states:StartExecution"], resources=[self.machine.state_machine_arn]
            ),
            iam.PolicyStatement(
                sid="WatchMapChildren",
                actions=["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
                # AWS Step Functions developer guide, "IAM policies for using Distributed Map states".
                resources=[
                    stack.format_arn(
                        service="states",
                        resource="execution",
                        resource_name=f"{self.machine.state_machine_name}{form}",
                        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                    )
                    for form in CHILDREN
                ],
            ),
        )
        for form in CHILDREN:
            executions = f"arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<Pipeline.Name>{form}"
            acknowledge_wildcard(own, executions, "A map's children get their names later.")
        acknowledge_wildcard(
            self.role, "*", "Log delivery, X-Ray, metrics and Batch's describing of jobs know no resources."
        )
        if database:
            own.add_statements(
                iam.PolicyStatement(
                    sid="AskDatabase",
                    actions=["states:InvokeHTTPEndpoint"],
                    resources=[self.machine.state_machine_arn],
                    conditions={
                        "StringEquals": {
                            "states:HTTPEndpoint": f"{database.url}/{database.table}",
                            "states:HTTPMethod": ["GET", "PATCH"],
                        }
                    },
                )
            )


def definition(settings: DeploymentSettings, places: Places) -> State:
    """The machine in Amazon States Language."""
    detect = "Route" if places.gpu_queue else "Detect"
    last = "Metrics"
    states: dict[str, State] = {
        **request_states(settings, places, next="Note the execution"),
        "Note the execution": update_item(
            places,
            key=EXECUTION_ROW,
            update="SET #status = if_not_exists(#status, :accepted), execution_arn = :arn, started_at = :started",
            names=STATUS,
            values={
                ":accepted": {"S": "ACCEPTED"},
                ":arn": {"S.$": "$$.Execution.Id"},
                ":started": {"S.$": "$$.Execution.StartTime"},
            },
            next="Start or resume?",
        ),
        "Start or resume?": choice(
            [{"Variable": "$.asked.resume", "StringEquals": "cluster", "Next": "Claim again"}],
            "Listed?" if places.connection else "Split",
        ),
        **(lookup_states(settings, places, next="Split") if places.connection else {}),
        "Split": invoke(
            settings,
            places,
            "split",
            {
                "source.$": "$.asked.source",
                "settings.$": "$.asked.settings",
                "force.$": "$.asked.force",
                "execution": _EXECUTION,
            },
            keep=_STARTED,
            under="$.run",
            next="Claimed?",
        ),
        "Claim again": invoke(
            settings,
            places,
            "split",
            {
                "resume.$": "$.asked.resume",
                "run_id.$": "$.asked.run_id",
                "revision.$": "$.asked.revision",
                "corrections.$": "$.asked.corrections",
                "execution": _EXECUTION,
            },
            keep=_STARTED,
            under="$.run",
            next="Claimed?",
        ),
        "Claimed?": choice(
            [
                # What a person corrected is not dropped because their video is being worked on.
                {
                    "And": [
                        {"Variable": "$.run.outcome", "StringEquals": "AlreadyRunning"},
                        {
                            "Or": [
                                {"Variable": f"$.asked.corrections.{field}", "IsPresent": True}
                                for field in ("key", "corrections")
                            ]
                        },
                    ],
                    "Next": "Wait for the claim",
                },
                {"Variable": "$.run.outcome", "StringEquals": "AlreadyRunning", "Next": "AlreadyRunning"},
                {"Variable": "$.run.outcome", "StringEquals": "AlreadyDone", "Next": "AlreadyDone"},
                {"Variable": "$.asked.resume", "StringEquals": "cluster", "Next": "Hold the claim"},
            ],
            "Wait for a turn" if settings.runs_in_flight else detect,
        ),
        "Wait for the claim": {"Type": "Wait", "Seconds": CLAIM_POLL_S, "Next": "Claim again"},
        "AlreadyRunning": {"Type": "Succeed"},
        "AlreadyDone": {"Type": "Succeed"},
        **(turn_states(settings, places, next=detect) if settings.runs_in_flight else {}),
        **(job_states(settings, places, fallback="Detect", next="Hold the claim") if places.gpu_queue else {}),
        "Detect": {
            "Type": "Map",
            "Comment": "One child for each chunk; a chunk whose document stands in staging already is skipped.",
            "Label": "Detect",
            "ItemReader": {
                "Resource": f"arn:{places.partition}:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSON"},
                "Parameters": {
                    "Bucket": places.staging,
                    "Key.$": "States.Format('runs/{}/chunks.json', $.run.run_id)",
                },
            },
            "ItemSelector": {"run_id.$": "$.run.run_id", "chunk.$": "$$.Map.Item.Value.index"},
            "MaxConcurrency": settings.map_concurrency,
            "ToleratedFailureCountPath": "$.run.max_lost_chunks",
            "ItemProcessor": {
                # Standard, as an express child may live 5 minutes only.
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Detect chunk",
                "States": {
                    "Detect chunk": invoke(
                        settings, places, "detect", {"run_id.$": "$.run_id", "chunk.$": "$.chunk"}, end=True
                    )
                },
            },
            "Retry": retry(["States.ItemReaderFailed"], attempts=2),
            "ResultPath": None,
            "Next": "Hold the claim",
        },
        "Hold the claim": _held(places, next="Cluster"),
        "Cluster": invoke(settings, places, "cluster", {"run_id.$": "$.run.run_id"}, next="Publish"),
        "Publish": invoke(
            settings,
            places,
            "publish",
            {"run_id.$": "$.run.run_id", "prefix.$": "$.run.prefix", "execution_arn.$": "$$.Execution.Id"},
            keep=("manifest_uri", "people", "representative", "scenes", "event"),
            under="$.published",
            next="Still ours?",
        ),
        # Redriven in Cluster or Publish, it has not asked before; nobody is told of a run that is another's.
        "Still ours?": _held(places, next="Video Processed"),
        "Video Processed": {
            "Type": "Task",
            "Resource": f"arn:{places.partition}:states:::events:putEvents",
            "Parameters": {
                "Entries": [
                    {
                        "Source": EVENT_SOURCE,
                        "DetailType": "Video Processed",
                        "EventBusName": places.bus,
                        "Detail.$": "$.published.event",
                    }
                ]
            },
            "TimeoutSeconds": QUICK_S,
            "Retry": retry(EVENTS_TRANSIENT),
            "ResultPath": None,
            "Next": "Ledger done",
        },
        "Ledger done": _done(
            places, key="$.run.run_id", condition="execution_arn = :arn", more={":arn": {"S.$": "$$.Execution.Id"}}
        )
        | {"Next": "Execution done", "Catch": _CLAIM_LOST},
        **named_end(places, "ClaimLost"),
        "Execution done": _done(places, key=EXECUTION_ROW)
        | {"Next": "In the database?" if places.connection else last},
        **(tell_states(settings, places, next=last) if places.connection else {}),
        "Metrics": {
            "Type": "Task",
            "Resource": f"arn:{places.partition}:states:::aws-sdk:cloudwatch:putMetricData",
            "Parameters": {
                "Namespace": settings.stack,
                "MetricData": [
                    {"MetricName": name, "Unit": unit, "Value.$": f"$.published.event.{path}"}
                    for name, unit, path in METRICS
                ],
            },
            "TimeoutSeconds": QUICK_S,
            "Retry": retry(["CloudWatch.SdkClientException", "CloudWatch.InternalServiceFaultException"]),
            # The run is done and in the ledger: it does not fail for want of a number on a dashboard.
            "Catch": [{"ErrorEquals": ["States.TaskFailed", "States.Timeout"], "ResultPath": None, "Next": "Done"}],
            "ResultPath": None,
            "Next": "Done",
        },
        "Done": {"Type": "Succeed", "InputPath": "$.published"},
    }
    return {
        "Comment": "A video in, the best frame of everyone in it out.",
        "StartAt": "Who asks?",
        "TimeoutSeconds": settings.run_timeout_s,
        "States": states,
    }


_EXECUTION = {"arn.$": "$$.Execution.Id", "name.$": "$$.Execution.Name", "started_at.$": "$$.Execution.StartTime"}
_CLAIM_LOST = [{"ErrorEquals": LOST, "ResultPath": None, "Next": noting("ClaimLost")}]
_STARTED = ("outcome", "run_id", "attempt", "chunk_count", "duration_s", "prefix", "max_lost_chunks", "video")


def _held(places: Places, *, next: str) -> State:
    """Goes on while the run is this execution's, and names the end of one whose run is not.

    A run that failed was free: since then another execution may have claimed it. One that is redriven claims it again
    here, or learns that it is too late.
    """
    held = update_item(
        places,
        key="$.run.run_id",
        update="SET #status = :running REMOVE finished_at, #error, cause, #stage",
        condition="execution_arn = :arn AND #status <> :done",
        names=STATUS | {"#error": "error", "#stage": "stage"},
        values={":arn": {"S.$": "$$.Execution.Id"}, ":running": {"S": "RUNNING"}, ":done": {"S": "DONE"}},
        next=next,
    )
    return held | {"Catch": _CLAIM_LOST}


def _done(places: Places, *, key: str, condition: str | None = None, more: State | None = None) -> State:
    return update_item(
        places,
        key=key,
        update=(
            "SET #status = :done, finished_at = :now, manifest_uri = :manifest, people = :people "
            "REMOVE #error, cause, #stage"
        ),
        condition=condition,
        names=STATUS | {"#error": "error", "#stage": "stage"},
        values={
            ":done": {"S": "DONE"},
            ":now": {"S.$": "$$.State.EnteredTime"},
            ":manifest": {"S.$": "$.published.manifest_uri"},
            ":people": {"N.$": "States.Format('{}', $.published.people)"},
            **(more or {}),
        },
        next="",
    )
