"""Wipes and slides: one picture takes another's place piece by piece. `wipe_fit` says whether frames are one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambdas.shots.change import Change, clearest
from lambdas.shots.columns import LAYOUT_CELLS, SceneColumns
from lambdas.shots.layouts import Pictures
from lambdas.shots.windows import around_and_within, windows_around
from lambdas.shots.wipe_fit import EDGE, FRAMES, slid, wiped

WIPE_WINDOWS_S = (0.45, 0.7, 1.0, 1.4, 2.0)
"""Lengths tried."""
WIPE_CHANGE = 0.4
"""Change of layout between a wipe's ends."""
WIPE_ROUGH = 6.0
"""Grey levels by which the ends of a wipe differ at least."""
WIPE_STEP = 0.75
"""Share of that by which frames that follow one another may differ."""
WIPE_SIDES = 0.3
"""Share of a wipe's change of layout that there may be in as much time before and after it."""
SHORTEST_WIPE_S, SHORTEST_SLIDE_S = 0.28, 0.46
"""What is quicker is a thrown camera."""
CLEARER_THAN_CUTS = 3.0
"""Added to how clear a wipe is: cuts found within one are its steps."""
WIPE_EDGE_S = 0.05
"""By so much a wipe may begin sooner or end later than found: its ends are measured."""


def find_wipes(columns: SceneColumns, pictures: Pictures, barriers: NDArray[np.float64]) -> list[tuple[float, Change]]:
    """Wipes and slides and how clear each is: clearer than any cut that was found within."""
    t_s = columns.t_s
    number = np.arange(1, len(t_s))
    steps = np.concatenate([[0.0], pictures.levels(number - 1, number)])
    found = []
    for window_s in WIPE_WINDOWS_S:
        windows = windows_around(t_s, window_s, barriers)
        low, high = windows.low, windows.high
        here = np.flatnonzero(windows.usable & (high - low >= 4))
        rough = pictures.levels(low[here], high[here])
        here, rough = here[rough >= WIPE_ROUGH], rough[rough >= WIPE_ROUGH]
        unlike = pictures.change(low[here], high[here]) >= WIPE_CHANGE
        here, rough = here[unlike], rough[unlike]
        for at, apart in zip(here.tolist(), rough.tolist(), strict=True):
            first, last = int(low[at]), int(high[at])
            if steps[first + 1 : last + 1].max() > WIPE_STEP * apart:
                continue  # a cut
            earlier, within, later = around_and_within(t_s, pictures, first, last, barriers)
            rest = max(earlier, later) / within
            wipe = _wipe(t_s, pictures, first, last) if rest <= WIPE_SIDES else None
            if wipe is not None:
                # The less happens around it, the more of it is within.
                found.append((CLEARER_THAN_CUTS + wipe[0] - rest, wipe[1]))
    return clearest(found, 0.0)


def _wipe(t_s: NDArray[np.float64], pictures: Pictures, first: int, last: int) -> tuple[float, Change] | None:
    """The wipe or slide from one frame to another, if there is one, and how clear it is."""
    number = np.unique(np.linspace(first, last, min(FRAMES, last - first + 1)).astype(np.int64))
    cells = pictures.cells[number]
    found = wiped(cells, pictures.shared(number[:1], number[-1:])[0])
    slides = found is None
    if found is None:
        found = slid(cells.reshape(-1, LAYOUT_CELLS, LAYOUT_CELLS, 3))
    if found is None:
        return None
    clear, over = found
    start = number[np.flatnonzero(over <= EDGE)[-1]]
    end = number[np.flatnonzero(over >= 1 - EDGE)[0]]
    if t_s[end] - t_s[start] < (SHORTEST_SLIDE_S if slides else SHORTEST_WIPE_S):
        return None
    return clear, Change(float(t_s[start]), float(t_s[end]), WIPE_EDGE_S)
