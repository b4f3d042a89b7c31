"""Long videos as one Batch job, watched; where no machine comes or the job fails, the map does what is left."""

from __future__ import annotations

from typing import Any

from infra.settings import DeploymentSettings
from infra.states.language import QUICK_S, SPARE_S, Places, State, choice, retry

BATCH_TRANSIENT = ["Batch.ServerException", "Batch.TooManyRequestsException", "Batch.SdkClientException"]

BAD_INPUT_EXIT = 2
"""Exit code by which the Batch door says that the video, not the machine, is the trouble."""
LOOK_EVERY_S = 60
"""A job is looked at so often: half a minute later on the mean, for $0.006 of transitions an hour."""
WORKS = ("STARTING", "RUNNING")
"""Statuses of a job that has its machine."""


def job_states(settings: DeploymentSettings, places: Places, *, fallback: str, next: str) -> dict[str, State]:
    """From `Route` on, to `next` when the job has done all chunks, to `fallback` when it has not.

    Watched here rather than by `.sync`: Batch itself cancels a job that waits for a machine only for three of the
    reasons it knows, and a quota of 0 vCPUs is none of them (AWS Batch user guide, "Jobs stuck in a RUNNABLE status").
    """
    return {
        "Route": choice(
            [
                {
                    "Variable": "$.run.duration_s",
                    "NumericGreaterThanEquals": settings.gpu_from_s,
                    "Next": "Detect on a GPU",
                }
            ],
            fallback,
        ),
        "Detect on a GPU": _submitted(places, fallback=fallback, next="Wait for the job"),
        "Wait for the job": {"Type": "Wait", "Seconds": LOOK_EVERY_S, "Next": "Look at the job"},
        "Look at the job": _looked_at(places, next="How is the job?"),
        "How is the job?": _how_it_is(settings, fallback=fallback, next=next),
        "It works": _counted({"waits": 0}),
        "It waits": _counted({"waits.$": "States.MathAdd($.job.waits, 1)"}),
        "Give the job up": _given_up(places, fallback=fallback),
        "BadInput": {
            "Type": "Fail",
            "Error": "BadInput",
            "Cause": "The Batch job ended with exit code 2; batch_error.json of the run names the error.",
        },
    }


def _submitted(places: Places, *, fallback: str, next: str) -> State:
    return {
        "Type": "Task",
        "Resource": f"arn:{places.partition}:states:::batch:submitJob",
        "Parameters": {
            "JobName.$": "States.Format('detect-{}', $.run.run_id)",
            "JobQueue": places.gpu_queue,
            "JobDefinition": places.gpu_job,
            "ContainerOverrides": {"Command.$": "States.Array('--run-id', $.run.run_id)"},
        },
        "ResultSelector": {"id.$": "$.JobId", "looks": 0, "waits": 0},
        "ResultPath": "$.job",
        "TimeoutSeconds": QUICK_S,
        "Retry": retry(BATCH_TRANSIENT, attempts=3),
        # A queue or a definition that takes no job: the map takes it.
        "Catch": [{"ErrorEquals": ["States.TaskFailed", "States.Timeout"], "ResultPath": None, "Next": fallback}],
        "Next": next,
    }


def _looked_at(places: Places, *, next: str) -> State:
    return {
        "Type": "Task",
        "Resource": f"arn:{places.partition}:states:::aws-sdk:batch:describeJobs",
        "Parameters": {"Jobs.$": "States.Array($.job.id)"},
        "ResultSelector": {"now.$": "$.Jobs[0]"},
        "ResultPath": "$.seen",
        "TimeoutSeconds": QUICK_S,
        "Retry": retry(BATCH_TRANSIENT),
        "Next": next,
    }


def _how_it_is(settings: DeploymentSettings, *, fallback: str, next: str) -> State:
    most = settings.gpu_wait_s + settings.gpu_job_timeout_s + SPARE_S
    return choice(
        [
            {"Variable": "$.seen.now.Status", "StringEquals": "SUCCEEDED", "Next": next},
            {
                "And": [
                    {"Variable": "$.seen.now.Status", "StringEquals": "FAILED"},
                    {"Variable": "$.seen.now.Container.ExitCode", "IsPresent": True},
                    {"Variable": "$.seen.now.Container.ExitCode", "NumericEquals": BAD_INPUT_EXIT},
                ],
                "Next": "BadInput",
            },
            {"Variable": "$.seen.now.Status", "StringEquals": "FAILED", "Next": fallback},
            {
                "Or": [
                    {
                        "Variable": "$.job.waits",
                        "NumericGreaterThanEquals": -(-settings.gpu_wait_s // LOOK_EVERY_S),
                    },
                    {"Variable": "$.job.looks", "NumericGreaterThanEquals": -(-most // LOOK_EVERY_S)},
                ],
                "Next": "Give the job up",
            },
            {
                "Or": [{"Variable": "$.seen.now.Status", "StringEquals": status} for status in WORKS],
                "Next": "It works",
            },
        ],
        "It waits",
    )


def _counted(waits: Any) -> State:
    return {
        "Type": "Pass",
        "Parameters": {
            "id.$": "$.job.id",
            "looks.$": "States.MathAdd($.job.looks, 1)",
            **waits,
        },
        "ResultPath": "$.job",
        "Next": "Wait for the job",
    }


def _given_up(places: Places, *, fallback: str) -> State:
    # Before the map begins, so that nobody does the same chunks beside it.
    return {
        "Type": "Task",
        "Resource": f"arn:{places.partition}:states:::aws-sdk:batch:terminateJob",
        "Parameters": {"JobId.$": "$.job.id", "Reason": "Waited or worked too long; Lambda does its chunks."},
        "ResultPath": None,
        "TimeoutSeconds": QUICK_S,
        "Retry": retry(BATCH_TRANSIENT),
        "Next": fallback,
    }
