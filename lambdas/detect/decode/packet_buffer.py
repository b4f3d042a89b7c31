"""An open video, its decoder, and the packets that were read from it: kept, so that nothing is read twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import numpy as np
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from lambdas.contracts import OPEN_END, Chunk, SourceFacts
from lambdas.detect import device
from lambdas.detect.decode.nonref import HEAD_BYTES, disposable_test
from lambdas.errors import NoVideoStream
from lambdas.video import (
    DAMAGE,
    SQUARE_WITHIN,
    Most,
    decoder_threads,
    holds_pts,
    open_video,
    packet_time,
    packets_of,
    pixel_shape,
)

SEEKS_TO_START = ("mov", "matroska")
"""Demuxers whose index brings them back to the first frame; others are opened anew (MPEG-TS lands past it)."""
BACK_OFF_S = (0.0, 1.0, 4.0, 16.0, 64.0)
"""How much earlier to seek when a seek landed past the wanted keyframe, before reading from the start."""
BEFORE_START_S = 3600
"""How far before the first frame a seek to the start aims: below anything an edit list hides."""
KEPT_BYTES = 192 * 2**20
"""Packets of one chunk kept in memory so that nothing is read twice: 60 s at 26 Mb/s. Beyond it they are read again."""
_INTRA_SHARE = 0.25
"""Share of a cut's own packet that one showing the new picture before it takes at least: both are intra coded. Frames
that others don't refer to are coded coarser; ordinary ones take 0.02 to 0.15 of it."""

if TYPE_CHECKING:
    VideoPacket = Packet[VideoStream]


@dataclass(frozen=True)
class Lookahead:
    """What packets tell of a GOP before any of them is decoded, in order of time."""

    times: NDArray[np.int64]
    """(n,) PTS."""
    sizes: NDArray[np.int64]
    """(n,) bytes."""
    keys: NDArray[np.bool_]
    """(n,) whether it is a keyframe."""
    next_key_pts: int | None
    """The keyframe after the GOP; None where the video ends with it."""


@dataclass(frozen=True)
class _Facts:
    """Of one packet kept."""

    pts: int
    size: int
    is_key: bool


class PacketBuffer:
    """Packets of one chunk of `source` at `location`, with the decoder that takes them."""

    def __init__(self, location: str, name: str, source: SourceFacts, chunk: Chunk, most_pixels: int) -> None:
        """Opens it. Raises NoVideoStream, and what `open_video` raises."""
        self._location = location
        self._name = name
        self._source = source
        # One eye's picture has pixels of its own.
        coded = source.coded_aspect_ratio if not source.stereo else 0.0
        self._first_shape = pixel_shape(Fraction(coded).limit_denominator(999)) if coded else None
        own = chunk.segment_key is not None
        self._stream_index = 0 if own else source.video_stream
        self._mark = "" if own else source.mark
        self._most_pixels = most_pixels
        self._container = self._open()
        self._kept: list[VideoPacket | None] | None = []
        """Packets from where the first pass began, in file order; None once there are too many."""
        self._kept_bytes = 0
        self._spilled: list[VideoPacket | None] = []
        """The packets kept when they became too many, until the running pass is through with them."""
        self._ended = False
        self._facts: list[_Facts] = []
        """Of the packets kept that have a time."""
        self._last_key = 0
        """Where in `_facts` the latest keyframe stands."""
        self._key_packets: dict[int, VideoPacket] = {}
        """Keyframes kept, by PTS."""
        self._coming: Iterator[VideoPacket | None] | None = None
        """The packets after those kept."""
        self._peeking: VideoCodecContext | None = None

    def close(self) -> None:
        self._container.close()

    def packets_from(self, pts: int) -> Iterator[VideoPacket | None]:
        """Packets in file order from a keyframe shown at or before `pts`, or from the start; None is the flush.

        The decoder is made ready for them.
        """
        self.decoder.flush_buffers()
        if self._kept is None:
            return self._sought(pts)
        if self._coming is None:
            self._coming = self._sought(pts)
            return self._replayed(0)
        latest = None
        for index, packet in enumerate(self._kept):
            if packet is not None and packet.is_keyframe:
                time = self._time(packet)
                if time is not None and time <= pts:
                    latest = index
        # The first pass began at or before whatever the chunk holds.
        return self._replayed(latest or 0)

    def _replayed(self, index: int) -> Iterator[VideoPacket | None]:
        """Packets from the kept one of this number on, those still to come after them; None at the end."""
        assert self._coming is not None
        while True:
            kept = self._kept if self._kept is not None else self._spilled
            if index >= len(kept):
                if self._kept is None:
                    # What is read from here on nobody keeps.
                    self._spilled = []
                    yield from self._coming
                    return
                if self._ended:
                    return
                self._read_one()
                continue
            packet = kept[index]
            index += 1
            yield packet

    def lookahead(self, pts: int, reach: int) -> Lookahead | None:
        """The GOP around `pts`, with as much as `reach` ticks before it; read ahead if need be.

        None where it can't be told: a GOP that goes on for more than `reach` ticks after `pts`, times unknown, or more
        packets than are kept.
        """
        if self.reorders_without_pts:
            return None
        while self._kept is not None:
            later = [one for one in self._facts[self._last_key :] if one.is_key and one.pts > pts]
            if later or self._ended:
                break
            if self._facts and self._facts[-1].pts > pts + reach:
                return None
            self._read_one()
        if self._kept is None:
            return None
        stretch: list[_Facts] = []
        after = None
        for one in reversed(self._facts):
            if one.is_key and one.pts > pts:
                after = one.pts
            elif one.pts < pts - reach:
                break
            else:
                stretch.append(one)
        stretch = sorted((one for one in stretch if after is None or one.pts < after), key=lambda one: one.pts)
        if after is not None and after > pts + reach:
            return None
        return Lookahead(
            np.array([one.pts for one in stretch], np.int64),
            np.array([one.size for one in stretch], np.int64),
            np.array([one.is_key for one in stretch], np.bool_),
            after,
        )

    def may_hide_cut(self, before: int, after: int) -> bool:
        """Whether a cut that shows between two decoded frames, by PTS, may lie before the second of them: whether a
        frame in between, which was left out, may show the new picture.

        Packets behind the second frame's may be predicted from it, and tell nothing. Those before it that show another
        picture than the first frame are intra coded, as large as it is.
        """
        if self._kept is None or self.reorders_without_pts:
            return True
        # Packets are reordered by less than a second.
        earliest = before - (after - before) - round(1 / self._source.time_base)
        recent = list(itertools.takewhile(lambda one: one.pts >= earliest, reversed(self._facts)))
        place = next((place for place, one in enumerate(recent) if one.pts == after), len(recent))
        if any(before < one.pts < after for one in recent[:place]):
            return True
        least = _INTRA_SHARE * recent[place].size if place < len(recent) else 0.0
        return any(before < one.pts < after and one.size >= least for one in recent[place:])

    def keyframe(self, pts: int) -> VideoFrame | None:
        """The keyframe of this PTS, decoded by a decoder of its own; None where it can't be had, or is damaged."""
        packet = self._key_packets.get(pts)
        if packet is None or device.hardware_decoder() is not None:
            return None
        if self._peeking is None:
            peeking = CodecContext.create(self.decoder.codec, "r")
            peeking.extradata = self.decoder.extradata
            peeking.thread_count = 1
            if self._most_pixels:
                peeking.options = {"max_pixels": str(self._most_pixels)}
            self._peeking = cast(VideoCodecContext, peeking)
        try:
            found = [*self._peeking.decode(packet), *self._peeking.decode(None)]
        except DAMAGE:
            found = []
        self._peeking.flush_buffers()
        return found[0] if len(found) == 1 and not found[0].is_corrupt else None

    def _read_one(self) -> bool:
        """Keeps one packet more; False at the end."""
        assert self._coming is not None and self._kept is not None
        packet = next(self._coming, None)
        if packet is None:
            self._ended = True
        self._kept.append(packet)
        if packet is not None:
            self._kept_bytes += packet.size
            time = self._time(packet)
            if time is not None:
                if packet.is_keyframe:
                    self._last_key = len(self._facts)
                    self._key_packets[time] = packet
                self._facts.append(_Facts(time, packet.size, bool(packet.is_keyframe)))
            if self._kept_bytes > KEPT_BYTES:
                self._spilled = self._kept
                self._kept = None
                self._key_packets = {}
        return not self._ended

    def _sought(self, pts: int) -> Iterator[VideoPacket | None]:
        if pts > -OPEN_END:
            for back_off_s in BACK_OFF_S:
                target = pts - round(back_off_s / self._source.time_base)
                if target < self._source.start_pts:
                    break
                packets = self._seek(target)
                if packets is None:
                    break
                for first in packets:
                    if first is not None and first.is_keyframe and (time := self._time(first)) is not None:
                        if time <= pts:
                            return itertools.chain([first], packets)
                        break
        return self._from_start()

    def _open(self) -> InputContainer:
        container = open_video(
            self._location,
            self._name,
            hardware=device.hardware_decoder(),
            most=Most(pixels=self._most_pixels),
            mark=self._mark,
        )
        streams = container.streams
        if (
            self._stream_index >= len(streams)
            or streams[self._stream_index].type != "video"
            or streams[self._stream_index].codec_context is None
        ):
            container.close()
            raise NoVideoStream(f"{self._name}: stream {self._stream_index} of {len(streams)} is no video")
        self.stream = cast(VideoStream, streams[self._stream_index])
        for other in streams:
            if other.index != self._stream_index:
                other.discard = Discard.all
        self.decoder = self.stream.codec_context
        self.decoder.thread_count = decoder_threads(self.decoder.name)
        self.holds_pts = holds_pts(container)
        self.skips_for_good = self.decoder.name == "libdav1d"
        """Whether the decoder asks only once, when it begins, what it may leave out: then it must leave out nothing."""
        self._is_disposable = disposable_test(self.decoder.name, self.decoder.extradata)
        self.reorders_without_pts = not self.holds_pts and self.decoder.reorder_depth > 0
        self._fresh = True
        return container

    def changed_ratio(self, *, peeked: bool = False) -> float:
        """The shape of the latest frame's pixels by the coded stream where it is another than at the stream's start,
        else 0; with `peeked` of the latest one by `keyframe`."""
        decoder = self._peeking if peeked else self.decoder
        ratio = decoder.sample_aspect_ratio if decoder is not None else None
        if not ratio or self._first_shape is None:
            return 0.0
        now = pixel_shape(ratio)
        return 0.0 if abs(now / self._first_shape - 1) <= SQUARE_WITHIN else float(now)

    def may_drop(self, packet: VideoPacket) -> bool:
        """Whether the packet holds a frame that no other refers to, as far as `nonref` can tell."""
        return self._is_disposable is not None and self._is_disposable(bytes(memoryview(packet)[:HEAD_BYTES]))

    def _time(self, packet: VideoPacket) -> int | None:
        return packet_time(packet, holds_pts=self.holds_pts)

    def _seek(self, pts: int) -> Iterator[VideoPacket | None] | None:
        try:
            self._container.seek(pts, stream=self.stream, backward=True)
        except DAMAGE:
            return None
        self._fresh = False
        return self._demux()

    def _from_start(self) -> Iterator[VideoPacket | None]:
        if not self._fresh:
            if self._container.format.name.split(",")[0] in SEEKS_TO_START:
                rewound = self._seek(self._source.start_pts - round(BEFORE_START_S / self._source.time_base))
                if rewound is not None:
                    return rewound
            self._container.close()
            self._container = self._open()
        self._fresh = False
        return self._demux()

    def _demux(self) -> Iterator[VideoPacket | None]:
        # What is behind damage that the demuxer can't get over is lost, what the decoder holds is not.
        return packets_of(self._container, self.stream, flush=True)
