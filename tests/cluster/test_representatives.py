"""The frames that stand for the whole, from staged frames made by hand."""

from __future__ import annotations

import time

import numpy as np
import pytest

from lambdas.cluster.representatives import choose_representatives, weigh_frames
from lambdas.cluster.scenes import in_transition
from lambdas.contracts import StagedFrame
from lambdas.shots.change import Change
from tests.cluster.test_scenes import frame


def choose(staged: list[StagedFrame], wanted: int, duration_s: float, *, cuts: list[float] | None = None,
           pictures: list[int] | None = None, facing: list[float] | None = None) -> list[float]:  # fmt: skip
    """Times of the chosen frames; `pictures` says which frames look alike (all differ by default)."""
    kinds = list(range(len(staged))) if pictures is None else pictures
    small = np.array([np.random.default_rng(kind).integers(0, 255, (16, 16, 3)) for kind in kinds], np.uint8)
    weights = np.zeros(len(staged)) if facing is None else np.array(facing)
    mixed = in_transition(staged, [])
    candidates = weigh_frames(staged, small.reshape(-1, 16, 16, 3), weights, mixed, cuts or [], duration_s)
    return [staged[i].t_s for i in choose_representatives(candidates, wanted, duration_s)]


def test_ten_frames_spread_over_the_video_one_per_tenth() -> None:
    times = choose([frame(float(t)) for t in range(100)], 10, 100.0)
    assert [int(t // 10) for t in times] == list(range(10))


def test_a_video_of_fewer_frames_gives_all_it_has() -> None:
    assert choose([frame(0.0), frame(1.0)], 10, 2.0) == [0.0, 1.0]
    assert choose([frame(0.0)], 1, 0.04) == [0.0]
    assert choose([frame(0.0)], 10, 0.04) == [0.0]


def test_none_wanted_gives_none() -> None:
    assert choose([frame(0.0)], 0, 1.0) == []


@pytest.mark.parametrize(
    "flaw",
    [
        {"luma": 0.01, "contrast": 0.01, "sharpness": 0.0},
        {"luma": 0.99},
        {"contrast": 0.01},
        {"sharpness": 0.05},
        {"in_transition": True},
    ],
    ids=["black", "white", "uniform", "blurred", "in transition"],
)
def test_flawed_frames_are_left_out_while_there_are_better_ones(flaw: dict[str, object]) -> None:
    staged = [frame(float(t), **(flaw if t < 60 else {})) for t in range(100)]
    times = choose(staged, 10, 100.0)
    assert len(times) == 10
    assert min(times) >= 60


def test_flawed_frames_fill_up_when_there_are_no_others() -> None:
    staged = [frame(float(t), in_transition=t >= 4) for t in range(20)]
    times = choose(staged, 10, 20.0)
    assert len(times) == 10
    assert times[:4] == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize(("lively_s", "least", "most"), [(10, 4, 6), (20, 5, 7), (40, 6, 8)])
def test_a_lively_stretch_of_a_still_video_gets_more_than_its_share_but_not_all(
    lively_s: int, least: int, most: int
) -> None:
    pictures = [0] * (100 - lively_s) + list(range(1, lively_s + 1))
    times = choose([frame(float(t)) for t in range(100)], 10, 100.0, pictures=pictures)
    assert least <= sum(t >= 100 - lively_s for t in times) <= most
    still = [t for t in times if t < 100 - lively_s]
    assert np.diff(still).min() >= 10


def test_near_duplicates_are_left_out_where_another_frame_of_the_same_part_is_there() -> None:
    pictures = [0 if t % 10 else t + 1 for t in range(100)]
    times = choose([frame(float(t)) for t in range(100)], 10, 100.0, pictures=pictures)
    assert times == [float(t) for t in range(0, 100, 10)]


def test_a_still_picture_throughout_is_still_spread_evenly() -> None:
    times = choose([frame(float(t)) for t in range(100)], 10, 100.0, pictures=[0] * 100)
    assert [int(t // 10) for t in times] == list(range(10))


def test_each_of_the_longest_shots_is_shown() -> None:
    cuts = [10.0, 22.0, 31.0, 32.0, 41.0, 52.0, 60.0, 61.0, 71.0, 80.0, 91.0]
    times = choose([frame(t) for t in np.arange(0.5, 100, 0.5).tolist()], 10, 100.0, cuts=cuts)
    shots = np.searchsorted(cuts, times, side="right")
    assert set(range(12)) - set(shots.tolist()) == {3, 7}


def test_each_of_the_ten_longest_shots_is_shown_although_they_look_alike_and_lie_close_together() -> None:
    cuts = [80.0 + 2.05 * n for n in range(10)]  # one shot of 80 s, nine of 2.05 s, one of 1.55 s
    staged = [frame(t) for t in np.arange(0.25, 100, 0.5).tolist()]
    times = choose(staged, 10, 100.0, cuts=cuts, pictures=[0] * len(staged))
    shots = np.searchsorted(cuts, times, side="right").tolist()
    assert sorted(shots) == list(range(10))


def test_a_long_shot_of_flawed_frames_alone_is_not_shown() -> None:
    staged = [frame(float(t), luma=0.01 if t < 50 else 0.5) for t in range(100)]
    assert min(choose(staged, 10, 100.0, cuts=[50.0, 60.0])) >= 50


def test_faces_towards_the_camera_are_preferred_slightly() -> None:
    staged = [frame(float(t), sharpness=0.5) for t in range(100)]
    facing = [1.0 if t % 10 == 3 else 0.0 for t in range(100)]
    assert [t % 10 for t in choose(staged, 10, 100.0, facing=facing)] == [3.0] * 10


def test_scores_are_from_zero_to_one() -> None:
    staged = [frame(0.0, luma=0.0, contrast=0.0, sharpness=0.0), frame(1.0, luma=1.0, contrast=1.0, sharpness=1.0)]
    candidates = weigh_frames(staged, np.zeros((2, 16, 16, 3), np.uint8), np.ones(2), np.zeros(2, bool), [], 2.0)
    assert candidates.quality.min() >= 0
    assert candidates.quality.max() <= 1


def test_ten_hours_take_less_than_two_seconds() -> None:
    rng = np.random.default_rng(0)
    staged = [frame(3.0 * i, sharpness=float(rng.random()), luma=float(rng.random())) for i in range(12_000)]
    small = rng.integers(0, 255, (12_000, 16, 16, 3)).astype(np.uint8)
    cuts = np.sort(rng.uniform(0, 36_000, 5_000)).tolist()
    started = time.process_time()
    mixed = in_transition(staged, [Change(cut, cut) for cut in cuts])
    candidates = weigh_frames(staged, small, rng.random(12_000), mixed, cuts, 36_000.0)
    assert len(choose_representatives(candidates, 10, 36_000.0)) == 10
    assert time.process_time() - started < 2


def test_among_shots_of_equal_length_the_ten_are_spread_over_the_video() -> None:
    cuts = [4.0 * n for n in range(1, 20)]
    times = choose([frame(t) for t in np.arange(0.5, 80, 0.5).tolist()], 10, 80.0, cuts=cuts)
    assert [int(t // 8) for t in times] == list(range(10))
