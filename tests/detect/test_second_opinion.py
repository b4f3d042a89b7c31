"""A doubtful detection is looked at again: faces are found at every size and mirrored, what is no face is not."""

from __future__ import annotations

from pathlib import Path

import cv2
import insightface
import numpy as np
import pytest
import skimage

from lambdas.detect.faces.detections import FaceDetections, Floats, Image
from lambdas.detect.faces.second_opinion import confidence_again
from lambdas.detect.packs import Pack, load_pack
from talent_frames.packs import resolve_pack

SIX_PEOPLE = Path(insightface.__file__).parent / "data" / "images" / "t1.jpg"
COFFEE = Path(skimage.__file__).parent / "data" / "coffee.png"


@pytest.fixture(scope="module", params=["open", "test pack"])
def pack(request: pytest.FixtureRequest) -> Pack:
    if request.param == "open":
        return load_pack(resolve_pack("open"))
    return load_pack(request.getfixturevalue("test_pack"))


def read(path: Path) -> Image:
    return np.asarray(cv2.imread(str(path)), np.uint8)


def faces_of(pack: Pack, image: Image) -> Floats:
    size = pack.detector.input_size(image.shape[1], image.shape[0])
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    return pack.detector.detect(small, 0.5).scaled(image.shape[1] / size[0], image.shape[0] / size[1]).boxes


def test_faces_are_confirmed(pack: Pack) -> None:
    image = read(SIX_PEOPLE)
    boxes = faces_of(pack, image)
    assert len(boxes) == 6
    assert min(confidence_again(pack.detector, image, box) for box in boxes) > pack.detector.sure


def test_what_is_no_face_is_not_confirmed(pack: Pack) -> None:
    coffee = read(COFFEE)
    height, width = coffee.shape[:2]
    rng = np.random.default_rng(1)
    for _ in range(20):
        side = float(rng.uniform(40, 200))
        left, top = rng.uniform(0, width - side), rng.uniform(0, height - side)
        box = np.array([left, top, left + side, top + side], np.float32)
        assert confidence_again(pack.detector, coffee, box) < 0.5 * pack.detector.sure


def test_a_box_beside_the_face_is_not_confirmed(pack: Pack) -> None:
    image = read(SIX_PEOPLE)
    box = faces_of(pack, image)[0]
    shift = np.tile([0.75 * (box[2] - box[0]), 0.0], 2).astype(np.float32)
    assert confidence_again(pack.detector, image, np.asarray(box + shift, np.float32)) < pack.detector.sure


def test_a_face_at_the_border_is_looked_at_with_black_beyond(pack: Pack) -> None:
    image = read(SIX_PEOPLE)
    box = faces_of(pack, image)[0]
    x1, y1 = (max(0, int(edge)) for edge in box[:2])
    cut = np.ascontiguousarray(image[y1:, x1:])
    moved = np.asarray(box - np.array([x1, y1, x1, y1]), np.float32)
    assert 0 < confidence_again(pack.detector, cut, moved) <= 1


class Listening:
    """A detector that sees the crop's middle with a set confidence and notes what it was shown."""

    sure = 0.5

    def __init__(self, confidence: float) -> None:
        self.confidence = confidence
        self.shown: list[Image] = []

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def detect(self, image: Image, min_confidence: float) -> FaceDetections:
        self.shown.append(image)
        side = image.shape[0]
        box = np.array([[0.25 * side, 0.25 * side, 0.75 * side, 0.75 * side]], np.float32)
        return FaceDetections(box, np.zeros((1, 5, 2), np.float32), np.array([self.confidence], np.float32))


def test_the_opinion_is_the_mean_of_looks_at_three_sizes_one_of_them_mirrored() -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    image[:, 100:] = 255
    detector = Listening(0.6)
    box = np.array([50, 50, 150, 150], np.float32)
    assert confidence_again(detector, image, box) == pytest.approx(0.6)
    assert len({shown.shape for shown in detector.shown}) == 3
    assert sorted(bool(shown[0, -1, 0]) for shown in detector.shown) == [False, True, True]


def test_without_any_detection_the_opinion_is_nought() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    none = Listening(0.0)
    none.detect = lambda image, min_confidence: FaceDetections.empty()  # type: ignore[method-assign]
    assert confidence_again(none, image, np.array([20, 20, 60, 60], np.float32)) == 0.0
