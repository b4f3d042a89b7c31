"""Opens videos that strangers made: only real video containers, only the location given, no other file or host.

Shared by the stages that read the video itself. FFmpeg's trouble with the content becomes a named error; trouble with
the network passes through as it is, to be tried again.
"""

from __future__ import annotations

import errno
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import av.error
import certifi
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from lambdas.errors import (
    EmptySource,
    NoVideoStream,
    SourceMissing,
    SourceUnreachable,
    UnreadableVideo,
)
from lambdas.staging import ANSWER_BYTES, refusal

ACCEPTED_FORMATS = ("mov", "matroska", "mpegts", "avi", "flv", "mpeg", "asf", "ogg", "mxf", "nut")
"""FFmpeg's demuxers of real video containers. Playlists (hls, concat, dash, sdp), pictures, raw audio and raw
elementary streams, which carry no times, are left out."""

NETWORK_TIMEOUT_S = 30
RECONNECTS = 4
RECONNECT_DELAY_MAX_S = 8
REQUEST_BYTES = 2 * 2**20
"""Of one range request when a chunk is read: few requests, little read beyond its end."""
GLANCE_BYTES = 2**18
"""Of one range request when a few packets are read here and there, and of the first in any case."""
HEAD_BYTES = 4096
"""Looked at to say what a refused source is."""

BADLY_READ = (
    av.error.InvalidDataError,
    av.error.ArgumentError,
    av.error.PatchWelcomeError,
    av.error.NotImplementedError,
    av.error.DemuxerNotFoundError,
    av.error.DecoderNotFoundError,
    av.error.ProtocolNotFoundError,
    av.error.EOFError,
    av.error.BufferTooSmallError,
    av.error.UndefinedError,
)
"""FFmpeg's errors about the content, where trying again can't help. A format off the whitelist is an ArgumentError."""

OUT_OF_REACH = (
    av.error.FileNotFoundError,
    av.error.PermissionError,
    av.error.IsADirectoryError,
    av.error.HTTPNotFoundError,
    av.error.HTTPForbiddenError,
    av.error.HTTPUnauthorizedError,
    av.error.HTTPBadRequestError,
    av.error.HTTPOtherClientError,
)


def is_url(location: str) -> bool:
    """Whether the location is read over the network."""
    return location.startswith(("http://", "https://"))


def open_video(
    location: str, name: str, *, request_bytes: int = REQUEST_BYTES, hardware: HWAccel | None = None
) -> InputContainer:
    """An open container to use in a `with`; `name` stands in messages, since a location may be a signed URL.

    With `hardware` its decoders run there.

    Raises SourceMissing, EmptySource, UnreadableVideo or NoVideoStream; network trouble as FFmpeg's own error.
    """
    if not is_url(location):
        path = Path(location)
        if not path.is_file():
            raise SourceMissing(f"{name}: no such file")
        if path.stat().st_size == 0:
            raise EmptySource(f"{name}: the file is empty (0 bytes)")
    with named_errors(location, name):
        # A colon in a path is no protocol to us.
        return av.open(
            location if is_url(location) else f"file:{location}",
            mode="r",
            options=input_options(location, request_bytes),
            timeout=None,
            hwaccel=hardware,
        )


def holds_pts(container: InputContainer) -> bool:
    """Whether packets tell when they are shown. AVI's only tell their place in the file; FFmpeg's guess is wrong."""
    return container.format.name != "avi"


def packet_time(packet: Packet[VideoStream], *, holds_pts: bool) -> int | None:
    """When a packet is shown, by its decoding time where nothing else is known; None without any time."""
    return packet.pts if holds_pts and packet.pts is not None else packet.dts


@contextmanager
def named_errors(location: str, name: str) -> Iterator[None]:
    """Turns FFmpeg's errors about the content into the named ones; others pass through."""
    try:
        yield
    except OUT_OF_REACH as error:
        if is_url(location):
            # FFmpeg tells the status alone; the answer to a request of our own says why.
            read_bytes(location, 0, 1, name)
        raise SourceMissing(f"{name}: can't be read ({error.strerror})") from None
    except BADLY_READ as error:
        raise _refusal(location, name, error) from None
    except av.error.FFmpegError as error:
        if is_url(location):
            # The same error, without the URL in its text: it may be signed.
            raise type(error)(error.errno or 0, error.strerror or "", name) from None
        # Of a file, demuxers say EIO when it ends too early.
        if error.errno != errno.EIO:
            raise
        raise _refusal(location, name, error) from None


@contextmanager
def reaching(name: str) -> Iterator[None]:
    """Turns trouble with the network into SourceUnreachable, for doors whose callers match names and keep messages.

    FFmpeg's own messages hold the whole URL, signature included; this one doesn't.
    """
    try:
        yield
    except (av.error.FFmpegError, urllib.error.URLError, TimeoutError, ConnectionError) as error:
        # urllib's reason may be an exception itself.
        why = getattr(error, "strerror", None) or getattr(error, "reason", None) or type(error).__name__
        raise SourceUnreachable(f"{name}: could not be read ({why})") from None


def read_bytes(location: str, start: int, length: int, name: str) -> bytes:
    """Up to `length` bytes from offset `start`; a negative `start` counts from the end.

    Raises SourceMissing where there is nothing to read, SourceRefused where the trouble is not the source's.
    """
    return _read(location, start, length, name)[0]


def size_bytes(location: str, name: str) -> int:
    """Size of the source. Raises SourceMissing, and EmptySource for 0."""
    size = _read(location, 0, 1, name)[1]
    if size == 0:
        raise EmptySource(f"{name}: the file is empty (0 bytes)")
    return size


def input_options(location: str, request_bytes: int = REQUEST_BYTES) -> dict[str, str]:
    """FFmpeg's options for reading an untrusted `location`."""
    options = {
        "format_whitelist": ",".join(ACCEPTED_FORMATS),
        "use_mfra_for": "pts",
    }
    if not is_url(location):
        return options | {"protocol_whitelist": "file"}
    return options | {
        "protocol_whitelist": "https,tls,tcp" if location.startswith("https://") else "http,https,tls,tcp",
        # FFmpeg does not verify certificates unless told to.
        "tls_verify": "1",
        "ca_file": certifi.where(),
        "rw_timeout": str(NETWORK_TIMEOUT_S * 1_000_000),
        "reconnect": "1",
        "reconnect_on_network_error": "1",
        "reconnect_on_http_error": "429,5xx",
        "reconnect_delay_max": str(RECONNECT_DELAY_MAX_S),
        "reconnect_max_retries": str(RECONNECTS),
        "multiple_requests": "1",
        "request_size": str(request_bytes),
        "initial_request_size": str(min(GLANCE_BYTES, request_bytes)),
    }


def _read(location: str, start: int, length: int, name: str) -> tuple[bytes, int]:
    """The bytes and the size of the whole."""
    if is_url(location):
        return _read_url(location, start, length, name)
    try:
        with Path(location).open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size + start) if start < 0 else start)
            return file.read(length), size
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise SourceMissing(f"{name}: {error.strerror}") from None


def _read_url(location: str, start: int, length: int, name: str) -> tuple[bytes, int]:
    wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{start + length - 1}"
    request = urllib.request.Request(location, headers={"Range": wanted})
    try:
        with urllib.request.urlopen(request, timeout=NETWORK_TIMEOUT_S) as answer:
            if answer.status != 206:
                raise SourceMissing(f"{name}: the server does not answer ranges, so the video can't be read in parts")
            size = int(answer.headers["Content-Range"].rpartition("/")[2])
            data: bytes = answer.read(length)
            return data, size
    except urllib.error.HTTPError as error:
        if error.code == 416:
            return b"", int((error.headers.get("Content-Range") or "*/0").rpartition("/")[2])
        if error.code == 429 or error.code >= 500:
            raise
        text = error.read(ANSWER_BYTES).decode(errors="replace")
        raise refusal(name, error.code, text, error.headers.get("x-amz-bucket-region")) from None


def _refusal(location: str, name: str, error: av.error.FFmpegError) -> Exception:
    """The named error for content that FFmpeg refused, by what its first bytes look like."""
    try:
        head = read_bytes(location, 0, HEAD_BYTES, name)
    except OSError:
        head = b""
    if kind := still_picture(head):
        return NoVideoStream(f"{name}: a still picture ({kind}), not a video")
    if kind := _audio_file(head):
        return NoVideoStream(f"{name}: audio alone ({kind}), no video stream")
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip") or head.startswith(b"\x1aE\xdf\xa3"):
        return UnreadableVideo(f"{name}: cut off or damaged, nothing in it can be read ({error.strerror})")
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
