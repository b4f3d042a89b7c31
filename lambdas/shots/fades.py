"""Fades through blank: the picture goes black, white or any colour, and another one, or the same, comes from there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambdas.shots.change import FADE_EDGE_S, Change
from lambdas.shots.columns import SceneColumns
from lambdas.shots.layouts import BLANK_RELIEF, Pictures

BLACK_LUMA = 0.04
"""Mean brightness (0 to 1) below which a frame is black, as between two scenes (PySceneDetect's ThresholdDetector takes
12 of 255). What is too dark to be shown is lighter: `TOO_DARK_LUMA` of `dull_frames`."""
SAME_CHANGE = 0.35
"""Change of layout below which the picture after a blank moment is the one before it."""
BLACK_RELIEF = 2.5
"""Standard deviation over the cells, in grey levels, below which a black frame shows nothing: more is writing."""
DIP_SHARE, DIP_S = 0.15, 0.6
"""A frame with less than this share of the relief met within so long before and after it is as good as blank."""


def find_fades(columns: SceneColumns, pictures: Pictures, least_s: float) -> tuple[list[Change], NDArray[np.bool_]]:
    """Fades through blank, and (k,) the frames that belong to blank stretches or follow one."""
    relief = pictures.relief()
    black = (columns.luma < BLACK_LUMA) & (relief < BLACK_RELIEF)
    blank = black | (relief < BLANK_RELIEF) | _dips(columns.t_s, relief)
    edges = np.flatnonzero(np.diff(np.r_[False, blank, False].astype(np.int8)))
    faded = np.zeros(len(blank), bool)
    found = []
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        start = _ramp(relief, columns.t_s, first, -1) if first > 0 else 0
        end = _ramp(relief, columns.t_s, after - 1, 1) if after < len(blank) else after - 1
        faded[start + 1 : max(end, min(after, len(blank) - 1)) + 1] = True
        if first == 0 or after == len(blank):
            continue
        gap_s = columns.t_s[after] - columns.t_s[first]
        # What is back so soon was never gone: a dropped picture, a blink, a strobe.
        same = pictures.change(np.array([start, first - 1]), np.array([end, after])).min() < SAME_CHANGE
        if gap_s >= least_s or not same:
            # Its middle is that of the blank stretch, wherever the ramps begin.
            middle = (columns.t_s[first] + columns.t_s[after]) / 2
            reach = min(middle - columns.t_s[start], columns.t_s[end] - middle)
            found.append(Change(float(middle - reach), float(middle + reach), FADE_EDGE_S))
    return found, faded


def _dips(t_s: NDArray[np.float64], relief: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(k,) frames next to blank between others that are not: the bottom of a fade that turns at once."""
    low, high = (np.searchsorted(t_s, t_s + reach) for reach in (-DIP_S, DIP_S))
    found = np.zeros(len(t_s), bool)
    for at in np.flatnonzero(relief < DIP_SHARE * relief.max(initial=0.0)).tolist():
        sides = relief[low[at] : at].max(initial=0.0), relief[at + 1 : high[at]].max(initial=0.0)
        found[at] = relief[at] < DIP_SHARE * min(sides)
    return found


def _ramp(relief: NDArray[np.float64], t_s: NDArray[np.float64], blank: int, step: int) -> int:
    """The frame where a fade out of (`step` 1) or into (-1) a blank frame is complete: relief grows no more."""
    here = blank + step
    best = here
    while 0 <= here < len(relief) and abs(t_s[here] - t_s[blank]) <= 2.0 and relief[here] >= 0.85 * relief[best]:
        if relief[here] > 1.03 * relief[best]:
            best = here
        elif abs(t_s[here] - t_s[best]) > 0.15:
            break
        here += step
    return best
