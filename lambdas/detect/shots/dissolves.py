"""Cross-fades and fades: frames that are a mixture of what comes before and after them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_REACHES_S = (0.12, 0.24, 0.4)
"""How far before and after a frame its neighbours are taken: a mixture shows best over about half the fade."""
_CHANGE = 10.0
"""Mean change (0 to 255) between the neighbours from which there is something to mix; most cross-fades reach 20."""
_MIXED, _MOVED = 0.15, 0.28
"""Distance of a frame from the straight line between its neighbours, as a share of theirs: a linear mixture lies
on it (compression leaves 0.02 to 0.1), movement does not (0.35 to 0.5)."""
_EDGE_S = 0.1
"""A fade's first and last frames have no mixture on their outer side; neighbours so near tell."""
_BLOCK = 512
"""Frames worked on at a time."""


class DissolveMask:
    """Where frames are mixtures of their neighbours."""

    def __init__(self, times: NDArray[np.float64], thumbnails: Sequence[NDArray[np.uint8]]) -> None:
        """Decoded frames in time order: seconds (n,) and grey thumbnails, (h, w) each."""
        self._times = times
        self._share = _mixed(times, np.array(thumbnails, np.uint8).reshape(len(times), -1 if len(times) else 0))

    def clearness(self, t_s: float) -> float:
        """1 for a picture of one shot alone, 0 within a cross-fade or a fade."""
        low, high = np.searchsorted(self._times, (t_s - _EDGE_S, t_s + _EDGE_S))
        return 1 - float(self._share[low:high].max(initial=0.0))


def _mixed(times: NDArray[np.float64], pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(n,) how surely each frame is a mixture, 0 to 1; `pictures` (n, pixels) grey."""
    share = np.zeros(len(times))
    for reach_s in _REACHES_S:
        before = np.searchsorted(times, times - reach_s - 1e-6, side="left")
        after = np.searchsorted(times, times + reach_s + 1e-6, side="right") - 1
        here = np.arange(len(times))
        # At a chunk's border one side is shorter; without either there is nothing to compare.
        inside = here[(before < here) & (after > here)]
        for low in range(0, len(inside), _BLOCK):
            rows = inside[low : low + _BLOCK]
            start, end = pictures[before[rows]].astype(np.float32), pictures[after[rows]].astype(np.float32)
            step = end - start
            change = np.abs(step).mean(axis=1)
            some = change >= _CHANGE
            rows, start, step, change = rows[some], start[some], step[some], change[some]
            offset = pictures[rows].astype(np.float32) - start
            along = (offset * step).sum(axis=1) / np.maximum((step * step).sum(axis=1), 1e-9)
            away = np.abs(offset - along[:, None] * step).mean(axis=1) / change
            found = np.clip((_MOVED - away) / (_MOVED - _MIXED), 0, 1) * ((along > 0.05) & (along < 0.95))
            share[rows] = np.maximum(share[rows], found)
    return share
