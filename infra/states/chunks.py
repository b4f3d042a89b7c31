"""Detection by the map: one Lambda function for each chunk."""

from __future__ import annotations

from infra.settings import DeploymentSettings
from infra.states.language import Places, State, invoke, retry


def chunk_states(settings: DeploymentSettings, places: Places, *, next: str) -> dict[str, State]:
    """The map `Detect`, to `next` when it has done all chunks."""
    return {
        "Detect": {
            "Type": "Map",
            "Comment": "One child for each chunk; a chunk whose document stands in staging already is skipped.",
            "Label": "Detect",
            "ItemReader": {
                "Resource": f"arn:{places.partition}:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSON"},
                "Parameters": {
                    "Bucket": places.staging,
                    "Key.$": "States.Format('runs/{}/chunks.json', $.run.run_id)",
                },
            },
            "ItemSelector": {"run_id.$": "$.run.run_id", "chunk.$": "$$.Map.Item.Value.index"},
            "MaxConcurrency": settings.map_concurrency,
            "ToleratedFailureCountPath": "$.run.max_lost_chunks",
            "ItemProcessor": {
                # Standard, as an express child may live 5 minutes only.
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Detect chunk",
                "States": {
                    "Detect chunk": invoke(settings, places, "detect", {"run_id.$": "$.run_id", "chunk.$": "$.chunk"})
                },
            },
            "Retry": retry(["States.ItemReaderFailed"], attempts=2),
            "ResultPath": None,
            "Next": next,
        },
    }
