"""What is measured of each face: which are read, and which are confirmed by a second opinion."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.detect.decode.frame import Frame
from lambdas.detect.faces.alignment import ARCFACE_TEMPLATE
from lambdas.detect.faces.analyzer import FaceAnalyzer
from lambdas.detect.faces.detections import Detector, FaceDetections, Floats, Image
from lambdas.detect.packs import load_pack
from lambdas.detect.tracking.association import overlaps
from lambdas.detect.tracking.detection import FaceDetection
from talent_frames.packs import resolve_pack
from tests.detect.factory import context_of, source_of
from tests.detect.test_second_opinion import SIX_PEOPLE, read

NOISE = np.random.default_rng(1).integers(0, 255, (720, 1280, 3)).astype(np.uint8)
BOX = np.array([500, 200, 700, 440], np.float32)
FRONT = np.asarray(ARCFACE_TEMPLATE * 2 + np.array([488, 200]), np.float32)
PROFILE = np.array([[560, 300], [570, 300], [640, 340], [570, 390], [580, 390]], np.float32)


class OneFace:
    """A detector that finds one face in a whole picture, and asked again about a crop is as sure as it is told."""

    sure = 0.65

    def __init__(self, landmarks: Floats, again: float) -> None:
        self._landmarks, self._again = landmarks, again
        self.asked_again = 0

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return width, height

    def detect(self, image: Image, min_confidence: float) -> FaceDetections:
        if image.shape == NOISE.shape:
            return FaceDetections(BOX[None], self._landmarks[None], np.array([0.9], np.float32))
        self.asked_again += 1
        side = np.float32(image.shape[0])
        box = np.array([[0.22, 0.22, 0.78, 0.78]], np.float32) * side
        return FaceDetections(box, np.zeros((1, 5, 2), np.float32), np.array([self._again], np.float32))


class Cropping:
    """An embedder of which only the crops are wanted."""

    size = 1

    def align(self, image: Image, landmarks: Floats, box: Floats) -> Image:
        return np.zeros((112, 112, 3), np.uint8)

    def embed(self, crops: list[Image]) -> Floats:
        return np.ones((len(crops), 1), np.float32)


def analyzer_of(detector: object, picture: NDArray[np.uint8]) -> FaceAnalyzer:
    height, width = picture.shape[:2]
    return FaceAnalyzer(
        detector,  # type: ignore[arg-type]
        Cropping(),  # type: ignore[arg-type]
        context_of(source_of(width=width, height=height)),
    )


def frame_of(picture: NDArray[np.uint8]) -> Frame:
    def bgr(wide: int = picture.shape[1], high: int = picture.shape[0]) -> NDArray[np.uint8]:
        return np.asarray(cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)

    return cast(Frame, SimpleNamespace(pts=25, bgr=bgr))


def faces_in(detector: object, picture: NDArray[np.uint8]) -> list[FaceDetection]:
    return analyzer_of(detector, picture).detect(frame_of(picture))


@pytest.mark.parametrize(("again", "confirmed"), [(0.1, False), (0.9, True)])
def test_what_the_mesh_network_doubts_the_detector_is_asked_again(again: float, confirmed: bool) -> None:
    detector = OneFace(FRONT, again)
    (seen,) = faces_in(detector, NOISE)
    assert detector.asked_again == 3
    assert seen.confirmed == confirmed


def test_a_face_turned_away_is_not_read_but_asked_about_again() -> None:
    detector = OneFace(PROFILE, 0.9)
    (seen,) = faces_in(detector, NOISE)
    assert np.isnan([*seen.expression.openings, seen.expression.in_view]).all()
    assert (detector.asked_again, seen.confirmed) == (3, True)


def test_real_faces_are_confirmed_and_read() -> None:
    seen = faces_in(load_pack(resolve_pack("open")).detector, read(SIX_PEOPLE))
    assert [one.confirmed for one in seen] == [True] * 6
    assert sum(not np.isnan(one.expression.in_view) for one in seen) >= 5


class Doubting:
    """A detector that finds faces in whole pictures, and in a crop none whenever it is asked again."""

    sure = 0.65

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.input_size = detector.input_size
        self.asked_again = 0

    def detect(self, image: Image, min_confidence: float) -> FaceDetections:
        if image.shape[0] != image.shape[1]:
            return self._detector.detect(image, min_confidence)
        self.asked_again += 1
        return FaceDetections.empty()


def test_faces_that_the_mesh_network_sees_clearly_need_no_second_opinion() -> None:
    detector = Doubting(load_pack(resolve_pack("open")).detector)
    seen = faces_in(detector, read(SIX_PEOPLE))
    confirmed = [one for one in seen if one.confirmed]
    assert len(confirmed) >= 3
    assert min(one.expression.in_view for one in confirmed) > 20
    assert detector.asked_again == 3 * (len(seen) - len(confirmed))


@pytest.mark.parametrize(("side", "smaller"), [(300.0, True), (60.0, False)])
def test_only_large_known_faces_are_looked_for_in_a_smaller_picture(side: float, smaller: bool) -> None:
    widths: list[int] = []

    def bgr(wide: int = 1280, high: int = 720) -> NDArray[np.uint8]:
        widths.append(wide)
        return np.asarray(cv2.resize(NOISE, (wide, high)), np.uint8)

    analyzer = analyzer_of(OneFace(FRONT, 0.9), NOISE)
    known = np.array([[500, 200, 500 + side, 200 + side]], np.float32)
    analyzer.detect(cast(Frame, SimpleNamespace(pts=25, bgr=bgr)), dense=True, near=known)
    assert (widths[0] < 1280) is smaller


def test_a_known_face_is_looked_for_in_a_smaller_picture_found_where_it_is_and_measured_alone() -> None:
    picture = read(SIX_PEOPLE)
    analyzer = analyzer_of(load_pack(resolve_pack("open")).detector, picture)
    everybody = analyzer.detect(frame_of(picture))
    one = everybody[2]
    (again,) = analyzer.detect(frame_of(picture), dense=True, near=one.box[None])
    assert overlaps(again.box[None], one.box[None])[0, 0] > 0.5
    assert (one.dense, again.dense) == (False, True)
    assert (again.pts, again.t_s) == (25, 1.0)
    np.testing.assert_allclose(again.landmarks, one.landmarks, atol=0.05 * (one.box[2] - one.box[0]))
    assert analyzer.frames == 2


def test_faces_smaller_than_asked_for_are_left_out() -> None:
    detector = OneFace(FRONT, 0.9)
    context = context_of(source_of(width=1280, height=720), settings={"min_face_px": 201})
    analyzer = FaceAnalyzer(detector, Cropping(), context)  # type: ignore[arg-type]
    assert analyzer.detect(frame_of(NOISE)) == []
    assert (analyzer.frames, detector.asked_again) == (1, 0)
