"""How fit for publishing a face is by its picture alone, part by part. Pure: pictures and landmarks in, numbers out."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import QUALITY_PARTS
from lambdas.detect.faces.alignment import ARCFACE_TEMPLATE, FacePart, aligned_crop
from lambdas.detect.faces.attributes import Expression
from lambdas.detect.shots.features import sharpness
from lambdas.scoring import confidence_part, eyes_open_part, eyes_seen, in_view_part

_SIZE = 112

_ALONG = math.tan(math.radians(8))
"""An edge is taken to run along rows or columns up to this slope."""

SMALL_PX = 24.0
LARGE_PX = 200.0
"""Shorter side of a face at which `size` is 0 and 1; in between it grows with the logarithm."""


def quality_parts(
    image: NDArray[np.uint8],
    box: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    confidence: float,
    *,
    others: NDArray[np.float32],
    expression: Expression,
    part: FacePart | None = None,
) -> tuple[NDArray[np.float32], float]:
    """(len(QUALITY_PARTS),) each part from 0 (worst) to 1 (best), and the face's median brightness, 0 to 1.

    `image` (h, w, 3) BGR, `box` (4,) xyxy and `landmarks` (5, 2) in its pixels, `others` (k, 4) the boxes of the
    other faces in it, `part` its face_part where that is there already. `steady` is 1: the shot tells.
    """
    shown = part or FacePart(image, landmarks)
    crop = aligned_crop(shown.image, shown.landmarks, ARCFACE_TEMPLATE, _SIZE)
    gray = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)
    levels = _levels(gray)
    middle = _level(levels, 0.5)
    height, width = image.shape[:2]
    openings, in_view = np.array([expression.openings], np.float32), np.array([expression.in_view], np.float32)
    eyes_open = eyes_open_part(openings, eyes_seen(landmarks[None]))
    parts = {
        "confidence": confidence_part(confidence),
        "frontal": frontal_part(landmarks),
        "size": size_part(box),
        "sharpness": sharpness_part(gray) * unbroken_part(gray, _tilt(landmarks)),
        "exposure": _exposure_part(levels),
        "eyes_open": float(eyes_open[0]),
        "inside": inside_part(box, width, height),
        "unobstructed": min(unobstructed_part(box, others), float(in_view_part(in_view)[0])),
        "steady": 1.0,
    }
    return np.array([min(1.0, max(0.0, parts[name])) for name in QUALITY_PARTS], np.float32), middle


def frontal_part(landmarks: NDArray[np.float32]) -> float:
    """1 facing the camera, 0 in profile or looking far up or down; tilting the head costs little.

    The nose's place between the eyes tells the turn, its height between eyes and mouth the nod.
    """
    left, right, nose, mouth_left, mouth_right = landmarks.astype(np.float64)
    eyes = (left + right) / 2
    mouth = (mouth_left + mouth_right) / 2
    down = mouth - eyes
    length = float(np.hypot(*down))
    if length < 1e-6:
        return 0.0
    down /= length
    across = np.array([down[1], -down[0]])
    eye_span = float((right - left) @ across)
    if eye_span <= 0.15 * length:
        return 0.0
    # Measured against the larger of both spans: in profile the eyes' span itself shrinks.
    turn = abs(float((nose - eyes) @ across)) / (0.5 * max(eye_span, 0.8 * length))
    narrow = min(1.0, eye_span / (0.8 * length))
    nod = abs(float((nose - eyes) @ down) / length - 0.52) / 0.35
    tilt = abs(_tilt(landmarks))
    return float(max(0.0, 1 - turn**1.5) * narrow * max(0.0, 1 - nod**2) * max(0.3, 1 - (tilt / 0.9) ** 2))


def size_part(box: NDArray[np.float32]) -> float:
    """By the logarithm of the shorter side: 0 at SMALL_PX, 1 at LARGE_PX."""
    side = max(1.0, float(min(box[2] - box[0], box[3] - box[1])))
    return float(np.log(side / SMALL_PX) / np.log(LARGE_PX / SMALL_PX))


def sharpness_part(gray: NDArray[np.uint8]) -> float:
    """Of the (112, 112) aligned face without its rim."""
    return (sharpness(gray[16:104, 16:96]) - 0.25) / 0.4


def unbroken_part(gray: NDArray[np.uint8], tilt: float) -> float:
    """1 for a picture as the camera saw it, 0 for one that heavy compression broke into blocks, which look sharp.

    `gray` is the (112, 112) aligned face that was turned by `tilt` radians. Blocks have edges along the rows and
    columns of the original: from 0.27 of all gradient in clean faces their share rises to 0.4 at JPEG quality 6 and 0.6
    at 3.
    """
    face = gray[16:104, 16:96]
    across, down = cv2.Sobel(face, cv2.CV_32F, 1, 0), cv2.Sobel(face, cv2.CV_32F, 0, 1)
    strength = cv2.magnitude(across, down)
    total = cv2.sumElems(strength)[0]
    if total < strength.size:
        return 1.0
    # Gradients in the original's directions; an edge along its rows or columns has hardly anything of the other one.
    cos, sin = math.cos(tilt), math.sin(tilt)
    right, below = np.abs(cos * across - sin * down), np.abs(sin * across + cos * down)
    along = np.minimum(right, below) < _ALONG * np.maximum(right, below)
    share = float(strength[along].sum()) / total
    return min(1.0, max(0.0, (0.52 - share) / 0.18))


def _tilt(landmarks: NDArray[np.float32]) -> float:
    """Radians by which the line between the eyes falls to the right."""
    across = landmarks[1] - landmarks[0]
    return float(np.arctan2(across[1], across[0]))


def _levels(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Brightness of the pixels in the middle of the (112, 112) aligned face, ascending."""
    return np.sort(gray[30:100, 26:86], axis=None)


def _level(levels: NDArray[np.uint8], share: float) -> float:
    """Brightness, 0 to 1, that this share of the pixels stays under."""
    at = share * (len(levels) - 1)
    below = min(int(at), len(levels) - 2)
    low, high = int(levels[below]), int(levels[below + 1])
    return (low + (at - below) * (high - low)) / 255


def _exposure_part(levels: NDArray[np.uint8]) -> float:
    """1 for a face of middling brightness with some contrast; falls when dark, bleached or flat.

    Its brightest parts tell how much light there is; the median tells dark skin from light skin as well.
    """
    low, middle, high = (_level(levels, share) for share in (0.05, 0.5, 0.95))
    bright = min(1.0, max(0.0, (high - 0.1) / 0.25)) * min(1.0, max(0.0, (0.97 - middle) / 0.2))
    clipped = 1 - int(np.searchsorted(levels, 252)) / len(levels)
    contrast = min(1.0, (high - low) / 0.25)
    return bright * contrast * max(0.0, 1 - 3 * clipped)


def inside_part(box: NDArray[np.float32], width: int, height: int) -> float:
    """1 when the face and a margin for hair and chin are in the picture, 0 when a fifth of the face is cut off."""
    side = np.array([box[2] - box[0], box[3] - box[1]])
    margin = 0.1 * side
    beyond = np.concatenate([margin - box[:2], box[2:] + margin - np.array([width, height])])
    return 1 - float(np.max(beyond / np.concatenate([side, side]))) / 0.3 if beyond.max() > 0 else 1.0


def unobstructed_part(box: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """1 with no other face over this one, 0 when others cover a third of it."""
    if not len(others):
        return 1.0
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    covered = np.prod(np.clip(high - low, 0, None), axis=1) / max(1.0, float(np.prod(box[2:] - box[:2])))
    return 1 - 3 * float(covered.max())
