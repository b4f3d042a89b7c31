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
    large = cv2.cvtColor(aligned_crop(image, landmarks, 2 * _TEMPLATE, 2 * _SIZE), cv2.COLOR_BGR2GRAY)
    gray = cv2.resize(large, (_SIZE, _SIZE), interpolation=cv2.INTER_AREA)
    height, width = image.shape[:2]
    parts = {
        "confidence": confidence_part(confidence),
        "frontal": frontal_part(landmarks),
        "size": size_part(box),
        "sharpness": sharpness_part(gray),
        "exposure": exposure_part(gray),
        "eyes_open": eyes_open_part(large),
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
    """1 for two open eyes, 0 for closed ones, in a (224, 224) aligned face; the less open eye counts more.

    An open eye shows a dark iris as tall as wide, with white on its sides; a closed one is a thin line of lashes
    across. So two signs are asked for: how many rows around the eye's darkest spot are nearer to it than to the skin
    below, and how much brightness changes along those rows. Either alone is fooled, by eyes in shadow and by glasses.
    """
    openness = sorted(_openness(gray, round(2 * float(x)), round(2 * float(y))) for x, y in _TEMPLATE[:2])
    return (0.7 * openness[0] + 0.3 * openness[1] - 0.3) / 0.5


def _openness(gray: NDArray[np.uint8], x: int, y: int) -> float:
    socket = gray[y - 30 : y + 40, x - 40 : x + 41]
    eye = cv2.GaussianBlur(socket, (0, 0), 1.5).astype(np.float32)
    x, y = 40, 30
    spots = cv2.blur(eye, (9, 9))[y - 8 : y + 11, x - 14 : x + 15]
    below, right = np.unravel_index(int(spots.argmin()), spots.shape)
    spot_y, spot_x = y - 8 + int(below), x - 14 + int(right)
    skin = float(np.percentile(eye[y + 16 : y + 34, x - 18 : x + 19], 60))
    rows = eye[spot_y - 18 : spot_y + 19, spot_x - 4 : spot_x + 5].mean(axis=1)
    darkest = 14 + int(rows[14:23].argmin())
    dark = rows < 0.5 * (rows[darkest] + max(skin, float(rows[darkest]) + 1))
    low = darkest
    while low > max(0, darkest - 9) and dark[low - 1]:  # higher up it is the lid's shadow or the brow
        low -= 1
    high = darkest
    while high < len(rows) - 1 and dark[high + 1]:
        high += 1
    along = eye[spot_y - 3 : spot_y + 4, spot_x - 20 : spot_x + 21].mean(axis=0)
    change = float(np.percentile(along, 85) - np.percentile(along, 5)) / max(skin, 20.0)
    return float(np.sqrt(np.clip((high - low - 4) / 8, 0, 1) * np.clip((change - 0.1) / 0.3, 0, 1)))


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
