"""High dynamic range brought to standard."""

from __future__ import annotations

import numpy as np
import pytest

from lambdas.detect.decode.tone_mapping import tone_mapped


@pytest.mark.parametrize(("transfer", "white", "black"), [("pq", 0.58, 0.0), ("hlg", 0.75, 0.0)])
def test_high_dynamic_range_keeps_white_bright_and_order(transfer: str, white: float, black: float) -> None:
    codes = np.round(np.linspace(0, 1, 512) * 65535).astype(np.uint16)
    grey = np.repeat(codes[None, :, None], 3, axis=2)
    shown = tone_mapped(grey, "pq" if transfer == "pq" else "hlg")
    assert shown.shape == (1, 512, 3)
    line = shown[0, :, 1].astype(int)
    assert (np.diff(line) >= 0).all()
    assert (line[0], line[-1]) == (0, 255)
    assert 210 <= line[round(white * 511)] <= 235
    # Grey stays grey.
    assert np.ptp(shown[0].astype(int), axis=1).max() <= 2
