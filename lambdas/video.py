"""Opens videos that strangers made: only real video containers, only the location given, no other file or host.

Shared by the stages that read the video itself. Whatever FFmpeg's library raises about the content, while it opens,
reads or decodes, becomes a named error here and nowhere else; trouble with the network has its own names in
lambdas/web.py.
"""

from __future__ import annotations

import errno
import math
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Literal, cast

import av
import av.error
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lambdas.errors import (
    OUT_OF_SPACE,
    EmptySource,
    NoVideoStream,
    SourceChanged,
    SourceMissing,
    TalentFramesError,
    UnreadableVideo,
)
from lambdas.web import REQUEST_BYTES, RangeFile, is_url

RAW_FORMATS = ("h264", "hevc", "m4v", "mpegvideo")
"""Demuxers of streams without a container: they carry no times, so that split numbers their frames in a copy."""
ACCEPTED_FORMATS = (
    *("mov", "matroska", "mpegts", "avi", "flv", "mpeg", "asf", "ogg", "mxf", "nut", "ivf"),
    *("gif", "apng", "webp"),
    *RAW_FORMATS,
)
"""FFmpeg's demuxers of real video. Playlists (hls, concat, dash, sdp), pictures and raw audio are left out."""

IO_BYTES = 2**16
"""FFmpeg asks a URL for so many bytes at a time, out of the range that is here."""
HEAD_BYTES = 4096
"""Looked at to say what a refused source is."""
TRIES_AFTER_DAMAGE = 8
"""Times a demuxer is asked again after errors with no packet in between."""

TURNS: dict[tuple[int, int, int, int], tuple[bool, Literal[0, 90, 180, 270]]] = {
    (1, 0, 0, 1): (False, 0),
    (0, -1, 1, 0): (False, 90),
    (-1, 0, 0, -1): (False, 180),
    (0, 1, -1, 0): (False, 270),
    (-1, 0, 0, 1): (True, 0),
    (0, 1, 1, 0): (True, 90),
    (1, 0, 0, -1): (True, 180),
    (0, -1, -1, 0): (True, 270),
}
"""Signs of a display matrix' a, b, c, d (ISO/IEC 14496-12, 6.2.2: x' = ax + cy, y' = bx + dy) as mirror and turn."""
QUARTER = 8
"""In a turn by quarters two of the matrix's four numbers are this many times the others at least."""

STEREO: dict[int, Literal["", "side_by_side", "top_bottom", "mixed"]] = {
    1: "side_by_side", 2: "top_bottom", 3: "mixed", 4: "mixed", 5: "side_by_side", 6: "mixed", 7: "mixed"
}  # fmt: skip
"""FFmpeg's AVStereo3DType (libavutil/stereo3d.h)."""
Transfer = Literal["", "pq", "hlg", "ipt"]
"""As in `SourceFacts.hdr`."""
TRANSFERS: dict[int, Transfer] = {16: "pq", 18: "hlg"}
"""ITU-T H.273 transfer characteristics of high dynamic range."""
UNSAID = (0, 2, 3)
"""Those that say nothing."""
DOLBY_TAGS = ("dvh1", "dvhe", "dav1", "dva1", "dvav")
"""Codec tags of streams that only Dolby Vision's decoders are to read."""
RPU_PREFIX = 0x19
SQUARE_WITHIN = 0.01
"""Pixels so nearly square are: encoders round 640:639 out of nothing."""

PADDING = 128
"""Pixels by which each side of a square frame may grow where decoders count: they round rows up to 64 and heights to
whole blocks. Enough for frames up to four times as long as wide."""

DAMAGE = (av.error.FFmpegError, IndexError, UnicodeError, ValueError, OverflowError)
"""What FFmpeg raises about content, and PyAV where content is not what it takes for granted."""
OURS = (errno.EMFILE, errno.ENFILE, *OUT_OF_SPACE)
"""Errors that are this machine's and never the video's."""
OUT_OF_REACH = (av.error.FileNotFoundError, av.error.PermissionError, av.error.IsADirectoryError)


@dataclass(frozen=True)
class Most:
    """What is accepted of a video at most; 0 for whatever there is."""

    pixels: int = 0
    """Of one frame."""
    streams: int = 0


UNBOUNDED = Most()


def open_video(
    location: str,
    name: str,
    *,
    request_bytes: int = REQUEST_BYTES,
    hardware: HWAccel | None = None,
    most: Most = UNBOUNDED,
    by_index: bool = True,
    mark: str = "",
) -> InputContainer:
    """An open container to use in a `with`; `name` stands in messages, since a location may be a signed URL.

    With `hardware` its decoders run there. They refuse frames clearly larger than `most` allows, which may come in
    mid-stream, and the demuxer more streams.
    Without `by_index` the index that fragments may have is not believed: they are read as they come. `mark` is
    `content_mark`'s answer of before.

    Raises SourceMissing, EmptySource, UnreadableVideo, NoVideoStream, SourceChanged and SourceUnreachable.
    """
    if not is_url(location):
        path = Path(location)
        if not path.is_file():
            raise SourceMissing(f"{name}: no such file")
        if path.stat().st_size == 0:
            raise EmptySource(f"{name}: the file is empty (0 bytes)")
        if mark and content_mark(location, name) != mark:
            raise SourceChanged(f"{name}: is another file by now")
    options = input_options(location)
    if not by_index:
        del options["use_mfra_for"]
    if most.pixels:
        options["max_pixels"] = str(most.pixels)
    if most.streams:
        options["max_streams"] = str(most.streams)
    with named_errors(location, name):
        if is_url(location):
            remote = RangeFile(location, name, request_bytes=request_bytes, mark=mark)
            container = av.open(
                remote, mode="r", options=options, hwaccel=hardware, buffer_size=IO_BYTES, metadata_errors="replace"
            )
        else:
            # A colon in a path is no protocol to us.
            container = av.open(
                f"file:{location}", mode="r", options=options, hwaccel=hardware, metadata_errors="replace"
            )
    for stream in container.streams.video:
        # The options above bind only what looks at how the streams begin.
        if most.pixels and stream.codec_context is not None:
            stream.codec_context.options = {"max_pixels": str(most.pixels + PADDING * math.isqrt(most.pixels))}
    return container


def content_mark(location: str, name: str) -> str:
    """What tells the content at `location` from another one that comes to stand there; empty where nothing does."""
    if not is_url(location):
        try:
            now = Path(location).stat()
        except OSError as error:
            raise SourceMissing(f"{name}: {error.strerror}") from None
        return f"{now.st_size}-{now.st_mtime_ns}-{now.st_ino}"
    remote = RangeFile(location, name, request_bytes=1)
    _ = remote.size
    return remote.mark


def packets_of(
    container: InputContainer, stream: VideoStream, *, flush: bool = False
) -> Iterator[Packet[VideoStream] | None]:
    """The stream's packets in file order, past damage as far as the demuxer gets; with `flush` None is the last."""
    tries = 0
    while tries <= TRIES_AFTER_DAMAGE:
        try:
            for packet in container.demux(stream):
                if packet.size:
                    tries = 0
                    yield packet
            break
        except TalentFramesError:
            raise
        except DAMAGE:
            # A stream that begins in mid-file, a timeout of the demuxer's own, a broken part: behind it more may come.
            tries += 1
    if flush:
        yield None


def decoder_threads(codec: str) -> int:
    """Threads a decoder gets: one, since chunks run side by side. dav1d with one gives nothing at all of a unit in
    which one of several frames is damaged, a keyframe included, with two what was whole."""
    return 2 if codec == "libdav1d" else 1


def holds_pts(container: InputContainer) -> bool:
    """Whether packets tell when they are shown. AVI's only tell their place in the file; FFmpeg's guess is wrong."""
    return container.format.name != "avi"


def packet_time(packet: Packet[VideoStream], *, holds_pts: bool) -> int | None:
    """When a packet is shown, by its decoding time where nothing else is known; None without any time."""
    return packet.pts if holds_pts and packet.pts is not None else packet.dts


def display_turn(frame: VideoFrame) -> tuple[bool, Literal[0, 90, 180, 270]] | None:
    """Whether a coded frame is mirrored left to right for display, and the degrees it is turned counter-clockwise then.

    None where it does not say. Turns that are no quarter turns are not shown by players either.
    """
    side_data = cast(Iterable[SideData], frame.side_data)
    matrix = next((bytes(data) for data in side_data if data.type == SideDataType.DISPLAYMATRIX), b"")
    if len(matrix) < 36:
        return None
    a, b, _, c, d = struct.unpack_from("=5i", matrix)
    if min(abs(a), abs(d)) > QUARTER * max(abs(b), abs(c)):
        signs = (a > 0) - (a < 0), 0, 0, (d > 0) - (d < 0)
    elif min(abs(b), abs(c)) > QUARTER * max(abs(a), abs(d)):
        signs = 0, (b > 0) - (b < 0), (c > 0) - (c < 0), 0
    else:
        signs = 1, 0, 0, 1
    return TURNS[signs]


class DisplayTurns:
    """`display_turn` of one frame of a stream after the other.

    Whoever looks at a frame's side data ties the frame into a cycle of references (PyAV), and it is held until Python
    collects those, which for decoded frames is far too late. So it is looked at once for each rotation.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[bool, Literal[0, 90, 180, 270]] | None] = {}

    def of(self, frame: VideoFrame) -> tuple[bool, Literal[0, 90, 180, 270]] | None:
        """What the frame says of its mirroring and turn; None where it says nothing."""
        rotation = int(frame.rotation)
        if rotation not in self._known:
            self._known[rotation] = display_turn(frame)
        return self._known[rotation]


def stereo_layout(frame: VideoFrame) -> Literal["", "side_by_side", "top_bottom", "mixed"]:
    """How a coded frame holds the pictures of two eyes; "mixed" by lines, columns, checks or turns, empty for one."""
    side_data = cast(Iterable[SideData], frame.side_data)
    packed = next((bytes(data) for data in side_data if data.type == SideDataType.STEREO3D), b"")
    kind = struct.unpack_from("=i", packed)[0] if len(packed) >= 4 else 0
    return STEREO.get(kind, "")


def transfer_of(frame: VideoFrame, otherwise: Transfer) -> Transfer:
    """A frame's high dynamic range by its own word, `otherwise` where it has none."""
    if otherwise == "ipt" or frame.color_trc in UNSAID:
        return otherwise
    return TRANSFERS.get(frame.color_trc, "")


def in_dolby_colours(frame: VideoFrame, codec_tag: str) -> bool:
    """Whether a frame has the colours of Dolby Vision's profile 5, which mean nothing without its metadata.

    By that metadata (ETSI GS CCM 001, 5.3: rpu_data_header with vdr_rpu_profile 0 and bl_video_full_range_flag), else
    by the container's name for it where the stream names no transfer function.
    """
    side_data = cast(Iterable[SideData], frame.side_data)
    rpu = next((bytes(data) for data in side_data if data.type == SideDataType.DOVI_RPU_BUFFER), b"")
    if len(rpu) > 8 and rpu[0] == RPU_PREFIX:
        return _is_profile_5(int.from_bytes(rpu[1:9], "big"))
    return codec_tag in DOLBY_TAGS and frame.color_trc in UNSAID


def _is_profile_5(header: int) -> bool:
    """By the 64 bits after the prefix."""

    def bits(first: int, count: int) -> int:
        return header >> 64 - first - count & (1 << count) - 1

    # rpu_type 6, rpu_format 11, vdr_rpu_profile 4, vdr_rpu_level 4, vdr_seq_info_present_flag 1,
    # chroma_resampling_explicit_filter_flag 1, coefficient_data_type 2, coefficient_log2_denom ue(v),
    # vdr_rpu_normalized_idc 2, bl_video_full_range_flag 1.
    if bits(0, 6) != 2 or bits(17, 4) != 0 or not bits(25, 1):
        return False
    place = 29
    if bits(27, 2) == 0:
        zeros = 0
        while zeros < 12 and not bits(place + zeros, 1):
            zeros += 1
        place += 2 * zeros + 1
    return bool(bits(place + 2, 1))


def pixel_shape(ratio: Fraction | None) -> Fraction:
    """Width over height of pixels as it is believed: 1 where nothing is said, or nothing that can be."""
    # Beyond 4:1 it is a mistake of the muxer.
    believed = ratio is not None and Fraction(1, 4) <= ratio <= 4 and abs(ratio - 1) > SQUARE_WITHIN
    return ratio if ratio is not None and believed else Fraction(1)


@contextmanager
def named_errors(location: str, name: str) -> Iterator[None]:
    """Turns whatever FFmpeg's library raises about the content into UnreadableVideo or a closer name."""
    try:
        yield
    except TalentFramesError:
        raise
    except OUT_OF_REACH as error:
        raise SourceMissing(f"{name}: can't be read ({error.strerror})") from None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno in OURS:
            raise OSError(error.errno, error.strerror, name) from None
        raise _refusal(location, name, error) from None


def reader_of(location: str, name: str) -> Callable[[int, int], bytes]:
    """`read(offset, length)`: up to `length` bytes of the source, asked for once where they are asked for again."""
    if is_url(location):
        return RangeFile(location, name, request_bytes=HEAD_BYTES).read_range
    return partial(read_bytes, location, name=name)


def read_bytes(location: str, start: int, length: int, name: str) -> bytes:
    """Up to `length` bytes from offset `start`; a negative `start` counts from the end.

    Raises SourceMissing where there is nothing to read, SourceRefused where the trouble is not the source's.
    """
    if is_url(location):
        remote = RangeFile(location, name, request_bytes=max(1, length))
        return remote.read_range(max(0, remote.size + start) if start < 0 else start, length)
    try:
        with Path(location).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size + start) if start < 0 else start)
            return file.read(length)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise SourceMissing(f"{name}: {error.strerror}") from None


def size_bytes(location: str, name: str) -> int:
    """Size of the source. Raises SourceMissing, and EmptySource for 0."""
    if is_url(location):
        size = RangeFile(location, name, request_bytes=1).size
    else:
        try:
            with Path(location).open("rb") as file:
                size = file.seek(0, 2)
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise SourceMissing(f"{name}: {error.strerror}") from None
    if size == 0:
        raise EmptySource(f"{name}: the file is empty (0 bytes)")
    return size


def input_options(location: str) -> dict[str, str]:
    """FFmpeg's options for reading an untrusted `location`: of a URL it gets bytes, and opens nothing itself."""
    return {
        "format_whitelist": ",".join(ACCEPTED_FORMATS),
        "protocol_whitelist": "none" if is_url(location) else "file",
        "use_mfra_for": "pts",
    }


def _refusal(location: str, name: str, error: Exception) -> Exception:
    """The named error for content that FFmpeg refused, by what its first bytes look like."""
    try:
        head = read_bytes(location, 0, HEAD_BYTES, name)
    except (OSError, TalentFramesError):
        head = b""
    why = getattr(error, "strerror", None) or type(error).__name__
    if kind := still_picture(head):
        return NoVideoStream(f"{name}: a still picture ({kind}), not a video")
    if kind := _audio_file(head):
        return NoVideoStream(f"{name}: audio alone ({kind}), no video stream")
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip") or head.startswith(b"\x1aE\xdf\xa3"):
        return UnreadableVideo(f"{name}: cut off or damaged, nothing in it can be read ({why})")
    return UnreadableVideo(f"{name}: not a video container we accept ({_looks_like(head)})")


def still_picture(head: bytes) -> str:
    """The kind of picture file these first bytes begin, or empty."""
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"mif1", b"avif"):
        return "HEIF"
    for magic, kind in (
        (b"\x89PNG", "PNG"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"GIF8", "GIF"),
        (b"BM", "BMP"),
        (b"II*\0", "TIFF"),
        (b"MM\0*", "TIFF"),
    ):
        if head.startswith(magic):
            return kind
    return "WebP" if head.startswith(b"RIFF") and head[8:12] == b"WEBP" else ""


def _audio_file(head: bytes) -> str:
    for magic, kind in ((b"ID3", "MP3"), (b"fLaC", "FLAC"), (b"FORM", "AIFF"), (b"#!AMR", "AMR")):
        if head.startswith(magic):
            return kind
    if head.startswith(b"RIFF") and head[8:12] == b"WAVE":
        return "WAV"
    # MPEG audio frame or ADTS header.
    return "MPEG audio" if len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 else ""


def _looks_like(head: bytes) -> str:
    text = head.lstrip(b"\xef\xbb\xbf").lstrip()
    if (
        text.startswith((b"#EXTM3U", b"ffconcat", b"file '", b"file ", b"<MPD", b"v=0", b"[playlist]"))
        or b"<MPD" in text
    ):
        return "looks like a playlist"
    if head and b"\0" not in head and sum(byte < 9 for byte in head) == 0:
        return "looks like text"
    return f"begins with {head[:8].hex(' ')}" if head else "has no bytes"
