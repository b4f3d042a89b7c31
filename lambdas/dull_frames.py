"""Which frames have nothing to see and stand for nothing: too dark, too bright, or of one colour. Pure.

Shared by detect, which stages none of them where it has others, and cluster, which chooses none where it has others.
"""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import NDArray

TOO_DARK_LUMA = 0.06
"""Mean brightness (0 to 1) below which a frame is too dark to be shown. `BLACK_LUMA` of a fade is lower: a night scene
is no black picture, and still shows nobody."""
TOO_BRIGHT_LUMA = 0.97
"""Mean brightness (0 to 1) above which a frame is too bright to be shown."""
UNIFORM_CONTRAST = 0.06
"""Contrast (0 to 1) below which a frame is of one colour."""


@overload
def is_dull(luma: float, contrast: float) -> bool: ...


@overload
def is_dull(luma: NDArray[np.float64], contrast: NDArray[np.float64]) -> NDArray[np.bool_]: ...


def is_dull(luma: float | NDArray[np.float64], contrast: float | NDArray[np.float64]) -> bool | NDArray[np.bool_]:
    """Whether a frame, or each of some (n,), has nothing to see."""
    return (luma < TOO_DARK_LUMA) | (luma > TOO_BRIGHT_LUMA) | (contrast < UNIFORM_CONTRAST)
