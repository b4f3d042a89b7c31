"""Parts of a face's score: each falls when its own defect is added to a real face."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.contracts import QUALITY_PARTS
from lambdas.detect.faces import FaceDetections
from lambdas.detect.packs import load_pack
from lambdas.detect.quality import eyes_open_part, frontal_part, inside_part, is_strong, quality_parts, score, size_part
from talent_frames.packs import resolve_pack

NOBODY = np.zeros((0, 4), np.float32)


@pytest.fixture(scope="module")
def faces(six_people: NDArray[np.uint8]) -> FaceDetections:
    found = load_pack(resolve_pack("open")).detector.detect(six_people, 0.5)
    assert len(found) == 6
    return found


def parts_of(
    image: NDArray[np.uint8], faces: FaceDetections, row: int = 0, others: NDArray[np.float32] = NOBODY
) -> dict[str, float]:
    parts = quality_parts(
        image, faces.boxes[row], faces.landmarks[row], float(faces.confidence[row]), others=others, steady=1.0
    )
    return dict(zip(QUALITY_PARTS, parts.tolist(), strict=True))


def test_clean_portraits_score_well_in_every_part(six_people: NDArray[np.uint8], faces: FaceDetections) -> None:
    for row in range(6):
        parts = parts_of(six_people, faces, row)
        assert min(parts[name] for name in ("sharpness", "exposure", "inside", "unobstructed")) > 0.4, parts


def test_only_the_face_in_half_profile_is_weak(six_people: NDArray[np.uint8], faces: FaceDetections) -> None:
    parts = [parts_of(six_people, faces, row) for row in range(6)]
    weak = [row for row in range(6) if not is_strong(np.array(list(parts[row].values()), np.float32))]
    assert weak == [min(range(6), key=lambda row: parts[row]["frontal"])]


@pytest.mark.parametrize("row", range(6))
def test_each_spoilt_face_loses_in_its_own_part_and_in_the_score(
    six_people: NDArray[np.uint8], faces: FaceDetections, row: int
) -> None:
    clean = parts_of(six_people, faces, row)
    spoilt = {
        "sharpness": cv2.GaussianBlur(six_people, (0, 0), 4),
        "exposure": (six_people * 0.12).astype(np.uint8),
    }
    side = float(faces.boxes[row, 2] - faces.boxes[row, 0])
    motion = np.zeros((1, max(3, int(0.2 * side) | 1)), np.float32)
    motion[:] = 1 / motion.size
    spoilt_by_motion = np.asarray(cv2.filter2D(six_people, -1, motion), np.uint8)
    for name, image in spoilt.items():
        worse = parts_of(np.asarray(image, np.uint8), faces, row)
        assert worse[name] < clean[name] - 0.2, (name, clean, worse)
        assert score(np.array(list(worse.values()))) < score(np.array(list(clean.values()))) - 0.03
    assert parts_of(spoilt_by_motion, faces, row)["sharpness"] < clean["sharpness"] - 0.1


def drawn_face(openings: tuple[int, int], skin: int = 170) -> NDArray[np.uint8]:
    """(224, 224) flat skin with two eyes where the template has them, so many pixels open."""
    face = np.full((224, 224), skin, np.uint8)
    for (x, y), opening in zip(((77, 103), (147, 103)), openings, strict=True):
        if opening:
            eye = np.zeros_like(face)
            cv2.ellipse(eye, (x, y), (20, opening // 2), 0, 0, 360, 255, -1)
            iris = np.full_like(face, min(255, skin + 40))
            cv2.circle(iris, (x, y), 8, skin // 4, -1)
            face[eye > 0] = iris[eye > 0]
        cv2.ellipse(face, (x, y), (20, opening // 2), 0, 180, 360, skin // 3, 2)
    return np.asarray(cv2.GaussianBlur(face, (0, 0), 1), np.uint8)


@pytest.mark.parametrize("skin", [60, 110, 170, 210])
def test_open_eyes_beat_a_wink_and_a_wink_beats_closed_eyes(skin: int) -> None:
    opened, wink, closed = (eyes_open_part(drawn_face(eyes, skin)) for eyes in ((16, 16), (16, 0), (0, 0)))
    assert opened > 0.9
    assert closed < 0.1
    assert closed <= wink < opened - 0.3


def test_a_covered_face_loses_to_itself_alone(six_people: NDArray[np.uint8], faces: FaceDetections) -> None:
    over = faces.boxes[:1] + np.float32(0.4) * (faces.boxes[0, 2] - faces.boxes[0, 0])
    assert parts_of(six_people, faces, 0, over)["unobstructed"] == 0
    assert parts_of(six_people, faces, 0)["unobstructed"] == 1


def test_a_face_at_the_border_is_cut_off() -> None:
    box = np.array([100, 100, 200, 220], np.float32)
    assert inside_part(box, 640, 480) == 1
    assert inside_part(box - np.array([100, 0, 100, 0], np.float32), 640, 480) == pytest.approx(1 - 0.1 / 0.3)
    assert inside_part(box - np.array([120, 0, 120, 0], np.float32), 640, 480) == pytest.approx(0)


@pytest.mark.parametrize(("side", "part"), [(24, 0.0), (200, 1.0), (69.28, 0.5)])
def test_size_grows_with_the_logarithm(side: float, part: float) -> None:
    assert size_part(np.array([0, 0, side, side * 1.2], np.float32)) == pytest.approx(part, abs=0.01)


def test_turning_the_head_lowers_frontal_steadily() -> None:
    """A head as five points in space, turned about its vertical axis and projected."""
    head = np.array([[-1, 0, 0], [1, 0, 0], [0, 1.05, 0.9], [-0.75, 2, 0.2], [0.75, 2, 0.2]])
    values = []
    for degrees in (0, 15, 30, 45, 60, 80):
        turn = np.radians(degrees)
        x = head[:, 0] * np.cos(turn) + head[:, 2] * np.sin(turn)
        values.append(frontal_part(np.stack([50 + 20 * x, 50 + 20 * head[:, 1]], axis=1).astype(np.float32)))
    assert values[0] > 0.95
    assert all(later < earlier for earlier, later in itertools.pairwise(values) if earlier > 0)
    assert values[-2] < 0.15
    assert values[-1] < 0.02


def test_landmarks_in_one_point_are_no_face_to_publish() -> None:
    assert frontal_part(np.full((5, 2), 7, np.float32)) == 0


def test_the_score_is_ruled_by_the_worst_part() -> None:
    good = np.full(len(QUALITY_PARTS), 0.95, np.float32)
    one_bad = good.copy()
    one_bad[QUALITY_PARTS.index("frontal")] = 0
    assert score(good) == pytest.approx(0.95)
    assert score(one_bad) < 0.65
    assert score(np.zeros(len(QUALITY_PARTS), np.float32)) == pytest.approx(0.05)
