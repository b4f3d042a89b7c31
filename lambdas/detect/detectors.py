"""Face detectors on onnxruntime: SCRFD through insightface, CenterFace, YuNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.detect import device
from lambdas.detect.faces import FaceDetections, Floats, Image, detect_at_two_scales, detector_size, distinct, padded


def onnx_session(path: Path, threads: int) -> Any:
    """An onnxruntime session on this process' device that uses so many threads, and keeps quiet about it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Warnings about initializers among the graph's inputs come by the hundred.
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=[device.provider()])
    device.check_session(session)
    return session


class ScrfdDetector:
    """SCRFD (Guo et al., "Sample and Computation Redistribution for Efficient Face Detection", 2021) by insightface."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        from insightface.model_zoo import SCRFD

        # Given a session and no file, insightface neither parses the ONNX again nor builds a session per resolution.
        self._model: Any = SCRFD(session=onnx_session(model, threads), static_shape_sessions=False)

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return detector_size(width, height)

    def detect(self, image: Image, min_confidence: float) -> FaceDetections:
        return detect_at_two_scales(self._look, image, min_confidence)

    def _look(self, image: Image, min_confidence: float) -> FaceDetections:
        fixed = self._model.static_input_size or (0, 0)
        scores, boxes, landmarks = self._model.forward(padded(image, *fixed), min_confidence)
        return distinct(
            FaceDetections(
                np.concatenate(boxes).astype(np.float32),
                np.concatenate(landmarks).astype(np.float32),
                np.concatenate(scores).ravel().astype(np.float32),
            )
        )


class CenterFaceDetector:
    """CenterFace (Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019; MIT).

    Takes RGB, 0 to 255. The file must have dynamic height and width; the published one does not.
    """

    def __init__(self, model: Path, threads: int = 1) -> None:
        self._session = onnx_session(model, threads)

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return detector_size(width, height)

    def detect(self, image: Image, min_confidence: float) -> FaceDetections:
        return detect_at_two_scales(self._look, image, min_confidence)

    def _look(self, image: Image, min_confidence: float) -> FaceDetections:
        blob = cv2.dnn.blobFromImage(padded(image), swapRB=True)
        heat, size, offset, points = self._session.run(["537", "538", "539", "540"], {"input.1": blob})
        rows, columns = np.nonzero(heat[0, 0] >= min_confidence)
        if not rows.size:
            return FaceDetections.empty()
        # The heat map is a quarter of the input; size is the log of a quarter of the box.
        extent = np.exp(size[0][::-1, rows, columns]).T * 4
        centre = (np.stack([columns, rows], axis=1) + offset[0][::-1, rows, columns].T + 0.5) * 4
        corner = centre - extent / 2
        # Landmarks are (y, x) shares of the box.
        shares = points[0][:, rows, columns].T.reshape(-1, 5, 2)[:, :, ::-1]
        landmarks = corner[:, None] + shares * extent[:, None]
        return distinct(
            FaceDetections(
                np.hstack([corner, corner + extent]).astype(np.float32),
                landmarks.astype(np.float32),
                heat[0, 0, rows, columns].astype(np.float32),
            )
        )


class YuNetDetector:
    """YuNet (Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023), decoded as OpenCV does it.

    Takes BGR, 0 to 255. A file of fixed size works too: every look is padded to it.
    """

    _STRIDES = (8, 16, 32)

    def __init__(self, model: Path, threads: int = 1) -> None:
        self._session = onnx_session(model, threads)
        self._outputs = [f"{part}_{stride}" for stride in self._STRIDES for part in ("cls", "obj", "bbox", "kps")]
        height, width = self._session.get_inputs()[0].shape[2:]
        self._fixed = (width, height) if isinstance(width, int) and isinstance(height, int) else (0, 0)

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return detector_size(width, height)

    def detect(self, image: Image, min_confidence: float) -> FaceDetections:
        return detect_at_two_scales(self._look, image, min_confidence)

    def _look(self, image: Image, min_confidence: float) -> FaceDetections:
        canvas = padded(image, *self._fixed)
        outputs = self._session.run(self._outputs, {"input": cv2.dnn.blobFromImage(canvas)})
        found = [
            _yunet_level(outputs[4 * level : 4 * level + 4], stride, canvas.shape[1] // stride, min_confidence)
            for level, stride in enumerate(self._STRIDES)
        ]
        boxes, landmarks, confidence = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return distinct(FaceDetections(boxes, landmarks, confidence))


def _yunet_level(
    outputs: list[Floats], stride: int, columns: int, min_confidence: float
) -> tuple[Floats, Floats, Floats]:
    """Boxes (n, 4), landmarks (n, 5, 2) and confidence (n,) of one of YuNet's three grids."""
    classes, objects, boxes, points = outputs
    confidence = np.sqrt(np.clip(classes[0, :, 0], 0, 1) * np.clip(objects[0, :, 0], 0, 1))
    cells = np.nonzero(confidence >= min_confidence)[0]
    origin: NDArray[np.floating[Any]] = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
    centre = (origin + boxes[0, cells, :2]) * stride
    half = np.exp(boxes[0, cells, 2:]) * stride / 2
    landmarks = (origin[:, None] + points[0, cells].reshape(-1, 5, 2)) * stride
    return (
        np.hstack([centre - half, centre + half]).astype(np.float32),
        landmarks.astype(np.float32),
        confidence[cells].astype(np.float32),
    )
