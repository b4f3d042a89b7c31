"""Whether a container can be read in parts: looks at its bytes for an index, without opening the video."""

from __future__ import annotations

import struct
from collections.abc import Callable

MATROSKA_HEAD_BYTES = 2**16
"""Read to find the seek head, which stands first in a segment."""
LARGEST_FRAGMENTED_MOOV = 2**20
"""The moov of a fragmented MP4 holds no samples; a larger one is an ordinary index."""
BOXES_BEFORE_MOOF = 64
"""Top-level boxes looked at for an index of fragments."""
MOST_BOXES = 100_000
"""Top-level boxes of one file: fragments of a second last a day."""
RIFF_UNKNOWN = 2**31
"""From this size on it is a stream's, which was never filled in."""
COVERED = 0.9
"""Share of the file that an index of fragments must speak of to be the index of the whole."""

CUES_ID = b"\x1c\x53\xbb\x6b"
CLUSTER_ID = b"\x1f\x43\xb6\x75"
SEGMENT_ID = b"\x18\x53\x80\x67"
SEEK_POSITION_ID = b"\x53\xac"

Read = Callable[[int, int], bytes]
"""`read(offset, length)`: up to `length` bytes of the source."""


def is_fragmented(read: Read, size: int) -> bool:
    """Whether an MP4 holds its samples in fragments."""
    return _movie_extends(read, size) is not None


def readable_by_range(format_name: str, read: Read, size: int) -> bool:
    """Whether a chunk can be reached without reading all that is before it. `format_name` is the demuxer's."""
    if format_name.startswith("matroska"):
        return matroska_has_cues(read, size)
    if format_name.startswith("mov"):
        after_moov = _movie_extends(read, size)
        return after_moov is None or _has_fragment_index(read, after_moov, size) or _has_mfra(read, size)
    return True


def matroska_has_cues(read: Read, size: int) -> bool:
    """Whether Matroska or WebM has its seek index (RFC 9559, 5.1.5), complete with this file."""
    head = read(0, MATROSKA_HEAD_BYTES)
    segment = head.find(SEGMENT_ID)
    if segment < 0:
        return False
    # Positions count from the segment's first byte of data, behind its id and its 1 to 8 bytes of size.
    data = segment + 4 + _vint_length(head[segment + 4])
    cluster = head.find(CLUSTER_ID, data)
    # In the seek head the id of the first cluster may stand too; it does no harm to look a little further.
    before = head if cluster < 0 else head[: max(cluster, data + 512)]
    at = before.find(CUES_ID, data)
    while at >= 0:
        field = at + 4
        if head[field : field + 2] == SEEK_POSITION_ID:
            length = head[field + 2] & 0x7F
            position = data + int.from_bytes(head[field + 3 : field + 3 + length], "big")
            if position + 4 <= size and read(position, 4) == CUES_ID:
                return True
        elif before[at - 3 : at - 1] != b"\x53\xab":
            return True
        at = before.find(CUES_ID, field)
    return False


def is_cut_off(format_name: str, read: Read, size: int) -> bool:
    """Whether an MP4's boxes reach beyond its end; other containers do not tell."""
    offset = 0
    while format_name.startswith("mov") and offset < size:
        box = _box(read, offset, size)
        if box is None:
            return True
        offset += box[1]
    return offset > size


def missing_bytes(format_name: str, read: Read, size: int) -> int:
    """How many bytes, at least, a file ends before what it begins is over; 0 where it is whole or does not tell."""
    if format_name.startswith("mov"):
        offset = 0
        for _ in range(MOST_BOXES):
            if offset >= size:
                break
            box = _box(read, offset, size)
            if box is None:
                return 8 - (size - offset) if size - offset < 8 else 0
            offset += box[1]
        return max(0, offset - size)
    if format_name.startswith("matroska"):
        head = read(0, MATROSKA_HEAD_BYTES)
        segment = head.find(SEGMENT_ID)
        if segment < 0 or segment + 12 > len(head):
            return 0
        length = _vint_length(head[segment + 4])
        field = int.from_bytes(head[segment + 4 : segment + 4 + length], "big")
        value = field & ((1 << (7 * length)) - 1)
        # All ones: a live stream, whose length nobody knew.
        return 0 if value == (1 << (7 * length)) - 1 else max(0, segment + 4 + length + value - size)
    if format_name == "avi":
        head = read(0, 12)
        whole = int.from_bytes(head[4:8], "little") + 8
        return max(0, whole - size) if head[:4] == b"RIFF" and whole < RIFF_UNKNOWN else 0
    return 0


def _movie_extends(read: Read, size: int) -> int | None:
    """Offset behind the moov of a fragmented MP4; None for an ordinary one."""
    offset = 0
    for _ in range(BOXES_BEFORE_MOOF):
        box = _box(read, offset, size)
        if box is None:
            return None
        kind, length = box
        if kind == b"moov":
            fragmented = length <= LARGEST_FRAGMENTED_MOOV and b"mvex" in read(offset, length)
            return offset + length if fragmented else None
        offset += length
    return None


def _has_fragment_index(read: Read, offset: int, size: int) -> bool:
    """Whether a sidx (ISO/IEC 14496-12, 8.16.3) before the first fragment speaks of the whole file."""
    for _ in range(BOXES_BEFORE_MOOF):
        box = _box(read, offset, size)
        if box is None or box[0] in (b"moof", b"mdat"):
            return False
        kind, length = box
        offset += length
        if kind == b"sidx":
            body = read(offset - length + 8, min(length - 8, LARGEST_FRAGMENTED_MOOV))
            if not body:
                return False
            wide = 8 if body[0] else 4
            count_at = 4 + 8 + 2 * wide + 2
            if len(body) < count_at + 2:
                return False
            (count,) = struct.unpack_from(">H", body, count_at)
            if len(body) < count_at + 2 + 12 * count:
                return False
            sizes = struct.unpack_from(">" + "I8x" * count, body, count_at + 2)
            if offset + sum(entry & 0x7FFFFFFF for entry in sizes) >= COVERED * size:
                return True
    return False


def _has_mfra(read: Read, size: int) -> bool:
    """Whether the file ends with an index of its fragments: the last box, mfro, gives that index's size."""
    tail = read(size - 16, 16)
    if tail[4:8] != b"mfro":
        return False
    length = int.from_bytes(tail[12:16], "big")
    return length < size and read(size - length, 8)[4:8] == b"mfra"


def _box(read: Read, offset: int, size: int) -> tuple[bytes, int] | None:
    """Kind and length of the box at `offset`."""
    if offset + 8 > size:
        return None
    header = read(offset, 16)
    length = int.from_bytes(header[:4], "big")
    if length == 1:
        length = int.from_bytes(header[8:16], "big")
    elif length == 0:
        length = size - offset
    return (header[4:8], length) if length >= 8 else None


def _vint_length(first: int) -> int:
    """Bytes of an EBML number by its first byte."""
    return 9 - first.bit_length() if first else 9
