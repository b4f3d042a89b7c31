"""Times without jumps: what is continuous stays as it is, what was joined, wrapped or damaged goes on without a gap."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from lambdas.split.timeline import NO_TIME, PacketTimes, mend

TICK_S = 1 / 90_000
FRAME = 3600
WRAP = 2**33


def stream(count: int, start: int = 0, *, step: int = FRAME, b_frames: bool = True) -> list[tuple[int, int]]:
    """(pts, dts) of `count` packets in file order: I B B P, or in the order they are shown."""
    order = list(range(count))
    if b_frames:
        order = []
        for first in range(0, count, 3):
            order += [min(first + 2, count - 1), *range(first, min(first + 2, count - 1))]
        order = list(dict.fromkeys(order))
    delay = 2 * step if b_frames else 0
    return [(start + delay + shown * step, start + place * step) for place, shown in enumerate(order)]


def times_of(packets: Sequence[tuple[int, int]], step: int = FRAME, every: int = 12) -> PacketTimes:
    times = PacketTimes()
    for number, (pts, dts) in enumerate(packets):
        times.add(pts, dts, step, number % every == 0)
    return times


def steps(pts: Sequence[int]) -> set[int]:
    return {later - earlier for earlier, later in pairwise(sorted(pts))}


@given(st.integers(1, 60), st.integers(-(2**40), 2**40), st.booleans(), st.booleans())
def test_what_does_not_jump_stays_as_it_is(count: int, start: int, b_frames: bool, broadcast: bool) -> None:
    times = times_of(stream(count, start, b_frames=b_frames))
    mended = mend(times, TICK_S, broadcast=broadcast)
    assert (mended.jumps, mended.pts, mended.dts) == (0, times.pts, times.dts)


@given(st.lists(st.tuples(st.integers(24, 60), st.integers(0, 2**33)), min_size=2, max_size=5), st.booleans())
def test_joined_streams_follow_one_another(parts: list[tuple[int, int]], b_frames: bool) -> None:
    packets = [packet for count, start in parts for packet in stream(count, start, b_frames=b_frames)]
    mended = mend(times_of(packets), TICK_S, broadcast=True)
    assert list(mended.dts) == [packets[0][1] + FRAME * number for number in range(len(packets))] or _near(parts)
    assert len(set(mended.pts)) == len(packets) or _near(parts)
    assert max(mended.pts) - min(mended.pts) <= (FRAME * len(packets)) + 10 * 90_000 * (len(parts) - 1)


def _near(parts: Sequence[tuple[int, int]]) -> bool:
    """Whether some part begins within ten seconds after another ends: a gap that broadcast has."""
    ends = [(start, start + count * FRAME) for count, start in parts]
    return any(-0.1 * 90_000 <= later[0] - earlier[1] <= 10 * 90_000 for earlier, later in pairwise(ends))


def test_two_streams_that_count_from_zero_are_twice_as_long() -> None:
    mended = mend(times_of(stream(150) + stream(150)), TICK_S, broadcast=True)
    assert mended.jumps == 1
    assert steps(mended.pts) == {FRAME}
    assert max(mended.pts) - min(mended.pts) == 299 * FRAME


def test_a_counter_of_33_bits_runs_over_without_a_gap() -> None:
    packets = [(pts % WRAP, dts % WRAP) for pts, dts in stream(100, WRAP - 40 * FRAME)]
    mended = mend(times_of(packets), TICK_S, broadcast=True)
    assert mended.jumps
    assert steps(mended.pts) == {FRAME}


@given(st.integers(3, 90), st.sampled_from([16 * 3600 * 90_000, -(10**9), 2**33 - 1, 40 * 90_000]), st.booleans())
def test_a_single_time_astray_changes_no_other(place: int, leap: int, both: bool) -> None:
    right = stream(100)
    packets = list(right)
    packets[place] = (right[place][0] + leap, right[place][1] + leap if both else right[place][1])
    mended = mend(times_of(packets), TICK_S, broadcast=True)
    assert mended.jumps == 1
    assert [pts for number, pts in enumerate(mended.pts) if number != place] == [
        pts for number, (pts, _) in enumerate(right) if number != place
    ]
    assert abs(mended.pts[place] - right[place][0]) <= 2 * FRAME


def test_a_slide_may_stand_where_the_header_says_so_and_nowhere_else() -> None:
    packets = [(0, 0), (900 * 90_000, 900 * 90_000), (1800 * 90_000, 1800 * 90_000)]
    assert mend(times_of(packets), TICK_S, promised_s=1800.04).jumps == 0
    assert mend(times_of(packets), TICK_S).jumps == 0
    beyond = mend(times_of(packets), TICK_S, promised_s=3.0)
    assert beyond.jumps == 2
    assert max(beyond.pts) * TICK_S < 4


def test_a_length_of_days_is_no_length() -> None:
    times = PacketTimes()
    times.add(0, 0, 2**40, True)
    mended = mend(times, TICK_S, promised_s=3.0)
    assert mended.jumps == 1
    assert mended.durations[0] * TICK_S <= 3.0


def test_packets_without_times_and_none_at_all() -> None:
    nothing = mend(PacketTimes(), TICK_S)
    assert (nothing.jumps, len(nothing.pts)) == (0, 0)
    times = PacketTimes()
    times.add(None, None, None, True)
    times.add(2**62, None, -5, False)
    assert (mend(times, TICK_S).jumps, times.start, times.end) == (0, NO_TIME, NO_TIME)


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.none() | st.integers(-(2**63), 2**63 - 1),
            st.booleans(),
        ),
        max_size=40,
    ),
    st.sampled_from([1 / 90_000, 1 / 25, 300.0, 683 / 4, 1e-9]),
    st.sampled_from([0.0, 3.0, 1e9]),
    st.booleans(),
)
def test_whatever_stands_in_a_file_some_time_line_comes_out(
    packets: list[tuple[int | None, int | None, int | None, bool]], tick_s: float, promised_s: float, broadcast: bool
) -> None:
    times = PacketTimes()
    for packet in packets:
        times.add(*packet)
    mended = mend(times, tick_s, promised_s=promised_s, broadcast=broadcast)
    assert len(mended.pts) == len(mended.dts) == len(mended.durations) == len(packets)
    if mended.jumps and broadcast:
        assert max(mended.dts) - min(mended.dts) <= len(packets) * (2 * 10 / tick_s + 10)
