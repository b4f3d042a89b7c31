"""Cuts chunks out of reels: a small file for each chunk of a video that can't be read in parts, or whose times jump.

Nothing is encoded again. ffmpeg-python drives the ffmpeg of imageio-ffmpeg, or the system's.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Collection, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ffmpeg

from lambdas.contracts import OPEN_END, Chunk
from lambdas.errors import FfmpegMissing, NoSpace, ProcessDied, UnreadableVideo
from lambdas.split.timeline import MOST_REORDERED

NO_SPACE = (b"No space left", b"Disk quota", b"File too large")
"""In what ffmpeg says of a full disk."""
MARGIN_S = 2
"""Copied beyond a chunk's end: frames of it may stand behind the next keyframe in the file."""


def ffmpeg_program() -> str:
    """The ffmpeg of imageio-ffmpeg where that is installed, else the system's.

    Raises FfmpegMissing, and ProcessDied where the package has one that does not start.
    """
    try:
        import imageio_ffmpeg
    except ImportError:
        imageio_ffmpeg = None
    failed = ""
    if imageio_ffmpeg is not None:
        try:
            program: str = imageio_ffmpeg.get_ffmpeg_exe()
            return program
        except RuntimeError as error:
            failed = str(error)
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    if failed:
        raise ProcessDied(f"ffmpeg does not start ({failed})")
    raise FfmpegMissing(
        "this video has to be copied before it can be read in parts, and there is no ffmpeg here; "
        "install one, or pip install imageio-ffmpeg"
    )


def copy_chunk(
    reel: Path, name: str, chunk: Chunk, time_base: Fraction, target: Path, *, times: Sequence[int] = ()
) -> None:
    """Copies what decoding `chunk` takes out of `reel`, which has a `time_base` of whole milliseconds.

    `times` are when its packets are shown, in file order, as far as that is known.
    """
    bounds: dict[str, str] = {}
    if chunk.decode_from_pts > -OPEN_END:
        # By the clock of the copy: ffmpeg would count from its first frame.
        bounds |= {"ss": f"{float(chunk.decode_from_pts * time_base):.3f}", "seek_timestamp": "1"}
    # ffmpeg ends at the first packet beyond the bound, and one astray may stand in the middle of the file.
    if chunk.end_pts < OPEN_END and not _is_astray_within(times, chunk, round(MARGIN_S / time_base)):
        bounds["to"] = f"{float(chunk.end_pts * time_base) + MARGIN_S:.3f}"
    source = ffmpeg.input(f"file:{reel}", format_whitelist="matroska", protocol_whitelist="file", **bounds)
    _run(
        source["0"],
        target,
        f"{name}: chunk {chunk.index} could not be copied",
        avoid_negative_ts="disabled",
        copyinkf=None,
    )


def holds_packets(copy: Path) -> bool:
    """Whether there is anything in a copy: where times jump, a reel or a chunk may have got nothing."""
    try:
        with av.open(f"file:{copy}") as container:
            return any(packet.size for packet in container.demux(video=0))
    except (av.error.FFmpegError, IndexError):
        return False


def with_segments_held(chunks: Sequence[Chunk], held: Collection[int], name: str) -> list[Chunk]:
    """The chunks, those without a segment of their own pointed to the nearest one, where what is left of their time is.

    `held` are the numbers of those that have one. Raises UnreadableVideo if none has.
    """
    if not held:
        raise UnreadableVideo(f"{name}: could not be copied, nothing came of it")
    keys = {number: chunks[number].segment_key for number in held}
    return [
        chunk
        if chunk.index in held
        else chunk.model_copy(update={"segment_key": keys[min(held, key=lambda other: abs(other - chunk.index))]})
        for chunk in chunks
    ]


def _is_astray_within(times: Sequence[int], chunk: Chunk, margin: int) -> bool:
    """Whether a packet shown later than `margin` after the chunk stands among its packets, or soon behind them."""
    inside = [number for number, time in enumerate(times) if chunk.decode_from_pts <= time < chunk.end_pts]
    if not inside:
        return False
    return max(times[inside[0] : inside[-1] + MOST_REORDERED]) >= chunk.end_pts + margin


def _run(source: Any, target: Path, trouble: str, **options: str | None) -> None:
    command = ffmpeg.output(
        source, f"file:{target}", format="matroska", vcodec="copy", map_metadata=-1, copyts=None, **options
    ).global_args("-nostdin", "-loglevel", "error")
    done = subprocess.run(
        ffmpeg.compile(command, cmd=ffmpeg_program(), overwrite_output=True), capture_output=True, check=False
    )
    grew_too_large = done.returncode == -getattr(signal, "SIGXFSZ", 0) != 0
    if grew_too_large or any(text in done.stderr for text in NO_SPACE):
        raise NoSpace(f"{trouble}: no space left")
    if done.returncode < 0:
        raise ProcessDied(f"{trouble}: ffmpeg was ended by {signal.Signals(-done.returncode).name}")
    if done.returncode:
        raise UnreadableVideo(f"{trouble} ({_last_line(done.stderr)})")


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].rpartition("] ")[2] if lines else "no reason given"
