"""One face in one frame as it was measured, and the faces of one person within one shot. Pure: nothing changes them."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import QUALITY_PARTS
from lambdas.detect.faces.attributes import UNREAD, Expression
from lambdas.scoring import Measures, Score, eyes_seen, score

_STEADY = QUALITY_PARTS.index("steady")
_PATTERN_SIDE = 24


@dataclass(frozen=True, eq=False)
class FaceDetection:
    """One face in one frame."""

    pts: int
    t_s: float
    box: NDArray[np.float32]
    """(4,) xyxy, pixels of the upright full-resolution frame."""
    landmarks: NDArray[np.float32]
    """(5, 2) pixels."""
    quality: NDArray[np.float32]
    """(len(QUALITY_PARTS),) each 0 to 1, by the picture alone; `steady` is 1, since the shot tells."""
    crop: NDArray[np.uint8]
    """(s, s, 3) BGR, aligned for the embedder."""
    expression: Expression = UNREAD
    brightness: float = 0.5
    """Median of the face, 0 to 1."""
    confidence: float = 1.0
    """The detector's."""
    confirmed: bool = True
    """Whether a second opinion saw a face as well, see `Detections.confirmed`."""
    dense: bool = False
    """Whether it comes from refinement, not from sampling."""

    @cached_property
    def absolute(self) -> Score:
        """The score by what was measured alone, whoever the person is and however steady the moment."""
        return next(iter(score(measures_of([self]))))

    @cached_property
    def pattern(self) -> NDArray[np.float32]:
        """(576,) grey levels of the crop's middle, 24 x 24, less their mean, L2-normed."""
        rim = self.crop.shape[0] // 6
        middle = self.crop[rim : self.crop.shape[0] - rim // 2, rim : self.crop.shape[1] - rim]
        gray = cv2.cvtColor(middle, cv2.COLOR_BGR2GRAY)
        small = cv2.resize(gray, (_PATTERN_SIDE, _PATTERN_SIDE), interpolation=cv2.INTER_AREA)
        pattern = small.astype(np.float32).reshape(-1)
        pattern -= pattern.mean()
        return np.asarray(pattern / max(float(np.linalg.norm(pattern)), 1e-6), np.float32)


@dataclass(frozen=True)
class CarriedOver:
    """A moment at which nobody looked, because nothing had changed since a frame that was sampled."""

    sampled_s: float
    """Seconds of that frame."""
    t_s: float
    pts: int


@dataclass(frozen=True, eq=False)
class Track:
    """Detections of one face within one shot, ascending; never empty."""

    detections: tuple[FaceDetection, ...]
    carried: tuple[CarriedOver, ...] = ()
    """Moments at which the face is taken to be as it was last detected."""

    @property
    def start_s(self) -> float:
        return self.detections[0].t_s

    @property
    def end_s(self) -> float:
        return self.detections[-1].t_s

    @property
    def is_dense(self) -> bool:
        """Whether refinement alone met the face."""
        return all(one.dense for one in self.detections)

    def box_at(self, t_s: float) -> NDArray[np.float32]:
        """(4,) the box interpolated between detections, the nearest one's outside them."""
        times = [one.t_s for one in self.detections]
        after = bisect.bisect_left(times, t_s)
        if after in (0, len(times)):
            return self.detections[min(after, len(times) - 1)].box
        low, high = self.detections[after - 1], self.detections[after]
        share = (t_s - low.t_s) / max(high.t_s - low.t_s, 1e-9)
        return np.asarray(low.box + share * (high.box - low.box), np.float32)

    def with_carried(self) -> list[tuple[int, FaceDetection]]:
        """PTS and face: each detection's own and, for moments carried over, the one before as it most likely still is;
        ascending."""
        found = [(one.pts, one) for one in self.detections]
        known = {one.pts for one in self.detections}
        times = [one.t_s for one in self.detections]
        for moment in self.carried:
            if moment.pts not in known:
                found.append((moment.pts, self.detections[max(0, bisect.bisect_right(times, moment.t_s) - 1)]))
        return sorted(found, key=lambda one: one[0])


SteadyAt = Callable[[float], float]
"""How steady the moment at so many seconds is, 0 to 1."""


def measures_of(detections: Sequence[FaceDetection], steady_at: SteadyAt | None = None) -> Measures:
    """What was measured of them, side by side, and how steady their moments are: 1 unless that is known."""
    parts = np.array([one.quality for one in detections], np.float32).reshape(-1, len(QUALITY_PARTS))
    if steady_at is not None:
        parts[:, _STEADY] = [steady_at(one.t_s) for one in detections]
    return Measures(
        parts,
        np.array([one.expression.openings for one in detections], np.float32).reshape(-1, 2),
        eyes_seen(np.array([one.landmarks for one in detections], np.float32).reshape(-1, 5, 2)),
        np.array([one.expression.in_view for one in detections], np.float32),
        np.array([one.confidence for one in detections], np.float32),
        np.array([one.brightness for one in detections], np.float32),
    )


def detections_of(tracks: Iterable[Track]) -> list[FaceDetection]:
    """All detections of some tracks."""
    return [one for track in tracks for one in track.detections]
