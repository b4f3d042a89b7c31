"""Stream copies for containers that can't be read in parts, or whose times jump: first one that can, then one small
file per chunk.

Nothing is encoded again. PyAV copies packet by packet, since times are mended on the way; ffmpeg-python drives the
ffmpeg of imageio-ffmpeg.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import ffmpeg
import imageio_ffmpeg
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from lambdas.contracts import OPEN_END, Chunk
from lambdas.errors import NoSpace, UnreadableVideo
from lambdas.split.probe import BROADCAST, Probe, stream_of
from lambdas.split.timeline import NO_TIME, PacketTimes, mend
from lambdas.video import RAW_FORMATS, named_errors, open_video, packets_of

MARGIN_S = 2
"""Copied beyond a chunk's end: frames of it may stand behind the next keyframe in the file."""


def knows_when_shown(probe: Probe) -> bool:
    """Whether the packets tell when they are shown; those of AVI and of streams without a container don't."""
    return probe.facts.container not in ("avi", *RAW_FORMATS)


def copy_indexed(location: str, name: str, probe: Probe, target: Path) -> None:
    """Copies the video stream into Matroska with cues, its times without jumps and in whole milliseconds.

    A source whose packets don't tell when they are shown becomes AVI, which doesn't either. Raises UnreadableVideo and
    NoSpace, and what reading raises.
    """
    facts = probe.facts
    with_times = knows_when_shown(probe)
    times = probe.times if probe.times is not None else PacketTimes()
    mended = mend(times, float(facts.time_base), promised_s=facts.promised_s, broadcast=facts.container in BROADCAST)
    if with_times:
        pts: Sequence[int] = [
            dts if shown == NO_TIME else shown for shown, dts in zip(mended.pts, mended.dts, strict=True)
        ]
        # Matroska holds no time below 0, and no decoding times; whoever writes wants some that never go back.
        shift = max(0, -min(pts, default=0))
        pts = [time + shift for time in pts]
        in_order = sorted(pts)
        delay = max((early - time for early, time in zip(in_order, pts, strict=True)), default=0)
        dts: Sequence[int] = [time - delay for time in in_order]
    else:
        pts = dts = range(len(times)) if facts.container in RAW_FORMATS else times.dts
    written = 0
    with (
        open_video(location, name, by_index=probe.by_index, mark=facts.mark) as source,
        named_errors(location, name),
    ):
        stream = stream_of(source, facts.video_stream, name)
        with _writing(target, "matroska" if with_times else "avi", name) as copy:
            rate = Fraction(stream.average_rate or stream.guessed_rate or 25).limit_denominator(100_000)
            out = copy.add_stream_from_template(stream, opaque=True)
            if facts.container in RAW_FORMATS:
                out.time_base = 1 / rate
            for packet in packets_of(source, stream):
                if packet is None or written >= len(times):
                    break
                packet.pts, packet.dts = pts[written], dts[written]
                if facts.container in RAW_FORMATS:
                    packet.time_base, packet.duration = 1 / rate, 1
                packet.stream = out
                _write(copy, packet, name)
                written += 1


def copy_chunk(indexed: Path, name: str, chunk: Chunk, time_base: Fraction, target: Path) -> None:
    """Copies what decoding `chunk` takes out of `indexed`, which has a `time_base` of whole milliseconds."""
    bounds = {}
    if chunk.decode_from_pts > -OPEN_END:
        bounds["ss"] = f"{float(chunk.decode_from_pts * time_base):.3f}"
    if chunk.end_pts < OPEN_END:
        bounds["to"] = f"{float(chunk.end_pts * time_base) + MARGIN_S:.3f}"
    source = ffmpeg.input(f"file:{indexed}", format_whitelist="matroska", protocol_whitelist="file", **bounds)
    _run(source["0"], target, f"{name}: chunk {chunk.index} could not be copied", avoid_negative_ts="disabled")


@contextmanager
def _writing(target: Path, container: str, name: str) -> Iterator[OutputContainer]:
    """An output container, closed in the end; what goes wrong with it is no fault of the reading."""
    copy = av.open(f"file:{target}", "w", format=container, options={"avoid_negative_ts": "disabled"})
    try:
        yield copy
    except BaseException:
        with suppress(Exception):
            copy.close()
        raise
    try:
        copy.close()
    except (av.error.FFmpegError, ValueError) as error:
        raise _not_written(name, error) from None


def _write(copy: OutputContainer, packet: Packet[VideoStream], name: str) -> None:
    try:
        copy.mux_one(packet)
    except (av.error.FFmpegError, ValueError) as error:
        raise _not_written(name, error) from None


def _not_written(name: str, error: Exception) -> Exception:
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"{name}: no space left to copy it for reading in parts")
    return UnreadableVideo(f"{name}: could not be copied ({getattr(error, 'strerror', None) or error})")


def _run(source: Any, target: Path, trouble: str, **options: str) -> None:
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
        raise UnreadableVideo(f"{trouble} ({_last_line(error.stderr)})") from None


def _last_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[-1].rpartition("] ")[2] if lines else "no reason given"
