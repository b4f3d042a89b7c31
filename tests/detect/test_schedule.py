"""When frames are looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from lambdas.detect.frames import Frame
from lambdas.detect.quiet import Quiet
from lambdas.detect.schedule import Schedule

from lambdas.contracts import SourceFacts
from tests.clips import make_clip
from tests.detect.test_frames import facts

RATE = 25


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> SourceFacts:
    clip = make_clip("mp4_moov_first", tmp_path_factory.mktemp("schedule"))
    return facts(clip, time_base_num=1, time_base_den=RATE, start_pts=0)


class Keyframes:
    """Says whether a keyframe follows, as Quiet does."""

    def __init__(self, numbers: set[int]) -> None:
        self.numbers = numbers

    def key_follows(self, pts: int, end_pts: int) -> bool:
        return any(pts < number < end_pts for number in self.numbers)


def looks(schedule: Schedule, keys: set[int], frames: range, cuts: tuple[int, ...] = ()) -> list[int]:
    """Numbers of the frames that are looked at."""
    found = []
    for number in frames:
        frame = cast(Frame, SimpleNamespace(pts=number, keyframe=number in keys))
        if not schedule.begin(number / RATE) and number in cuts:
            schedule.cut(number / RATE)
        if schedule.is_due(frame, number / RATE, cut=number in cuts, resumed=False):
            schedule.looked(number / RATE)
            found.append(number)
    return found


def schedule(source: SourceFacts, keys: set[int] | None = None) -> Schedule:
    return Schedule(1.0, cast(Quiet, Keyframes(keys or set())), source, may_wait=True)


def test_looks_lie_on_whole_seconds_and_after_the_beginning(source: SourceFacts) -> None:
    assert looks(schedule(source), set(), range(101)) == [0, 5, 25, 50, 75, 100]


def test_a_chunk_that_begins_later_has_the_same_looks(source: SourceFacts) -> None:
    assert looks(schedule(source), set(), range(60, 151)) == [65, 75, 100, 125, 150]


def test_a_keyframe_near_a_whole_second_is_looked_at_instead(source: SourceFacts) -> None:
    keys = {0, 30, 70}
    assert looks(schedule(source, keys), keys, range(101)) == [0, 5, 30, 50, 70, 100]


def test_a_new_shot_is_looked_at_soon(source: SourceFacts) -> None:
    assert looks(schedule(source), set(), range(80), cuts=(40,)) == [0, 5, 25, 45, 54, 75]


def test_a_look_asked_for_comes_instead_of_those_on_the_grid_before_it(source: SourceFacts) -> None:
    timed = schedule(source)
    assert looks(timed, set(), range(20)) == [0, 5]
    timed.look_again(0.76, 1.4)
    assert looks(timed, set(), range(20, 60)) == [35, 50]
    timed.look_again(2.36, 9.0)  # too far off
    assert looks(timed, set(), range(60, 80)) == [75]


def test_looks_come_often_where_that_is_asked_for(source: SourceFacts) -> None:
    timed = schedule(source)
    looks(timed, set(), range(30))
    timed.look_often(60)
    assert looks(timed, set(), range(30, 80)) == [36, 46, 56, 75]


def test_looks_passed_over_are_told_once(source: SourceFacts) -> None:
    timed = schedule(source)
    looks(timed, set(), range(30))
    assert list(timed.passed_over(4.5)) == [2.0, 3.0, 4.0]
    assert list(timed.passed_over(4.5)) == []
    timed.go_back(1.2)
    assert looks(timed, set(), range(31, 60)) == [50]
