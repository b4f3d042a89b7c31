"""Cross-fades and fades: frames that are a mixture of what comes before and after them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 48, 27
_REACHES_S = (0.12, 0.24, 0.4)
"""How far before and after a frame its neighbours are taken: a mixture shows best over about half the fade."""
_CHANGE = 10.0
"""Mean change (0 to 255) between the neighbours from which there is something to mix; most cross-fades reach 20."""
_MIXED, _MOVED = 0.15, 0.28
"""Distance of a frame from the straight line between its neighbours, as a share of theirs: a linear mixture lies
on it (compression leaves 0.02 to 0.1), movement does not (0.35 to 0.5)."""


def sliver(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(27, 48) grey thumbnail by which frames are compared, of a BGR picture of any size."""
    gray = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.resize(gray, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


class Blends:
    """Where frames are mixtures of their neighbours."""

    def __init__(self, times: Sequence[float], slivers: Sequence[NDArray[np.uint8]]) -> None:
        """Decoded frames in time order: seconds and `sliver`s."""
        self._times = np.array(times, np.float64)
        self._share = _mixed(self._times, slivers)

    def clearness(self, t_s: float) -> float:
        """1 for a picture of one shot alone, 0 within a cross-fade or a fade."""
        if not len(self._times):
            return 1.0
        # A fade's first and last frames have no mixture on their outer side; the neighbours tell.
        low, high = np.searchsorted(self._times, (t_s - 0.1, t_s + 0.1))
        return 1 - float(self._share[low:high].max(initial=0.0))


def _mixed(times: NDArray[np.float64], slivers: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """(n,) how surely each frame is a mixture, 0 to 1."""
    share = np.zeros(len(times))
    if len(times) < 3:
        return share
    for reach_s in _REACHES_S:
        before = np.searchsorted(times, times - reach_s - 1e-6, side="left")
        after = np.searchsorted(times, times + reach_s + 1e-6, side="right") - 1
        for here, (first, last) in enumerate(zip(before.tolist(), after.tolist(), strict=True)):
            # At a chunk's border one side is shorter; without either there is nothing to compare.
            if first >= here or last <= here:
                continue
            start, end = slivers[first].astype(np.float32), slivers[last].astype(np.float32)
            step = end - start
            change = float(np.abs(step).mean())
            if change < _CHANGE:
                continue
            offset = slivers[here].astype(np.float32) - start
            along = float((offset * step).sum()) / max(float((step * step).sum()), 1e-9)
            if not 0.05 < along < 0.95:
                continue
            away = float(np.abs(offset - along * step).mean()) / change
            share[here] = max(share[here], float(np.clip((_MOVED - away) / (_MOVED - _MIXED), 0, 1)))
    return share
