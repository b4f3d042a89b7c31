"""Face detectors on onnxruntime: CenterFace, YuNet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.detect import device
from lambdas.detect.faces.detections import (
    STRIDE,
    FaceDetections,
    Floats,
    Image,
    detect_at_two_scales,
    detector_size,
    distinct,
    merged,
)


def session_options(threads: int) -> Any:
    """onnxruntime's options for sessions that use so many threads and keep quiet about it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Warnings about initializers among the graph's inputs come by the hundred.
    options.log_severity_level = 3
    return options


def onnx_session(path: Path, threads: int) -> Any:
    """An onnxruntime session on this process' device."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), session_options(threads), providers=[device.provider()])
    device.check_session(session)
    return session


class InputBuffer:
    """A network's input, kept from one picture to the next. Not to be shared by threads.

    Memory the system hands out anew costs more than what is put into it: a picture of 640x384 takes 0.15 ms instead of
    2.9 in a process whose allocator gives megabytes back.
    """

    def __init__(self, *, rgb: bool, middle: float = 0.0, scale: float = 1.0) -> None:
        """`middle` is taken from every pixel, which is then multiplied by `scale`; channels are turned round if RGB."""
        self._order = (2, 1, 0) if rgb else (0, 1, 2)
        self._middle, self._scale = np.float32(middle), np.float32(scale)
        self._floats: Floats = np.empty(0, np.float32)
        self._bytes: NDArray[np.uint8] = np.empty(0, np.uint8)

    def filled(self, image: Image, size: tuple[int, int] | None = None) -> Floats:
        """(1, 3, height, width): the image in the top left, black beyond; valid until the next call.

        Of this size, (width, height), or of the next multiples of STRIDE.
        """
        h, w = image.shape[:2]
        width, height = size or (-(-w // STRIDE) * STRIDE, -(-h // STRIDE) * STRIDE)
        if self._floats.size < 3 * height * width:
            self._floats = np.empty(3 * height * width, np.float32)
        if self._bytes.size < image.size:
            self._bytes = np.empty(image.size, np.uint8)
        blob = self._floats[: 3 * height * width].reshape(1, 3, height, width)
        planes = self._bytes[: image.size].reshape(3, h, w)
        cv2.split(image, list(planes))
        for plane, channel in zip(self._order, planes, strict=True):
            np.copyto(blob[0, plane, :h, :w], channel)
        blob[0, :, h:] = 0
        blob[0, :, :h, w:] = 0
        if self._middle:
            np.subtract(blob, self._middle, out=blob)
        if self._scale != 1:
            np.multiply(blob, self._scale, out=blob)
        return blob


def _fixed_size(session: Any) -> tuple[int, int] | None:
    """(width, height) of the pictures a network takes, None where they may have any."""
    height, width = session.get_inputs()[0].shape[2:]
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None


class CenterFaceDetector:
    """CenterFace (Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019; MIT).

    Takes RGB, 0 to 255. The file must have dynamic height and width; the published one does not.
    """

    sure = 0.7
    """Of doubtful faces those fit for publishing got 0.75 at least, others 0.60 at most."""

    def __init__(self, model: Path, threads: int = 1) -> None:
        self._session = onnx_session(model, threads)
        self._buffer = InputBuffer(rgb=True)

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return detector_size(width, height)

    def detect(self, image: Image, min_confidence: float) -> FaceDetections:
        return detect_at_two_scales(self._look, image, min_confidence)

    def _look(self, image: Image, min_confidence: float) -> FaceDetections:
        blob = self._buffer.filled(image)
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


_YUNET_SCALE = (0.0, 0.6, 0.85, 1.0), (0.0, 0.5, 0.75, 1.0)
"""YuNet's own confidence, and what it means on the other detectors' scale, straight lines between.

Of 125 faces of 23 people YuNet gives all 0.89 and more, in the light, in the dark or out of focus, and 121 of them 0.60
and more when they are 32 pixels small; CenterFace 0.77 and SCRFD 0.70 and more in the light. In real film hands, napes
and bald heads get up to 0.76: of its detections at 0.5 to 0.6 there, 7 were faces and 18 were not
(docs/models.md)."""


class YuNetDetector:
    """YuNet (Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", 2023), decoded as OpenCV does it, its
    confidence brought to the other detectors' scale.

    Takes BGR, 0 to 255. A file of fixed size works too: every look is padded to it.
    """

    sure = 0.7
    """On its own scale 0.79, where doubtful faces fit for publishing got 0.83 at least, others 0.76 at most, but dark
    shapes 0.86."""

    _STRIDES = (8, 16, 32)

    def __init__(self, model: Path, threads: int = 1) -> None:
        self._session = onnx_session(model, threads)
        self._outputs = [f"{part}_{stride}" for stride in self._STRIDES for part in ("cls", "obj", "bbox", "kps")]
        self._fixed = _fixed_size(self._session)
        self._buffer = InputBuffer(rgb=False)

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return detector_size(width, height)

    def detect(self, image: Image, min_confidence: float) -> FaceDetections:
        return detect_at_two_scales(self._look, image, min_confidence)

    def _look(self, image: Image, min_confidence: float) -> FaceDetections:
        blob = self._buffer.filled(image, self._fixed)
        outputs = self._session.run(self._outputs, {"input": blob})
        return distinct(
            merged(
                *(
                    _yunet_level(outputs[4 * level : 4 * level + 4], stride, blob.shape[3] // stride, min_confidence)
                    for level, stride in enumerate(self._STRIDES)
                )
            )
        )


def _yunet_level(outputs: list[Floats], stride: int, columns: int, min_confidence: float) -> FaceDetections:
    """What one of YuNet's three grids shows."""
    classes, objects, boxes, points = outputs
    min_confidence = float(np.interp(min_confidence, _YUNET_SCALE[1], _YUNET_SCALE[0]))
    # A product of two numbers up to 1 is no larger than either: few cells are left to be looked at closely.
    likely = np.flatnonzero(classes[0, :, 0] >= min_confidence * min_confidence)
    confidence = np.sqrt(np.clip(classes[0, likely, 0], 0, 1) * np.clip(objects[0, likely, 0], 0, 1))
    sure = confidence >= min_confidence
    cells = likely[sure]
    if not cells.size:
        return FaceDetections.empty()
    origin: NDArray[np.floating[Any]] = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
    centre = (origin + boxes[0, cells, :2]) * stride
    half = np.exp(boxes[0, cells, 2:]) * stride / 2
    landmarks = (origin[:, None] + points[0, cells].reshape(-1, 5, 2)) * stride
    return FaceDetections(
        np.hstack([centre - half, centre + half]).astype(np.float32),
        landmarks.astype(np.float32),
        np.interp(confidence[sure], *_YUNET_SCALE).astype(np.float32),
    )
