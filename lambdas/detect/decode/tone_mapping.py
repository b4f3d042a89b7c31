"""High dynamic range brought to what screens and JPEG files show. Pure.

Sources: transfer functions of ITU-R BT.2100, primaries of BT.2087, sRGB's curve of IEC 61966-2-1, the roll-off of
E. Reinhard et al. (2002), eq. 4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambdas.video import Transfer

SDR_WHITE_NITS = 203.0
"""Luminance of diffuse white in HDR video (ITU-R BT.2408)."""
HDR_PEAK_NITS = 1000.0
"""Luminance that becomes full white."""
KNEE = 0.5
"""Share of diffuse white above which highlights are compressed."""


HLG_GAMMA = 1.2
"""Of the whole system, at a display of 1000 nits (BT.2100, table 5)."""


def tone_mapped(rgb: NDArray[np.uint16], transfer: Transfer) -> NDArray[np.uint8]:
    """HDR R'G'B' (h, w, 3) of BT.2020, 16 bit full range, as BGR uint8 of sRGB.

    Up to the knee light stays as it is, so that faces do; above it highlights roll off, hues kept.
    """
    light = _LIGHT.get(transfer)
    if light is None:
        light = _LIGHT[transfer] = _light_table(transfer)
    linear = light[rgb]
    if transfer == "hlg":
        scene = linear @ _BT2020_LUMA
        linear *= (_HLG_PEAK * np.maximum(scene, 1e-6) ** (HLG_GAMMA - 1))[..., None]
    linear = linear @ _BT2020_TO_BT709.T
    np.maximum(linear, 0, out=linear)
    brightest = linear.max(axis=2, keepdims=True)
    over = np.maximum(brightest - KNEE, 0) / (1 - KNEE)
    most = (HDR_PEAK_NITS / SDR_WHITE_NITS - KNEE) / (1 - KNEE)
    rolled = np.minimum(brightest, KNEE) + (1 - KNEE) * over * (1 + over / most**2) / (1 + over)
    linear *= rolled / np.maximum(brightest, 1e-6)
    np.minimum(linear, 1, out=linear)
    shown = _SRGB[(linear * (len(_SRGB) - 1) + 0.5).astype(np.uint16)]
    return np.ascontiguousarray(shown[..., ::-1])


_LIGHT: dict[str, NDArray[np.float32]] = {}
_HLG_PEAK = np.float32(HDR_PEAK_NITS / SDR_WHITE_NITS)
_BT2020_LUMA = np.array([0.2627, 0.6780, 0.0593], np.float32)
_BT2020_TO_BT709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
_EVEN = np.linspace(0, 1, 16384)
_SRGB = np.round(255 * np.where(_EVEN <= 0.0031308, 12.92 * _EVEN, 1.055 * _EVEN ** (1 / 2.4) - 0.055)).astype(np.uint8)


def _light_table(transfer: Transfer) -> NDArray[np.float32]:
    """Light of every 16-bit code value: displayed, 1.0 being diffuse white, of HLG that of the scene, 0 to 1."""
    code = np.linspace(0, 1, 65536)
    if transfer == "hlg":
        scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        return scene.astype(np.float32)
    root = code ** (1 / 78.84375)
    nits = 10000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    return (nits / SDR_WHITE_NITS).astype(np.float32)
