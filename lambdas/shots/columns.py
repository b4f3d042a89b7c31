"""What is known of the frames in which shots are told apart: numbers and layouts, no pictures."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

LAYOUT_CELLS = 16
"""A layout is the picture averaged down to this many cells across and down."""


@dataclass(frozen=True)
class SceneColumns:
    """What compared frames (k) say, in order of time."""

    t_s: NDArray[np.float64]
    """(k,) seconds."""
    scores: NDArray[np.float64]
    """(k,) content value (0 to 255) against the frame before, 0 for the first."""
    luma: NDArray[np.float64]
    """(k,) mean brightness, 0 to 1."""
    layout: NDArray[np.uint8]
    """(k, LAYOUT_CELLS, LAYOUT_CELLS, 3) BGR, the picture averaged down."""
    features: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """(k, w) `frame_feature` of each; not needed by `layout`, `content` and `adaptive`."""
