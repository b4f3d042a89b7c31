"""Parts of a face's score: each falls when its own defect is added to a real face."""

from __future__ import annotations

import dataclasses
import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.contracts import QUALITY_PARTS
from lambdas.detect.faces.attributes import expression_reader
from lambdas.detect.faces.detections import FaceDetections
from lambdas.detect.faces.quality import frontal_part, inside_part, quality_parts, size_part
from lambdas.detect.packs import load_pack
from lambdas.scoring import WEAK, numbers_of
from talent_frames.packs import resolve_pack

NOBODY = np.zeros((0, 4), np.float32)


@pytest.fixture(scope="module")
def faces(six_people: NDArray[np.uint8]) -> FaceDetections:
    found = load_pack(resolve_pack("open")).detector.detect(six_people, 0.5)
    assert len(found) == 6
    return found


def parts_of(
    image: NDArray[np.uint8],
    faces: FaceDetections,
    row: int = 0,
    others: NDArray[np.float32] = NOBODY,
    read_in: NDArray[np.uint8] | None = None,
) -> dict[str, float]:
    """Parts of one face; eyes and view are read in another picture where one is given."""
    expression = expression_reader().read(image if read_in is None else read_in, faces.landmarks[row])
    parts, _ = quality_parts(
        image,
        faces.boxes[row],
        faces.landmarks[row],
        float(faces.confidence[row]),
        others=others,
        expression=expression,
    )
    return dict(zip(QUALITY_PARTS, parts.tolist(), strict=True))


def number(parts: dict[str, float]) -> float:
    """The score of a face with these parts."""
    return float(numbers_of(np.array([list(parts.values())], np.float32))[0])


def test_clean_portraits_score_well_in_every_part(six_people: NDArray[np.uint8], faces: FaceDetections) -> None:
    for row in range(6):
        parts = parts_of(six_people, faces, row)
        assert min(parts[name] for name in ("sharpness", "exposure", "inside", "unobstructed")) > 0.35, parts


def test_only_the_face_in_half_profile_is_turned(six_people: NDArray[np.uint8], faces: FaceDetections) -> None:
    parts = [parts_of(six_people, faces, row) for row in range(6)]
    turned = [row for row in range(6) if parts[row]["frontal"] < WEAK]
    assert turned == [min(range(6), key=lambda row: parts[row]["frontal"])]


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
        worse = parts_of(np.asarray(image, np.uint8), faces, row, read_in=six_people)
        assert worse[name] < clean[name] - 0.2, (name, clean, worse)
        assert number(worse) < number(clean) - 0.03
    assert parts_of(spoilt_by_motion, faces, row)["sharpness"] < clean["sharpness"] - 0.1


@pytest.mark.parametrize("row", [2, 4, 5])  # the others look down or screw up their eyes
def test_painted_over_eyes_do_not_pass_for_open(six_people: NDArray[np.uint8], faces: FaceDetections, row: int) -> None:
    painted = six_people.copy()
    left, right = faces.landmarks[row, :2]
    span = float(np.hypot(*(right - left)))
    for x, y in (left, right):
        below = six_people[int(y + 0.35 * span), int(x)].tolist()
        cv2.ellipse(painted, (int(x), int(y)), (int(0.32 * span), int(0.2 * span)), 0, 0, 360, below, -1)
    clean, spoilt = (parts_of(image, faces, row) for image in (six_people, painted))
    assert min(spoilt["eyes_open"], spoilt["unobstructed"]) < min(clean["eyes_open"], clean["unobstructed"]) - 0.1
    assert number(spoilt) < number(clean) - 0.03


def test_a_covered_face_loses_to_itself_alone(six_people: NDArray[np.uint8], faces: FaceDetections) -> None:
    over = faces.boxes[:1] + np.float32(0.4) * (faces.boxes[0, 2] - faces.boxes[0, 0])
    assert parts_of(six_people, faces, 0, over)["unobstructed"] == 0
    assert parts_of(six_people, faces, 0)["unobstructed"] > 0.8


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


def test_blocks_of_compression_are_not_taken_for_detail(six_people: NDArray[np.uint8], faces: FaceDetections) -> None:
    small = cv2.resize(six_people, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    written, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 3])
    assert written
    coarse = cv2.imdecode(data, cv2.IMREAD_COLOR)
    broken = np.asarray(cv2.resize(coarse, six_people.shape[1::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
    clean, spoilt = (
        np.array([parts_of(image, faces, row)["sharpness"] for row in range(6)]) for image in (six_people, broken)
    )
    assert (spoilt < clean).sum() >= 5, (clean, spoilt)  # a face that is turned by 17 degrees hides them
    assert spoilt.mean() < 0.7 * clean.mean(), (clean, spoilt)


def test_size_and_place_of_the_box_are_among_the_parts(six_people: NDArray[np.uint8], faces: FaceDetections) -> None:
    box = faces.boxes[0]
    beyond, small = faces.boxes.copy(), faces.boxes.copy()
    # A tenth of the face is left of the picture.
    beyond[0, [0, 2]] -= box[0] + 0.1 * (box[2] - box[0])
    small[0, 2:] = small[0, :2] + 30
    usual = parts_of(six_people, faces)
    cut = parts_of(six_people, dataclasses.replace(faces, boxes=beyond))
    far = parts_of(six_people, dataclasses.replace(faces, boxes=small))
    assert usual["inside"] == 1 > WEAK > cut["inside"]
    assert far["size"] < 0.2 < usual["size"]
