"""Reads one chunk of a video: its frames in display order, each exactly once, GOP by GOP.

    with ChunkReader(location, name, source, chunk) as reader:
        for gop in reader.gops():
            for frame in gop.frames():
                ...

Leaving the inner loop skips the rest of the GOP: it is not decoded. Time is the PTS in the source's time base.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, Self

from av.video.frame import VideoFrame

from lambdas.contracts import OPEN_END, Chunk, Limits, SourceFacts
from lambdas.detect.decode.frame import Frame, Lies, PictureMaker
from lambdas.detect.decode.large_packets import is_large
from lambdas.detect.decode.memory import give_large_pictures_their_own_pages
from lambdas.detect.decode.packet_buffer import Lookahead, PacketBuffer
from lambdas.video import DAMAGE, DisplayTurns, packet_time

if TYPE_CHECKING:
    from lambdas.detect.decode.packet_buffer import VideoPacket

BORDER_S = 0.16
"""So near to a chunk's border every frame is decoded: four or five frames, so that a cut beside it is found exactly."""
_USUAL_PACKETS = 30
"""What is usual is told by so many packets before."""
_AROUND_LARGE = 6
"""Packets from a large one on that are all decoded: encoders put up to four that are shown before it behind it."""


class ChunkReader:
    """One chunk of `source` at `location`; a context manager. Decodes on one thread: chunks run side by side.

    `location` is that of the chunk's own segment where it has one.
    """

    def __init__(
        self, location: str, name: str, source: SourceFacts, chunk: Chunk, *, most_pixels: int = Limits().max_pixels
    ) -> None:
        """Frames of more than `most_pixels`, which may come in mid-stream, count as damaged."""
        self.source = source
        self.chunk = chunk
        self.frame_count: int | None = None
        """Frames of the chunk by its packets, known once a pass over the whole chunk has ended; those that an edit list
        hides are not among them."""
        self.first_pts: int | None = None
        self.last_pts: int | None = None
        """PTS of the chunk's first and last frame by its packets, known with `frame_count`; None without frames."""
        self.end_pts: int | None = None
        """PTS where the last frame stops being shown, as far as its packet tells."""
        self._location = location
        self._name = name
        self._most_pixels = most_pixels
        give_large_pictures_their_own_pages()
        self.pictures = PictureMaker(source)
        self._packets: PacketBuffer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._packets is not None:
            self._packets.close()
            self._packets = None

    @property
    def packets(self) -> PacketBuffer:
        """Opened at first use."""
        if self._packets is None:
            self._packets = PacketBuffer(self._location, self._name, self.source, self.chunk, self._most_pixels)
        return self._packets

    def gops(self, *, every: bool = False, exact_cuts: bool = True) -> Iterator[Gop]:
        """The chunk's GOPs in display order; see `Gop`.

        Frames that no other refers to are left out where the codec allows it; those given are the same bit by bit.
        They are not left out with `every`, within BORDER_S of the chunk's borders, which are compared across them, and
        about a packet so large that a cut may be there; without `exact_cuts` the latter two are no exception.
        One pass at a time.
        """
        run = _Pass(self, self.chunk.start_pts, self.chunk.end_pts, every=every, exact_cuts=exact_cuts, spans=[])
        yield from run.gops()
        self.frame_count = len(run.counted)
        if run.shown:
            self.first_pts = min(run.shown)[0]
            self.last_pts, self.end_pts = max(run.shown)

    def frames(
        self, start_pts: int | None = None, end_pts: int | None = None, *, every: bool | Sequence[tuple[int, int]]
    ) -> Iterator[Frame]:
        """The chunk's frames with start_pts <= pts < end_pts, in display order; None reaches to the chunk's border.

        `every` is as in `gops`, or the spans of PTS, (from, to), in which every frame is given.
        """
        lo = self.chunk.start_pts if start_pts is None else max(start_pts, self.chunk.start_pts)
        hi = self.chunk.end_pts if end_pts is None else min(end_pts, self.chunk.end_pts)
        if (lo, hi) == (self.chunk.start_pts, self.chunk.end_pts) and isinstance(every, bool):
            for gop in self.gops(every=every):
                yield from gop.frames()
        elif lo < hi:
            spans = [] if isinstance(every, bool) else every
            yield from _Pass(self, lo, hi, every=every is True, exact_cuts=True, spans=spans).frames()


class Gop:
    """Frames from one keyframe up to the next, in display order; a chunk's first may begin without one."""

    def __init__(self, first: Frame, run: _Pass, *, peeked: bool) -> None:
        self.first = first
        """Its first frame, already decoded."""
        self._run = run
        self._peeked = peeked
        """Whether the frames after the first one still need the decoder to be set to it."""
        self._next: Frame | None = None
        self._asked = False
        self.is_skipped = True
        """Whether its loop was left, or not begun."""

    def frames(self) -> Iterator[Frame]:
        """Its frames, `first` among them. To be asked for once."""
        yield self.first
        if self._peeked:
            self._run.go_on_after(self.first.pts)
            self._peeked = False
        yield from self._run.rest_of_gop()
        self.is_skipped = False

    def lookahead(self, pts: int, reach: int) -> Lookahead | None:
        """What the packets around `pts` tell, see `PacketBuffer.lookahead`."""
        return self._run.packets.lookahead(pts, reach)

    def next_keyframe(self, pts: int) -> Frame | None:
        """The frame of the next GOP's keyframe, of this PTS, without what lies between; None where it can't be had.

        If the rest of this GOP is skipped then, the next one begins with this very frame.
        """
        if self._next is None and not self._asked:
            self._asked = True
            decoded = self._run.packets.keyframe(pts)
            if decoded is not None:
                ratio = self._run.packets.changed_ratio(peeked=True)
                self._next = Frame(decoded, pts, self._run.pictures, Lies(ratio, self._run.turns.of(decoded)))
        return self._next

    @property
    def known_next(self) -> Frame | None:
        """What `next_keyframe` gave."""
        return self._next


class _Pass:
    """One pass over a span of the chunk: packets in, frames out."""

    def __init__(
        self,
        reader: ChunkReader,
        lo: int,
        hi: int,
        *,
        every: bool,
        exact_cuts: bool,
        spans: Sequence[tuple[int, int]],
    ) -> None:
        self.packets = reader.packets
        self.pictures = reader.pictures
        self._source = reader.source
        self._lo, self._hi = lo, hi
        self._decode_from = reader.chunk.decode_from_pts if lo == reader.chunk.start_pts else lo
        # Without presentation times a frame's time is the least of those decoded and not yet out; that takes them all.
        self.every = every or self.packets.reorders_without_pts
        """Whether frames that no other refers to are wanted."""
        self._exact_cuts = exact_cuts
        self._spans = spans
        self._border = round(BORDER_S / reader.source.time_base)
        self.counted: set[tuple[int, int | None, int | None]] = set()
        self.shown: list[tuple[int, int]] = []
        """PTS of packets, and where they stop being shown."""
        self._sizes: deque[int] = deque(maxlen=_USUAL_PACKETS)
        self._all_for = 0
        """Packets that are still to be decoded all, a large one being among them."""
        self._waiting: list[int] = []
        """Times of packets that are decoded and not yet out, where there are no presentation times."""
        self._floor = lo
        """Frames before it are not given."""
        self._last, self._step = -OPEN_END, 1
        self._given = 0
        self._past = False
        self._skip_until: int | None = None
        """PTS from which on the next keyframe is looked for, while packets are skipped."""
        self.turns = DisplayTurns()
        self._turn: tuple[bool, Literal[0, 90, 180, 270]] | None = None
        """By the latest frame that says it."""
        self._ratio = self._ratio_before = 0.0
        self._ratio_from = -OPEN_END
        """PTS from which on pixels have the shape `_ratio`, before it `_ratio_before`; see `PacketBuffer`."""
        self._running = self.frames()
        self._ahead: Frame | None = None
        """A frame that begins the next GOP."""

    def gops(self) -> Iterator[Gop]:
        """See `ChunkReader.gops`."""
        first = next(self._running, None)
        peeked = False
        while first is not None:
            gop = Gop(first, self, peeked=peeked)
            yield gop
            if not gop.is_skipped:
                first, self._ahead, peeked = self._ahead, None, False
                continue
            if gop.known_next is not None and gop.known_next.pts < self._hi:
                first, peeked = gop.known_next, True
                self._last, self._floor = max(self._last, first.pts), max(self._floor, first.pts)
                continue
            self._leave_gop()
            # Frames of the GOP that was left may be decoded already.
            first = next((frame for frame in self._running if frame.keyframe), None)
            self._ahead, peeked = None, False
        # What is left are packets of skipped GOPs: they are counted.
        self._leave_gop()
        for _ in self._running:
            pass

    def rest_of_gop(self) -> Iterator[Frame]:
        """Frames up to the next keyframe, which is kept as the next GOP's first."""
        for frame in self._running:
            if frame.keyframe:
                self._ahead = frame
                return
            yield frame
        self._ahead = None

    def _leave_gop(self) -> None:
        """Goes on with the keyframe after the latest frame given."""
        self._skip_until = self._last + 1

    def go_on_after(self, pts: int) -> None:
        """Goes on with the frames after the keyframe of this PTS, which was given already."""
        self._skip_until = pts
        self._floor = pts + 1

    def frames(self) -> Iterator[Frame]:
        """The span's frames, each once."""
        decoder = self.packets.decoder
        key = -OPEN_END
        for packet in self.packets.packets_from(self._decode_from):
            time = None if packet is None else packet_time(packet, holds_pts=self.packets.holds_pts)
            self._count(packet, time)
            if self._skip_until is not None and key >= self._skip_until:
                # The decoder is in the wanted GOP already.
                self._skip_until = None
            if self._skip_until is not None:
                if packet is None:
                    # What the decoder still holds was skipped.
                    return
                if not packet.is_keyframe or time is None or time < self._skip_until or time >= self._hi:
                    if time is not None and (packet.dts if packet.dts is not None else time) >= self._hi:
                        return
                    continue
                decoder.flush_buffers()
                self._skip_until = None
                # Frames shown before the keyframe refer to what was skipped.
                self._floor = max(self._floor, time)
            if packet is not None and packet.is_keyframe and time is not None:
                key = time
            wanted = self._wants_every_frame(packet, time)
            decoder.skip_frame = "DEFAULT" if wanted or self.packets.skips_for_good else "NONREF"
            if not wanted and packet is not None and self.packets.may_drop(packet):
                continue
            for frame in self._decoded(packet, time):
                yield frame
                if self._skip_until is not None and key < self._skip_until:
                    # Frames that came along belong to what is skipped.
                    break
            if self._is_through(packet, time):
                return

    def _count(self, packet: VideoPacket | None, time: int | None) -> None:
        if packet is None or time is None or not self._lo <= time < self._hi or packet.is_discard:
            return
        identity = (time, packet.dts, packet.pos)
        if identity not in self.counted:
            self.counted.add(identity)
            self.shown.append((time, time + (packet.duration or 0)))

    def _wants_every_frame(self, packet: VideoPacket | None, time: int | None) -> bool:
        """Whether this packet's frame is wanted though no other may refer to it."""
        if packet is not None and not packet.is_keyframe:
            if self._exact_cuts and is_large(packet.size, self._sizes):
                self._all_for = _AROUND_LARGE
            self._sizes.append(packet.size)
        near = self._all_for > 0
        self._all_for -= 1
        if time is not None:
            at_border = not self._lo + self._border <= time < self._hi - self._border
            near |= self._exact_cuts and at_border
            near |= any(low <= time < high for low, high in self._spans)
            # Of what is shown before the span, only what others refer to is needed.
            if time < self._floor and not self.packets.reorders_without_pts:
                return False
        return self.every or near

    def _decoded(self, packet: VideoPacket | None, time: int | None) -> Iterator[Frame]:
        """The frames of the span that the decoder gives for this packet."""
        try:
            pictures = self.packets.decoder.decode(packet)
        except DAMAGE:
            # A damaged packet gives nothing; those after it may.
            pictures = []
        ratio = self.packets.changed_ratio()
        if ratio != self._ratio:
            # Frames that are shown before this packet's were decoded before it.
            self._ratio_before, self._ratio = self._ratio, ratio
            self._ratio_from = -OPEN_END if time is None or not self._given else time
        if self.packets.reorders_without_pts:
            if time is not None:
                heapq.heappush(self._waiting, time)
            excess = len(self._waiting) - len(pictures) - self.packets.decoder.reorder_depth
            for _ in range(excess if packet is not None else 0):
                # Packets that gave no frame: those shown before the first keyframe, whose references were not read, or
                # damaged ones. Their times come first.
                heapq.heappop(self._waiting)
        for picture in pictures:
            pts = self._pts_of(picture)
            turn = self.turns.of(picture)
            if turn is not None or picture.key_frame:
                # Coded streams say it with a keyframe, for all up to the next; containers with every frame.
                self._turn = turn
            if pts >= self._hi:
                self._past = True
            elif pts >= self._floor:
                self._given += 1
                ratio = self._ratio if pts >= self._ratio_from else self._ratio_before
                yield Frame(picture, pts, self.pictures, Lies(ratio, self._turn))

    def _pts_of(self, picture: VideoFrame) -> int:
        if self.packets.reorders_without_pts:
            pts = heapq.heappop(self._waiting) if self._waiting else None
        elif self.packets.holds_pts:
            pts = picture.pts if picture.pts is not None else picture.dts
        else:
            # The time FFmpeg makes up for showing it may be another than that its packet was counted by.
            pts = picture.dts if picture.dts is not None else picture.pts
        if pts is None:
            pts = self._source.start_pts if self._last == -OPEN_END else self._last + self._step
        elif pts > self._last > -OPEN_END:
            self._step = pts - self._last
        self._last = max(self._last, pts)
        return pts

    def _is_through(self, packet: VideoPacket | None, time: int | None) -> bool:
        """Whether all of the span's frames are out: once one of the next span came they are, unless the stream begins
        with wrong reordering or packets were lost; while some are missing, no packet may be shown in time any more."""
        if not self._past or packet is None or self._skip_until is not None:
            return False
        dts = packet.dts if packet.dts is not None else time
        return not self.every or self._given >= len(self.counted) or (dts is not None and dts >= self._hi)
