"""What every part of a chunk's work needs to know, and the clock that all share."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lambdas.contracts import Chunk, Distances, Plan, ScanTier, Settings, SourceFacts


@dataclass
class Stopwatch:
    """Wall seconds by step."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Counts what is done inside for this step."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


@dataclass(frozen=True)
class ChunkContext:
    """One chunk of one run."""

    source: SourceFacts
    chunk: Chunk
    is_last: bool
    """Whether the video ends with it."""
    settings: Settings
    tier: ScanTier
    """How closely a video of this length is looked at."""
    distances: Distances
    """The pack's, with the setting's distance of one person."""
    watch: Stopwatch = field(default_factory=Stopwatch)

    @classmethod
    def of(cls, plan: Plan, index: int) -> ChunkContext:
        """The plan's chunk of this number."""
        distances = plan.pack.distances.model_copy(
            update={"same": plan.settings.same_person_distance or plan.pack.distances.same}
        )
        return cls(
            source=plan.source,
            chunk=plan.chunks[index],
            is_last=index == len(plan.chunks) - 1,
            settings=plan.settings,
            tier=plan.settings.tier(plan.source.duration_s),
            distances=distances,
        )
