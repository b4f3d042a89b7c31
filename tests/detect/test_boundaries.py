"""How steady each moment is, and between which frames a cut may lie."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lambdas.detect.shots.boundaries import MOTION_COST, Steadiness, boundary_candidates
from lambdas.detect.shots.features import FrameFeatures
from lambdas.shots.layouts import changes_of_layout
from tests.detect.factory import features_at, place

THRESHOLD = 27.0
FAR_S = 10.0


def two_pictures(change: float, content: float) -> list[FrameFeatures]:
    """A second of one picture, a second of another whose layout differs by about so much."""
    mixed = place(0) * (1 - change) + place(1) * change
    later = np.asarray(mixed, np.uint8)
    return [
        dataclasses.replace(
            features_at(number, content=content if number == 25 else 1.0), layout=place(0) if number < 25 else later
        )
        for number in range(50)
    ]


def test_a_moment_is_not_steady_at_a_cut_and_is_far_from_it() -> None:
    still = Steadiness([features_at(number, content=0.0) for number in range(50)], THRESHOLD)
    assert still.at(1.0, FAR_S) == 1
    assert 0 < still.at(1.0, 0.14) < 1
    assert still.at(1.0, 0.0) == 0


@pytest.mark.parametrize(("content", "steady"), [(0.0, 1.0), (13.5, 1 - MOTION_COST / 2), (80.0, 1 - MOTION_COST)])
def test_what_moves_is_less_steady(content: float, steady: float) -> None:
    moving = Steadiness([features_at(number, content=content) for number in range(50)], THRESHOLD)
    assert moving.at(1.0, FAR_S) == pytest.approx(steady)


def test_within_a_dissolve_nothing_is_steady() -> None:
    first, second = (np.random.default_rng(seed).integers(0, 255, (27, 48)).astype(np.float64) for seed in (1, 2))
    share = np.interp(np.arange(100), [40, 60], [0, 1])
    seen = [
        dataclasses.replace(
            features_at(number, content=0.0), thumbnail=np.asarray(first * (1 - at) + second * at, np.uint8)
        )
        for number, at in enumerate(share.tolist())
    ]
    steadiness = Steadiness(seen, THRESHOLD)
    assert steadiness.at(2.0, FAR_S) < 0.1
    assert steadiness.at(0.8, FAR_S) == steadiness.at(3.2, FAR_S) == 1


def test_motion_that_goes_on_is_no_cut() -> None:
    thrown = [features_at(number, content=80.0, shot=number) for number in range(50)]
    # Before the first frame nothing is known: there it may be one.
    assert boundary_candidates(thrown, THRESHOLD) == [(0, 1)]


def test_a_faint_change_of_layout_may_be_a_cut_where_the_content_value_says_so() -> None:
    seen = two_pictures(0.33, content=20.0)
    change = changes_of_layout(np.array([one.layout for one in seen]).reshape(len(seen), -1, 3))
    assert 0.07 < change[25] < 0.15
    assert boundary_candidates(seen, THRESHOLD) == [(24, 25)]
    assert boundary_candidates(two_pictures(0.33, content=10.0), THRESHOLD) == []
