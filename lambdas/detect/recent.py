"""Looks closely at the best moments of the last seconds while their frames are still decoded.

Which faces belong together is not yet known for sure: here it only says where to look and which frames to keep.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import ScanTier, Settings, SourceFacts
from lambdas.detect.blends import Blends
from lambdas.detect.frames import Frame
from lambdas.detect.looks import Looker, Stopwatch
from lambdas.detect.pictures import Picture, picture
from lambdas.detect.provisional import baseline_of, best_first, is_nearly_best, scores_against
from lambdas.detect.scenes import Glance, steadiness
from lambdas.detect.tracks import Sighting, Track, best_pairs, nearness, overlaps
from lambdas.scoring import Baseline

_AT_HAND_BYTES = 112 * 2**20
"""Decoded frames kept for looking back: 37 of 1080p, which are 4.5 s."""
_FEWEST_AT_HAND = 24
"""Of large pictures more memory is taken: a look needs the frames of 1 s."""
_SAME_FACE_OVERLAP = 0.3
"""IoU from which a face is the one expected there; steps are a tenth of a second."""
_NEAR = 0.2
"""`nearness` from which a face of one look may be that of the look before."""
_BETTER = 1.02
"""Times the score of a moment looked at before, which a later one of a long shot needs."""


@dataclass(eq=False)
class _Face:
    """One face of the running shot."""

    track: Track
    """Its faces are replaced by what is known of their steadiness once their surroundings are decoded."""
    stays_s: float = -math.inf
    """Until when it is taken to be there without a look."""
    waiting: list[Sighting] = field(default_factory=list)
    """Of looks whose surroundings are not all decoded yet."""
    looked: list[Sighting] = field(default_factory=list)
    """The best face of each moment looked at closely."""
    is_known_at_best: bool = False
    """Whether a moment as good as can be was looked at closely."""


@dataclass(eq=False)
class _Moment:
    face: _Face
    low_s: float
    high_s: float
    baseline: Baseline
    """The face's, by what is known of it now."""
    best: Sighting
    score: float
    """Of the best face."""
    frame: Frame


class _Steadiness:
    """How steady the moments of one shot are, as far as it is known."""

    def __init__(
        self,
        glances: Sequence[Glance],
        slivers: Sequence[NDArray[np.uint8]],
        begin_s: float,
        end_s: float,
        threshold: float,
    ) -> None:
        self._times = np.array([one.t_s for one in glances])
        self._scores = np.array([one.score for one in glances])
        self._blends = Blends(self._times.tolist(), slivers)
        self._begin_s, self._end_s, self._threshold = begin_s, end_s, threshold

    def at(self, t_s: float) -> float:
        """0 to 1."""
        away_s = max(0.0, min(t_s - self._begin_s, self._end_s - t_s))
        calm = steadiness(t_s, away_s, self._times, self._scores, self._threshold)
        return min(calm, self._blends.clearness(t_s))


class Recent:
    """The running shot's last seconds."""

    def __init__(
        self, looker: Looker, source: SourceFacts, settings: Settings, tier: ScanTier, watch: Stopwatch
    ) -> None:
        self._looker = looker
        self._threshold = settings.scene_threshold
        # One clean look alone tells little, but where only people are wanted, one as good as can be has to do.
        self._fewest_clean = 2 if settings.scenes else 1
        self._settings = settings
        self._tier = tier
        self._watch = watch
        self._most = max(_FEWEST_AT_HAND, _AT_HAND_BYTES // source.frame_bytes)
        self._at_hand: list[tuple[float, Frame]] = []
        self._seen: dict[int, list[Sighting]] = {}
        """Faces of frames at hand that were looked at, by PTS."""
        self._glances: list[Glance] = []
        self._slivers: list[NDArray[np.uint8]] = []
        self._faces: list[_Face] = []
        self._next_s = self._begin_s = -math.inf
        self.sightings: list[tuple[float, list[Sighting]]] = []
        """Seconds and faces of each close look that met any, ascending within a shot."""
        self.pictures: dict[int, Picture] = {}
        """The best frame of each moment by PTS."""

    def add(self, frame: Frame, glance: Glance, sliver: NDArray[np.uint8], faces: list[Sighting] | None) -> None:
        """The next frame; `faces` if it was looked at."""
        if self._tier.dense_looks == 0:
            return
        self._glances.append(glance)
        self._slivers.append(sliver)
        if faces is not None:
            self._seen[frame.pts] = faces
            self._follow(glance.t_s, faces)
        if faces is not None or glance.t_s >= self._next_s:
            self._next_s = glance.t_s + self._tier.dense_step_s - 1e-6
            self._at_hand.append((glance.t_s, frame))
        if len(self._at_hand) >= self._most:
            self._work(glance.t_s - self._tier.dense_radius_s)

    def cut(self, t_s: float = math.inf) -> None:
        """What follows, from `t_s` on, is another shot, or nothing."""
        self._work(math.inf, t_s)
        self._faces = []
        self._next_s = -math.inf
        self._begin_s = t_s

    def stay(self, seen_s: float, until_s: float) -> None:
        """The faces of the look at `seen_s` are still there at `until_s`."""
        for face in self._faces:
            if face.track.end_s >= seen_s - 1e-6:
                face.stays_s = until_s

    def _follow(self, t_s: float, faces: list[Sighting]) -> None:
        """Gives each face to the one that was there a look ago."""
        gap_s = 2.5 * self._tier.period_s
        known = [one for one in self._faces if t_s - max(one.track.end_s, one.stays_s) <= gap_s]
        taken: dict[int, _Face] = {}
        if known and faces:
            before, now = np.stack([one.track.last.box for one in known]), np.stack([one.box for one in faces])
            gain = np.maximum(nearness(before, now), overlaps(before, now))
            taken = {column: known[row] for row, column in best_pairs(gain, _NEAR)}
        for column, sighting in enumerate(faces):
            face = taken.get(column)
            if face is None:
                face = _Face(Track())
                self._faces.append(face)
            face.track.sightings.append(sighting)
            face.waiting.append(sighting)

    def _work(self, until_s: float, end_s: float = math.inf) -> None:
        """Looks closely around the best sightings up to `until_s` and lets go of the frames before.

        `end_s` is where the shot ends, if it does.
        """
        if any(one.t_s <= until_s for face in self._faces for one in face.waiting):
            steady = _Steadiness(self._glances, self._slivers, self._begin_s, end_s, self._threshold)
            moments = self._moments(until_s, steady)
            worth_it = [one for one in moments if self._may_gain(one)]
            for t_s, frame in self._at_hand:
                here = [one for one in worth_it if one.low_s <= t_s < one.high_s]
                if here and frame.pts not in self._seen:
                    self._look(frame, t_s, here, steady.at(t_s))
            for moment in moments:
                moment.face.looked.append(moment.best)
                if moment.best.pts not in self.pictures:
                    with self._watch.step("stage"):
                        self.pictures[moment.best.pts] = picture(
                            moment.best.pts, moment.best.t_s, moment.frame.bgr(), self._settings
                        )
        keep_s = until_s - self._tier.dense_radius_s
        self._at_hand = [(t_s, frame) for t_s, frame in self._at_hand if t_s >= keep_s]
        at_hand = {frame.pts for _, frame in self._at_hand}
        self._seen = {pts: faces for pts, faces in self._seen.items() if pts in at_hand}
        first = next((place for place, one in enumerate(self._glances) if one.t_s >= keep_s - 0.5), len(self._glances))
        del self._glances[:first], self._slivers[:first]

    def _moments(self, until_s: float, steady: _Steadiness) -> list[_Moment]:
        """The best sightings that wait for a look, apart from one another and from those looked at."""
        frames = {frame.pts: frame for _, frame in self._at_hand}
        radius_s = self._tier.dense_radius_s
        found: list[_Moment] = []
        for face in self._faces:
            mine = [one for one in face.waiting if one.t_s <= until_s]
            if not mine:
                continue
            face.waiting = [one for one in face.waiting if one.t_s > until_s]
            settled = {one: one.with_steadiness(steady.at(one.t_s)) for one in mine}
            face.track.sightings = [settled.get(one, one) for one in face.track.sightings]
            baseline = baseline_of(face.track)
            scores = scores_against(baseline, [*face.track.sightings, *face.looked])
            times = [one.t_s for one in face.looked]
            reached = [scores[one].number for one in best_first(face.looked, scores)][: self._tier.dense_looks]
            chosen: list[Sighting] = []
            for apart_s in (2 * radius_s + self._tier.period_s, 2 * radius_s):
                for sighting in best_first(settled.values(), scores):
                    full = len(reached) + len(chosen) >= self._tier.dense_looks
                    if full and (not reached or scores[sighting].number < _BETTER * reached[-1]):
                        break
                    if all(abs(sighting.t_s - t_s) >= max(apart_s, 1e-3) - 1e-6 for t_s in times):
                        chosen.append(sighting)
                        times.append(sighting.t_s)
                        if full:
                            reached.pop()
            for sighting in chosen:
                if sighting.pts in frames:
                    low_s, high_s = sighting.t_s - radius_s, sighting.t_s + radius_s
                    number, frame = scores[sighting].number, frames[sighting.pts]
                    found.append(_Moment(face, low_s, high_s, baseline, sighting, number, frame))
        return found

    def _look(self, frame: Frame, t_s: float, moments: Sequence[_Moment], steadiness: float) -> None:
        """Looks where the faces are expected."""
        faces = [one for one in self._faces if one.track.start_s - 1 <= t_s <= one.track.end_s + 1]
        expected = np.stack([one.track.box_at(t_s) for one in faces])
        met = self._looker.look(frame, dense=True, near=expected)
        self._seen[frame.pts] = met
        if not met:
            return
        self.sightings.append((t_s, met))
        overlap = overlaps(expected, np.stack([one.box for one in met]))
        for row, column in best_pairs(overlap, _SAME_FACE_OVERLAP):
            sighting = met[column].with_steadiness(steadiness)
            for moment in moments:
                if moment.face is faces[row]:
                    number = scores_against(moment.baseline, [sighting])[sighting].number
                    if number > moment.score:
                        moment.best, moment.score, moment.frame = sighting, number, frame

    def _may_gain(self, moment: _Moment) -> bool:
        """Whether a close look may find something better, or that the moment is not as good as it seems.

        A face that is as good as can be is taken for that if no look found it spoilt, or if another such moment of the
        shot was looked at closely.
        """
        face = moment.face
        if not is_nearly_best(moment.best):
            return True
        if len(face.track.sightings) >= self._fewest_clean:
            scores = scores_against(moment.baseline, face.track.sightings)
            if all(score.is_clean for score in scores.values()):
                return False
        if face.is_known_at_best:
            return False
        face.is_known_at_best = True
        return True
