"""Whether the rest of a GOP is static, so that it need not be decoded.

One question, asked after a frame was sampled or shows the picture of the last sample: does anything new happen before
the next keyframe? Packet sizes answer first, for nothing. Where they tell of nothing new, the next keyframe is decoded
alone; the rest is skipped if it shows the same picture and the same people, or a cut that the encoder put it there for.
Within a shot nothing is skipped before samples have shown each face clean: two samples that find the same faces in the
same places, each surely clean in one of them; or three that find them equal; or, where only people are wanted, one in
which nobody could look much better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Settings, SourceFacts
from lambdas.detect.decode.chunk_reader import Gop
from lambdas.detect.decode.frame import Frame
from lambdas.detect.decode.gop_activity import NEAR_KEYFRAME_S, activity
from lambdas.detect.shots.boundaries import middle_reach_s
from lambdas.detect.shots.features import FEATURE_WIDTH, difference, feature_height
from lambdas.detect.tracking.association import best_pairs, boxes_of, overlaps
from lambdas.detect.tracking.detection import FaceDetection
from lambdas.detect.tracking.scores import is_nearly_best, is_surely_clean
from lambdas.scoring import named_flags

SAME_PICTURE = 18.0
"""Content value (0 to 255) below which two frames show the same picture; cuts start at 27, heads that move give 3 to 8,
people who walk or drive up to 18."""
UNCHANGED = 8.0
"""Content value below which the next keyframe shows the picture of the last sample, so that none is needed; and below
which a shot's first sample shows the picture that it began with, not a dissolve on its way."""
_NO_DISSOLVE = 12.0
"""The same of two samples about a second apart where scenes are wanted: in a dissolve it is 12 to 20."""
_DIMMED = 8.0
"""Change of the mean grey level (0 to 255) from which a fade may have begun."""
_SAME_PLACE = 0.3
"""Intersection over union from which a face is where it was a sample ago."""
_REACH_S, _SHORT_REACH_S = 10.0, 2.5
"""Longest stretch skipped: the GOP of 250 frames that most encoders make, at 25 a second; and, where keyframes need not
stand at cuts, once something new was found in one."""
_AGAIN_S = 0.4
"""After a shot's first sample the second comes so much later: blinks and head turns are over then."""
_ENOUGH_SAMPLES = 3
"""Where only people are wanted, so many samples that found the same faces are enough if each was clean in one."""
_EQUAL_SAMPLES, _AS_MUCH = 2, 0.85
"""Where faces are not surely clean, so many equal samples before tell what is usual for them; and what is equal."""
_STILL_IN_VIEW = 0.75
"""Share of the logit of a face in view below which it has turned away or is covered."""
_CLOSE_S = 0.1
_OF_REACH = 0.95
"""Share of the distance from a scene's middle within which its frame is looked for."""
_IRREGULAR = 0.85
"""A keyframe sooner than this share of the encoder's longest GOP was put there for its cut."""
_MOST_IN_VAIN = 2
"""Keyframes decoded in vain beyond those that let something be skipped, after which a chunk asks no more."""


@dataclass(frozen=True)
class Skip:
    """The rest of a GOP that need not be decoded."""

    times: NDArray[np.int64]
    """(n,) PTS of the GOP's frames."""
    next_key_pts: int
    is_cut: bool
    """Whether a shot begins with the next keyframe."""
    next_faces: list[FaceDetection] | None
    """The next keyframe's faces where they were needed for the answer."""


@dataclass(frozen=True)
class Answer:
    """What is to be done after a sample."""

    skip: Skip | None = None
    again_s: float | None = None
    """When one more sample will tell; none is needed before."""


_GO_ON = Answer()


@dataclass(frozen=True)
class _Sample:
    """One sampled frame."""

    small: NDArray[np.uint8]
    faces: list[FaceDetection]

    def is_clean(self) -> bool:
        """Whether each face is fit to be published, as far as is known."""
        return all(face.absolute.is_clean for face in self.faces)

    def has_faces_of(self, other: _Sample) -> bool:
        """Whether both show as many faces in the same places."""
        return self.pairs(other.faces) is not None

    def assures(self, other: _Sample) -> bool:
        """Whether each face is surely clean in one of two samples that show the same."""
        return all(any(map(is_surely_clean, pair)) for pair in self.pairs(other.faces) or [])

    def equals(self, other: _Sample) -> bool:
        """Whether eyes are as open, and faces in view as much, in two samples that show the same.

        Faces too small to be read don't differ.
        """
        return not any(
            min(a, b) < _AS_MUCH * max(a, b)
            for first, second in self.pairs(other.faces) or []
            for a, b in (
                (first.expression.opening, second.expression.opening),
                (first.expression.in_view, second.expression.in_view),
            )
        )

    def pairs(self, others: Sequence[FaceDetection]) -> list[tuple[FaceDetection, FaceDetection]] | None:
        """Each face with the one in its place in another sample; None unless all have one."""
        if len(self.faces) != len(others):
            return None
        found = best_pairs(overlaps(boxes_of(self.faces), boxes_of(others)), _SAME_PLACE)
        if len(found) < len(self.faces):
            return None
        return [(self.faces[row], others[column]) for row, column in found]


class StaticGops:
    """Follows one pass over a chunk and answers the question."""

    def __init__(
        self,
        source: SourceFacts,
        settings: Settings,
        chunk_end_pts: int,
        detect: Callable[[Frame], list[FaceDetection]],
        same_face: Callable[[FaceDetection, FaceDetection], bool],
    ) -> None:
        """`same_face` says whether two faces in one place, one after the other, are one person's."""
        self._source = source
        self._chunk_end_pts = chunk_end_pts
        self._detect = detect
        self._same_face = same_face
        self._cut_at = settings.scene_threshold
        # Scenes are told by pictures, and a scene's frame is the one in its middle.
        self._scenes = settings.scenes
        # What is told from neighbours (adaptive cuts) or asked for in full needs every frame.
        self._may_skip = not settings.thorough and settings.scene_detector != "adaptive"
        self._height = feature_height(source.width, source.height)
        self._shot_s = -math.inf
        self._began: NDArray[np.uint8] | None = None
        """The running shot's first picture."""
        self._sample: _Sample | None = None
        self._assured = False
        """Whether the running shot's faces were surely clean, or equal often enough."""
        self._equal = 0
        """Samples before the last one that equal it, one after the other."""
        self._samples = 0
        """Samples that found the faces of the last one in their places, one after the other."""
        self._clean_once: set[FaceDetection] = set()
        """The last sample's faces that were clean in one of these."""
        self._key_pts: int | None = None
        self._refused: int | None = None
        """The next keyframe that showed something new."""
        self._in_vain = 0
        self._reach_s = _REACH_S

    def key(self, pts: int) -> None:
        """A keyframe came."""
        self._key_pts = pts

    def cut(self, t_s: float, small: NDArray[np.uint8]) -> None:
        """A shot begins with this picture."""
        self._shot_s = t_s
        self._began = small
        self._sample = None
        self._equal = self._samples = 0
        self._clean_once = set()
        self._assured = False

    def after_sample(
        self, gop: Gop, frame: Frame, t_s: float, small: NDArray[np.uint8], faces: list[FaceDetection]
    ) -> Answer:
        """What a sample says about the rest of its GOP."""
        before, self._sample = self._sample, _Sample(small, faces)
        if not self._may_skip:
            return _GO_ON
        self._follow(before)
        if before is not None and self._has_moved(before):
            self._equal = 0
            # Whoever is new, or elsewhere, has to be seen clean as well.
            self._assured &= self._sample.has_faces_of(before)
            return _GO_ON
        if before is not None and not self._assured:
            both_clean = self._sample.is_clean() and before.is_clean()
            self._equal = self._equal + 1 if both_clean and self._sample.equals(before) else 0
            self._assured = both_clean and (self._sample.assures(before) or self._equal >= _EQUAL_SAMPLES)
            if not self._scenes:
                self._assured |= self._samples >= _ENOUGH_SAMPLES and len(self._clean_once) == len(faces)
            if not both_clean and not self._assured:
                return _GO_ON
        if before is None and not self._scenes and self._began is not None:
            # Where no sample could show anybody much better, one is enough.
            nobody_better = bool(faces) and all(map(is_nearly_best, faces))
            self._assured = nobody_better and difference(small, self._began, self._cut_at) < UNCHANGED
        return self._answer(gop, frame, t_s, small, first=before is None, may_go_unseen=True)

    def unchanged(self, gop: Gop, frame: Frame, t_s: float, small: NDArray[np.uint8], *, may_go_unseen: bool) -> Answer:
        """The same of a keyframe that shows the picture of the last sample."""
        return self._answer(gop, frame, t_s, small, first=False, may_go_unseen=may_go_unseen)

    def _has_moved(self, before: _Sample) -> bool:
        """Whether the last sample shows another picture, or faces elsewhere, than the one before."""
        assert self._sample is not None
        within = _NO_DISSOLVE if self._scenes and not self._assured else SAME_PICTURE
        apart = difference(self._sample.small, before.small, self._cut_at)
        moved = apart >= within or not self._sample.has_faces_of(before)
        if moved and self._assured and not self._scenes:
            return not self._went_on(before, apart, self._sample.faces)
        return moved

    def _follow(self, before: _Sample | None) -> None:
        """Counts the samples, and the clean ones of each face, that found what the latest does."""
        assert self._sample is not None
        pairs = None if before is None else self._sample.pairs(before.faces)
        if pairs is None:
            self._samples = 1
            self._clean_once = {face for face in self._sample.faces if face.absolute.is_clean}
        else:
            self._samples += 1
            self._clean_once = {now for now, then in pairs if now.absolute.is_clean or then in self._clean_once}

    def _answer(
        self, gop: Gop, frame: Frame, t_s: float, small: NDArray[np.uint8], *, first: bool, may_go_unseen: bool
    ) -> Answer:
        ahead = gop.lookahead(frame.pts, self._source.pts(self._reach_s) - self._source.start_pts)
        if ahead is None or ahead.next_key_pts is None or ahead.next_key_pts == self._refused:
            return _GO_ON
        at_end = ahead.next_key_pts >= self._chunk_end_pts
        if at_end and not self._source.cut_keyframes_within:
            # The chunk's last frame is compared with the next one's first: a cut may be anywhere before it.
            return _GO_ON
        until_s = self._source.seconds(ahead.next_key_pts)
        key_s = self._source.seconds(self._key_pts) if self._key_pts is not None else -math.inf
        busy = activity(ahead, t_s, self._shot_s, key_s, self._source)
        if busy == "busy" or (at_end and busy != "even"):
            return _GO_ON
        # If the shot ends with the GOP, its middle is still to come.
        length_s = until_s - self._shot_s
        middle_s = self._shot_s + length_s / 2 - _OF_REACH * middle_reach_s(length_s)
        again_s = t_s if self._assured else t_s + _AGAIN_S
        if self._scenes:
            again_s = max(again_s, middle_s)
        on_trust = False
        if again_s > t_s:
            assert self._sample is not None
            clean = all(map(is_surely_clean, self._sample.faces))
            on_trust = first and clean and until_s - t_s <= NEAR_KEYFRAME_S and middle_s <= t_s + _CLOSE_S
            if not on_trust:
                return Answer(again_s=again_s)
        if self._in_vain >= _MOST_IN_VAIN:
            return _GO_ON
        is_cut, faces = self._next_keyframe(
            gop, ahead.next_key_pts, small, t_s, even=busy == "even", on_trust=on_trust, may_go_unseen=may_go_unseen
        )
        if is_cut is None:
            self._refused = ahead.next_key_pts
            self._in_vain += 1
            if not self._source.cut_keyframes_within:
                self._reach_s = _SHORT_REACH_S
            return _GO_ON
        self._in_vain = max(0, self._in_vain - 1)
        return Answer(skip=Skip(ahead.times, ahead.next_key_pts, is_cut, faces))

    def _next_keyframe(
        self,
        gop: Gop,
        pts: int,
        small: NDArray[np.uint8],
        t_s: float,
        *,
        even: bool,
        on_trust: bool,
        may_go_unseen: bool,
    ) -> tuple[bool | None, list[FaceDetection] | None]:
        """Whether a shot begins with the next keyframe, and its faces where it took them to tell; None instead where
        it shows that something new comes before."""
        frame = gop.next_keyframe(pts)
        if frame is None:
            return None, None
        then = frame.bgr(FEATURE_WIDTH, self._height)
        value = difference(small, then, self._cut_at)
        length_s = self._source.seconds(pts) - t_s
        for_cut = self._is_for_cut(pts)
        if value >= self._cut_at and self._is_cut_there(length_s, for_cut=for_cut, even=even):
            return True, None
        dimmed = abs(float(then.mean()) - float(small.mean())) >= _DIMMED
        another = dimmed or value >= SAME_PICTURE
        surely_for_cut = for_cut and even
        if self._scenes and not surely_for_cut and (dimmed or value >= self._cut_at):
            # A fade or a cut has to be found.
            return None, None
        if value < UNCHANGED and not another and may_go_unseen and self._assured:
            return False, None
        faces = self._detect(frame)
        if another and (self._sample is None or not self._went_on(self._sample, value, faces)):
            is_cut = surely_for_cut or (not self._scenes and self._is_cut_there(length_s, for_cut=for_cut, even=even))
            return is_cut or None, None
        if self._lost_sight(faces) or (on_trust and not self._confirms(then, faces)):
            return None, None
        return False, faces

    def _is_cut_there(self, length_s: float, *, for_cut: bool, even: bool) -> bool:
        """Whether another picture at the next keyframe, so many seconds away, is a cut there.

        That is so where the encoder put the keyframe there for a cut, or would have put one at any cut before it and no
        packet tells of anything else. Without scenes a cut need not be known to the frame.
        """
        if for_cut:
            return True
        near = not self._scenes and length_s <= NEAR_KEYFRAME_S
        return near or (even and self._source.cut_keyframes_within > 0)

    def _is_for_cut(self, next_key_pts: int) -> bool:
        """Whether the next keyframe is one that the encoder put there for a cut."""
        if self._key_pts is None:
            return False
        most_s = self._source.cut_keyframes_within / self._source.fps if self._source.fps else 0.0
        return (next_key_pts - self._key_pts) * float(self._source.time_base) < _IRREGULAR * most_s

    def _went_on(self, before: _Sample, value: float, faces: list[FaceDetection]) -> bool:
        """Whether the same people are where they were in the sample before."""
        pairs = before.pairs(faces)
        if not pairs:
            # Nobody then and nobody now, in a picture that moved.
            return pairs is not None and not self._scenes and value < self._cut_at
        return all(self._same_face(then, now) for then, now in pairs)

    def _confirms(self, small: NDArray[np.uint8], faces: list[FaceDetection]) -> bool:
        """Whether a sample shows what the one before it did, faces that are clean."""
        before, now = self._sample, _Sample(small, faces)
        if before is None or not now.has_faces_of(before) or not now.is_clean():
            return False
        return difference(small, before.small, self._cut_at) < SAME_PICTURE

    def _lost_sight(self, faces: list[FaceDetection]) -> bool:
        """Whether somebody who was clean in the sample before has turned away or is hidden, blurred or dark now.

        How that came about tells the tracker that it is the same person.
        """
        before = self._sample
        if before is None or not before.is_clean():
            return False
        return any(_is_spoilt(now, then) and not self._same_face(then, now) for then, now in before.pairs(faces) or [])


def _is_spoilt(now: FaceDetection, then: FaceDetection) -> bool:
    """Whether a face has turned away or is hidden, blurred or dark since a sample found it clean."""
    turned = now.expression.in_view < _STILL_IN_VIEW * then.expression.in_view
    return turned or bool(set(named_flags(now.absolute.flags)) - {"eyes_closed"})
