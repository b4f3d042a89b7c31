"""The frames that stand for the whole video. Pure: no files, no randomness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import StagedFrame
from lambdas.dull_frames import is_dull

BLURRED_SHARE = 0.3
"""A frame with less than this share of the sharpness that the video's better frames have is blurred."""
TWIN_DIFFERENCE = 8.0
"""Mean difference (0 to 255) of two thumbnails below which frames are near-duplicates."""

AS_LONG_S = 0.25
"""Shots whose lengths differ by less are equally long."""

UNFIT_COST = 100.0
LONG_SHOT = 40.0
NEW_WINDOW = 3.0
TWIN_COST = 1.5
CROWDING_COST = 1.2
"""The objective's weights, see `choose_representatives`. The first two outweigh all else; the others are balanced so
that of a still video with one lively tenth four or five frames show the lively tenth and the rest are spread."""


@dataclass(frozen=True)
class Candidates:
    """What is known of each staged frame (n)."""

    t_s: NDArray[np.float64]
    """(n,)"""
    quality: NDArray[np.float64]
    """(n,) 0 to 1."""
    unfit: NDArray[np.bool_]
    """(n,) black, uniform, blurred or inside a transition."""
    shot: NDArray[np.int64]
    """(n,) number of the scene it lies in."""
    shot_s: NDArray[np.float64]
    """(n,) length of that scene."""
    picture: NDArray[np.float32]
    """(n, p) thumbnail, 0 to 255, to tell near-duplicates."""


def weigh_frames(
    staged: Sequence[StagedFrame],
    small: NDArray[np.uint8],
    facing: NDArray[np.float64],
    transition: NDArray[np.bool_],
    cuts: Sequence[float],
    duration_s: float,
) -> Candidates:
    """Candidates from staged frames.

    `facing` (n,) is 0 to 1, how well the best face in each frame looks at the camera, 0 without a face; `transition`
    (n,) says which lie in one. Quality is
    sharpness against the video's better frames (0.4), contrast (0.2), exposure (0.25: 1 at middle brightness, less
    towards black and white) and `facing` (0.15), halved within a transition.
    """
    t_s = np.array([frame.t_s for frame in staged], np.float64)
    luma = np.array([frame.luma for frame in staged], np.float64)
    contrast = np.array([frame.contrast for frame in staged], np.float64)
    sharpness = np.array([frame.sharpness for frame in staged], np.float64)
    dull = is_dull(luma, contrast)
    visible = sharpness[~dull]
    # The upper quartile stands for what this camera can do; a video that is soft throughout is not blurred throughout.
    sharp = float(np.percentile(visible, 75)) if len(visible) else 0.0
    relative = np.clip(sharpness / sharp, 0, 1) if sharp > 0 else np.zeros(len(t_s))
    quality = (
        0.4 * relative
        + 0.2 * np.clip(contrast / 0.4, 0, 1)
        + 0.25 * np.clip(1 - np.abs(2 * luma - 0.9) ** 2, 0, 1)
        + 0.15 * facing
    ) * np.where(transition, 0.5, 1.0)
    edges = np.array([0.0, *cuts, duration_s])
    shot = np.clip(np.searchsorted(edges, t_s, side="right") - 1, 0, max(0, len(edges) - 2))
    # 8 x 8 is enough to tell twins and keeps 12,000 frames fast.
    halves = small.reshape(len(t_s), 8, 2, 8, 2, 3).mean(axis=(2, 4), dtype=np.float32)
    return Candidates(
        t_s=t_s,
        quality=np.clip(quality, 0, 1),
        unfit=dull | transition | (relative < BLURRED_SHARE),
        shot=shot,
        shot_s=np.diff(edges)[shot] if len(edges) > 1 else np.zeros(len(t_s)),
        picture=halves.reshape(len(t_s), -1),
    )


def choose_representatives(candidates: Candidates, wanted: int, duration_s: float) -> list[int]:
    """Positions of `wanted` candidates (all, if there are fewer), ascending: those with the greatest sum of

    - quality, 0 to 1 each;
    - LONG_SHOT for each of the `wanted` longest shots with a frame in it, twice that but for the shortest of them and
      others about as long;
    - NEW_WINDOW for each of `wanted` equal parts of the video with a frame in it;
    - minus UNFIT_COST for each unfit frame, up to TWIN_COST for each pair of near-duplicates, the more alike the more,
      and up to CROWDING_COST for each pair closer than half a part.

    So an unfit frame is taken only when there is nothing else, and a shot or a part of the video stays empty rather
    than be shown by one. Greedy, then single exchanges while they gain: the sum is nearly submodular, where greedy is
    within 1 - 1/e of the best (Nemhauser, Wolsey & Fisher 1978, doi:10.1007/BF01588971), and exchanges mend what greed
    began badly.
    """
    count = len(candidates.t_s)
    if count <= wanted:
        return list(range(count))
    if wanted == 0:
        return []
    part_s = duration_s / wanted if duration_s > 0 else 1.0
    board = _Board(candidates, wanted, part_s)
    for _ in range(wanted):
        board.add(int(np.argmax(board.gains())))
    for _ in range(3):
        changed = False
        for place in range(wanted):
            out = board.chosen[place]
            board.remove(place)
            gains = board.gains()
            best = int(np.argmax(gains))
            # Only for a real gain: rounding must not turn exchanges into a circle.
            into = best if gains[best] > gains[out] + 1e-6 else out
            changed |= into != out
            board.add(into, place)
        if not changed:
            break
    return sorted(board.chosen)


class _Board:
    """The frames chosen so far and what each further one would gain."""

    def __init__(self, candidates: Candidates, wanted: int, part_s: float) -> None:
        self.candidates = candidates
        self.part_s = part_s
        self.window = np.clip((candidates.t_s / part_s).astype(np.int64), 0, wanted - 1)
        self.in_window = np.zeros(wanted, np.int64)
        self.in_shot = np.zeros(int(candidates.shot.max()) + 1, np.int64)
        self.twins = np.zeros(len(candidates.t_s), np.float64)
        """Per candidate the likeness to the chosen, added up."""
        self.crowd = np.zeros(len(candidates.t_s), np.float64)
        """Per candidate the closeness to the chosen, added up."""
        self.chosen: list[int] = []
        self._effects: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        self._fixed = candidates.quality - UNFIT_COST * candidates.unfit
        _, first = np.unique(candidates.shot, return_index=True)
        least_s = float(np.sort(candidates.shot_s[first])[::-1][:wanted][-1])
        # Shots about as long as the last of the longest are all as good; where they lie decides.
        longer = np.where(candidates.shot_s > least_s + AS_LONG_S, 2.0, 1.0)
        self._shot_worth = LONG_SHOT * longer * (candidates.shot_s >= least_s - AS_LONG_S)

    def gains(self) -> NDArray[np.float64]:
        """(n,) by how much each candidate would raise the sum; -inf for those chosen."""
        gains = (
            self._fixed
            + NEW_WINDOW * (self.in_window[self.window] == 0)
            + self._shot_worth * (self.in_shot[self.candidates.shot] == 0)
            - TWIN_COST * self.twins
            - CROWDING_COST * self.crowd
        )
        gains[self.chosen] = -np.inf
        return np.asarray(gains, np.float64)

    def add(self, index: int, place: int | None = None) -> None:
        self._count(index, 1)
        self.chosen.insert(len(self.chosen) if place is None else place, index)

    def remove(self, place: int) -> None:
        self._count(self.chosen.pop(place), -1)

    def _count(self, index: int, sign: int) -> None:
        if index not in self._effects:
            self._effects[index] = (self._looks_like(index), self._close_to(index))
        twins, close = self._effects[index]
        self.in_window[self.window[index]] += sign
        self.in_shot[self.candidates.shot[index]] += sign
        self.twins += sign * twins
        self.crowd += sign * close

    def _looks_like(self, index: int) -> NDArray[np.float64]:
        """(n,) 1 for the same picture, 0 from TWIN_DIFFERENCE on."""
        picture = self.candidates.picture
        apart = np.abs(picture - picture[index]).mean(axis=1, dtype=np.float64)
        return np.asarray(np.maximum(0.0, 1 - apart / TWIN_DIFFERENCE))

    def _close_to(self, index: int) -> NDArray[np.float64]:
        away = np.abs(self.candidates.t_s - self.candidates.t_s[index])
        return np.asarray(np.maximum(0.0, 1 - away / (self.part_s / 2)), np.float64)
