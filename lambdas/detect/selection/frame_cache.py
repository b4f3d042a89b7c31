"""Decoded frames of the first pass that scenes or the whole video may want, kept within bounds until that is known."""

from __future__ import annotations

import math

from lambdas.detect.context import ChunkContext
from lambdas.detect.decode.frame import Frame
from lambdas.detect.selection.encode import Picture, encoded
from lambdas.detect.selection.targets import DISTANCE_COST, MIDDLE, looks_of, scene_shares
from lambdas.detect.shots.boundaries import Steadiness, middle_reach_s
from lambdas.detect.shots.feature_track import ComparedFrame
from lambdas.detect.shots.features import FrameFeatures

_MOST_BYTES = 160 * 2**20
"""Of decoded frames: 52 of 1080p."""
_FEWEST = 24
"""Frames, however large they are."""
_OF_RUNNING_SHOT = 0.25
"""Share of them that frames of the running shot may take, one of which may turn out to be its middle."""
_SPACING_S = 0.25
"""Initial spacing of a shot's cached frames; doubled when there is no room for more."""
_NEAR_MIDDLE = 2
"""So many frames near its middle are kept of a shot, the most presentable ones."""
_APART_S = 1.5
"""Between the other sampled frames kept of a shot that began and ended in the chunk."""


class FrameCache:
    """Follows one pass over a chunk, frame by frame."""

    def __init__(self, context: ChunkContext) -> None:
        self._context = context
        self._most = max(_FEWEST, _MOST_BYTES // context.source.frame_bytes)
        self.frames: dict[int, Frame] = {}
        """Those kept, by PTS."""
        self.pictures: dict[int, Picture] = {}
        """Those for which there was no room, encoded, by PTS."""
        self._begin_s: float | None = None
        """Where the running shot's part in the chunk begins."""
        self._open_before = context.chunk.index > 0
        """Whether it began before the chunk."""
        self._sampled: list[ComparedFrame] = []
        self._between: list[ComparedFrame] = []
        """Frames of the running shot, sampled and others, ascending."""
        self._features: list[FrameFeatures] = []
        """Of every compared frame of the running shot."""
        self._spacing_s = _SPACING_S

    def add(self, compared: ComparedFrame, *, sampled: bool) -> None:
        """The next frame; `sampled` also if it would have been but shows the picture of the last sample."""
        if self._begin_s is None:
            self._begin_s = compared.t_s
        self._features.append(compared.features)
        last_s = max((ones[-1].t_s for ones in (self._sampled, self._between) if ones), default=-math.inf)
        if sampled:
            self._sampled.append(compared)
            self._keep(compared.frame)
        elif self._context.settings.scenes and compared.t_s >= last_s + self._spacing_s:
            self._between.append(compared)
            if len(self._between) > _OF_RUNNING_SHOT * self._most:
                del self._between[::2]
                self._spacing_s *= 2

    def cut(self, t_s: float) -> None:
        """The running shot has ended, another begins."""
        if self._begin_s is not None:
            self._choose(self._begin_s, t_s, open_after=False)
        self._begin_s, self._open_before = t_s, False
        self._sampled, self._between, self._features = [], [], []
        self._spacing_s = _SPACING_S

    def finish(self, t_s: float) -> None:
        """The chunk has ended."""
        if self._begin_s is not None and self._context.settings.scenes:
            self._choose(self._begin_s, t_s, open_after=not self._context.is_last)

    def _choose(self, begin_s: float, end_s: float, *, open_after: bool) -> None:
        """Keeps of a shot's part in the chunk what a scene's frame may be, and samples here and there."""
        every = [*self._sampled, *self._between]
        steadiness = Steadiness(self._features, self._context.settings.scene_threshold)

        def worth(one: ComparedFrame, away: float) -> float:
            """How presentable a frame is, less for its distance from the wanted moment, as a share of the reach."""
            steady = steadiness.at(one.t_s, min(one.t_s - begin_s, end_s - one.t_s))
            return looks_of(one.features, steady) * (1 - DISTANCE_COST * away)

        chosen: list[ComparedFrame] = []
        for share in scene_shares(self._open_before, open_after):
            at_s, reach_s = begin_s + share * (end_s - begin_s), middle_reach_s(end_s - begin_s)
            near = [one for one in every if abs(one.t_s - at_s) <= reach_s]
            near.sort(key=lambda one: -worth(one, abs(one.t_s - at_s) / max(reach_s, 1e-9)))
            chosen += near[: _NEAR_MIDDLE if share == MIDDLE else 1]
        kept_s = [one.t_s for one in chosen]
        for one in self._sampled:
            if one.frame.pts in self.frames and one.t_s not in kept_s:
                if all(abs(one.t_s - other_s) >= _APART_S for other_s in kept_s):
                    kept_s.append(one.t_s)
                else:
                    del self.frames[one.frame.pts]
        for one in chosen:
            self._keep(one.frame)

    def _keep(self, frame: Frame) -> None:
        if frame.pts in self.pictures:
            return
        self.frames[frame.pts] = frame
        if len(self.frames) > self._most:
            oldest = self.frames.pop(next(iter(self.frames)))
            self.pictures[oldest.pts] = encoded(oldest, self._context)
