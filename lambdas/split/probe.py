"""What a video is, by opening it and decoding its first frames; where its keyframes are; or why it is refused."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain, pairwise
from typing import Literal, cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lambdas.contracts import OPEN_END, Limits, SourceFacts
from lambdas.errors import EncryptedVideo, NoFrames, NoVideoStream, TooLarge, UnreadableVideo
from lambdas.split.containers import Read, is_cut_off, is_fragmented, readable_by_range
from lambdas.split.plan import Border
from lambdas.split.timeline import NO_TIME, PacketTimes, mend
from lambdas.video import (
    DAMAGE,
    RAW_FORMATS,
    Most,
    decoder_threads,
    display_turn,
    holds_pts,
    in_dolby_colours,
    named_errors,
    open_video,
    packet_time,
    packets_of,
    pixel_shape,
    read_bytes,
    reader_of,
    stereo_layout,
    still_picture,
    transfer_of,
)
from lambdas.web import GLANCE_BYTES, is_url

ENCODER_NOTE_BYTES = 8192
"""Within so many bytes of the first packet encoders say how they were set."""
FRAMES_LOOKED_AT = 3
"""First frames, whose flags tell of interlacing."""
PACKETS_TRIED = 2000
"""Without a frame after so many packets nothing in the video can be decoded."""
NOT_MOVING = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
PROTECTED_TAGS = ("encv", "drmi")
"""Codec tags of Common Encryption and FairPlay."""
MOST_FPS = 1000.0
"""Above it a frame rate is a mistake of the muxer."""
FAR_BEYOND_S = 10**6
"""Seconds, later than any video ends."""
USUAL_SHAPE = 16 / 9
"""Of pictures, width over height: of one eye's, halved or not, the nearer to it is meant."""
STEREO_NOTES = {
    "side_by_side": "The video is stereo film, side by side: the picture in the left half was looked at.",
    "top_bottom": "The video is stereo film, one above the other: the picture in the upper half was looked at.",
    "mixed": "The video is stereo film whose two pictures are mixed in one frame: they were looked at as they are.",
}
BROADCAST = ("mpegts", "mpeg")
"""Containers that are cut and joined as they are, and whose times come without a break."""


@dataclass(frozen=True)
class Probe:
    """What planning needs."""

    facts: SourceFacts
    end_pts: int
    """Where the last readable frame ends, by the container."""
    notes: tuple[str, ...] = ()
    """What a reader of the results should know of the video, in English."""
    by_index: bool = True
    """Whether the index of fragments is right."""
    times: PacketTimes | None = field(default=None, repr=False)
    """Of all packets, where they were read; of MP4 over the network decoding times alone, by its index."""


def probe_video(
    location: str, name: str, uri: str, identity: str, size: int, limits: Limits | None = None, *, mark: str = ""
) -> Probe:
    """Facts of the video, after its first frames were decoded.

    Raises UnreadableVideo, NoVideoStream, EncryptedVideo, NoFrames and TooLarge.
    """
    limits = limits if limits is not None else Limits()
    kind = _looked_at(location, name, size, limits)
    most = Most(limits.max_pixels, limits.max_streams)
    with (
        open_video(location, name, request_bytes=GLANCE_BYTES, most=most, mark=mark) as container,
        named_errors(location, name),
    ):
        stream, chosen = choose_picture(container, name)
        codec = stream.codec_context
        read = reader_of(location, name)
        _check_pixels(codec.width, codec.height, limits, name)
        frames, packets, begin = _first_frames(packets_of(container, stream, flush=True), codec, name)
        if not frames:
            raise _without_frames(container, read, size, name, packets)
        first = _film(frames, packets, kind, limits, name)
        start_pts = _first_shown(frames) if holds_pts(container) else stream.start_time or 0
        stereo = stereo_layout(first)
        one_eye = "" if stereo == "mixed" else stereo
        ratio, coded_width, coded_height = _one_eye(pixel_shape(stream.sample_aspect_ratio), first, one_eye)
        mirrored, turned = display_turn(first) or (False, 0)
        width, height = _shown_size(coded_width, coded_height, ratio, turned)
        time_base = stream.time_base or Fraction(1, av.time_base)
        by_range = container.format.name not in RAW_FORMATS and readable_by_range(container.format.name, read, size)
        fragmented = by_range and container.format.name.startswith("mov") and is_fragmented(read, size)
        end_pts = _end_pts(container, stream, start_pts, size, fragmented=fragmented)
        rate = stream.average_rate or stream.guessed_rate
        facts = SourceFacts(
            uri=uri,
            identity=identity,
            size_bytes=size,
            container=container.format.name,
            codec=codec.name,
            width=width,
            height=height,
            rotation=turned,
            mirrored=mirrored,
            sample_aspect_ratio=float(ratio),
            coded_aspect_ratio=float(codec.sample_aspect_ratio or 0),
            stereo=one_eye,
            interlaced=any(frame.interlaced_frame for frame in frames),
            hdr="ipt" if in_dolby_colours(first, codec.codec_tag) else transfer_of(first, ""),
            fps=min(float(rate), MOST_FPS) if rate else 0.0,
            cut_keyframes_within=_cut_keyframes_within(begin),
            duration_s=float(max(0, end_pts - start_pts) * time_base),
            promised_s=_promised_s(container, stream),
            indexed=len(stream.index_entries),
            reordered=codec.reorder_depth > 0,
            begins_s=_begins_s(container, stream, time_base),
            start_pts=start_pts,
            time_base_num=time_base.numerator,
            time_base_den=time_base.denominator,
            video_stream=stream.index,
            segmented=not by_range,
            mark=mark,
        )
        notes = (chosen, STEREO_NOTES.get(stereo, ""), _colours(facts))
        return Probe(facts, end_pts, tuple(note for note in notes if note))


def _one_eye(
    ratio: Fraction, frame: VideoFrame, stereo: Literal["", "side_by_side", "top_bottom"]
) -> tuple[Fraction, int, int]:
    """The shape of pixels and the coded size of one eye's picture, which may have been squeezed to half its size."""
    width, height = frame.width, frame.height
    if not stereo:
        return ratio, width, height
    if stereo == "side_by_side":
        width, wider = max(1, width // 2), ratio * 2
    else:
        height, wider = max(1, height // 2), ratio / 2
    # Shapes compare by their ratio.
    near = min((ratio, wider), key=lambda one: abs(math.log(width * one / height / USUAL_SHAPE)))
    return near, width, height


def _colours(facts: SourceFacts) -> str:
    if facts.hdr != "ipt":
        return ""
    return (
        "The video is in Dolby Vision's profile 5, whose colours nothing but Dolby's decoders can show: it is looked "
        "at and published in shades of grey."
    )


def _looked_at(location: str, name: str, size: int, limits: Limits) -> str:
    """The kind of still picture that its first bytes may be, or empty. Raises TooLarge and NoVideoStream."""
    if size > limits.max_bytes:
        raise TooLarge(f"{name}: {size:,} bytes, more than the limit of {limits.max_bytes:,} (limits.max_bytes)")
    kind = still_picture(read_bytes(location, 0, 16, name))
    if kind == "WebP":
        raise NoVideoStream(f"{name}: a still or moving picture (WebP), not a video that can be decoded here")
    return kind


def _film(frames: Sequence[VideoFrame], packets: int, kind: str, limits: Limits, name: str) -> VideoFrame:
    """The first frame. Raises NoVideoStream where it is a still picture of this kind, and TooLarge."""
    if kind and packets < 2:
        raise NoVideoStream(f"{name}: a still picture ({kind}), not a video")
    _check_pixels(frames[0].width, frames[0].height, limits, name)
    return frames[0]


def _begins_s(container: InputContainer, stream: VideoStream, time_base: Fraction) -> float:
    """Seconds after which players show the first picture; an hour is a mistake of the muxer."""
    begins_s = float((stream.start_time or 0) * time_base) - (container.start_time or 0) / av.time_base
    return round(max(0.0, begins_s), 3) if len(container.streams) > 1 and begins_s < 3600 else 0.0


def _shown_size(width: int, height: int, ratio: Fraction, turned: int) -> tuple[int, int]:
    """Width and height of a picture of so many coded pixels as players show it."""
    wide = max(1, round(width * ratio)) if ratio > 1 else width
    high = max(1, round(height / ratio)) if ratio < 1 else height
    return (high, wide) if turned in (90, 270) else (wide, high)


def survey(location: str, name: str, probe: Probe, limits: Limits | None = None) -> Probe:
    """The probe with the times of the source's packets, its end by them, and what they tell that its header doesn't.

    Files of this machine are read once from end to end; over the network so are those without an index, and broadcast
    streams, whose times no index vouches for. Of the others their index tells when frames are decoded.
    """
    facts = probe.facts
    is_mov = facts.container.startswith("mov")
    whole = not is_url(location) or facts.segmented or facts.container in BROADCAST
    times, ends = _times(location, name, facts, by_index=not facts.segmented, whole=whole)
    by_index = True
    if whole and is_mov and not facts.segmented:
        # The index that fragments may have names what it likes.
        plain, plain_ends = _times(location, name, facts, by_index=False, whole=True)
        by_index = (list(plain.pts), plain_ends) == (list(times.pts), ends)
        if not by_index and len(plain) >= len(times):
            times, ends = plain, plain_ends
        else:
            by_index = True
    return _surveyed(probe, times, limits or Limits(), name, whole=whole, by_index=by_index)


def _surveyed(probe: Probe, times: PacketTimes, limits: Limits, name: str, *, whole: bool, by_index: bool) -> Probe:
    facts = probe.facts
    tick_s = float(facts.time_base)
    mended = mend(times, tick_s, promised_s=facts.promised_s, broadcast=facts.container in BROADCAST)
    # An index that ends before the file does knows nothing of the rest; AVI's is believed when it is sought in.
    copied = (
        facts.segmented
        or mended.jumps > 0
        or not by_index
        or (whole and facts.container == "avi" and 0 < facts.indexed < len(times))
    )
    end_pts = probe.end_pts
    if whole and not mended.jumps and times.end > facts.start_pts:
        end_pts = times.end if facts.container == "avi" or end_pts <= facts.start_pts else min(end_pts, times.end)
        end_pts = times.end if facts.segmented or not by_index else max(end_pts, facts.start_pts + 1)
    duration_s = float(max(0, end_pts - facts.start_pts) * facts.time_base)
    if not mended.jumps:
        check_duration(duration_s, limits, name)
    facts = facts.model_copy(
        update={
            "duration_s": duration_s,
            "segmented": copied,
            "packets": len(times) if whole else 0,
        }
    )
    notes = list(probe.notes)
    if mended.jumps:
        many = f"{mended.jumps} times" if mended.jumps > 1 else "once"
        notes.append(f"The video's time stamps jump {many}: its parts follow one another without a gap here.")
    return Probe(facts, end_pts, tuple(notes), by_index, times)


def _times(location: str, name: str, facts: SourceFacts, *, by_index: bool, whole: bool) -> tuple[PacketTimes, int]:
    """The times of the packets, and the duration by the header."""
    times = PacketTimes()
    with open_video(location, name, by_index=by_index, mark=facts.mark) as container, named_errors(location, name):
        stream = stream_of(container, facts.video_stream, name)
        if whole:
            for packet in packets_of(container, stream):
                # An edit list hides some.
                if packet is not None and not (packet.is_discard and not facts.segmented):
                    times.add(packet.pts, packet.dts, packet.duration, bool(packet.is_keyframe), packet.size)
        else:
            if facts.container.startswith("matroska"):
                # The cues are read at the first seek.
                container.seek(facts.start_pts, stream=stream)
                next(packets_of(container, stream), None)
            for entry in stream.index_entries:
                times.add(None, entry.timestamp, 0, bool(entry.is_keyframe), entry.size)
        return times, int(stream.duration or 0)


def choose_picture(container: InputContainer, name: str) -> tuple[VideoStream, str]:
    """The video stream to look at, the others switched off, and a sentence on the choice where there was one.

    Raises NoVideoStream, UnreadableVideo and EncryptedVideo.
    """
    streams = container.streams
    moving = [stream for stream in streams.video if not stream.disposition & NOT_MOVING]
    if not moving:
        why = "cover art" if streams.video else "audio alone" if streams.audio else "no picture"
        raise NoVideoStream(f"{name}: 0 of {len(streams)} streams are video ({why})")
    known = [stream for stream in moving if stream.codec_context is not None]
    if not known:
        raise UnreadableVideo(f"{name}: its video is in a codec that nobody here knows")
    stream = _shown_first(known)
    if stream.codec_tag in PROTECTED_TAGS or "enc_key_id" in stream.metadata:
        raise EncryptedVideo(f"{name}: the video is encrypted (DRM)")
    only(container, stream)
    if len(moving) == 1:
        return stream, ""
    codec = stream.codec_context
    return stream, (
        f"The file holds {len(moving)} videos. Stream {stream.index} ({codec.width}x{codec.height}) was looked at, as "
        "players do: the one marked as the default, or else the largest."
    )


def _shown_first(streams: Sequence[VideoStream]) -> VideoStream:
    """Of several videos the one marked as the default, or else the largest; one picture beside a film is none."""
    films = [stream for stream in streams if stream.frames != 1] or streams
    marked = [stream for stream in films if stream.disposition & Disposition.default] or films
    return max(marked, key=lambda stream: stream.codec_context.width * stream.codec_context.height)


def stream_of(container: InputContainer, index: int, name: str) -> VideoStream:
    """The video stream of that index, the others switched off. Raises NoVideoStream."""
    streams = container.streams
    if index >= len(streams) or streams[index].type != "video" or streams[index].codec_context is None:
        raise NoVideoStream(f"{name}: stream {index} of {len(streams)} is no video")
    stream = cast(VideoStream, streams[index])
    only(container, stream)
    return stream


def only(container: InputContainer, stream: VideoStream) -> None:
    """Switches off the other streams."""
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all


def check_duration(duration_s: float, limits: Limits, name: str) -> None:
    """Raises TooLarge for a video that lasts too long."""
    if duration_s > limits.max_duration_s:
        raise TooLarge(
            f"{name}: lasts {duration_s / 3600:,.0f} h, more than the limit of {limits.max_duration_s / 3600:,.0f} h "
            "(limits.max_duration_s)"
        )


def _check_pixels(width: int, height: int, limits: Limits, name: str) -> None:
    if width * height > limits.max_pixels:
        raise TooLarge(
            f"{name}: frames of {width}x{height}, more than the limit of {limits.max_pixels:,} pixels "
            "(limits.max_pixels)"
        )


def _promised_s(container: InputContainer, stream: VideoStream) -> float:
    """How long the header says the video is; 0 where it says nothing, and where FFmpeg reckons it from time stamps."""
    if container.format.name in (*BROADCAST, *RAW_FORMATS):
        return 0.0
    if stream.duration and stream.duration > 0 and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base if (container.duration or 0) > 0 else 0.0


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

    By the packets where all were read; else from the container's index where it has one, or by looking for one keyframe
    every half chunk.
    """
    facts = probe.facts
    if probe.times is not None and facts.packets and not facts.container.startswith("mov"):
        shown = probe.times.shown() if facts.container != "avi" else probe.times.dts
        return sorted({time for time, key in zip(shown, probe.times.keys, strict=True) if key and time != NO_TIME})
    with (
        open_video(location, name, request_bytes=GLANCE_BYTES, mark=facts.mark) as container,
        named_errors(location, name),
    ):
        stream = stream_of(container, facts.video_stream, name)
        read = reader_of(location, name)
        if facts.container.startswith("mov") and not is_fragmented(read, facts.size_bytes):
            return index_keyframes(stream, facts.size_bytes)
        if facts.container.startswith("matroska"):
            # The cues are read at the first seek.
            container.seek(facts.start_pts, stream=stream)
            next(packets_of(container, stream), None)
            return sorted({entry.timestamp for entry in stream.index_entries if entry.is_keyframe})
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
    facts = probe.facts
    with (
        open_video(location, name, request_bytes=GLANCE_BYTES, mark=facts.mark) as container,
        named_errors(location, name),
    ):
        stream = stream_of(container, facts.video_stream, name)
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


def _first_frames(
    read: Iterable[Packet[VideoStream] | None], decoder: VideoCodecContext, name: str
) -> tuple[list[VideoFrame], int, bytes]:
    """The first frames, how many packets it took to see that there are none, and the first packet's beginning."""
    frames: list[VideoFrame] = []
    packets = 0
    begin = b""
    decoder.thread_count = decoder_threads(decoder.name)
    for packet in read:
        if packet is not None:
            packets += 1
            begin = begin or bytes(memoryview(packet)[:ENCODER_NOTE_BYTES])
            if packet.has_sidedata("encryption_info"):
                raise EncryptedVideo(f"{name}: the video is encrypted (DRM)")
        try:
            frames += decoder.decode(packet)
        except DAMAGE:
            continue
        if len(frames) >= FRAMES_LOOKED_AT or (packets >= PACKETS_TRIED and not frames):
            break
    return frames, packets, begin


def first_shown(read: Iterable[Packet[VideoStream]], decoder: VideoCodecContext, name: str) -> int:
    """When the first picture of these packets is shown. Raises UnreadableVideo where none can be decoded."""
    frames, packets, _ = _first_frames(chain(read, [None]), decoder, name)
    if not frames:
        raise UnreadableVideo(f"{name}: not one of its first {packets} video packets can be decoded")
    return _first_shown(frames)


def _first_shown(frames: Sequence[VideoFrame]) -> int:
    return min(frame.pts if frame.pts is not None else frame.dts or 0 for frame in frames)


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
    time_base = stream.time_base or Fraction(1, av.time_base)
    if fragmented:
        # The header knows of the first fragment alone, or of none.
        try:
            container.seek(FAR_BEYOND_S * av.time_base)
        except DAMAGE:
            return start_pts
        return max((_packet_end(packet) for packet in packets_of(container, stream) if packet), default=start_pts)
    if stream.duration and stream.duration > 0:
        begin = stream.start_time if stream.start_time is not None else start_pts
        end = begin + stream.duration
    elif container.duration and container.duration > 0:
        begin_s = Fraction(container.start_time or 0, av.time_base)
        end = round((begin_s + Fraction(container.duration, av.time_base)) / time_base)
    else:
        return start_pts
    if container.format.name.startswith("mov"):
        # A file cut off has its whole index still.
        lost = [entry.timestamp for entry in stream.index_entries if entry.pos + entry.size > size]
        if lost:
            end = min(end, max(min(lost), start_pts + 1))
    return max(end, start_pts)


def _packet_end(packet: Packet[VideoStream]) -> int:
    """Where a packet stops being shown; far in the past without a time."""
    time = packet.pts if packet.pts is not None else packet.dts
    return -OPEN_END if time is None else time + (packet.duration or 0)


def _key_packets(container: InputContainer, stream: VideoStream) -> Iterator[tuple[Packet[VideoStream], int]]:
    """Key packets in file order, each with its time."""
    with_pts = holds_pts(container)
    for packet in packets_of(container, stream):
        if packet is not None and packet.is_keyframe and (time := packet_time(packet, holds_pts=with_pts)) is not None:
            yield packet, time


def _key_packet_near(
    container: InputContainer, stream: VideoStream, pts: int
) -> tuple[Packet[VideoStream], int] | None:
    """The first key packet met after a seek to `pts`, and its time."""
    try:
        container.seek(pts, stream=stream)
    except DAMAGE:
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
