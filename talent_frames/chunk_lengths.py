"""Chunks of such a length that all workers of this machine end together."""

from __future__ import annotations

import contextlib
import math

from lambdas.contracts import Plan, Settings, plan_key
from lambdas.errors import TalentFramesError
from lambdas.staging import DirectoryStaging, source_location

SHORTEST_CHUNK_S = 10.0
"""Of chunks made short to give every worker its share: below this, what each chunk costs by itself eats the gain."""
QUICK_CHUNK_S = 25.0
"""Of people alone some stretches take ten times as long as others: the more chunks, down to this length, the sooner the
last worker ends. With scenes each border costs more than that gains."""
CHUNKS_A_WORKER = 3


def even_chunk_s(duration_s: float, workers: int, longest_s: float, *, people_only: bool = False) -> float:
    """The length of chunk that makes a video a multiple of `workers` chunks, or as many as SHORTEST_CHUNK_S allows."""
    if workers == 1 or not SHORTEST_CHUNK_S < duration_s < math.inf:
        return longest_s
    rounds = math.ceil(duration_s / (workers * longest_s))
    if people_only:
        rounds = max(rounds, min(CHUNKS_A_WORKER, int(duration_s / (workers * QUICK_CHUNK_S))))
    count = workers * rounds
    if duration_s < count * SHORTEST_CHUNK_S:
        count = max(math.ceil(duration_s / longest_s), int(duration_s / SHORTEST_CHUNK_S))
    return min(longest_s, duration_s / count)


def _even_chunk_s(settings: Settings, duration_s: float, workers: int) -> float:
    return even_chunk_s(duration_s, workers, settings.chunk_s, people_only=settings.people_only)


def likely_workers(settings: Settings, duration_s: float, most: int) -> int:
    """How many workers a video will keep busy, as far as its container tells its length; 1 where it does not."""
    if not 0 < duration_s < math.inf:
        return 1
    given = "chunk_s" in settings.model_fields_set
    chunk_s = settings.chunk_s if given else _even_chunk_s(settings, duration_s, most)
    return min(most, max(1, round(duration_s / chunk_s)))


def with_even_chunks(settings: Settings, duration_s: float, staging: DirectoryStaging, workers: int) -> Settings:
    """The settings with a chunk length that suits the workers, unless it was given.

    What is resumed keeps the length it was planned with: else nothing of it would be found, when another number of
    workers, or of bytes free for them, asks for another one.
    """
    if "chunk_s" in settings.model_fields_set:
        return settings
    for path in sorted(staging.root.glob(plan_key("*")), key=lambda path: -path.stat().st_mtime_ns):
        with contextlib.suppress(ValueError):
            planned = Plan.model_validate_json(path.read_bytes()).settings.chunk_s
            return settings.model_copy(update={"chunk_s": planned})
    return settings.model_copy(update={"chunk_s": _even_chunk_s(settings, duration_s, workers)})


def duration_of(uri: str) -> float:
    """As the container tells it; 0 where it doesn't, or where split will say what is wrong with the video."""
    from lambdas.video import open_video

    try:
        with open_video(source_location(uri), "video") as container:
            # FFmpeg's unit here is the microsecond.
            return (container.duration or 0) / 1e6
    except (TalentFramesError, OSError):
        return 0.0
