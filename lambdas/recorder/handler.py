"""Records how executions of the state machine ended, and tells whoever listens of those that did not end well.

Runs on the status change events SUCCEEDED, FAILED, TIMED_OUT and ABORTED, so that it sees what no state of the machine
can catch; and, where runs take turns, every few minutes for events that got lost. Needs nothing but boto3 and the
errors' names.
"""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from os import environ
from typing import Any

import boto3
from botocore.exceptions import ClientError

from lambdas import errors

LOG = logging.getLogger(__name__)
LOG.setLevel(logging.INFO)

SCHEMA_VERSION = "1.0"
"""Of the event's detail, docs/event-failed.schema.json."""
KEPT_DAYS = 400
"""A row this old is dropped by the table, as those are that lambdas/split/claim.py writes."""
CAUSE_CHARACTERS = 2000
"""Of a cause kept at most; Lambda's causes hold a whole stack trace."""
LATE_FAILURES = 5
"""Workers' notes read at most; they mostly tell the same."""
MAP_FAILED = "States.ExceedToleratedFailureThreshold"
WORKERS_ERRORS = ("States.ExceedToleratedFailureThreshold", "States.TaskFailed", "BadInput")
"""Errors of the map or the job itself, which don't say what the worker met."""
WORKING_STATES = ("TaskStateEntered", "MapStateEntered")
"""Events of states that do something; a Fail state only says what another met."""
WATCHING_STATES = ("Look at the job", "Give the job up")
"""States that do something, but only watch what another began."""


def handler(event: dict[str, Any], context: object) -> None:
    """Gives an ended execution's turn back; writes a failure into the ledger and sends `Video Failed`."""
    table, turns = _variable("LEDGER_TABLE"), environ.get("TURNS_KEY", "")
    bucket, namespace = _variable("STAGING_BUCKET"), _variable("METRICS_NAMESPACE")
    bus, source = _variable("EVENT_BUS"), _variable("EVENT_SOURCE")
    if event.get("sweep"):
        _sweep(table, turns)
        return
    detail = event["detail"]
    if turns:
        _give_back(table, turns, detail["executionArn"])
    if detail["status"] == "SUCCEEDED":
        _keep_for_a_while(table, detail["name"])
    else:
        told = _record(table, bucket, detail)
        if told is not None:
            _count(told, namespace)
            _tell(told, bus, source)


def _give_back(table: str, turns: str, arn: str) -> None:
    """Takes the execution off the list of those whose turn it is."""
    boto3.client("dynamodb").update_item(
        TableName=table,
        Key={"run_id": {"S": turns}},
        UpdateExpression="DELETE holders :me",
        ExpressionAttributeValues={":me": {"SS": [arn]}},
    )


def _sweep(table: str, turns: str) -> None:
    """Gives back the turns of executions that have ended: a lost event holds none for ever."""
    ledger, machine = boto3.client("dynamodb"), boto3.client("stepfunctions")
    listed = ledger.get_item(TableName=table, Key={"run_id": {"S": turns}}, ConsistentRead=True).get("Item", {})
    for arn in listed.get("holders", {}).get("SS", []):
        try:
            running = machine.describe_execution(executionArn=arn)["status"] == "RUNNING"
        except machine.exceptions.ExecutionDoesNotExist:
            running = False
        if not running:
            LOG.warning(json.dumps({"execution": arn.rpartition(":")[2], "turn": "given back, its end was not told"}))
            _give_back(table, turns, arn)


def _keep_for_a_while(table: str, name: str) -> None:
    """Lets the row of an execution that ended before its claim expire too: the state machine can't reckon dates."""
    ledger = boto3.client("dynamodb")
    try:
        ledger.update_item(
            TableName=table,
            Key={"run_id": {"S": f"execution#{name}"}},
            UpdateExpression="SET expires_at = if_not_exists(expires_at, :expires)",
            ConditionExpression="attribute_exists(run_id)",
            ExpressionAttributeValues={":expires": _expires()},
        )
    except ledger.exceptions.ConditionalCheckFailedException:
        LOG.info(json.dumps({"execution": name, "row": "none"}))


def _expires() -> dict[str, str]:
    return {"N": str(int(time.time()) + KEPT_DAYS * 86_400)}


def _record(table: str, bucket: str, detail: dict[str, Any]) -> dict[str, Any] | None:
    """Writes the failure into the ledger; what is to be told, None if the run is not this execution's any more."""
    ledger = boto3.client("dynamodb")
    arn, name, status = detail["executionArn"], detail["name"], detail["status"]

    execution_row = {"run_id": {"S": f"execution#{name}"}}
    noted = ledger.get_item(TableName=table, Key=execution_row, ConsistentRead=True).get("Item", {})
    run_id, video = noted.get("run", {}).get("S", ""), noted.get("source", {}).get("S", "")
    error, cause, stage = _reason(arn, status)
    if error == MAP_FAILED:
        error, cause = _childs_reason(arn) or (error, cause)
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
            # One that had not claimed the run yet has failed all the same.
            if noted.get("status", {}).get("S") != "ACCEPTED":
                LOG.info(json.dumps({"run_id": run_id, "execution": name, "recorded": False}))
                return None
    ledger.update_item(
        TableName=table,
        Key=execution_row,
        UpdateExpression=f"{changes}, execution_arn = :arn, expires_at = if_not_exists(expires_at, :expires)",
        ExpressionAttributeNames=names,
        ExpressionAttributeValues={**ended, ":expires": _expires()},
    )
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "execution_arn": arn,
        "video": video or _announced(detail.get("input")),
        "status": status,
        "error": error,
        "cause": cause,
        "stage": stage,
    }


def _tell(told: dict[str, Any], bus: str, source: str) -> None:
    """Sends `Video Failed`."""
    answer = boto3.client("events").put_events(
        Entries=[{"Source": source, "DetailType": "Video Failed", "Detail": json.dumps(told), "EventBusName": bus}]
    )
    if answer["FailedEntryCount"]:
        raise RuntimeError(f"Video Failed was not taken: {answer['Entries'][0].get('ErrorCode')}")


def _count(told: dict[str, Any], namespace: str) -> None:
    """Counts the failure as CloudWatch's embedded metric format says it, a line of the log.

    `RefusedVideos` are broken or not what they should be, which is for their owner to know; `BrokenRuns` are ours.
    Whoever stops a run knows of it.
    """
    refused = issubclass(getattr(errors, told["error"], Exception), errors.BadInput)
    name = "StoppedRuns" if told["status"] == "ABORTED" else "RefusedVideos" if refused else "BrokenRuns"
    metrics = {"Namespace": namespace, "Dimensions": [[]], "Metrics": [{"Name": name}]}
    about = {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [metrics]}
    print(json.dumps({"_aws": about, name: 1}))


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
            if entry["type"] not in WORKING_STATES:
                continue
            name = entry["stateEnteredEventDetails"]["name"]
            if name not in WATCHING_STATES:
                stage = name
                break
        if stage:
            break
    return error, _short(described.get("cause") or ""), stage


def _childs_reason(arn: str) -> tuple[str, str] | None:
    """Error and cause of a child that failed the map: the map's own error only counts. None where none is told of.

    A child whose worker was killed left no note, and notes are left by workers that were tried again and did well.
    """
    machine = boto3.client("stepfunctions")
    try:
        for run in machine.list_map_runs(executionArn=arn)["mapRuns"]:
            failed = machine.list_executions(mapRunArn=run["mapRunArn"], statusFilter="FAILED", maxResults=1)
            for child in failed["executions"]:
                described = machine.describe_execution(executionArn=child["executionArn"])
                if described.get("error"):
                    return described["error"], _short(described.get("cause") or "")
    except ClientError as trouble:
        LOG.warning("%s: the map's children can't be read (%s)", arn.rpartition(":")[2], type(trouble).__name__)
    return None


def _short(cause: str) -> str:
    """Lambda's cause is JSON with a stack trace: the message alone is for reading."""
    try:
        message = json.loads(cause).get("errorMessage")
    except (ValueError, AttributeError, RecursionError):
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
    except (ClientError, ValueError, RecursionError) as trouble:
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
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return ""
    return f"{bucket}/{key}"
