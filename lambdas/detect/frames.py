"""Reads one chunk of a video: its frames in display order, each exactly once, and each as an upright BGR picture.

Time is the PTS in the source's time base. Rotation, sample aspect ratio, interlacing and high dynamic range are dealt
with here, once.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import heapq
import itertools
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal, Self, cast

import numpy as np
from av.container import InputContainer
from av.filter import Graph
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from lambdas.contracts import OPEN_END, Chunk, Limits, SourceFacts
from lambdas.detect import device
from lambdas.detect.disposable import HEAD_BYTES, disposable_test
from lambdas.errors import NoVideoStream
from lambdas.video import DAMAGE, decoder_threads, display_turn, holds_pts, open_video, packet_time, packets_of

SEEKS_TO_START = ("mov", "matroska")
"""Demuxers whose index brings them back to the first frame; others are opened anew (MPEG-TS lands past it)."""
BACK_OFF_S = (0.0, 1.0, 4.0, 16.0, 64.0)
"""How much earlier to seek when a seek landed past the wanted keyframe, before reading from the start."""
BEFORE_START_S = 3600
"""How far before the first frame a seek to the start aims: below anything an edit list hides."""
COMBED_RATIO = 1.0
"""A frame flagged interlaced is taken apart where neighbouring lines differ more than this times lines of one field."""
SDR_WHITE_NITS = 203.0
"""Luminance of diffuse white in HDR video (ITU-R BT.2408)."""
HDR_PEAK_NITS = 1000.0
"""Luminance that becomes full white."""
BORDER_S = 0.16
"""So near to a chunk's border every frame is decoded: four or five frames, so that a cut beside it is found exactly."""
_USUAL_PACKETS = 30
_LARGE_PACKET = 2.5
"""Times the 90th percentile of the packets before: what a cut without a keyframe needs at least (3 to 10 times)."""
_FEWEST_PACKETS = 6
_SPACING_S = 0.07
"""About how far apart frames are given unless all are asked for: as those that others refer to are in most streams."""
FEWEST_BETWEEN = 4
"""Frames that come along as `between`, at most, however large they are; usual rates need one to four."""
BETWEEN_BYTES = 64 * 2**20
_AROUND_LARGE = 6
"""Packets from a large one on that are all decoded: encoders put up to four that are shown before it behind it."""
SAME_SHAPE = 0.02
"""Frames of another size whose shape differs by less fill the picture: adaptive streams round their sizes to even."""
KNEE = 0.5
"""Share of diffuse white above which highlights are compressed."""
KEPT_BYTES = 192 * 2**20
"""Packets of one chunk kept in memory so that nothing is read twice: 60 s at 26 Mb/s. Beyond it they are read again."""


M_MMAP_THRESHOLD = -3
"""glibc's mallopt parameter (malloc.h)."""
OWN_PAGES_BYTES = 3 * 2**19
"""Pictures from this size on get pages of their own. On glibc's heap, between what lives long, they left holes: 1.2 GB
after a minute of 1080p instead of 0.3 GB. Fixed, since glibc raises it by itself to whatever was freed once."""


@lru_cache(maxsize=1)
def give_large_pictures_their_own_pages() -> None:
    """Does so in this process, where the C library is glibc."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, OWN_PAGES_BYTES)


def _coded_size(source: SourceFacts) -> tuple[int, int]:
    """(width, height) of the frames as they are coded, by what they are shown as."""
    width, height = (source.height, source.width) if source.rotation % 180 else (source.width, source.height)
    ratio = source.sample_aspect_ratio
    return round(width / max(ratio, 1.0)), round(height * min(ratio, 1.0))


def _step_s(fps: float) -> float:
    """About _SPACING_S, a whole number of frames; 0 where that is one frame, or unknown."""
    frames = round(_SPACING_S * fps)
    return frames / fps if frames > 1 else 0.0


def _is_large(size: int, before: Sequence[int]) -> bool:
    """Whether a packet of so many bytes stands out from those before."""
    return len(before) >= _FEWEST_PACKETS and size > _LARGE_PACKET * sorted(before)[int(0.9 * len(before))]


def give_memory_back() -> None:
    """Returns what a chunk took to the system: 220 MB after half a minute of 1080p, which otherwise add up."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


class Frame:
    """One decoded frame."""

    def __init__(self, decoded: VideoFrame, pts: int, reader: ChunkReader, between: Sequence[Frame] = ()) -> None:
        self.between = between
        """Frames that were decoded since the one given before, but not given."""
        self.pts = pts
        """In the source's time base."""
        self.corrupt = bool(decoded.is_corrupt)
        """Whether the decoder met errors in it."""
        self.keyframe = bool(decoded.key_frame)
        self._decoded = decoded
        self._field: VideoFrame | None = None
        self._reader = reader

    def bgr(self, width: int | None = None, height: int | None = None) -> NDArray[np.uint8]:
        """The upright picture, BGR uint8 (height, width, 3), scaled straight to that size; None is the full size."""
        source = self._reader.source
        width = source.width if width is None else width
        height = source.height if height is None else height
        mirrored, rotation = display_turn(self._decoded) or (source.mirrored, source.rotation)
        turns = rotation // 90
        into_width, into_height = self._reader.place(self._decoded, width, height, rotation)
        coded_width, coded_height = (into_height, into_width) if turns % 2 else (into_width, into_height)
        picture = self._reader.scaled(self._deinterlaced(), coded_width, coded_height)
        if mirrored:
            picture = picture[:, ::-1]
        if turns:
            picture = np.rot90(picture, turns)
        if (into_width, into_height) != (width, height):
            left, top = (width - into_width) // 2, (height - into_height) // 2
            whole = np.zeros((height, width, 3), np.uint8)
            whole[top : top + into_height, left : left + into_width] = picture
            return whole
        return np.ascontiguousarray(picture)

    def _deinterlaced(self) -> VideoFrame:
        if not self._decoded.interlaced_frame:
            return self._decoded
        if self._field is None:
            self._field = self._reader.one_field(self._decoded) if _combed(self._decoded) else self._decoded
        return self._field


@dataclass(frozen=True)
class Outlook:
    """What is known of a stretch of packets before any of them is decoded, in order of time."""

    times: NDArray[np.int64]
    """(n,) PTS."""
    sizes: NDArray[np.int64]
    """(n,) bytes."""
    keys: NDArray[np.bool_]
    """(n,) whether it is a keyframe."""
    next_key_pts: int | None
    """The keyframe after the stretch; None where the video ends with it."""


class ChunkReader:
    """Reads one chunk of `source` at `location`; a context manager. Decodes on one thread: chunks run side by side.

    `location` is that of the chunk's own segment where it has one.
    """

    def __init__(
        self, location: str, name: str, source: SourceFacts, chunk: Chunk, *, most_pixels: int = Limits().max_pixels
    ) -> None:
        self.source = source
        self.chunk = chunk
        self.packet_count: int | None = None
        """Packets of the chunk that are shown, known once a pass over the whole span has ended."""
        self.first_pts: int | None = None
        self.last_pts: int | None = None
        """PTS of the chunk's first and last frame by its packets, known with `packet_count`; None without frames."""
        self.end_pts: int | None = None
        """PTS where the last frame stops being shown, as far as its packet tells."""
        self.location = location
        self.name = name
        self.most_pixels = most_pixels
        """Of one frame; larger ones, which may come in mid-stream, count as damaged."""
        give_large_pictures_their_own_pages()
        self._coded_size = _coded_size(source)
        self._most_between = max(FEWEST_BETWEEN, BETWEEN_BYTES // source.frame_bytes)
        self._open_door: _Door | None = None
        self._pass_over: int | None = None
        self._go_back: int | None = None
        self._take_all = False
        self._reformatters: dict[tuple[int, int, int, int], VideoReformatter] = {}
        self._field_filter: tuple[tuple[int, int, str], Graph] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._open_door is not None:
            self._open_door.close()
            self._open_door = None

    @property
    def _door(self) -> _Door:
        if self._open_door is None:
            self._open_door = _Door(self)
        return self._open_door

    @property
    def frame_count(self) -> int | None:
        """Frames of the chunk by its packets; those an edit list hides are not among them."""
        return self.packet_count

    def frames(
        self,
        start_pts: int | None = None,
        end_pts: int | None = None,
        *,
        all_frames: bool | Sequence[tuple[int, int]],
        exact_cuts: bool = True,
    ) -> Iterator[Frame]:
        """The chunk's frames with start_pts <= pts < end_pts, in display order; None reaches to the chunk's border.

        `all_frames` may also be spans of PTS, (from, to), outside which it is as with False.
        `all_frames=False` passes over frames that no other frame refers to, where the codec allows it, but for those
        within BORDER_S of the chunk's borders, which are compared across them, and those about a packet so large that a
        cut may be there; those it gives are the same bit by bit. Of frames that stand closer than about _SPACING_S the
        others come along as `between` of the next one given.
        Without `exact_cuts` those near borders and large packets are no exception.
        One pass at a time.
        """
        lo = self.chunk.start_pts if start_pts is None else max(start_pts, self.chunk.start_pts)
        hi = self.chunk.end_pts if end_pts is None else min(end_pts, self.chunk.end_pts)
        if lo >= hi:
            return
        whole = (lo, hi) == (self.chunk.start_pts, self.chunk.end_pts)
        decode_from = self.chunk.decode_from_pts if lo == self.chunk.start_pts else lo
        door = self._door
        # Without presentation times a frame's time is the least of those decoded and not yet out; that takes them all.
        spans = [] if isinstance(all_frames, bool) else all_frames
        all_frames = all_frames is True or door.reorders_without_pts
        waiting: list[int] = []
        self._pass_over = self._go_back = None
        self._take_all = False
        key = resumed = -OPEN_END
        floor = lo
        packets = door.packets_from(decode_from)
        border = round(BORDER_S / self.source.time_base)
        counted: set[tuple[int, int | None, int | None]] = set()
        shown: list[tuple[int, int]] = []
        given = 0
        last = -OPEN_END
        step = 1
        past = False
        sizes: deque[int] = deque(maxlen=_USUAL_PACKETS)
        all_for = 0
        step_s = 0.0 if all_frames or spans else _step_s(self.source.fps)
        latest_step = -1
        between: list[Frame] = []
        while True:
            if self._go_back is not None:
                between = []
                floor, self._go_back = self._go_back + 1, None
                key = resumed = -OPEN_END
                past = False
                packets = door.packets_from(floor)
            try:
                packet = next(packets)
            except StopIteration:
                break
            time = None if packet is None else packet_time(packet, holds_pts=door.holds_pts)
            if packet is not None and time is not None and lo <= time < hi and not packet.is_discard:
                identity = (time, packet.dts, packet.pos)
                if identity not in counted:
                    counted.add(identity)
                    if whole:
                        shown.append((time, time + (packet.duration or 0)))
            if self._pass_over is not None and key > self._pass_over:
                # The decoder is in the next GOP already.
                self._pass_over = None
            if self._pass_over is not None:
                if packet is None:
                    # What the decoder still holds was passed over.
                    break
                if not packet.is_keyframe or time is None or time >= hi:
                    if time is not None and (packet.dts if packet.dts is not None else time) >= hi:
                        break
                    continue
                door.decoder.flush_buffers()
                self._pass_over = None
                between = []
                # Frames shown before the keyframe refer to what was passed over.
                resumed = time
            if packet is not None:
                if packet.is_keyframe and time is not None:
                    key = time
                elif not packet.is_keyframe:
                    if exact_cuts and _is_large(packet.size, sizes):
                        all_for = _AROUND_LARGE
                    sizes.append(packet.size)
            at_border = time is not None and not (lo + border <= time < hi - border)
            near = all_for > 0 or (exact_cuts and at_border)
            near |= time is not None and any(low <= time < high for low, high in spans)
            all_for -= 1
            # Of what is shown before the span, only what others refer to is needed.
            early = time is not None and time < floor and not door.reorders_without_pts
            take_all = (all_frames or near or self._take_all) and not early
            door.decoder.skip_frame = "DEFAULT" if take_all or door.skips_for_good else "NONREF"
            if not take_all and packet is not None and door.may_drop(packet):
                continue
            try:
                decoded = door.decoder.decode(packet)
            except DAMAGE:
                # A damaged packet gives nothing; those after it may.
                decoded = []
            if time is not None and door.reorders_without_pts:
                heapq.heappush(waiting, time)
            excess = len(waiting) - len(decoded) - door.decoder.reorder_depth
            for _ in range(excess if packet is not None and door.reorders_without_pts else 0):
                # Packets that gave no frame: those shown before the first keyframe, whose references were not read, or
                # damaged ones. Their times come first.
                heapq.heappop(waiting)
            for picture in decoded:
                if door.reorders_without_pts:
                    pts = heapq.heappop(waiting) if waiting else None
                elif door.holds_pts:
                    pts = picture.pts if picture.pts is not None else picture.dts
                else:
                    # The time FFmpeg makes up for showing it may be another than that its packet was counted by.
                    pts = picture.dts if picture.dts is not None else picture.pts
                if pts is None:
                    pts = self.source.start_pts if last == -OPEN_END else last + step
                elif pts > last > -OPEN_END:
                    step = pts - last
                last = max(last, pts)
                if pts >= hi:
                    past = True
                elif pts >= max(floor, resumed):
                    given += 1
                    # Steps are those of the whole video, so that where chunks begin changes nothing.
                    step_number = math.floor(self.source.seconds(pts) / step_s + 1e-3) if step_s else given
                    # Frames that come in a burst stand in one step by the hundred, and decoded ones are large.
                    if step_number == latest_step and not picture.key_frame and len(between) < self._most_between:
                        between.append(Frame(picture, pts, self))
                        continue
                    latest_step = step_number
                    yield Frame(picture, pts, self, tuple(between))
                    between = []
                    if self._go_back is not None:
                        break
            # Once a frame of the next span came out, this one's are all out too, unless the stream begins with wrong
            # reordering or packets were lost: while some are missing, read on until no packet can be shown in time.
            if past and packet is not None and self._go_back is None:
                dts = packet.dts if packet.dts is not None else time
                if not all_frames or given >= len(counted) or (dts is not None and dts >= hi):
                    break
        yield from between
        if whole:
            self.packet_count = len(counted)
            if shown:
                self.first_pts = min(shown)[0]
                self.last_pts, self.end_pts = max(shown)

    def outlook(self, pts: int, reach: int) -> Outlook | None:
        """The GOP around `pts`, with as much as `reach` ticks before it; read ahead if need be.

        None where it can't be told: a GOP that goes on for more than `reach` ticks after `pts`, times unknown, or more
        packets than are kept.
        """
        return self._door.outlook(pts, reach)

    def any_between(self, before: int, after: int) -> bool:
        """Whether the chunk has a frame with before < pts < after, or may have one."""
        return self._door.any_between(before, after)

    def pass_over(self, pts: int) -> None:
        """Lets the running pass go on with the keyframe after `pts`, its latest frame."""
        self._pass_over = pts

    def take_all(self) -> None:
        """Lets the running pass go on with every frame."""
        self._take_all = True

    def go_back(self, pts: int) -> None:
        """Lets the running pass go on with the frame after `pts`, which it gave before."""
        self._go_back = pts

    def scaled(self, picture: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        """`picture` as BGR uint8 (height, width, 3), high dynamic range brought to standard, not yet turned."""
        key = (picture.width, picture.height, width, height)
        reformatter = self._reformatters.get(key)
        if reformatter is None:
            reformatter = self._reformatters[key] = VideoReformatter()
        if self.source.hdr:
            deep = reformatter.reformat(
                picture, width, height, format="rgb48le", interpolation=Interpolation.AREA, threads=1
            )
            return tone_mapped(np.asarray(deep.to_ndarray(), dtype=np.uint16), self.source.hdr)
        bgr = reformatter.reformat(picture, width, height, format="bgr24", interpolation=Interpolation.AREA, threads=1)
        plane = bgr.planes[0]
        # The picture's own memory, where its lines follow one another without gaps.
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        return np.ascontiguousarray(lines[:, : 3 * width]).reshape(height, width, 3)

    def place(self, picture: VideoFrame, width: int, height: int, rotation: int) -> tuple[int, int]:
        """The size at which a picture goes into (width, height): all of it, but for one of another shape than the
        video's first, of which a stream may change in its middle; that one keeps its shape."""
        if (picture.width, picture.height) == self._coded_size and rotation == self.source.rotation:
            return width, height
        ratio = self.source.sample_aspect_ratio
        shown_width, shown_height = picture.width * max(ratio, 1.0), picture.height / min(ratio, 1.0)
        if rotation % 180:
            shown_width, shown_height = shown_height, shown_width
        # In the video's own pixels first, which `width` and `height` may have stretched.
        across, down = self.source.width / shown_width, self.source.height / shown_height
        if abs(across / down - 1) < SAME_SHAPE:
            return width, height
        fit = min(across, down)
        return (
            min(width, max(1, round(width * fit / across))),
            min(height, max(1, round(height * fit / down))),
        )

    def one_field(self, picture: VideoFrame) -> VideoFrame:
        """The upper field of an interlaced picture: half its lines, one moment."""
        shape = (picture.width, picture.height, picture.format.name)
        if self._field_filter is None or self._field_filter[0] != shape:
            graph = Graph()
            source = graph.add_buffer(
                width=picture.width, height=picture.height, format=picture.format, time_base=Fraction(1, 1000)
            )
            graph.link_nodes(source, graph.add("field", "top"), graph.add("buffersink")).configure()
            self._field_filter = (shape, graph)
        graph = self._field_filter[1]
        graph.vpush(picture)
        return graph.vpull()


class _Door:
    """An open container, its decoder, and the packets that were read from it, kept for further passes."""

    def __init__(self, reader: ChunkReader) -> None:
        self._location = reader.location
        self._name = reader.name
        self._source = reader.source
        own = reader.chunk.segment_key is not None
        self._stream_index = 0 if own else reader.source.video_stream
        self._mark = "" if own else reader.source.mark
        self._most_pixels = reader.most_pixels
        self._container = self._open()
        self._kept: list[Packet[VideoStream] | None] | None = []
        """Packets from where the first pass began, in file order; None once there are too many."""
        self._kept_bytes = 0
        self._spilled: list[Packet[VideoStream] | None] = []
        """The packets kept when they became too many, until the running pass is through with them."""
        self._ended = False
        self._facts: list[tuple[int, int, bool]] = []
        """Time, bytes and whether it is a keyframe, of each packet kept."""
        self._last_key = 0
        """Where in `_facts` the latest keyframe stands."""
        self._coming: Iterator[Packet[VideoStream] | None] | None = None
        """The packets after those kept."""

    def close(self) -> None:
        self._container.close()

    def packets_from(self, pts: int) -> Iterator[Packet[VideoStream] | None]:
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

    def _replayed(self, index: int) -> Iterator[Packet[VideoStream] | None]:
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

    def outlook(self, pts: int, reach: int) -> Outlook | None:
        """See `ChunkReader.outlook`."""
        if self.reorders_without_pts:
            return None
        while self._kept is not None:
            later = [time for time, _, key in self._facts[self._last_key :] if key and time > pts]
            if later or self._ended:
                break
            if self._facts and self._facts[-1][0] > pts + reach:
                return None
            self._read_one()
        if self._kept is None:
            return None
        stretch: list[tuple[int, int, bool]] = []
        after = None
        for time, size, key in reversed(self._facts):
            if key and time > pts:
                after = time
            elif time < pts - reach:
                break
            else:
                stretch.append((time, size, key))
        stretch = sorted(one for one in stretch if after is None or one[0] < after)
        if after is not None and after > pts + reach:
            return None
        times, sizes, keys = zip(*stretch, strict=True) if stretch else ((), (), ())
        return Outlook(np.array(times, np.int64), np.array(sizes, np.int64), np.array(keys, np.bool_), after)

    def any_between(self, before: int, after: int) -> bool:
        """See `ChunkReader.any_between`."""
        if self._kept is None or self.reorders_without_pts:
            return True
        for time, _, _ in reversed(self._facts):
            if before < time < after:
                return True
            if time < before - (after - before) - 1 / self._source.time_base:
                break
        return False

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
                self._facts.append((time, packet.size, bool(packet.is_keyframe)))
            if self._kept_bytes > KEPT_BYTES:
                self._spilled = self._kept
                self._kept = None
        return not self._ended

    def _sought(self, pts: int) -> Iterator[Packet[VideoStream] | None]:
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
            most_pixels=self._most_pixels,
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

    def may_drop(self, packet: Packet[VideoStream]) -> bool:
        """Whether the packet holds a frame that no other refers to and that the decoder would decode all the same."""
        return self._is_disposable is not None and self._is_disposable(bytes(memoryview(packet)[:HEAD_BYTES]))

    def _time(self, packet: Packet[VideoStream]) -> int | None:
        return packet_time(packet, holds_pts=self.holds_pts)

    def _seek(self, pts: int) -> Iterator[Packet[VideoStream] | None] | None:
        try:
            self._container.seek(pts, stream=self.stream, backward=True)
        except DAMAGE:
            return None
        self._fresh = False
        return self._demux()

    def _from_start(self) -> Iterator[Packet[VideoStream] | None]:
        if not self._fresh:
            if self._container.format.name.split(",")[0] in SEEKS_TO_START:
                rewound = self._seek(self._source.start_pts - round(BEFORE_START_S / self._source.time_base))
                if rewound is not None:
                    return rewound
            self._container.close()
            self._container = self._open()
        self._fresh = False
        return self._demux()

    def _demux(self) -> Iterator[Packet[VideoStream] | None]:
        # What is behind damage that the demuxer can't get over is lost, what the decoder holds is not.
        return packets_of(self._container, self.stream, flush=True)


def tone_mapped(rgb: NDArray[np.uint16], transfer: Literal["", "pq", "hlg"]) -> NDArray[np.uint8]:
    """HDR R'G'B' (h, w, 3) of BT.2020, 16 bit full range, as BGR uint8 of BT.709.

    Up to the knee light stays as it is, so that faces do; above it highlights roll off, hues kept. Sources: transfer
    functions of ITU-R BT.2100, primaries of BT.2087, the roll-off of E. Reinhard et al. (2002), eq. 4.
    """
    light = _LIGHT.get(transfer)
    if light is None:
        light = _LIGHT[transfer] = _light_table(transfer)
    linear = light[rgb] @ _BT2020_TO_BT709.T
    np.maximum(linear, 0, out=linear)
    brightest = linear.max(axis=2, keepdims=True)
    over = np.maximum(brightest - KNEE, 0) / (1 - KNEE)
    most = (HDR_PEAK_NITS / SDR_WHITE_NITS - KNEE) / (1 - KNEE)
    rolled = np.minimum(brightest, KNEE) + (1 - KNEE) * over * (1 + over / most**2) / (1 + over)
    linear *= rolled / np.maximum(brightest, 1e-6)
    np.minimum(linear, 1, out=linear)
    shown = _GAMMA[(linear * (len(_GAMMA) - 1)).astype(np.uint16)]
    return np.ascontiguousarray(shown[..., ::-1])


_LIGHT: dict[str, NDArray[np.float32]] = {}
_BT2020_TO_BT709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
_GAMMA = np.round(255 * np.linspace(0, 1, 4096) ** (1 / 2.2)).astype(np.uint8)


def _light_table(transfer: Literal["", "pq", "hlg"]) -> NDArray[np.float32]:
    """Displayed light of every 16-bit code value, 1.0 being diffuse white."""
    code = np.linspace(0, 1, 65536)
    if transfer == "pq":
        root = code ** (1 / 78.84375)
        nits = 10000 * (np.maximum(root - 0.8359375, 0) / (18.8515625 - 18.6875 * root)) ** (1 / 0.1593017578125)
    else:
        scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        nits = 1000 * scene**1.2
    return (nits / SDR_WHITE_NITS).astype(np.float32)


def _combed(picture: VideoFrame) -> bool:
    """Whether the two fields show different moments: neighbouring lines then differ more than those of one field."""
    plane = picture.planes[0]
    deep = picture.format.components[0].bits > 8
    rows = np.frombuffer(memoryview(plane), np.uint16 if deep else np.uint8).reshape(plane.height, -1)
    lines = rows[:, : plane.width].astype(np.int32)
    across = np.abs(lines[1:-1] - lines[2:]).mean()
    within = np.abs(lines[:-2] - lines[2:]).mean()
    return bool(across > COMBED_RATIO * within)
