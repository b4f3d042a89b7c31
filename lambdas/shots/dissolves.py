"""Dissolves, and fades that are never quite blank: frames in between are mixtures of those before and after."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambdas.shots.change import FADE_EDGE_S, Change, clearest
from lambdas.shots.columns import SceneColumns
from lambdas.shots.layouts import BLANK_RELIEF, BLOCK, Pictures, centred, dot, halved, unlikeness
from lambdas.shots.windows import around_and_within, nearest, windows_around

DISSOLVE_WINDOWS_S = (0.3, 0.5, 0.8, 1.2, 1.8, 2.6)
"""Lengths tried; a longer dissolve is found by its middle part."""
DISSOLVE_CHANGE = 0.35
"""Change of layout between a dissolve's ends."""
COARSE_FROM_CELLS = 150
"""Cells within bars from which half as many across and down are enough to tell a mixture by."""
DISSOLVE_RESIDUE = 0.3
"""Share of a frame within a dissolve that may be no mixture of its ends: what moved meanwhile."""
DISSOLVE_STANDS_OUT = 1.2
"""A dissolve changes the layout so many times more than as much time before and after it; going motion does not."""
DISSOLVE_CELLS = 0.6
"""Share of cells that change in a dissolve; a title changes fewer."""


def find_dissolves(
    columns: SceneColumns, pictures: Pictures, barriers: NDArray[np.float64]
) -> list[tuple[float, Change]]:
    """Dissolves and how clear each is, none across a barrier (seconds, ascending)."""
    t_s, cells = columns.t_s, pictures.cells
    found = []
    for window_s in DISSOLVE_WINDOWS_S:
        half = window_s / 2
        windows = windows_around(t_s, window_s, barriers)
        low, high = windows.low, windows.high
        first, third = nearest(t_s, t_s - half / 2), nearest(t_s, t_s + half / 2)
        number = np.arange(len(t_s))
        apart = (low < first) & (first < number) & (number < third) & (third < high)
        middles = np.flatnonzero(windows.usable & apart)
        for start in range(0, len(middles), BLOCK):
            here = middles[start : start + BLOCK]
            rough = np.abs(cells[low[here]].astype(np.int16) - cells[high[here]]).mean(axis=(1, 2), dtype=np.float32)
            here = here[rough >= BLANK_RELIEF]
            here = here[pictures.change(low[here], high[here]) >= DISSOLVE_CHANGE]
            clear = np.zeros(len(here))
            wide = pictures.shared(low[here], high[here]).sum(axis=1) >= COARSE_FROM_CELLS
            for some in (wide, ~wide):
                rows_of = [rows[here[some]] for rows in (low, first, number, third, high)]
                clear[some] = _mixed(pictures, *rows_of, coarse=some is wide)
            for row in np.flatnonzero(clear > 0):
                at = here[row]
                if not _steady_around(t_s, pictures, int(low[at]), int(high[at]), barriers):
                    continue
                if pictures.is_moved(int(low[at]), int(high[at]), DISSOLVE_CHANGE):
                    continue  # the camera's doing
                span = Change(float(t_s[low[at]]), float(t_s[high[at]]), FADE_EDGE_S)
                found.append((float(clear[row]), span))
    return clearest(found, 0.0)


def _steady_around(
    t_s: NDArray[np.float64], pictures: Pictures, low: int, high: int, barriers: NDArray[np.float64]
) -> bool:
    """Whether the layout changes less in about as much time before frame `low` and after `high` than between them."""
    earlier, within, later = around_and_within(t_s, pictures, low, high, barriers)
    return within >= DISSOLVE_STANDS_OUT * max(earlier, later)


def _mixed(pictures: Pictures, *numbers: NDArray[np.int64], coarse: bool) -> NDArray[np.float64]:
    """(n,) how clearly the three inner ones of five pictures lead from the first to the last, 0 not.

    Looked at with half as many cells if `coarse`, for the sake of what moves meanwhile.
    """
    shared = pictures.shared(numbers[0], numbers[-1])
    a, *inner, b = centred(shared, *(pictures.cells[rows] for rows in numbers))
    if coarse:
        a, *inner, b = (halved(one) for one in (a, *inner, b))
        shared = halved(shared[:, None].astype(np.float32))[:, 0] > 0
    count = shared.sum(axis=1)
    change = unlikeness(a, b, shared)
    aa, bb, ab = (dot(x, y).sum(axis=1) for x, y in ((a, a), (b, b), (a, b)))
    room = np.maximum(aa * bb - ab * ab, 1e-3 * aa * bb + 1e-6)
    scale = np.sqrt(np.maximum(1e-6, np.minimum(aa, bb)))
    shares, residue = [], np.zeros(len(a))
    for m in inner:
        am, bm, mm = (dot(x, m).sum(axis=1) for x in (a, b, m))
        of_a, of_b = (am * bb - bm * ab) / room, (bm * aa - am * ab) / room
        rest = np.sqrt(np.maximum(0, mm - of_a * am - of_b * bm))
        residue = np.maximum(residue, rest / scale)
        shares.append((of_a, of_b))
    (a1, b1), (a2, b2), (a3, b3) = shares
    moves = (a1 - b1 > 0.15) & (np.abs(a2 - b2) < 0.4) & (b3 - a3 > 0.15)
    whole = (np.minimum(np.minimum(a1 + b1, a2 + b2), a3 + b3) > 0.75) & (np.maximum(a2 + b2, 0) < 1.25)
    step = np.sqrt(((a - b) ** 2).sum(axis=1))
    typical = np.sqrt((aa + bb) / count)
    cells = (step > 0.3 * typical[:, None]).sum(axis=1) / count
    enough = np.minimum(aa, bb) > count * BLANK_RELIEF**2
    good = (
        moves & whole & enough & (change >= DISSOLVE_CHANGE) & (residue < DISSOLVE_RESIDUE) & (cells > DISSOLVE_CELLS)
    )
    return np.asarray(np.where(good, np.minimum(1.0, change) * (1 - residue), 0.0))
