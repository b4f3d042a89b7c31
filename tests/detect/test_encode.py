"""Staged frames: what goes into the tar comes out by range."""

from __future__ import annotations

import io
import tarfile

import cv2
import numpy as np
import pytest

from lambdas.contracts import Settings
from lambdas.detect.selection.encode import pack_pictures, picture
from lambdas.detect.shots.boundaries import Shots
from lambdas.detect.shots.features import sharpness
from tests.detect.factory import features_at

NO_CUTS = Shots([features_at(0)], Settings())
RESIZED = Settings(size="1080p")
"""Asks for pictures of another size than the tests' own, which are staged finer for that."""


def noise(height: int, width: int) -> np.ndarray:
    small = np.random.default_rng(7).integers(0, 255, (height // 3, width // 3, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def test_a_picture_read_by_its_offset_is_the_frame() -> None:
    images = [noise(72, 128), noise(36, 64)]
    tar, staged = pack_pictures(
        [picture(index, index / 10, image, RESIZED) for index, image in enumerate(images)], NO_CUTS
    )
    for image, frame in zip(images, staged, strict=True):
        again = cv2.imdecode(np.frombuffer(tar[frame.offset : frame.offset + frame.length], np.uint8), cv2.IMREAD_COLOR)
        assert again is not None
        assert (frame.height, frame.width) == image.shape[:2] == again.shape[:2]
        assert np.abs(again.astype(int) - image).mean() < 3
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        assert archive.getnames() == ["0.jpg", "1.jpg"]


def test_no_pictures_give_an_empty_tar() -> None:
    tar, staged = pack_pictures([], NO_CUTS)
    assert staged == []
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        assert archive.getnames() == []


def test_same_pictures_give_the_same_bytes() -> None:
    one = picture(5, 0.5, noise(72, 128), Settings())
    assert pack_pictures([one], NO_CUTS) == pack_pictures([one], NO_CUTS)


def test_what_needs_no_resizing_is_staged_at_the_published_quality_and_the_rest_finer() -> None:
    image = noise(1080, 1920)
    as_published = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()
    for settings in (Settings(), RESIZED):
        assert picture(0, 0.0, image, settings).jpeg == as_published
    for settings in (Settings(jpeg_quality=60), Settings(size="source", jpeg_quality=91)):
        assert len(picture(0, 0.0, image, settings).jpeg) > 1.2 * len(as_published)
    assert len(picture(0, 0.0, image[:720], RESIZED).jpeg) > 0.8 * len(as_published)


def test_black_is_dark_flat_and_without_detail() -> None:
    black = picture(0, 0.0, np.zeros((72, 128, 3), np.uint8), Settings())
    assert (black.luma, black.contrast, black.sharpness) == (0, 0, 0)


def test_blur_lowers_sharpness_whatever_the_contrast() -> None:
    gray = noise(360, 640)[..., 0]
    blurred = np.asarray(cv2.GaussianBlur(gray, (0, 0), 6), np.uint8)
    pale = (gray // 3 + 90).astype(np.uint8)
    assert sharpness(blurred) < sharpness(gray) - 0.15
    assert sharpness(pale) == pytest.approx(sharpness(gray), abs=0.1)


def test_frames_at_a_cut_are_marked() -> None:
    shots = Shots([features_at(number, content=80.0 * (number == 50), shot=number // 50) for number in range(100)],
                  Settings())  # fmt: skip
    assert shots.cut_times.tolist() == [2.0]
    _, staged = pack_pictures([picture(pts, pts / 25, noise(36, 64), Settings()) for pts in (40, 49, 51, 60)], shots)
    assert [one.in_transition for one in staged] == [False, True, True, False]
