"""The recorder against moto: what it writes, and what it leaves alone. tests/aws runs it behind its rule."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import jsonschema
import pytest
from botocore.stub import Stubber

from lambdas.contracts import Failure, batch_error_key, failure_key
from lambdas.recorder import handler as recorder

TABLE, STAGING, RUN = "ledger", "staging-bucket", "0123456789abcdef"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from moto import mock_aws

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("LEDGER_TABLE", TABLE),
        ("STAGING_BUCKET", STAGING),
        ("EVENT_BUS", "default"),
        ("EVENT_SOURCE", "talent-frames"),
        ("METRICS_NAMESPACE", "TalentFrames"),
    ):
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "TURNS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        boto3.client("dynamodb").create_table(
            TableName=TABLE,
            AttributeDefinitions=[{"AttributeName": "run_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        boto3.client("s3").create_bucket(Bucket=STAGING)
        queue = boto3.client("sqs").create_queue(QueueName="told")["QueueUrl"]
        arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]
        events = boto3.client("events")
        events.put_rule(Name="told", EventPattern=json.dumps({"source": ["talent-frames"]}))
        events.put_targets(Rule="told", Targets=[{"Id": "queue", "Arn": arn["QueueArn"]}])
        yield


def failing(error: str, cause: str = "it broke") -> dict[str, Any]:
    """The event of an execution that ended in this error."""
    machines = boto3.client("stepfunctions")
    definition = {"StartAt": "Nothing", "States": {"Nothing": {"Type": "Fail", "Error": error, "Cause": cause}}}
    machine = machines.create_state_machine(
        name=f"machine-{time.monotonic_ns()}",
        definition=json.dumps(definition),
        roleArn="arn:aws:iam::123456789012:role/r",
    )["stateMachineArn"]
    arn = machines.start_execution(stateMachineArn=machine, name="run-1", input="{}")["executionArn"]
    give_up = time.monotonic() + 10
    while machines.describe_execution(executionArn=arn)["status"] == "RUNNING" and time.monotonic() < give_up:
        time.sleep(0.02)
    return {
        "detail": {
            "executionArn": arn,
            "name": "run-1",
            "status": "FAILED",
            "startDate": int(time.time() * 1000) - 5000,
            "input": json.dumps({"bucket": "source", "key": "a.mp4"}),
        }
    }


def claimed(arn: str, status: str = "RUNNING", executions: str = "RUNNING") -> None:
    ledger = boto3.client("dynamodb")
    ledger.put_item(TableName=TABLE, Item={"run_id": {"S": RUN}, "status": {"S": status}, "execution_arn": {"S": arn}})
    ledger.put_item(
        TableName=TABLE,
        Item={
            "run_id": {"S": "execution#run-1"},
            "run": {"S": RUN},
            "source": {"S": "source/a.mp4"},
            "status": {"S": executions},
        },
    )


def row(key: str = RUN) -> dict[str, Any]:
    item = boto3.client("dynamodb").get_item(TableName=TABLE, Key={"run_id": {"S": key}}).get("Item", {})
    return {name: next(iter(value.values())) for name, value in item.items()}


def told() -> list[dict[str, Any]]:
    queue = boto3.client("sqs").get_queue_url(QueueName="told")["QueueUrl"]
    found = boto3.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [json.loads(message["Body"])["detail"] for message in found]


def test_a_failure_is_written_and_told(account: None) -> None:
    event = failing("UnreadableVideo", json.dumps({"errorMessage": "a.mp4: no video", "stackTrace": ["..."]}))
    claimed(event["detail"]["executionArn"])
    recorder.handler(event, None)
    found = row()
    assert (found["status"], found["error"], found["cause"]) == ("FAILED", "UnreadableVideo", "a.mp4: no video")
    assert row("execution#run-1")["status"] == "FAILED"
    (detail,) = told()
    assert (detail["run_id"], detail["video"], detail["error"]) == (RUN, "source/a.mp4", "UnreadableVideo")


def test_a_failure_before_the_claim_is_told_by_the_video_announced(account: None) -> None:
    recorder.handler(failing("SourceMissing"), None)
    (detail,) = told()
    assert (detail["run_id"], detail["video"], detail["error"]) == ("", "source/a.mp4", "SourceMissing")
    assert row() == {}


@pytest.mark.parametrize("holder, status", [("arn:another", "RUNNING"), ("arn:another", "DONE"), ("", "DONE")], ids=str)
def test_a_run_that_is_anothers_or_done_is_left_alone(account: None, holder: str, status: str) -> None:
    event = failing("States.Timeout")
    claimed(holder or event["detail"]["executionArn"], status)
    before = row()
    recorder.handler(event, None)
    assert row() == before
    assert told() == []


@pytest.mark.parametrize("holder", ["", "arn:another"], ids=["its own", "another's"])
def test_an_execution_that_died_as_it_claimed_sets_its_own_run_free_and_is_told(account: None, holder: str) -> None:
    event = failing("ServiceUnavailable")
    claimed(holder or event["detail"]["executionArn"], executions="ACCEPTED")
    recorder.handler(event, None)
    assert row()["status"] == ("RUNNING" if holder else "FAILED")
    assert row("execution#run-1")["status"] == "FAILED"
    (detail,) = told()
    assert (detail["run_id"], detail["error"]) == (RUN, "ServiceUnavailable")


def test_recording_twice_changes_nothing(account: None) -> None:
    event = failing("UnreadableVideo")
    claimed(event["detail"]["executionArn"])
    recorder.handler(event, None)
    first = row()
    recorder.handler(event, None)
    assert {**row(), "finished_at": ""} == {**first, "finished_at": ""}


@pytest.mark.parametrize("key", [failure_key(RUN, 3), batch_error_key(RUN)])
def test_the_states_own_error_gives_way_to_what_a_worker_met(account: None, key: str) -> None:
    event = failing("BadInput", "see batch_error.json")
    claimed(event["detail"]["executionArn"])
    note = Failure(error="SourceChanged", cause="a.mp4 was overwritten").model_dump_json()
    boto3.client("s3").put_object(Bucket=STAGING, Key=key, Body=note)
    recorder.handler(event, None)
    assert (row()["error"], row()["cause"]) == ("SourceChanged", "a.mp4 was overwritten")


def test_a_note_of_an_earlier_execution_says_nothing(account: None) -> None:
    event = failing("BadInput", "see batch_error.json")
    claimed(event["detail"]["executionArn"])
    event["detail"]["startDate"] += 60_000
    boto3.client("s3").put_object(
        Bucket=STAGING, Key=failure_key(RUN, 3), Body=Failure(error="Old", cause="old").model_dump_json()
    )
    recorder.handler(event, None)
    assert row()["error"] == "BadInput"


def test_the_turn_is_given_back(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNS_KEY", "turns")
    event = failing("UnreadableVideo")
    arn = event["detail"]["executionArn"]
    claimed(arn)
    boto3.client("dynamodb").put_item(
        TableName=TABLE, Item={"run_id": {"S": "turns"}, "holders": {"SS": [arn, "arn:another"]}}
    )
    recorder.handler(event, None)
    assert row("turns")["holders"] == ["arn:another"]


@pytest.mark.parametrize("name", ["LEDGER_TABLE", "STAGING_BUCKET", "EVENT_BUS", "EVENT_SOURCE", "METRICS_NAMESPACE"])
def test_a_variable_that_is_missing_is_named(account: None, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(KeyError, match=name):
        recorder.handler({"detail": {}}, None)


@pytest.mark.parametrize("error", ["UnreadableVideo", "InvalidRequest"])
def test_what_is_told_fits_its_schema(account: None, error: str) -> None:
    schema = json.loads((Path(__file__).parents[2] / "docs" / "event-failed.schema.json").read_text())
    event = failing(error)
    if error == "UnreadableVideo":
        claimed(event["detail"]["executionArn"])
    recorder.handler(event, None)
    (detail,) = told()
    jsonschema.validate(detail, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**detail, "more": 1}, schema)


# who is to be alarmed


@pytest.mark.parametrize(
    ("error", "status", "counted"),
    [
        ("UnreadableVideo", "FAILED", "RefusedVideos"),
        ("InvalidSettings", "FAILED", "RefusedVideos"),
        ("KeyTooLong", "FAILED", "RefusedVideos"),
        ("ServiceUnavailable", "FAILED", "BrokenRuns"),
        ("States.Timeout", "TIMED_OUT", "BrokenRuns"),
        ("Runtime.ExitError", "FAILED", "BrokenRuns"),
        ("Aborted", "ABORTED", "StoppedRuns"),
    ],
)
def test_a_broken_video_is_no_broken_machine(
    account: None, capsys: pytest.CaptureFixture[str], error: str, status: str, counted: str
) -> None:
    event = failing(error)
    event["detail"]["status"] = status
    recorder.handler(event, None)
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    (metrics,) = line["_aws"]["CloudWatchMetrics"]
    assert (metrics["Namespace"], metrics["Metrics"]) == ("TalentFrames", [{"Name": counted}])
    assert line[counted] == 1


# turns and rows


def test_a_good_end_gives_the_turn_back_and_lets_the_row_expire(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNS_KEY", "turns")
    holders("arn:mine", "arn:other")
    boto3.client("dynamodb").put_item(
        TableName=TABLE, Item={"run_id": {"S": "execution#run-1"}, "status": {"S": "NotListed"}}
    )
    recorder.handler({"detail": {"executionArn": "arn:mine", "name": "run-1", "status": "SUCCEEDED"}}, None)
    assert row("turns")["holders"] == ["arn:other"]
    found = row("execution#run-1")
    assert found["status"] == "NotListed"
    assert int(found["expires_at"]) > time.time() + 399 * 86_400
    assert told() == []


def test_a_row_that_expires_already_keeps_its_date_and_none_is_made_up(account: None) -> None:
    boto3.client("dynamodb").put_item(
        TableName=TABLE, Item={"run_id": {"S": "execution#run-1"}, "expires_at": {"N": "17"}}
    )
    for name in ("run-1", "run-2"):
        recorder.handler({"detail": {"executionArn": "arn", "name": name, "status": "SUCCEEDED"}}, None)
    assert row("execution#run-1")["expires_at"] == "17"
    assert row("execution#run-2") == {}


def test_the_row_of_a_failed_execution_expires(account: None) -> None:
    event = failing("InvalidRequest")
    recorder.handler(event, None)
    assert int(row("execution#run-1")["expires_at"]) > time.time()


def test_a_turn_whose_end_was_never_told_is_found_and_given_back(
    account: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TURNS_KEY", "turns")
    ended = failing("UnreadableVideo")["detail"]["executionArn"]
    running = waiting()
    forgotten = running.rpartition(":")[0] + ":never-was"
    holders(ended, running, forgotten)
    recorder.handler({"sweep": True}, None)
    assert row("turns")["holders"] == [running]
    boto3.client("stepfunctions").stop_execution(executionArn=running)


def test_a_sweep_without_turns_does_nothing(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNS_KEY", "turns")
    recorder.handler({"sweep": True}, None)
    assert row("turns") == {}


def test_both_writers_of_rows_let_them_expire_alike() -> None:
    from lambdas.split import claim

    assert recorder.KEPT_DAYS == claim.KEPT_DAYS


def holders(*arns: str) -> None:
    boto3.client("dynamodb").put_item(TableName=TABLE, Item={"run_id": {"S": "turns"}, "holders": {"SS": list(arns)}})


def waiting() -> str:
    """An execution that runs until it is stopped."""
    machines = boto3.client("stepfunctions")
    definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 60, "End": True}}}
    machine = machines.create_state_machine(
        name="waiting", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/r"
    )["stateMachineArn"]
    arn: str = machines.start_execution(stateMachineArn=machine, name="waits", input="{}")["executionArn"]
    return arn


def test_a_map_that_failed_says_what_its_child_died_of(account: None, monkeypatch: pytest.MonkeyPatch) -> None:
    machines = boto3.client("stepfunctions")
    monkeypatch.setattr(boto3, "client", lambda service: machines)
    machine, began = "arn:aws:states:us-east-1:123456789012:stateMachine:Main", datetime.now(UTC)
    child, of_map = {"executionArn": "arn:child", "stateMachineArn": machine}, {"mapRunArn": "arn:map"}
    died = json.dumps({"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited with error: signal: killed"})
    facts = {"startDate": began, "status": "FAILED"}
    with Stubber(machines) as stub:
        run = {"executionArn": "arn:run", "stateMachineArn": machine, "startDate": began, **of_map}
        stub.add_response("list_map_runs", {"mapRuns": [run]}, {"executionArn": "arn:run"})
        failed = {"executions": [{**child, **facts, "name": "child"}]}
        stub.add_response("list_executions", failed, {**of_map, "statusFilter": "FAILED", "maxResults": 1})
        told = {**child, **facts, "error": "Runtime.ExitError", "cause": died}
        stub.add_response("describe_execution", told, {"executionArn": "arn:child"})
        reason = recorder._childs_reason("arn:run")
        assert reason == ("Runtime.ExitError", "Runtime exited with error: signal: killed")
    # Who may not ask has the workers' notes.
    with Stubber(machines) as stub:
        stub.add_client_error("list_map_runs", "AccessDeniedException")
        assert recorder._childs_reason("arn:run") is None
