"""What starts a run: an upload, a message on a queue, a POST. Each a service integration, no code of ours between."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_pipes as pipes
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.log_groups import log_group
from infra.notifications import dead_letters
from infra.settings import DeploymentSettings
from infra.states.requests import CORRECTIONS
from infra.storage import Storage, acknowledge

PIPE_VISIBILITY_S = 60
"""A pipe starts an execution in well under a second; a message it could not hand over is seen again after this."""

STAGE = "v1"

START_TEMPLATE = """\
#set($text = $util.escapeJavaScript($input.json('$')).replaceAll("\\\\'", "'"))
{"stateMachineArn": "%s", "input": "$text"}"""
"""escapeJavaScript also escapes single quotes, which JSON must not have (API Gateway's mapping template reference)."""

STARTED_TEMPLATE = """\
#set($parts = $input.path('$.executionArn').split(":"))
{"execution": "$parts[7]"}"""

GET_TEMPLATE = """\
{"TableName": "%s", "ConsistentRead": true,
 "Key": {"run_id": {"S": "execution#$util.escapeJavaScript($input.params('execution'))"}}}"""

STATUS_TEMPLATE = """\
#set($item = $input.path('$.Item'))
#if("$!item" == "")
#set($context.responseOverride.status = 404)
{"message": "No such execution."}
#else
{"execution": "$util.escapeJavaScript($input.params('execution'))"
#foreach($field in ["status", "run", "source", "started_at", "finished_at", "manifest_uri", "stage", "error", "cause"])
#if("$!item.get($field)" != ""), "$field": "$util.escapeJavaScript($item.get($field).S).replaceAll("\\\\'", "'")"#end
#end
#if("$!item.people" != ""), "people": $item.people.N#end
}
#end"""

_TEXT = {"type": "string", "minLength": 1, "maxLength": 1024}
START_SCHEMA: dict[str, Any] = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "title": "Start",
    "type": "object",
    "oneOf": [
        {
            "required": ["bucket", "key"],
            "additionalProperties": False,
            "properties": {
                "bucket": {"type": "string", "minLength": 3, "maxLength": 63},
                "key": _TEXT,
                "version_id": _TEXT,
                "etag": _TEXT,
                "settings": {"type": "object"},
                "force": {"type": "string", "maxLength": 64},
            },
        },
        {
            "required": ["resume", "run_id", "revision"],
            "additionalProperties": False,
            "properties": {
                "resume": {"enum": ["cluster"]},
                "run_id": _TEXT,
                "revision": _TEXT,
                "corrections": {"type": "object"},
            },
        },
    ],
}


class Triggers(Construct):
    """Upload rule, queue with pipe, REST API: each by a setting."""

    def __init__(
        self, scope: Construct, id: str, *, settings: DeploymentSettings, machine: sfn.StateMachine, storage: Storage
    ) -> None:
        super().__init__(scope, id)
        self._machine = machine
        self.dead_letters: list[sqs.Queue] = []
        self.queue: sqs.Queue | None = None
        self.api: apigateway.RestApi | None = None
        if settings.on_upload:
            self._on_upload(settings, storage)
        if settings.queue:
            self.queue = self._on_message(settings)
        if settings.api:
            self.api = self._on_request(settings, storage)

    def _on_upload(self, settings: DeploymentSettings, storage: Storage) -> None:
        unsent = dead_letters(self, "UploadDeadLetters", "UploadDeadLetters")
        self.dead_letters.append(unsent)
        role = self._starter("UploadRole", "events.amazonaws.com")
        events.Rule(
            self,
            "UploadRule",
            description="A video was uploaded",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [storage.source.bucket_name]},
                    "object": {"key": key_patterns(settings.source_prefix, settings.source_suffixes)},
                },
            ),
            targets=[
                targets.SfnStateMachine(
                    self._machine,
                    dead_letter_queue=unsent,
                    role=role,
                    max_event_age=cdk.Duration.hours(24),
                    retry_attempts=185,
                )
            ],
        )

        events.Rule(
            self,
            "CorrectionsRule",
            description="A run's people were corrected",
            event_pattern=events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={
                    "bucket": {"name": [storage.source.bucket_name]},
                    "object": {"key": [{"prefix": CORRECTIONS}]},
                },
            ),
            targets=[
                targets.SfnStateMachine(
                    self._machine,
                    dead_letter_queue=unsent,
                    role=role,
                    max_event_age=cdk.Duration.hours(24),
                    retry_attempts=185,
                )
            ],
        )

    def _on_message(self, settings: DeploymentSettings) -> sqs.Queue:
        unread = dead_letters(self, "QueueDeadLetters", "QueueDeadLetters")
        self.dead_letters.append(unread)
        queue = sqs.Queue(
            self,
            "Queue",
            visibility_timeout=cdk.Duration.seconds(PIPE_VISIBILITY_S),
            retention_period=cdk.Duration.days(14),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            dead_letter_queue=sqs.DeadLetterQueue(queue=unread, max_receive_count=settings.queue_tries),
        )
        element = queue.node.default_child
        assert isinstance(element, cdk.CfnResource)
        element.override_logical_id("Queue")
        role = self._starter("PipeRole", "pipes.amazonaws.com")
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                resources=[queue.queue_arn],
            )
        )
        pipe = pipes.CfnPipe(
            self,
            "Pipe",
            description="A message starts a run",
            role_arn=role.role_arn,
            source=queue.queue_arn,
            # One message, one execution: a pipe hands a batch to one.
            source_parameters=pipes.CfnPipe.PipeSourceParametersProperty(
                sqs_queue_parameters=pipes.CfnPipe.PipeSourceSqsQueueParametersProperty(batch_size=1)
            ),
            target=self._machine.state_machine_arn,
            target_parameters=pipes.CfnPipe.PipeTargetParametersProperty(
                step_function_state_machine_parameters=pipes.CfnPipe.PipeTargetStateMachineParametersProperty(
                    invocation_type="FIRE_AND_FORGET"
                )
            ),
        )
        # A pipe tries its permissions when it is made.
        pipe.node.add_dependency(role)
        return queue

    def _on_request(self, settings: DeploymentSettings, storage: Storage) -> apigateway.RestApi:
        keyed = settings.api_auth == "api_key"
        api = self._api(settings, keyed)
        methods = self._methods(api, storage)
        if keyed:
            _add_key(api, settings)
        _acknowledge_api(api, methods, keyed)
        return api

    def _api(self, settings: DeploymentSettings, keyed: bool) -> apigateway.RestApi:
        """The API without its methods, and its two logs."""
        log = log_group(self, "ApiLog", settings.log_days)
        api = apigateway.RestApi(
            self,
            "Api",
            rest_api_name=f"{settings.stack}-runs",
            description="Start a run, ask for one",
            endpoint_configuration=apigateway.EndpointConfiguration(types=[apigateway.EndpointType.REGIONAL]),
            cloud_watch_role=True,
            # The role is the account's, not ours alone: other APIs may log by it when this stack is gone.
            cloud_watch_role_removal_policy=cdk.RemovalPolicy.RETAIN,
            default_method_options=apigateway.MethodOptions(
                authorization_type=apigateway.AuthorizationType.NONE if keyed else apigateway.AuthorizationType.IAM,
                api_key_required=keyed,
            ),
            deploy_options=apigateway.StageOptions(
                stage_name=STAGE,
                throttling_rate_limit=settings.api_rate_per_s,
                throttling_burst_limit=settings.api_burst,
                tracing_enabled=True,
                logging_level=apigateway.MethodLoggingLevel.ERROR,
                data_trace_enabled=False,
                access_log_destination=apigateway.LogGroupLogDestination(log),
                access_log_format=apigateway.AccessLogFormat.json_with_standard_fields(
                    caller=True,
                    http_method=True,
                    ip=True,
                    protocol=True,
                    request_time=True,
                    resource_path=True,
                    response_length=True,
                    status=True,
                    user=True,
                ),
            ),
        )
        # API Gateway logs errors under this name, made by itself without an end and left behind when the API is gone.
        errors = log_group(
            self, "ApiErrorLog", settings.log_days, name=f"API-Gateway-Execution-Logs_{api.rest_api_id}/{STAGE}"
        )
        api.deployment_stage.node.add_dependency(errors)
        return api

    def _methods(self, api: apigateway.RestApi, storage: Storage) -> list[apigateway.Method]:
        """Starts a run; tells how one stands."""
        validator = api.add_request_validator("Validator", validate_request_body=True, validate_request_parameters=True)
        role = self._starter("ApiRole", "apigateway.amazonaws.com")
        storage.let_use_ledger(role, "GetItem")
        model = apigateway.CfnModel(
            self, "StartModel", rest_api_id=api.rest_api_id, content_type="application/json", schema=START_SCHEMA
        )
        runs = api.root.add_resource("runs")
        started = runs.add_method(
            "POST",
            _integration(
                role,
                service="states",
                action="StartExecution",
                request=START_TEMPLATE % self._machine.state_machine_arn,
                answers={"202": STARTED_TEMPLATE},
            ),
            request_validator=validator,
            request_models={"application/json": apigateway.Model.from_model_name(self, "StartModelName", model.ref)},
            method_responses=[apigateway.MethodResponse(status_code=code) for code in ("202", "400", "502")],
        )
        asked = runs.add_resource("{execution}").add_method(
            "GET",
            _integration(
                role,
                service="dynamodb",
                action="GetItem",
                request=GET_TEMPLATE % storage.ledger.table_name,
                answers={"200": STATUS_TEMPLATE},
            ),
            request_validator=validator,
            request_parameters={"method.request.path.execution": True},
            method_responses=[apigateway.MethodResponse(status_code=code) for code in ("200", "400", "404", "502")],
        )
        return [started, asked]

    def _starter(self, id: str, service: str) -> iam.Role:
        """A role by which a service may start the state machine and nothing else."""
        role = iam.Role(self, id, assumed_by=iam.ServicePrincipal(service))
        role.add_to_policy(
            iam.PolicyStatement(actions=["states:StartExecution"], resources=[self._machine.state_machine_arn])
        )
        return role


def _add_key(api: apigateway.RestApi, settings: DeploymentSettings) -> None:
    """A key, and a plan that limits what it may ask."""
    plan = api.add_usage_plan(
        "Plan",
        throttle=apigateway.ThrottleSettings(rate_limit=settings.api_rate_per_s, burst_limit=settings.api_burst),
        quota=apigateway.QuotaSettings(limit=settings.api_month_quota, period=apigateway.Period.MONTH),
    )
    plan.add_api_stage(stage=api.deployment_stage)
    plan.add_api_key(api.add_api_key("Key"))


def key_patterns(prefix: str, suffixes: list[str]) -> list[dict[str, Any]]:
    """EventBridge's patterns for keys: by prefix where one is given, else by suffix.

    Prefix and suffix of one field are alternatives to EventBridge; the state machine looks at suffixes then.
    """
    if prefix:
        return [{"prefix": prefix}]
    return [{"suffix": {"equals-ignore-case": suffix}} for suffix in suffixes]


def _integration(
    role: iam.Role, *, service: str, action: str, request: str, answers: dict[str, str]
) -> apigateway.AwsIntegration:
    good = [
        apigateway.IntegrationResponse(status_code=code, response_templates={"application/json": template})
        for code, template in answers.items()
    ]
    bad = [
        apigateway.IntegrationResponse(
            status_code=code,
            selection_pattern=pattern,
            response_templates={"application/json": json.dumps({"message": message})},
        )
        for code, pattern, message in (
            ("400", r"4\d{2}", "The request was refused."),
            ("502", r"5\d{2}", "Try again."),
        )
    ]
    return apigateway.AwsIntegration(
        service=service,
        action=action,
        integration_http_method="POST",
        options=apigateway.IntegrationOptions(
            credentials_role=role,
            passthrough_behavior=apigateway.PassthroughBehavior.NEVER,
            request_templates={"application/json": request},
            integration_responses=[*good, *bad],
        ),
    )


def _acknowledge_api(api: apigateway.RestApi, methods: list[apigateway.Method], keyed: bool) -> None:
    acknowledge(
        api,
        "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
        "AmazonAPIGatewayPushToCloudWatchLogs]",
        "The policy API Gateway documents for its one log role of the account.",
    )
    acknowledge(
        api,
        "AwsSolutions-APIG3",
        "Callers sign by IAM or hold a key, and are throttled; a web ACL costs $5 a month at rest.",
    )
    for method in methods:
        acknowledge(method, "AwsSolutions-COG4", "Services call this API, by IAM or API key; it has no user pool.")
        if keyed:
            acknowledge(
                method,
                "AwsSolutions-APIG4",
                "The owner chose API keys: a usage plan with throttle and quota stands before it.",
            )
