"""Stream copies for containers that can't be read in parts: first one with an index, then one small file per chunk.

Nothing is encoded again; ffmpeg-python drives the ffmpeg of imageio-ffmpeg.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg

from lambdas.contracts import OPEN_END, Chunk
from lambdas.errors import NoSpace, UnreadableVideo
from lambdas.video import input_options, is_url

MARGIN_S = 2
"""Copied beyond a chunk's end: frames of it may stand behind the next keyframe in the file."""


def copy_indexed(location: str, name: str, stream: int, target: Path, *, starts_at_or_after_0: bool) -> None:
    """Copies stream number `stream` into a Matroska file with cues, times kept (in whole milliseconds).

    Raises UnreadableVideo, or ConnectionError where the source is read over the network.
    """
    options = _command_options(location)
    source = ffmpeg.input(location if is_url(location) else f"file:{location}", **options)
    _run(
        source[str(stream)],
        target,
        f"{name}: could not be copied",
        transient=is_url(location),
        # Matroska holds no time below 0, and no decoding times, which may lie below.
        avoid_negative_ts="disabled" if starts_at_or_after_0 else "make_non_negative",
    )


def copy_chunk(indexed: Path, name: str, chunk: Chunk, time_base: Fraction, target: Path) -> None:
    """Copies what decoding `chunk` takes out of `indexed`, which has a `time_base` of whole milliseconds."""
    bounds = {}
    if chunk.decode_from_pts > -OPEN_END:
        bounds["ss"] = f"{float(chunk.decode_from_pts * time_base):.3f}"
    if chunk.end_pts < OPEN_END:
        bounds["to"] = f"{float(chunk.end_pts * time_base) + MARGIN_S:.3f}"
    source = ffmpeg.input(f"file:{indexed}", format_whitelist="matroska", protocol_whitelist="file", **bounds)
    _run(source["0"], target, f"{name}: chunk {chunk.index} could not be copied", avoid_negative_ts="disabled")


def _command_options(location: str) -> dict[str, str]:
    """The options that ffmpeg's command takes: it refuses those that the demuxer or protocol at hand does not have."""
    options = input_options(location)
    del options["use_mfra_for"]
    if location.startswith("http://"):
        # So that a redirection to an unverified host fails.
        options["protocol_whitelist"] = "http,tcp"
        del options["tls_verify"], options["ca_file"]
    return options


def _run(source: Any, target: Path, trouble: str, *, transient: bool = False, **options: str) -> None:
    command = ffmpeg.output(
        source, f"file:{target}", format="matroska", vcodec="copy", map_metadata=-1, copyts=None, **options
    ).global_args("-nostdin", "-loglevel", "error")
    try:
        command.run(
            cmd=imageio_ffmpeg.get_ffmpeg_exe(), capture_stdout=True, capture_stderr=True, overwrite_output=True
        )
    except ffmpeg.Error as error:
        if b"No space left" in error.stderr or b"Disk quota" in error.stderr:
            raise NoSpace(f"{trouble}: no space left") from None
        # Its own text would show a signed URL.
        if transient:
            raise ConnectionError(trouble) from None
        raise UnreadableVideo(f"{trouble} ({_last_line(error.stderr)})") from None


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].rpartition("] ")[2] if lines else "no reason given"
