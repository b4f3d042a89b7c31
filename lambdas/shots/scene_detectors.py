"""PySceneDetect's detectors, fed with our frames: what detect keeps of each frame, and the cuts found in all of them.

Chunks are worked on apart, and a detector keeps state from one frame to the next. So detect keeps of every frame what
the detector would make of it, and cluster, once over the whole video, lets the detector itself decide by that.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Settings

if TYPE_CHECKING:
    from scenedetect import FrameTimecode, SceneDetector

_HASH_SIDE, _HASH_LOWPASS = 8, 2
_BINS = 128
_TICK = Fraction(1, 1_000_000)
"""Times are handed over in microseconds."""
_FRAME_NUMBERS_PER_S = Fraction(1000)
"""What a time is rounded to where a detector counts in frames (the middle of a fade)."""


def frame_feature(small: NDArray[np.uint8], detector: str) -> NDArray[np.float32]:
    """(w,) what a PySceneDetect detector makes of one frame by itself, (h, 256, 3) BGR; w is 0 for all others.

    hash: its perceptual hash, 64 bits as 0 and 1; histogram: that of its luma, 128 bins; threshold: its mean.
    """
    if detector == "hash":
        from scenedetect import HashDetector

        found = HashDetector.hash_frame(small, _HASH_SIDE, _HASH_LOWPASS).reshape(-1)
    elif detector == "histogram":
        from scenedetect import HistogramDetector

        found = HistogramDetector.calculate_histogram(small, bins=_BINS)
    elif detector == "threshold":
        found = np.array([small.mean()])
    else:
        return np.zeros(0, np.float32)
    return np.asarray(found, np.float32)


def library_cuts(
    t_s: NDArray[np.float64], scores: NDArray[np.float64], features: NDArray[np.float32], settings: Settings
) -> list[float]:
    """Seconds of the cuts that the detector of the settings finds, ascending.

    `t_s` (k,) seconds, `scores` (k,) content values against the frame before, `features` (k, w) of `frame_feature`.
    """
    if not len(t_s):
        return []
    times = [_timecode(float(one)) for one in t_s]
    detector, given = _replaying(times, scores, features, settings)
    cuts: list[FrameTimecode] = []
    for time, frame in zip(times, given, strict=True):
        cuts += detector.process_frame(time, frame)
    cuts += detector.post_process(times[-1])
    return sorted({float(cut.seconds) for cut in cuts})


def _timecode(t_s: float) -> FrameTimecode:
    from scenedetect import FrameTimecode
    from scenedetect.common import Timecode

    return FrameTimecode(Timecode(round(t_s / _TICK), _TICK), fps=_FRAME_NUMBERS_PER_S)


def _replaying(
    times: list[FrameTimecode], scores: NDArray[np.float64], features: NDArray[np.float32], settings: Settings
) -> tuple[SceneDetector, Any]:
    """The detector of the settings, and what it takes for each frame: what was kept of it, in place of its picture."""
    from scenedetect import (
        AdaptiveDetector,
        ContentDetector,
        HashDetector,
        HistogramDetector,
        StatsManager,
        ThresholdDetector,
    )

    class Content(ContentDetector):
        def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Any) -> float:
            return float(frame_img)

    class Adaptive(AdaptiveDetector):
        def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: Any) -> float:
            return float(frame_img)

    class Hash(HashDetector):
        @staticmethod
        def hash_frame(frame_img: Any, hash_size: int, factor: int) -> Any:
            return frame_img

    class Histogram(HistogramDetector):
        kept = iter(features)

        def calculate_histogram(self, frame_img: Any, bins: int = 256, normalize: bool = True) -> Any:
            return next(self.kept)

    shortest: Any = float(settings.min_scene_s)
    match settings.scene_detector:
        case "content":
            return Content(settings.scene_threshold, shortest), scores
        case "adaptive":
            return Adaptive(settings.adaptive_ratio, shortest), scores
        case "hash":
            return Hash(settings.hash_distance, _HASH_SIDE, _HASH_LOWPASS, shortest), features
        case "histogram":
            # It insists on a picture before it asks for the histogram.
            picture = np.zeros((1, 1, 3), np.uint8)
            return Histogram(settings.histogram_difference, _BINS, shortest), [picture] * len(times)
        case _:
            detector = ThresholdDetector(settings.fade_level, shortest)
            detector.stats_manager = StatsManager()
            for time, mean in zip(times, features[:, 0].tolist(), strict=True):
                detector.stats_manager.set_metrics(time, {ThresholdDetector.THRESHOLD_VALUE_KEY: mean})
            return detector, [None] * len(times)
