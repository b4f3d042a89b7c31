"""A loopback server of one video whose answers go wrong from one request to another, as ordered."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

Kind = Literal["busy", "throttled", "cut", "slow", "expired", "other"]
"""503; 429; an answer that ends half-way; one that takes its time; a signature that ran out; another content."""
SLOW_S = 0.4


@dataclass(frozen=True)
class Trouble:
    kind: Kind
    first: int
    """Number of the first request that meets it, from 0."""
    last: int


class TroubledServer(ThreadingHTTPServer):
    """Answers ranges of `data`, which may be exchanged, or of `other` where that is the trouble."""

    daemon_threads = True

    def __init__(self, data: bytes, other: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.data, self.other = data, other
        self.trouble: Trouble | None = None
        self.asked = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that was killed is no failure of ours."""

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{name}?Signature=s3cr3t"

    def end(self) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    server: TroubledServer

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            number = server.asked
            server.asked += 1
        trouble = server.trouble
        kind = trouble.kind if trouble and trouble.first <= number <= trouble.last else ""
        data = server.other if kind == "other" else server.data
        if kind == "slow":
            time.sleep(SLOW_S)
        if kind in ("busy", "throttled"):
            self._answer(503 if kind == "busy" else 429, {"Retry-After": "0"}, b"later")
            return
        if kind == "expired":
            text = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
            self._answer(403, {}, text)
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
        if wanted is None or int(wanted[1]) >= len(data):
            self._answer(416, {"Content-Range": f"bytes */{len(data)}"}, b"")
            return
        start, end = int(wanted[1]), min(int(wanted[2]) + 1, len(data))
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{len(data)}", "ETag": f'"{hash(data)}"'}
        self._answer(206, headers, data[start:end], cut=kind == "cut")

    def _answer(self, status: int, headers: dict[str, str], body: bytes, *, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection = cut

    def log_message(self, format: str, *args: object) -> None:
        pass
