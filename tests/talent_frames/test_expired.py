"""A run of which nothing is kept is corrected by its manifest and pictures; what needs more is refused in a line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from lambdas.publish.manifest import Manifest
from talent_frames import cli, kept
from talent_frames.corrections import Best, Leave, Merge, Name, Run, Wish, correct, read_manifest
from tests.talent_frames.drawn_run import publish_drawn


@pytest.fixture
def twins(own_home: Path, tmp_path: Path) -> tuple[Path, Path]:
    """One run in two folders; what was kept of it is gone. The second folder holds what staging made of corrections."""
    publish_drawn(tmp_path / "run", tmp_path / "work", f"run-{tmp_path.name}")
    shutil.copytree(tmp_path / "run", tmp_path / "staged")
    return tmp_path / "run", tmp_path / "staged"


def expire(out: Path) -> None:
    kept.drop(read_manifest(out).run_id)


def pictures(manifest: Manifest, out: Path) -> dict[str, object]:
    """Shape of each published picture; None where a listed file is no picture."""
    found = {}
    for file in manifest.files:
        if file.endswith(".jpg"):
            picture = cv2.imread(str(out / file))
            found[file] = None if picture is None else picture.shape
    return found


@pytest.mark.parametrize(
    "wishes",
    [
        [Name("1", "Ada"), Name("0", "Bob")],
        [Merge(("1", "2"))],
        [Leave("0", "drop")],
        [Leave("p3", "hide"), Leave("u0", "drop")],
        # The merged person is named by the lesser of two.
        [Merge(("0", "2")), Name("2", "Ada"), Leave("1", "hide")],
    ],
    ids=["name", "merge", "drop", "hide", "several"],
)
def test_who_is_who_comes_out_as_with_staging(twins: tuple[Path, Path], wishes: list[Wish]) -> None:
    out, staged = twins
    expected = correct(Run.open(staged), wishes).manifest
    expire(out)
    made = correct(Run.open(out), wishes).manifest

    def told(manifest: Manifest) -> list[object]:
        return [(one.id, one.name, one.tracks, one.best_frame.score, one.thumbnail) for one in manifest.people]

    assert told(made) == told(expected)
    if not any(isinstance(wish, Merge) for wish in wishes):
        # Of two who are one the best frames are equally good here.
        assert [one.best_frame for one in made.people] == [one.best_frame for one in expected.people]
    assert [one.screen_time_s for one in made.people] == pytest.approx(
        [one.screen_time_s for one in expected.people], abs=0.05
    )
    assert [seen.tracks for seen in made.unclear] == [seen.tracks for seen in expected.unclear]
    assert (made.corrections, made.corrections_file) == (len(wishes), "corrections.json")
    on_disk = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert on_disk == {*made.files, "manifest.json"}
    assert None not in pictures(made, out).values()
    # The corrections say the same, but for when they were made.
    mine, theirs = (json.loads((one / "corrections.json").read_text())["corrections"] for one in twins)
    assert [{**one, "made_at": ""} for one in mine] == [{**one, "made_at": ""} for one in theirs]
    for name in (wish.name for wish in wishes if isinstance(wish, Name) and wish.name):
        assert name in (out / made.names_file).read_text()
        assert name in (out / made.report_file).read_text()


def test_notes_on_who_was_found_tell_of_those_who_are_left(twins: tuple[Path, Path]) -> None:
    out, staged = twins
    everybody: list[Wish] = [Leave(str(one.id), "drop") for one in read_manifest(out).people]
    expected = correct(Run.open(staged), everybody).manifest
    expire(out)
    made = correct(Run.open(out), everybody).manifest
    assert made.notes == expected.notes
    assert any("Nobody was seen clearly" in note for note in made.notes)


def test_a_published_frame_becomes_the_best_and_its_face_the_thumbnail(twins: tuple[Path, Path]) -> None:
    out, staged = twins
    before = read_manifest(out).people[0]
    other = before.alternatives[-1]
    wish = Best("0", other.t_s)
    expected = correct(Run.open(staged), [wish]).manifest.people[0]
    expire(out)
    made = correct(Run.open(out), [wish]).manifest.people[0]
    assert made.best_frame == expected.best_frame
    assert {frame.t_s for frame in made.alternatives} == {
        frame.t_s for frame in (before.best_frame, *before.alternatives) if frame.t_s != other.t_s
    }
    ours, theirs = (cv2.imread(str(folder / made.thumbnail)) for folder in twins)
    assert ours is not None
    assert theirs is not None
    assert cv2.absdiff(ours, theirs).mean() < 6
    moments = [json.loads((one / "corrections.json").read_text())["corrections"][0]["moment"] for one in twins]
    assert moments[0]["box"] == pytest.approx(moments[1]["box"], abs=1)
    assert moments[0]["t_s"] == moments[1]["t_s"]


def test_corrections_are_added_to_those_of_before_and_outlive_them(twins: tuple[Path, Path]) -> None:
    out, _ = twins
    correct(Run.open(out), [Name("0", "Ada")])
    expire(out)
    correct(Run.open(out), [Name("1", "Bob")])
    correct(Run.open(out), [Leave("2", "drop")])
    manifest = read_manifest(out)
    assert [one.name for one in manifest.people] == ["Ada", "Bob"]
    assert manifest.corrections == 3
    done = json.loads((out / "corrections.json").read_text())["corrections"]
    assert [one["do"] for one in done] == ["name", "name", "drop"]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--split", "0:1"], "split 0:1"),
        (["--best", "0=4.9"], "frames are published of"),
        (["--name", "u0=Shadow"], "seen unclearly"),
        (["--undo"], "not kept"),
        (["--name", "0=Ada", "--split", "0:1"], "split 0:1"),
    ],
)
def test_what_needs_staging_is_refused_in_one_line_and_changes_nothing(
    twins: tuple[Path, Path], arguments: list[str], what: str
) -> None:
    out, _ = twins
    correct(Run.open(out), [Name("1", "Ada")])
    expire(out)
    before = (out / "manifest.json").read_bytes()
    done = CliRunner().invoke(cli.app, ["correct", str(out), *arguments])
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert what in done.stderr
    assert "run the video again" in done.stderr
    assert (out / "manifest.json").read_bytes() == before


def test_the_page_finds_its_video_after_a_correction_as_before(twins: tuple[Path, Path]) -> None:
    from lambdas.publish.report import video_of

    out, staged = twins
    for folder in twins:
        report = folder / "report.html"
        report.write_text(report.read_text().replace('data-video=""', 'data-video="../my%20film.mp4?a&amp;b"'))
    correct(Run.open(staged), [Name("0", "Ada")])
    expire(out)
    correct(Run.open(out), [Name("0", "Ada")])
    for folder in twins:
        assert video_of((folder / "report.html").read_text()) == "../my%20film.mp4?a&b"
        # Whoever may read the pictures of a run may read them afterwards.
        assert (folder / "manifest.json").stat().st_mode & 0o044


def test_nobody_is_merged_with_themselves(twins: tuple[Path, Path]) -> None:
    out, _ = twins
    expire(out)
    done = CliRunner().invoke(cli.app, ["correct", str(out), "--merge", "1,1"])
    assert (done.exit_code, "takes two people or more" in done.stderr) == (2, True)
