"""What each frame looks like and how much it differs from the one before. Pure: pictures in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.shots.columns import LAYOUT_CELLS, SceneColumns
from lambdas.shots.layouts import layout_change
from lambdas.shots.scene_detectors import frame_feature

FEATURE_WIDTH = 256
"""Width in pixels at which frames are compared; PySceneDetect's own downscaling aims at the same."""
THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT = 48, 27
"""Of the grey picture by which dissolves are found."""
_OTHER_LAYOUT = 0.35
"""Change of layout that counts as much as a content value at the threshold, whatever the content value says. People who
move change theirs by 0.05 to 0.15, cuts between portraits in black and white by 0.3 to 1.1 (`clips_film`)."""


@dataclass(frozen=True)
class FrameFeatures:
    """One compared frame."""

    pts: int
    t_s: float
    content: float
    """PySceneDetect's content value (0 to 255) against the frame before; 0 for the chunk's first."""
    luma: float
    """Mean brightness, 0 to 1."""
    contrast: float
    """Standard deviation of brightness over half the range, 0 to 1."""
    sharpness: float
    """0 to 1, see `sharpness`."""
    layout: NDArray[np.uint8]
    """(LAYOUT_CELLS, LAYOUT_CELLS, 3) BGR, the picture averaged down."""
    thumbnail: NDArray[np.uint8]
    """(THUMBNAIL_HEIGHT, THUMBNAIL_WIDTH) grey."""
    library: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """(w,) `frame_feature` of the scene detector in use."""
    is_assumed: bool = False
    """Whether the frame was skipped: what it most likely looks like, not what it does."""


def feature_height(width: int, height: int) -> int:
    """Height of a frame of this size at FEATURE_WIDTH, even and at least 2."""
    return max(2, round(FEATURE_WIDTH * height / width / 2) * 2)


def features_of(
    pts: int, t_s: float, small: NDArray[np.uint8], content: float, detector: str = "layout"
) -> FrameFeatures:
    """Of `small` (h, FEATURE_WIDTH, 3) BGR, whose content value is known; `detector` is the scene detector's name."""
    gray = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
    mean, deviation = cv2.meanStdDev(gray)
    thumbnail = cv2.resize(gray, (THUMBNAIL_WIDTH, THUMBNAIL_HEIGHT), interpolation=cv2.INTER_AREA)
    return FrameFeatures(
        pts=pts,
        t_s=t_s,
        content=content,
        luma=float(mean[0, 0]) / 255,
        contrast=min(1.0, float(deviation[0, 0]) / 127.5),
        sharpness=sharpness(gray),
        layout=layout_of(small),
        thumbnail=np.asarray(thumbnail, np.uint8),
        library=frame_feature(small, detector),
    )


def columns_of(features: Sequence[FrameFeatures]) -> SceneColumns:
    """The features side by side."""
    return SceneColumns(
        t_s=np.array([one.t_s for one in features], np.float64),
        scores=np.array([one.content for one in features], np.float64),
        luma=np.array([one.luma for one in features], np.float64),
        layout=np.array([one.layout for one in features], np.uint8).reshape(-1, LAYOUT_CELLS, LAYOUT_CELLS, 3),
        features=np.array([one.library for one in features], np.float32).reshape(len(features), -1)
        if features
        else np.zeros((0, 0), np.float32),
    )


class ContentScorer:
    """PySceneDetect's content value of one frame after the other: by how much hue, saturation and brightness differ.

    The same number as its ContentDetector's with default weights. Thresholds and flash filter keep state over the whole
    video, so they are applied once, where chunks are merged.
    """

    def __init__(self, before: NDArray[np.uint8] | None = None) -> None:
        """`before` (h, w, 3) BGR is the frame that the first one is compared with."""
        self._last: NDArray[np.uint8] | None = None
        if before is not None:
            self.score(before)

    def score(self, small: NDArray[np.uint8]) -> float:
        """Content value (0 to 255) between `small` (h, w, 3) BGR and the frame of the call before, 0 at first."""
        hsv = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2HSV), np.uint8)
        last, self._last = self._last, hsv
        return 0.0 if last is None else float(cv2.norm(hsv, last, cv2.NORM_L1)) / hsv.size


def layout_of(small: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(LAYOUT_CELLS, LAYOUT_CELLS, 3) the picture averaged down."""
    return np.asarray(cv2.resize(small, (LAYOUT_CELLS, LAYOUT_CELLS), interpolation=cv2.INTER_AREA), np.uint8)


def fair_content(content: float, change: float, threshold: float) -> float:
    """The content value between two pictures, or more where their layouts change (0 to 2) by more than it says.

    Black and white pictures have no hue and no saturation to differ in, pale ones and those between bars little of
    anything: two of them that have nothing in common may stay below a third of the threshold.
    """
    return max(content, threshold * min(1.0, change / _OTHER_LAYOUT) ** 2)


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8], threshold: float) -> float:
    """By how much two BGR pictures of one size differ: a content value (0 to 255), see `fair_content`."""
    one, two = (layout_of(picture).reshape(1, -1, 3) for picture in (first, second))
    return fair_content(ContentScorer(first).score(second), float(layout_change(one, two)[0]), threshold)


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
