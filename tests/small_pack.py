"""The model pack of tests that run whole videos."""

from __future__ import annotations

import os
from pathlib import Path


def small_pack() -> Path:
    """The small test pack where it is mounted, else the `open` one, put together from installed packages."""
    mounted = os.environ.get("TALENT_FRAMES_TEST_MODELS")
    if mounted:
        return Path(mounted) / "insightface/models/test_pack"
    from talent_frames.packs import resolve_pack

    return resolve_pack("open")
