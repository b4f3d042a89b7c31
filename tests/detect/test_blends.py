"""Mixtures of two pictures are told from movement and cuts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from lambdas.detect.blends import Blends, sliver
from numpy.typing import NDArray

Image = NDArray[np.uint8]
FPS = 25.0


def room(seed: int) -> NDArray[np.float64]:
    """A picture of shapes, (54, 192, 3)."""
    coarse = np.random.default_rng(seed).uniform(20, 235, (9, 32, 3))
    return np.repeat(np.repeat(coarse, 6, axis=0), 6, axis=1)


def watched(shown: Callable[[int], NDArray[np.float64]], frames: int = 50) -> Blends:
    """Frames 0 to `frames`, each with the grain of a camera."""
    rng = np.random.default_rng(0)
    slivers = []
    for number in range(frames):
        picture = shown(number) + rng.normal(0, 2, (54, 192, 3))
        slivers.append(sliver(np.clip(picture, 0, 255).astype(np.uint8)))
    return Blends([number / FPS for number in range(frames)], slivers)


@pytest.mark.parametrize("length", [8, 15, 25])
@pytest.mark.parametrize("after", [room(2), np.zeros((54, 192, 3))])
def test_within_a_cross_fade_or_a_fade_to_black_nothing_is_clear(length: int, after: NDArray[np.float64]) -> None:
    def shown(number: int) -> NDArray[np.float64]:
        share = min(1.0, max(0.0, (number - 12) / length))
        return (1 - share) * room(1) + share * after

    blends = watched(shown)
    assert all(blends.clearness(number / FPS) < 0.4 for number in range(13, 12 + length))
    assert blends.clearness(0.1) == blends.clearness(1.9) == 1


def test_a_hard_cut_mixes_nothing() -> None:
    blends = watched(lambda number: room(1) if number < 25 else room(2))
    assert all(blends.clearness(number / FPS) == 1 for number in range(50))


def test_a_pan_and_a_still_camera_mix_nothing() -> None:
    pan = watched(lambda number: np.roll(room(1), -3 * number, axis=1))
    still = watched(lambda number: room(1))
    for blends in (pan, still):
        assert all(blends.clearness(number / FPS) > 0.6 for number in range(50))


def test_one_frame_and_none_are_clear() -> None:
    assert Blends([], []).clearness(0.0) == 1
    assert Blends([0.0], [sliver(np.zeros((90, 160, 3), np.uint8))]).clearness(0.0) == 1
