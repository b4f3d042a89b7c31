"""What a run leaves behind and tells: nothing in the home folder, no connection of a library's own, no secret."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clips import make_clip
from tests.test_web import FAILURES, SECRET, serving

HOUSE = Path(__file__).parents[1]
RUN = """
import sys
told = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        told.append(f"{event} {arguments[-1]}")
sys.addaudithook(hook)
if __name__ == "__main__":
    import talent_frames
    manifest = talent_frames.run(sys.argv[1], out=sys.argv[2], workers=1)
    from lambdas.detect.handler import _loaded
    from talent_frames.packs import resolve_pack
    print(_loaded(resolve_pack("open")).embedder.size, *told, sep="\\n")
"""


def test_a_run_leaves_a_new_home_empty_and_calls_nobody(own_home: Path, tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_last", tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    environment |= {"HOME": str(home), "TALENT_FRAMES_HOME": str(own_home)}
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(clip), str(tmp_path / "out")],
        cwd=HOUSE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[1:-1] == []
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_every_stage_keeps_onnxruntime_quiet_before_it_is_imported() -> None:
    program = (
        "import os, sys; os.environ.pop('ORT_DISABLE_TELEMETRY', None)\n"
        "import {module}\n"
        "assert 'onnxruntime' not in sys.modules\n"
        "print(os.environ.get('ORT_DISABLE_TELEMETRY'))"
    )
    for module in ("lambdas.detect.handler", "lambdas.detect.detectors", "talent_frames", "talent_frames.packs"):
        done = subprocess.run(
            [sys.executable, "-c", program.format(module=module)], cwd=HOUSE, capture_output=True, text=True, timeout=60
        )
        assert done.stdout.strip() == "1", (module, done.stderr)


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    from talent_frames.cli import main

    monkeypatch.setattr(sys, "argv", ["talent-frames", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
@pytest.mark.parametrize("failure", [*FAILURES, "bug"])
def test_no_failure_of_the_command_tells_a_secret(
    failure: str, debug: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("lambdas.web.BACK_OFF_S", 0.001)
    if failure == "bug":

        def broken(location: str, *rest: object, **more: object) -> None:
            raise RuntimeError(f"could not read '{location}' or HTTP://ada:pa55word@host/x?X-Signature=s3cr3t&y=1")

        monkeypatch.setattr("lambdas.split.handler.probe_video", broken)
    with serving(FAILURES.get(failure, lambda *_: False)) as server:
        url = server.url("film.mp4", user="ada:pa55word@")
        assert SECRET in url
        code = command(
            monkeypatch, "run", url, "--out", str(tmp_path / "out"), "--workers", "1", *(["--debug"] if debug else [])
        )
    told = "".join(capfd.readouterr())
    assert code in (1, 2)
    assert "film.mp4" in told
    assert not any(secret in told for secret in ("s3cr3t", "pa55word", "X-Signature")), told


def test_no_secret_of_a_url_is_in_what_a_run_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving() as server:
        server.data = make_clip("mp4_moov_last", tmp_path).read_bytes()
        url = server.url("film.mp4", user="ada:pa55word@")
        assert command(monkeypatch, "run", url, "--out", str(tmp_path / "out"), "--workers", "1", "--json") == 0
    told = "".join(capfd.readouterr())
    written = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(written) > 10
    for secret in ("s3cr3t", "pa55word", "X-Signature"):
        assert secret not in told
        assert not any(secret.encode() in data for data in written)


def test_a_name_that_is_not_utf8_and_no_name_at_all_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4")
    Path(path).write_bytes(b"x")
    for name, told in ((path, "its name is not UTF-8"), ("", "no video was named"), (" ", "no video was named")):
        assert command(monkeypatch, "run", name, "--out", str(tmp_path / "out")) == 2
        assert told in capfd.readouterr().err


def test_a_full_disk_is_called_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    clip = make_clip("mp4_moov_last", tmp_path)

    def full(*_: object, **more: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "plan.json"))

    monkeypatch.setattr("lambdas.staging.DirectoryStaging.put", full)
    assert command(monkeypatch, "run", str(clip), "--out", str(tmp_path / "out"), "--workers", "1") == 1
    assert "no space left" in capfd.readouterr().err


def test_too_little_address_space_is_a_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v 700000; exec {sys.executable} -m talent_frames run x.mp4"],
        cwd=HOUSE,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "683 MiB of address space are allowed here" in done.stderr
