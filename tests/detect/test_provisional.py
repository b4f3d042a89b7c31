"""Scores within a chunk come from measures and a group alone, and change nothing that was measured."""

from __future__ import annotations

import numpy as np
import pytest
from lambdas.detect.expression import UNREAD, Expression
from lambdas.detect.provisional import (
    baseline_of,
    best_first,
    is_nearly_best,
    is_surely_clean,
    scores_against,
    scores_of,
)
from lambdas.detect.tracks import Sighting, Track

from lambdas.contracts import QUALITY_PARTS

STEADY = QUALITY_PARTS.index("steady")


def face(opening: float, *, number: int = 0, part: float = 0.9, unread: bool = False) -> Sighting:
    read = UNREAD if unread else Expression((opening, opening), 50.0)
    parts = np.full(len(QUALITY_PARTS), part, np.float32)
    box, landmarks = np.zeros(4, np.float32), np.zeros((5, 2), np.float32)
    return Sighting(number, number / 25, box, landmarks, parts, np.zeros((4, 4, 3), np.uint8), expression=read)


def test_a_face_is_scored_against_the_group_as_it_is_known_now_and_is_never_changed() -> None:
    narrow, wide = Track([face(0.17, number=0), face(0.18, number=1)]), Track([face(0.4, number=2)])
    measured = [sighting.quality.copy() for sighting in narrow.sightings]
    alone, together = scores_of([[narrow], [wide]]), scores_of([[narrow, wide]])
    assert all(alone[sighting].is_clean for sighting in narrow.sightings)
    assert not any(together[sighting].is_clean for sighting in narrow.sightings)
    # What a larger group said is forgotten with it.
    assert scores_of([[narrow], [wide]]) == alone
    for sighting, before in zip(narrow.sightings, measured, strict=True):
        np.testing.assert_array_equal(sighting.quality, before)
        assert sighting.absolute.is_clean


def test_how_steady_a_moment_is_makes_another_sighting() -> None:
    sighting = face(0.3)
    at_a_cut = sighting.with_steadiness(0.0)
    assert (sighting.quality[STEADY], at_a_cut.quality[STEADY]) == (np.float32(0.9), 0)
    assert at_a_cut.absolute.number < sighting.absolute.number
    assert (sighting.absolute.is_clean, at_a_cut.absolute.is_clean) == (True, False)


def test_the_best_come_first_and_equals_stay_in_order() -> None:
    faces = [face(0.3, number=number, part=part) for number, part in enumerate((0.6, 0.8, 0.6, 0.9))]
    scores = scores_against(baseline_of(Track(faces)), faces)
    assert [one.pts for one in best_first(faces, scores)] == [3, 1, 0, 2]


def test_nobody_has_no_scores() -> None:
    assert scores_against(baseline_of(Track([face(0.3)])), []) == {}
    assert scores_of([]) == {}


@pytest.mark.parametrize(
    ("sighting", "surely", "nearly_best"),
    [
        (face(0.3), True, True),
        (face(0.3, part=0.7), True, False),
        (face(0.2), False, False),
        (face(0.3, part=0.3), False, False),
        (face(0.3, unread=True), False, False),
    ],
    ids=["good", "modest", "narrow eyes", "flawed", "too small to read"],
)
def test_what_is_clean_whatever_the_person_s_baseline_may_be(
    sighting: Sighting, surely: bool, nearly_best: bool
) -> None:
    assert (is_surely_clean(sighting), is_nearly_best(sighting)) == (surely, nearly_best)
