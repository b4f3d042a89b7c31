"""The state machine: the order of the stages, what they hand one another, which failures are tried again.

Written as Amazon States Language itself, in JSONPath, so that what the console shows stands here word for word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.gpu import Gpu
from infra.monitoring import log_group
from infra.notifications import EVENT_SOURCE, Database
from infra.settings import DeploymentSettings, template_fields
from infra.stages import Stage
from infra.storage import Storage, acknowledge_wildcard

State = dict[str, Any]

SPARE_S = 60
"""A task waits so much longer than its function may run, so that the function's own error is seen."""
QUICK_S = 60
"""For calls of AWS services, which answer in milliseconds."""

TRANSIENT = [
    "ServiceUnavailable",
    "SourceUnreachable",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "States.Timeout",
]
"""What another try may help. Everything else is a fact about the video, the settings or our code."""
THROTTLED = ["Lambda.TooManyRequestsException"]

RETRY_STAGE = [
    {
        # All runs of an account share its concurrent executions: this waits for up to two hours, not for three tries.
        "ErrorEquals": THROTTLED,
        "IntervalSeconds": 5,
        "BackoffRate": 1.5,
        "MaxDelaySeconds": 120,
        "MaxAttempts": 60,
        "JitterStrategy": "FULL",
    },
    {
        "ErrorEquals": TRANSIENT,
        "IntervalSeconds": 2,
        "BackoffRate": 3,
        "MaxDelaySeconds": 60,
        "MaxAttempts": 3,
        "JitterStrategy": "FULL",
    },
]

DYNAMODB_TRANSIENT = [
    "DynamoDB.InternalServerErrorException",
    "DynamoDB.ProvisionedThroughputExceededException",
    "DynamoDB.RequestLimitExceeded",
    "DynamoDB.ThrottlingException",
    "DynamoDB.SdkClientException",
]
EVENTS_TRANSIENT = ["EventBridge.FailedEntry", "EventBridge.InternalException", "EventBridge.SdkClientException"]
HTTP_TRANSIENT = [
    "States.Http.Socket",
    "States.Timeout",
    "Events.ConnectionResource.ConcurrentModification",
    *(f"States.Http.StatusCode.{code}" for code in (408, 429, 500, 502, 503, 504)),
]
BATCH_TRANSIENT = ["Batch.ServerException", "Batch.TooManyRequestsException", "Batch.SdkClientException"]

METRICS = (
    ("Cost", "None", "metrics.cost_usd"),
    ("VideoSeconds", "Seconds", "video.duration_s"),
    ("People", "Count", "metrics.people"),
)
"""Name, unit and where in the `Video Processed` event it stands. Cost is USD, as the manifest estimates it."""

TURNS = "turns"
"""Key of the ledger's item that lists the executions whose turn it is."""

BAD_INPUT_EXIT = 2
"""Exit code by which the Batch door says that the video, not the machine, is the trouble."""


def _retry(errors: list[str], attempts: int = 5) -> list[State]:
    return [
        {
            "ErrorEquals": errors,
            "IntervalSeconds": 1,
            "BackoffRate": 2,
            "MaxDelaySeconds": 30,
            "MaxAttempts": attempts,
            "JitterStrategy": "FULL",
        }
    ]


@dataclass(frozen=True)
class Places:
    """What the definition names, as ARNs and names of this deployment."""

    partition: str
    functions: Mapping[str, str]
    """ARN by stage."""
    staging: str
    source: str
    ledger: str
    bus: str
    gpu_queue: str = ""
    gpu_job: str = ""
    connection: str = ""


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
            allow(["batch:DescribeJobs", "batch:ListJobs", "batch:TerminateJob"], "*")
            # The rule by which Step Functions hears that a job ended; the service makes it under this name.
            allow(
                ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
                stack.format_arn(
                    service="events", resource="rule", resource_name="StepFunctionsGetEventsForBatchJobsRule"
                ),
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
                resources=[
                    stack.format_arn(
                        service="states",
                        resource="execution",
                        resource_name=f"{self.machine.state_machine_name}/*",
                        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                    )
                ],
            ),
        )
        executions = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<Pipeline.Name>/*"
        acknowledge_wildcard(own, executions, "A map's children get their names later.")
        acknowledge_wildcard(
            self.role, "*", "Log delivery, X-Ray, metrics and Batch's describe, list and terminate know no resources."
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
    last = "Leave the turn" if settings.runs_in_flight else "Metrics"
    states: dict[str, State] = {
        **_input_states(settings, places, next="Note the execution"),
        "Note the execution": _update_item(
            places,
            key="States.Format('execution#{}', $$.Execution.Name)",
            update="SET #status = if_not_exists(#status, :accepted), execution_arn = :arn, started_at = :started",
            names={"#status": "status"},
            values={
                ":accepted": {"S": "ACCEPTED"},
                ":arn": {"S.$": "$$.Execution.Id"},
                ":started": {"S.$": "$$.Execution.StartTime"},
            },
            next="Start or resume?",
        ),
        "Start or resume?": _choice(
            [{"Variable": "$.asked.resume", "StringEquals": "cluster", "Next": "Claim again"}],
            "Listed?" if places.connection else "Split",
        ),
        **(_lookup_states(settings, places, next="Split") if places.connection else {}),
        "Split": _invoke(
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
        "Claim again": _invoke(
            settings,
            places,
            "split",
            {
                "resume.$": "$.asked.resume",
                "run_id.$": "$.asked.run_id",
                "revision.$": "$.asked.revision",
                "execution": _EXECUTION,
            },
            keep=_STARTED,
            under="$.run",
            next="Claimed?",
        ),
        "Claimed?": _choice(
            [
                {"Variable": "$.run.outcome", "StringEquals": "AlreadyRunning", "Next": "AlreadyRunning"},
                {"Variable": "$.run.outcome", "StringEquals": "AlreadyDone", "Next": "AlreadyDone"},
                {"Variable": "$.asked.resume", "StringEquals": "cluster", "Next": "Cluster"},
            ],
            "Wait for a turn" if settings.runs_in_flight else detect,
        ),
        "AlreadyRunning": {"Type": "Succeed"},
        "AlreadyDone": {"Type": "Succeed"},
        **(_turn_states(settings, places, after_wait=detect, after_leave="Metrics") if settings.runs_in_flight else {}),
        **(_gpu_states(settings, places, fallback="Detect", next="Cluster") if places.gpu_queue else {}),
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
            "ItemProcessor": {
                # Standard, as an express child may live 5 minutes only.
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Detect chunk",
                "States": {
                    "Detect chunk": _invoke(
                        settings, places, "detect", {"run_id.$": "$.run_id", "chunk.$": "$.chunk"}, end=True
                    )
                },
            },
            "Retry": _retry(["States.ItemReaderFailed"], attempts=2),
            "ResultPath": None,
            "Next": "Cluster",
        },
        "Cluster": _invoke(settings, places, "cluster", {"run_id.$": "$.run.run_id"}, next="Publish"),
        "Publish": _invoke(
            settings,
            places,
            "publish",
            {"run_id.$": "$.run.run_id", "prefix.$": "$.run.prefix", "execution_arn.$": "$$.Execution.Id"},
            keep=("manifest_uri", "people", "representative", "scenes", "event"),
            under="$.published",
            next="Video Processed",
        ),
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
            "Retry": _retry(EVENTS_TRANSIENT),
            "ResultPath": None,
            "Next": "Ledger done",
        },
        "Ledger done": _done(
            places, key="$.run.run_id", condition="execution_arn = :arn", more={":arn": {"S.$": "$$.Execution.Id"}}
        )
        | {"Next": "Execution done"},
        "Execution done": _done(places, key="States.Format('execution#{}', $$.Execution.Name)")
        | {"Next": "In the database?" if places.connection else last},
        **(_tell_states(settings, places, next=last) if places.connection else {}),
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
            "Retry": _retry(["CloudWatch.SdkClientException", "CloudWatch.InternalServiceFaultException"]),
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
_STARTED = ("outcome", "run_id", "attempt", "chunk_count", "duration_s", "prefix", "video")


def _input_states(settings: DeploymentSettings, places: Places, *, next: str) -> dict[str, State]:
    """From every form a request comes in to `asked`: an upload's event, a pipe's batch of one, an API's or a hand's."""

    def asked(source: State | str) -> State:
        return {
            "Type": "Pass",
            "Parameters": {
                "asked": {
                    **({"source.$": source} if isinstance(source, str) else {"source": source}),
                    "settings.$": "$.asked.settings",
                    "force.$": "$.asked.force",
                    "resume": "",
                }
            },
            "Next": next,
        }

    upload = {"bucket.$": "$.asked.detail.bucket.name", "key.$": "$.asked.detail.object.key"}
    etag = {"etag.$": "$.asked.detail.object.etag"}
    version = {"version_id.$": "$.asked.detail.object['version-id']"}
    pinned = {"version_id.$": "$.asked.version_id", "etag.$": "$.asked.etag"}
    path = settings.key_template.replace("{platform}", "{}").replace("{shortcode}", "{}")
    fields = ", ".join(f"$.asked.{field}" for field in template_fields(settings.key_template))
    return {
        "Who asks?": _choice(
            [{"Variable": "$[0].body", "IsPresent": True, "Next": "Open the message"}], "Fill in what is left out"
        ),
        "Open the message": {
            "Type": "Pass",
            "InputPath": "$[0]",
            "Parameters": {"message.$": "States.StringToJson($.body)"},
            "OutputPath": "$.message",
            "Next": "Fill in what is left out",
        },
        "Fill in what is left out": {
            "Type": "Pass",
            "Result": {
                "settings": {},
                "force": "",
                "version_id": "",
                "etag": "",
                "resume": "",
                "run_id": "",
                "revision": "",
            },
            "ResultPath": "$.left_out",
            "Next": "Put together",
        },
        "Put together": {
            "Type": "Pass",
            "Parameters": {"asked.$": "States.JsonMerge($.left_out, $, false)"},
            "Next": "Which video?",
        },
        "Which video?": _choice(
            [
                {"Variable": "$.asked.resume", "StringEquals": "cluster", "Next": "By run"},
                {"Variable": "$.asked.detail.object['version-id']", "IsPresent": True, "Next": "By uploaded version"},
                {"Variable": "$.asked.detail.object.key", "IsPresent": True, "Next": "By upload"},
                {"Variable": "$.asked.source.key", "IsPresent": True, "Next": "By source"},
                {
                    "And": [
                        {"Variable": "$.asked.bucket", "IsPresent": True},
                        {"Variable": "$.asked.key", "IsPresent": True},
                    ],
                    "Next": "By bucket and key",
                },
                {
                    "And": [
                        {"Variable": "$.asked.platform", "IsPresent": True},
                        {"Variable": "$.asked.shortcode", "IsPresent": True},
                    ],
                    "Next": "By shortcode",
                },
            ],
            "InvalidRequest",
        ),
        "By run": {
            "Type": "Pass",
            "Parameters": {
                "asked": {
                    "resume.$": "$.asked.resume",
                    "run_id.$": "$.asked.run_id",
                    "revision.$": "$.asked.revision",
                }
            },
            "Next": next,
        },
        "By uploaded version": asked(upload | etag | version),
        "By upload": asked(upload | etag),
        "By source": asked("$.asked.source"),
        "By bucket and key": asked({"bucket.$": "$.asked.bucket", "key.$": "$.asked.key"} | pinned),
        "By shortcode": asked({"bucket": places.source, "key.$": f"States.Format('{path}', {fields})"}),
        "InvalidRequest": {
            "Type": "Fail",
            "Error": "InvalidRequest",
            "Cause": (
                "A request names its video by bucket and key, by platform and shortcode, or as an S3 event does; "
                "or it holds resume, run_id and revision."
            ),
        },
    }


def _lookup_states(settings: DeploymentSettings, places: Places, *, next: str) -> dict[str, State]:
    """Asks the user's table whether the video is there to be worked on; what it refuses ends well, named."""
    row = "$.listed.rows[0]"

    def says(column: str, value: bool) -> State:
        return {
            "And": [
                {"Variable": f"{row}.{column}", "IsPresent": True},
                {"Variable": f"{row}.{column}", "BooleanEquals": value},
            ]
        }

    return {
        "Listed?": _choice(
            [{"Variable": "$.asked.source.key", "StringMatches": _pattern(settings), "Next": "Look up"}], "NotListed"
        ),
        "Look up": _http(
            settings,
            places,
            "GET",
            {
                "select": "is_downloaded,is_extracted",
                "limit": "1",
                f"{settings.database_column}.$": _row_filter(settings, "$.asked.source.key"),
            },
        )
        | {"ResultSelector": {"rows.$": "$.ResponseBody"}, "ResultPath": "$.listed", "Next": "Wanted?"},
        "Wanted?": _choice(
            [
                {"Not": {"Variable": row, "IsPresent": True}, "Next": "NotListed"},
                {**says("is_extracted", True), "Next": "AlreadyExtracted"},
                {**says("is_downloaded", True), "Next": next},
            ],
            "NotDownloaded",
        ),
        "NotListed": {"Type": "Succeed"},
        "NotDownloaded": {"Type": "Succeed"},
        "AlreadyExtracted": {"Type": "Succeed"},
    }


def _tell_states(settings: DeploymentSettings, places: Places, *, next: str) -> dict[str, State]:
    """Writes into the user's table that the video is done; one that was never listed there is left alone."""
    return {
        "In the database?": _choice(
            [{"Variable": "$.run.video", "StringMatches": f"*/{_pattern(settings)}", "Next": "Tell the database"}],
            next,
        ),
        "Tell the database": _http(
            settings,
            places,
            "PATCH",
            {f"{settings.database_column}.$": _row_filter(settings, "$.run.video", folders_before=1)},
            body={
                "is_extracted": True,
                f"{settings.database_count_column}.$": (
                    "States.MathAdd($.published.people, States.MathAdd($.published.representative, $.published.scenes))"
                ),
            },
        )
        | {"ResultPath": None, "Next": next},
    }


def _pattern(settings: DeploymentSettings) -> str:
    return settings.key_template.replace("{platform}", "*").replace("{shortcode}", "*")


def _row_filter(settings: DeploymentSettings, path: str, folders_before: int = 0) -> str:
    """PostgREST's `eq.` and the folder of the key that finds the row."""
    folder = settings.key_template.split("/").index(f"{{{settings.database_column}}}") + folders_before
    return f"States.Format('eq.{{}}', States.ArrayGetItem(States.StringSplit({path}, '/'), {folder}))"


def _http(settings: DeploymentSettings, places: Places, method: str, query: State, body: State | None = None) -> State:
    return {
        "Type": "Task",
        "Resource": f"arn:{places.partition}:states:::http:invoke",
        "Parameters": {
            "ApiEndpoint": f"{settings.database_url}/{settings.database_table}",
            "Method": method,
            "Authentication": {"ConnectionArn": places.connection},
            "QueryParameters": query,
            **(
                {"Headers": {"Content-Type": "application/json", "Prefer": "return=minimal"}, "RequestBody": body}
                if body
                else {}
            ),
        },
        "TimeoutSeconds": QUICK_S,
        "Retry": _retry(HTTP_TRANSIENT),
    }


def _turn_states(
    settings: DeploymentSettings, places: Places, *, after_wait: str, after_leave: str
) -> dict[str, State]:
    """Lets so many runs detect at once: one item lists who does. The recorder takes runs that failed off it."""
    holder = {":me": {"SS.$": "States.Array($$.Execution.Id)"}}
    wait = _update_item(
        places,
        key=None,
        update="ADD holders :me",
        condition="attribute_not_exists(holders) OR size(holders) < :most OR contains(holders, :arn)",
        values={
            **holder,
            ":arn": {"S.$": "$$.Execution.Id"},
            ":most": {"N": str(settings.runs_in_flight)},
        },
        next=after_wait,
    )
    # 4000 tries of 5 history events each stay under an execution's 25,000.
    turn = {
        "ErrorEquals": ["DynamoDB.ConditionalCheckFailedException"],
        "IntervalSeconds": 15,
        "BackoffRate": 1.2,
        "MaxDelaySeconds": 60,
        "MaxAttempts": 4000,
        "JitterStrategy": "FULL",
    }
    return {
        "Wait for a turn": wait | {"Retry": [turn, *wait["Retry"]]},
        "Leave the turn": _update_item(places, key=None, update="DELETE holders :me", values=holder, next=after_leave),
    }


def _gpu_states(settings: DeploymentSettings, places: Places, *, fallback: str, next: str) -> dict[str, State]:
    """Long videos as one Batch job; where no machine comes or it fails, the map does what is left."""
    return {
        "Route": _choice(
            [
                {
                    "Variable": "$.run.duration_s",
                    "NumericGreaterThanEquals": settings.gpu_from_s,
                    "Next": "Detect on a GPU",
                }
            ],
            fallback,
        ),
        "Detect on a GPU": {
            "Type": "Task",
            "Resource": f"arn:{places.partition}:states:::batch:submitJob.sync",
            "Parameters": {
                "JobName.$": "States.Format('detect-{}', $.run.run_id)",
                "JobQueue": places.gpu_queue,
                "JobDefinition": places.gpu_job,
                "ContainerOverrides": {"Command.$": "States.Array('--run-id', $.run.run_id)"},
            },
            "TimeoutSeconds": settings.gpu_wait_s + settings.gpu_job_timeout_s + SPARE_S,
            "Retry": _retry(BATCH_TRANSIENT, attempts=3),
            "Catch": [
                {"ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.gpu", "Next": "Did the job run?"},
                {"ErrorEquals": ["States.Timeout"], "ResultPath": "$.gpu", "Next": "Find the job"},
            ],
            "ResultPath": None,
            "Next": next,
        },
        # A job that ended says so in JSON; one that could not even be submitted, in words.
        "Did the job run?": _choice(
            [{"Variable": "$.gpu.Cause", "StringMatches": "{*", "Next": "Read the job"}], fallback
        ),
        "Read the job": {
            "Type": "Pass",
            "Parameters": {"job.$": "States.StringToJson($.gpu.Cause)"},
            "ResultPath": "$.gpu",
            "Next": "Bad input?",
        },
        "Bad input?": _choice(
            [
                {
                    "And": [
                        {"Variable": "$.gpu.job.Container.ExitCode", "IsPresent": True},
                        {"Variable": "$.gpu.job.Container.ExitCode", "NumericEquals": BAD_INPUT_EXIT},
                    ],
                    "Next": "BadInput",
                }
            ],
            fallback,
        ),
        "BadInput": {
            "Type": "Fail",
            "Error": "BadInput",
            "Cause": "The Batch job ended with exit code 2; batch_error.json of the run names the error.",
        },
        # Batch itself ends jobs that wait or work too long; this is for one that outlived even that.
        "Find the job": {
            "Type": "Task",
            "Resource": f"arn:{places.partition}:states:::aws-sdk:batch:listJobs",
            "Parameters": {
                "JobQueue": places.gpu_queue,
                "Filters": [{"Name": "JOB_NAME", "Values.$": "States.Array(States.Format('detect-{}', $.run.run_id))"}],
            },
            "ResultSelector": {"jobs.$": "$.JobSummaryList[*].JobId"},
            "ResultPath": "$.gpu",
            "TimeoutSeconds": QUICK_S,
            "Retry": _retry(BATCH_TRANSIENT),
            "Next": "End the job",
        },
        "End the job": {
            "Type": "Map",
            "ItemsPath": "$.gpu.jobs",
            "ItemSelector": {"job.$": "$$.Map.Item.Value"},
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "Terminate",
                "States": {
                    "Terminate": {
                        "Type": "Task",
                        "Resource": f"arn:{places.partition}:states:::aws-sdk:batch:terminateJob",
                        "Parameters": {"JobId.$": "$.job", "Reason": "Took too long; its chunks go to Lambda."},
                        "TimeoutSeconds": QUICK_S,
                        "Retry": _retry(BATCH_TRANSIENT),
                        "End": True,
                    }
                },
            },
            "ResultPath": None,
            "Next": fallback,
        },
    }


def _invoke(
    settings: DeploymentSettings,
    places: Places,
    stage: str,
    payload: State,
    *,
    keep: tuple[str, ...] = (),
    under: str | None = None,
    next: str = "",
    end: bool = False,
) -> State:
    """A stage's function; of its answer the fields `keep` are put `under` a path, or nothing is kept."""
    return {
        "Type": "Task",
        "Resource": f"arn:{places.partition}:states:::lambda:invoke",
        "Parameters": {"FunctionName": places.functions[stage], "Payload": payload},
        "TimeoutSeconds": settings.timeout_s(stage) + SPARE_S,
        "Retry": RETRY_STAGE,
        **({"ResultSelector": {f"{field}.$": f"$.Payload.{field}" for field in keep}} if keep else {}),
        # detect's answer is empty: the results of 10,000 chunks would not fit into the map's 256 KB.
        **({"OutputPath": "$.Payload", "End": True} if end else {"ResultPath": under, "Next": next}),
    }


def _update_item(
    places: Places,
    *,
    key: str | None,
    update: str,
    values: State,
    next: str,
    names: State | None = None,
    condition: str | None = None,
) -> State:
    """A write into the ledger; `key` is a path or an intrinsic, None the item that holds the turns."""
    return {
        "Type": "Task",
        "Resource": f"arn:{places.partition}:states:::dynamodb:updateItem",
        "Parameters": {
            "TableName": places.ledger,
            "Key": {"run_id": {"S.$": key} if key else {"S": TURNS}},
            "UpdateExpression": update,
            **({"ConditionExpression": condition} if condition else {}),
            **({"ExpressionAttributeNames": names} if names else {}),
            "ExpressionAttributeValues": values,
        },
        "TimeoutSeconds": QUICK_S,
        "Retry": _retry(DYNAMODB_TRANSIENT),
        "ResultPath": None,
        "Next": next,
    }


def _done(places: Places, *, key: str, condition: str | None = None, more: State | None = None) -> State:
    return _update_item(
        places,
        key=key,
        update=(
            "SET #status = :done, finished_at = :now, manifest_uri = :manifest, people = :people "
            "REMOVE #error, cause, #stage"
        ),
        condition=condition,
        names={"#status": "status", "#error": "error", "#stage": "stage"},
        values={
            ":done": {"S": "DONE"},
            ":now": {"S.$": "$$.State.EnteredTime"},
            ":manifest": {"S.$": "$.published.manifest_uri"},
            ":people": {"N.$": "States.Format('{}', $.published.people)"},
            **(more or {}),
        },
        next="",
    )


def _choice(choices: list[State], default: str) -> State:
    return {"Type": "Choice", "Choices": choices, "Default": default}
