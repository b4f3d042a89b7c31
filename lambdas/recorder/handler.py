"""Records how an execution of the state machine ended when it did not end well, and tells whoever listens.

Runs on the status change events FAILED, TIMED_OUT and ABORTED, so that it sees what no state of the machine can catch.
Needs nothing but boto3.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from os import environ
from typing import Any

import boto3
from botocore.exceptions import ClientError

LOG = logging.getLogger(__name__)
LOG.setLevel(logging.INFO)

CAUSE_CHARACTERS = 2000
"""Of a cause kept at most; Lambda's causes hold a whole stack trace."""
LATE_FAILURES = 5
"""Workers' notes read at most; they mostly tell the same."""
WORKERS_ERRORS = ("States.ExceedToleratedFailureThreshold", "States.TaskFailed", "BadInput")
"""Errors of the map or the job itself, which don't say what the worker met."""
WORKING_STATES = ("TaskStateEntered", "MapStateEntered")
"""Events of states that do something; a Fail state only says what another met."""


def handler(event: dict[str, Any], context: object) -> None:
    """Writes the failure into the ledger if the run is still this execution's, and sends `Video Failed`."""
    table, bucket = _variable("LEDGER_TABLE"), _variable("STAGING_BUCKET")
    bus, source = _variable("EVENT_BUS"), _variable("EVENT_SOURCE")
    ledger, detail = boto3.client("dynamodb"), event["detail"]
    arn, name, status = detail["executionArn"], detail["name"], detail["status"]

    execution_row = {"run_id": {"S": f"execution#{name}"}}
    noted = ledger.get_item(TableName=table, Key=execution_row, ConsistentRead=True).get("Item", {})
    run_id, video = noted.get("run", {}).get("S", ""), noted.get("source", {}).get("S", "")
    error, cause, stage = _reason(arn, status)
    if run_id:
        error, cause = _workers_reason(bucket, run_id, detail.get("startDate"), error, cause)
    LOG.info(json.dumps({"run_id": run_id, "execution": name, "status": status, "error": error, "stage": stage}))

    ended = {
        ":status": {"S": "FAILED"},
        ":error": {"S": error},
        ":cause": {"S": cause},
        ":stage": {"S": stage},
        ":arn": {"S": arn},
        ":now": {"S": datetime.now(UTC).isoformat(timespec="seconds")},
    }
    names = {"#status": "status", "#error": "error", "#stage": "stage"}
    changes = "SET #status = :status, #error = :error, cause = :cause, #stage = :stage, finished_at = :now"
    if turns := environ.get("TURNS_KEY"):
        # A state of the machine gives the turn back where a run ends well.
        ledger.update_item(
            TableName=table,
            Key={"run_id": {"S": turns}},
            UpdateExpression="DELETE holders :me",
            ExpressionAttributeValues={":me": {"SS": [arn]}},
        )
    if run_id:
        try:
            ledger.update_item(
                TableName=table,
                Key={"run_id": {"S": run_id}},
                # Another execution may hold the run by now, and a redriven one may have finished it.
                ConditionExpression="execution_arn = :arn AND #status <> :done",
                UpdateExpression=changes,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={**ended, ":done": {"S": "DONE"}},
            )
        except ledger.exceptions.ConditionalCheckFailedException:
            LOG.info(json.dumps({"run_id": run_id, "execution": name, "recorded": False}))
            return
    ledger.update_item(
        TableName=table,
        Key=execution_row,
        UpdateExpression=f"{changes}, execution_arn = :arn",
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=ended,
    )
    told = {
        "run_id": run_id,
        "execution_arn": arn,
        "video": video or _announced(detail.get("input")),
        "status": status,
        "error": error,
        "cause": cause,
        "stage": stage,
    }
    answer = boto3.client("events").put_events(
        Entries=[{"Source": source, "DetailType": "Video Failed", "Detail": json.dumps(told), "EventBusName": bus}]
    )
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"Video Failed was not taken: {answer['Entries'][0].get('ErrorCode')}")


def _variable(name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise KeyError(f"{name} is not set")
    return value


def _reason(arn: str, status: str) -> tuple[str, str, str]:
    """Error, cause and the working state that was entered last."""
    machine = boto3.client("stepfunctions")
    described = machine.describe_execution(executionArn=arn)
    error = described.get("error") or {"TIMED_OUT": "States.Timeout", "ABORTED": "Aborted"}.get(status, status)
    stage = ""
    pages = machine.get_paginator("get_execution_history").paginate(
        executionArn=arn, reverseOrder=True, includeExecutionData=False
    )
    for page in pages:
        for entry in page["events"]:
            if entry["type"] in WORKING_STATES:
                stage = entry["stateEnteredEventDetails"]["name"]
                break
        if stage:
            break
    return error, _short(described.get("cause") or ""), stage


def _short(cause: str) -> str:
    """Lambda's cause is JSON with a stack trace: the message alone is for reading."""
    try:
        message = json.loads(cause).get("errorMessage")
    except (ValueError, AttributeError):
        message = None
    return (message if isinstance(message, str) else cause)[:CAUSE_CHARACTERS]


def _workers_reason(bucket: str, run_id: str, started_ms: int | None, error: str, cause: str) -> tuple[str, str]:
    """What a worker of this execution noted in staging, where the map's or the job's error doesn't say it."""
    if error not in WORKERS_ERRORS and not error.startswith("Batch."):
        return error, cause
    store = boto3.client("s3")
    folder = f"runs/{run_id}/"
    try:
        found = [
            note
            for prefix in ("failures/", "batch_error.json")
            for note in store.list_objects_v2(Bucket=bucket, Prefix=folder + prefix, MaxKeys=100).get("Contents", [])
            if started_ms is None or note["LastModified"].timestamp() * 1000 >= started_ms - 1000
        ]
        notes = [
            json.loads(store.get_object(Bucket=bucket, Key=note["Key"])["Body"].read())
            for note in sorted(found, key=lambda note: note["LastModified"], reverse=True)[:LATE_FAILURES]
        ]
    except (ClientError, ValueError) as trouble:
        # The failure is to be recorded all the same.
        LOG.warning("%s: the workers' notes can't be read (%s)", run_id, type(trouble).__name__)
        return error, cause
    if not notes:
        return error, cause
    return str(notes[0]["error"]), str(notes[0]["cause"])[:CAUSE_CHARACTERS]


def _announced(text: str | None) -> str:
    """The video an execution that failed before its claim was started for, as far as its input tells."""
    try:
        given = json.loads(text or "{}")
        given = given.get("detail", given)
        bucket, key = given["bucket"], given.get("object", given)["key"]
        bucket = bucket["name"] if isinstance(bucket, dict) else bucket
    except (ValueError, KeyError, AttributeError, TypeError):
        return ""
    return f"{bucket}/{key}"
