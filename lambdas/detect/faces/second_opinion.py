"""Whether a doubtful detection is a face: the detector is asked again, about the enlarged crop. Pure but for it."""

from __future__ import annotations

import cv2
import numpy as np

from lambdas.detect.faces.detections import Detector, Floats, Image

_LOOKS = ((96, False), (128, True), (176, False))
"""Side of the crop in pixels, and whether it is mirrored. What is no face is found at one size and not at another: of 3
looks hands, bags, napes and blurred copies get 0.02 to 0.57 on average with SCRFD and 0.03 to 0.60 with CenterFace,
faces fit for publishing 0.70 and 0.75 at least, clean ones 0.86; six looks tell no better."""
_MARGIN = 0.8
"""Sides of the box that the crop shows beyond it."""
_SAME_FACE = 0.35
"""IoU with the crop's middle from which a detection is of this face."""
_FAINTEST = 0.02
"""Confidence down to which the detector answers."""


def confidence_again(detector: Detector, image: Image, box: Floats) -> float:
    """Mean confidence, 0 to 1, that the box (4,), xyxy in pixels of the image, gets at other sizes and mirrored."""
    largest = _crop(image, box, max(side for side, _ in _LOOKS))
    return float(np.mean([_look(detector, largest, side, mirrored) for side, mirrored in _LOOKS]))


def _look(detector: Detector, crop: Image, side: int, mirrored: bool) -> float:
    small = np.asarray(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    found = detector.detect(np.ascontiguousarray(small[:, ::-1]) if mirrored else small, _FAINTEST)
    rim = side * _MARGIN / (1 + _MARGIN) / 2
    low, high = np.maximum(found.boxes[:, :2], rim), np.minimum(found.boxes[:, 2:], side - rim)
    both = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1) + (side - 2 * rim) ** 2
    return float(np.max(found.confidence, initial=0.0, where=both > _SAME_FACE * (areas - both)))


def _crop(image: Image, box: Floats, side: int) -> Image:
    """(side, side, 3) the box and its margin, black beyond the image."""
    half = max(1, round(float(max(box[2] - box[0], box[3] - box[1])) * (1 + _MARGIN) / 2))
    left, top = (int(low) - half for low in np.round((box[:2] + box[2:]) / 2))
    shown = image[max(0, top) : max(0, top + 2 * half), max(0, left) : max(0, left + 2 * half)]
    framed = np.zeros((2 * half, 2 * half, 3), np.uint8)
    above, beside = max(0, -top), max(0, -left)
    framed[above : above + shown.shape[0], beside : beside + shown.shape[1]] = shown
    return np.asarray(cv2.resize(framed, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
