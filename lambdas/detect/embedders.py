"""Face embedders: ArcFace through insightface, dlib's ResNet, SFace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lambdas.detect.detectors import onnx_session
from lambdas.detect.faces import Floats, Image, aligned_crop, normed

ARCFACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
"""(5, 2) where ArcFace and SFace expect the landmarks in a crop of 112x112: insightface's `arcface_dst`, which
OpenCV's FaceRecognizerSF uses too."""
ARCFACE_SIDE = 112


class ArcFaceEmbedder:
    """ArcFace (Deng et al., 2019) or anything of insightface's recognition format, by insightface."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        from insightface.model_zoo import ArcFaceONNX

        self._model: Any = ArcFaceONNX(model_file=str(model), session=onnx_session(model, threads))
        self._side = int(self._model.input_size[0])
        self.size = int(self._model.output_shape[1])

    def align(self, image: Image, landmarks: Floats, box: Floats) -> Image:
        return aligned_crop(image, landmarks, ARCFACE_TEMPLATE * (self._side / ARCFACE_SIDE), self._side)

    def embed(self, crops: Sequence[Image]) -> Floats:
        # One at a time: on a CPU a batch of 8 takes half as long again per face.
        return _stacked([self._model.get_feat(crop)[0] for crop in crops], self.size)


class SFaceEmbedder:
    """SFace (Zhong et al., 2021; Apache-2.0) as OpenCV's FaceRecognizerSF runs it: RGB, 0 to 255."""

    size = 128

    def __init__(self, model: Path, threads: int = 1) -> None:
        self._session = onnx_session(model, threads)
        self._input = self._session.get_inputs()[0].name

    def align(self, image: Image, landmarks: Floats, box: Floats) -> Image:
        return aligned_crop(image, landmarks, ARCFACE_TEMPLATE, ARCFACE_SIDE)

    def embed(self, crops: Sequence[Image]) -> Floats:
        blobs = [cv2.dnn.blobFromImage(crop, swapRB=True) for crop in crops]
        return _stacked([self._session.run(None, {self._input: blob})[0][0] for blob in blobs], self.size)


DLIB_SIDE = 150
DLIB_TEMPLATE = np.array([[47.2, 47.1], [102.0, 47.1], [74.2, 78.7], [51.0, 102.8], [98.0, 102.8]], np.float32)
"""(5, 2) where a detector's landmarks lie in the 150x150 chips dlib cuts with its own 5-point predictor."""


class DlibEmbedder:
    """dlib's ResNet (King, `dlib_face_recognition_resnet_model_v1`, CC0), from the detector's landmarks.

    A face and its mirror image are embedded and averaged.
    """

    size = 128

    def __init__(self, model: Path, threads: int = 1) -> None:
        import dlib

        self._model: Any = dlib.face_recognition_model_v1(str(model))

    def align(self, image: Image, landmarks: Floats, box: Floats) -> Image:
        return aligned_crop(image, landmarks, DLIB_TEMPLATE, DLIB_SIDE)

    def embed(self, crops: Sequence[Image]) -> Floats:
        vectors = []
        for crop in crops:
            rgb = np.ascontiguousarray(crop[:, :, ::-1])
            both = [self._model.compute_face_descriptor(view) for view in (rgb, np.ascontiguousarray(rgb[:, ::-1]))]
            vectors.append(np.mean(np.asarray(both), axis=0))
        return _stacked(vectors, self.size)


def _stacked(vectors: Sequence[Floats], size: int) -> Floats:
    """(n, size) L2-normed rows."""
    return normed(np.stack(vectors)) if vectors else np.zeros((0, size), np.float32)
