"""When frames are sampled."""

from __future__ import annotations

from lambdas.detect.faces.sampling import FaceSampling

RATE = 25


def sampled(sampling: FaceSampling, keys: set[int], frames: range, cuts: tuple[int, ...] = ()) -> list[int]:
    """Numbers of the frames that are sampled."""
    found = []
    for number in frames:
        if number in cuts:
            sampling.cut(number / RATE)
        if sampling.is_due(number / RATE, keyframe=number in keys, after_skip=False):
            sampling.sampled(number / RATE)
            found.append(number)
    return found


def every_second(*, prefers_keyframes: bool = True) -> FaceSampling:
    return FaceSampling(1.0, prefers_keyframes=prefers_keyframes)


def test_samples_lie_on_whole_seconds_and_after_the_beginning() -> None:
    assert sampled(every_second(), set(), range(101)) == [0, 5, 25, 50, 75, 100]


def test_a_chunk_that_begins_later_has_the_same_samples() -> None:
    assert sampled(every_second(), set(), range(52, 151)) == [58, 75, 100, 125, 150]


def test_a_sample_comes_early_to_fall_on_a_keyframe() -> None:
    keys = {0, 40, 88}
    assert sampled(every_second(), keys, range(126)) == [0, 5, 25, 40, 75, 88, 125]
    assert sampled(every_second(prefers_keyframes=False), keys, range(126)) == [0, 5, 25, 50, 75, 100, 125]


def test_a_keyframe_just_after_a_sample_is_not_sampled() -> None:
    assert sampled(every_second(), {0, 8, 25, 26}, range(51)) == [0, 5, 25, 50]


def test_a_moment_of_the_grid_just_after_another_sample_waits() -> None:
    # The cut's own sample comes a fifth of a second after it, here just before a whole second.
    assert sampled(every_second(), set(), range(80), cuts=(44,)) == [0, 5, 25, 49, 58, 75]


def test_a_new_shot_is_sampled_soon() -> None:
    assert sampled(every_second(), set(), range(80), cuts=(30,)) == [0, 5, 25, 35, 50, 75]


def test_a_cut_is_followed_by_a_sample_that_the_running_shot_awaits() -> None:
    sampling = every_second()
    assert sampled(sampling, set(), range(30)) == [0, 5, 25]
    assert not sampling.awaits_shot
    sampling.cut(1.2)
    assert sampling.awaits_shot
    sampled(sampling, set(), range(30, 36))
    assert not sampling.awaits_shot


def test_a_sample_asked_for_comes_instead_of_those_on_the_grid_before_it() -> None:
    sampling = every_second()
    assert sampled(sampling, set(), range(20)) == [0, 5]
    sampling.ask_again(0.76, 1.4)
    assert sampled(sampling, set(), range(20, 60)) == [35, 50]
    sampling.ask_again(2.36, 9.0)  # too far off
    assert sampled(sampling, set(), range(60, 80)) == [75]


def test_the_first_frame_after_skipped_ones_is_sampled_whenever_it_comes() -> None:
    sampling = every_second()
    sampled(sampling, set(), range(30))
    assert not sampling.is_due(31 / RATE, keyframe=True, after_skip=False)
    assert sampling.is_due(31 / RATE, keyframe=True, after_skip=True)


def test_samples_skipped_are_told_once() -> None:
    sampling = every_second()
    sampled(sampling, set(), range(30))
    assert sampling.skipped(4.5) == [2.0, 3.0, 4.0]
    assert sampling.skipped(4.5) == []
    assert sampled(sampling, set(), range(115, 130)) == [125]


def test_a_picture_that_stays_may_go_unseen_for_two_and_a_half_periods() -> None:
    sampling = every_second()
    sampled(sampling, set(), range(26))
    assert sampling.may_go_unseen(3.4)
    assert not sampling.may_go_unseen(3.6)
