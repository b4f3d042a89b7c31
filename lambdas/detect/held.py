"""Decoded frames of the first pass that scenes or the whole video may want, kept within bounds until that is known."""

from __future__ import annotations

import math

from lambdas.contracts import Settings, SourceFacts
from lambdas.detect.frames import Frame
from lambdas.detect.looks import Stopwatch
from lambdas.detect.pictures import Picture, picture
from lambdas.detect.scenes import middle_reach_s

_MOST_BYTES = 160 * 2**20
"""Of decoded frames: 52 of 1080p."""
_FEWEST = 24
_OF_RUNNING_SHOT = 0.25
"""Share of them that frames of the running shot may take, one of which may turn out to be its middle."""
_STEP_S = 0.25
"""Between these, at first; in a long shot, of which a wider stretch will do, more."""
_NEAR_MIDDLE = 2
"""So many frames nearest to its middle are kept of a shot, a sharper one to choose among them."""
_APART_S = 1.5
"""Between the other looks kept of a shot that began and ended in the chunk."""


class Held:
    """Follows one pass over a chunk, frame by frame."""

    def __init__(self, source: SourceFacts, settings: Settings, watch: Stopwatch) -> None:
        self._source = source
        self._watch = watch
        self._most = max(_FEWEST, _MOST_BYTES // source.frame_bytes)
        self._settings = settings
        self.frames: dict[int, Frame] = {}
        """Those kept, by PTS."""
        self.pictures: dict[int, Picture] = {}
        """Those for which there was no room, encoded, by PTS."""
        self._begin_s: float | None = None
        """The running shot's; None where it began before the chunk."""
        self._looked: list[tuple[float, Frame]] = []
        self._between: list[tuple[float, Frame]] = []
        """Frames of the running shot, looked at and others, ascending."""
        self._step_s = _STEP_S

    def add(self, frame: Frame, t_s: float, *, wanted: bool) -> None:
        """The next frame; `wanted` if it was looked at, or would have been but shows the picture of the last look."""
        last_s = max((ones[-1][0] for ones in (self._looked, self._between) if ones), default=-math.inf)
        if wanted:
            self._looked.append((t_s, frame))
            self._keep(frame)
        elif self._settings.scenes and t_s >= last_s + self._step_s:
            self._between.append((t_s, frame))
            if len(self._between) > _OF_RUNNING_SHOT * self._most:
                del self._between[::2]
                self._step_s *= 2

    def cut(self, t_s: float) -> None:
        """The running shot has ended, another begins."""
        if self._begin_s is not None:
            self._choose(self._begin_s, t_s)
        self._begin_s = t_s
        self._looked, self._between = [], []
        self._step_s = _STEP_S

    def _choose(self, begin_s: float, end_s: float) -> None:
        """Keeps of a shot what lies nearest to its middle, and looks here and there."""
        middle_s, reach_s = (begin_s + end_s) / 2, middle_reach_s(end_s - begin_s)
        near = sorted(
            (one for one in (*self._looked, *self._between) if abs(one[0] - middle_s) <= reach_s),
            key=lambda one: abs(one[0] - middle_s),
        )[:_NEAR_MIDDLE]
        kept_s = [t_s for t_s, _ in near]
        for t_s, frame in self._looked:
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
            with self._watch.step("stage"):
                self.pictures[oldest.pts] = picture(
                    oldest.pts, self._source.seconds(oldest.pts), oldest.bgr(), self._settings
                )
