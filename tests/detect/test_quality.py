"""Parts of a face's score: each falls when its own defect is added to a real face."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.contracts import FACE_FLAGS, QUALITY_PARTS
from lambdas.detect.expression import Expression, expression_reader
from lambdas.detect.faces import FaceDetections
from lambdas.detect.packs import load_pack
from lambdas.detect.quality import (
    WEAK,
    Usual,
    compare_with_usual,
    eyes_open_part,
    flags,
    frontal_part,
    inside_part,
    is_strong,
    quality_parts,
    score,
    size_part,
    usual_of,
)
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
        steady=1.0,
        expression=expression,
    )
    return dict(zip(QUALITY_PARTS, parts.tolist(), strict=True))


def test_clean_portraits_score_well_in_every_part(six_people: NDArray[np.uint8], faces: FaceDetections) -> None:
    for row in range(6):
        parts = parts_of(six_people, faces, row)
        assert min(parts[name] for name in ("sharpness", "exposure", "inside", "unobstructed")) > 0.35, parts


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
        worse = parts_of(np.asarray(image, np.uint8), faces, row, read_in=six_people)
        assert worse[name] < clean[name] - 0.2, (name, clean, worse)
        assert score(np.array(list(worse.values()))) < score(np.array(list(clean.values()))) - 0.03
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
    assert score(np.array(list(spoilt.values()))) < score(np.array(list(clean.values()))) - 0.03


def test_eyes_half_as_open_as_usual_count_as_shut_whatever_their_size() -> None:
    assert eyes_open_part(0.3) == eyes_open_part(0.3, usual=0.3) == 1
    assert eyes_open_part(0.05) < WEAK
    assert eyes_open_part(0.16) >= WEAK
    assert eyes_open_part(0.16, usual=0.32) < WEAK


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


def test_the_score_is_ruled_by_the_worst_part() -> None:
    good = np.full(len(QUALITY_PARTS), 0.95, np.float32)
    one_bad = good.copy()
    one_bad[QUALITY_PARTS.index("frontal")] = 0
    assert score(good) == pytest.approx(0.95)
    assert score(one_bad) < 0.65
    assert score(np.zeros(len(QUALITY_PARTS), np.float32)) < 0.001


def test_any_flaw_costs_more_than_a_far_smaller_and_softer_face() -> None:
    modest = np.full(len(QUALITY_PARTS), 0.55, np.float32)
    for name in ("frontal", "sharpness", "exposure", "eyes_open", "inside", "unobstructed", "steady"):
        spoilt = np.ones(len(QUALITY_PARTS), np.float32)
        spoilt[QUALITY_PARTS.index(name)] = 0
        assert score(spoilt) < score(modest)


def test_every_weak_part_has_its_flag() -> None:
    clean = np.full(len(QUALITY_PARTS), WEAK, np.float32)
    assert flags(clean, 0.5) == []
    bad = np.zeros(len(QUALITY_PARTS), np.float32)
    assert flags(bad, 0.1) == [flag for flag in FACE_FLAGS if flag != "too_bright"]
    assert flags(bad, 0.9) == [flag for flag in FACE_FLAGS if flag != "too_dark"]


def test_a_person_is_compared_with_the_own_usual_face() -> None:
    usual = usual_of([Expression(0.3, 45)] * 2 + [Expression(0.05, 20)] * 5, [0.88] * 2 + [0.7] * 5)
    assert usual == Usual(pytest.approx(0.3), pytest.approx(45), pytest.approx(0.88))  # type: ignore[arg-type]
    as_ever, blinks, hidden = (np.ones(len(QUALITY_PARTS), np.float32) for _ in range(3))
    compare_with_usual(as_ever, Expression(0.28, 44), 0.87, usual)
    compare_with_usual(blinks, Expression(0.14, 44), 0.87, usual)
    compare_with_usual(hidden, Expression(0.28, 24), 0.78, usual)
    assert flags(as_ever, 0.5) == []
    assert flags(blinks, 0.5) == ["eyes_closed"]
    assert flags(hidden, 0.5) == ["covered"]
    assert score(as_ever) > max(score(blinks), score(hidden)) + 0.05


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
