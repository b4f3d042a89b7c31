"""Which decoded frames are kept until scenes and the whole video have chosen theirs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast
from weakref import WeakSet

import numpy as np
import pytest

from lambdas.contracts import Settings
from lambdas.detect.context import ChunkContext, Stopwatch
from lambdas.detect.decode.frame import Frame
from lambdas.detect.selection.frame_cache import FrameCache
from lambdas.detect.shots.boundaries import middle_reach_s
from tests.detect.factory import compared

FPS = 25


def cache_of(*, most: int = 52, index: int = 0, is_last: bool = True, **settings: object) -> FrameCache:
    """Of a chunk whose frames are so large that `most` are kept."""
    context = SimpleNamespace(
        source=SimpleNamespace(frame_bytes=160 * 2**20 // most, seconds=lambda pts: pts / FPS),
        settings=Settings.model_validate(settings),
        chunk=SimpleNamespace(index=index),
        is_last=is_last,
        watch=Stopwatch(),
    )
    return FrameCache(cast(ChunkContext, context))


class Held(SimpleNamespace):
    """A decoded frame whose end can be seen."""

    __hash__ = object.__hash__  # type: ignore[assignment]


def play(into: FrameCache, first: int, last: int, *, samples: int) -> None:
    """Frames of one shot, one in so many of them sampled."""
    into.cut(first / FPS)
    for number in range(first, last, 2):
        into.add(compared(number), sampled=(number - first) % samples == 0)


@pytest.mark.parametrize("length", [20, 60, 100, 251, 1500])
def test_a_frame_within_reach_of_the_middle_of_every_shot_is_kept(length: int) -> None:
    cache = cache_of()
    play(cache, 0, length, samples=10_000)
    cache.cut(length / FPS)
    middle_s, reach_s = length / FPS / 2, middle_reach_s(length / FPS)
    assert any(abs(pts / FPS - middle_s) <= reach_s for pts in cache.frames)
    # The first sample, and what stands nearest to the middle.
    assert len(cache.frames) <= 3


def test_of_a_shot_s_samples_those_that_are_apart_stay() -> None:
    cache = cache_of()
    play(cache, 0, 300, samples=10)
    assert len(cache.frames) == 30
    cache.cut(12.0)
    others = sorted(pts / FPS for pts in cache.frames if abs(pts / FPS - 6.0) > middle_reach_s(12.0))
    assert 4 <= len(others) <= 8
    assert min(np.diff(others)) >= 1.5


@pytest.mark.parametrize("before_s", [0.0, 4.0, 8.0])
def test_a_shot_that_began_before_the_chunk_keeps_a_frame_near_its_middle_wherever_it_began(before_s: float) -> None:
    cache = cache_of(index=1)
    for number in range(0, 200, 2):
        cache.add(compared(number), sampled=number % 10_000 == 0)
    cache.cut(8.0)
    length_s = before_s + 8.0
    middle_s = length_s / 2 - before_s
    assert min(abs(pts / FPS - middle_s) for pts in cache.frames) <= middle_reach_s(length_s)


@pytest.mark.parametrize("after_s", [0.0, 4.0, 8.0])
def test_a_shot_that_goes_on_after_the_chunk_keeps_a_frame_near_its_middle_wherever_it_ends(after_s: float) -> None:
    cache = cache_of(is_last=False)
    play(cache, 0, 200, samples=10_000)
    cache.finish(198 / FPS)
    length_s = 8.0 + after_s
    assert min(abs(pts / FPS - length_s / 2) for pts in cache.frames) <= middle_reach_s(length_s)


def test_a_chunk_without_frames_keeps_none() -> None:
    cache = cache_of()
    cache.finish(0.0)
    assert (cache.frames, cache.pictures) == ({}, {})


def test_without_scenes_only_samples_are_kept() -> None:
    cache = cache_of(scenes=False)
    play(cache, 0, 100, samples=50)
    assert sorted(cache.frames) == [0, 50]


def test_what_there_is_no_room_for_is_encoded_and_nothing_is_lost() -> None:
    cache = cache_of(most=24)
    for number in range(40):
        cache.add(compared(number), sampled=True)
    assert len(cache.frames) == 24
    assert sorted([*cache.frames, *cache.pictures]) == list(range(40))


def test_a_long_shot_s_frames_do_not_fill_the_memory_while_it_runs() -> None:
    cache, held = cache_of(most=52), WeakSet[Held]()
    for number in range(5000):
        one = compared(number)
        frame = Held(**vars(one.frame))
        held.add(frame)
        cache.add(replace(one, frame=cast(Frame, frame)), sampled=False)
        del one, frame
        assert len(held) <= 14
    cache.cut(5000 / FPS)
    assert any(abs(pts / FPS - 100.0) <= middle_reach_s(200.0) for pts in cache.frames)
