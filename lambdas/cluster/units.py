"""What is clustered: tracks, those that a chunk border cut in two as one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.groups import means, pairs_between, unite
from lambdas.cluster.tracks import Tracks, normed


@dataclass(frozen=True)
class Units:
    """What is clustered (u): tracks, those that a chunk border cut in two as one."""

    vectors: NDArray[np.float32]
    """(u, d) L2-normed; zeros without an embedded face."""
    clear: NDArray[np.int64]
    """(u,) as in Tracks, clear_side likewise."""
    clear_side: NDArray[np.int64]
    conflicts: NDArray[np.int64]
    """(q, 2) seen in one frame."""

    @property
    def embedded(self) -> NDArray[np.bool_]:
        """(u,)"""
        return np.asarray(self.vectors.any(axis=1), np.bool_)

    def beside(self) -> dict[int, list[int]]:
        """Whom each unit was seen beside."""
        beside: dict[int, list[int]] = {}
        for a, b in self.conflicts.tolist():
            beside.setdefault(a, []).append(b)
            beside.setdefault(b, []).append(a)
        return beside

    def centroids(self, label: NDArray[np.int64]) -> NDArray[np.float32]:
        """(k, d) mean of the labelled units of each label, L2-normed; `label` (u,) is -1 for none."""
        known = np.flatnonzero(label >= 0)
        return means(self.vectors[known], label[known], int(label.max(initial=-1)) + 1)


def units_of(tracks: Tracks, links: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], Units]:
    """(t,) the unit of each track, and the units."""
    unit_of_track = unite(len(tracks), links)
    count = int(unit_of_track.max(initial=-1)) + 1
    clear = np.zeros(count, np.int64)
    clear_side = np.zeros(count, np.int64)
    np.add.at(clear, unit_of_track, tracks.clear)
    np.add.at(clear_side, unit_of_track, tracks.clear_side)
    # In a unit with a clear track the others say nothing about the face.
    speaks = (tracks.faces > 0) & ((tracks.clear > 0) | (clear[unit_of_track] == 0))
    total = np.zeros((count, tracks.embedding.shape[1]), np.float32)
    np.add.at(total, unit_of_track[speaks], tracks.embedding[speaks] * tracks.faces[speaks, None])
    conflicts = pairs_between(unit_of_track, tracks.conflicts)
    return unit_of_track, Units(normed(total), clear, clear_side, conflicts)
