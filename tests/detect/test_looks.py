"""What a look measures of each face: which are read, and which are confirmed by a second look."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import cv2
import numpy as np
import pytest
from lambdas.detect.frames import Frame
from lambdas.detect.looks import Looker, Stopwatch
from lambdas.detect.tracks import Sighting
from numpy.typing import NDArray

from lambdas.contracts import Settings
from lambdas.detect.faces import ARCFACE_TEMPLATE, FaceDetections, Floats, Image
from lambdas.detect.packs import load_pack
from lambdas.staging import DirectoryStaging
from talent_frames.packs import resolve_pack
from tests.cluster.factory import Video
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


def look(detector: object, picture: NDArray[np.uint8], tmp_path: Path) -> list[Sighting]:
    height, width = picture.shape[:2]
    source = Video(1.0).write(DirectoryStaging(tmp_path)).source
    looker = Looker(
        detector,  # type: ignore[arg-type]
        Cropping(),  # type: ignore[arg-type]
        source.model_copy(update={"width": width, "height": height}),
        Settings(),
        Stopwatch(),
    )

    def bgr(wide: int = width, high: int = height) -> NDArray[np.uint8]:
        return np.asarray(cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)

    return looker.look(cast(Frame, SimpleNamespace(pts=0, bgr=bgr)), dense=False)


@pytest.mark.parametrize(("again", "confirmed"), [(0.1, False), (0.9, True)])
def test_what_the_mesh_network_doubts_the_detector_is_asked_again(
    tmp_path: Path, again: float, confirmed: bool
) -> None:
    detector = OneFace(FRONT, again)
    (seen,) = look(detector, NOISE, tmp_path)
    assert detector.asked_again == 3
    assert seen.confirmed == confirmed


def test_a_face_turned_away_is_not_read_but_looked_at_again(tmp_path: Path) -> None:
    detector = OneFace(PROFILE, 0.9)
    (seen,) = look(detector, NOISE, tmp_path)
    assert np.isnan([*seen.expression.openings, seen.expression.in_view]).all()
    assert (detector.asked_again, seen.confirmed) == (3, True)


def test_real_faces_are_confirmed_and_read(tmp_path: Path) -> None:
    seen = look(load_pack(resolve_pack("open")).detector, read(SIX_PEOPLE), tmp_path)
    assert [one.confirmed for one in seen] == [True] * 6
    assert sum(not np.isnan(one.expression.in_view) for one in seen) >= 5
