"""From detections to published results, told to the bus, the ledger, the user's database and the metrics."""

from __future__ import annotations

from infra.settings import DeploymentSettings
from infra.states.database import tell_states
from infra.states.language import (
    EXECUTION_ROW,
    LOST,
    QUICK_S,
    STATUS,
    Places,
    State,
    invoke,
    named_end,
    noting,
    retry,
    update_item,
)

EVENT_SOURCE = "talent-frames"
EVENTS_TRANSIENT = ["EventBridge.FailedEntry", "EventBridge.InternalException", "EventBridge.SdkClientException"]
METRICS = (
    ("Cost", "None", "metrics.cost_usd"),
    ("VideoSeconds", "Seconds", "video.duration_s"),
    ("People", "Count", "metrics.people"),
)
"""Name, unit and where in the `Video Processed` event it stands. Cost is USD, as the manifest estimates it."""
_CLAIM_LOST = [{"ErrorEquals": LOST, "ResultPath": None, "Next": noting("ClaimLost")}]


def result_states(settings: DeploymentSettings, places: Places) -> dict[str, State]:
    """The states from `Hold the claim` to the end."""
    return {
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
        "Video Processed": _told_to_the_bus(places, next="Ledger done"),
        "Ledger done": _done(
            places, key="$.run.run_id", condition="execution_arn = :arn", more={":arn": {"S.$": "$$.Execution.Id"}}
        )
        | {"Next": "Execution done", "Catch": _CLAIM_LOST},
        **named_end(places, "ClaimLost"),
        "Execution done": _done(places, key=EXECUTION_ROW)
        | {"Next": "In the database?" if places.connection else "Metrics"},
        **(tell_states(settings, places, next="Metrics") if places.connection else {}),
        "Metrics": _metrics(settings, places, next="Done"),
        "Done": {"Type": "Succeed", "InputPath": "$.published"},
    }


def _told_to_the_bus(places: Places, *, next: str) -> State:
    return {
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
        "Next": next,
    }


def _metrics(settings: DeploymentSettings, places: Places, *, next: str) -> State:
    return {
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
        "Catch": [{"ErrorEquals": ["States.TaskFailed", "States.Timeout"], "ResultPath": None, "Next": next}],
        "ResultPath": None,
        "Next": next,
    }


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
