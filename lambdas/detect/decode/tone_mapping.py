"""High dynamic range brought to what screens and JPEG files show. Pure.

Sources: transfer functions of ITU-R BT.2100, primaries of BT.2087, the roll-off of E. Reinhard et al. (2002), eq. 4.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

SDR_WHITE_NITS = 203.0
"""Luminance of diffuse white in HDR video (ITU-R BT.2408)."""
HDR_PEAK_NITS = 1000.0
"""Luminance that becomes full white."""
KNEE = 0.5
"""Share of diffuse white above which highlights are compressed."""


def tone_mapped(rgb: NDArray[np.uint16], transfer: Literal["", "pq", "hlg"]) -> NDArray[np.uint8]:
    """HDR R'G'B' (h, w, 3) of BT.2020, 16 bit full range, as BGR uint8 of BT.709.

    Up to the knee light stays as it is, so that faces do; above it highlights roll off, hues kept. Sources: transfer
    functions of ITU-R BT.2100, primaries of BT.2087, the roll-off of E. Reinhard et al. (2002), eq. 4.
    """
    light = _LIGHT.get(transfer)
    if light is None:
        light = _LIGHT[transfer] = _light_table(transfer)
    linear = light[rgb] @ _BT2020_TO_BT709.T
    np.maximum(linear, 0, out=linear)
    brightest = linear.max(axis=2, keepdims=True)
    over = np.maximum(brightest - KNEE, 0) / (1 - KNEE)
    most = (HDR_PEAK_NITS / SDR_WHITE_NITS - KNEE) / (1 - KNEE)
    rolled = np.minimum(brightest, KNEE) + (1 - KNEE) * over * (1 + over / most**2) / (1 + over)
    linear *= rolled / np.maximum(brightest, 1e-6)
    np.minimum(linear, 1, out=linear)
    shown = _GAMMA[(linear * (len(_GAMMA) - 1)).astype(np.uint16)]
    return np.ascontiguousarray(shown[..., ::-1])


_LIGHT: dict[str, NDArray[np.float32]] = {}
_BT2020_TO_BT709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
_GAMMA = np.round(255 * np.linspace(0, 1, 4096) ** (1 / 2.2)).astype(np.uint8)


def _light_table(transfer: Literal["", "pq", "hlg"]) -> NDArray[np.float32]:
    """Displayed light of every 16-bit code value, 1.0 being diffuse white."""
    code = np.linspace(0, 1, 65536)
    if transfer == "pq":
        root = code ** (1 / 78.84375)
        nits = 10000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    else:
        scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        nits = 1000 * scene**1.2
    return (nits / SDR_WHITE_NITS).astype(np.float32)
