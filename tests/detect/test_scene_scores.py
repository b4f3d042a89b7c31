"""Frame scores and sharpness, cheaply computed, are the numbers they are defined as."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scenedetect import ContentDetector, FrameTimecode

from lambdas.detect.scenes import SceneScorer, sharpness


def moving_pictures() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (6, 144, 256, 3)).astype(np.uint8)
    soft = [np.asarray(cv2.GaussianBlur(one, (0, 0), 5), np.uint8) for one in noise[:3]]
    return [*noise, *soft, np.zeros((144, 256, 3), np.uint8), np.full((144, 256, 3), 255, np.uint8), soft[0], soft[0]]


def test_the_score_is_pyscenedetects_content_value() -> None:
    scorer, reference = SceneScorer(), ContentDetector()
    at = FrameTimecode(0, fps=25.0)
    scores = [(scorer.score(one), reference._calculate_frame_score(at, one)) for one in moving_pictures()]
    found, expected = zip(*scores, strict=True)
    np.testing.assert_allclose(found, expected, atol=1e-9)
    assert (found[0], found[-1]) == (0, 0)


def by_definition(gray: NDArray[np.uint8]) -> float:
    """Crete's measure in whole numbers, pixel by pixel."""
    shares = []
    for axis, kernel in ((1, (9, 1)), (0, (1, 9))):
        steps = np.abs(np.diff(gray.astype(int), axis=axis))
        remaining = np.abs(np.diff(cv2.blur(gray, kernel).astype(int), axis=axis))
        if steps.sum() < steps.size // 4:
            return 0.0
        shares.append(np.maximum(steps - remaining, 0).sum() / steps.sum())
    return float(min(shares))


@pytest.mark.parametrize("number", range(13))
def test_sharpness_is_the_share_of_gradient_that_a_blur_takes(number: int) -> None:
    gray = np.asarray(cv2.cvtColor(moving_pictures()[number], cv2.COLOR_BGR2GRAY), np.uint8)
    assert sharpness(gray) == pytest.approx(by_definition(gray), abs=1e-9)
    assert sharpness(gray[16:104, 16:96]) == pytest.approx(by_definition(gray[16:104, 16:96]), abs=1e-9)
