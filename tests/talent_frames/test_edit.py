"""The page on which runs are corrected: who may ask it, what it does, and when it ends."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from talent_frames.corrections import read_manifest
from talent_frames.edit_server import Editor, EditServer
from tests.talent_frames.drawn_run import publish_drawn


@dataclass
class Page:
    server: EditServer
    out: Path

    def ask(
        self, method: str, place: str, body: object = None, *, token: str | None = None, **headers: str
    ) -> tuple[http.client.HTTPResponse, bytes]:
        host = f"127.0.0.1:{self.server.server_port}"
        sent = {"Host": host, **({"Origin": f"http://{host}"} if method == "POST" else {})}
        sent |= {"Content-Type": "application/json"} if body is not None else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=30)
        path = f"/{self.server.token if token is None else token}/{place}"
        connection.request(method, path, json.dumps(body) if body is not None else None, sent)
        answer = connection.getresponse()
        read = answer.read()
        connection.close()
        return answer, read

    def correct(self, **asked: Any) -> dict[str, Any]:
        answer, body = self.ask("POST", "correct", asked)
        assert answer.status == 200, body
        state: dict[str, Any] = json.loads(body)
        return state


@pytest.fixture
def page(own_home: Path, tmp_path: Path) -> Iterator[Page]:
    video = tmp_path / "film.mp4"
    video.write_bytes(bytes(range(256)) * 8)
    publish_drawn(tmp_path / "out", tmp_path / "work", f"run-{tmp_path.name}", uri=str(video))
    with EditServer(Editor(tmp_path / "out")) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield Page(server, tmp_path / "out")
        server.shutdown()
        thread.join()


def test_what_the_page_asks_for_is_done_published_and_undone(page: Page) -> None:
    before = json.loads(page.ask("GET", "run.json")[1])
    assert [len(person["tracks"]) for person in before["people"]] == [2, 2, 1]
    named = page.correct(do="name", people=["0"], name=" Bob  the Builder ")
    assert named["people"][0]["name"] == "Bob the Builder"
    merged = page.correct(do="merge", people=["1", "2"])
    assert (len(merged["people"]), merged["applied"], merged["steps"]) == (2, 2, 2)
    assert read_manifest(page.out).corrections == 2
    split = page.correct(do="split", people=["0"], tracks=[1])
    assert len(split["people"]) == 3
    best = split["people"][0]["alternatives"][0]
    chosen = page.correct(do="best", people=["0"], at_s=best["t_s"])
    assert chosen["people"][0]["best_frame"]["pts"] == best["pts"]
    hidden = page.correct(do="hide", people=["1"])
    assert len(hidden["people"]) == 2
    shadow = page.correct(do="name", people=["u0"], name="Shadow")
    assert "Shadow" in [person["name"] for person in shadow["people"]]
    dropped = page.correct(do="drop", people=["0"])
    assert dropped["steps"] == 7
    for _ in range(7):
        last = page.correct(do="undo")
    assert (last["people"], last["steps"]) == (before["people"], 0)


def test_what_can_not_be_done_is_told_in_a_sentence_and_changes_nothing(page: Page) -> None:
    before = (page.out / "manifest.json").read_bytes()
    for asked, status in (
        ({"do": "merge", "people": ["0"]}, 422),
        ({"do": "best", "people": ["0"], "at_s": 999.0}, 422),
        ({"do": "undo"}, 422),
        ({"do": "name", "people": ["77"], "name": "x"}, 422),
        ({"do": "explode"}, 422),
        ({"nonsense": 1}, 400),
        ([], 400),
    ):
        answer, body = page.ask("POST", "correct", asked)
        assert (answer.status, "\n" in json.loads(body)["error"]) == (status, False), body
    assert (page.out / "manifest.json").read_bytes() == before


def test_nobody_else_may_ask(page: Page) -> None:
    port = page.server.server_port
    good = {"do": "name", "people": ["0"], "name": "x"}
    for method, body, wrong in (
        ("GET", None, {"token": "guess"}),
        ("GET", None, {"token": ""}),
        ("GET", None, {"Host": f"evil.example:{port}"}),
        ("GET", None, {"Host": "127.0.0.1"}),
        ("GET", None, {"Sec_Fetch_Site": "cross-site"}),
        ("POST", good, {"Origin": "https://evil.example"}),
        ("POST", good, {"Origin": "null"}),
        ("POST", good, {"Sec_Fetch_Site": "same-site"}),
        ("POST", good, {"token": "guess"}),
    ):
        answer, _ = page.ask(method, "correct" if method == "POST" else "run.json", body, **wrong)
        assert answer.status == 403, wrong
    # A form of another page can't send JSON.
    assert page.ask("POST", "correct", good, Content_Type="text/plain")[0].status == 400
    assert page.ask("POST", "correct", {**good, "name": "x" * 70_000})[0].status == 400
    assert read_manifest(page.out).corrections == 0
    assert page.server.server_address[0] == "127.0.0.1"


def test_files_are_the_runs_own_and_no_others(page: Page) -> None:
    manifest = read_manifest(page.out)
    answer, data = page.ask("GET", f"files/{manifest.people[0].thumbnail}")
    assert (answer.status, answer.headers["Content-Type"], data[:2]) == (200, "image/jpeg", b"\xff\xd8")
    for place in ("files/manifest.json", "files/../work/kept.json", "files/%2e%2e/film.mp4", "files//etc/passwd"):
        assert page.ask("GET", place)[0].status == 404, place


def test_the_page_is_one_file_under_a_strict_policy(page: Page) -> None:
    answer, body = page.ask("GET", "")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert policy.count("sha256-") == 2
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    text = body.decode()
    assert "http://" not in text
    assert "https://" not in text
    assert "innerHTML" not in text


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("", 200, slice(0, 2048)),
        ("bytes=0-", 206, slice(0, 2048)),
        ("bytes=100-199", 206, slice(100, 200)),
        ("bytes=2000-9999", 206, slice(2000, 2048)),
        ("bytes=-48", 206, slice(2000, 2048)),
        ("bytes=5000-", 416, slice(0, 0)),
    ],
)
def test_the_video_is_served_by_range(page: Page, asked: str, status: int, expected: slice) -> None:
    answer, data = page.ask("GET", "video", **({"Range": asked} if asked else {}))
    assert (answer.status, data) == (status, (bytes(range(256)) * 8)[expected])


def test_without_its_video_the_run_can_still_be_corrected(page: Page) -> None:
    (page.out.parent / "film.mp4").unlink()
    assert json.loads(page.ask("GET", "run.json")[1])["video"] is False
    assert page.ask("GET", "video")[0].status == 404
    answer, body = page.ask("POST", "correct", {"do": "best", "people": ["0"], "at_s": 11.02})
    assert answer.status == 422
    assert "no such file" in json.loads(body)["error"]


def test_it_ends_when_nobody_asks_any_more(own_home: Path, tmp_path: Path) -> None:
    publish_drawn(tmp_path / "out", tmp_path / "work", f"run-{tmp_path.name}")
    with EditServer(Editor(tmp_path / "out"), idle_s=0.3) as server:
        started = time.monotonic()
        server.serve_forever(0.05)
        assert 0.3 <= time.monotonic() - started < 20
