"""Stream copies for containers that can't be read in parts, or whose times jump: first one that can, then one small
file per chunk.

Nothing is encoded again. PyAV copies packet by packet, since times are mended on the way; ffmpeg-python drives the
ffmpeg of imageio-ffmpeg, or the system's.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from statistics import median_low
from typing import Any

import av
import av.error
import ffmpeg
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from lambdas.contracts import OPEN_END, Chunk
from lambdas.errors import OUT_OF_SPACE, FfmpegMissing, NoSpace, ProcessDied, UnreadableVideo
from lambdas.split.probe import BROADCAST, Probe, stream_of
from lambdas.split.timeline import MOST_REORDERED, NO_TIME, PacketTimes, mend
from lambdas.video import DAMAGE, RAW_FORMATS, named_errors, open_video, packets_of

NO_SPACE = (b"No space left", b"Disk quota", b"File too large")
"""In what ffmpeg says of a full disk."""
MOST_WITH_FRAMES = 0.75
"""Share of the packets of a stream without a container that give a frame each where pictures are coded whole."""
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


def knows_when_shown(probe: Probe) -> bool:
    """Whether the packets tell when they are shown, or it can be found out; AVI's tell when they are decoded."""
    return probe.facts.container != "avi"


def copy_indexed(location: str, name: str, probe: Probe, target: Path) -> None:
    """Copies the video stream into Matroska with cues, its times without jumps and in whole milliseconds.

    AVI, whose packets don't tell when they are shown, stays AVI. Raises UnreadableVideo and NoSpace, and what reading
    raises.
    """
    facts = probe.facts
    with_times = knows_when_shown(probe)
    raw = facts.container in RAW_FORMATS
    times = probe.times if probe.times is not None else PacketTimes()
    with (
        open_video(location, name, by_index=probe.by_index, mark=facts.mark) as source,
        named_errors(location, name),
    ):
        stream = stream_of(source, facts.video_stream, name)
        rate = Fraction(stream.average_rate or stream.guessed_rate or 25).limit_denominator(100_000)
        if raw:
            pts: Sequence[int] = _places(location, name, probe)
            length, durations = 1 / rate, [1] * len(pts)
            # Where many packets give no frame of their own, fields are coded one by one: lengths are those of fields.
            if len(set(pts)) > MOST_WITH_FRAMES * len(pts) and (shown_for := _lengths(times, len(pts))):
                pts, length, durations = _one_after_another(pts, shown_for), facts.time_base, shown_for
        else:
            length = facts.time_base
            mended = mend(times, float(length), promised_s=facts.promised_s, broadcast=facts.container in BROADCAST)
            both = zip(mended.pts, mended.dts, strict=True)
            pts = [dts if shown == NO_TIME else shown for shown, dts in both] if with_times else times.dts
            durations = list(mended.durations)
        # Matroska holds no time below 0, and no decoding times; whoever writes wants some that never go back.
        shift = max(0, -min(pts, default=0)) if with_times else 0
        pts = [time + shift for time in pts]
        in_order = sorted(pts) if with_times else pts
        delay = max((early - time for early, time in zip(in_order, pts, strict=True)), default=0)
        refused = 0
        with _writing(target, "matroska" if with_times else "avi", name) as copy:
            out = copy.add_stream_from_template(stream, opaque=True)
            if raw:
                out.time_base = length
            # Packets without a place are those behind the last that was read before.
            for number, packet in zip(range(len(pts)), packets_of(source, stream), strict=False):
                assert packet is not None
                packet.time_base = length
                packet.pts, packet.dts, packet.duration = pts[number], in_order[number] - delay, durations[number]
                packet.stream = out
                refused += not _write(copy, packet, name)
            if refused and refused >= len(pts):
                raise UnreadableVideo(f"{name}: could not be copied, not one of its {refused} packets")


def _lengths(times: PacketTimes, count: int) -> list[int]:
    """For how many ticks the coded stream says that each of its first `count` packets is shown; empty where it does not
    say, or nothing that can be believed. Film in interlaced video is shown for three fields and for two by turns."""
    lengths = list(times.durations[:count])
    if len(lengths) < count or not lengths:
        return []
    usual = median_low(lengths)
    return lengths if usual > 0 and usual <= 3 * min(lengths) and max(lengths) <= 3 * usual else []


def _one_after_another(places: Sequence[int], lengths: Sequence[int]) -> list[int]:
    """When each packet is shown, by its place in the order of showing; those of one place at once."""
    begins: dict[int, int] = {}
    now = 0
    for number in sorted(range(len(places)), key=places.__getitem__):
        if places[number] not in begins:
            begins[places[number]] = now
            now += lengths[number]
    return [begins[place] for place in places]


def _places(location: str, name: str, probe: Probe) -> list[int]:
    """The place of each packet of a stream without times in the order in which they are shown, by decoding them all."""
    order: list[int] = []
    count = 0
    with open_video(location, name, mark=probe.facts.mark) as container, named_errors(location, name):
        stream = stream_of(container, probe.facts.video_stream, name)
        decoder = stream.codec_context
        decoder.options = {"skip_loop_filter": "all"}
        for packet in packets_of(container, stream, flush=True):
            if packet is not None:
                packet.pts = packet.dts = count
                count += 1
            with suppress(*DAMAGE):
                order += [frame.pts for frame in decoder.decode(packet) if frame.pts is not None]
    shown = {number: place for place, number in enumerate(dict.fromkeys(order))}
    places: list[int] = []
    for number in range(count):
        # What gives no frame takes no time: it goes with the one before.
        places.append(shown.get(number, places[-1] if places else 0))
    return places


def copy_chunk(
    indexed: Path, name: str, chunk: Chunk, time_base: Fraction, target: Path, *, times: Sequence[int] = ()
) -> None:
    """Copies what decoding `chunk` takes out of `indexed`, which has a `time_base` of whole milliseconds.

    `times` are when its packets are shown, in file order, as far as that is known.
    """
    bounds: dict[str, str] = {}
    if chunk.decode_from_pts > -OPEN_END:
        # By the clock of the copy: ffmpeg would count from its first frame.
        bounds |= {"ss": f"{float(chunk.decode_from_pts * time_base):.3f}", "seek_timestamp": "1"}
    # ffmpeg ends at the first packet beyond the bound, and one astray may stand in the middle of the file.
    if chunk.end_pts < OPEN_END and not _is_astray_within(times, chunk, round(MARGIN_S / time_base)):
        bounds["to"] = f"{float(chunk.end_pts * time_base) + MARGIN_S:.3f}"
    source = ffmpeg.input(f"file:{indexed}", format_whitelist="matroska", protocol_whitelist="file", **bounds)
    _run(
        source["0"],
        target,
        f"{name}: chunk {chunk.index} could not be copied",
        avoid_negative_ts="disabled",
        copyinkf=None,
    )


def _is_astray_within(times: Sequence[int], chunk: Chunk, margin: int) -> bool:
    """Whether a packet shown later than `margin` after the chunk stands among its packets, or soon behind them."""
    inside = [number for number, time in enumerate(times) if chunk.decode_from_pts <= time < chunk.end_pts]
    if not inside:
        return False
    return max(times[inside[0] : inside[-1] + MOST_REORDERED]) >= chunk.end_pts + margin


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


def _write(copy: OutputContainer, packet: Packet[VideoStream], name: str) -> bool:
    """Whether the packet was taken; one so damaged that FFmpeg can't write it would not have been decoded either."""
    try:
        copy.mux_one(packet)
    except av.error.InvalidDataError:
        return False
    except (av.error.FFmpegError, ValueError) as error:
        raise _not_written(name, error) from None
    return True


def _not_written(name: str, error: Exception) -> Exception:
    if getattr(error, "errno", None) in OUT_OF_SPACE:
        return NoSpace(f"{name}: no space left to copy it for reading in parts")
    return UnreadableVideo(f"{name}: could not be copied ({getattr(error, 'strerror', None) or error})")


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
