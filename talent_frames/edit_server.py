"""The page on which a run is corrected, served to this machine alone: a secret in the URL, no other origin."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import mimetypes
import re
import secrets
import threading
import time
from collections.abc import Iterator
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from lambdas.contracts import Contract
from lambdas.errors import BadInput, TalentFramesError
from talent_frames.corrections import Best, Leave, Merge, Name, Run, Split, Wish, correct, undo

HOST = "127.0.0.1"
IDLE_MINUTES = 30.0
MOST_BODY_BYTES = 65_536
BLOCK_BYTES = 2**20
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Asked(Contract):
    """What the page asks for."""

    do: str
    """`name`, `merge`, `split`, `drop`, `hide`, `best` or `undo`."""
    people: tuple[str, ...] = ()
    name: str = ""
    tracks: tuple[int, ...] = ()
    at_s: float = 0.0

    def wish(self) -> Wish:
        """The correction. Raises BadInput for what is none."""
        from talent_frames.commands.correct import WrongCorrection, checked_name

        one = self.people[0] if len(self.people) == 1 else ""
        if self.do == "merge" and len(self.people) > 1:
            return Merge(self.people)
        if self.do == "name" and one:
            return Name(one, checked_name(self.name))
        if self.do == "split" and one and self.tracks:
            return Split(one, self.tracks)
        if self.do == "drop" and one:
            return Leave(one, "drop")
        if self.do == "hide" and one:
            return Leave(one, "hide")
        if self.do == "best" and one:
            return Best(one, self.at_s)
        raise WrongCorrection(f"{self.do} of {len(self.people)} people: no such correction")


class Editor:
    """A run under correction; one correction at a time."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.run = Run.open(out)
        self.lock = threading.Lock()

    def ask(self, asked: Asked) -> None:
        """Does what the page asks for, on the run as it stands in its folder now. Raises BadInput and others."""
        with self.lock:
            run = Run.open(self.out)
            self.run = undo(run) if asked.do == "undo" else correct(run, [asked.wish()])

    @property
    def video(self) -> Path | None:
        """The video, where it is a file on this machine."""
        if self.run.staged is None:
            return None
        path = Path(self.run.staged.plan.source.uri)
        return path if path.is_file() else None

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        manifest = self.run.manifest
        return {
            "title": Path(manifest.source.uri).name,
            "people": [person.model_dump(mode="json") for person in manifest.people],
            "unclear": [seen.model_dump(mode="json") for seen in manifest.unclear],
            "merges": [merge.model_dump(mode="json") for merge in manifest.suggested_merges],
            "unmatched": [one.model_dump(mode="json") for one in manifest.unmatched_corrections],
            "applied": manifest.corrections,
            "steps": len({one.made_at for one in self.run.corrections}),
            "report": manifest.report_file,
            "video": self.video is not None,
            "duration_s": manifest.source.duration_s,
        }


class EditServer(ThreadingHTTPServer):
    """Serves the editor until it is shut down, or nobody asked for anything for `idle_s`."""

    daemon_threads = True

    def __init__(self, editor: Editor, port: int = 0, idle_s: float = IDLE_MINUTES * 60) -> None:
        super().__init__((HOST, port), _Handler)
        self.editor = editor
        self.idle_s = idle_s
        self.token = secrets.token_urlsafe(24)
        self.asked_at = time.monotonic()
        self.hosts = {f"{name}:{self.server_port}" for name in (HOST, "localhost")}

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    @cached_property
    def page(self) -> tuple[bytes, str]:
        """The page and its content security policy."""
        text = (files("talent_frames") / "edit.html").read_text(encoding="utf-8")
        hashes = {
            kind: base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
            for kind in ("style", "script")
            if (found := re.search(rf"<{kind}>(.*?)</{kind}>", text, re.DOTALL))
        }
        policy = (
            f"default-src 'none'; img-src 'self'; media-src 'self'; connect-src 'self'; base-uri 'none'; "
            f"form-action 'none'; frame-ancestors 'none'; style-src 'sha256-{hashes['style']}'; "
            f"script-src 'sha256-{hashes['script']}'"
        )
        return text.encode(), policy

    def service_actions(self) -> None:
        # Called twice a second by serve_forever; it can't be told to stop from its own thread otherwise.
        if time.monotonic() - self.asked_at > self.idle_s and not self.editor.lock.locked():
            threading.Thread(target=self.shutdown, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: EditServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        with self._answering() as place:
            editor = self.server.editor
            if place == "":
                page, policy = self.server.page
                self._send(HTTPStatus.OK, page, "text/html; charset=utf-8", {"Content-Security-Policy": policy})
            elif place == "run.json":
                self._send_json(HTTPStatus.OK, editor.state())
            elif place == "video" and editor.video is not None:
                self._send_file(editor.video, mimetypes.guess_type(editor.video.name)[0] or "video/mp4")
            elif place.startswith("files/") and place.removeprefix("files/") in editor.run.manifest.files:
                file = editor.out / place.removeprefix("files/")
                self._send_file(file, mimetypes.guess_type(file.name)[0] or "application/octet-stream")
            else:
                self._send_json(HTTPStatus.NOT_FOUND, {"error": "There is nothing here."})

    def do_POST(self) -> None:
        with self._answering() as place:
            body = self._body()
            if body is None or place != "correct":
                self._send_json(HTTPStatus.BAD_REQUEST, {"error": "That is no request of the page's."})
                return
            try:
                self.server.editor.ask(Asked.model_validate_json(body))
            except ValidationError:
                self._send_json(HTTPStatus.BAD_REQUEST, {"error": "That is no request of the page's."})
            except BadInput as error:
                self._send_json(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": " ".join(str(error).split())})
            except (TalentFramesError, OSError) as error:
                self._send_json(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": " ".join(str(error).split())})
            else:
                self._send_json(HTTPStatus.OK, self.server.editor.state())

    def log_message(self, format: str, *args: Any) -> None:
        # The URL holds the secret.
        pass

    @contextlib.contextmanager
    def _answering(self) -> Iterator[str]:
        """What is asked for, behind the token; who has no right to ask is sent away."""
        self.server.asked_at = time.monotonic()
        path = unquote(urlsplit(self.path).path)
        _, token, place = path.split("/", 2) if path.count("/") > 1 else ("", "", "")
        # A name that an attacker points at this machine is no host of ours, and another page no origin.
        allowed = (
            self.headers.get("Host") in self.server.hosts
            and secrets.compare_digest(token.encode(), self.server.token.encode())
            and self.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")
            and (self.command == "GET" or self.headers.get("Origin") == f"http://{self.headers.get('Host')}")
        )
        try:
            if allowed:
                yield place
                return
            self.close_connection = True
            self._send_json(HTTPStatus.FORBIDDEN, {"error": "Open the address that the command printed."})
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self.server.asked_at = time.monotonic()
        if not allowed:
            raise _SentAway

    def handle_one_request(self) -> None:
        with contextlib.suppress(_SentAway):
            super().handle_one_request()

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MOST_BODY_BYTES:
            self.close_connection = True
            return None
        body = self.rfile.read(int(length))
        return body if self.headers.get("Content-Type") == "application/json" else None

    def _send_json(self, status: HTTPStatus, document: object) -> None:
        self._send(status, json.dumps(document).encode(), "application/json")

    def _send(self, status: HTTPStatus, data: bytes, kind: str, more: dict[str, str] | None = None) -> None:
        self._head(status, len(data), kind, more or {})
        self.wfile.write(data)

    def _head(self, status: HTTPStatus, length: int, kind: str, more: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(length),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            **more,
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_file(self, path: Path, kind: str) -> None:
        """A file, or the part of it that is asked for, as players do."""
        try:
            file = path.open("rb")
        except OSError:
            self._send_json(HTTPStatus.NOT_FOUND, {"error": "There is nothing here."})
            return
        with file:
            size = path.stat().st_size
            first, last, status = 0, size - 1, HTTPStatus.OK
            more = {"Accept-Ranges": "bytes"}
            if asked := _RANGE.fullmatch(self.headers.get("Range", "")):
                first = int(asked[1]) if asked[1] else max(0, size - int(asked[2] or 0))
                last = min(size - 1, int(asked[2])) if asked[1] and asked[2] else size - 1
                if first > last:
                    self._send(
                        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", kind, {"Content-Range": f"bytes */{size}"}
                    )
                    return
                status, more["Content-Range"] = HTTPStatus.PARTIAL_CONTENT, f"bytes {first}-{last}/{size}"
            self._head(status, last - first + 1, kind, more)
            file.seek(first)
            left = last - first + 1
            while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
                self.wfile.write(block)
                left -= len(block)


class _SentAway(Exception):
    """A request that was refused before anything was looked at."""
