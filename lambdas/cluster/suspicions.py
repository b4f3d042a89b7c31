"""What the whole of a video makes likely though its container does not say it: stereo film, pictures that lie on their
side. Pure; in sentences for the manifest's notes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.footage import Footage

_LIKE_HALVES = 0.9
"""Median correlation of a picture's halves from which they may be two eyes' pictures; film has 0.5 at most."""
_LEAST_CONTRAST = 6.0
"""Standard deviation of a half's brightness below which two halves are alike whatever they show."""
_TWINS = 0.8
"""Share of faces that must be there again half a picture further."""
_FEWEST_FACES = 6
_OFF = (0.08, 0.04)
"""As shares of one eye's picture how far apart along and across the halves a face's two pictures are at most: eyes see
near things some percent apart."""
_FEW = 0.1
"""Share of the frames looked at in which faces may be found and yet be said to be found hardly ever."""
_FEWEST_TURNED = 2
_LYING_SHARE = 0.6
"""Share of faces whose eyes must stand one above the other, or below the mouth."""


def suspicions(footage: Footage) -> list[str]:
    """Sentences on what should not go unsaid; empty for usual film."""
    return [note for note in (_stereo(footage), _lying(footage)) if note]


def _stereo(footage: Footage) -> str:
    for axis, halves in ((0, "left and the right"), (1, "upper and the lower")):
        if _met_twice(footage, axis) and _like_halves(footage, axis):
            return (
                f"The {halves} half of the picture show almost the same, and everybody is in both: this may be stereo "
                "film, in which everybody is met twice. Its container does not say so; a copy that holds one half, or "
                "whose container says it, gives each person once."
            )
    return ""


def _like_halves(footage: Footage, axis: int) -> bool:
    """Whether most pictures' halves, along x (0) or y (1), correlate."""
    alike: list[float] = []
    for columns in footage.detections:
        if not len(columns.scene_layout):
            continue
        bright = columns.scene_layout.astype(np.float32).mean(axis=3)
        first, second = (half.reshape(len(bright), -1) for half in np.split(bright, 2, axis=2 - axis))
        first, second = (half - half.mean(axis=1, keepdims=True) for half in (first, second))
        spread = np.sqrt((first**2).mean(axis=1) * (second**2).mean(axis=1))
        alike += ((first * second).mean(axis=1) / np.maximum(spread, 1e-6))[spread >= _LEAST_CONTRAST**2 / 4].tolist()
    return bool(alike) and float(np.median(alike)) >= _LIKE_HALVES


def _met_twice(footage: Footage, axis: int) -> bool:
    """Whether most faces are there again half a picture further."""
    faces = twins = 0
    half = (footage.source.width, footage.source.height)[axis] / 2
    across = (footage.source.width, footage.source.height)[1 - axis]
    for columns in footage.detections:
        for pts in np.unique(columns.pts):
            boxes = columns.boxes[columns.pts == pts]
            middles = (boxes[:, :2] + boxes[:, 2:]) / 2
            sizes = boxes[:, 3] - boxes[:, 1]
            apart = np.abs(middles[:, None] - middles[None])
            along = np.abs(apart[..., axis] - half) <= _OFF[0] * 2 * half
            level = apart[..., 1 - axis] <= _OFF[1] * across
            alike = np.abs(np.log(sizes[:, None] / sizes[None])) <= math.log(1.3)
            faces += len(boxes)
            twins += int((along & level & alike).any(axis=1).sum())
    return faces >= _FEWEST_FACES and twins >= _TWINS * faces


def _lying(footage: Footage) -> str:
    degrees = _by_turned_pictures(footage) or _by_landmarks(footage)
    if not degrees:
        return ""
    lies = "is upside down" if degrees == 180 else "lies on its side"
    return (
        f"Faces are found hardly ever, or lying, unless the picture is turned by {degrees} degrees counter-clockwise: "
        f"it probably {lies}, and its container does not say so. A copy that is turned upright gives better results."
    )


def _by_turned_pictures(footage: Footage) -> int:
    """The turn in which faces were found where few were found as the picture is; 0 where there is none."""
    looks = sum(document.turned_looks for document in footage.documents)
    looked = sum(document.looked_frames for document in footage.documents)
    with_faces = sum(len(np.unique(columns.pts)) for columns in footage.detections)
    if not looks or with_faces > _FEW * max(looked, 1):
        return 0
    found = np.sum([document.turned_faces for document in footage.documents], axis=0)
    best = int(np.argmax(found))
    others = int(found.sum() - found[best])
    return 90 * (best + 1) if found[best] >= _FEWEST_TURNED and found[best] > 2 * others else 0


def _by_landmarks(footage: Footage) -> int:
    """The turn that would set most faces upright, by their eyes and mouths; 0 where most are."""
    points = [columns.landmarks for columns in footage.detections if len(columns.landmarks)]
    if not points:
        return 0
    marks: NDArray[np.float32] = np.concatenate(points)
    down = marks[:, 3:].mean(axis=1) - marks[:, :2].mean(axis=1)
    # 0 where the mouth is below the eyes; counter-clockwise turns take the angle back to it.
    angles = np.degrees(np.arctan2(-down[:, 0], down[:, 1]))
    for degrees, low, high in ((90, 45, 135), (270, -135, -45)):
        share = float(((angles >= low) & (angles <= high)).mean())
        if len(marks) >= _FEWEST_FACES and share >= _LYING_SHARE:
            return degrees
    share = float((np.abs(angles) > 135).mean())
    return 180 if len(marks) >= _FEWEST_FACES and share >= _LYING_SHARE else 0
