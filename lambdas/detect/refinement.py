"""The one refinement of each shot: densely around each face's best moments, while their frames are still decoded.

A shot is refined when it ends; of a long one, each time as many frames wait as memory is set aside for. Which tracks
belong together is not yet known for sure: here it only says where to look and which frames to keep.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lambdas.detect.context import ChunkContext
from lambdas.detect.decode.frame import Frame
from lambdas.detect.faces.analyzer import FaceAnalyzer
from lambdas.detect.selection.encode import Picture, encoded
from lambdas.detect.shots.boundaries import Steadiness
from lambdas.detect.shots.feature_track import ComparedFrame
from lambdas.detect.shots.features import FrameFeatures
from lambdas.detect.tracking.association import Event, associate, best_pairs, boxes_of, overlaps
from lambdas.detect.tracking.detection import CarriedOver, FaceDetection, SteadyAt, Track
from lambdas.detect.tracking.embeddings import Embeddings
from lambdas.detect.tracking.scores import baseline_of, best_first, is_nearly_best, scores_against
from lambdas.scoring import Baseline

_WAITING_BYTES = 112 * 2**20
"""Decoded frames that wait for refinement: 37 of 1080p, which are 4.5 s."""
_FEWEST_WAITING = 24
"""Of large pictures more memory is taken: a moment needs the frames of 1 s."""
_SAME_FACE_OVERLAP = 0.3
"""IoU from which a face is the one expected there; steps are a tenth of a second."""
_BETTER = 1.02
"""Once its quota is used, a face's moment must beat the weakest refined one by this factor."""
_FURTHER_MOMENTS = 3
"""Moments beyond the quota for a face that was clean in none: closed eyes, blur or a hand each time."""
_FEATURES_S = 0.5
"""Features kept from before the frames that wait, since steadiness depends on what is around."""


@dataclass(frozen=True)
class _Moment:
    """The surroundings of one detection that are to be refined."""

    track: Track
    sampled: FaceDetection
    low_s: float
    high_s: float
    """Half open."""
    baseline: Baseline
    """The face's, by what is known of it now."""
    rank: int
    """Among the track's, from 0, the best first."""
    worth_it: bool
    """Whether a closer look may find anything better."""


class Refinement:
    """Follows one pass over a chunk, frame by frame."""

    def __init__(self, context: ChunkContext, analyzer: FaceAnalyzer, embeddings: Embeddings) -> None:
        self._context = context
        self._analyzer = analyzer
        self._embeddings = embeddings
        self._tier = context.tier
        # One clean sample alone tells little, but where only people are wanted, one as good as can be has to do.
        self._fewest_clean = 2 if context.settings.scenes else 1
        self._most_waiting = max(_FEWEST_WAITING, _WAITING_BYTES // context.source.frame_bytes)
        self.detections: list[tuple[float, list[FaceDetection]]] = []
        """Seconds and faces of each refined frame that shows any."""
        self.pictures: dict[int, Picture] = {}
        """The best frame of each moment, by PTS."""
        self._waiting: list[tuple[float, Frame]] = []
        """Frames of the running shot at the dense step, and those sampled."""
        self._next_s = -math.inf
        self._begin_s = -math.inf
        """The running shot's."""
        self._events: list[Event] = []
        """What was sampled of it."""
        self._done_s = -math.inf
        """Up to where it is refined."""
        self._refined: dict[FaceDetection, FaceDetection] = {}
        """The best face of each refined moment, by the moment's sampled one."""
        self._as_good_as_can_be: set[FaceDetection] = set()
        """Sampled faces at which a moment that can't be much better was refined."""
        self._features: list[FrameFeatures] = []
        self._steady: dict[float, float] = {}
        """Steadiness of sampled moments, by seconds."""

    def add(self, compared: ComparedFrame, faces: list[FaceDetection] | None) -> None:
        """The next frame; its faces if it was sampled."""
        if self._tier.dense_looks == 0:
            return
        t_s = compared.t_s
        self._features.append(compared.features)
        if faces is not None:
            self._events.append((t_s, faces))
        if faces is not None or t_s >= self._next_s:
            self._next_s = t_s + self._tier.dense_step_s - 1e-6
            self._waiting.append((t_s, compared.frame))
        if len(self._waiting) >= self._most_waiting:
            self._refine(t_s - self._tier.dense_radius_s, math.inf)

    def carry_over(self, moments: Sequence[CarriedOver]) -> None:
        """Nothing changes until these moments."""
        self._events += [(moment.t_s, moment) for moment in moments]

    def cut(self, t_s: float = math.inf) -> None:
        """The running shot has ended; from `t_s` on another begins, or nothing."""
        self._refine(math.inf, t_s)
        self._events, self._refined, self._as_good_as_can_be, self._steady = [], {}, set(), {}
        self._next_s = self._done_s = -math.inf
        self._begin_s = t_s

    def _refine(self, until_s: float, end_s: float) -> None:
        """Works on the moments up to `until_s` and lets go of the frames before; `end_s` is where the shot ends."""
        if any(
            self._done_s < t_s <= until_s and not isinstance(event, CarriedOver) and event
            for t_s, event in self._events
        ):
            steadiness = Steadiness(self._features, self._context.settings.scene_threshold)

            def steady_at(t_s: float) -> float:
                if t_s not in self._steady:
                    self._steady[t_s] = steadiness.at(t_s, max(0.0, min(t_s - self._begin_s, end_s - t_s)))
                return self._steady[t_s]

            tracks = associate(self._events, [], self._embeddings, self._context.distances, self._tier.period_s)
            moments = [one for track in tracks for one in self._moments(track, until_s, steady_at)]
            self._work_through(moments, tracks, steady_at)
        self._done_s = until_s
        keep_s = until_s - self._tier.dense_radius_s
        self._waiting = [(t_s, frame) for t_s, frame in self._waiting if t_s >= keep_s]
        self._features = [one for one in self._features if one.t_s >= keep_s - _FEATURES_S]

    def _moments(self, track: Track, until_s: float, steady_at: SteadyAt) -> list[_Moment]:
        """The track's best moments not refined yet, apart from one another and from those that are."""
        new = [one for one in track.detections if self._done_s < one.t_s <= until_s]
        if not new:
            return []
        refined = [self._refined[one] for one in track.detections if one in self._refined]
        baseline = baseline_of(track.detections)
        scores = scores_against(baseline, [*track.detections, *refined], steady_at)
        reached = [scores[one].number for one in best_first(refined, scores)]
        quota = self._tier.dense_looks
        if not any(scores[one].is_clean for one in (*refined, *new)):
            quota += _FURTHER_MOMENTS
        reached = reached[:quota]
        times = [one.t_s for one in refined]
        radius_s = self._tier.dense_radius_s
        chosen: list[FaceDetection] = []
        for apart_s in (2 * radius_s + self._tier.period_s, 2 * radius_s):
            for detection in best_first(new, scores):
                full = len(reached) + len(chosen) >= quota
                if full and (not reached or scores[detection].number < _BETTER * reached[-1]):
                    break
                if all(abs(detection.t_s - t_s) >= max(apart_s, 1e-3) - 1e-6 for t_s in times):
                    chosen.append(detection)
                    times.append(detection.t_s)
                    if full:
                        reached.pop()
        return [
            _Moment(
                track,
                one,
                one.t_s - radius_s,
                one.t_s + radius_s,
                baseline,
                rank,
                self._may_gain(track, one, baseline, steady_at),
            )
            for rank, one in enumerate(chosen)
        ]

    def _work_through(self, moments: Sequence[_Moment], tracks: Sequence[Track], steady_at: SteadyAt) -> None:
        """Detects in the frames of all moments, each once, and keeps the best frame of each."""
        frames = {frame.pts: frame for _, frame in self._waiting}
        known = {one.pts for _, event in self._events if not isinstance(event, CarriedOver) for one in event}
        best = {one.sampled: one.sampled for one in moments if one.sampled.pts in frames}
        satisfied: set[Track] = set()
        for rank in range(max((one.rank for one in moments), default=-1) + 1):
            round_ = [one for one in moments if one.rank == rank and one.worth_it and one.track not in satisfied]
            for t_s, frame in self._waiting:
                here = [one for one in round_ if one.low_s <= t_s < one.high_s]
                if not here or frame.pts in known:
                    continue
                known.add(frame.pts)
                for moment, face in self._refine_frame(frame, t_s, here, tracks):
                    if moment.sampled in best:
                        scores = scores_against(moment.baseline, [face, best[moment.sampled]], steady_at)
                        if scores[face].number > scores[best[moment.sampled]].number:
                            best[moment.sampled] = face
            # A face that was met at its best needs no further moment densely.
            satisfied |= {
                one.track
                for one in round_
                if one.sampled in best and is_nearly_best(best[one.sampled], steady_at(best[one.sampled].t_s))
            }
        for sampled, face in best.items():
            self._refined[sampled] = face
            if face.pts not in self.pictures:
                self.pictures[face.pts] = encoded(frames[face.pts], self._context)

    def _refine_frame(
        self, frame: Frame, t_s: float, moments: Sequence[_Moment], tracks: Sequence[Track]
    ) -> list[tuple[_Moment, FaceDetection]]:
        """The faces of these moments in one frame, looked for where they are expected.

        Of others who are there those are measured on the way whom no sample shows without a flaw: small faces of a
        crowd gain by it, and to read everybody else too costs 8 ms a face.
        """
        present = [one for one in tracks if one.start_s - 1 <= t_s <= one.end_s + 1]
        expected = np.stack([one.box_at(t_s) for one in present])
        sought = {moment.track for moment in moments}
        wanted = [one in sought or not any(face.absolute.is_clean for face in one.detections) for one in present]
        met = self._analyzer.detect(frame, dense=True, near=expected[wanted])
        if not met:
            return []
        self.detections.append((t_s, met))
        pairs = best_pairs(overlaps(expected, boxes_of(met)), _SAME_FACE_OVERLAP)
        face_of = {present[row]: met[column] for row, column in pairs}
        return [(moment, face_of[moment.track]) for moment in moments if moment.track in face_of]

    def _may_gain(self, track: Track, sampled: FaceDetection, baseline: Baseline, steady_at: SteadyAt) -> bool:
        """Whether refinement may find something better, or that the moment is not as good as it seems.

        A face that is as good as can be is taken for that if no sample found it spoilt, or if another such moment of
        the shot was refined; but not where it was detected too seldom to count as a person.
        """
        once = len(track.detections) + len(track.carried) < self._context.settings.min_sightings
        if once or not is_nearly_best(sampled, steady_at(sampled.t_s)):
            return True
        if len(track.detections) >= self._fewest_clean:
            scores = scores_against(baseline, list(track.detections), steady_at)
            if all(score.is_clean for score in scores.values()):
                return False
        if any(one in self._as_good_as_can_be for one in track.detections):
            return False
        self._as_good_as_can_be.add(sampled)
        return True
