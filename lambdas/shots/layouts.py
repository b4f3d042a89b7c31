"""How differently two pictures are laid out: light that goes on or off changes nothing, bars do not count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambdas.shots.bars import BAR_LEVELS, DARK_BAR, WHOLE, bar_cells, inside_bounds
from lambdas.shots.columns import LAYOUT_CELLS

BLACK_LEVEL = 8
"""Grey level up to which a cell is black, and says nothing where it is so in both pictures."""
BLANK_RELIEF = 1.5
"""Standard deviation over the cells, in grey levels, below which a frame shows nothing."""
MOVED, MOVED_CELLS = 0.5, 3
"""A camera that is thrown about: moved by so many cells the picture before is the one after, all but this share of the
change. (0.16 and 0.2 of two such jerks, 0.8 and more of cuts amid motion.)"""
BLOCK = 512
"""Pictures worked on at a time."""


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
        first, last = bar_cells(grid), bar_cells(grid[:, ::-1, ::-1])
        self._bounds = np.concatenate([first, LAYOUT_CELLS - last], axis=1)
        """(k, 4) first row and column of the picture, and those after its last."""

    def __len__(self) -> int:
        return len(self.cells)

    def relief(self) -> NDArray[np.float64]:
        """(k,) standard deviation over the cells within the bars, grey levels."""
        relief = np.empty(len(self))
        for low in range(0, len(self), BLOCK):
            # A light bar is as good as a blank picture's.
            dark = np.asarray((self._corners[low : low + BLOCK] <= DARK_BAR).all(axis=(1, 2)), np.bool_)
            shown = inside_bounds(np.asarray(np.where(dark[:, None], self._bounds[low : low + BLOCK], WHOLE), np.int64))
            light = self.cells[low : low + BLOCK] @ np.full(3, 1 / 3, np.float32)
            count = shown.sum(axis=1)
            off = np.where(shown, light - ((light * shown).sum(axis=1) / count)[:, None], 0)
            relief[low : low + BLOCK] = np.sqrt((off * off).sum(axis=1) / count)
        return relief

    def shared(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n, cells) the cells by which pictures number `a` and `b` are compared: in no bar and not black in both."""
        (one, two), colours = (self._bounds[rows] for rows in (a, b)), np.abs(self._corners[a] - self._corners[b])
        same = (colours <= 2 * BAR_LEVELS).all(axis=2)
        first = np.where(same[:, :1], np.minimum(one[:, :2], two[:, :2]), 0)
        last = np.where(same[:, 1:], np.maximum(one[:, 2:], two[:, 2:]), LAYOUT_CELLS)
        inside = inside_bounds(np.concatenate([first, last], axis=1))
        brighter = np.maximum(self.cells[a], self.cells[b])
        lit = np.asarray(inside & (brighter[..., 0] > BLACK_LEVEL), np.bool_)
        for channel in (1, 2):
            lit |= inside & (brighter[..., channel] > BLACK_LEVEL)
        enough = lit.sum(axis=1, keepdims=True) * 4 >= inside.sum(axis=1, keepdims=True)
        return np.asarray(np.where(enough, lit, inside), np.bool_)

    def change(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,) how differently pictures number `a` and `b` are laid out, as `layout_change` says."""
        change = np.empty(len(a))
        for low in range(0, len(a), BLOCK):
            one, two = a[low : low + BLOCK], b[low : low + BLOCK]
            shared = self.shared(one, two)
            before, after = centred(shared, self.cells[one], self.cells[two])
            change[low : low + BLOCK] = unlikeness(before, after, shared)
        return change

    def is_moved(self, a: int, b: int, change: float) -> bool:
        """Whether the camera alone made such a change of layout: a picture moved by a few cells fits the other."""
        return self._moved(a, b) < MOVED * change

    def _moved(self, a: int, b: int) -> float:
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
                least = min(least, float(unlikeness(before, after, every)[0]))
        return least

    def levels(self, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.float64]:
        """(n,) about the mean difference of pictures number `a` and `b`, grey levels: every third cell's green."""
        thin = self._thin
        return np.asarray(np.abs(thin[a] - thin[b]).mean(axis=1, dtype=np.float32), np.float64)


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


def halved(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
    """Pictures (n, channels, cells) with half as many cells across and down."""
    half = LAYOUT_CELLS // 2
    blocks = pictures.reshape(*pictures.shape[:2], half, 2, half, 2)
    quarter = np.float32(0.25)
    both = (blocks[:, :, :, 0] + blocks[:, :, :, 1]) * quarter
    return np.asarray(both[..., 0] + both[..., 1], np.float32).reshape(*pictures.shape[:2], half * half)


def unlikeness(one: NDArray[np.float32], two: NDArray[np.float32], shared: NDArray[np.bool_]) -> NDArray[np.float64]:
    weight = np.sqrt(dot(one, one) * dot(two, two)).sum(axis=1)
    floor = shared.sum(axis=1) * 0.5  # under a grey level of relief there is no layout to speak of
    return np.asarray(np.where(weight < floor, 0.0, 1 - dot(one, two).sum(axis=1) / np.maximum(weight, floor)))


def dot(one: NDArray[np.float32], two: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n, 3) sums over the cells of the products of pictures (n, 3, cells)."""
    return np.asarray(np.einsum("ncx,ncx->nc", one, two), np.float64)


def changes_of_layout(cells: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(k,) change of layout of each frame against the one before, 0 for the first."""
    return steps_of(Pictures(cells))


def steps_of(pictures: Pictures) -> NDArray[np.float64]:
    """(k,) change of layout of each picture against the one before, 0 for the first."""
    number = np.arange(1, len(pictures))
    return np.concatenate([np.zeros(min(1, len(pictures))), pictures.change(number - 1, number)])
