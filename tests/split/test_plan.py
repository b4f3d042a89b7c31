"""Planning alone, on made-up keyframes."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lambdas.contracts import OPEN_END, Chunk, Settings
from lambdas.split.plan import (
    MOST_PIECES_OF_GOP,
    Border,
    choose_borders,
    even_windows,
    make_chunks,
    mid_gop_ticks,
    whole_ticks,
    without_empty,
)

CHUNK = 100


def chunks_of(keyframes: list[int], first: int, end: int, settings: Settings | None = None) -> list[Chunk]:
    return make_chunks(choose_borders(keyframes, first, end, CHUNK), first, end, settings or Settings())


@st.composite
def videos(draw: st.DrawFn) -> tuple[list[int], int, int]:
    first = draw(st.integers(-1000, 10**9))
    end = first + draw(st.integers(1, 5000))
    gaps = draw(st.lists(st.integers(1, 700), max_size=200))
    keyframes = [first]
    for gap in gaps:
        if keyframes[-1] + gap >= end:
            break
        keyframes.append(keyframes[-1] + gap)
    return draw(st.sampled_from([keyframes, keyframes[1:]])), first, end


@given(videos())
@hypothesis_settings(max_examples=150, deadline=None, derandomize=True)
def test_chunks_hold_every_time_once_and_every_moment_once(video: tuple[list[int], int, int]) -> None:
    keyframes, first, end = video
    settings = Settings(representative=10, min_scenes=12)
    chunks = chunks_of(keyframes, first, end, settings)
    assert [chunk.index for chunk in chunks] == list(range(len(chunks)))
    assert (chunks[0].start_pts, chunks[-1].end_pts) == (-OPEN_END, OPEN_END)
    assert all(before.end_pts == after.start_pts for before, after in pairwise(chunks))
    for chunk in chunks[1:]:
        assert first < chunk.start_pts < end
        assert chunk.decode_from_pts <= chunk.start_pts
        assert chunk.decode_from_pts in (*keyframes, -OPEN_END)
        # The nearest keyframe, never an earlier one.
        assert not [key for key in keyframes if chunk.decode_from_pts < key <= chunk.start_pts]
    assert sum(len(chunk.representative_windows) for chunk in chunks) == 10
    moments = [pts for chunk in chunks for pts in chunk.fallback_pts]
    assert len(moments) == 12
    assert moments == sorted(moments)
    assert all(first <= pts < end for pts in moments)
    for chunk in chunks:
        assert all(chunk.start_pts <= pts < chunk.end_pts for pts in chunk.fallback_pts)
        assert all(chunk.start_pts <= (low + high) // 2 < chunk.end_pts for low, high in chunk.representative_windows)


@given(videos())
@hypothesis_settings(max_examples=150, deadline=None, derandomize=True)
def test_chunks_are_neither_tiny_nor_long(video: tuple[list[int], int, int]) -> None:
    keyframes, first, end = video
    starts = [first, *(border.pts for border in choose_borders(keyframes, first, end, CHUNK)), end]
    lengths = [after - before for before, after in pairwise(starts)]
    if len(lengths) > 1:
        assert min(lengths) >= CHUNK // 2
    longest_gap = max(b - a for a, b in zip([first, *keyframes], [*keyframes, end], strict=False))
    assert max(lengths) <= max(2 * CHUNK, (longest_gap + CHUNK) / 8 + CHUNK)


@pytest.mark.parametrize(
    ("keyframes", "end", "expected"),
    [
        ([], 1, []),
        ([0], 1, []),
        ([0], 150, []),
        ([0, 100], 151, [Border(100, 100)]),
        ([0, 90, 120, 200], 300, [Border(90, 90), Border(200, 200)]),
        ([0], 400, [Border(100, 0), Border(200, 0), Border(300, 0)]),
        ([0, 10], 300, [Border(100, 10), Border(200, 10)]),
        ([0, 200], 300, [Border(200, 200)]),
        ([0, 300, 400], 500, [Border(100, 0), Border(200, 0), Border(300, 300), Border(400, 400)]),
    ],
    ids=[
        "no keyframes", "one frame", "a chunk and a half", "just longer", "nearest keyframe", "one long GOP",
        "early keyframe", "gap of two chunks", "gap of three chunks",
    ],
)  # fmt: skip
def test_borders_of(keyframes: list[int], end: int, expected: list[Border]) -> None:
    assert choose_borders(keyframes, 0, end, CHUNK) == expected


def test_a_single_long_gop_is_cut_into_few_pieces() -> None:
    chunks = chunks_of([0], 0, 100_000)
    assert len(chunks) == 8
    assert mid_gop_ticks(chunks) == sum(range(1, 8)) * 12_500


def test_a_border_at_or_before_the_first_frame_is_dropped() -> None:
    chunks = make_chunks([Border(0, 0), Border(-5, -5), Border(7, 7), Border(7, 3)], 0, 10, Settings())
    assert [(chunk.start_pts, chunk.decode_from_pts) for chunk in chunks] == [(-OPEN_END, -OPEN_END), (7, 7)]


@pytest.mark.parametrize(
    ("first", "end", "count", "expected"),
    [
        (0, 100, 0, []),
        (0, 100, 1, [(0, 100)]),
        (-10, 20, 3, [(-10, 0), (0, 10), (10, 20)]),
        (0, 2, 4, [(0, 1), (0, 1), (1, 2), (1, 2)]),
        (5, 5, 2, [(5, 6), (5, 6)]),
    ],
    ids=["none", "one", "three", "more than ticks", "unknown length"],
)
def test_even_windows_of(first: int, end: int, count: int, expected: list[tuple[int, int]]) -> None:
    assert even_windows(first, end, count) == expected


RATES = [(24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (120, 1), (1000, 1), (1, 1),
         (1, 7), (1, 300), (1, 3600)]  # fmt: skip
TIME_BASES = [(1, 90_000), (1, 1000), (1, 12_800), (1001, 30_000), (1, 25), (1, 14_112_000), (1, 10**9), (1, 1),
              (300, 1), (1001, 24_000), (1, 600), (1, 705_600_000)]  # fmt: skip


@st.composite
def films(draw: st.DrawFn) -> tuple[Fraction, list[int], list[int], float]:
    """A time base, the frames and the keyframes in its ticks, and a chunk's length in seconds."""
    time_base = Fraction(*draw(st.sampled_from(TIME_BASES)))
    rate = Fraction(*draw(st.sampled_from(RATES)))
    first = draw(st.sampled_from([0, 1, -900, 126_000, 2**33]))
    count = draw(st.integers(1, 900))
    # A time base coarser than the rate gives several frames one tick.
    frames = [first + int(Fraction(number) / rate / time_base) for number in range(count)]
    gop = draw(st.sampled_from([1, 12, 25, 250, 10**6]))
    keyframes = sorted({pts for number, pts in enumerate(frames) if number % gop == 0})
    chunk_s = draw(st.sampled_from([2.0, 2.5, 7.3, 10.0, 60.0, 3600.0]))
    return time_base, frames, keyframes, chunk_s


@given(films())
@hypothesis_settings(max_examples=200, deadline=None, derandomize=True)
def test_at_any_time_base_and_rate_every_frame_is_in_one_chunk_and_chunks_are_few(
    film: tuple[Fraction, list[int], list[int], float],
) -> None:
    time_base, frames, keyframes, chunk_s = film
    ticks = whole_ticks(chunk_s, time_base)
    assert ticks >= 1
    end = frames[-1] + max(1, frames[-1] - frames[-2] if len(frames) > 1 else 1)
    chunks = make_chunks(
        without_empty(choose_borders(keyframes, frames[0], end, ticks), frames), frames[0], end, Settings()
    )
    assert all(chunk.start_pts < chunk.end_pts for chunk in chunks)
    held = [[pts for pts in frames if chunk.start_pts <= pts < chunk.end_pts] for chunk in chunks]
    assert [pts for some in held for pts in some] == frames
    assert all(held)
    # No chunk is shorter than half of what was asked for, and there are no more than keyframes can part in eight.
    assert len(chunks) <= 1 + (end - frames[0]) * 2 / ticks
    assert len(chunks) <= MOST_PIECES_OF_GOP * (len(keyframes) + 1)
    assert len(chunks) <= len(set(frames))
