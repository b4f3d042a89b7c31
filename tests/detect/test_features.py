"""Frame scores and sharpness, cheaply computed, are the numbers they are defined as."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scenedetect import ContentDetector, FrameTimecode

from lambdas.detect.shots.features import (
    ContentScorer,
    columns_of,
    difference,
    fair_content,
    features_of,
    sharpness,
)


def moving_pictures() -> list[NDArray[np.uint8]]:
    rng = np.random.default_rng(5)
    noise = rng.integers(0, 256, (6, 144, 256, 3)).astype(np.uint8)
    soft = [np.asarray(cv2.GaussianBlur(one, (0, 0), 5), np.uint8) for one in noise[:3]]
    return [*noise, *soft, np.zeros((144, 256, 3), np.uint8), np.full((144, 256, 3), 255, np.uint8), soft[0], soft[0]]


def test_the_score_is_pyscenedetects_content_value() -> None:
    scorer, reference = ContentScorer(), ContentDetector()
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


def gray_place(number: int) -> NDArray[np.uint8]:
    """A black and white picture of 144 x 256, dim and pale."""
    noise = np.random.default_rng(number).integers(60, 130, (9, 16, 1), dtype=np.uint8)
    return np.repeat(cv2.resize(noise, (256, 144), interpolation=cv2.INTER_CUBIC)[..., None], 3, axis=2)


def test_black_and_white_pictures_that_share_nothing_differ_by_as_much_as_a_cut() -> None:
    one, two = gray_place(1), gray_place(2)
    scorer = ContentScorer(one)
    assert scorer.score(two) < 10
    assert difference(one, two, 27.0) == 27.0


def test_pictures_that_are_alike_differ_by_their_content_value_alone() -> None:
    one = gray_place(1)
    brighter = np.clip(one.astype(int) + 20, 0, 255).astype(np.uint8)
    assert difference(one, brighter, 27.0) == ContentScorer(one).score(brighter) < 10
    assert fair_content(6.7, 0.05, 27.0) == 6.7
    assert fair_content(6.7, 0.35, 27.0) == 27.0


def test_features_of_black_are_dark_flat_and_without_detail() -> None:
    black = features_of(7, 0.28, np.zeros((144, 256, 3), np.uint8), 1.5)
    assert (black.pts, black.t_s, black.content) == (7, 0.28, 1.5)
    assert (black.luma, black.contrast, black.sharpness) == (0, 0, 0)
    assert (black.layout.shape, black.thumbnail.shape) == ((16, 16, 3), (27, 48))
    assert not black.is_assumed


def test_no_features_are_empty_columns() -> None:
    columns = columns_of([])
    assert (len(columns.t_s), columns.layout.shape) == (0, (0, 16, 16, 3))
