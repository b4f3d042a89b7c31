"""Decoded frames of the first pass that scenes or the whole video may want, kept within bounds until that is known."""

from __future__ import annotations

import math

from lambdas.detect.context import ChunkContext
from lambdas.detect.decode.frame import Frame
from lambdas.detect.selection.encode import Picture, encoded
from lambdas.detect.shots.boundaries import middle_reach_s

_MOST_BYTES = 160 * 2**20
"""Of decoded frames: 52 of 1080p."""
_FEWEST = 24
"""Frames, however large they are."""
_OF_RUNNING_SHOT = 0.25
"""Share of them that frames of the running shot may take, one of which may turn out to be its middle."""
_SPACING_S = 0.25
"""Initial spacing of a shot's cached frames; doubled when there is no room for more."""
_NEAR_MIDDLE = 2
"""So many frames nearest to its middle are kept of a shot, a sharper one to choose among them."""
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
        """The running shot's; None where it began before the chunk."""
        self._sampled: list[tuple[float, Frame]] = []
        self._between: list[tuple[float, Frame]] = []
        """Frames of the running shot, sampled and others, ascending."""
        self._spacing_s = _SPACING_S

    def add(self, frame: Frame, t_s: float, *, sampled: bool) -> None:
        """The next frame; `sampled` also if it would have been but shows the picture of the last sample."""
        last_s = max((ones[-1][0] for ones in (self._sampled, self._between) if ones), default=-math.inf)
        if sampled:
            self._sampled.append((t_s, frame))
            self._keep(frame)
        elif self._context.settings.scenes and t_s >= last_s + self._spacing_s:
            self._between.append((t_s, frame))
            if len(self._between) > _OF_RUNNING_SHOT * self._most:
                del self._between[::2]
                self._spacing_s *= 2

    def cut(self, t_s: float) -> None:
        """The running shot has ended, another begins."""
        if self._begin_s is not None:
            self._choose(self._begin_s, t_s)
        self._begin_s = t_s
        self._sampled, self._between = [], []
        self._spacing_s = _SPACING_S

    def _choose(self, begin_s: float, end_s: float) -> None:
        """Keeps of a shot what lies nearest to its middle, and samples here and there."""
        middle_s, reach_s = (begin_s + end_s) / 2, middle_reach_s(end_s - begin_s)
        near = sorted(
            (one for one in (*self._sampled, *self._between) if abs(one[0] - middle_s) <= reach_s),
            key=lambda one: abs(one[0] - middle_s),
        )[:_NEAR_MIDDLE]
        kept_s = [t_s for t_s, _ in near]
        for t_s, frame in self._sampled:
            if frame.pts in self.frames and t_s not in kept_s:
                if all(abs(t_s - other_s) >= _APART_S for other_s in kept_s):
                    kept_s.append(t_s)
                else:
                    del self.frames[frame.pts]
        for _, frame in near:
            self._keep(frame)

    def _keep(self, frame: Frame) -> None:
        if frame.pts in self.pictures:
            return
        self.frames[frame.pts] = frame
        if len(self.frames) > self._most:
            oldest = self.frames.pop(next(iter(self.frames)))
            self.pictures[oldest.pts] = encoded(oldest, self._context)
