"""Counts, merges, splits and judgements, on cases small enough to reckon by hand."""

from pathlib import Path

import pytest

from benchmarks.accuracy.clips import Seen
from benchmarks.accuracy.counting import (
    Judgement,
    People,
    Stay,
    compare,
    judgement_of,
    people_seen,
    read_judged,
    write_judged,
)

LEFT, RIGHT, EVERYWHERE = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), (-1.0, -1.0, 2.0, 2.0)
ONE_AT_A_TIME = [Seen(0, 2, EVERYWHERE, "a"), Seen(2, 4, EVERYWHERE, "b"), Seen(4, 6, EVERYWHERE, "a")]


def stay(start_s: float, end_s: float, x: float = 0.4) -> Stay:
    return Stay(start_s, end_s, x, 0.5)


@pytest.mark.parametrize(("count", "off"), [(0, 4), (3, 1), (4, 0), (5, 0), (6, 0), (9, 3)])
def test_a_count_is_right_within_the_range_and_off_by_its_distance_from_it(count: int, off: int) -> None:
    assert People(4, 6).off(count) == off


def test_nobody_is_a_right_count_where_nobody_is() -> None:
    assert People(0, 0).off(0) == 0
    assert (str(People(0, 0)), str(People(0, 1))) == ("0", "0 to 1")


def test_a_stay_shows_whom_it_shares_half_a_second_with() -> None:
    assert people_seen([stay(0, 2)], ONE_AT_A_TIME) == {"a"}
    # Its end reaches across the cut by less than half a second: still the first alone.
    assert people_seen([stay(0, 2.4)], ONE_AT_A_TIME) == {"a"}
    assert people_seen([stay(0, 2.5)], ONE_AT_A_TIME) == {"a", "b"}


def test_a_stay_of_less_than_a_second_shows_whom_it_shares_half_of_itself_with() -> None:
    assert people_seen([stay(1.7, 2.1)], ONE_AT_A_TIME) == {"a"}


def test_a_stay_elsewhere_in_the_picture_shows_nobody() -> None:
    beside = [Seen(0, 2, LEFT, "a"), Seen(0, 2, RIGHT, "b")]
    assert people_seen([stay(0, 2, x=0.2)], beside) == {"a"}
    assert people_seen([stay(0, 2, x=0.5)], beside) == {"b"}
    assert people_seen([Stay(0, 2, 0.2, 1.0)], beside) == set()


def test_each_person_once_is_no_wrong_merge_and_no_split() -> None:
    wrong = compare([[stay(0, 2), stay(4, 6)], [stay(2, 4)]], ONE_AT_A_TIME)
    assert (wrong.merges, wrong.splits, wrong.missing) == (0, 0, 0)


def test_a_published_person_over_two_people_is_a_wrong_merge() -> None:
    wrong = compare([[stay(0, 4)]], ONE_AT_A_TIME)
    assert (wrong.merges, wrong.splits, wrong.missing) == (1, 0, 0)


def test_a_right_count_can_hide_a_merge_and_a_split() -> None:
    wrong = compare([[stay(0, 4)], [stay(4, 6)]], ONE_AT_A_TIME)
    assert (wrong.merges, wrong.splits, wrong.missing) == (1, 1, 0)


def test_a_person_in_three_parts_is_two_wrong_splits() -> None:
    whole = [Seen(0, 6, EVERYWHERE, "a")]
    assert compare([[stay(0, 2)], [stay(2, 4)], [stay(4, 6)]], whole).splits == 2


def test_whom_nobody_shows_is_missing() -> None:
    assert compare([[stay(0, 2)]], ONE_AT_A_TIME).missing == 1
    assert compare([], ONE_AT_A_TIME).missing == 2
    assert compare([], []).missing == 0


NAPE = Judgement(3.2, 0.5, 0.4, "nape")


@pytest.mark.parametrize(
    ("at", "known"),
    [
        ((3.2, 0.5, 0.4), True),
        ((3.4, 0.5, 0.4), True),
        ((3.45, 0.5, 0.4), False),
        ((3.2, 0.57, 0.4), True),
        ((3.2, 0.6, 0.4), False),
        ((3.2, 0.5, 0.6), False),
    ],
)
def test_a_judgement_is_of_a_picture_near_in_time_and_place(at: tuple[float, float, float], known: bool) -> None:
    assert (judgement_of([NAPE], *at) is NAPE) == known


def test_of_two_judgements_the_nearer_one_counts() -> None:
    fine = Judgement(3.3, 0.5, 0.4, "")
    assert judgement_of([NAPE, fine], 3.29, 0.5, 0.4) is fine
    assert judgement_of([NAPE, fine], 3.21, 0.5, 0.4) is NAPE


def test_judgements_are_read_as_they_were_written(tmp_path: Path) -> None:
    judged = {"b": [NAPE, Judgement(1.0, 0.1, 0.2, "")], "a": [NAPE]}
    assert read_judged(tmp_path / "none.json") == {}
    write_judged(tmp_path / "judged.json", judged)
    read = read_judged(tmp_path / "judged.json")
    assert list(read) == ["a", "b"]
    assert read["b"] == [Judgement(1.0, 0.1, 0.2, ""), NAPE]
