"""Opening untrusted video, from a file and over loopback HTTP."""

from __future__ import annotations

import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import av
import av.error
import pytest

from lambdas.errors import EmptySource, SourceMissing, SourceUnreachable, UnreadableVideo
from lambdas.video import input_options, open_video, read_bytes, size_bytes
from tests.clips import make_clip
from tests.split.range_server import serving


def test_a_path_with_odd_characters_is_a_path(tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_first", tmp_path).rename(tmp_path / "concat:a%20b?c#d,e.mp4")
    with open_video(str(clip), clip.name) as container:
        assert len(container.streams.video) == 1


def test_bytes_are_read_from_either_end(tmp_path: Path) -> None:
    (tmp_path / "ten").write_bytes(b"0123456789")
    with serving(tmp_path) as server:
        for location in (str(tmp_path / "ten"), server.url("ten")):
            assert size_bytes(location, "ten") == 10
            assert read_bytes(location, 0, 3, "ten") == b"012"
            assert read_bytes(location, -3, 3, "ten") == b"789"
            assert read_bytes(location, -30, 30, "ten") == b"0123456789"
            assert read_bytes(location, 10, 3, "ten") == b""
            assert read_bytes(location, 8, 30, "ten") == b"89"


def test_an_empty_source_is_named_over_http_too(tmp_path: Path) -> None:
    (tmp_path / "nothing").write_bytes(b"")
    with serving(tmp_path) as server, pytest.raises(EmptySource, match=r"^nothing: .*0 bytes"):
        size_bytes(server.url("nothing"), "nothing")


def test_a_server_without_ranges_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"0123456789")
    with serving(tmp_path, ranges=False) as server, pytest.raises(SourceMissing, match="does not answer ranges"):
        size_bytes(server.url("a.mp4"), "a.mp4")


def test_a_refused_connection_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdas.web.BACK_OFF_S", 0.001)
    with serving(tmp_path) as server:
        url = server.url("a.mp4")
    with pytest.raises(SourceUnreachable, match=r"^a\.mp4: could not be read \(Connection refused\)$"):
        size_bytes(url, "a.mp4")


def test_a_playlist_over_http_is_refused_before_its_entries_are_asked_for(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        (tmp_path / "a.mp4").write_text(f"#EXTM3U\n#EXTINF:2,\n{server.url('b.ts')}\n#EXT-X-ENDLIST\n")
        with pytest.raises(UnreadableVideo, match="looks like a playlist"):
            open_video(server.url("a.mp4"), "a.mp4")
        assert {request.split()[0] for request in server.requests} == {"a.mp4"}


def test_ffmpeg_opens_no_connection_of_its_own(tmp_path: Path) -> None:
    assert input_options("https://host/a.mp4")["protocol_whitelist"] == "none"
    assert input_options("/a.mp4")["protocol_whitelist"] == "file"
    clip = make_clip("mp4_moov_first", tmp_path)
    with serving(tmp_path) as server:
        with pytest.raises(av.error.FFmpegError):
            av.open(server.url(clip.name), options=input_options(server.url(clip.name)))
        assert server.requests == []


def test_a_self_signed_certificate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdas.web.BACK_OFF_S", 0.001)
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate),
             "-days", "1", "-subj", "/CN=elsewhere"],
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("needs the openssl command: apt-get install openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        url = f"https://127.0.0.1:{server.server_address[1]}/a.mp4?X-Signature=secret"
        with pytest.raises(SourceMissing, match="certificate is not valid") as caught:
            open_video(url, "a.mp4")
        assert "secret" not in str(caught.value)
        assert asked == []
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
