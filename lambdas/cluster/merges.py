"""People who may be one, for a person to decide. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.gallery import Naming
from lambdas.contracts import SuggestedMerge

MOST_SUGGESTIONS = 50
"""Suggested merges listed at most; a person reads them."""


def suggested_merges(
    centroids: NDArray[np.float32], names: Sequence[Naming], conflicts: set[tuple[int, int]], limit: float
) -> list[SuggestedMerge]:
    """People near one another, and people of one name however far apart; never two seen in one frame."""
    pairs = set(_near(centroids, conflicts, limit))
    bearers: dict[str, list[int]] = {}
    for person, naming in enumerate(names):
        if naming.name is not None:
            bearers.setdefault(naming.name, []).append(person)
    known = {(a, b) for _, a, b in pairs} | conflicts
    for people in bearers.values():
        for place, a in enumerate(people):
            for b in people[place + 1 :]:
                if (a, b) not in known:
                    pairs.add((1 - float(centroids[a] @ centroids[b]), a, b))
    return [
        SuggestedMerge(people=(a, b), distance=round(max(0.0, distance), 4))
        for distance, a, b in sorted(pairs)[:MOST_SUGGESTIONS]
    ]


def _near(
    centroids: NDArray[np.float32], conflicts: set[tuple[int, int]], limit: float
) -> list[tuple[float, int, int]]:
    """Pairs of rows nearer than `limit` that were not seen in one frame: cosine distance, two rows; nearest first."""
    pairs: list[tuple[float, int, int]] = []
    for start in range(0, len(centroids), 1024):
        distance = 1 - centroids[start : start + 1024] @ centroids[start:].T
        for row, column in np.argwhere(distance < limit).tolist():
            if row < column and (start + row, start + column) not in conflicts:
                pairs.append((float(distance[row, column]), start + row, start + column))
    return sorted(pairs)
