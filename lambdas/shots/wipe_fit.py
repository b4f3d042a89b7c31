"""Whether frames between two pictures fit a wipe or a slide from the first to the last. Pure."""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FRAMES = 13
"""Frames of a transition that are looked at, its ends included, at most."""
TELLING_LEVELS = 15.0
TELLING_SHARE = 0.4
"""Grey levels, and share of what is usual, by which a cell differs between the ends if it is to tell which it shows."""
TELLING_CELLS = 0.5
"""Share of the cells that do so in a wipe; a person who walks in changes fewer."""
FEWEST_CELLS = 70
"""Cells within bars from which a front that moves is told from somebody who does."""
BETWEEN = 0.25
"""By so much of its change a cell may lie before its first or beyond its last picture: what moves meanwhile."""
BESIDE = 0.4
"""The same to the side: a colour that neither of them has."""
FITTING = 0.9
"""Share of the cells, over all frames, that show one picture or the other."""
AT_ONCE = 0.5
"""A wipe's cells change one after the other, a dissolve's all together: their variance over the largest possible."""
BACK = 0.08
"""Share that cells go back on average, from one frame to the next."""
STEP = 0.4
"""Share of the picture that changes from one frame to the next at most; more is a cut."""
AMID = (0.1, 0.9)
EVEN = 0.2
"""Share of its mean speed that a transition keeps up all the time: what walks in stops."""
FRAMES_AMID = 2
"""Frames between these shares of the way, at least."""
SLIDE_REST = 0.15
"""What of a sliding picture is not the two pictures, moved: its variance over theirs."""
SLIDE_BANDS = 4
"""Bands across the direction of a slide, each of which is averaged: edges need no more."""
EDGE = 0.04
"""Share of the way up to which a transition has not begun."""


def wiped(cells: NDArray[np.uint8], shared: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]] | None:
    """How clearly frames (f, cells, 3), two pictures and what is between them, are a wipe from the first to the last, 0
    to 1, and (f,) how much of it is over in each; None if they are none. `shared` (cells,) are those that count.

    Each cell shows the one picture or the other, changes once, and not all do so together. Which do first is not asked:
    a front may come from any side, as a circle, a clock's hand or blinds, hard or soft.
    """
    values = cells[:, shared].astype(np.float32)
    way = values[-1] - values[0]
    squared = (way * way).sum(axis=1)
    telling = squared >= max(TELLING_LEVELS**2, TELLING_SHARE**2 * float(squared.mean()))
    if len(telling) < FEWEST_CELLS or telling.mean() < TELLING_CELLS:
        return None
    off = values[:, telling] - values[0, telling]
    way, squared = way[telling], squared[telling]
    share = (off * way).sum(axis=2) / squared
    beside = np.sqrt(((off - share[..., None] * way) ** 2).sum(axis=2) / squared)
    fits = (beside < BESIDE) & (share > -BETWEEN) & (share < 1 + BETWEEN)
    fitting = float(fits[1:-1].mean())
    if fitting < FITTING:
        return None
    share = np.clip(share, 0, 1)
    over = share.mean(axis=1, dtype=np.float64)
    most = float((over * (1 - over)).sum())
    if float(share.var(axis=1).sum()) < AT_ONCE * most or not _goes_over(over):
        return None
    if float(np.maximum(0, share[:-1] - share[1:]).mean()) > BACK:
        return None
    return fitting, over


def slid(grid: NDArray[np.uint8]) -> tuple[float, NDArray[np.float64]] | None:
    """How clearly frames (f, rows, columns, 3), two pictures and what is between them, are a slide from the first to
    the last, 0 to 1, and (f,) how much of it is over in each; None if they are none.

    The new picture pushes the old one out of the frame, covers it, or is uncovered by it.
    """
    best: tuple[float, NDArray[np.float64]] | None = None
    for turned in (grid, grid.transpose(0, 2, 1, 3)):
        frames = _bands(turned)
        length = frames.shape[1]
        both = np.concatenate([frames[0], frames[-1]])
        spread = float(((frames[0] - frames[0].mean(axis=0)) ** 2).mean())
        spread += float(((frames[-1] - frames[-1].mean(axis=0)) ** 2).mean())
        if spread < 2:
            continue
        for table in _ways(length):
            shown = both[table]  # (offsets, length, bands * 3)
            rest = ((frames[1:-1, None] - shown[None]) ** 2).mean(axis=(2, 3)) / (spread / 2)
            offset = rest.argmin(axis=1)
            left = float(rest.min(axis=1).mean())
            over = np.r_[0.0, offset / length, 1.0]
            if left > SLIDE_REST or (np.diff(over) < -0.1).any() or not _goes_over(over):
                continue
            if best is None or 1 - left > best[0]:
                best = 1 - left, over
    return best


def _goes_over(over: NDArray[np.float64]) -> bool:
    """Whether frames lead from the first picture to the last little by little."""
    low, high = AMID
    steps = np.diff(over)
    amid = np.flatnonzero((over > low) & (over < high))
    if len(amid) < FRAMES_AMID or steps.max() > STEP:
        return False
    # Two steps at a time, from the first frame that shows both pictures to the last.
    within = over[amid[0] - 1 : amid[-1] + 2]
    pairs = within[2:] - within[:-2]
    return bool(pairs.min() >= EVEN * pairs.mean())


def _bands(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(f, columns, bands * 3) of pictures (f, rows, columns, 3), rows averaged to bands."""
    rows = frames.shape[1]
    edges = np.linspace(0, rows, min(SLIDE_BANDS, rows) + 1).astype(int)
    bands = [frames[:, a:b].mean(axis=1, dtype=np.float32) for a, b in itertools.pairwise(edges)]
    return np.concatenate(bands, axis=2)


@lru_cache(maxsize=32)
def _ways(length: int) -> list[NDArray[np.int64]]:
    """For each way of sliding (length + 1, length) which column, of the old picture's and then the new one's, is seen
    where, when the new picture has come so far."""
    at, offset = np.arange(length)[None, :], np.arange(length + 1)[:, None]
    new = at < offset
    from_left = np.where(new, 2 * length - offset + at, 0)
    ways = [
        np.where(new, from_left, at - offset),
        np.where(new, from_left, at),
        np.where(new, length + at, at - offset),
    ]
    mirrored = [np.where(way < length, length - 1 - way, 3 * length - 1 - way)[:, ::-1] for way in ways]
    return [np.asarray(way, np.int64) for way in (*ways, *mirrored)]
