"""The fixed subset of the identity benchmark against committed numbers."""

from pathlib import Path

import pytest

from benchmarks.accuracy import identity
from benchmarks.accuracy.clips import Clip, Seen, Shot, Truth, alone, side_by_side, takes, truth_of
from benchmarks.accuracy.table import Part

MARGIN = 0.01
"""By which an F may fall short of its committed number: one sighting in a hundred."""
COMMITTED = {
    "test pack.intel_walkpause": (3, 1.0),
    "test pack.intel_headpose": (2, 1.0),
    "test pack.together, 3 shots": (5, 1.0),
    "test pack.cut on every border, 3 shots": (3, 1.0),
    "open.intel_walkpause": (3, 1.0),
    "open.intel_headpose": (2, 1.0),
}
"""People and F by pack and clip."""


@pytest.fixture(scope="module")
def part(videos: Path, test_pack: Path) -> Part:
    return identity.run(quick=True)


@pytest.mark.parametrize("case", COMMITTED)
def test_people_are_told_apart_as_well_as_committed(part: Part, case: str) -> None:
    people, f = COMMITTED[case]
    assert part.numbers[f"{case}.people"] == people
    assert part.numbers[f"{case}.f"] >= f - MARGIN
    assert part.numbers[f"{case}.wrong_merges"] == 0


def test_the_subset_is_what_is_committed(part: Part) -> None:
    assert {key.removesuffix(".f") for key in part.numbers if key.endswith(".f")} == set(COMMITTED)


def test_truth_knows_who_is_where_and_when() -> None:
    truth = Truth([Seen(0, 1, (0, 0, 10, 10), "a"), Seen(1, 2, (0, 0, 10, 10), "b"), Seen(0, 1, (5, 0, 10, 10), "c")])
    assert truth.person_at(0.5, 2, 2) == "a"
    assert truth.person_at(0.5, 7, 2) == "c"
    assert truth.person_at(1.0, 7, 2) == "b"
    assert truth.person_at(2.0, 7, 2) is None
    assert truth.person_at(0.5, 10, 2) is None
    assert truth.people == {"a", "b", "c"}


def test_a_made_clips_truth_follows_its_frames(videos: Path) -> None:
    people = takes(videos.parent)
    one, other = people["lp_d0"][0], people["vr_5"][0]
    clip = Clip("c", (Shot((alone(one),), 1.0), Shot((), 0.5), Shot(side_by_side([one, other]), 1.0)))
    truth = truth_of(clip)
    assert clip.seconds == 2.5
    assert truth.person_at(0.96, 480, 270) == "lp_d0"
    assert truth.person_at(1.2, 480, 270) is None
    assert truth.person_at(1.5, 240, 270) == "lp_d0"
    assert truth.person_at(2.4, 720, 270) == "vr_5"
