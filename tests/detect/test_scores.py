"""Scores within a chunk come from measures and a group alone, and change nothing that was measured."""

from __future__ import annotations

import numpy as np
import pytest

from lambdas.contracts import QUALITY_PARTS
from lambdas.detect.faces.attributes import UNREAD, Expression
from lambdas.detect.tracking.detection import FaceDetection, Track
from lambdas.detect.tracking.scores import (
    baseline_of,
    best_first,
    is_nearly_best,
    is_surely_clean,
    scores_against,
    scores_of,
)


def steady(t_s: float) -> float:
    return 1.0


def face(
    opening: float, *, number: int = 0, part: float = 0.9, in_view: float = 50.0, unread: bool = False
) -> FaceDetection:
    read = UNREAD if unread else Expression((opening, opening), in_view)
    parts = np.full(len(QUALITY_PARTS), part, np.float32)
    box, landmarks = np.zeros(4, np.float32), np.zeros((5, 2), np.float32)
    return FaceDetection(number, number / 25, box, landmarks, parts, np.zeros((4, 4, 3), np.uint8), expression=read)


def test_a_face_is_scored_against_the_group_as_it_is_known_now_and_is_never_changed() -> None:
    narrow, wide = Track((face(0.17, number=0), face(0.18, number=1))), Track((face(0.4, number=2),))
    measured = [detection.quality.copy() for detection in narrow.detections]
    alone, together = scores_of([[narrow], [wide]], steady), scores_of([[narrow, wide]], steady)
    assert all(alone[detection].is_clean for detection in narrow.detections)
    assert not any(together[detection].is_clean for detection in narrow.detections)
    # What a larger group said is forgotten with it.
    assert scores_of([[narrow], [wide]], steady) == alone
    for detection, before in zip(narrow.detections, measured, strict=True):
        np.testing.assert_array_equal(detection.quality, before)
        assert detection.absolute.is_clean


def test_how_steady_a_moment_is_counts_for_the_score_and_changes_nothing_that_was_measured() -> None:
    calm, at_a_cut = face(0.3, number=0), face(0.3, number=25)
    scores = scores_of([[Track((calm, at_a_cut))]], lambda t_s: 1.0 - t_s)
    assert scores[at_a_cut].number < scores[calm].number
    assert (scores[calm].is_clean, scores[at_a_cut].is_clean) == (True, False)
    assert at_a_cut.absolute == calm.absolute
    assert (is_nearly_best(calm, 1.0), is_nearly_best(calm, 0.5)) == (True, False)


def test_the_best_come_first_and_equals_stay_in_order() -> None:
    faces = [face(0.3, number=number, part=part) for number, part in enumerate((0.6, 0.8, 0.6, 0.9))]
    scores = scores_against(baseline_of(faces), faces)
    assert [one.pts for one in best_first(faces, scores)] == [3, 1, 0, 2]


def test_nobody_has_no_scores() -> None:
    assert scores_against(baseline_of([face(0.3)]), []) == {}
    assert scores_of([], steady) == {}


@pytest.mark.parametrize(
    ("detection", "surely", "nearly_best"),
    [
        (face(0.3), True, True),
        (face(0.3, part=0.7), True, False),
        (face(0.2), False, False),
        (face(0.3, in_view=30.0), False, False),
        (face(0.3, part=0.3), False, False),
        (face(0.3, unread=True), False, False),
    ],
    ids=["good", "modest", "narrow eyes", "maybe covered", "flawed", "too small to read"],
)
def test_what_is_clean_whatever_the_person_s_baseline_may_be(
    detection: FaceDetection, surely: bool, nearly_best: bool
) -> None:
    assert (is_surely_clean(detection), is_nearly_best(detection)) == (surely, nearly_best)
