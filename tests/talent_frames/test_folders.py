"""Folders as videos: who is in them, what is passed over as done, what is taken when it is written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lambdas.contracts import Settings
from lambdas.errors import InvalidSettings
from talent_frames import cli
from talent_frames.folders import Task, arrivals, files_in, is_done, shared_folder, tasks
from talent_frames.options import options_of
from talent_frames.packs import resolve_pack
from talent_frames.run import RunOptions, run_video
from tests.clips import make_clip


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_of_a_folder_every_video_is_taken_and_nothing_hidden(tmp_path: Path) -> None:
    touch(tmp_path / "b.MP4", tmp_path / "a/c.mkv", tmp_path / ".d.mp4", tmp_path / ".e/f.mp4", tmp_path / "g.srt")
    assert files_in(tmp_path) == [tmp_path / "a/c.mkv", tmp_path / "b.MP4"]
    assert tasks([str(tmp_path)], Path("out")) == [
        Task(str(tmp_path / "a/c.mkv"), Path("out/a/c"), in_folder=True),
        Task(str(tmp_path / "b.MP4"), Path("out/b"), in_folder=True),
    ]
    assert tasks([str(tmp_path / "a")], None) == [Task(str(tmp_path / "a/c.mkv"), Path("out/c"), in_folder=True)]


def test_a_single_video_is_the_folder_itself_and_several_get_one_each(tmp_path: Path) -> None:
    assert [task.out for task in tasks(["a.mp4"], Path("x"))] == [Path("x")]
    assert [task.out for task in tasks(["a.mp4"], None)] == [Path("out/a")]
    assert [task.out for task in tasks(["a.mp4", "https://x/b.mp4?s=1"], Path("x"))] == [Path("x/a"), Path("x/b")]
    assert shared_folder(tasks(["a/c.mp4", "b/c.mkv"], None)) == Path("out/c")
    assert shared_folder(tasks(["a.mp4", "b.mp4"], None)) is None


def test_a_file_is_taken_when_it_is_written_and_again_when_it_changes(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    touch(film)
    looks = arrivals([str(tmp_path)], None, poll_s=0.0)
    assert next(looks) == []
    assert [task.video for task in next(looks)] == [str(film)]
    assert next(looks) == []
    growing = tmp_path / "growing.mp4"
    growing.write_bytes(b"1")
    assert next(looks) == []
    growing.write_bytes(b"12")
    assert next(looks) == []
    assert [task.video for task in next(looks)] == [str(growing)]
    film.write_bytes(b"another")
    os.utime(film, (1, 1))
    assert next(looks) == []
    assert [task.video for task in next(looks)] == [str(film)]
    film.unlink()
    (tmp_path / "empty.mp4").write_bytes(b"")
    assert [next(looks) for _ in range(3)] == [[], [], []]


def test_a_run_is_done_for_this_video_and_these_settings_alone(own_home: Path, tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_last", tmp_path)
    pack = resolve_pack("open")
    task = Task(str(clip), tmp_path / "out", in_folder=True)
    settings = Settings(representative=2)
    assert not is_done(task, settings, pack)
    run_video(clip, out=task.out, pack_dir=pack, settings=settings, options=RunOptions(workers=1, keep_days=0))
    assert is_done(task, settings, pack)
    assert not is_done(task, Settings(representative=3), pack)
    assert not is_done(task, settings, pack, b"a gallery")
    done = CliRunner().invoke(cli.app, ["run", str(tmp_path), "--representative", "2", "--out", str(tmp_path / "runs")])
    assert done.exit_code == 0, done.output
    again = CliRunner().invoke(
        cli.app, ["run", str(tmp_path), "--representative", "2", "--out", str(tmp_path / "runs"), "--json"]
    )
    assert again.exit_code == 0
    assert again.stdout == ""
    assert f"{clip.name}: done already" in again.stderr
    other = tmp_path / "other.mp4"
    shutil.copy(clip, other)
    with other.open("ab") as file:
        file.write(b"\0" * 9)
    assert not is_done(Task(str(other), task.out, in_folder=True), settings, pack)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["--watch", "a.mp4"], "--watch takes folders alone"), (["FOLDER"], "no video in it")],
)
def test_what_can_not_be_looked_through_is_refused(arguments: list[str], reason: str, tmp_path: Path) -> None:
    given = [str(tmp_path) if argument == "FOLDER" else argument for argument in arguments]
    done = CliRunner().invoke(cli.app, ["run", *given])
    assert (done.exit_code, reason in done.stderr) == (2, True)


def test_options_come_from_the_command_line_the_environment_and_the_file_in_this_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Settings] = []

    def refuse(video: str, *, settings: Settings, **others: object) -> None:
        given.append(settings)
        raise InvalidSettings("seen enough")

    monkeypatch.setattr("talent_frames.api.run", refuse)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talent-frames.toml").write_text(
        '[run]\nsize = "source"\nrepresentative = 4\nscenes = false\nmin-scenes = 7\n'
    )
    monkeypatch.setenv("TALENT_FRAMES_RUN_REPRESENTATIVE", "5")
    assert CliRunner().invoke(cli.app, ["run", "a.mp4"]).exit_code == 2
    assert CliRunner().invoke(cli.app, ["run", "a.mp4", "--representative", "6", "--scenes"]).exit_code == 2
    assert CliRunner().invoke(cli.app, ["run", "a.mp4", "--people-only"]).exit_code == 2
    assert [(one.size, one.representative, one.scenes, one.min_scenes) for one in given] == [
        ("source", 5, False, 7),
        ("source", 6, True, 7),
        ("source", 0, False, 7),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[run]\nsizes = 1\n", "[run] sizes: there is no option --sizes"),
        ("[walk]\n", "[walk] is no command"),
        ('models = "open"\n', "models stands in no table"),
        ("[run\n", "Expected ']'"),
    ],
)
def test_a_wrong_file_of_options_is_one_line_and_2(
    text: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "talent-frames.toml").write_text(text)
    done = CliRunner().invoke(cli.app, ["run", "a.mp4"])
    assert done.exit_code == 2
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_the_file_there_are_no_options(tmp_path: Path) -> None:
    import typer

    assert options_of(tmp_path / "none.toml", typer.main.get_group(cli.app)) == {}
