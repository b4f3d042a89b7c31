"""Whether a video that must be copied to be read in parts fits where it is copied to."""

from __future__ import annotations

import shutil
from pathlib import Path

from lambdas.errors import NoSpace

SPARE_BYTES = 256 * 2**20
"""Beside the copy: one chunk at a time, 60 s at 30 Mb/s; the copy itself leaves sound out and is smaller than this
asks for."""


def require_space(folder: Path, video_bytes: int, name: str) -> None:
    """Nothing, if a video of that size can be copied into the folder. Raises NoSpace before any time is spent."""
    free = shutil.disk_usage(folder).free
    if free < video_bytes + SPARE_BYTES:
        raise NoSpace(
            f"{name}: has no index, so its {video_bytes / 2**30:.1f} GiB must be copied, and "
            f"{free / 2**30:.1f} GiB are free for it"
        )
