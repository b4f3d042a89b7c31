"""When a pass over a chunk looks for faces: on a grid of seconds, soon after a cut, and where `Quiet` asks for it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from lambdas.contracts import OPEN_END, SourceFacts
from lambdas.detect.frames import Frame
from lambdas.detect.quiet import Quiet

_AFTER_CUT_S = 0.2
"""A new shot is looked at this long after its cut: encoders need a few frames to recover there, and shots shorter than
the scan period would be missed by the regular grid."""
_JUST_LOOKED = 0.35
"""Share of the scan period that is between two looks at least."""
_AT_KEYFRAME = 0.5
"""Share of the scan period by which a look comes early or late to fall on a keyframe, which needs nothing else decoded.
"""
_LONGEST_WAIT = 1.5
"""Scan periods for which the second look of a quiet stretch may take the place of those on the grid."""
_TIGHT = 0.4
"""Share of the scan period between looks where somebody clean was found to have turned away or to be hidden."""
_LONGEST_UNSEEN = 2.5
"""Scan periods for which keyframes that show the picture of the last look need none."""


class Schedule:
    """The looks of one pass.

    The grid is one for the whole video, so that where chunks begin changes little; a look that a keyframe is near falls
    on it, since the rest of its GOP may then be passed over.
    """

    def __init__(self, period_s: float, quiet: Quiet, source: SourceFacts, *, may_wait: bool) -> None:
        self._period_s = period_s
        self._quiet = quiet
        self._source = source
        self._may_wait = may_wait
        self._grid: int | None = None
        """Number of the next moment on the grid; None before the first frame."""
        self._due_s = -math.inf
        self._on_grid = self._at_keyframe = False
        """Of the latest frame: whether it is a look of the grid that is due, and a keyframe."""
        self._extra_s = self._again_s = math.inf
        """The look after a cut, and the second one of a quiet stretch; infinite where there is none."""
        self._tight_until = -OPEN_END
        self.looked_s = -math.inf
        """The running shot's last look."""

    def begin(self, t_s: float) -> bool:
        """Takes the pass's first frame; False for any other."""
        if self._grid is not None:
            return False
        self._grid = math.ceil(t_s / self._period_s - 1e-6)
        self._extra_s = t_s + _AFTER_CUT_S
        return True

    def cut(self, t_s: float) -> None:
        """A shot begins."""
        self._extra_s = t_s + _AFTER_CUT_S
        self._again_s = math.inf
        self.looked_s = -math.inf

    def is_due(self, frame: Frame, t_s: float, *, cut: bool, resumed: bool) -> bool:
        """Whether this frame is to be looked at; `resumed` says that those before it were passed over."""
        assert self._grid is not None
        self._due_s = self._grid * self._period_s
        # The keyframe after a stretch passed over needs nothing else decoded.
        on_grid = t_s >= self._due_s - 1e-6 or (resumed and not cut)
        if on_grid and not resumed and t_s - self.looked_s < _JUST_LOOKED * self._period_s:
            on_grid = False
        at_key_s = _AT_KEYFRAME * self._period_s
        if self._may_wait and not cut and not resumed and abs(t_s - self._due_s) < at_key_s:
            if frame.keyframe:
                on_grid = True
            elif on_grid:
                on_grid = not self._quiet.key_follows(frame.pts, self._source.pts(self._due_s + at_key_s))
        if self._again_s < math.inf and not resumed and t_s < self._extra_s:
            # The second look of a quiet stretch stands for those of the grid before it.
            on_grid = t_s >= self._again_s - 1e-6
        if frame.pts < self._tight_until:
            on_grid = t_s - self.looked_s >= _TIGHT * self._period_s
        self._on_grid, self._at_keyframe = on_grid, frame.keyframe
        return on_grid or t_s >= self._extra_s

    def looked(self, t_s: float) -> None:
        """The frame asked about was looked at."""
        assert self._grid is not None
        if self._on_grid:
            early = self._at_keyframe and 0 < self._due_s - t_s < _AT_KEYFRAME * self._period_s
            self._grid = max(self._grid + early, self._number_after(t_s))
        if t_s >= self._extra_s:
            self._extra_s = math.inf
        self._again_s = math.inf
        self.looked_s = t_s

    @property
    def awaits_shot(self) -> bool:
        """Whether the look after the latest cut is still to come."""
        return self._extra_s < math.inf

    def may_go_unseen(self, t_s: float) -> bool:
        """Whether the last look is so recent that the same picture needs none."""
        return t_s - self.looked_s < _LONGEST_UNSEEN * self._period_s

    def look_again(self, t_s: float, again_s: float) -> None:
        """Asks at `t_s` for a look at `again_s`, which is granted unless that is far off."""
        if again_s - t_s < _LONGEST_WAIT * self._period_s:
            self._again_s = again_s

    def look_often(self, until_pts: int) -> None:
        """Asks for more looks before `until_pts`."""
        self._tight_until = until_pts

    def go_back(self, t_s: float) -> None:
        """What came after `t_s` comes once more."""
        self._grid = self._number_after(t_s)

    def passed_over(self, until_s: float) -> Iterator[float]:
        """Seconds of the looks that were due before `until_s` and will not be."""
        assert self._grid is not None
        while self._grid * self._period_s < until_s:
            yield self._grid * self._period_s
            self._grid += 1

    def _number_after(self, t_s: float) -> int:
        return math.floor(t_s / self._period_s + 1e-6) + 1
