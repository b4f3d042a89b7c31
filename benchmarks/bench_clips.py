"""Clips to measure with, made from real ones by scaling and looping, kept in a folder outside the repository.

    python -m benchmarks.bench_clips gop250 hevc --seconds 180

One loop of the source is encoded; longer clips repeat it by stream copy, so that they cost no second encoding.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg

SOURCE = "people17_cuts_720p.mp4"
"""Of TALENT_FRAMES_TEST_DATA/videos: 80 s, 22 shots, 17 people."""
SOURCE_S = 80.12
PEOPLE = 17
RATE = 30

_X264 = "-c:v libx264 -preset faster -b:v {rate} -maxrate {most} -bufsize {most}"


@dataclass(frozen=True)
class Clip:
    """How one clip is encoded."""

    height: int
    """Of 16:9 pictures, pixels."""
    encoder: str
    suffix: str
    what: str


def _x264(extra: str, rate: str = "4M", most: str = "6M") -> str:
    return f"{_X264.format(rate=rate, most=most)} {extra}"


CLIPS = {
    "gop250": Clip(1080, _x264("-g 250"), "mp4", "1080p30 H.264 4 Mb/s, GOP 250, keyframes on cuts"),
    "gop60": Clip(1080, _x264("-g 60"), "mp4", "1080p30 H.264 4 Mb/s, GOP 60, keyframes on cuts"),
    "phone": Clip(1080, _x264("-g 30 -bf 0 -sc_threshold 0"), "mp4", "1080p30 H.264 4 Mb/s, GOP 30, no B-frames"),
    "fixed250": Clip(1080, _x264("-g 250 -sc_threshold 0"), "mp4", "1080p30 H.264 4 Mb/s, GOP 250, none on cuts"),
    "hevc": Clip(1080, "-c:v libx265 -preset ultrafast -b:v 3M -x265-params keyint=250:bframes=3:log-level=none",
                 "mp4", "1080p30 HEVC 3 Mb/s, GOP 250"),
    "vp9": Clip(1080, "-c:v libvpx-vp9 -deadline realtime -cpu-used 7 -row-mt 1 -b:v 3M -g 240", "webm",
                "1080p30 VP9 3 Mb/s, GOP 240"),
    "720p": Clip(720, _x264("-g 250", "2M", "3M"), "mp4", "720p30 H.264 2 Mb/s, GOP 250"),
    "4k": Clip(2160, _x264("-g 250", "14M", "20M"), "mp4", "2160p30 H.264 14 Mb/s, GOP 250"),
}  # fmt: skip


def clips_folder() -> Path:
    """Where clips are kept: TALENT_FRAMES_BENCH, or below the user's cache."""
    folder = os.environ.get("TALENT_FRAMES_BENCH")
    return Path(folder) if folder else Path.home() / ".cache" / "talent-frames" / "bench"


def clip(name: str, seconds: int) -> Path:
    """The clip of that name and length, made if it is not there yet. Raises SystemExit without the test videos."""
    kind = CLIPS[name]
    folder = clips_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_{seconds}s.{kind.suffix}"
    if path.exists():
        return path
    data = os.environ.get("TALENT_FRAMES_TEST_DATA")
    if not data:
        raise SystemExit("bench: no test videos; give them as TALENT_FRAMES_TEST_DATA=/path/to/it make bench")
    loop = folder / f"{name}_loop.{kind.suffix}"
    if not loop.exists():
        print(f"bench: encoding {loop.name}", file=sys.stderr)
        scale = f"scale=-2:{kind.height}:flags=bicubic,fps={RATE}"
        source = Path(data) / "videos" / SOURCE
        _ffmpeg(["-i", str(source), "-an", "-vf", scale, *kind.encoder.split(), "-pix_fmt", "yuv420p"], loop)
    _ffmpeg(["-stream_loop", "-1", "-i", str(loop), "-t", str(seconds), "-c", "copy"], path)
    return path


def remuxed(path: Path) -> Path:
    """The same packets in Matroska, made if it is not there yet."""
    copy = path.with_suffix(".mkv")
    if not copy.exists():
        _ffmpeg(["-i", str(path), "-c", "copy"], copy)
    return copy


def hours_long(hours: int) -> Path:
    """An MP4 whose index is as long as that of so many hours at RATE; its pictures are tiny."""
    folder = clips_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"tiny_{hours}h.mp4"
    if path.exists():
        return path
    loop = folder / "tiny_loop.mp4"
    if not loop.exists():
        source = f"testsrc2=size=64x36:rate={RATE}:duration=60"
        _ffmpeg(["-f", "lavfi", "-i", source, "-c:v", "libx264", "-g", "250", "-pix_fmt", "yuv420p"], loop)
    _ffmpeg(["-stream_loop", "-1", "-i", str(loop), "-t", str(hours * 3600), "-c", "copy"], path)
    return path


def _ffmpeg(arguments: Sequence[str], out: Path) -> None:
    part = out.with_name(f"part.{out.name}")
    extra = ["-movflags", "+faststart"] if out.suffix == ".mp4" else []
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-y", *arguments, *extra, str(part)]
    subprocess.run(command, check=True)
    part.rename(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(CLIPS), metavar="NAME", help=", ".join(CLIPS))
    parser.add_argument("--seconds", type=int, nargs="+", default=[180])
    given = parser.parse_args()
    for name in given.names:
        for seconds in given.seconds:
            print(clip(name, seconds))


if __name__ == "__main__":
    main()
