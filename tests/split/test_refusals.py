"""What split refuses: each by its own error, in one line that names the file and the reason, with nothing staged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lambdas.errors import (
    BadInput,
    EmptySource,
    EncryptedVideo,
    NoFrames,
    NoVideoStream,
    SourceMissing,
    UnreadableVideo,
)
from tests.clips import X264, ffmpeg, make_clip, picture
from tests.split.range_server import serving
from tests.split.test_chunks import split


def written(data: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data)

    return write


def cut(kind: str, keep: Callable[[bytes], int]) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        data = make_clip(kind, path.parent).read_bytes()
        path.write_bytes(data[: keep(data)])

    return make


def missing(path: Path) -> None:
    assert not path.exists()


def directory(path: Path) -> None:
    path.mkdir()


def audio(*arguments: str) -> Callable[[Path], None]:
    return lambda path: ffmpeg("-f", "lavfi", "-i", "sine=duration=1", *arguments, str(path))


def cover_art_only(path: Path) -> None:
    picture_file = path.with_suffix(".png")
    ffmpeg(*picture(0.04), "-frames:v", "1", str(picture_file))
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", "-i", str(picture_file), "-map", "0", "-map", "1", "-c:v", "png",
           "-disposition:v:0", "attached_pic", str(path))  # fmt: skip


def still(codec: str, container: str) -> Callable[[Path], None]:
    return lambda path: ffmpeg(*picture(0.04), "-frames:v", "1", "-c:v", codec, "-f", container, str(path))


def concat_script(path: Path) -> None:
    clip = make_clip("mp4_moov_first", path.parent)
    path.write_text(f"ffconcat version 1.0\nfile {clip.name}\n")


def encrypted(path: Path) -> None:
    ffmpeg(*picture(), *X264.split(), "-pix_fmt", "yuv420p", "-encryption_scheme", "cenc-aes-ctr",
           "-encryption_key", "00" * 16, "-encryption_kid", "11" * 16, str(path))  # fmt: skip


def without_frames(path: Path) -> None:
    # A complete movie whose video track lists no sample.
    ffmpeg(*picture(), *X264.split(), "-pix_fmt", "yuv420p", "-movflags", "+frag_keyframe+empty_moov", str(path))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moof") - 4])


def nothing_decodes(path: Path) -> None:
    data = bytearray(make_clip("mp4_moov_first", path.parent).read_bytes())
    begin = data.index(b"mdat") + 4
    data[begin:] = bytes(len(data) - begin)
    path.write_bytes(data)


NOISE = np.random.default_rng(7).bytes(5000)

REFUSED: dict[str, tuple[Callable[[Path], None], type[BadInput], str]] = {
    "missing": (missing, SourceMissing, "no such file"),
    "directory": (directory, SourceMissing, "no such file"),
    "empty": (written(b""), EmptySource, "empty"),
    "one_byte": (written(b"x"), UnreadableVideo, "not a video container"),
    "text": (written(b"Dear diary,\ntoday nothing moved.\n" * 20), UnreadableVideo, "looks like text"),
    "noise": (written(NOISE), UnreadableVideo, "not a video container"),
    "zeros": (written(bytes(100_000)), UnreadableVideo, "not a video container"),
    "hls_playlist": (
        written(b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"),
        UnreadableVideo,
        "looks like a playlist",
    ),
    "concat_script": (concat_script, UnreadableVideo, "looks like a playlist"),
    "dash_manifest": (
        written(b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'),
        UnreadableVideo,
        "looks like a playlist",
    ),
    "session_description": (written(b"v=0\no=- 0 IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"), UnreadableVideo, "a play"),
    "m4a": (audio("-f", "mp4"), NoVideoStream, "audio alone"),
    "mp3": (audio("-f", "mp3"), NoVideoStream, "audio alone"),
    "wav": (audio("-f", "wav"), NoVideoStream, "audio alone"),
    "cover_art": (cover_art_only, NoVideoStream, "cover art"),
    "jpeg": (still("mjpeg", "mjpeg"), NoVideoStream, "still picture (JPEG)"),
    "png": (still("png", "image2pipe"), NoVideoStream, "still picture (PNG)"),
    "gif": (still("gif", "gif"), NoVideoStream, "still picture (GIF)"),
    "webp": (written(b"RIFF\x24\0\0\0WEBPVP8 " + NOISE[:40]), NoVideoStream, "still or moving picture (WebP)"),
    "moov_lost": (cut("mp4_moov_last", lambda data: len(data) // 2), UnreadableVideo, "cut off or damaged"),
    "cut_in_moov": (cut("mp4_moov_first", lambda data: 700), UnreadableVideo, "cut off before its first frame"),
    "cut_before_frames": (
        cut("mp4_moov_first", lambda data: data.index(b"mdat") + 8),
        UnreadableVideo,
        "cut off before its first frame",
    ),
    "cut_matroska": (cut("mkv", lambda data: 200), UnreadableVideo, "cut off or damaged"),
    "nothing_decodes": (nothing_decodes, UnreadableVideo, "can be decoded"),
    "encrypted": (encrypted, EncryptedVideo, "DRM"),
    "0_frames": (without_frames, NoFrames, "0 frames"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line_that_names_the_file_and_the_reason(case: str, tmp_path: Path) -> None:
    make, kind, reason = REFUSED[case]
    source = tmp_path / f"{case}.mp4"
    make(source)
    with pytest.raises(BadInput) as caught:
        split(str(source), tmp_path)
    text = str(caught.value)
    assert (kind, True) == (caught.type, reason in text), text
    assert text.startswith(f"{case}.mp4: ")
    assert "\n" not in text
    assert str(tmp_path) not in text
    assert not [path for path in (tmp_path / "staging").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "head", ["#EXTM3U\n#EXTINF:2,\n{url}\n#EXT-X-ENDLIST\n", "ffconcat version 1.0\nfile '{url}'\n"]
)
def test_a_playlist_does_not_make_us_call_its_hosts(head: str, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        playlist = tmp_path / "upload.mp4"
        playlist.write_text(head.format(url=server.url("secret.ts")))
        with pytest.raises(UnreadableVideo, match=r"upload\.mp4: not a video container we accept \(looks like a play"):
            split(str(playlist), tmp_path)
        assert server.requests == []
