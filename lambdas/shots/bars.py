"""Bars around a picture: rows and columns at the border that are like its corner, of whatever colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambdas.shots.columns import LAYOUT_CELLS

BAR_LEVELS, LIGHT_BAR_LEVELS, DARK_BAR = 5, 2, 24
"""Grey levels by which cells of one bar may differ: what compression leaves of it; less in a bar lighter than the last,
which may be a wall or the sky."""
_FEWEST_CELLS = 12
"""Cells that a picture between bars has at least."""


def bar_cells(grid: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(k, 2) rows, and columns, from the first on that are all like the first cell of (k, rows, columns, 3)."""
    alike = np.ones(grid.shape[:3], bool)
    dark = grid[:, :1, :1].max(axis=3) <= DARK_BAR
    reach = np.where(dark, BAR_LEVELS, LIGHT_BAR_LEVELS).astype(np.uint8)
    for channel in range(3):
        values = grid[..., channel]
        corner = values[:, :1, :1]
        low = np.maximum(corner, reach) - reach
        # What is below wraps around to far above.
        alike &= values - low <= np.minimum(corner, 255 - reach) + reach - low
    bits = np.packbits(alike, axis=2).astype(np.uint16)
    rows = bits[:, :, 0] << 8 | bits[:, :, 1]
    every = np.bitwise_and.reduce(rows, axis=1)
    whole = np.packbits(rows == 0xFFFF, axis=1).astype(np.uint16)
    return np.stack([_LEADING[whole[:, 0] << 8 | whole[:, 1]], _LEADING[every]], axis=1)


_LEADING = 16 - np.frexp(np.arange(0xFFFF, -1, -1))[1].astype(np.int64)
"""How many of the upper of 16 bits are set before the first that is not."""

WHOLE = np.array([0, 0, LAYOUT_CELLS, LAYOUT_CELLS])
"""Bounds of a picture without bars."""


def inside_bounds(bounds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n, cells) the cells within bounds (n, 4), but for those that are partly a bar's."""
    number = np.arange(LAYOUT_CELLS)
    first = bounds[:, :2] + (bounds[:, :2] > 0)
    last = bounds[:, 2:] - (bounds[:, 2:] < LAYOUT_CELLS)
    rows, columns = ((number >= first[:, axis, None]) & (number < last[:, axis, None]) for axis in (0, 1))
    inside = (rows[:, :, None] & columns[:, None, :]).reshape(-1, LAYOUT_CELLS**2)
    # So little is no picture between bars but something small on a plain ground.
    return np.asarray(inside | (inside.sum(axis=1, keepdims=True) < _FEWEST_CELLS), np.bool_)
