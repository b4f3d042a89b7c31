"""A loopback HTTP server that answers byte ranges and keeps count of what it sent."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

S = TypeVar("S", bound=ThreadingHTTPServer)


class RangeServer(ThreadingHTTPServer):
    """Serves the files of `folder`; `fail_with` answers every request with that status, and `fail_text`."""

    daemon_threads = True

    def __init__(self, folder: Path, *, ranges: bool = True) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.ranges = ranges
        self.fail_with: int | None = None
        self.fail_text = b""
        self.requests: list[str] = []
        self.sent_bytes = 0
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that hangs up is no failure of ours."""

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: RangeServer

    def do_GET(self) -> None:
        server = self.server
        name = self.path.split("?")[0].lstrip("/")
        with server.lock:
            server.requests.append(f"{name} {self.headers.get('Range')}")
        path = server.folder / name
        if server.fail_with is not None or not path.is_file():
            self._answer(server.fail_with or 404, {}, server.fail_text)
            return
        size = path.stat().st_size
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if not server.ranges or wanted is None:
            self._answer(200, {"Accept-Ranges": "none"}, path.read_bytes())
            return
        first, last = wanted.groups()
        start = int(first) if first else max(0, size - int(last))
        end = min(int(last) + 1 if first and last else size, size)
        if start >= size:
            self._answer(416, {"Content-Range": f"bytes */{size}"}, b"")
            return
        with path.open("rb") as file:
            file.seek(start)
            data = file.read(end - start)
        self._answer(206, {"Content-Range": f"bytes {start}-{end - 1}/{size}"}, data)

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for offset in range(0, len(body), 2**14):
            try:
                self.wfile.write(body[offset : offset + 2**14])
            except OSError:
                self.close_connection = True
                return
            with self.server.lock:
                self.server.sent_bytes += min(2**14, len(body) - offset)

    def log_message(self, format: str, *args: object) -> None:
        pass


def serving(folder: Path, *, ranges: bool = True) -> AbstractContextManager[RangeServer]:
    """The server while the block runs."""
    return running(RangeServer(folder, ranges=ranges))


@contextmanager
def running(server: S) -> Iterator[S]:
    """Any server while the block runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
