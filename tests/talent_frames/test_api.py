"""The Python API: settings by name, a progress function, scripts without a guard, who may read what is published."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import talent_frames
from lambdas.errors import InvalidSettings
from lambdas.publish.manifest import Manifest
from lambdas.staging import DirectoryStaging
from talent_frames.api import chosen_settings
from talent_frames.progress import Calls, Lines, Progress, Silent

HOUSE = Path(__file__).parents[2]


def test_settings_may_be_given_field_by_field() -> None:
    assert chosen_settings(None) is None
    assert chosen_settings({"representative": 3}) == talent_frames.Settings(representative=3)
    assert chosen_settings({}) == talent_frames.Settings()
    whole = talent_frames.Settings(fit="crop")
    assert chosen_settings(whole) is whole


@pytest.mark.parametrize(
    ("given", "reason"),
    [({"representatives": 3}, "representatives: Extra"), ({"fit": "stretch"}, "fit: "), ({"min_scenes": -1}, "min_sc")],
)
def test_a_wrong_setting_is_named_before_anything_is_done(given: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidSettings, match=f"^settings: {reason}"):
        talent_frames.run("no such file.mp4", settings=given)


def test_a_function_is_told_how_far_each_stage_is() -> None:
    told: list[tuple[str, float, float | None]] = []
    progress = Calls(lambda *one: told.append(one))
    assert isinstance(progress, Progress)
    assert isinstance(Silent(), Progress)
    assert isinstance(Lines(), Progress)
    progress.started("split")
    progress.finished("split", "0:28 of video")
    progress.started("detect", 28.0)
    progress.advanced("detect", 10.0)
    progress.advanced("detect", 8.0)
    progress.finished("detect", "1 worker")
    assert told == [
        ("split", 0.0, None),
        ("split", 1.0, 1.0),
        ("detect", 0.0, 28.0),
        ("detect", 10.0, 28.0),
        ("detect", 18.0, 28.0),
        ("detect", 28.0, 28.0),
    ]


SCRIPT = """
import sys, talent_frames
{guard}
    talent_frames.run(sys.argv[1], out=sys.argv[2], workers=2)
"""


@pytest.mark.parametrize(
    ("guard", "says"),
    [
        ("if True:", r"UnguardedScript: look.py, line 4: workers are processes that import this script"),
        ('if __name__ == "__main__":', "SourceMissing"),
        ('if sys.argv and __name__ == "__main__":', "SourceMissing"),
    ],
)
def test_a_script_without_the_guard_is_told_so_and_starts_nothing(guard: str, says: str, tmp_path: Path) -> None:
    script = tmp_path / "look.py"
    script.write_text(SCRIPT.format(guard=guard))
    command = [sys.executable, str(script), "no such file.mp4", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=HOUSE, env={**os.environ, "PYTHONPATH": "."}, capture_output=True, text=True)
    assert done.returncode == 1
    assert says in done.stderr
    assert not (tmp_path / "out").exists()


def test_what_is_published_may_be_read_by_whom_the_umask_lets(demo_run: tuple[Manifest, Path]) -> None:
    manifest, folder = demo_run
    plain = folder.parent / "plain"
    plain.touch()
    usual = stat.S_IMODE(plain.stat().st_mode)
    found = {file: stat.S_IMODE((folder / file).stat().st_mode) for file in [*manifest.files, "manifest.json"]}
    assert found == dict.fromkeys(found, usual)


@pytest.mark.parametrize("umask", [0o022, 0o002, 0o077])
def test_staging_is_private_and_an_output_folder_is_as_any_other(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        DirectoryStaging(tmp_path / "staging").put("a/b", b"1")
        DirectoryStaging(tmp_path / "staging").put_if_absent("a/c", b"1")
        DirectoryStaging(tmp_path / "out", private=False).put("a/b", b"1")
    finally:
        os.umask(before)
    modes = [stat.S_IMODE((tmp_path / path).stat().st_mode) for path in ("staging/a/b", "staging/a/c", "out/a/b")]
    assert modes == [0o600, 0o600, 0o666 & ~umask]


WITHOUT = """
import builtins, os, signal, sys
# Before modules of Windows are taken for missing: what Python itself has loaded here stays loaded.
gone = {"fcntl", "resource", "grp", "pwd"}
for name in gone:
    sys.modules[name] = None
for name in ("getuid", "getgid", "geteuid", "sched_getaffinity"):
    delattr(os, name)
for name in ("SIGHUP", "pthread_sigmask"):
    delattr(signal, name)
"""
LOOKS = """
import filelock
import talent_frames, talent_frames.cli, talent_frames.run, talent_frames.packs, talent_frames.output
from talent_frames.machine import cache_folder, check_address_space, default_workers
check_address_space()
print(default_workers() >= 1, cache_folder().is_dir())
if __name__ == "__main__":
    manifest = talent_frames.run(sys.argv[1], out=sys.argv[2], workers=1, settings={"representative": 0})
    print(len(manifest.people))
"""


def test_it_runs_without_what_only_unix_has(demo_clip: Path, tmp_path: Path) -> None:
    """As near to Windows as one comes on Linux: modules and functions that it lacks are taken away."""
    script = tmp_path / "look.py"
    script.write_text(WITHOUT + LOOKS)
    command = [sys.executable, str(script), str(demo_clip), str(tmp_path / "out")]
    # Without fcntl a lock is a file that is there: those of other tests' homes would be waited for.
    environment = {**os.environ, "PYTHONPATH": ".", "TALENT_FRAMES_HOME": str(tmp_path / "home")}
    done = subprocess.run(command, cwd=HOUSE, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", "True", "4"]
