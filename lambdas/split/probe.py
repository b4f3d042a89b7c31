"""What a video is, by opening it and decoding its first frames; where its keyframes are; or why it is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Literal, cast

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lambdas.contracts import OPEN_END, SourceFacts
from lambdas.errors import EncryptedVideo, NoFrames, NoVideoStream, UnreadableVideo
from lambdas.split.containers import Read, is_cut_off, is_fragmented, readable_by_range
from lambdas.split.plan import Border
from lambdas.video import (
    GLANCE_BYTES,
    holds_pts,
    is_url,
    named_errors,
    open_video,
    packet_time,
    read_bytes,
    still_picture,
)

ENCODER_NOTE_BYTES = 8192
"""Within so many bytes of the first packet encoders say how they were set."""
FRAMES_LOOKED_AT = 3
"""First frames, whose flags tell of interlacing."""
PACKETS_TRIED = 2000
"""Without a frame after so many packets nothing in the video can be decoded."""
NOT_MOVING = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
PROTECTED_TAGS = ("encv", "drmi")
"""Codec tags of Common Encryption and FairPlay."""
TRANSFERS: dict[int, Literal["pq", "hlg"]] = {16: "pq", 18: "hlg"}
"""ITU-T H.273 transfer characteristics of high dynamic range."""
FAR_BEYOND_S = 10**6
"""Seconds, later than any video ends."""


@dataclass(frozen=True)
class Probe:
    """What planning needs."""

    facts: SourceFacts
    end_pts: int
    """Where the last readable frame ends, by the container."""


def probe_video(location: str, name: str, uri: str, identity: str, size: int) -> Probe:
    """Facts of the video, after its first frames were decoded.

    Raises UnreadableVideo, NoVideoStream, EncryptedVideo and NoFrames.
    """
    if kind := still_picture(read_bytes(location, 0, 16, name)):
        raise NoVideoStream(f"{name}: a still picture ({kind}), not a video")
    with open_video(location, name, request_bytes=GLANCE_BYTES) as container:
        stream = moving_picture(container, name)
        with named_errors(location, name):
            frames, packets, begin = _first_frames(container, stream, name)
        read = partial(_read_at, location, name)
        if not frames:
            raise _without_frames(container, read, size, name, packets)
        first = frames[0]
        if holds_pts(container):
            start_pts = min(frame.pts if frame.pts is not None else frame.dts or 0 for frame in frames)
        else:
            start_pts = stream.start_time or 0
        ratio = stream.sample_aspect_ratio or Fraction(1)
        # Beyond 4:1 it is a mistake of the muxer.
        ratio = ratio if Fraction(1, 4) <= ratio <= 4 else Fraction(1)
        width = round(first.width * ratio) if ratio > 1 else first.width
        height = round(first.height / ratio) if ratio < 1 else first.height
        rotation = first.rotation % 360
        # Turns that are no quarter turns are not shown by players either.
        turned = cast(Literal[0, 90, 180, 270], rotation if rotation % 90 == 0 else 0)
        if turned in (90, 270):
            width, height = height, width
        assert stream.time_base is not None
        by_range = readable_by_range(container.format.name, read, size)
        fragmented = by_range and container.format.name.startswith("mov") and is_fragmented(read, size)
        end_pts = _end_pts(container, stream, start_pts, size, fragmented=fragmented)
        rate = stream.average_rate or stream.guessed_rate
        facts = SourceFacts(
            uri=uri,
            identity=identity,
            size_bytes=size,
            container=container.format.name,
            codec=stream.codec_context.name,
            width=width,
            height=height,
            rotation=turned,
            sample_aspect_ratio=float(ratio),
            interlaced=any(frame.interlaced_frame for frame in frames),
            hdr=TRANSFERS.get(first.color_trc, ""),
            fps=float(rate) if rate else 0.0,
            cut_keyframes_within=_cut_keyframes_within(begin),
            duration_s=float(max(0, end_pts - start_pts) * stream.time_base),
            start_pts=start_pts,
            time_base_num=stream.time_base.numerator,
            time_base_den=stream.time_base.denominator,
            video_stream=stream.index,
            segmented=not by_range,
        )
        return Probe(facts, end_pts)


def moving_picture(container: InputContainer, name: str) -> VideoStream:
    """The video stream to look at, the others switched off. Raises NoVideoStream and EncryptedVideo."""
    streams = container.streams
    moving = [stream for stream in streams.video if not stream.disposition & NOT_MOVING]
    if not moving:
        why = "cover art" if streams.video else "audio alone" if streams.audio else "no picture"
        raise NoVideoStream(f"{name}: 0 of {len(streams)} streams are video ({why})")
    best = streams.best("video")
    stream = next((candidate for candidate in moving if best is not None and candidate.index == best.index), moving[0])
    if stream.codec_tag in PROTECTED_TAGS or "enc_key_id" in stream.metadata:
        raise EncryptedVideo(f"{name}: the video is encrypted (DRM)")
    for other in streams:
        if other.index != stream.index:
            other.discard = Discard.all
    return stream


def index_keyframes(stream: VideoStream, size: int) -> list[int]:
    """Times of the keyframes in the container's index, ascending, as far as the file reaches.

    For MP4 they are decoding times; empty where there is no index yet.
    """
    return [
        entry.timestamp
        for entry in stream.index_entries
        if entry.is_keyframe and entry.pos + max(entry.size, 1) <= size
    ]


def find_keyframes(location: str, name: str, probe: Probe, chunk_ticks: int) -> list[int]:
    """Times of keyframes, ascending, close enough to choose borders from; `settle_borders` makes them exact.

    From the container's index where it has one; else by reading the packets of a file, or, over the network, by
    looking for one keyframe every half chunk.
    """
    facts = probe.facts
    with open_video(location, name, request_bytes=GLANCE_BYTES) as container:
        stream = moving_picture(container, name)
        read = partial(_read_at, location, name)
        if facts.container.startswith("mov") and not is_fragmented(read, facts.size_bytes):
            return index_keyframes(stream, facts.size_bytes)
        if facts.container.startswith("matroska"):
            # The cues are read at the first seek.
            container.seek(facts.start_pts, stream=stream)
            next(container.demux(stream), None)
            return [entry.timestamp for entry in stream.index_entries if entry.is_keyframe]
        if not is_url(location):
            return sorted(time for _, time in _key_packets(container, stream))
        found: list[int] = []
        step = max(1, chunk_ticks // 2)
        for target in range(facts.start_pts + step, probe.end_pts, step):
            if found and found[-1] >= target:
                continue
            key = _key_packet_near(container, stream, target)
            if key is not None:
                found.append(key[1])
        return sorted(set(found))


def settle_borders(
    location: str, name: str, probe: Probe, borders: Sequence[Border], keyframes: Sequence[int]
) -> list[Border]:
    """The borders with the true PTS of their keyframes, which an index may not have: MP4's holds decoding times."""
    if not borders or not probe.facts.container.startswith("mov"):
        return list(borders)
    following = dict(pairwise(keyframes))
    settled = []
    with open_video(location, name, request_bytes=GLANCE_BYTES) as container:
        stream = moving_picture(container, name)
        known: dict[int, int] = {}
        for border in borders:
            key = border.decode_from_pts
            if key in following or key in keyframes[-1:]:
                if key not in known:
                    known[key] = _shown_at(container, stream, key, following.get(key, probe.end_pts))
                shown = known[key]
                settled.append(Border(shown if border.pts == key else max(border.pts, shown), shown))
            else:
                settled.append(border)
    return settled


def measured_end(location: str, name: str) -> int | None:
    """Where the last packet of a file ends, by reading them all; for files whose container does not say."""
    with open_video(location, name) as container:
        stream = moving_picture(container, name)
        end = None
        for packet in _packets(container, stream):
            end = _packet_end(packet) if end is None else max(end, _packet_end(packet))
        return end


def _first_frames(container: InputContainer, stream: VideoStream, name: str) -> tuple[list[VideoFrame], int, bytes]:
    """The first frames, how many packets it took to see that there are none, and the first packet's beginning."""
    frames: list[VideoFrame] = []
    packets = 0
    begin = b""
    stream.codec_context.thread_count = 1
    for packet in _packets(container, stream, flush=True):
        packets += packet.size > 0
        begin = begin or bytes(packet)[:ENCODER_NOTE_BYTES]
        if packet.has_sidedata("encryption_info"):
            raise EncryptedVideo(f"{name}: the video is encrypted (DRM)")
        try:
            frames += stream.codec_context.decode(packet)
        except av.error.FFmpegError:
            continue
        if len(frames) >= FRAMES_LOOKED_AT or (packets >= PACKETS_TRIED and not frames):
            break
    return frames, packets, begin


def _cut_keyframes_within(first_packet: bytes) -> int:
    """`SourceFacts.cut_keyframes_within` by the note that x264 and x265 leave in their first packet; 0 without one."""
    longest = re.search(rb"(?<![\w-])keyint=(\d+)", first_packet)
    at_cuts = re.search(rb"(?<![\w-])scenecut=(\d+)", first_packet)
    if longest is None or at_cuts is None or int(at_cuts[1]) == 0:
        return 0
    return int(longest[1])


def _without_frames(container: InputContainer, read: Read, size: int, name: str, packets: int) -> Exception:
    if is_cut_off(container.format.name, read, size):
        return UnreadableVideo(f"{name}: cut off before its first frame, at {size} bytes")
    if packets:
        return UnreadableVideo(f"{name}: not one of its first {packets} video packets can be decoded")
    return NoFrames(f"{name}: the video stream has 0 frames")


def _end_pts(container: InputContainer, stream: VideoStream, start_pts: int, size: int, *, fragmented: bool) -> int:
    """Where the last readable frame ends; `start_pts` if the container does not say."""
    assert stream.time_base is not None
    if fragmented:
        # The header knows of the first fragment alone, or of none.
        try:
            container.seek(FAR_BEYOND_S * av.time_base)
        except av.error.InvalidDataError:
            return start_pts
        return max((_packet_end(packet) for packet in _packets(container, stream)), default=start_pts)
    if stream.duration and stream.duration > 0:
        begin = stream.start_time if stream.start_time is not None else start_pts
        end = begin + stream.duration
    elif container.duration and container.duration > 0:
        begin_s = Fraction(container.start_time or 0, av.time_base)
        end = round((begin_s + Fraction(container.duration, av.time_base)) / stream.time_base)
    else:
        return start_pts
    if container.format.name.startswith("mov"):
        # A file cut off has its whole index still.
        lost = [entry.timestamp for entry in stream.index_entries if entry.pos + entry.size > size]
        if lost:
            end = min(end, max(min(lost), start_pts + 1))
    return max(end, start_pts)


def _packets(container: InputContainer, stream: VideoStream, *, flush: bool = False) -> Iterator[Packet[VideoStream]]:
    """Packets in file order up to the end or to damage that the demuxer can't get over."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.InvalidDataError:
            return
        if packet.size or flush:
            yield packet


def _packet_end(packet: Packet[VideoStream]) -> int:
    """Where a packet stops being shown; far in the past without a time."""
    time = packet.pts if packet.pts is not None else packet.dts
    return -OPEN_END if time is None else time + (packet.duration or 0)


def _key_packets(container: InputContainer, stream: VideoStream) -> Iterator[tuple[Packet[VideoStream], int]]:
    """Key packets in file order, each with its time."""
    with_pts = holds_pts(container)
    for packet in _packets(container, stream):
        if packet.is_keyframe and (time := packet_time(packet, holds_pts=with_pts)) is not None:
            yield packet, time


def _key_packet_near(
    container: InputContainer, stream: VideoStream, pts: int
) -> tuple[Packet[VideoStream], int] | None:
    """The first key packet met after a seek to `pts`, and its time."""
    try:
        container.seek(pts, stream=stream)
    except av.error.InvalidDataError:
        return None
    return next(_key_packets(container, stream), None)


def _shown_at(container: InputContainer, stream: VideoStream, dts: int, next_dts: int) -> int:
    """The PTS of the key packet with that decoding time.

    Demuxers seek by the time a keyframe is shown, which is a little after: seek to between it and the next.
    """
    shown = dts
    for aim in (dts + max(1, (next_dts - dts) // 2), next_dts, dts):
        key = _key_packet_near(container, stream, aim)
        if key is not None:
            shown = key[1]
            if key[0].dts == dts:
                break
    return shown


def _read_at(location: str, name: str, offset: int, length: int) -> bytes:
    return read_bytes(location, max(0, offset), length, name)
