"""Pictures with real faces that ship inside installed packages."""

from __future__ import annotations

from pathlib import Path

import cv2
import insightface
import numpy as np
import pytest
from numpy.typing import NDArray


@pytest.fixture(scope="session")
def six_people() -> NDArray[np.uint8]:
    """insightface's `t1.jpg`, BGR (886, 1280, 3): six people."""
    path = Path(insightface.__file__).parent / "data" / "images" / "t1.jpg"
    return np.asarray(cv2.imread(str(path)), np.uint8)
