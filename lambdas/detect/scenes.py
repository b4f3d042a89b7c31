"""How much each frame differs from the one before, and what it looks like. Cuts are provisional: cluster decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Settings
from lambdas.scene_detectors import frame_feature
from lambdas.shots import LAYOUT_CELLS, Change, SceneColumns, find_changes, layout_change

GLANCE_WIDTH = 256
"""Width in pixels at which frames are compared; PySceneDetect's own downscaling aims at the same."""
_OTHER_LAYOUT = 0.35
"""Change of layout that counts as much as a content value at the threshold, whatever the content value says. People who
move change theirs by 0.05 to 0.15, cuts between portraits in black and white by 0.3 to 1.1 (`clips_film`)."""


@dataclass(frozen=True)
class Glance:
    """One compared frame."""

    pts: int
    t_s: float
    score: float
    """PySceneDetect content value (0 to 255) against the frame before; 0 for the chunk's first."""
    luma: float
    """Mean brightness, 0 to 1."""
    contrast: float
    """Standard deviation of brightness over half the range, 0 to 1."""
    sharpness: float
    """0 to 1, see `sharpness`."""
    layout: NDArray[np.uint8]
    """(LAYOUT_CELLS, LAYOUT_CELLS, 3) BGR, the picture averaged down."""
    feature: NDArray[np.float32]
    """(w,) `frame_feature` of the detector in use."""
    is_likely: bool = False
    """Whether the frame was passed over: what it most likely looks like, not what it does."""


def glance_height(width: int, height: int) -> int:
    """Height of the glance of a frame of this size, even and at least 2."""
    return max(2, round(GLANCE_WIDTH * height / width / 2) * 2)


class Shots:
    """What glances say about moments: how far the next change is and how much moves."""

    def __init__(self, glances: Sequence[Glance], settings: Settings) -> None:
        columns = columns_of(glances)
        self._times = columns.t_s
        self._scores = columns.scores
        self._threshold = settings.scene_threshold
        self.changes: list[Change] = find_changes(columns, settings)
        """Provisional scene changes, ascending."""
        self.cut_times: NDArray[np.float64] = np.array([change.at_s for change in self.changes])
        """(c,) seconds at which a provisional scene begins: a cut's first frame, the middle of a transition."""

    def cut_distance_s(self, t_s: float) -> float:
        """Seconds to the nearest provisional cut or transition, 0 within one, infinite without any."""
        away = [max(0.0, max(change.start_s - t_s, t_s - change.end_s) - change.edge_s) for change in self.changes]
        return min(away, default=float("inf"))

    def span(self, t_s: float) -> tuple[float, float]:
        """Provisional cuts before and after a moment; infinite where there is none."""
        after = int(np.searchsorted(self.cut_times, t_s, side="right"))
        low = float(self.cut_times[after - 1]) if after > 0 else float("-inf")
        high = float(self.cut_times[after]) if after < len(self.cut_times) else float("inf")
        return low, high

    def steadiness(self, t_s: float) -> float:
        """1 where little moves and no cut is near, 0 at a cut."""
        return steadiness(t_s, self.cut_distance_s(t_s), self._times, self._scores, self._threshold)


def steadiness(
    t_s: float, cut_distance_s: float, times: NDArray[np.float64], scores: NDArray[np.float64], threshold: float
) -> float:
    """1 where little moves and no cut is near, 0 at a cut; `times` (k,) ascending seconds, `scores` (k,) of glances."""
    near = float(np.clip((cut_distance_s - 0.04) / 0.2, 0, 1))
    low, high = np.searchsorted(times, (t_s - 0.12, t_s + 0.12))
    motion = float(scores[low:high].mean()) if high > low else 0.0
    return near * (1 - min(0.6, 0.6 * motion / threshold))


def middle_reach_s(length_s: float) -> float:
    """How far from the middle of a scene of this length its frame may lie: 0.5 s or a tenth of it, less what the final
    cuts may still move, and never more than a quarter."""
    return min(max(0.45, 0.09 * length_s), 0.25 * length_s)


def columns_of(glances: Sequence[Glance]) -> SceneColumns:
    """The glances side by side."""
    return SceneColumns(
        t_s=np.array([one.t_s for one in glances], np.float64),
        scores=np.array([one.score for one in glances], np.float64),
        luma=np.array([one.luma for one in glances], np.float64),
        layout=np.array([one.layout for one in glances], np.uint8).reshape(-1, LAYOUT_CELLS, LAYOUT_CELLS, 3),
        features=np.array([one.feature for one in glances], np.float32).reshape(len(glances), -1)
        if glances
        else np.zeros((0, 0), np.float32),
    )


class SceneScorer:
    """PySceneDetect's content value of one frame after the other: by how much hue, saturation and brightness differ.

    The same number as its ContentDetector's with default weights. Thresholds and flash filter keep state over the whole
    video, so they are applied once, where chunks are merged.
    """

    def __init__(self) -> None:
        self._last: NDArray[np.uint8] | None = None

    def score(self, small: NDArray[np.uint8]) -> float:
        """Content value (0 to 255) between `small` (h, w, 3) BGR and the frame of the call before, 0 at first."""
        hsv = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2HSV), np.uint8)
        last, self._last = self._last, hsv
        return 0.0 if last is None else float(cv2.norm(hsv, last, cv2.NORM_L1)) / hsv.size


def glance(pts: int, t_s: float, small: NDArray[np.uint8], score: float, detector: str) -> Glance:
    """What `small` (h, GLANCE_WIDTH, 3) BGR looks like, to the scene detector of this name among others."""
    gray = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    mean, deviation = cv2.meanStdDev(gray)
    return Glance(
        pts=pts,
        t_s=t_s,
        score=score,
        luma=float(mean[0, 0]) / 255,
        contrast=min(1.0, float(deviation[0, 0]) / 127.5),
        sharpness=sharpness(gray),
        layout=layout_of(small),
        feature=frame_feature(small, detector),
    )


def layout_of(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(LAYOUT_CELLS, LAYOUT_CELLS, 3) the picture averaged down."""
    return np.asarray(cv2.resize(small, (LAYOUT_CELLS, LAYOUT_CELLS), interpolation=cv2.INTER_AREA), np.uint8)


def fair_value(value: float, before: NDArray[np.uint8], after: NDArray[np.uint8], threshold: float) -> float:
    """The content value between two BGR pictures of one size, or more where their layouts differ by more than it says.

    Black and white pictures have no hue and no saturation to differ in, pale ones and those between bars little of
    anything: two of them that have nothing in common may stay below a third of the threshold.
    """
    if before.shape != after.shape:
        return value
    one, two = (layout_of(picture).reshape(1, -1, 3) for picture in (before, after))
    change = float(layout_change(one, two)[0])
    return max(value, threshold * min(1.0, change / _OTHER_LAYOUT) ** 2)


def sharpness(gray: NDArray[np.uint8]) -> float:
    """Share of the gradients that a blur takes away, 0 (blurred already, or uniform) to 1.

    Independent of contrast. After F. Crete et al., "The blur effect: perception and estimation with a new
    no-reference perceptual blur metric", SPIE 2007.
    """
    shares = []
    for steps_of, kernel in ((_steps_along, (9, 1)), (_steps_down, (1, 9))):
        steps = steps_of(gray)
        total = cv2.sumElems(steps)[0]
        if total < steps.size // 4:  # less than a quarter of a grey level a pixel: nothing there to be sharp
            return 0.0
        remaining = steps_of(cv2.blur(gray, kernel))
        shares.append(cv2.sumElems(cv2.subtract(steps, remaining))[0] / total)
    return float(min(shares))


def _steps_along(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w - 1) how much each pixel differs from its left neighbour."""
    return np.asarray(cv2.absdiff(gray[:, 1:], gray[:, :-1]), np.uint8)


def _steps_down(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h - 1, w) how much each pixel differs from the one above."""
    return np.asarray(cv2.absdiff(gray[1:], gray[:-1]), np.uint8)
