"""Clips to measure with: films of real people, encoded as cameras, editors and sites do, kept outside the repository.

    python -m benchmarks.bench_clips grain hevc --seconds 180

A film is encoded once; longer clips repeat it by stream copy, so that they cost no second encoding. A film whose recipe
changed is encoded anew.
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

from benchmarks.bench_films import FILMS, RATE, TAKES, inputs

_X264 = "-c:v libx264 -preset faster -b:v {rate} -maxrate {most} -bufsize {most}"


@dataclass(frozen=True)
class Clip:
    """A film, and how it is brought to its size and encoded."""

    filters: str
    """From the film's picture to the encoder's."""
    encoder: str
    suffix: str
    what: str
    film: str = "cuts"
    """One of FILMS."""
    lines: int = 1080
    """Of the picture's shorter side."""

    @property
    def people(self) -> tuple[int, int]:
        """Fewest and most that are right, in a clip of `film_s` and longer."""
        return FILMS[self.film].people

    @property
    def film_s(self) -> float:
        return FILMS[self.film].seconds


def _x264(extra: str, rate: str = "4M", most: str = "6M") -> str:
    return f"{_X264.format(rate=rate, most=most)} {extra}"


def _size(height: int = 1080, rate: int = RATE) -> str:
    return f"fps={rate},scale=-2:{height}:flags=bicubic"


def _grain(strength: int) -> str:
    return f",noise=alls={strength}:allf=t:all_seed=1"


_SHAKE = (
    ",rotate='0.006*sin(1.1*t)+0.002*sin(8.3*t)',crop=1920:1080:"
    "'96+50*sin(1.3*t)+18*sin(7.1*t+1)+5*sin(23*t)':'54+22*sin(1.7*t+2)+12*sin(6.3*t)+4*sin(19*t)'"
)
"""A hand: from 2112x1188 to 1920x1080, slow drift and quick tremor of up to 73 pixels and half a degree."""
_LONG = _x264("-g 250")
_UNEVEN = ",select='gt(random(1),0.2)'"
"""Drops a fifth of the frames, here and there."""

CLIPS = {
    "grain": Clip(_size() + _grain(6), _LONG, "mp4", "1080p30 H.264 4 Mb/s, GOP 250, noise 6 of 255"),
    "strong_grain": Clip(_size() + _grain(14), _x264("-g 250", "8M", "12M"), "mp4",
                         "1080p30 H.264 8 Mb/s, GOP 250, noise 14 of 255"),
    "handheld": Clip(_size(1188) + _SHAKE, _LONG, "mp4", "1080p30 H.264 4 Mb/s, GOP 250, shaken"),
    "talking_head": Clip(_size(), _LONG, "mp4", "1080p30 H.264 4 Mb/s, GOP 250, one person in one take", "talking"),
    "interview": Clip(_size(), _LONG, "mp4", "1080p30 H.264 4 Mb/s, GOP 250, two cameras", "interview"),
    "panel": Clip(_size(), _LONG, "mp4", "1080p30 H.264 4 Mb/s, GOP 250, six people at a table", "panel"),
    "slides": Clip(_size(), _x264("-g 99999 -keyint_min 99999 -sc_threshold 0", "1M", "2M"), "mp4",
                   "1080p30 H.264 1 Mb/s at most, a keyframe in three minutes, slides with the speaker", "slides"),
    "animation": Clip(_size(), _LONG, "mp4", "1080p30 H.264 4 Mb/s, GOP 250, drawn", "animation"),
    "interlaced": Clip(_size(1188, 50) + _SHAKE + ",tinterlace=interleave_top,setfield=tff",
                       _x264("-g 250 -flags +ildct+ilme", "6M", "9M"), "mp4",
                       "1080i25 H.264 6 Mb/s, GOP 250, shaken"),
    "phone_noise": Clip(_size(1188) + _SHAKE + _grain(6), _x264("-g 30 -bf 0 -sc_threshold 0", "12M", "16M"), "mp4",
                        "1080p30 H.264 12 Mb/s, GOP 30, no B-frames, shaken, noise 6 of 255"),
    "vfr": Clip(_size() + _UNEVEN, _x264("-g 250 -fps_mode vfr"), "mp4",
                "1080p H.264 4 Mb/s, GOP 250, 12 to 30 frames a second"),
    "hevc": Clip(_size(), "-c:v libx265 -preset medium -b:v 3M -tag:v hvc1 -x265-params keyint=250:log-level=none",
                 "mp4", "1080p30 HEVC 3 Mb/s, x265 medium"),
    "vp9": Clip(_size(), "-c:v libvpx-vp9 -deadline good -cpu-used 3 -row-mt 1 -tile-columns 2 -b:v 3M -g 240", "webm",
                "1080p30 VP9 3 Mb/s, libvpx-vp9 good"),
    "av1": Clip(_size(), "-c:v libsvtav1 -preset 8 -b:v 2500k -g 240", "mp4", "1080p30 AV1 2.5 Mb/s, SVT-AV1 preset 8"),
    "720p": Clip(_size(720), _x264("-g 250", "2M", "3M"), "mp4", "720p30 H.264 2 Mb/s, GOP 250", lines=720),
    "4k": Clip(_size(2160), _x264("-g 250", "14M", "20M"), "mp4", "2160p30 H.264 14 Mb/s, GOP 250", lines=2160),
    "480p": Clip(_size(480), _x264("-g 250", "1M", "1500k"), "mp4", "480p30 H.264 1 Mb/s, GOP 250", lines=480),
    "vertical": Clip(f"fps={RATE},crop=406:720,scale=1080:1920:flags=bicubic", _LONG, "mp4",
                     "1080x1920 at 30 H.264 4 Mb/s, GOP 250"),
    "gop250": Clip(_size(), _LONG, "mp4", "1080p30 H.264 4 Mb/s, GOP 250, keyframes on cuts"),
    "gop60": Clip(_size(), _x264("-g 60"), "mp4", "1080p30 H.264 4 Mb/s, GOP 60, keyframes on cuts"),
    "phone": Clip(_size(), _x264("-g 30 -bf 0 -sc_threshold 0"), "mp4",
                  "1080p30 H.264 4 Mb/s, GOP 30, no B-frames"),
    "fixed250": Clip(_size(), _x264("-g 250 -sc_threshold 0"), "mp4", "1080p30 H.264 4 Mb/s, GOP 250, none on cuts"),
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
    recipe = folder / f"{name}.recipe"
    path = folder / f"{name}_{seconds}s.{kind.suffix}"
    film = FILMS[kind.film]
    wanted = "\n".join([str(film), *(str(TAKES[name]) for name in film.takes), kind.filters, kind.encoder, ""])
    if not recipe.exists() or recipe.read_text() != wanted:
        for old in (*folder.glob(f"{name}_loop.*"), *folder.glob(f"{name}_[0-9]*s.*")):
            old.unlink()
        recipe.write_text(wanted)
    if path.exists():
        return path
    loop = folder / f"{name}_loop.{kind.suffix}"
    if not loop.exists():
        print(f"bench: encoding {loop.name}", file=sys.stderr)
        _encode_film(kind, loop)
    _ffmpeg(["-stream_loop", "-1", "-i", str(loop), "-t", str(seconds), "-c", "copy"], path)
    return path


def _encode_film(kind: Clip, path: Path) -> None:
    data = os.environ.get("TALENT_FRAMES_TEST_DATA")
    if not data:
        raise SystemExit("bench: no test videos; give them as TALENT_FRAMES_TEST_DATA=/path/to/it make bench")
    film = FILMS[kind.film]
    graph = f"{film.graph};[film]{kind.filters},format=yuv420p[out]"
    _ffmpeg(
        [
            *inputs(film, Path(data), path.parent, _ffmpeg),
            *("-filter_complex", graph, "-map", "[out]", "-t", str(film.seconds)),
            *kind.encoder.split(),
        ],
        path,
    )


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
