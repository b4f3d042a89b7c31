"""Where one shot ends and the next begins, from what every looked-at frame was measured to be.

Shared by detect, which needs it chunk by chunk to know what to keep, and cluster, which decides once over the whole
video. Pure: no files, no pictures.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Settings
from lambdas.scene_detectors import library_cuts
from lambdas.wipes import EDGE, FRAMES, slid, wiped

LAYOUT_CELLS = 16
"""A layout is the picture averaged down to this many cells across and down."""
BAR_LEVELS, LIGHT_BAR_LEVELS, DARK_BAR = 5, 2, 24
"""Grey levels by which cells of one bar may differ: what compression leaves of it; less in a bar lighter than the last,
which may be a wall or the sky."""
BLACK_LEVEL = 8
"""Grey level up to which a cell is black, and says nothing where it is so in both pictures."""
_FEWEST_CELLS = 12
"""Cells that a picture between bars has at least."""

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
CONTENT_STANDS_OUT = 1.8
"""Where not all is different, content changes so many times more than in the frames around it (their median)."""
AROUND_FRAMES = 3
AROUND_S = 0.3
"""Frames on either side that a cut is compared with, and how far away they may be."""
SURE_TIMES, MOVED, MOVED_CELLS = 10.0, 0.5, 3
"""Where a cut stands out less than by so many times, a camera that is thrown about is thought of: moved by so many
cells the picture before is the one after, all but this share of the change. (0.16 and 0.2 of two such jerks, 0.8
and more of cuts amid motion.)"""
COMES_BACK = 0.4
"""Share of the change that remains, within the shortest scene, if it was a flash, a strobe or a passer-by."""

BLACK_LUMA = 0.04
"""Mean brightness below which a frame is black (PySceneDetect's ThresholdDetector takes 12 of 255)."""
SAME_CHANGE = 0.35
"""Change of layout below which the picture after a blank moment is the one before it."""
BLANK_RELIEF = 1.5
"""Standard deviation over the cells, in grey levels, below which a frame shows nothing."""
BLACK_RELIEF = 2.5
"""The same where the frame is black: more is writing."""
DIP_SHARE = 0.15
DIP_S = 0.6
"""A frame with less than this share of the relief met within so long before and after it is as good as blank."""
DROPOUT_S = 0.1
"""Black for less than this, and the same brightness again, is a dropped picture, not a fade."""

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
WIPE_WINDOWS_S = (0.45, 0.7, 1.0, 1.4, 2.0)
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
FADE_EDGE_S, WIPE_EDGE_S = 0.3, 0.05
"""By so much each may begin sooner or end later than found: first and last tenths of fades and dissolves hardly show,
and a dissolve's ends are those of the window that fits; a wipe's are measured."""
SIDE_S = 0.4
"""At most so much time is looked at on either side; the next transition may be near."""
DISSOLVE_CELLS = 0.6
"""Share of cells that change in a dissolve; a title changes fewer."""
_BLOCK = 512
"""Frames worked on at a time."""


@dataclass(frozen=True)
class SceneColumns:
    """What compared frames (k) say, in order of time."""

    t_s: NDArray[np.float64]
    """(k,) seconds."""
    scores: NDArray[np.float64]
    """(k,) content value (0 to 255) against the frame before, 0 for the first."""
    luma: NDArray[np.float64]
    """(k,) mean brightness, 0 to 1."""
    layout: NDArray[np.uint8]
    """(k, LAYOUT_CELLS, LAYOUT_CELLS, 3) BGR, the picture averaged down."""
    features: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """(k, w) `frame_feature` of each; not needed by `layout`, `content` and `adaptive`."""


@dataclass(frozen=True, order=True)
class Change:
    """From one scene to the next."""

    start_s: float
    """First frame of the new scene, or of the transition."""
    end_s: float
    """The same as `start_s` for a cut; first frame after a transition."""
    edge_s: float = field(default=0.0, compare=False)
    """By so much a transition may begin sooner or end later than it was found to: what hardly shows."""

    @property
    def at_s(self) -> float:
        """Where the new scene begins: the cut, or the transition's middle."""
        return (self.start_s + self.end_s) / 2


def find_changes(columns: SceneColumns, settings: Settings) -> list[Change]:
    """Scene changes by the detector that the settings name, ascending; none at the video's ends."""
    if len(columns.t_s) < 2:
        return []
    if settings.scene_detector == "layout":
        return layout_changes(columns, settings)
    cuts = library_cuts(columns.t_s, columns.scores, columns.features, settings)
    return [Change(at_s, at_s) for at_s in cuts]


def layout_changes(columns: SceneColumns, settings: Settings) -> list[Change]:
    """Scene changes by layout, at least `min_scene_s` apart.

    - Cuts: the picture's layout changes at once, more than around it, and what was there does not come back within
      `min_scene_s`. Layouts are compared by correlation, so light going on and off changes nothing.
    - Fades: the picture goes blank (black, white, any colour) and another one, or the same, comes from there.
    - Dissolves, and fades that are never quite blank: frames in between are mixtures of those before and after.
    """
    pictures = Pictures(columns.layout.reshape(len(columns.t_s), -1, 3))
    fades, faded = _fades(columns, pictures, settings.min_scene_s)
    cuts = _cuts(columns, pictures, faded, settings)
    barriers = np.sort(np.array([cut.start_s for _, cut in cuts] + [at for fade in fades for at in _ends(fade)]))
    gradual = _dissolves(columns, pictures, barriers)
    gradual += _wipes(columns, pictures, np.sort(np.array([at for fade in fades for at in _ends(fade)])))
    chosen = _clearest([*((math.inf, fade) for fade in fades), *cuts, *gradual], settings.min_scene_s)
    return [change for _, change in chosen]


def _clearest(found: Sequence[tuple[float, Change]], least_s: float) -> list[tuple[float, Change]]:
    """Those that remain, ascending, when of any two that overlap or are closer than `least_s` the clearer is kept."""
    kept: list[tuple[Change, float]] = []
    for clear, change in sorted(found, key=lambda one: (-one[0], one[1])):
        place = bisect.bisect(kept, (change, 0.0))
        # Those kept are apart, so the nearest on either side are the only ones that can be in the way.
        if all(_apart(change, other, least_s) for other, _ in kept[max(0, place - 1) : place + 1]):
            kept.insert(place, (change, clear))
    return [(clear, change) for change, clear in kept]


def _ends(change: Change) -> tuple[float, float]:
    return change.start_s, change.end_s


def _apart(one: Change, other: Change, least_s: float) -> bool:
    if one.start_s <= other.end_s and other.start_s <= one.end_s:
        return False
    return abs(one.at_s - other.at_s) >= least_s


# layouts


class Pictures:
    """Layouts (k, cells, 3), compared with one another by what is within their bars.

    Bars are rows and columns at the border that are like its corner, of whatever colour. A blank picture is all bars.
    """

    def __init__(self, cells: NDArray[np.uint8]) -> None:
        self.cells = cells
        self._thin = cells[:, ::3, 1].astype(np.int16)
        grid = cells.reshape(-1, LAYOUT_CELLS, LAYOUT_CELLS, 3)
        self._corners = np.stack([grid[:, 0, 0], grid[:, -1, -1]], axis=1).astype(np.int16)
        """(k, 2, 3) the colours of the bars at the top and left, and of those at the bottom and right."""
        first, last = _bar_cells(grid), _bar_cells(grid[:, ::-1, ::-1])
        self._bounds = np.concatenate([first, LAYOUT_CELLS - last], axis=1)
        """(k, 4) first row and column of the picture, and those after its last."""

    def __len__(self) -> int:
        return len(self.cells)

    def relief(self) -> NDArray[np.float64]:
        """(k,) standard deviation over the cells within the bars, grey levels."""
        relief = np.empty(len(self))
        for low in range(0, len(self), _BLOCK):
            # A light bar is as good as a blank picture's.
            dark = np.asarray((self._corners[low : low + _BLOCK] <= DARK_BAR).all(axis=(1, 2)), np.bool_)
            shown = _inside(np.asarray(np.where(dark[:, None], self._bounds[low : low + _BLOCK], _ALL), np.int64))
            light = self.cells[low : low + _BLOCK] @ np.full(3, 1 / 3, np.float32)
            count = shown.sum(axis=1)
            off = np.where(shown, light - ((light * shown).sum(axis=1) / count)[:, None], 0)
            relief[low : low + _BLOCK] = np.sqrt((off * off).sum(axis=1) / count)
        return relief

    def shared(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n, cells) the cells by which pictures number `a` and `b` are compared: in no bar and not black in both."""
        (one, two), colours = (self._bounds[rows] for rows in (a, b)), np.abs(self._corners[a] - self._corners[b])
        same = (colours <= 2 * BAR_LEVELS).all(axis=2)
        first = np.where(same[:, :1], np.minimum(one[:, :2], two[:, :2]), 0)
        last = np.where(same[:, 1:], np.maximum(one[:, 2:], two[:, 2:]), LAYOUT_CELLS)
        inside = _inside(np.concatenate([first, last], axis=1))
        brighter = np.maximum(self.cells[a], self.cells[b])
        lit = np.asarray(inside & (brighter[..., 0] > BLACK_LEVEL), np.bool_)
        for channel in (1, 2):
            lit |= inside & (brighter[..., channel] > BLACK_LEVEL)
        enough = lit.sum(axis=1, keepdims=True) * 4 >= inside.sum(axis=1, keepdims=True)
        return np.asarray(np.where(enough, lit, inside), np.bool_)

    def change(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,) how differently pictures number `a` and `b` are laid out, as `layout_change` says."""
        change = np.empty(len(a))
        for low in range(0, len(a), _BLOCK):
            one, two = a[low : low + _BLOCK], b[low : low + _BLOCK]
            shared = self.shared(one, two)
            before, after = centred(shared, self.cells[one], self.cells[two])
            change[low : low + _BLOCK] = _unlikeness(before, after, shared)
        return change

    def moved(self, a: int, b: int) -> float:
        """How differently pictures number `a` and `b` are laid out where one of them is moved by a few cells to fit."""
        shared = self.shared(np.array([a]), np.array([b])).reshape(LAYOUT_CELLS, LAYOUT_CELLS)
        rows, columns = np.flatnonzero(shared.any(axis=1)), np.flatnonzero(shared.any(axis=0))
        picture = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        one, two = (self.cells[at].reshape(LAYOUT_CELLS, LAYOUT_CELLS, 3)[picture] for at in (a, b))
        height, width = one.shape[:2]
        least = 2.0
        for down in range(-MOVED_CELLS, MOVED_CELLS + 1):
            for right in range(-MOVED_CELLS, MOVED_CELLS + 1):
                if abs(down) > height // 3 or abs(right) > width // 3:
                    continue
                of_one = one[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)]
                of_two = two[max(0, -down) : height + min(0, -down), max(0, -right) : width + min(0, -right)]
                every = np.ones((1, of_one.shape[0] * of_one.shape[1]), bool)
                before, after = centred(every, of_one.reshape(1, -1, 3), of_two.reshape(1, -1, 3))
                least = min(least, float(_unlikeness(before, after, every)[0]))
        return least

    def levels(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,) about the mean difference of pictures number `a` and `b`, grey levels: every third cell's green."""
        thin = self._thin
        return np.asarray(np.abs(thin[a] - thin[b]).mean(axis=1, dtype=np.float32), np.float64)


def _bar_cells(grid: NDArray[np.uint8]) -> NDArray[np.int64]:
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


_ALL = np.array([0, 0, LAYOUT_CELLS, LAYOUT_CELLS])


def _inside(bounds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(n, cells) the cells within bounds (n, 4), but for those that are partly a bar's."""
    number = np.arange(LAYOUT_CELLS)
    first = bounds[:, :2] + (bounds[:, :2] > 0)
    last = bounds[:, 2:] - (bounds[:, 2:] < LAYOUT_CELLS)
    rows, columns = ((number >= first[:, axis, None]) & (number < last[:, axis, None]) for axis in (0, 1))
    inside = (rows[:, :, None] & columns[:, None, :]).reshape(-1, LAYOUT_CELLS**2)
    # So little is no picture between bars but something small on a plain ground.
    return np.asarray(inside | (inside.sum(axis=1, keepdims=True) < _FEWEST_CELLS), np.bool_)


def centred(shared: NDArray[np.bool_], *pictures: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Pictures (n, cells, 3) as (n, 3, cells), less their mean in each channel over the cells (n, cells) that count;
    0 in the others."""
    counted = shared[:, None, :].astype(np.float32)
    count = counted.sum(axis=2, keepdims=True)
    done = []
    for picture in pictures:
        shown = picture.transpose(0, 2, 1) * counted
        shown -= shown.sum(axis=2, keepdims=True) / count
        shown *= counted
        done.append(shown)
    return done


def layout_change(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(n,) how differently pictures (n, cells, 3) are laid out: 0 the same but for light, 1 unrelated, at most 2.

    One less the correlation over cells, of each colour channel by its weight. Two blank pictures are the same.
    """
    number = np.arange(len(a))
    return Pictures(np.concatenate([a, b])).change(number, number + len(a))


def _halved(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pictures (n, channels, cells) with half as many cells across and down."""
    half = LAYOUT_CELLS // 2
    blocks = pictures.reshape(*pictures.shape[:2], half, 2, half, 2)
    quarter = np.float32(0.25)
    both = (blocks[:, :, :, 0] + blocks[:, :, :, 1]) * quarter
    return np.asarray(both[..., 0] + both[..., 1], np.float32).reshape(*pictures.shape[:2], half * half)


def _unlikeness(one: NDArray[np.float32], two: NDArray[np.float32], shared: NDArray[np.bool_]) -> NDArray[np.float64]:
    weight = np.sqrt(_dot(one, one) * _dot(two, two)).sum(axis=1)
    floor = shared.sum(axis=1) * 0.5  # under a grey level of relief there is no layout to speak of
    return np.asarray(np.where(weight < floor, 0.0, 1 - _dot(one, two).sum(axis=1) / np.maximum(weight, floor)))


def _dot(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, 3) sums over the cells of the products of pictures (n, 3, cells)."""
    return np.asarray(np.einsum("ncx,ncx->nc", one, two), np.float64)


def changes_of_layout(cells: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(k,) change of layout of each frame against the one before, 0 for the first."""
    return _steps(Pictures(cells))


def _steps(pictures: Pictures) -> NDArray[np.float64]:
    number = np.arange(1, len(pictures))
    return np.concatenate([np.zeros(min(1, len(pictures))), pictures.change(number - 1, number)])


# fades


def _fades(columns: SceneColumns, pictures: Pictures, least_s: float) -> tuple[list[Change], NDArray[np.bool_]]:
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


# cuts


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


def _cuts(
    columns: SceneColumns,
    pictures: Pictures,
    faded: NDArray[np.bool_],
    settings: Settings,
) -> list[tuple[float, Change]]:
    """Cuts and how clear each is."""
    t_s, scores = columns.t_s, columns.scores
    change = _steps(pictures)
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
            or (moving[at] and pictures.moved(at - 1, at) < MOVED * change[at])
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


# dissolves


def _dissolves(columns: SceneColumns, pictures: Pictures, barriers: NDArray[np.float64]) -> list[tuple[float, Change]]:
    """Dissolves and how clear each is, none across a barrier (seconds, ascending)."""
    t_s, cells = columns.t_s, pictures.cells
    found = []
    for window_s in DISSOLVE_WINDOWS_S:
        half = window_s / 2
        low, high = _nearest(t_s, t_s - half), _nearest(t_s, t_s + half)
        first, third = _nearest(t_s, t_s - half / 2), _nearest(t_s, t_s + half / 2)
        number = np.arange(len(t_s))
        usable = (np.abs(t_s - t_s[low] - half) < 0.25 * half) & (np.abs(t_s[high] - t_s - half) < 0.25 * half)
        usable &= (low < first) & (first < number) & (number < third) & (third < high)
        usable &= np.searchsorted(barriers, t_s[low], "right") == np.searchsorted(barriers, t_s[high], "right")
        # The first frame of each eighth of a window is enough: a dissolve's middle needs no hitting to the frame.
        usable &= np.diff(np.floor(t_s / max(0.04, window_s / 8) + 1e-6), prepend=-1.0) > 0
        middles = np.flatnonzero(usable)
        for start in range(0, len(middles), _BLOCK):
            here = middles[start : start + _BLOCK]
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
                if pictures.moved(int(low[at]), int(high[at])) < MOVED * DISSOLVE_CHANGE:
                    continue  # the camera's doing
                span = Change(float(t_s[low[at]]), float(t_s[high[at]]), FADE_EDGE_S)
                found.append((float(clear[row]), span))
    return _clearest(found, 0.0)


# wipes


def _wipes(columns: SceneColumns, pictures: Pictures, barriers: NDArray[np.float64]) -> list[tuple[float, Change]]:
    """Wipes and slides and how clear each is: clearer than any cut that was found within."""
    t_s = columns.t_s
    number = np.arange(1, len(t_s))
    steps = np.concatenate([[0.0], pictures.levels(number - 1, number)])
    found = []
    for window_s in WIPE_WINDOWS_S:
        half = window_s / 2
        low, high = _nearest(t_s, t_s - half), _nearest(t_s, t_s + half)
        usable = (high - low >= 4) & (np.abs(t_s - t_s[low] - half) < 0.25 * half)
        usable &= np.abs(t_s[high] - t_s - half) < 0.25 * half
        usable &= np.searchsorted(barriers, t_s[low], "right") == np.searchsorted(barriers, t_s[high], "right")
        usable &= np.diff(np.floor(t_s / max(0.04, window_s / 8) + 1e-6), prepend=-1.0) > 0
        here = np.flatnonzero(usable)
        rough = pictures.levels(low[here], high[here])
        here, rough = here[rough >= WIPE_ROUGH], rough[rough >= WIPE_ROUGH]
        unlike = pictures.change(low[here], high[here]) >= WIPE_CHANGE
        here, rough = here[unlike], rough[unlike]
        for at, apart in zip(here.tolist(), rough.tolist(), strict=True):
            first, last = int(low[at]), int(high[at])
            if steps[first + 1 : last + 1].max() > WIPE_STEP * apart:
                continue  # a cut
            earlier, within, later = _around_and_within(t_s, pictures, first, last, barriers)
            rest = max(earlier, later) / within
            wipe = _wipe(t_s, pictures, first, last) if rest <= WIPE_SIDES else None
            if wipe is not None:
                # The less happens around it, the more of it is within.
                found.append((CLEARER_THAN_CUTS + wipe[0] - rest, wipe[1]))
    return _clearest(found, 0.0)


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


def _steady_around(
    t_s: NDArray[np.float64], pictures: Pictures, low: int, high: int, barriers: NDArray[np.float64]
) -> bool:
    """Whether the layout changes less in about as much time before frame `low` and after `high` than between them."""
    earlier, within, later = _around_and_within(t_s, pictures, low, high, barriers)
    return within >= DISSOLVE_STANDS_OUT * max(earlier, later)


def _around_and_within(
    t_s: NDArray[np.float64], pictures: Pictures, low: int, high: int, barriers: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Changes of layout in about as much time before frame `low`, from there to `high`, and after it."""
    length_s = min(SIDE_S, t_s[high] - t_s[low])
    before, after = _nearest(t_s, np.array([t_s[low] - length_s, t_s[high] + length_s]))
    # Not beyond the shots at either side.
    first = np.searchsorted(barriers, t_s[low], "right")
    if first > 0:
        before = max(before, np.searchsorted(t_s, barriers[first - 1]))
    if first < len(barriers):
        after = min(after, np.searchsorted(t_s, barriers[first]) - 1)
    earlier, within, later = pictures.change(np.array([before, low, high]), np.array([low, high, after]))
    return float(earlier), float(within), float(later)


def _nearest(t_s: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    right = np.clip(np.searchsorted(t_s, wanted), 1, len(t_s) - 1)
    return np.asarray(np.where(wanted - t_s[right - 1] <= t_s[right] - wanted, right - 1, right))


def _mixed(pictures: Pictures, *numbers: NDArray[np.int64], coarse: bool) -> NDArray[np.float64]:
    """(n,) how clearly the three inner ones of five pictures lead from the first to the last, 0 not.

    Looked at with half as many cells if `coarse`, for the sake of what moves meanwhile.
    """
    shared = pictures.shared(numbers[0], numbers[-1])
    a, *inner, b = centred(shared, *(pictures.cells[rows] for rows in numbers))
    if coarse:
        a, *inner, b = (_halved(one) for one in (a, *inner, b))
        shared = _halved(shared[:, None].astype(np.float32))[:, 0] > 0
    count = shared.sum(axis=1)
    change = _unlikeness(a, b, shared)
    aa, bb, ab = (_dot(x, y).sum(axis=1) for x, y in ((a, a), (b, b), (a, b)))
    room = np.maximum(aa * bb - ab * ab, 1e-3 * aa * bb + 1e-6)
    scale = np.sqrt(np.maximum(1e-6, np.minimum(aa, bb)))
    shares, residue = [], np.zeros(len(a))
    for m in inner:
        am, bm, mm = (_dot(x, m).sum(axis=1) for x in (a, b, m))
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


# by content value
