"""The small clips that meet faults, and settings by which they are several chunks with little to look at in each."""

from __future__ import annotations

from pathlib import Path

from tests.clips import ffmpeg
from tests.known_people import make_clip

SETTINGS = {
    "chunk_s": 2,
    "short_below_s": 0,
    "long": {"period_s": 1, "dense_looks": 0},
    "alternatives": 1,
    "representative": 3,
}


def make_videos(folder: Path) -> dict[str, Path]:
    """An MP4 of two known people, the same as Matroska without an index, and another video."""
    made = {name: folder / f"{name}.{'mp4' if name != 'mkv' else 'mkv'}" for name in ("mp4", "mkv", "other")}
    large = make_clip(folder / "large.mp4", 2.4, 2.0)
    small = [
        "-vf",
        "scale=320:180",
        "-r",
        "12.5",
        "-c:v",
        "libx264",
        "-preset",
        "veryfast",
        "-g",
        "25",
        "-x264-params",
        "threads=1",
        "-bitexact",
    ]
    ffmpeg("-i", str(large), *small, str(made["mp4"]))
    ffmpeg("-i", str(made["mp4"]), "-c", "copy", "-bitexact", "-f", "matroska", "-live", "1", str(made["mkv"]))
    ffmpeg("-i", str(large), *small, "-ss", "1.2", "-t", "1.6", str(made["other"]))
    return made
