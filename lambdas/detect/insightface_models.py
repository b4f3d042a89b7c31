"""Models in InsightFace's file format, run by insightface: SCRFD finds faces, ArcFace embeds them.

The package is loaded here and nowhere else: a pack without a model of its format does not need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lambdas.detect import device
from lambdas.detect.detectors import session_options
from lambdas.detect.embedders import in_usual_light
from lambdas.detect.faces.alignment import ARCFACE_SIDE, ARCFACE_TEMPLATE, aligned_crop
from lambdas.detect.faces.detections import (
    STRIDE,
    FaceDetections,
    Floats,
    Image,
    detect_at_two_scales,
    detector_size,
    distinct,
    normed,
)
from lambdas.errors import DamagedPack, MissingPack


def insightface_model(path: Path, threads: int) -> Any:
    """What insightface's model zoo makes of an ONNX file, on this process' device; None for one it does not know.

    A file that was asked about (`role_of`) is not loaded again. Raises MissingPack where insightface, or what it asks
    for, is not here.
    """
    return _loaded(str(path.resolve()), path.stat().st_mtime_ns, threads, device.provider())


@lru_cache(maxsize=4)
def _loaded(path: str, modified_ns: int, threads: int, provider: str) -> Any:
    model = _model_zoo().get_model(
        path, providers=[provider], sess_options=session_options(threads), static_shape_sessions=False
    )
    if model is not None:
        device.check_session(model.session)
    return model


def role_of(path: Path) -> tuple[Literal["detection", "recognition", "other"], int]:
    """What an ONNX file does, as insightface tells it, and the width of its output where that is an embedding.

    Raises MissingPack, and DamagedPack for a file that is no model.
    """
    zoo = _model_zoo()
    try:
        model = insightface_model(path, 1)
    except Exception as error:  # onnxruntime and onnx have errors of their own for what they can't read
        if isinstance(error, MissingPack):
            raise
        raise DamagedPack(f"{path}: not an ONNX model ({type(error).__name__})") from error
    if isinstance(model, zoo.SCRFD):
        return ("detection", 0) if model.use_kps else ("other", 0)
    if isinstance(model, zoo.ArcFaceONNX):
        width = model.output_shape[-1]
        return ("recognition", width) if isinstance(width, int) and width > 0 else ("other", 0)
    return "other", 0


class ScrfdDetector:
    """SCRFD (Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", 2021) by insightface.

    A file without landmarks is refused, since faces could not be aligned. A file of fixed size works too: every picture
    is padded to it.
    """

    sure = 0.65
    """Of doubtful faces those fit for publishing got 0.70 at least, others 0.57 at most."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        self._model = insightface_model(model, threads)
        if not getattr(self._model, "use_kps", False):
            outputs = len(self._model.session.get_outputs()) if self._model is not None else 0
            raise DamagedPack(f"{model.name}: {outputs} outputs, no SCRFD with the landmarks that are needed")
        self._fixed: tuple[int, int] | None = self._model.static_input_size
        # A file of five grids has strides of 64 and 128 as well.
        self._stride = STRIDE if self._model.fmc == 3 else 128
        self._padded: NDArray[np.uint8] = np.zeros((0, 0, 3), np.uint8)

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return detector_size(width, height)

    def detect(self, image: Image, min_confidence: float) -> FaceDetections:
        return detect_at_two_scales(self._look, image, min_confidence)

    def _look(self, image: Image, min_confidence: float) -> FaceDetections:
        scores, boxes, landmarks = self._model.forward(self._filled(image), min_confidence)
        found = FaceDetections(
            np.concatenate(boxes).astype(np.float32),
            np.concatenate(landmarks).astype(np.float32),
            np.concatenate(scores).reshape(-1).astype(np.float32),
        )
        return distinct(found)

    def _filled(self, image: Image) -> Image:
        """The picture in the top left, black beyond, of the file's size or of the next multiples of its stride."""
        height, width = image.shape[:2]
        stride = self._stride
        wide, high = self._fixed or (-(-width // stride) * stride, -(-height // stride) * stride)
        if (high, wide) == (height, width):
            return image
        if self._padded.shape[:2] != (high, wide):
            self._padded = np.zeros((high, wide, 3), np.uint8)
        self._padded[:height, :width] = image
        self._padded[height:] = 0
        self._padded[:height, width:] = 0
        return self._padded


class ArcFaceEmbedder:
    """ArcFace (Deng et al., 2019) or anything of InsightFace's recognition format, by insightface."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        self._model = insightface_model(model, threads)
        if not hasattr(self._model, "get_feat"):
            raise DamagedPack(f"{model.name}: no recognition model of InsightFace's format")
        self._side = int(self._model.input_size[0])
        self.size = int(self._model.output_shape[1])
        # A file that fixes how many faces it takes, or a CPU, which gains nothing by more, gets one at a time.
        self._batch = 1 if isinstance(self._model.input_shape[0], int) else device.batch()

    def align(self, image: Image, landmarks: Floats, box: Floats) -> Image:
        return aligned_crop(image, landmarks, ARCFACE_TEMPLATE * (self._side / ARCFACE_SIDE), self._side)

    def embed(self, crops: Sequence[Image]) -> Floats:
        lit = [in_usual_light(crop) for crop in crops]
        if not lit:
            return np.zeros((0, self.size), np.float32)
        batches = [lit[first : first + self._batch] for first in range(0, len(lit), self._batch)]
        return normed(np.concatenate([self._model.get_feat(batch) for batch in batches]))


def _model_zoo() -> Any:
    try:
        from insightface import model_zoo
    except ImportError as error:
        raise MissingPack(
            f"models of InsightFace's format need its package ({error.name or error} is missing): "
            "pip install 'talent-frames[insightface]'; the command fetches the package itself"
        ) from error
    return model_zoo
