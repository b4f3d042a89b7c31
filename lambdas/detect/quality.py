"""How fit for publishing a face is, part by part. Pure: pictures and landmarks in, numbers out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import FACE_FLAGS, QUALITY_PARTS
from lambdas.detect.expression import Expression
from lambdas.detect.faces import ARCFACE_TEMPLATE, FacePart, aligned_crop
from lambdas.detect.scenes import sharpness

_SIZE = 112

_WEIGHTS = {
    "confidence": 1.0,
    "frontal": 1.5,
    "size": 0.8,
    "sharpness": 2.0,
    "exposure": 0.8,
    "eyes_open": 1.2,
    "inside": 1.5,
    "unobstructed": 3.0,
    "steady": 1.0,
}
"""Exponents of the parts in the score; what spoils a published still most weighs most."""
_FLOOR = 0.05
"""A part counts as at least this, so that one part alone can't make all bad faces equal."""

WEAK = 0.4
"""A part below this spoils a picture: it is flagged, and the score falls steeply."""
_FLAG_OF_PART = {
    "frontal": "side_face",
    "sharpness": "blurry",
    "eyes_open": "eyes_closed",
    "inside": "cut_off",
    "size": "too_small",
    "unobstructed": "covered",
    "steady": "in_transition",
}
_SPOILING = ("frontal", "sharpness", "exposure", "eyes_open", "inside", "unobstructed", "steady")
"""Parts that, weak, cost a picture more than any difference between good ones: faces with closed eyes or in motion blur
lose to any clean one."""
_COST_OF_A_FLAW = 0.6
"""Share of the score that a part at 0 takes away beyond its weight."""
_DARK = 0.45
"""A badly exposed face whose median brightness is below this is too dark, else too bright."""

_OPENING = [0.09, 0.16, 0.21, 0.3], [0.0, WEAK, 0.75, 1.0]
_OPENING_SHARE = [0.3, 0.55, 0.85], [0.0, WEAK, 1.0]
"""Opening of the eyes, and its share of what is usual for the person, against the part. Eyes of 17 people filmed
talking are closed below 0.13; narrow open ones begin at 0.18, and a person's own range is about 0.8 to 1.2."""
_CONFIDENCE_SHARE = [0.8, 0.97], [0.2, 1.0]
"""Detector's confidence as a share of what is usual for the person, against the part: 0.97 to 1.03 for clean faces,
0.94 with the eyes painted over, 0.9 with a hand or mug before the mouth."""
_IN_VIEW = [6.0, 20.0, 34.0, 50.0], [0.0, WEAK, 0.85, 1.0]
_IN_VIEW_SHARE = [0.5, 0.7, 0.9, 1.0], [0.0, WEAK, 0.9, 1.0]
"""Logit of a face in view, and its share of what is usual for the person, against the part. Of the same people it is
35 to 65, and in 19 of 20 clean frames at least 85% of the person's usual; eyes painted over leave 45% of it, a hand or
mug before the mouth 50%, a microphone 65 to 80%."""

_STRONG = {"size": 0.24, "frontal": 0.2, "sharpness": 0.1, "steady": 0.3}
"""Least parts of a strong face; size 0.24 is 40 pixels."""

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
    steady: float,
    expression: Expression,
    part: FacePart | None = None,
) -> tuple[NDArray[np.float32], float]:
    """(len(QUALITY_PARTS),) each part from 0 (worst) to 1 (best), and the face's median brightness, 0 to 1.

    `image` (h, w, 3) BGR, `box` (4,) xyxy and `landmarks` (5, 2) in its pixels, `others` (k, 4) the boxes of the
    other faces in it, `steady` 0 to 1 from the frame's neighbours, `part` its face_part where that is there already.
    """
    shown = part or FacePart(image, landmarks)
    crop = aligned_crop(shown.image, shown.landmarks, ARCFACE_TEMPLATE, _SIZE)
    gray = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)
    levels = _levels(gray)
    middle = _level(levels, 0.5)
    height, width = image.shape[:2]
    parts = {
        "confidence": confidence_part(confidence),
        "frontal": frontal_part(landmarks),
        "size": size_part(box),
        "sharpness": sharpness_part(gray) * unbroken_part(gray, _tilt(landmarks)),
        "exposure": _exposure_part(levels),
        "eyes_open": eyes_open_part(expression.opening),
        "inside": inside_part(box, width, height),
        "unobstructed": min(unobstructed_part(box, others), in_view_part(expression.in_view)),
        "steady": steady,
    }
    return np.array([min(1.0, max(0.0, parts[name])) for name in QUALITY_PARTS], np.float32), middle


def score(parts: NDArray[np.float32]) -> float:
    """The parts in one number, 0 to 1: their weighted geometric mean, so that one bad part can't be bought off, less
    what each flaw costs."""
    weights = np.array([_WEIGHTS[name] for name in QUALITY_PARTS])
    mean = float(np.exp((np.log(np.maximum(parts, _FLOOR)) * weights).sum() / weights.sum()))
    spoiling = parts[[QUALITY_PARTS.index(name) for name in _SPOILING]]
    return mean * float(np.prod(1 - _COST_OF_A_FLAW * np.clip(1 - spoiling / WEAK, 0, 1)))


@dataclass(frozen=True)
class Usual:
    """How one person's face mostly is while nothing spoils it."""

    opening: float
    in_view: float
    """Both as in Expression."""
    confidence: float
    """The detector's."""


def usual_of(expressions: Sequence[Expression], confidences: Sequence[float]) -> Usual:
    """From at least one sighting of a person; both of one length.

    What spoils a face only lowers the numbers, so a high percentile is taken: most of the sightings may be spoilt.
    """
    rows = [(one.opening, one.in_view, sure) for one, sure in zip(expressions, confidences, strict=True)]
    opening, in_view, confidence = np.percentile(rows, 85, axis=0)
    return Usual(float(opening), float(in_view), float(confidence))


def compare_with_usual(parts: NDArray[np.float32], expression: Expression, confidence: float, usual: Usual) -> None:
    """Lowers, in place, the parts that fall behind what is usual for this person."""
    eyes, view, sure = (QUALITY_PARTS.index(name) for name in ("eyes_open", "unobstructed", "confidence"))
    parts[eyes] = min(parts[eyes], eyes_open_part(expression.opening, usual.opening))
    parts[view] = min(parts[view], in_view_part(expression.in_view, usual.in_view))
    parts[sure] = min(parts[sure], float(np.interp(confidence / max(usual.confidence, 1e-6), *_CONFIDENCE_SHARE)))


def flags(parts: NDArray[np.float32], brightness: float) -> list[str]:
    """What a person would say is wrong with the face, of FACE_FLAGS and in their order; empty for a clean one."""
    weak = {name for name, part in zip(QUALITY_PARTS, parts.tolist(), strict=True) if part < WEAK}
    found = {flag for name, flag in _FLAG_OF_PART.items() if name in weak}
    if "exposure" in weak:
        found.add("too_dark" if brightness < _DARK else "too_bright")
    return [flag for flag in FACE_FLAGS if flag in found]


def is_strong(parts: NDArray[np.float32]) -> bool:
    """Whether a face is good enough for its embedding to tell people apart: not small, blurred, profile or at a cut."""
    return all(parts[QUALITY_PARTS.index(name)] >= least for name, least in _STRONG.items())


def confidence_part(confidence: float) -> float:
    """Detectors give clean faces 0.75 and more."""
    return (confidence - 0.4) / 0.35


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
    """1 for a face of middling brightness with some contrast; falls when dark, bleached or flat."""
    low, middle, high = (_level(levels, share) for share in (0.05, 0.5, 0.95))
    bright = min(1.0, max(0.0, (middle - 0.08) / 0.22)) * min(1.0, max(0.0, (0.97 - middle) / 0.2))
    clipped = 1 - int(np.searchsorted(levels, 252)) / len(levels)
    contrast = min(1.0, (high - low) / 0.25)
    return bright * contrast * max(0.0, 1 - 3 * clipped)


def eyes_open_part(opening: float, usual: float | None = None) -> float:
    """1 for two open eyes, below WEAK closed; `usual` is what this person's eyes are open otherwise, if known.

    Eyes differ by two between people, so half a blink of large eyes is as open as small eyes ever are.
    """
    part = float(np.interp(opening, *_OPENING))
    return part if not usual else min(part, float(np.interp(opening / usual, *_OPENING_SHARE)))


def in_view_part(in_view: float, usual: float | None = None) -> float:
    """1 for a face in full view, below WEAK with something in front of it; `usual` is this person's own level."""
    part = float(np.interp(in_view, *_IN_VIEW))
    return part if not usual or usual <= 0 else min(part, float(np.interp(in_view / usual, *_IN_VIEW_SHARE)))


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
