"""The numbers of the accuracy benchmark, on groupings small enough to reckon by hand."""

import numpy as np
import pytest

from benchmarks.accuracy.baselines import METHODS, apart
from benchmarks.accuracy.scoring import b_cubed, relabelled, score, wilson
from benchmarks.accuracy.table import Table


def test_a_perfect_grouping_scores_one_whatever_its_numbers_are() -> None:
    found = score(["a", "a", "b"], [7, 7, 3], {7, 3}, 2)
    assert (found.precision, found.recall, found.f, found.purity) == (1.0, 1.0, 1.0, 1.0)
    assert (found.people, found.wrong_merges, found.wrong_splits, found.ratio) == (2, 0, 0, 1.0)


def test_b_cubed_is_an_average_over_sightings() -> None:
    # Three of a and one of b in one group: a's have 3/4 of their group, b's 1/4.
    assert b_cubed(["a", "a", "a", "b"], [0, 0, 0, 0]) == pytest.approx(((3 * 0.75 + 0.25) / 4, 1.0))
    # a in two parts of two and one: recall 2/3, 2/3, 1/3.
    assert b_cubed(["a", "a", "a"], [0, 0, 1]) == pytest.approx((1.0, 5 / 9))


def test_merging_two_people_is_one_wrong_merge_and_no_split() -> None:
    found = score(["a", "a", "b"], [0, 0, 0], {0}, 2)
    assert (found.wrong_merges, found.wrong_splits, found.ratio) == (1, 0, 0.5)
    assert found.purity == pytest.approx(2 / 3)


def test_a_person_in_three_parts_is_two_wrong_splits() -> None:
    found = score(["a"] * 6, [0, 0, 1, 1, 2, 2], {0, 1, 2}, 1)
    assert (found.wrong_merges, found.wrong_splits, found.ratio) == (0, 2, 3.0)


def test_stray_sightings_in_anothers_group_are_a_merge_not_a_split() -> None:
    found = score(["a", "a", "b", "b", "b", "a"], [0, 0, 1, 1, 1, 1], {0, 1}, 2)
    assert (found.wrong_merges, found.wrong_splits) == (1, 0)


def test_a_part_too_brief_to_be_a_person_is_no_wrong_split() -> None:
    assert score(["a", "a", "a"], [0, 0, 1], {0}, 1).wrong_splits == 0


def test_a_false_alarm_among_a_persons_faces_costs_precision() -> None:
    assert score(["a", "a", None], [0, 0, 0], {0}, 1).precision < 1
    assert score(["a", "a", None], [0, 0, 1], {0}, 1).precision == 1


def test_nobody_found_where_nobody_is_is_right() -> None:
    found = score([], [], set(), 0)
    assert (found.f, found.ratio, found.people) == (1.0, 1.0, 0)
    assert score([], [], {0}, 0).ratio == float("inf")


def test_the_interval_of_all_hits_ends_below_one() -> None:
    low, high = wilson(100, 100)
    assert low == pytest.approx(0.963, abs=1e-3)
    assert high == pytest.approx(1.0)
    assert wilson(0, 0) == (0.0, 1.0)


def test_equal_groupings_become_equal_arrays() -> None:
    np.testing.assert_array_equal(relabelled([5, 5, 2]), relabelled([0, 0, 9]))


@pytest.mark.parametrize("method", METHODS)
def test_every_other_method_tells_two_clear_groups_apart(method: str) -> None:
    generator = np.random.default_rng(3)
    centres = np.eye(8, dtype=np.float32)[[0] * 6 + [1] * 6]
    vectors = (centres + generator.normal(0, 0.05, centres.shape)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels, people = apart(METHODS[method](vectors, 0.3))
    assert len(people) == 2
    assert len(set(labels[:6])) == len(set(labels[6:])) == 1


@pytest.mark.parametrize("method", METHODS)
def test_every_other_method_takes_nothing_for_nobody(method: str) -> None:
    assert apart(METHODS[method](np.zeros((0, 8), np.float32), 0.3))[1] == set()


def test_a_table_refuses_a_row_of_another_width() -> None:
    with pytest.raises(ValueError, match="1 cells under 2"):
        Table("t", ("a", "b"), [("1",)])
