"""Cuts: the layout changes at once, more than around it, and what was there does not come back soon."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Settings
from lambdas.shots.change import Change
from lambdas.shots.columns import SceneColumns
from lambdas.shots.layouts import Pictures, steps_of

CUT_CHANGE = 0.45
"""Change of layout (0 same, 1 unrelated) that makes a cut, however small the content value is."""
CLEAR_CUT_CHANGE = 0.1
"""The same where the content value reaches the threshold; between that and half of it what is asked rises."""
CALM_TIMES, CALM_CHANGE, CALM_SHARE = 12.0, 0.25, 0.2
"""The same where it changes so many times more than in all frames around, and the content value is at least this share
of the threshold: black and white and pale pictures have no more to differ in."""
FAINT_SHARE = 0.07
"""Share of the content threshold below which nothing is a cut: noise between near-uniform pictures."""
DARK_LUMA = 0.12
"""Mean brightness below which content values are not believed."""
STANDS_OUT = 2.0
"""A cut changes the layout so many times more than all frames around it but one; a thrown camera never does."""
STANDS_OUT_OF_MEAN = 2.5
"""The same against the mean of all frames around it."""
CONTENT_STANDS_OUT = 1.8
"""Where not all is different, content changes so many times more than in the frames around it (their median)."""
AROUND_FRAMES, AROUND_S = 3, 0.3
"""Frames on either side that a cut is compared with, and how far away they may be."""
SURE_TIMES = 10.0
"""Where a cut stands out less than by so many times, a camera that is thrown about is thought of."""
COMES_BACK = 0.4
"""Share of the change that remains, within the shortest scene, if it was a flash, a strobe or a passer-by."""


def stands_out(
    t_s: NDArray[np.float64], change: NDArray[np.float64], times: float = STANDS_OUT, mean: float = STANDS_OUT_OF_MEAN
) -> NDArray[np.bool_]:
    """(k,) frames that change more than those around them: than all but one by `times`, than their mean by `mean`."""
    around = _around(t_s, change)
    known = np.isfinite(around)
    filled = np.where(known, around, 0.0)
    second = np.sort(filled, axis=1)[:, -2]
    average = filled.sum(axis=1) / np.maximum(1, known.sum(axis=1))
    return np.asarray((change >= times * second) & (change >= mean * average))


def _around(t_s: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(k, 2 * AROUND_FRAMES) values of the frames around each, NaN where there is none within AROUND_S."""
    k = len(t_s)
    around = np.full((k, 2 * AROUND_FRAMES), np.nan)
    for place, shift in enumerate(s for s in range(-AROUND_FRAMES, AROUND_FRAMES + 1) if s):
        here = np.arange(max(0, -shift), max(0, min(k, k - shift)))
        near = here[np.abs(t_s[here + shift] - t_s[here]) <= AROUND_S]
        around[near, place] = values[near + shift]
    return around


def find_cuts(
    columns: SceneColumns,
    pictures: Pictures,
    faded: NDArray[np.bool_],
    settings: Settings,
) -> list[tuple[float, Change]]:
    """Cuts and how clear each is."""
    t_s, scores = columns.t_s, columns.scores
    change = steps_of(pictures)
    threshold = settings.scene_threshold
    asked = np.interp(scores, [0.5 * threshold, threshold], [CUT_CHANGE, CLEAR_CUT_CHANGE])
    # In the dark hue is noise, and content values with it.
    asked[columns.luma < DARK_LUMA] = CUT_CHANGE
    calm = stands_out(t_s, change, CALM_TIMES, CALM_TIMES) & (scores >= CALM_SHARE * threshold)
    asked = np.where(calm, np.minimum(asked, CALM_CHANGE), asked)
    moving = ~stands_out(t_s, change, SURE_TIMES, 0.0)
    around = _around(t_s, scores)
    accompanied = np.isfinite(around).any(axis=1)
    typical = np.full(len(t_s), np.nan)
    typical[accompanied] = np.nanmedian(around[accompanied], axis=1)
    lone = (change >= 2 * CUT_CHANGE) | ~(scores < CONTENT_STANDS_OUT * typical)
    likely = (change >= asked) & (scores >= FAINT_SHARE * threshold) & stands_out(t_s, change) & lone & ~faded
    found = []
    for at in np.flatnonzero(likely).tolist():
        if not (
            _comes_back(t_s, pictures, at, change[at], settings.min_scene_s)
            or (moving[at] and pictures.is_moved(at - 1, at, change[at]))
        ):
            clear = min(1.5, change[at]) + min(1.0, scores[at] / 100)
            found.append((float(clear), Change(float(t_s[at]), float(t_s[at]))))
    return found


def _comes_back(t_s: NDArray[np.float64], pictures: Pictures, at: int, change: float, within_s: float) -> bool:
    """Whether the picture before `at` is seen again soon after, or that at `at` was seen shortly before."""
    after = np.arange(at + 1, np.searchsorted(t_s, t_s[at] + within_s + 1e-6))
    before = np.arange(np.searchsorted(t_s, t_s[at] - within_s - 1e-6), at - 1)
    gone = pictures.change(np.full(len(after), at - 1), after)
    new = pictures.change(np.full(len(before), at), before)
    return bool(np.concatenate([gone, new, [np.inf]]).min() < COMES_BACK * change)
