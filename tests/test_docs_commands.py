"""The commands that the documentation names are run as they stand, those that need an account or the network aside.

One small film is run through the real pipeline; what comes after a run is tried on a drawn one of ten people.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import cv2
import pytest
import skimage.data
from typer.testing import CliRunner

from talent_frames import cli
from talent_frames.corrections import read_manifest
from talent_frames.packs import resolve_pack
from tests.cluster.factory import Appearance, Video, faces_of
from tests.talent_frames.drawn_run import publish_drawn
from tests.test_docs import console_lines, words_of

ELSEWHERE = {
    "make": "sets up the repository itself; its targets are looked up",
    "uvx": "installs from a package index",
    "demo": "the clip and what is found in it: tests/test_main_job.py",
}
"""Commands that are not run here, and why; s3:// URLs are tried in tests/test_s3_compatible.py."""
ENDLESS = ("edit", "--watch")
"""They end with Ctrl-C."""
AFTER_A_RUN = ("correct", "edit", "export", "compare")


def commands() -> list[tuple[str, list[str]]]:
    """Page and words of every talent-frames command that can be run here."""
    return [(page, words) for page, line, marked in console_lines() if not (marked or passed_over(line))
            for words in ours(line)]  # fmt: skip


def ours(line: str) -> list[list[str]]:
    """What follows talent-frames in each of a line's commands of that name."""
    return [words[1:] for words in words_of(line) if words[0] == "talent-frames"]


def passed_over(line: str) -> bool:
    told = line.split("#")[0]
    return "s3://" in told or any(name in told.split() for name in ELSEWHERE)


def ten_people() -> Video:
    """Each of them seven times on screen, for less long the higher their number."""
    seen = [
        Appearance(face, start, start + 1.9 - 0.08 * person, left=100.0 + 40 * (person % 3))
        for person, face in enumerate(faces_of(5, 10))
        for start in (20.0 * turn + 2.0 * person for turn in range(7))
    ]
    return Video(140.0, seen, cuts=[], dimension=128)


@pytest.fixture(scope="module")
def films(own_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the films, pictures and packs that the documentation names; its `real` and `drawn` are runs."""
    from talent_frames.enroll import enroll

    folder = tmp_path_factory.mktemp("docs")
    astronaut = cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)
    coffee = cv2.cvtColor(skimage.data.coffee(), cv2.COLOR_RGB2BGR)
    shots = [cv2.resize(astronaut[:288], (640, 360)), cv2.resize(coffee[:337], (640, 360))]
    with av.open(str(folder / "interview.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"preset": "ultrafast", "g": "15"})
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for number in range(30):
            frame = av.VideoFrame.from_ndarray(shots[number // 15], format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for name in ("clip.mp4", "film.mp4", "videos/a.mp4", "films/one.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy2(folder / "interview.mp4", folder / name)
    for name in ("ada.jpg", "picture.jpg", "cast/Ada Lovelace.jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / name), astronaut)
    pack = resolve_pack("open")
    shutil.copytree(pack, folder / "packs" / "mine")
    gallery, _ = enroll(folder / "cast", pack)
    for name in ("cast.npz", "gallery.npz"):
        (folder / name).write_bytes(gallery.to_bytes())
    publish_drawn(folder / "drawn", folder / "work", f"run-{folder.name}", ten_people())
    with contextlib.chdir(folder):
        run(["run", "film.mp4", "--out", "real", "--people-only", "--workers", "1"])
    return folder


def run(words: list[str]) -> str:
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 0, f"talent-frames {' '.join(words)}: {done.output}"
    return done.stdout


@pytest.fixture
def place(films: Path, tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder a command is run in, a copy of the films'; what is kept of the runs is as it was afterwards."""
    shutil.copytree(films, tmp_path / "here", ignore=shutil.ignore_patterns("work"))
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("TALENT_FRAMES_RUN_WORKERS", "1")
    if not (own_home / "kept-before").exists():
        shutil.copytree(own_home / "kept", own_home / "kept-before")
    shutil.rmtree(own_home / "kept")
    shutil.copytree(own_home / "kept-before", own_home / "kept")
    return tmp_path / "here"


def fitted(words: list[str], place: Path) -> list[str]:
    """The command for what lies here: runs where it looks for them, its stand-ins replaced."""
    made = "drawn" if words[0] in AFTER_A_RUN else "real"
    if words[0] != "run":
        for out in ("out/interview", "out/before", "out/after"):
            shutil.copytree(place / made, place / out)
    staged = read_manifest(place / "drawn").people[3].alternatives
    stands_for = {"OUT": "out/interview", "3=00:12.4": f"3={staged[0].t_s:.3f}"}
    words = [stands_for.get(word, word).replace("/films/", f"{place}/films/") for word in words]
    if words[:2] == ["run", f"{place}/films/interview.mp4"]:
        shutil.copy2(place / "interview.mp4", place / "films" / "interview.mp4")
    if "videos/b.mp4" in words:
        shutil.copy2(place / "interview.mp4", place / "videos" / "b.mp4")
    if "--enroll" in words:
        # The drawn people are of no pack that this gallery could be of.
        (place / "gallery.npz").unlink()
    # Nobody is at the keyboard to be asked.
    return [*words, "--yes"] if words[0] == "erase" else words


def watched(words: list[str]) -> None:
    """Starts a command that goes on until Ctrl-C, waits until it has done something, and ends it."""
    started = subprocess.Popen(
        [sys.executable, "-m", "talent_frames", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "BROWSER": "true", "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    with started:
        try:
            assert started.stdout is not None
            told = ""
            while "http://127.0.0.1" not in told and "report" not in told:
                line = started.stdout.readline()
                assert line, f"talent-frames {' '.join(words)} ended: {told}"
                told += line
            started.send_signal(signal.SIGINT)
            assert started.wait(60) in (0, 130), told
        finally:
            started.kill()


@pytest.mark.parametrize(
    ("page", "words"), commands(), ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_command_does_as_it_is_written(page: str, words: list[str], place: Path) -> None:
    words = fitted(words, place)
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    if any(word in ENDLESS for word in words):
        watched(words)
        return
    if "--undo" in words or "--enroll" in words:
        run(["correct", "out/interview", "--name", "0=Ada"])
    told = run(words)
    after = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    if "--json" in words:
        for document in told.replace("}\n{", "}\0{").split("\0"):
            assert json.loads(document)["people"]
    elif words[0] == "models":
        assert told
    else:
        # It did something here: files came, went or were written anew.
        assert after != before, told


def test_no_command_is_passed_over_without_a_reason() -> None:
    tried = [words for _, words in commands()]
    assert len(tried) > 15
    for page, line, marked in console_lines():
        assert marked or passed_over(line) or all(words in tried for words in ours(line)), f"{page}: {line}"
