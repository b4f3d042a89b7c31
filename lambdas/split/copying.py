"""Copies a video stream packet by packet, with the times that it should have had, in one pass over its source.

Nothing is encoded again. PyAV copies, since times are mended on the way.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from statistics import median_low

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from lambdas.contracts import Limits
from lambdas.errors import OUT_OF_SPACE, NoSpace, UnreadableVideo
from lambdas.split.probe import BROADCAST, Probe, check_duration, first_shown, stream_of
from lambdas.split.reels import Reel
from lambdas.split.timeline import NO_TIME, PacketTimes, mend
from lambdas.video import DAMAGE, RAW_FORMATS, named_errors, open_video, packets_of

MATROSKA_TICK = Fraction(1, 1000)
"""Seconds; what Matroska counts time in unless told otherwise (RFC 9559, 5.1.2.9)."""
MOST_WITH_FRAMES = 0.75
"""Share of the packets of a stream without a container that give a frame each where pictures are coded whole."""


def knows_when_shown(probe: Probe) -> bool:
    """Whether the packets tell when they are shown, or it can be found out; AVI's tell when they are decoded."""
    return probe.facts.container != "avi"


def copied_times(location: str, name: str, probe: Probe) -> PacketTimes:
    """When each packet of the source is to be shown and decoded in a copy: without jumps, and in file order.

    A copy into Matroska counts in MATROSKA_TICK, none of its times is below 0, and those of decoding never go back.
    AVI's packets, which don't tell when they are shown, keep the source's ticks.
    """
    facts = probe.facts
    source = probe.times if probe.times is not None else PacketTimes()
    if facts.container in RAW_FORMATS:
        pts: Sequence[int] = _places(location, name, probe)[: len(source)]
        tick, durations = 1 / _frame_rate(location, name, probe), [1] * len(pts)
        # Where many packets give no frame of their own, fields are coded one by one: lengths are those of fields.
        if len(set(pts)) > MOST_WITH_FRAMES * len(pts) and (shown_for := _lengths(source, len(pts))):
            pts, tick, durations = _one_after_another(pts, shown_for), facts.time_base, shown_for
    else:
        tick = facts.time_base
        mended = mend(source, float(tick), promised_s=facts.promised_s, broadcast=facts.container in BROADCAST)
        durations = list(mended.durations)
        if not knows_when_shown(probe):
            pts = source.dts
        else:
            both = zip(mended.pts, mended.dts, strict=True)
            pts = [dts if shown == NO_TIME else shown for shown, dts in both]
    copied = PacketTimes()
    if not knows_when_shown(probe):
        for number, time in enumerate(pts):
            copied.add(time, time, durations[number], bool(source.keys[number]), source.sizes[number])
        return copied
    # Matroska holds no decoding times; whoever writes wants some that never go back.
    shift = max(0, -min(pts, default=0))
    pts = [_in_milliseconds(time + shift, tick) for time in pts]
    in_order = sorted(pts)
    delay = max((early - time for early, time in zip(in_order, pts, strict=True)), default=0)
    for number, time in enumerate(pts):
        length = _in_milliseconds(durations[number], tick)
        copied.add(time, in_order[number] - delay, length, bool(source.keys[number]), source.sizes[number])
    return copied


def probe_of_copy(location: str, name: str, probe: Probe, times: PacketTimes, limits: Limits) -> Probe:
    """The probe of a copy into Matroska with these `times`, before there is one.

    Raises UnreadableVideo and TooLarge.
    """
    with _reading(location, name, probe) as (stream, packets), named_errors(location, name):
        start_pts = first_shown(_timed(packets, times, MATROSKA_TICK), stream.codec_context, name)
    end_pts = max(times.end, start_pts + 1)
    duration_s = float((end_pts - start_pts) * MATROSKA_TICK)
    check_duration(duration_s, limits, name)
    timing = {
        "duration_s": duration_s,
        "start_pts": start_pts,
        "time_base_num": MATROSKA_TICK.numerator,
        "time_base_den": MATROSKA_TICK.denominator,
        "video_stream": 0,
        "container": "matroska,webm",
        "packets": len(times),
    }
    return replace(probe, facts=probe.facts.model_copy(update=timing), end_pts=end_pts, times=times)


def copy_reels(
    location: str, name: str, probe: Probe, times: PacketTimes, reels: Sequence[Reel], folder: Path
) -> Iterator[tuple[Reel, Path]]:
    """Copies the video stream in one pass; each reel is handed on once it is whole, and is deleted when the next one is
    asked for.

    A reel is Matroska with cues, or AVI where packets don't tell when they are shown. `reels` ascend. Raises
    UnreadableVideo and NoSpace, and what reading raises.
    """
    with_times = knows_when_shown(probe)
    tick = MATROSKA_TICK if with_times else probe.facts.time_base
    waiting = deque(enumerate(reels))
    running: list[_Writer] = []
    with ExitStack() as stack:
        stream, packets = stack.enter_context(_reading(location, name, probe))
        # As the stream is before it is read: where damage changes it on the way, FFmpeg dies of writing what it became.
        pattern = stack.enter_context(av.open(io.BytesIO(), "w", format="matroska"))
        begun_as = pattern.add_stream_from_template(stream, opaque=True)
        # Packets without a time are those behind the last that was read before.
        numbered = zip(range(len(times)), packets, strict=False)
        while True:
            with named_errors(location, name):
                number, packet = next(numbered, (len(times), None))
            while running and number >= running[0].reel.stop:
                yield from _handed_on(running.pop(0))
            if packet is None:
                break
            while waiting and number >= waiting[0][1].first:
                index, reel = waiting.popleft()
                writer = _Writer(reel, folder / f"reel-{index}{'.mkv' if with_times else '.avi'}", begun_as, name)
                stack.callback(writer.abandon)
                running.append(writer)
            for writer in running:
                # What is shown before the keyframe that a reel begins with refers to what is not in it.
                if writer.reel.first == 0 or times.pts[number] >= times.pts[writer.reel.first]:
                    writer.write(packet, times, number, tick)
        while running:
            yield from _handed_on(running.pop(0))
        if waiting:
            raise UnreadableVideo(f"{name}: could not be copied, fewer than its {len(times)} packets came")


class _Writer:
    """One reel being written."""

    def __init__(self, reel: Reel, path: Path, stream: VideoStream, name: str) -> None:
        self.reel = reel
        self.path = path
        self._name = name
        self._written = self._refused = 0
        with _named_writing(name):
            container = "matroska" if path.suffix == ".mkv" else "avi"
            self._copy: OutputContainer = av.open(
                f"file:{path}", "w", format=container, options={"avoid_negative_ts": "disabled"}
            )
            self._out = self._copy.add_stream_from_template(stream, opaque=True)

    def write(self, packet: Packet[VideoStream], times: PacketTimes, number: int, tick: Fraction) -> None:
        # Anew for each reel: one that took it before counted its time in ticks of its own.
        _set_times(packet, times, number, tick)
        packet.stream = self._out
        with _named_writing(self._name):
            try:
                self._copy.mux_one(packet)
            except (av.error.InvalidDataError, av.error.ArgumentError):
                # One so damaged that FFmpeg can't write it would not have been decoded either.
                self._refused += 1
            else:
                self._written += 1

    def finish(self) -> None:
        if self._refused and not self._written:
            raise UnreadableVideo(f"{self._name}: could not be copied, not one of {self._refused} packets")
        with _named_writing(self._name):
            self._copy.close()

    def abandon(self) -> None:
        """Closes what an error left open; nothing happens to what is closed."""
        with suppress(Exception):
            self._copy.close()


def _handed_on(writer: _Writer) -> Iterator[tuple[Reel, Path]]:
    writer.finish()
    yield writer.reel, writer.path
    writer.path.unlink(missing_ok=True)


@contextmanager
def _reading(
    location: str, name: str, probe: Probe
) -> Iterator[tuple[VideoStream, Iterator[Packet[VideoStream] | None]]]:
    """The video stream of the source and its packets in file order."""
    source: InputContainer = open_video(location, name, by_index=probe.by_index, mark=probe.facts.mark)
    with source:
        with named_errors(location, name):
            stream = stream_of(source, probe.facts.video_stream, name)
        yield stream, packets_of(source, stream)


def _timed(
    packets: Iterator[Packet[VideoStream] | None], times: PacketTimes, tick: Fraction
) -> Iterator[Packet[VideoStream]]:
    """The packets with their times in the copy."""
    for number, packet in zip(range(len(times)), packets, strict=False):
        assert packet is not None
        _set_times(packet, times, number, tick)
        yield packet


def _set_times(packet: Packet[VideoStream], times: PacketTimes, number: int, tick: Fraction) -> None:
    packet.time_base = tick
    packet.pts, packet.dts, packet.duration = times.pts[number], times.dts[number], times.durations[number]


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


def _frame_rate(location: str, name: str, probe: Probe) -> Fraction:
    """Frames a second of a stream without times."""
    with _reading(location, name, probe) as (stream, _):
        return Fraction(stream.average_rate or stream.guessed_rate or 25).limit_denominator(100_000)


def _in_milliseconds(time: int, tick: Fraction) -> int:
    """The nearest millisecond, halves up; `time` is not below 0."""
    return (2000 * time * tick.numerator + tick.denominator) // (2 * tick.denominator)


@contextmanager
def _named_writing(name: str) -> Iterator[None]:
    """What goes wrong with a copy is no fault of the reading."""
    try:
        yield
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if getattr(error, "errno", None) in OUT_OF_SPACE:
            raise NoSpace(f"{name}: no space left to copy it for reading in parts") from None
        raise UnreadableVideo(f"{name}: could not be copied ({getattr(error, 'strerror', None) or error})") from None
