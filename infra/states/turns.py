"""So many runs at once: one item of the ledger lists the executions whose turn it is."""

from __future__ import annotations

from infra.settings import DeploymentSettings
from infra.states.language import LOST, Places, State, update_item


def turn_states(settings: DeploymentSettings, places: Places, *, next: str) -> dict[str, State]:
    """Waits until fewer than `runs_in_flight` executions are listed, and lists this one.

    The recorder takes an execution off the list when it has ended, however it ended.
    """
    wait = update_item(
        places,
        key=None,
        update="ADD holders :me",
        condition="attribute_not_exists(holders) OR size(holders) < :most OR contains(holders, :arn)",
        values={
            ":me": {"SS.$": "States.Array($$.Execution.Id)"},
            ":arn": {"S.$": "$$.Execution.Id"},
            ":most": {"N": str(settings.runs_in_flight)},
        },
        next=next,
    )
    # 4000 tries of 5 history events each stay under an execution's 25,000.
    turn = {
        "ErrorEquals": LOST,
        "IntervalSeconds": 15,
        "BackoffRate": 1.2,
        "MaxDelaySeconds": 60,
        "MaxAttempts": 4000,
        "JitterStrategy": "FULL",
    }
    return {"Wait for a turn": wait | {"Retry": [turn, *wait["Retry"]]}}
