"""From a request to a claimed run: noted, looked up, planned by split, and ended well where there is nothing to do."""

from __future__ import annotations

from infra.settings import DeploymentSettings
from infra.states.database import lookup_states
from infra.states.language import EXECUTION_ROW, STATUS, Places, State, choice, invoke, update_item

CLAIM_POLL_S = 30
"""Corrections wait for a run that is being worked on, and ask so often: each costs three transitions."""

_EXECUTION = {"arn.$": "$$.Execution.Id", "name.$": "$$.Execution.Name", "started_at.$": "$$.Execution.StartTime"}
_STARTED = ("outcome", "run_id", "attempt", "chunk_count", "duration_s", "prefix", "max_lost_chunks", "video")


def claim_states(settings: DeploymentSettings, places: Places, *, next: str) -> dict[str, State]:
    """The states from `asked` to `run`: to `next` with a video to detect, to `Hold the claim` where that was done."""
    return {
        "Note the execution": update_item(
            places,
            key=EXECUTION_ROW,
            update="SET #status = if_not_exists(#status, :accepted), execution_arn = :arn, started_at = :started",
            names=STATUS,
            values={
                ":accepted": {"S": "ACCEPTED"},
                ":arn": {"S.$": "$$.Execution.Id"},
                ":started": {"S.$": "$$.Execution.StartTime"},
            },
            next="Start or resume?",
        ),
        "Start or resume?": choice(
            [{"Variable": "$.asked.resume", "StringEquals": "cluster", "Next": "Claim again"}],
            "Listed?" if places.connection else "Split",
        ),
        **(lookup_states(settings, places, next="Split") if places.connection else {}),
        **_split_states(settings, places),
        "Claimed?": choice(
            [
                # What a person corrected is not dropped because their video is being worked on.
                {
                    "And": [
                        {"Variable": "$.run.outcome", "StringEquals": "AlreadyRunning"},
                        {
                            "Or": [
                                {"Variable": f"$.asked.corrections.{field}", "IsPresent": True}
                                for field in ("key", "corrections")
                            ]
                        },
                    ],
                    "Next": "Wait for the claim",
                },
                {"Variable": "$.run.outcome", "StringEquals": "AlreadyRunning", "Next": "AlreadyRunning"},
                {"Variable": "$.run.outcome", "StringEquals": "AlreadyDone", "Next": "AlreadyDone"},
                {"Variable": "$.asked.resume", "StringEquals": "cluster", "Next": "Hold the claim"},
            ],
            next,
        ),
        "Wait for the claim": {"Type": "Wait", "Seconds": CLAIM_POLL_S, "Next": "Claim again"},
        "AlreadyRunning": {"Type": "Succeed"},
        "AlreadyDone": {"Type": "Succeed"},
    }


def _split_states(settings: DeploymentSettings, places: Places) -> dict[str, State]:
    def claim(given: dict[str, str]) -> State:
        payload = {**given, "execution": _EXECUTION}
        return invoke(settings, places, "split", payload, keep=_STARTED, under="$.run", next="Claimed?")

    return {
        "Split": claim({"source.$": "$.asked.source", "settings.$": "$.asked.settings", "force.$": "$.asked.force"}),
        "Claim again": claim(
            {
                "resume.$": "$.asked.resume",
                "run_id.$": "$.asked.run_id",
                "revision.$": "$.asked.revision",
                "corrections.$": "$.asked.corrections",
            }
        ),
    }
