"""How fit for publishing a face is, part by part. Pure: pictures and landmarks in, numbers out."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import QUALITY_PARTS
from lambdas.detect.faces import aligned_crop
from lambdas.detect.scenes import sharpness

_SIZE = 112
_TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)
"""Where eyes, nose and mouth corners lie in an aligned 112x112 face: ArcFace's template (insightface, MIT)."""

_WEIGHTS = {
    "confidence": 0.5,
    "frontal": 1.5,
    "size": 0.8,
    "sharpness": 1.5,
    "exposure": 0.8,
    "eyes_open": 1.2,
    "inside": 1.5,
    "unobstructed": 1.0,
    "steady": 1.0,
}
"""Exponents of the parts in the score; what spoils a published still most weighs most."""
_FLOOR = 0.05
"""A part counts as at least this, so that one part alone can't make all bad faces equal."""

_STRONG = {"size": 0.24, "frontal": 0.2, "sharpness": 0.1, "steady": 0.3}
"""Least parts of a strong face; size 0.24 is 40 pixels."""

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
) -> NDArray[np.float32]:
    """(len(QUALITY_PARTS),) each part from 0 (worst) to 1 (best).

    `image` (h, w, 3) BGR, `box` (4,) xyxy and `landmarks` (5, 2) in its pixels, `others` (k, 4) the boxes of the
    other faces in it, `steady` 0 to 1 from the frame's neighbours.
    """
    gray = cv2.cvtColor(aligned_crop(image, landmarks, _TEMPLATE, _SIZE), cv2.COLOR_BGR2GRAY)
    height, width = image.shape[:2]
    parts = {
        "confidence": confidence_part(confidence),
        "frontal": frontal_part(landmarks),
        "size": size_part(box),
        "sharpness": sharpness_part(gray),
        "exposure": exposure_part(gray),
        "eyes_open": eyes_open_part(gray),
        "inside": inside_part(box, width, height),
        "unobstructed": unobstructed_part(box, others),
        "steady": steady,
    }
    return np.array([min(1.0, max(0.0, parts[name])) for name in QUALITY_PARTS], np.float32)


def score(parts: NDArray[np.float32]) -> float:
    """The parts in one number, 0 to 1: their weighted geometric mean, so that one bad part can't be bought off."""
    weights = np.array([_WEIGHTS[name] for name in QUALITY_PARTS])
    return float(np.exp((np.log(np.maximum(parts, _FLOOR)) * weights).sum() / weights.sum()))


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
    tilt = abs(float(np.arctan2(right[1] - left[1], right[0] - left[0])))
    return float(max(0.0, 1 - turn**1.5) * narrow * max(0.0, 1 - nod**2) * max(0.3, 1 - (tilt / 0.9) ** 2))


def size_part(box: NDArray[np.float32]) -> float:
    """By the logarithm of the shorter side: 0 at SMALL_PX, 1 at LARGE_PX."""
    side = max(1.0, float(min(box[2] - box[0], box[3] - box[1])))
    return float(np.log(side / SMALL_PX) / np.log(LARGE_PX / SMALL_PX))


def sharpness_part(gray: NDArray[np.uint8]) -> float:
    """Of the (112, 112) aligned face without its rim."""
    return (sharpness(gray[16:104, 16:96]) - 0.25) / 0.4


def exposure_part(gray: NDArray[np.uint8]) -> float:
    """1 for a face of middling brightness with some contrast; falls when dark, bleached or flat."""
    face = gray[30:100, 26:86]
    low, middle, high = (float(value) / 255 for value in np.percentile(face, (5, 50, 95)))
    bright = min(1.0, max(0.0, (middle - 0.08) / 0.22)) * min(1.0, max(0.0, (0.97 - middle) / 0.2))
    clipped = float((face >= 252).mean())
    contrast = min(1.0, (high - low) / 0.25)
    return bright * contrast * max(0.0, 1 - 3 * clipped)


def eyes_open_part(gray: NDArray[np.uint8]) -> float:
    """1 for two open eyes, 0 for closed ones, in a (112, 112) aligned face; the less open eye counts more.

    An open eye shows a dark iris several pixels tall, with white on its sides; a closed one is a thin line of lashes
    across. So two signs are asked for: how tall the darkest part around each eye's centre is, against the skin below
    it, and how much brightness changes from left to right against from top to bottom. Either alone is fooled, by eyes
    in shadow and by glasses.
    """
    openness = sorted(_openness(gray, round(float(x)), round(float(y))) for x, y in _TEMPLATE[:2])
    return 0.7 * openness[0] + 0.3 * openness[1]


def _openness(gray: NDArray[np.uint8], x: int, y: int) -> float:
    eye = cv2.GaussianBlur(gray[y - 9 : y + 10, x - 9 : x + 10], (3, 3), 0).astype(np.float32)
    skin = float(np.median(gray[y + 10 : y + 18, x - 9 : x + 10]))
    dark = np.clip((skin - eye) / max(skin, 16.0), 0, 1)
    columns = np.sort(dark, axis=0)[::-1]  # darkest pixels of each column first
    # The iris' columns: where the fifth-darkest pixel is still dark, the dark part is at least five pixels tall.
    tall = float(np.sort(columns[4])[::-1][:6].mean())
    socket = cv2.GaussianBlur(gray[y - 10 : y + 11, x - 13 : x + 14], (0, 0), 1.0).astype(np.float32)
    across = float(np.abs(socket[4:17, 2:] - socket[4:17, :-2]).sum())
    down = float(np.abs(socket[5:18] - socket[3:16]).sum())
    sides = across / max(down, 1.0)
    return float(np.sqrt(np.clip((tall - 0.1) / 0.4, 0, 1) * np.clip((sides - 0.25) / 0.35, 0, 1)))


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
