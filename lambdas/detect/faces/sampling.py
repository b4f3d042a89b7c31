"""When a pass over a chunk looks for faces: on a grid of seconds, soon after a cut, and when it is asked to. Pure."""

from __future__ import annotations

import math

_AFTER_CUT_S = 0.2
"""A new shot is sampled this long after its cut: encoders need a few frames to recover there, and shots shorter than
the scan period would be missed by the regular grid."""
_JUST_SAMPLED = 0.35
"""Share of the scan period that is between two samples at least."""
_AT_KEYFRAME = 0.5
"""Share of the scan period by which a sample may come early to fall on a keyframe: if it shows what the one before did,
the GOP may be skipped."""
_LONGEST_WAIT = 1.5
"""Scan periods for which a sample that was asked for may stand for those on the grid."""
_LONGEST_UNSEEN = 2.5
"""Scan periods for which a keyframe that shows the picture of the last sample needs none."""


class FaceSampling:
    """The samples of one pass.

    The grid is one for the whole video, so that where chunks begin changes little.
    """

    def __init__(self, period_s: float, *, prefers_keyframes: bool) -> None:
        self._period_s = period_s
        self._prefers_keyframes = prefers_keyframes
        self._grid: int | None = None
        """Number of the next moment on the grid; None before the first frame."""
        self._is_keyframe = False
        """Whether the latest frame asked about is one."""
        self._extra_s = self._again_s = math.inf
        """The sample after a cut, and one that was asked for; infinite where there is none."""
        self.sampled_s = -math.inf
        """The running shot's last sample."""

    def cut(self, t_s: float) -> None:
        """A shot begins."""
        self._extra_s = t_s + _AFTER_CUT_S
        self._again_s = math.inf
        self.sampled_s = -math.inf

    def is_due(self, t_s: float, *, keyframe: bool, after_skip: bool) -> bool:
        """Whether this frame is to be sampled; `after_skip` says that those before it were skipped."""
        if self._grid is None:
            self._grid = math.ceil(t_s / self._period_s - 1e-6)
            self.cut(t_s)
        self._is_keyframe = keyframe
        due_s = self._grid * self._period_s
        on_grid = t_s >= due_s - 1e-6
        if self._prefers_keyframes and keyframe and due_s - t_s < _AT_KEYFRAME * self._period_s:
            on_grid = True
        if t_s - self.sampled_s < _JUST_SAMPLED * self._period_s:
            on_grid = False
        if self._again_s < math.inf and t_s < self._extra_s:
            on_grid = t_s >= self._again_s - 1e-6
        return on_grid or after_skip or t_s >= self._extra_s

    def sampled(self, t_s: float) -> None:
        """The frame asked about last was sampled."""
        assert self._grid is not None
        early = self._is_keyframe and 0 < self._grid * self._period_s - t_s < _AT_KEYFRAME * self._period_s
        self._grid = max(self._grid + early, self._number_after(t_s))
        if t_s >= self._extra_s:
            self._extra_s = math.inf
        self._again_s = math.inf
        self.sampled_s = t_s

    @property
    def awaits_shot(self) -> bool:
        """Whether the sample after the latest cut is still to come."""
        return self._extra_s < math.inf

    def may_go_unseen(self, t_s: float) -> bool:
        """Whether the last sample is so recent that the same picture needs none."""
        return t_s - self.sampled_s < _LONGEST_UNSEEN * self._period_s

    def ask_again(self, t_s: float, again_s: float) -> None:
        """Asks at `t_s` for a sample at `again_s`, which is granted unless that is far off."""
        if again_s - t_s < _LONGEST_WAIT * self._period_s:
            self._again_s = again_s

    def skipped(self, until_s: float) -> list[float]:
        """Seconds of the samples that were due before `until_s` and will not be taken."""
        assert self._grid is not None
        missed = []
        while self._grid * self._period_s < until_s:
            missed.append(self._grid * self._period_s)
            self._grid += 1
        return missed

    def _number_after(self, t_s: float) -> int:
        return math.floor(t_s / self._period_s + 1e-6) + 1
