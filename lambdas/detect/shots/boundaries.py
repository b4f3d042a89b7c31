"""Where a chunk's shots end as far as the chunk alone tells, and how steady each moment is. cluster decides on cuts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Settings
from lambdas.detect.shots.dissolves import DissolveMask
from lambdas.detect.shots.features import FrameFeatures, columns_of
from lambdas.shots.change import Change
from lambdas.shots.cuts import FAINT_SHARE, stands_out
from lambdas.shots.layouts import changes_of_layout
from lambdas.shots.scene_changes import find_changes

_CANDIDATE_SHARE = 0.6
"""Share of the content threshold from which a change may be a cut."""
_CANDIDATE_CHANGE = 0.15
"""Change of layout that may be a cut, if it is sudden."""
_LEAST_CANDIDATE_CHANGE = 0.07
"""The same where the content value alone makes it likely: a cut changes the layout by CLEAR_CUT_CHANGE at least, grain
and heads that move by 0.01, though they reach the content threshold."""
_CUT_NEAR_S, _CUT_AWAY_S = 0.04, 0.24
"""Seconds to the nearest cut at which a moment is not steady at all, and at which the cut does not matter."""
_MOTION_S = 0.12
"""Motion counts within so much time before and after."""
MOTION_COST = 0.6
"""What motion as strong as the threshold takes from a moment's steadiness."""


class Shots:
    """The shots of some frames: how far the next change is and how much moves."""

    def __init__(self, features: Sequence[FrameFeatures], settings: Settings) -> None:
        columns = columns_of(features)
        self._steadiness = Steadiness(features, settings.scene_threshold)
        self.changes: list[Change] = find_changes(columns, settings)
        """Provisional scene changes, ascending."""
        self.cut_times: NDArray[np.float64] = np.array([change.at_s for change in self.changes])
        """(c,) seconds at which a provisional scene begins: a cut's first frame, the middle of a transition."""

    def cut_distance_s(self, t_s: float) -> float:
        """Seconds to the nearest provisional cut or transition, 0 within one, infinite without any."""
        away = [max(0.0, max(change.start_s - t_s, t_s - change.end_s) - change.edge_s) for change in self.changes]
        return min(away, default=float("inf"))

    def steadiness(self, t_s: float) -> float:
        """1 where little moves and no cut is near, 0 at a cut or in a dissolve."""
        return self._steadiness.at(t_s, self.cut_distance_s(t_s))


class Steadiness:
    """How steady the moments of some frames are, in order of time."""

    def __init__(self, features: Sequence[FrameFeatures], threshold: float) -> None:
        self._times = np.array([one.t_s for one in features])
        self._content = np.array([one.content for one in features])
        self._dissolves = DissolveMask(self._times, [one.thumbnail for one in features])
        self._threshold = threshold

    def at(self, t_s: float, cut_distance_s: float) -> float:
        """1 where little moves and no cut is near, 0 at a cut or in a dissolve."""
        near = float(np.clip((cut_distance_s - _CUT_NEAR_S) / (_CUT_AWAY_S - _CUT_NEAR_S), 0, 1))
        low, high = np.searchsorted(self._times, (t_s - _MOTION_S, t_s + _MOTION_S))
        motion = float(self._content[low:high].mean()) if high > low else 0.0
        calm = near * (1 - min(MOTION_COST, MOTION_COST * motion / self._threshold))
        return min(calm, self._dissolves.clearness(t_s))


def middle_reach_s(length_s: float) -> float:
    """How far from the middle of a scene of this length its frame may lie: 0.5 s or a tenth of it, less what the final
    cuts may still move, and never more than a quarter."""
    return min(max(0.45, 0.09 * length_s), 0.25 * length_s)


def boundary_candidates(features: Sequence[FrameFeatures], threshold: float) -> list[tuple[int, int]]:
    """Pairs of neighbouring decoded frames between which a cut may lie: (before, after) PTS.

    Where frames between them were left out, the score of a cut stands one or two frames late. Motion that goes on, as
    of an unsteady camera, is no candidate.
    """
    if len(features) < 2:
        return []
    columns = columns_of(features)
    change = changes_of_layout(columns.layout.reshape(len(features), -1, 3))
    sudden = stands_out(columns.t_s, change, times=0.9, mean=1.3)
    by_layout = (change >= _CANDIDATE_CHANGE) & (columns.scores >= FAINT_SHARE * threshold)
    by_content = (change >= _LEAST_CANDIDATE_CHANGE) & (columns.scores >= _CANDIDATE_SHARE * threshold)
    candidate = sudden & (by_layout | by_content)
    return [(features[at - 1].pts, features[at].pts) for at in np.flatnonzero(candidate).tolist() if at > 0]
