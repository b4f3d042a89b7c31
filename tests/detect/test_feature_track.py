"""Which frames are compared as they come, and which of them seem to begin a shot."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest

from lambdas.contracts import Settings
from lambdas.detect.context import Stopwatch
from lambdas.detect.decode.frame import Frame
from lambdas.detect.faces.detections import Image
from lambdas.detect.shots.feature_track import FEWEST_BETWEEN, ComparedFrame, FeatureTrack
from tests.detect.factory import source_of

FPS = 50
Picture = Callable[[int], Image]


def scene(seed: int, noise: float = 0.0, number: int = 0) -> Image:
    """Patches of colour, others for each seed, with grain of its own in every frame."""
    rng = np.random.default_rng(seed)
    small = rng.integers(40, 216, (9, 16, 3)).astype(np.uint8)
    grain = np.random.default_rng(1000 + number).normal(0, noise, (144, 256, 3)) if noise else 0.0
    picture = cv2.resize(small, (256, 144), interpolation=cv2.INTER_CUBIC).astype(np.float64) + grain
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def compared(count: int, picture: Picture, *, every: bool = False, fps: int = FPS) -> tuple[FeatureTrack, list[int]]:
    """The track after so many frames, and the numbers of those that begin a shot."""
    track = FeatureTrack(source_of(fps, width=256, height=144), Settings(), Stopwatch(), every=every)
    found: list[ComparedFrame] = []
    for number in range(count):
        image = picture(number)
        frame = SimpleNamespace(pts=number, keyframe=number == 0, corrupt=False, bgr=lambda *_, image=image: image)
        found += track.add(cast(Frame, frame))
    assert [one.features for one in found] == track.features
    return track, [one.features.pts for one in found if one.is_cut]


def test_frames_nearer_than_the_spacing_are_not_compared_while_nothing_moves() -> None:
    track, cuts = compared(40, lambda number: scene(1))
    # Four frames at 50 a second are 0.08 s.
    assert [one.pts for one in track.features] == list(range(0, 40, 4))
    assert cuts == []


def test_where_all_are_asked_for_each_is_compared() -> None:
    track, _ = compared(40, lambda number: scene(1), every=True)
    assert [one.pts for one in track.features] == list(range(40))


@pytest.mark.parametrize("at", [20, 21, 23])
def test_a_cut_between_compared_frames_is_found_where_it_is(at: int) -> None:
    track, cuts = compared(40, lambda number: scene(1 if number < at else 2))
    assert cuts == [at]
    assert [one.pts for one in track.features if one.content >= 27] == [at]


@pytest.mark.parametrize("at", [37, 38, 39])
def test_a_cut_in_a_chunks_last_frames_is_found_where_it_is(at: int) -> None:
    track, cuts = compared(40, lambda number: scene(1 if number < at else 2))
    assert cuts == []
    assert [one.features.pts for one in track.end() if one.is_cut] == [at]
    assert track.features[-1].pts == 39
    assert track.end() == []


def test_grain_that_reaches_the_content_threshold_begins_no_shot() -> None:
    track, cuts = compared(40, lambda number: scene(1, 60.0, number))
    assert max(one.content for one in track.features) > 27
    assert cuts == []


def test_a_cut_amid_grain_is_found() -> None:
    _, cuts = compared(40, lambda number: scene(1 if number < 22 else 2, 25.0, number))
    assert cuts == [22]


def test_of_frames_that_come_in_a_burst_no_more_wait_than_memory_allows() -> None:
    large = source_of(FPS, width=8000, height=8000)
    track = FeatureTrack(large, Settings(), Stopwatch(), every=False)
    frames = [
        cast(Frame, SimpleNamespace(pts=0, keyframe=False, corrupt=False, bgr=lambda *_: scene(1))) for _ in range(30)
    ]
    for place, frame in enumerate(frames):
        # All within one step of 0.08 s, as PTS of a finer clock would be.
        frame.pts = place
    track._step_s = 10.0
    for frame in frames:
        track.add(frame)
        assert len(track._between) <= FEWEST_BETWEEN


def test_after_a_skip_what_gathered_is_no_change_unless_it_is_a_cut() -> None:
    for is_cut in (False, True):
        track, _ = compared(10, lambda number: scene(1))
        after = SimpleNamespace(pts=200, keyframe=True, corrupt=False, bgr=lambda *_: scene(2))
        (one,) = track.add_after_skip(cast(Frame, after), is_cut=is_cut)
        assert (one.is_cut, one.features.content) == (is_cut, 27.0 if is_cut else 0.0)
        assert track.exact == ({200} if is_cut else set())
