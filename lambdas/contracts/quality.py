"""What makes a face fit for publishing: each part, what it weighs, and what is said of it. A new part is an entry here.

detect's faces/quality.py measures them by the picture, scoring.py holds some against the person's baseline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

FaceFlag = Literal[
    "side_face",
    "blurry",
    "too_dark",
    "too_bright",
    "eyes_closed",
    "cut_off",
    "too_small",
    "covered",
    "in_transition",
]
"""What a person would say is wrong with the picture of a face."""

FACE_FLAGS: tuple[FaceFlag, ...] = get_args(FaceFlag)

_FLAW, _PROFILE = 0.6, 0.3
"""Costs. A profile loses to any face from the front that nothing spoils, but one that is sharp and in light is fit for
publishing."""


@dataclass(frozen=True)
class QualityPart:
    """One part of a face's score, from 0 (worst) to 1 (best)."""

    name: str
    """In columns and manifest."""
    meaning: str
    """What the manifest's schema says of it."""
    label: str
    """What its bar in the report says."""
    weight: float
    """Exponent in the score; what spoils a published still most weighs most."""
    cost: float = 0.0
    """Share of the score that the part at 0 takes away beyond its weight. With one, a weak part costs a picture more
    than any difference between good ones: faces with closed eyes or in motion blur lose to any clean one."""
    flags: dict[FaceFlag, str] = field(default_factory=dict)
    """What a weak part is flagged as, and the words for it. Of two the first one is for dark faces."""
    praise: str = ""
    """The word for a strong part; none where nobody would miss it."""
    telling: int = 0
    """Place of that word among those of the others: the lowest comes first."""


QUALITY = (
    QualityPart("confidence", "How surely it is a face.", "Face certainty", 1.0),
    QualityPart(
        "frontal", "Facing the camera (1) to profile (0).", "Facing the camera", 1.5, _PROFILE,
        {"side_face": "turned aside"}, "facing you", 3,
    ),
    QualityPart("size", "Large enough.", "Size", 0.8, flags={"too_small": "far away"}, praise="close", telling=5),
    QualityPart(
        "sharpness", "In focus, not smeared and not broken into blocks by compression.", "Sharpness", 2.0, _FLAW,
        {"blurry": "blurred"}, "sharp", 1,
    ),
    QualityPart(
        "exposure", "Neither too dark nor too bright.", "Exposure", 0.8, _FLAW,
        {"too_dark": "in the dark", "too_bright": "in glaring light"}, "well lit", 4,
    ),
    QualityPart(
        "eyes_open", "Both eyes open.", "Eyes open", 1.2, _FLAW, {"eyes_closed": "eyes closed"}, "eyes open", 2
    ),
    QualityPart(
        "inside", "Wholly inside the frame.", "Inside the frame", 1.5, _FLAW, {"cut_off": "cut off by the border"}
    ),
    QualityPart(
        "unobstructed", "Nothing in front of it.", "Nothing in front", 3.0, _FLAW, {"covered": "partly covered"},
        "nothing in front", 6,
    ),
    QualityPart(
        "steady", "No cut or fade nearby.", "Away from cuts", 1.0, _FLAW,
        {"in_transition": "within a cut or dissolve"},
    ),
)  # fmt: skip
"""The numbers are weights, then costs, then places of the words of praise."""

QUALITY_PARTS = tuple(part.name for part in QUALITY)
"""Their names: the columns of `Detections.quality`."""
