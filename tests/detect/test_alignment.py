"""Faces brought upright and to one size."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lambdas.detect.faces.alignment import ARCFACE_TEMPLATE, aligned_crop, face_part, similarity_transform


def test_a_similarity_transform_is_recovered_exactly() -> None:
    angle, scale, shift = 0.7, 3.0, (40.0, -5.0)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = ARCFACE_TEMPLATE @ turn.T + shift
    found = similarity_transform(ARCFACE_TEMPLATE, moved.astype(np.float32))
    np.testing.assert_allclose(found, np.hstack([turn, np.array(shift)[:, None]]), atol=1e-3)


def test_landmarks_in_one_point_give_a_crop_all_the_same() -> None:
    crop = aligned_crop(np.zeros((50, 50, 3), np.uint8), np.full((5, 2), 25, np.float32), ARCFACE_TEMPLATE, 112)
    assert crop.shape == (112, 112, 3)


@pytest.mark.parametrize("scale", [0.7, 2.5, 7.3], ids="face {}x the crop".format)
def test_a_crop_shows_the_landmarks_where_the_template_has_them(scale: float) -> None:
    """Dots at the landmarks of a large face end up at the template's places, shrunk on the way or not."""
    landmarks = (ARCFACE_TEMPLATE * scale + 30).astype(np.float32)
    image = np.zeros((1000, 1000, 3), np.uint8)
    for x, y in landmarks:
        cv2.circle(image, (round(float(x)), round(float(y))), max(3, round(3 * scale)), (255, 255, 255), -1)
    crop = aligned_crop(image, landmarks, ARCFACE_TEMPLATE, 112)
    _, _, _, centres = cv2.connectedComponentsWithStats((crop[..., 0] > 127).astype(np.uint8))
    dots = sorted(map(tuple, centres[1:]))
    np.testing.assert_allclose(dots, sorted(map(tuple, ARCFACE_TEMPLATE)), atol=0.6 * max(1, 1 / scale))


@pytest.mark.parametrize("scale", [0.3, 0.7, 1.9, 4.4, 8.0], ids="face {}x the crop".format)
@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_crops_of_a_faces_part_are_those_of_the_whole_picture(scale: float, tilt: float) -> None:
    turn = scale * np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    landmarks = ((ARCFACE_TEMPLATE - 56) @ turn.T + (900, 800)).astype(np.float32)
    across, down = np.meshgrid(np.arange(1800), np.arange(1700))
    waves = [127 + 120 * np.sin((across * a + down * b) / (7 * scale)) for a, b in ((1, 0.3), (0.5, -1), (0.2, 0.9))]
    image = np.stack(waves, axis=2).astype(np.uint8)
    part = face_part(image, landmarks)
    mesh = np.float32(1.36) * (ARCFACE_TEMPLATE - np.array([56, 72], np.float32)) + 96
    for template, side in ((ARCFACE_TEMPLATE, 112), (2 * ARCFACE_TEMPLATE, 224), (mesh, 192)):
        expected = aligned_crop(image, landmarks, template, side).astype(int)
        difference = np.abs(aligned_crop(part.image, part.landmarks, template, side) - expected)
        assert difference.mean() < 2
        assert difference.max() < 16
    longer = max(part.image.shape[:2])
    assert longer <= 32 + 2 * 144 * 2 * 1.5
    assert scale > 2 or np.shares_memory(part.image, image)


def test_a_part_of_a_face_outside_the_picture_is_the_picture() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    for shift in (-5000, 5000):
        part = face_part(image, (ARCFACE_TEMPLATE * 3 + shift).astype(np.float32))
        assert part.image.shape == image.shape
        assert not aligned_crop(part.image, part.landmarks, ARCFACE_TEMPLATE, 112).any()
    assert face_part(image, np.full((5, 2), 30, np.float32)).image.size


def test_a_face_reaching_out_of_the_picture_is_black_there() -> None:
    landmarks = (ARCFACE_TEMPLATE - 40).astype(np.float32)
    crop = aligned_crop(np.full((100, 100, 3), 200, np.uint8), landmarks, ARCFACE_TEMPLATE, 112)
    assert not crop[:38, :38].any()
    assert (crop[45:, 45:] == 200).all()
