"""Faces brought upright and to one size, as networks were trained on them. Pure: pictures in and out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.detect.faces.detections import Floats, Image

ARCFACE_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
"""(5, 2) where ArcFace and SFace expect the landmarks in a crop of 112x112: insightface's `arcface_dst`, which
OpenCV's FaceRecognizerSF uses too."""
ARCFACE_SIDE = 112
FINEST = 2
"""No crop shows a face in more pixels than this many of ARCFACE_TEMPLATE: the picture that eyes are cut from."""
_PART_SIDE = 144
_PART_TEMPLATE = ARCFACE_TEMPLATE + np.array([16, 0], np.float32)
"""A crop that would hold all others: the largest, for the face mesh, reaches from -15 to 127 and from 1 to 143."""


def similarity_transform(source: Floats, target: Floats) -> NDArray[np.float64]:
    """(2, 3) rotation, uniform scale and shift that brings the points of `source` nearest to `target`.

    Both (n, 2), n >= 2. Least squares after Umeyama, "Least-squares estimation of transformation parameters between
    two point patterns" (1991); in the plane it has this closed form, without reflection.
    """
    a, b = source.astype(np.float64), target.astype(np.float64)
    a_mean, b_mean = a.mean(axis=0), b.mean(axis=0)
    a, b = a - a_mean, b - b_mean
    spread = max(float((a * a).sum()), 1e-12)
    cos = float((a * b).sum()) / spread
    sin = float((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum()) / spread
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.hstack([linear, (b_mean - linear @ a_mean)[:, None]])


def aligned_crop(image: Image, landmarks: Floats, template: Floats, side: int) -> Image:
    """(side, side, 3) picture in which the landmarks (5, 2) lie as near to the template (5, 2) as turning, scaling and
    shifting can bring them; black outside the image.

    A face much larger than the crop is shrunk on its way, or bilinear sampling would skip most of its pixels.
    """
    matrix = similarity_transform(landmarks, template)
    times = _times(matrix, 1)
    if times > 1:
        image, back = _shrunk(image, _covered(matrix, side, image.shape[1], image.shape[0]), times)
        matrix = matrix @ back
    return np.asarray(cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR), np.uint8)


@dataclass(frozen=True)
class FacePart:
    """The part of an image that holds all aligned crops of one face, shrunk as far as all of them allow.

    Takes the image's place wherever crops are made, so that a large face is shrunk once and not for every crop.
    """

    image: Image
    landmarks: Floats
    """(5, 2) in pixels of the part."""


def face_part(image: Image, landmarks: Floats) -> FacePart:
    """Of the face with these landmarks, (5, 2) in pixels of the image; a view into it where nothing is shrunk."""
    matrix = similarity_transform(landmarks, _PART_TEMPLATE)
    if not matrix[:, :2].any():  # all landmarks in one point
        return FacePart(image, landmarks)
    times = _times(matrix, FINEST)
    part, back = _shrunk(image, _covered(matrix, _PART_SIDE, image.shape[1], image.shape[0]), times)
    return FacePart(part, np.asarray((landmarks - back[:2, 2]) / back[0, 0], np.float32))


def _times(matrix: NDArray[np.float64], enlarged: float) -> int:
    """By how much the image may be shrunk before the matrix, its result `enlarged` so many times, is applied.

    A power of two: OpenCV shrinks several times faster by a whole number. What is left to the sampling is 0.5 to 1.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0])) * enlarged
    return 2 ** math.ceil(math.log2(0.5 / scale)) if 0 < scale < 0.5 else 1


def _shrunk(image: Image, covered: tuple[int, int, int, int], times: int) -> tuple[Image, NDArray[np.float64]]:
    """The covered part (half-open xyxy) that many times smaller, and the (3, 3) way back from its pixels; the image as
    it is where nothing is left of the part."""
    x1, y1, x2, y2 = covered
    columns, rows = (x2 - x1) // times, (y2 - y1) // times
    if columns <= 0 or rows <= 0:
        return image, np.eye(3)
    part = image[y1 : y1 + rows * times, x1 : x1 + columns * times]
    if times > 1:
        part = np.asarray(cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    # Pixel centres: x_small = (x - x1 + 0.5) / times - 0.5.
    middle = 0.5 * times - 0.5
    return part, np.array([[times, 0, x1 + middle], [0, times, y1 + middle], [0, 0, 1]], np.float64)


def _covered(matrix: NDArray[np.float64], side: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Half-open xyxy of the image's pixels that the crop shows, with a little margin."""
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]], np.float64)
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    points = (corners @ inverse.T)[:, :2]
    margin = 16
    x1, y1 = np.floor(points.min(axis=0)).astype(int) - margin
    x2, y2 = np.ceil(points.max(axis=0)).astype(int) + margin
    return max(0, int(x1)), max(0, int(y1)), min(width, int(x2)), min(height, int(y2))
