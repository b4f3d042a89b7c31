"""What a face detector and a face embedder are, and what detectors share. Pure: no files, no models."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""BGR, (h, w, 3)."""
Floats = NDArray[np.float32]

LONG_SIDE = 640
"""Pixels the longer side of a frame is brought to before detection; smaller frames stay as they are."""
SMALL_SIDE = 128
"""Longer side of the second look, which finds faces that fill the frame (insightface's automatic sizes: 128, 640)."""
STRIDE = 32
"""The detectors' coarsest stride: their input is padded to a multiple of it."""
NMS_IOU = 0.4
_MARGIN = 0.8
"""Sides of a face by which the part of the image that is looked at goes beyond it."""
_WORTH_PARTING = 0.7
"""Share of the image from which looking at all of it is as quick."""
SAME_FACE_LANDMARKS = 0.2
"""Two boxes whose landmarks differ by less than this share of the larger box's side show the same face."""


@dataclass(frozen=True)
class FaceDetections:
    """The faces in one image, best first."""

    boxes: Floats
    """(n, 4) xyxy, pixels of the image; may reach outside it."""
    landmarks: Floats
    """(n, 5, 2) left eye, right eye, nose, left and right mouth corner as seen in the picture, pixels."""
    confidence: Floats
    """(n,) 0 to 1."""

    def __post_init__(self) -> None:
        n = len(self.confidence)
        for name, shape in (("boxes", (n, 4)), ("landmarks", (n, 5, 2)), ("confidence", (n,))):
            array = getattr(self, name)
            if array.shape != shape or array.dtype != np.float32:
                raise ValueError(f"{name}: {array.dtype}{list(array.shape)} instead of float32{list(shape)}")

    def __len__(self) -> int:
        return len(self.confidence)

    @classmethod
    def empty(cls) -> Self:
        return cls(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))

    def scaled(self, x: float, y: float) -> FaceDetections:
        """The same faces in an image `x` times as wide and `y` times as high."""
        factor = np.array([x, y], np.float32)
        return FaceDetections(self.boxes * np.tile(factor, 2), self.landmarks * factor, self.confidence)

    def taken(self, rows: NDArray[np.intp]) -> FaceDetections:
        """These rows, in this order."""
        return FaceDetections(self.boxes[rows], self.landmarks[rows], self.confidence[rows])


class Detector(Protocol):
    """Finds faces."""

    sure: float
    """Mean confidence of a second opinion (`confidence_again`) from which a doubtful detection is a face."""

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) an upright frame of this size should be scaled to before `detect`."""
        ...

    def detect(self, image: Image, min_confidence: float) -> FaceDetections:
        """The faces of at least this confidence, in pixels of the given image, best first."""
        ...


class Embedder(Protocol):
    """Turns a face into a vector whose cosine distance to another tells whether both are one person."""

    @property
    def size(self) -> int:
        """Numbers in an embedding."""
        ...

    def align(self, image: Image, landmarks: Floats, box: Floats) -> Image:
        """(s, s, 3) crop of one face, upright and centred.

        `image` is the full-resolution frame, `landmarks` (5, 2) and `box` (4,) are in its pixels.
        """
        ...

    def embed(self, crops: Sequence[Image]) -> Floats:
        """(n, size) L2-normed embeddings of aligned crops; (0, size) for none."""
        ...


def detector_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) with the longer side at most LONG_SIDE, shape kept, never enlarged."""
    scale = min(1.0, LONG_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def detect_at_two_scales(
    look: Callable[[Image, float], FaceDetections], image: Image, min_confidence: float
) -> FaceDetections:
    """What `look` sees in the image and in one of SMALL_SIDE, duplicates removed.

    Detectors trained on faces up to some hundred pixels miss those that fill the frame; in a thumbnail they don't.
    """
    height, width = image.shape[:2]
    found = look(image, min_confidence)
    scale = SMALL_SIDE / max(width, height)
    if scale < 1:
        small_size = max(1, round(width * scale)), max(1, round(height * scale))
        small = np.asarray(cv2.resize(image, small_size, interpolation=cv2.INTER_AREA), np.uint8)
        close = look(small, min_confidence).scaled(width / small_size[0], height / small_size[1])
        found = merged(found, close)
    return distinct(found)


def detect_near(detector: Detector, image: Image, boxes: Floats, min_confidence: float) -> FaceDetections:
    """The faces about the given ones, (n, 4) xyxy in pixels of the image, looked for in parts of it where that is less.

    Parts begin at multiples of STRIDE and hold a margin, so that a convolutional detector sees the same in them.
    """
    height, width = image.shape[:2]
    parts = _parts_about(boxes, width, height)
    if sum((x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in parts) > _WORTH_PARTING * width * height:
        return detector.detect(image, min_confidence)
    found = []
    for x1, y1, x2, y2 in parts:
        part = detector.detect(np.ascontiguousarray(image[y1:y2, x1:x2]), min_confidence)
        shift = np.array([x1, y1], np.float32)
        found.append(FaceDetections(part.boxes + np.tile(shift, 2), part.landmarks + shift, part.confidence))
    return distinct(merged(*found))


def _parts_about(boxes: Floats, width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Half-open xyxy of the image's parts, apart from one another, that hold the boxes with a margin."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1).max(axis=1, keepdims=True) * _MARGIN
    low = np.maximum(np.floor((boxes[:, :2] - sides) / STRIDE), 0) * STRIDE
    high = np.minimum(np.ceil((boxes[:, 2:] + sides) / STRIDE) * STRIDE, [width, height])
    parts = [tuple(row) for row in np.hstack([low, high]).astype(int).tolist() if row[0] < row[2] and row[1] < row[3]]
    joined = True
    while joined:
        joined = False
        for i, j in itertools.combinations(range(len(parts)), 2):
            a, b = parts[i], parts[j]
            if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]:
                parts[i] = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
                del parts[j]
                joined = True
                break
    return [(x1, y1, x2, y2) for x1, y1, x2, y2 in parts]


def merged(*parts: FaceDetections) -> FaceDetections:
    """All faces of all parts."""
    parts = tuple(part for part in parts if len(part))
    if len(parts) < 2:
        return parts[0] if parts else FaceDetections.empty()
    return FaceDetections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        np.concatenate([part.confidence for part in parts]),
    )


def distinct(found: FaceDetections) -> FaceDetections:
    """One detection per face, best first: greedy non-maximum suppression by overlap and by landmarks.

    Landmarks catch what overlap misses: a part of a large face found as a face of its own has the same eyes.
    """
    if len(found) < 2:
        return found
    order = np.argsort(-found.confidence, kind="stable")
    x1, y1, x2, y2 = found.boxes.T
    areas = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)
    sides = np.maximum(x2 - x1, y2 - y1)
    keep = []
    while order.size:
        best, rest = order[0], order[1:]
        keep.append(best)
        overlap = np.maximum(np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest]), 0) * np.maximum(
            np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest]), 0
        )
        iou = overlap / np.maximum(areas[best] + areas[rest] - overlap, 1e-6)
        apart = np.linalg.norm(found.landmarks[rest] - found.landmarks[best], axis=2).mean(axis=1)
        twin = apart < SAME_FACE_LANDMARKS * np.maximum(sides[rest], sides[best])
        order = rest[(iou <= NMS_IOU) & ~(twin & (overlap > 0))]
    return found.taken(np.array(keep))


def normed(vectors: NDArray[np.floating]) -> Floats:
    """(n, d) each row divided by its length; a row of zeros stays zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)
