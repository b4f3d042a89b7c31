"""The scene detector `layout` for PySceneDetect: `SceneManager.add_detector(LayoutDetector())`."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scenedetect import FrameTimecode, SceneDetector

from lambdas.contracts import Settings
from lambdas.detect.shots.features import FEATURE_WIDTH, ContentScorer, feature_height, layout_of
from lambdas.shots.columns import SceneColumns
from lambdas.shots.scene_changes import layout_changes


class LayoutDetector(SceneDetector):
    """Cuts, fades, dissolves and wipes by what the picture shows where; flashes and thrown cameras are none.

    A change is judged by the frames around it, so all of them are told when the video is over, each at the first frame
    of the new scene or, of a change that takes time, at its middle.
    """

    def __init__(self, min_scene_s: float = 0.6, threshold: float = 27.0) -> None:
        """`min_scene_s` keeps changes so far apart; `threshold` is `scene_threshold` of the settings."""
        super().__init__()
        self._settings = Settings(min_scene_s=min_scene_s, scene_threshold=threshold)
        self._scorer = ContentScorer()
        self._times: list[FrameTimecode] = []
        self._scores: list[float] = []
        self._luma: list[float] = []
        self._layout: list[NDArray[np.uint8]] = []

    def process_frame(self, timecode: FrameTimecode, frame_img: NDArray[np.uint8]) -> list[FrameTimecode]:
        """Notes what a (h, w, 3) BGR frame looks like; answers nothing yet."""
        height, width = frame_img.shape[:2]
        small = frame_img
        if width > FEATURE_WIDTH:
            size = (FEATURE_WIDTH, feature_height(width, height))
            small = np.asarray(cv2.resize(frame_img, size, interpolation=cv2.INTER_AREA), np.uint8)
        self._times.append(timecode)
        self._scores.append(self._scorer.score(small))
        self._luma.append(float(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).mean()) / 255)
        self._layout.append(layout_of(small))
        return []

    def post_process(self, timecode: FrameTimecode) -> list[FrameTimecode]:
        """Where new scenes begin, ascending; `timecode` is the last frame's."""
        if len(self._times) < 2:
            return []
        columns = SceneColumns(
            np.array([time.seconds for time in self._times], np.float64),
            np.array(self._scores, np.float64),
            np.array(self._luma, np.float64),
            np.array(self._layout, np.uint8),
        )
        return [self._frame_at(change.at_s, columns.t_s) for change in layout_changes(columns, self._settings)]

    def _frame_at(self, at_s: float, t_s: NDArray[np.float64]) -> FrameTimecode:
        """The timecode of the first frame that is not before `at_s`."""
        return self._times[min(int(np.searchsorted(t_s, at_s - 1e-6)), len(self._times) - 1)]

    def get_metrics(self) -> list[str]:
        """None is written into a stats file."""
        return []
