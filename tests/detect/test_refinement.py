"""Refinement of each shot: where faces are looked for densely, and which frame of each moment is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.contracts import ScanTier
from lambdas.detect.decode.frame import Frame
from lambdas.detect.faces.analyzer import FaceAnalyzer
from lambdas.detect.refinement import Refinement
from lambdas.detect.tracking.detection import FaceDetection
from tests.detect.factory import CLOSED_EYES, compared, context_of, embeddings, face_at, source_of

FPS = 25
Shown = Callable[[int], list[FaceDetection]]
"""The faces in the frame of a number, were it sampled."""


class Scripted:
    """Finds in each frame what is shown there, and notes where it was asked to."""

    def __init__(self, shown: Shown) -> None:
        self._shown = shown
        self.dense: list[int] = []
        self.expected: list[int] = []
        """How many faces were expected, frame by frame."""

    def detect(
        self, frame: Frame, *, dense: bool = False, near: NDArray[np.float32] | None = None
    ) -> list[FaceDetection]:
        assert dense and near is not None
        self.dense.append(frame.pts)
        self.expected.append(len(near))
        return dense_of(self._shown(frame.pts))


def dense_of(faces: list[FaceDetection]) -> list[FaceDetection]:
    return [
        FaceDetection(one.pts, one.t_s, one.box, one.landmarks, one.quality, one.crop, one.expression, dense=True)
        for one in faces
    ]


def refined(
    shown: Shown,
    samples: range,
    *,
    last: int = 250,
    cuts: tuple[int, ...] = (),
    tier: ScanTier | None = None,
    small: bool = True,
    **settings: object,
) -> tuple[Refinement, Scripted]:
    """A pass over frames 0 to `last`, those of `samples` sampled."""
    size = (640, 360) if small else (7680, 4320)
    context = context_of(source_of(width=size[0], height=size[1]), tier=tier, settings=settings)
    analyzer = Scripted(shown)
    refinement = Refinement(context, cast(FaceAnalyzer, analyzer), embeddings())
    for number in range(last):
        if number in cuts:
            refinement.cut(number / FPS)
        sampled = number in samples
        refinement.add(compared(number, is_cut=number in cuts), shown(number) if sampled else None)
    refinement.cut()
    return refinement, analyzer


def moments_of(numbers: list[int]) -> list[list[int]]:
    """Frames refined, together where they are less than half a second apart."""
    groups: list[list[int]] = []
    for number in sorted(numbers):
        if groups and number - groups[-1][-1] < 12:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def test_a_chunk_without_faces_is_not_refined() -> None:
    refinement, analyzer = refined(lambda number: [], range(0, 250, 25))
    assert (refinement.detections, refinement.pictures, analyzer.dense) == ([], {}, [])


def test_frames_about_a_face_s_best_moment_are_refined_and_the_best_of_them_kept() -> None:
    def shown(number: int) -> list[FaceDetection]:
        # Best at 131, which no sample meets.
        return [face_at(number, score=0.8 - 0.002 * abs(number - 131))]

    refinement, analyzer = refined(shown, range(0, 250, 25), tier=ScanTier(dense_looks=1))
    # A tenth of a second apart, within half a second of the best sample at 125, and that itself not again.
    assert 6 <= len(analyzer.dense) <= 9
    assert all(112 <= number <= 137 and number != 125 for number in analyzer.dense)
    (kept,) = refinement.pictures
    assert abs(kept - 131) <= 2
    assert [t_s for t_s, _ in refinement.detections] == [number / FPS for number in analyzer.dense]
    assert all(face.dense for _, faces in refinement.detections for face in faces)


def test_without_a_dense_pass_nothing_is_refined() -> None:
    shown = lambda number: [face_at(number, score=0.7)]  # noqa: E731
    refinement, analyzer = refined(shown, range(0, 250, 25), tier=ScanTier(dense_looks=0))
    assert (refinement.detections, refinement.pictures, analyzer.dense) == ([], {}, [])


@pytest.mark.parametrize("quota", [1, 2, 3])
def test_a_face_gets_as_many_moments_as_its_quota_and_they_are_apart(quota: int) -> None:
    def shown(number: int) -> list[FaceDetection]:
        return [face_at(number, score=0.6)]

    _, analyzer = refined(shown, range(0, 250, 25), tier=ScanTier(dense_looks=quota))
    assert len(moments_of(analyzer.dense)) == quota


def test_a_face_clean_in_none_gets_further_moments() -> None:
    def closed(number: int) -> list[FaceDetection]:
        return [face_at(number, score=0.6, expression=CLOSED_EYES, eyes_open=0.1)]

    _, analyzer = refined(closed, range(0, 250, 25), tier=ScanTier(dense_looks=1))
    assert len(moments_of(analyzer.dense)) == 4


def test_a_face_met_at_its_best_needs_no_further_moment() -> None:
    def shown(number: int) -> list[FaceDetection]:
        # Spoilt in two samples, so that the good ones are not taken for granted, and perfect elsewhere.
        blinks = number in (50, 100)
        return [face_at(number, score=0.98, eyes_open=0.1 if blinks else 0.98)]

    refinement, analyzer = refined(shown, range(0, 250, 25))
    assert len(moments_of(analyzer.dense)) == 1
    # The other moments' samples are kept as they are.
    assert len(refinement.pictures) == 3


def test_a_face_that_refinement_meets_at_its_best_needs_no_further_moment() -> None:
    def shown(number: int) -> list[FaceDetection]:
        # Modest in each sample, perfect in the frames between.
        return [face_at(number, score=0.7 if number % 25 == 0 else 0.98)]

    refinement, analyzer = refined(shown, range(0, 250, 25))
    assert len(moments_of(analyzer.dense)) == 1
    assert len(refinement.pictures) == 3


def test_a_face_as_good_as_can_be_in_every_sample_is_not_refined() -> None:
    refinement, analyzer = refined(lambda number: [face_at(number, score=0.98)], range(0, 250, 25))
    assert analyzer.dense == []
    assert len(refinement.pictures) == 3


def test_samples_are_compared_with_the_baseline_of_their_person() -> None:
    def shown(number: int) -> list[FaceDetection]:
        # Lids on their way: open enough by themselves, half of what is usual for this person.
        half = number < 60
        opening = 0.19 if half else 0.4
        read = face_at(0).expression.__class__(openings=(opening, opening), in_view=50.0)
        return [face_at(number, score=0.7 if half else 0.66, expression=read)]

    _, analyzer = refined(shown, range(0, 250, 25), tier=ScanTier(dense_looks=1))
    assert min(analyzer.dense) > 60


def test_moments_stay_inside_their_shot() -> None:
    def shown(number: int) -> list[FaceDetection]:
        best = 100 if number < 105 else 110
        return [face_at(number, score=0.8 - 0.002 * abs(number - best), person=int(number >= 105))]

    refinement, analyzer = refined(shown, range(10, 250, 10), cuts=(105,), tier=ScanTier(dense_looks=1))
    assert len(analyzer.dense) == len(set(analyzer.dense))
    assert sorted(pts >= 105 for pts in refinement.pictures) == [False, True]


def test_each_frame_is_refined_once_for_all_faces_in_it() -> None:
    def shown(number: int) -> list[FaceDetection]:
        return [face_at(number, score=0.6), face_at(number, x=700, person=1, score=0.6)]

    _, analyzer = refined(shown, range(0, 250, 25), tier=ScanTier(dense_looks=1))
    assert len(analyzer.dense) == len(set(analyzer.dense)) <= 9
    assert set(analyzer.expected) == {2}


def test_a_long_shot_is_refined_before_too_many_frames_wait() -> None:
    def shown(number: int) -> list[FaceDetection]:
        return [face_at(number, score=0.6 if number < 300 else 0.9)]

    small, _ = refined(shown, range(0, 500, 25), last=500, tier=ScanTier(dense_looks=1))
    large, _ = refined(shown, range(0, 500, 25), last=500, small=False, tier=ScanTier(dense_looks=1))
    # Of large pictures early moments are refined before later ones are known, and better ones later all the same.
    assert min(large.pictures) < 150
    assert max(large.pictures) >= 300
    assert min(small.pictures) >= min(large.pictures)


def test_once_the_quota_is_used_a_moment_must_beat_the_weakest_refined_one() -> None:
    def rising(number: int) -> list[FaceDetection]:
        return [face_at(number, score=0.5 + 0.0008 * number)]

    _, better = refined(rising, range(0, 500, 25), last=500, small=False, tier=ScanTier(dense_looks=1))
    _, equal = refined(
        lambda number: [face_at(number, score=0.6)],
        range(0, 500, 25),
        last=500,
        small=False,
        tier=ScanTier(dense_looks=1),
    )
    assert len(moments_of(equal.dense)) == 1
    assert len(moments_of(better.dense)) > 1
    assert max(better.dense) > 400


def test_where_only_people_are_wanted_one_perfect_sample_is_enough_unless_it_is_all_there_is() -> None:
    def once(number: int) -> list[FaceDetection]:
        return [face_at(number, score=0.98)] if 115 < number < 135 else []

    _, often = refined(lambda number: [face_at(number, score=0.98)], range(0, 250, 25), scenes=False)
    _, seldom = refined(once, range(0, 250, 25), scenes=False)
    assert often.dense == []
    assert seldom.dense != []
