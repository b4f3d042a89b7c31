"""Which detections are clear: shown as one would publish them. Pure: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import QUALITY_PARTS, Detections
from lambdas.scoring import WEAK, Scores

CLEAR_SCORE = 0.25
"""Least score of a clear detection: below it nobody who looked through the pictures would have published one."""
CLEAR_PX = 28.0
"""Least shorter side of a clear face, pixels: who counts people by eye in video counts faces of about 30."""
FRONTAL = 0.2
"""Least frontal part of a face that is not turned away: below it one eye is seen and embeddings lose their way."""
SIDE_PX = 45.0
"""Least shorter side of a clear profile: one of 60 pixels in height."""
SIDE_CONFIDENCE = 0.75
"""Least confidence part of a clear profile: it has neither both eyes nor the mesh network to vouch for it."""
_FRONTAL, _CONFIDENCE, _SHARPNESS, _EXPOSURE = (
    QUALITY_PARTS.index(part) for part in ("frontal", "confidence", "sharpness", "exposure")
)


@dataclass(frozen=True)
class Clarity:
    """Which detections (n) of a chunk are clear."""

    score: NDArray[np.float32]
    """(n,) that it was judged by, 0 to 1."""
    front: NDArray[np.bool_]
    """(n,) clear and not turned away: its embedding tells people apart."""
    side: NDArray[np.bool_]
    """(n,) a clear profile: a person one would publish, whose embedding is far from the same face's front."""

    @property
    def any(self) -> NDArray[np.bool_]:
        """(n,) clear either way."""
        return self.front | self.side


def clarity_of(chunks: Sequence[Detections], scores: Sequence[Scores]) -> list[Clarity]:
    """Of each chunk's detections, judged by these scores."""
    return [_clarity(*seen) for seen in zip(chunks, scores, strict=True)]


def _clarity(columns: Detections, scores: Scores) -> Clarity:
    boxes, parts = columns.boxes, scores.parts
    side_px = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    clear = (scores.numbers >= CLEAR_SCORE) & (side_px >= CLEAR_PX) & columns.confirmed
    turned = columns.quality[:, _FRONTAL] < FRONTAL
    good = (parts[:, _CONFIDENCE] >= SIDE_CONFIDENCE) & (parts[:, _SHARPNESS] >= WEAK) & (parts[:, _EXPOSURE] >= WEAK)
    return Clarity(scores.numbers, clear & ~turned, clear & turned & good & (side_px >= SIDE_PX))
