"""Which decoded frames are held until scenes and the whole video have chosen theirs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from lambdas.detect.frames import Frame
from lambdas.detect.held import Held
from lambdas.detect.looks import Stopwatch
from lambdas.detect.scenes import middle_reach_s

from lambdas.contracts import Settings, SourceFacts

FPS = 25


def held(*, most: int = 52, **settings: object) -> Held:
    source = SimpleNamespace(frame_bytes=160 * 2**20 // most, seconds=lambda pts: pts / FPS)
    return Held(cast(SourceFacts, source), Settings.model_validate(settings), Stopwatch())


def frame(number: int) -> Frame:
    return cast(Frame, SimpleNamespace(pts=number, bgr=lambda: np.full((36, 64, 3), number % 256, np.uint8)))


def play(into: Held, first: int, last: int, *, looks: int) -> None:
    """Frames of one shot, looked at every so many frames."""
    into.cut(first / FPS)
    for number in range(first, last, 2):
        into.add(frame(number), number / FPS, wanted=(number - first) % looks == 0)


@pytest.mark.parametrize("length", [20, 60, 100, 251, 1500])
def test_a_frame_within_reach_of_the_middle_of_every_shot_is_held(length: int) -> None:
    followed = held()
    play(followed, 0, length, looks=10_000)
    followed.cut(length / FPS)
    middle_s, reach_s = length / FPS / 2, middle_reach_s(length / FPS)
    assert any(abs(pts / FPS - middle_s) <= reach_s for pts in followed.frames)
    # The first look, and what stands nearest to the middle.
    assert len(followed.frames) <= 3


def test_of_a_shot_s_looks_those_that_are_apart_stay() -> None:
    followed = held()
    play(followed, 0, 300, looks=10)
    assert len(followed.frames) == 30
    followed.cut(12.0)
    others = sorted(pts / FPS for pts in followed.frames if abs(pts / FPS - 6.0) > middle_reach_s(12.0))
    assert 4 <= len(others) <= 8
    assert min(np.diff(others)) >= 1.5


def test_a_shot_that_began_before_the_chunk_keeps_all_its_looks() -> None:
    followed = held()
    for number in range(0, 200, 10):
        followed.add(frame(number), number / FPS, wanted=True)
    followed.cut(8.0)
    assert len(followed.frames) == 20


def test_without_scenes_only_looks_are_held() -> None:
    followed = held(scenes=False)
    play(followed, 0, 100, looks=50)
    assert sorted(followed.frames) == [0, 50]


def test_what_there_is_no_room_for_is_encoded_and_nothing_is_lost() -> None:
    followed = held(most=24)
    for number in range(40):
        followed.add(frame(number), number / FPS, wanted=True)
    assert len(followed.frames) == 24
    assert sorted([*followed.frames, *followed.pictures]) == list(range(40))
