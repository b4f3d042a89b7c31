"""Face embedders on onnxruntime: ArcFace, dlib's ResNet, SFace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from lambdas.detect import device
from lambdas.detect.detectors import onnx_session
from lambdas.detect.faces import ARCFACE_SIDE, ARCFACE_TEMPLATE, Floats, Image, aligned_crop, normed
from lambdas.detect.onnx_graph import read_graph

USUAL_LIGHT = 0.3
"""Median brightness, 0 to 1, that darker faces are brought to: of 0.2 to 0.45 the best on 553 faces. Of frames of six
people shown with 0.18 of their light, the nearest strangers are then 0.40 apart instead of 0.35 with dlib and 0.76
instead of 0.62 with MobileFaceNet; a person's dark and well lit faces at most 0.23 instead of 0.33, and 0.32 instead
of 0.43."""


def in_usual_light(crop: Image) -> Image:
    """The aligned crop (s, s, 3), made brighter if its face is dark, at most until its lightest parts are white.

    Embedders were trained on faces in good light: in the dark they find everybody alike.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    rim = grey.shape[0] // 5
    median = float(np.median(grey[rim:-rim, rim:-rim]))
    gain = min(255 * USUAL_LIGHT / max(median, 1.0), 255 / max(float(np.quantile(grey, 0.98)), 1.0))
    return crop if gain <= 1 else np.asarray(cv2.convertScaleAbs(crop, alpha=gain), np.uint8)


class ArcFaceEmbedder:
    """ArcFace (Deng et al., 2019) or anything of InsightFace's recognition format: RGB, -1 to 1."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        self._session = onnx_session(model, threads)
        self._side = int(self._session.get_inputs()[0].shape[3])
        self.size = int(self._session.get_outputs()[0].shape[1])
        # What insightface goes by: files made by MXNet bring their input into range themselves, 0 to 255 before.
        first = read_graph(model, nodes=8).first_nodes
        itself = any(name.startswith(("Sub", "_minus")) for name in first) and any(
            name.startswith(("Mul", "_mul")) for name in first
        )
        self._mean, self._scale = (0.0, 1.0) if itself else (127.5, 1 / 127.5)

    def align(self, image: Image, landmarks: Floats, box: Floats) -> Image:
        return aligned_crop(image, landmarks, ARCFACE_TEMPLATE * (self._side / ARCFACE_SIDE), self._side)

    def embed(self, crops: Sequence[Image]) -> Floats:
        lit = [in_usual_light(crop) for crop in crops]
        mean = (self._mean,) * 3
        blobs = [cv2.dnn.blobFromImage(crop, self._scale, mean=mean, swapRB=True) for crop in lit]
        return _stacked([found[0] for found in device.first_outputs(self._session, blobs)], self.size)


class SFaceEmbedder:
    """SFace (Zhong et al., 2021; Apache-2.0) as OpenCV's FaceRecognizerSF runs it: RGB, 0 to 255."""

    size = 128

    def __init__(self, model: Path, threads: int = 1) -> None:
        self._session = onnx_session(model, threads)

    def align(self, image: Image, landmarks: Floats, box: Floats) -> Image:
        return aligned_crop(image, landmarks, ARCFACE_TEMPLATE, ARCFACE_SIDE)

    def embed(self, crops: Sequence[Image]) -> Floats:
        blobs = [cv2.dnn.blobFromImage(in_usual_light(crop), swapRB=True) for crop in crops]
        return _stacked([found[0] for found in device.first_outputs(self._session, blobs)], self.size)


DLIB_SIDE = 150
DLIB_TEMPLATE = np.array([[47.2, 47.1], [102.0, 47.1], [74.2, 78.7], [51.0, 102.8], [98.0, 102.8]], np.float32)
"""(5, 2) where the detector's landmarks lie in the chips dlib cuts with its own 5-point predictor (padding 0.25):
medians over 188 faces of 23 people, made symmetric."""
DLIB_MEAN = np.fromstring(
    """
    -0.061 0.066 0.045 -0.034 -0.073 -0.011 -0.032 -0.069 0.099 -0.053 0.144 -0.030 -0.156 -0.022 -0.022 0.105 -0.112
    -0.088 -0.066 -0.037 0.022 0.021 0.013 0.028 -0.094 -0.221 -0.055 -0.053 0.029 -0.053 -0.011 0.037 -0.121 -0.030
    0.027 0.051 -0.030 -0.050 0.134 0.001 -0.140 0.011 0.046 0.169 0.143 0.015 0.025 -0.070 0.080 -0.169 0.037 0.103
    0.059 0.053 0.043 -0.102 0.013 0.099 -0.118 0.041 0.056 -0.062 -0.017 -0.042 0.135 0.066 -0.076 -0.110 0.110
    -0.105 -0.043 0.053 -0.079 -0.114 -0.206 0.014 0.270 0.085 -0.117 0.023 -0.039 -0.013 0.038 0.066 -0.041 -0.019
    -0.058 0.020 0.153 -0.021 -0.005 0.153 0.008 0.011 0.017 0.040 -0.071 -0.004 -0.082 -0.004 0.015 -0.042 0.004
    0.075 -0.120 0.105 -0.014 -0.006 -0.005 -0.010 -0.050 -0.019 0.111 -0.171 0.131 0.120 0.026 0.082 0.051 0.049
    0.002 -0.012 -0.114 -0.044 0.032 -0.032 0.024 0.026
    """,
    np.float32,
    sep=" ",
)
"""(128,) mean of L2-normed descriptors over 31 people, each person counting once.

dlib's descriptors all point much the same way (this mean is 0.92 long), so that cosine distances between strangers are
about 0.1. Less their mean they spread over the whole range, and one distance fits more kinds of pictures: with the mean
of half the people, tested on the other half, 96.7% instead of 92.0% of a person's pairs lie below the distance that one
in a thousand pairs of strangers stays under (docs/models.md).
"""


class DlibEmbedder:
    """dlib's ResNet (King, `dlib_face_recognition_resnet_model_v1`, CC0) as ONNX, from the detector's landmarks.

    Takes BGR, 0 to 255. A face and its mirror image, a little closer, are embedded and averaged: over 294 faces of 27
    people in the light, in the dark, turned, covered and small, 72% of a person's pairs instead of 68% lie below the
    distance that one in ten thousand pairs of strangers stays under.
    """

    size = 128

    def __init__(self, model: Path, threads: int = 1) -> None:
        self._session = onnx_session(model, threads)

    def align(self, image: Image, landmarks: Floats, box: Floats) -> Image:
        return aligned_crop(image, landmarks, DLIB_TEMPLATE, DLIB_SIDE)

    def embed(self, crops: Sequence[Image]) -> Floats:
        lit = [in_usual_light(crop) for crop in crops]
        blobs = [cv2.dnn.blobFromImages([crop, _closer_mirrored(crop)]) for crop in lit]
        means = [found.mean(axis=0) for found in device.first_outputs(self._session, blobs)]
        descriptors = _stacked(means, self.size)
        return normed(descriptors - DLIB_MEAN) if len(descriptors) else descriptors


def _closer_mirrored(crop: Image) -> Image:
    """The mirrored crop without its rim, in the same size."""
    side = crop.shape[0]
    rim = round(side * 8 / DLIB_SIDE)
    middle = np.ascontiguousarray(crop[rim : side - rim, rim : side - rim][:, ::-1])
    return np.asarray(cv2.resize(middle, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def _stacked(vectors: Sequence[Floats], size: int) -> Floats:
    """(n, size) L2-normed rows."""
    return normed(np.stack(vectors)) if vectors else np.zeros((0, size), np.float32)
