"""Mixtures of two pictures are told from movement and cuts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.detect.shots.dissolves import DissolveMask
from lambdas.detect.shots.features import features_of

FPS = 25.0


def thumbnail(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return features_of(0, 0.0, picture, 0.0).thumbnail


def room(seed: int) -> NDArray[np.float64]:
    """A picture of shapes, (54, 192, 3)."""
    coarse = np.random.default_rng(seed).uniform(20, 235, (9, 32, 3))
    return np.repeat(np.repeat(coarse, 6, axis=0), 6, axis=1)


def watched(shown: Callable[[int], NDArray[np.float64]], frames: int = 50) -> DissolveMask:
    """Frames 0 to `frames`, each with the grain of a camera."""
    rng = np.random.default_rng(0)
    thumbnails = []
    for number in range(frames):
        picture = shown(number) + rng.normal(0, 2, (54, 192, 3))
        thumbnails.append(thumbnail(np.clip(picture, 0, 255).astype(np.uint8)))
    return DissolveMask(np.arange(frames) / FPS, thumbnails)


@pytest.mark.parametrize("length", [8, 15, 25])
@pytest.mark.parametrize("after", [room(2), np.zeros((54, 192, 3))])
def test_within_a_cross_fade_or_a_fade_to_black_nothing_is_clear(length: int, after: NDArray[np.float64]) -> None:
    def shown(number: int) -> NDArray[np.float64]:
        share = min(1.0, max(0.0, (number - 12) / length))
        return (1 - share) * room(1) + share * after

    dissolves = watched(shown)
    assert all(dissolves.clearness(number / FPS) < 0.4 for number in range(13, 12 + length))
    assert dissolves.clearness(0.1) == dissolves.clearness(1.9) == 1


def test_a_hard_cut_mixes_nothing() -> None:
    dissolves = watched(lambda number: room(1) if number < 25 else room(2))
    assert all(dissolves.clearness(number / FPS) == 1 for number in range(50))


def test_a_pan_and_a_still_camera_mix_nothing() -> None:
    pan = watched(lambda number: np.roll(room(1), -3 * number, axis=1))
    still = watched(lambda number: room(1))
    for dissolves in (pan, still):
        assert all(dissolves.clearness(number / FPS) > 0.6 for number in range(50))


def test_one_frame_and_none_are_clear() -> None:
    assert DissolveMask(np.zeros(0), []).clearness(0.0) == 1
    assert DissolveMask(np.zeros(1), [thumbnail(np.zeros((90, 160, 3), np.uint8))]).clearness(0.0) == 1
