"""The features of a chunk's frames as they are decoded: which are compared, and where a shot seems to begin."""

from __future__ import annotations

import copy
import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Settings, SourceFacts
from lambdas.detect.context import Stopwatch
from lambdas.detect.decode.frame import Frame
from lambdas.detect.shots.damage import Damage
from lambdas.detect.shots.features import (
    FEATURE_WIDTH,
    ContentScorer,
    FrameFeatures,
    fair_content,
    feature_height,
    features_of,
    layout_of,
)
from lambdas.shots.cuts import CLEAR_CUT_CHANGE
from lambdas.shots.layouts import layout_change

_SPACING_S = 0.07
"""About how far apart frames are compared: as those that others refer to are in most streams."""
_MOVING_SHARE = 0.25
"""Share of the content threshold from which the frames between two compared ones are compared too."""
FEWEST_BETWEEN = 4
"""Frames kept for that, at least, however large they are; usual rates need one to four."""
BETWEEN_BYTES = 64 * 2**20
_OTHER_SHOT = 0.6
"""Change of layout from before damage to after it from which a cut was between: what moves gathers to less."""


@dataclass(frozen=True)
class ComparedFrame:
    """One frame with its features."""

    frame: Frame
    features: FrameFeatures
    small: NDArray[np.uint8]
    """(h, FEATURE_WIDTH, 3) BGR."""
    is_cut: bool
    """Whether a shot seems to begin with it."""

    @property
    def t_s(self) -> float:
        return self.features.t_s


class FeatureTrack:
    """Features of the chunk's frames so far."""

    def __init__(
        self,
        source: SourceFacts,
        settings: Settings,
        watch: Stopwatch,
        *,
        every: bool,
    ) -> None:
        """With `every` each frame is compared."""
        self._source = source
        self._threshold = settings.scene_threshold
        self._detector = settings.scene_detector
        self._watch = watch
        self._height = feature_height(source.width, source.height)
        self._step_s = 0.0 if every else _step_s(source.fps)
        self._step = -1
        self._most_between = max(FEWEST_BETWEEN, BETWEEN_BYTES // source.frame_bytes)
        self._between: list[Frame] = []
        """Frames since the latest compared one."""
        self._scorer = ContentScorer()
        self._damage = Damage()
        self.features: list[FrameFeatures] = []
        """Ascending."""
        self.exact: set[int] = set()
        """PTS of frames after skipped ones that begin a shot for sure."""
        self.corrupt = 0
        """Damaged frames."""
        self.first = self.last = np.zeros((0, FEATURE_WIDTH, 3), np.uint8)
        """(h, FEATURE_WIDTH, 3) BGR, the first and the latest compared frame; h is 0 before the first."""

    def add(self, frame: Frame) -> list[ComparedFrame]:
        """Takes the next frame; the frames compared now: none, it alone, or those before it as well."""
        if not self._is_usable(frame):
            return []
        step = math.floor(self._source.seconds(frame.pts) / self._step_s + 1e-3) if self._step_s else self._step + 1
        # Frames that come in a burst stand in one step by the hundred, and decoded ones are large.
        if step == self._step and not frame.keyframe and len(self._between) < self._most_between:
            self._between.append(frame)
            return []
        self._step = step
        before, self._between = self._between, []
        small = self._small(frame)
        scorer = copy.copy(self._scorer)
        with self._watch.step("features"):
            content = scorer.score(small)
        if before and content >= _MOVING_SHARE * self._threshold:
            # Something changed: the frames in between tell where, or that it was little by little.
            pictures = [*((one, self._small(one)) for one in before), (frame, small)]
            return [self._compared(one, picture, self._scorer.score(picture)) for one, picture in pictures]
        self._scorer = scorer
        return [self._compared(frame, small, content)]

    def add_after_skip(self, frame: Frame, *, is_cut: bool) -> list[ComparedFrame]:
        """Takes the keyframe after skipped frames, which is known to begin a shot or not to."""
        self._between = []
        if not self._is_usable(frame):
            return []
        small = self._small(frame)
        self._scorer.score(small)
        if is_cut:
            self.exact.add(frame.pts)
        # What gathered in so long a time is no change from one frame to the next.
        return [self._kept(frame, small, self._threshold if is_cut else 0.0, is_cut=is_cut)]

    def end(self) -> list[ComparedFrame]:
        """The frames after the latest compared one, compared too: the next chunk's first is held against the last."""
        left, self._between = self._between, []
        pictures = [(one, self._small(one)) for one in left]
        return [self._compared(one, picture, self._scorer.score(picture)) for one, picture in pictures]

    def _is_usable(self, frame: Frame) -> bool:
        """Whether it is whole and later than those before: damage makes decoders give frames late."""
        t_s = self._source.seconds(frame.pts)
        if frame.corrupt or (self.features and frame.pts <= self.features[-1].pts):
            self.corrupt += 1
            self._damage.met(t_s)
            return False
        if frame.keyframe:
            self._damage.mended(t_s)
        return True

    def _small(self, frame: Frame) -> NDArray[np.uint8]:
        with self._watch.step("features"):
            return frame.bgr(FEATURE_WIDTH, self._height)

    def _compared(self, frame: Frame, small: NDArray[np.uint8], content: float) -> ComparedFrame:
        with self._watch.step("features"):
            is_cut = False
            if self.features and content >= _MOVING_SHARE * self._threshold:
                before = self.features[-1]
                change = _layout_change(before.layout, layout_of(small))
                is_cut = fair_content(content, change, self._threshold) >= self._threshold
                # Grain and motion reach the threshold too, but change no layout.
                is_cut = is_cut and change >= CLEAR_CUT_CHANGE
        return self._kept(frame, small, content, is_cut=is_cut)

    def _kept(self, frame: Frame, small: NDArray[np.uint8], content: float, *, is_cut: bool) -> ComparedFrame:
        t_s = self._source.seconds(frame.pts)
        with self._watch.step("features"):
            latest = features_of(frame.pts, t_s, small, content, self._detector)
        if self.features:
            before = self.features[-1]
            if self._damage.smears(t_s):
                # Damage makes no scenes: what it smears counts as the last picture without.
                latest = dataclasses.replace(
                    latest, content=0.0, layout=before.layout, thumbnail=before.thumbnail, library=before.library
                )
                is_cut = False
            elif self._damage.smears(before.t_s) and _layout_change(before.layout, latest.layout) < _OTHER_SHOT:
                latest = dataclasses.replace(latest, content=0.0)
        self.first = self.first if len(self.first) else small
        self.last = small
        self.features.append(latest)
        return ComparedFrame(frame, latest, small, is_cut)


def _layout_change(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """Change from one layout to another, 0 to 2."""
    return float(layout_change(before.reshape(1, -1, 3), after.reshape(1, -1, 3))[0])


def _step_s(fps: float) -> float:
    """About _SPACING_S, a whole number of frames; 0 where that is one frame, or unknown."""
    frames = round(_SPACING_S * fps)
    return frames / fps if frames > 1 else 0.0
