"""Where a run's documents lie in staging."""

from __future__ import annotations


def plan_key(run_id: str) -> str:
    return f"runs/{run_id}/plan.json"


def chunks_key(run_id: str) -> str:
    """A top-level JSON array of the plan's chunks, for the map's item reader."""
    return f"runs/{run_id}/chunks.json"


def segment_key(run_id: str, chunk: int) -> str:
    return f"runs/{run_id}/segments/{chunk:05d}.mkv"


def frames_key(run_id: str, chunk: int) -> str:
    return f"runs/{run_id}/frames/{chunk:05d}.tar"


def detections_key(run_id: str, chunk: int) -> str:
    return f"runs/{run_id}/detections/{chunk:05d}.npz"


def chunk_document_key(run_id: str, chunk: int) -> str:
    return f"runs/{run_id}/chunks/{chunk:05d}.json"


def selection_key(run_id: str) -> str:
    return f"runs/{run_id}/selection.json"


def corrections_key(run_id: str) -> str:
    """Where cluster finds what a person corrected; there may be nothing."""
    return f"runs/{run_id}/corrections.json"


def moments_key(run_id: str) -> str:
    """Frames taken from the video after the run, because a correction asks for them; there may be nothing."""
    return f"runs/{run_id}/moments.json"


def failure_key(run_id: str, chunk: int) -> str:
    return f"runs/{run_id}/failures/{chunk:05d}.json"


def job_report_key(run_id: str) -> str:
    return f"runs/{run_id}/job.json"


def batch_error_key(run_id: str) -> str:
    return f"runs/{run_id}/batch_error.json"
