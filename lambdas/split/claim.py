"""One run, once: which execution of the state machine may work on a run, kept in a DynamoDB table."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from lambdas.contracts import Execution

KEPT_DAYS = 400
"""A row this old is dropped by the table; the same upload would then be worked through again."""

Outcome = Literal["started", "AlreadyRunning", "AlreadyDone"]


@dataclass(frozen=True)
class Claim:
    """Whether an execution holds a run."""

    outcome: Outcome
    attempt: int
    """From 1; of the execution that holds the run or finished it."""


class Ledger:
    """The table of runs: an item per run under its id, and one per execution under `execution#<name>`.

    Every write to a run's item after the claim is to be conditional on its `execution_arn`.
    """

    def __init__(self, table: str, lease_s: int, client: Any = None, clock: Callable[[], float] = time.time) -> None:
        import boto3

        self._table = table
        self._lease_s = lease_s
        self._client = client if client is not None else boto3.client("dynamodb")
        self._clock = clock

    def claim(self, run_id: str, execution: Execution, video: str, *, revision: str | None = None) -> Claim:
        """Takes the run for this execution, if nobody works on it or finished it, and says so in the execution's item.

        A run is free if it is unknown, has failed, or its lease is over, since then the execution that held it timed
        out. One that is done is free for a `revision` other than the last. Claiming twice changes nothing.

        The execution's item names the run before it is taken: where this process dies in between, or the answer is
        lost, the recorder knows which run to set free.
        """
        self._note(run_id, execution, video, "ACCEPTED")
        claim = self._taken(run_id, execution, video, revision)
        self._note(run_id, execution, video, "RUNNING" if claim.outcome == "started" else claim.outcome)
        return claim

    def _taken(self, run_id: str, execution: Execution, video: str, revision: str | None) -> Claim:
        now = int(self._clock())
        free = "attribute_not_exists(run_id) OR #status = :failed OR (#status = :running AND lease_until < :now)"
        values: dict[str, dict[str, str]] = {
            ":failed": {"S": "FAILED"},
            ":running": {"S": "RUNNING"},
            ":now": {"N": str(now)},
            ":arn": {"S": execution.arn},
            ":lease": {"N": str(now + self._lease_s)},
            ":video": {"S": video},
            ":started": {"S": execution.started_at},
            ":expires": {"N": str(now + KEPT_DAYS * 86_400)},
            ":zero": {"N": "0"},
            ":one": {"N": "1"},
        }
        changes = (
            "SET #status = :running, execution_arn = :arn, lease_until = :lease, #source = :video, "
            "started_at = :started, expires_at = :expires, attempt = if_not_exists(attempt, :zero) + :one"
        )
        stale = ["finished_at", "#stage", "#error", "cause"]
        if revision is None:
            stale.append("revision")
        else:
            free += " OR (#status = :done AND (attribute_not_exists(revision) OR revision <> :revision))"
            values |= {":done": {"S": "DONE"}, ":revision": {"S": revision}}
            changes += ", revision = :revision"
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key={"run_id": {"S": run_id}},
                ConditionExpression=free,
                UpdateExpression=f"{changes} REMOVE {', '.join(stale)}",
                # These are reserved words.
                ExpressionAttributeNames={
                    "#status": "status",
                    "#source": "source",
                    "#stage": "stage",
                    "#error": "error",
                },
                ExpressionAttributeValues=values,
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self._client.exceptions.ConditionalCheckFailedException as error:
            return _standing(error.response.get("Item", {}), execution.arn)
        return Claim("started", int(answer["Attributes"]["attempt"]["N"]))

    def _note(self, run_id: str, execution: Execution, video: str, status: str) -> None:
        """Writes the execution's own item, by which whoever started it can ask for it."""
        self._client.put_item(
            TableName=self._table,
            Item={
                "run_id": {"S": f"execution#{execution.name}"},
                "run": {"S": run_id},
                "status": {"S": status},
                "execution_arn": {"S": execution.arn},
                "source": {"S": video},
                "started_at": {"S": execution.started_at},
                "expires_at": {"N": str(int(self._clock()) + KEPT_DAYS * 86_400)},
            },
        )


def _standing(item: dict[str, dict[str, str]], arn: str) -> Claim:
    """What the item that refused a claim says."""
    attempt = int(item.get("attempt", {}).get("N", "0"))
    status = item.get("status", {}).get("S", "")
    if status == "DONE":
        return Claim("AlreadyDone", attempt)
    # Asked again by the same execution: split was retried, or its answer got lost.
    return Claim("started" if item.get("execution_arn", {}).get("S") == arn else "AlreadyRunning", attempt)
