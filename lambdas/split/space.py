"""Whether a video that must be copied to be read in parts fits where it is copied to."""

from __future__ import annotations

import shutil
from pathlib import Path

from lambdas.errors import NoSpace
from lambdas.split.reels import Room
from lambdas.staging import Store

SPARE_BYTES = 64 * 2**20
"""Beside the packets: what the container adds, and what else comes to stand there meanwhile."""


def require_space(folder: Path, staging: Store, room: Room, name: str) -> None:
    """Nothing, if `folder` holds what is copied at once and `staging` what is kept. Raises NoSpace before it begins.

    A bucket holds everything. Staging in a folder is taken to be on the disk that is copied to.
    """
    trouble = f"{name}: must be copied to be read in parts"
    free = shutil.disk_usage(folder).free
    at_once = room.at_once + SPARE_BYTES
    if free < at_once:
        raise NoSpace(f"{trouble}, which takes {_told(at_once)} at once, and {_told(free)} are free")
    left = staging.free_bytes()
    if left is not None and left < room.staged + at_once:
        raise NoSpace(f"{trouble}, which takes {_told(room.staged + at_once)} in all, and {_told(left)} are free")


def _told(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
