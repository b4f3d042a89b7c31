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
if __name__ == "__main__":
    import talent_frames
    manifest = talent_frames.run(sys.argv[1], out=sys.argv[2], workers=2)
    from lambdas.detect.handler import _loaded
    from talent_frames.packs import resolve_pack
    print(_loaded(resolve_pack("open")).embedder.size)
"""


def sandboxed(*program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A Python program that is killed where it, a child or a library in it opens a socket of the internet."""
    return subprocess.run(
        [sys.executable, "-m", "tests.sandbox", sys.executable, *program],
        cwd=HOUSE,
        env={name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))} | environment,
        capture_output=True,
        text=True,
        timeout=170,
    )


def test_the_sandbox_kills_what_opens_a_socket_in_it_and_in_its_children() -> None:
    """Else the test after this would show nothing."""
    here = sandboxed("-c", "import socket; socket.socketpair(); print('so far', flush=True); socket.socket()")
    assert (here.returncode, here.stdout) == (-31, "so far\n")
    child = "import socket; socket.create_connection(('::1', 9))"
    code = f"import subprocess, sys; print(subprocess.run([sys.executable, '-c', {child!r}]).returncode)"
    assert sandboxed("-c", code).stdout == "-31\n"
    native = "import ctypes; ctypes.CDLL(None).socket(2, 2, 0)"
    assert sandboxed("-c", native).returncode == -31


def test_a_run_leaves_a_new_home_empty_and_calls_nobody(own_home: Path, tmp_path: Path) -> None:
    """Workers, models and every library a run loads included: none of them may as much as open a socket."""
    from talent_frames.packs import get_expression, resolve_pack

    resolve_pack("open")
    get_expression()
    clip = make_clip("mp4_moov_last", tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    done = sandboxed("-c", RUN, str(clip), str(tmp_path / "out"), HOME=str(home), TALENT_FRAMES_HOME=str(own_home))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "128\n"
    assert (tmp_path / "out" / "manifest.json").is_file()
    assert list(home.rglob("*")) == []


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


def told_secrets(text: str) -> list[str]:
    return [secret for secret in ("s3cr3t", "pa55word", "X-Signature", "ada:") if secret in text]


MARKED = {
    "plain": "https://ada:pa55word@127.0.0.1:9/film.mp4?X-Signature=s3cr3t",
    "spaces": "https://ada:pa55word@127.0.0.1:9/my film.mp4?a=b c&X-Signature=s3cr3t",
    "quotes": "https://ada:pa55word@127.0.0.1:9/it's \"a\" <film>.mp4?a='&X-Signature=s3cr3t",
    "loud": "HTTPS://ada:pa55word@127.0.0.1:9/film.mp4?X-Signature=s3cr3t#X-Signature=s3cr3t",
}
"""Signed URLs as people have them in their clipboards."""
GIVEN: dict[str, tuple[str, ...]] = {
    "compare": ("compare", "URL", "URL"),
    "correct": ("correct", "URL", "--name", "1=Ada"),
    "edit": ("edit", "URL", "--no-browser"),
    "enroll": ("enroll", "URL"),
    "erase": ("erase", "URL", "--yes"),
    "erase the video": ("erase", "--source", "URL", "--yes"),
    "erase the person": ("erase", "--person", "URL", "--yes"),
    "erase from a gallery": ("erase", "--person", "PICTURE", "--gallery", "URL", "--yes"),
    "export": ("export", "URL", "--to", "csv"),
    "fetch": ("models", "get", "buffalo_s", "--from", "URL"),
    "open": ("open", "URL", "--no-browser"),
    "pack": ("run", "PICTURE", "--models", "URL"),
    "gallery": ("run", "PICTURE", "--gallery", "URL"),
    "settings": ("run", "PICTURE", "--settings", "URL"),
    "status": ("status", "URL"),
    "submit": ("submit", "URL"),
}
"""Commands that are given a signed URL where it is of no use: by mistake, from the clipboard."""


@pytest.mark.parametrize("url", MARKED)
@pytest.mark.parametrize("name", GIVEN)
def test_no_command_tells_the_secret_of_a_url_it_can_not_use(
    name: str, url: str, tmp_path: Path, aws: None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lambdas.web.BACK_OFF_S", 0.001)
    (tmp_path / "face.png").write_bytes(b"no picture")
    arguments = [{"URL": MARKED[url], "PICTURE": "face.png"}.get(one, one) for one in GIVEN[name]]
    for more in ([], ["--debug"]):
        assert command(monkeypatch, *arguments, *more) in (1, 2)
        told = "".join(capfd.readouterr())
        assert "error: " in told
        assert told_secrets(told) == [], told


def test_every_command_is_given_a_signed_url() -> None:
    from typer.main import get_command

    from talent_frames.cli import app

    commands = set(getattr(get_command(app), "commands"))  # noqa: B009
    assert {arguments[0] for arguments in GIVEN.values()} == commands - {"demo"}


def test_no_secret_of_a_url_is_in_what_a_run_writes_or_what_is_done_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    with serving() as server:
        server.data = make_clip("mp4_moov_last", tmp_path).read_bytes()
        url = server.url("film.mp4", user="ada:pa55word@")
        assert command(monkeypatch, "run", url, "--out", out, "--workers", "1", "--json") == 0
    monkeypatch.setattr("lambdas.web.BACK_OFF_S", 0.001)
    kinds = [word for kind in ("csv", "vtt", "edl", "otio", "fcpxml", "xmp") for word in ("--to", kind)]
    # The server is gone by now.
    ends = {
        "export": command(monkeypatch, "export", out, *kinds, "--debug"),
        "compare": command(monkeypatch, "compare", out, out, "--page", str(tmp_path / "compared.html"), "--debug"),
        "correct": command(monkeypatch, "correct", out, "--name", "99=Ada", "--debug"),
        "edit": command(monkeypatch, "edit", out, "--no-browser", "--idle", "0.01", "--debug"),
    }
    told = "".join(capfd.readouterr())
    written = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".mp4"}
    assert len(written) > 15
    assert (ends["export"], ends["compare"], ends["correct"]) == (0, 0, 2)
    erased = command(monkeypatch, "erase", out, "--yes", "--receipt", str(tmp_path / "receipt.json"), "--debug")
    assert erased == 0
    told += "".join(capfd.readouterr()) + (tmp_path / "receipt.json").read_text()
    assert told_secrets(told) == []
    assert {path.name: told_secrets(data.decode(errors="replace")) for path, data in written.items()} == {
        path.name: [] for path in written
    }


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
