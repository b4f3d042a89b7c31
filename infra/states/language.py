"""What every part of the state machine is written with: calls, retries, choices, and the places they name.

Amazon States Language in JSONPath, as plain dictionaries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.settings import DeploymentSettings

State = dict[str, Any]

EXECUTION_ROW = "States.Format('execution#{}', $$.Execution.Name)"
"""Key of the ledger's row of an execution."""
TURNS = "turns"
"""Key of the ledger's item that lists the executions whose turn it is."""

SPARE_S = 60
"""A task waits so much longer than its function may run, so that the function's own error is seen."""
QUICK_S = 60
"""For calls of AWS services, which answer in milliseconds."""

PENDING = [
    "Lambda.CodeArtifactUserPendingException",
    "Lambda.ResourceNotReadyException",
    "Lambda.ResourceConflictException",
    "Lambda.AWSLambdaException",
]
"""A function of an image that nobody called for weeks is idle: Lambda refuses its first call and makes it ready again
(AWS Lambda developer guide, "Invoking functions defined as container images"). The service has given this more than one
name, at times under AWSLambdaException (https://github.com/keithrozario/Klayers/issues/210)."""
TRANSIENT = [
    "ServiceUnavailable",
    "SourceUnreachable",
    "SourceRefused",
    "Lambda.ServiceException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "States.Timeout",
]
"""What another try may help. Everything else is a fact about the video, the settings or our code."""
DIED = ["Runtime.ExitError", "Runtime.OutOfMemory", "ProcessDied", "NoSpace"]
"""A function's environment ended without an answer: killed for its memory, lost with its machine, or crashed; or its
disk was full. Another environment may do better, once: what dies again does so for a reason."""
THROTTLED = ["Lambda.TooManyRequestsException"]

RETRY_STAGE = [
    {
        # Seen to take 40 to 106 s (https://github.com/aws-solutions-library-samples/
        # accelerated-intelligent-document-processing-on-aws/issues/801); the mean of these waits adds up to 4 minutes.
        "ErrorEquals": PENDING,
        "IntervalSeconds": 10,
        "BackoffRate": 1.5,
        "MaxDelaySeconds": 60,
        "MaxAttempts": 12,
        "JitterStrategy": "FULL",
    },
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
    {
        "ErrorEquals": DIED,
        "IntervalSeconds": 2,
        "BackoffRate": 2,
        "MaxDelaySeconds": 30,
        "MaxAttempts": 1,
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
LOST = ["DynamoDB.ConditionalCheckFailedException"]
"""A write that was to happen only while the row is this execution's."""

STATUS = {"#status": "status"}
"""A word DynamoDB reserves."""


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


def retry(errors: list[str], attempts: int = 5) -> list[State]:
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


def invoke(
    settings: DeploymentSettings,
    places: Places,
    stage: str,
    payload: State,
    *,
    keep: tuple[str, ...] = (),
    under: str | None = None,
    next: str | None = None,
) -> State:
    """A stage's function; of its answer the fields `keep` are put `under` a path, or nothing is kept.

    Without `next` it is the last state, and its answer is all that is left.
    """
    return {
        "Type": "Task",
        "Resource": f"arn:{places.partition}:states:::lambda:invoke",
        "Parameters": {"FunctionName": places.functions[stage], "Payload": payload},
        "TimeoutSeconds": settings.timeout_s(stage) + SPARE_S,
        "Retry": RETRY_STAGE,
        **({"ResultSelector": {f"{field}.$": f"$.Payload.{field}" for field in keep}} if keep else {}),
        # detect's answer is empty: the results of 10,000 chunks would not fit into the map's 256 KB.
        **({"OutputPath": "$.Payload", "End": True} if next is None else {"ResultPath": under, "Next": next}),
    }


def update_item(
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
        "Retry": retry(DYNAMODB_TRANSIENT),
        "ResultPath": None,
        "Next": next,
    }


def named_end(places: Places, name: str) -> dict[str, State]:
    """A good end that says what it is: written into the execution's row, then the last state's name."""
    note = update_item(
        places,
        key=EXECUTION_ROW,
        update="SET #status = :status, finished_at = :now, execution_arn = :arn",
        names=STATUS,
        values={
            ":status": {"S": name},
            ":now": {"S.$": "$$.State.EnteredTime"},
            ":arn": {"S.$": "$$.Execution.Id"},
        },
        next=name,
    )
    return {noting(name): note, name: {"Type": "Succeed"}}


def noting(name: str) -> str:
    """The state before a named end."""
    return f"Note {name}"


def choice(choices: list[State], default: str) -> State:
    return {"Type": "Choice", "Choices": choices, "Default": default}
