"""The claim: of all executions that were started for one upload, one works on it."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from lambdas.contracts import Execution
from lambdas.split.claim import Claim, Ledger

pytestmark = pytest.mark.usefixtures("aws")
TABLE, RUN, LEASE_S = "ledger", "0123456789abcdef", 3900


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def table(aws: None) -> Any:
    client = boto3.client("dynamodb")
    client.create_table(
        TableName=TABLE,
        AttributeDefinitions=[{"AttributeName": "run_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


@pytest.fixture
def ledger(table: Any, clock: Clock) -> Ledger:
    return Ledger(TABLE, LEASE_S, table, clock)


def execution(name: str) -> Execution:
    return Execution(arn=f"arn:execution:{name}", name=name, started_at="2026-01-01T00:00:00Z")


def row(table: Any) -> dict[str, Any]:
    found: dict[str, Any] = table.get_item(TableName=TABLE, Key={"run_id": {"S": RUN}})["Item"]
    return found


def ends(table: Any, status: str) -> None:
    table.update_item(
        TableName=TABLE,
        Key={"run_id": {"S": RUN}},
        UpdateExpression="SET #s = :s, cause = :s",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":s": {"S": status}},
    )


def test_an_unknown_run_is_taken_with_a_lease(ledger: Ledger, table: Any, clock: Clock) -> None:
    assert ledger.claim(RUN, execution("a"), "bucket/key.mp4") == Claim("started", 1)
    item = row(table)
    assert item["status"] == {"S": "RUNNING"}
    assert item["execution_arn"] == {"S": "arn:execution:a"}
    assert item["lease_until"] == {"N": str(int(clock.now) + LEASE_S)}
    assert item["source"] == {"S": "bucket/key.mp4"}
    assert int(item["expires_at"]["N"]) > clock.now


def test_of_two_executions_the_second_finds_it_running(ledger: Ledger, table: Any) -> None:
    ledger.claim(RUN, execution("a"), "bucket/key.mp4")
    before = row(table)
    assert ledger.claim(RUN, execution("b"), "bucket/key.mp4") == Claim("AlreadyRunning", 1)
    assert row(table) == before


def test_claiming_twice_changes_nothing(ledger: Ledger, table: Any) -> None:
    ledger.claim(RUN, execution("a"), "bucket/key.mp4")
    before = row(table)
    assert ledger.claim(RUN, execution("a"), "bucket/key.mp4") == Claim("started", 1)
    assert row(table) == before


@pytest.mark.parametrize("asking", ["a", "b"])
def test_a_finished_run_is_done_for_everybody(ledger: Ledger, table: Any, asking: str) -> None:
    ledger.claim(RUN, execution("a"), "bucket/key.mp4")
    ends(table, "DONE")
    assert ledger.claim(RUN, execution(asking), "bucket/key.mp4") == Claim("AlreadyDone", 1)


def test_a_failed_run_is_free_and_its_failure_forgotten(ledger: Ledger, table: Any) -> None:
    ledger.claim(RUN, execution("a"), "bucket/key.mp4")
    ends(table, "FAILED")
    assert ledger.claim(RUN, execution("b"), "bucket/key.mp4") == Claim("started", 2)
    assert "cause" not in row(table)


def test_a_lease_ends_in_its_own_second(ledger: Ledger, clock: Clock) -> None:
    ledger.claim(RUN, execution("a"), "bucket/key.mp4")
    clock.now += LEASE_S
    assert ledger.claim(RUN, execution("b"), "bucket/key.mp4").outcome == "AlreadyRunning"
    clock.now += 1
    assert ledger.claim(RUN, execution("b"), "bucket/key.mp4") == Claim("started", 2)


def test_a_finished_run_is_free_for_each_revision_once(ledger: Ledger, table: Any) -> None:
    ledger.claim(RUN, execution("a"), "bucket/key.mp4")
    assert ledger.claim(RUN, execution("b"), "bucket/key.mp4", revision="1").outcome == "AlreadyRunning"
    ends(table, "DONE")
    assert ledger.claim(RUN, execution("b"), "bucket/key.mp4", revision="1") == Claim("started", 2)
    assert row(table)["revision"] == {"S": "1"}
    ends(table, "DONE")
    assert ledger.claim(RUN, execution("c"), "bucket/key.mp4", revision="1").outcome == "AlreadyDone"
    assert ledger.claim(RUN, execution("c"), "bucket/key.mp4", revision="2").outcome == "started"


def executions_row(table: Any, name: str) -> dict[str, str]:
    item = table.get_item(TableName=TABLE, Key={"run_id": {"S": f"execution#{name}"}})["Item"]
    return {field: value["S"] for field, value in item.items() if "S" in value}


def test_an_execution_can_be_asked_for_by_its_name(ledger: Ledger, table: Any) -> None:
    ledger.claim(RUN, execution("a"), "bucket/key.mp4")
    assert (executions_row(table, "a")["run"], executions_row(table, "a")["status"]) == (RUN, "RUNNING")
    ends(table, "DONE")
    ledger.claim(RUN, execution("b"), "bucket/key.mp4")
    assert (executions_row(table, "b")["run"], executions_row(table, "b")["status"]) == (RUN, "AlreadyDone")


def test_an_execution_that_dies_as_it_claims_has_named_its_run(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = boto3.client("dynamodb")
    take = answers.update_item

    def answer_lost(**given: Any) -> None:
        take(**given)
        raise ConnectionError("the answer is lost")

    monkeypatch.setattr(answers, "update_item", answer_lost)
    with pytest.raises(ConnectionError):
        Ledger(TABLE, LEASE_S, answers).claim(RUN, execution("a"), "bucket/key.mp4")
    assert row(table)["execution_arn"] == {"S": execution("a").arn}
    assert (executions_row(table, "a")["run"], executions_row(table, "a")["status"]) == (RUN, "ACCEPTED")
