"""Runs that are done are corrected without their video, undone, and known again when the video is run again."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lambdas.contracts import Gallery, Settings
from lambdas.errors import MissingPack, RunExpired
from lambdas.publish.manifest import Manifest
from talent_frames import cli, kept
from talent_frames.commands.correct import WrongCorrection, checked_name, seconds, wishes_of
from talent_frames.corrections import Best, Leave, Merge, Name, Split, corrections_in, read_manifest
from talent_frames.run import RunOptions, run_video
from tests.talent_frames.drawn_run import publish_drawn


@pytest.fixture
def out(demo_run: tuple[Manifest, Path], tmp_path: Path) -> Iterator[Path]:
    """The demo run in a folder of its own; its video is out of reach."""
    manifest, folder = demo_run
    staging, _ = kept.kept_run(manifest.run_id)
    mine = tmp_path / "run"
    shutil.copytree(folder, mine)
    yield mine
    staging.delete(f"runs/{manifest.run_id}/corrections.json")


def command(*arguments: str | Path) -> str:
    done = CliRunner().invoke(cli.app, ["correct", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def refused(*arguments: str | Path) -> str:
    done = CliRunner().invoke(cli.app, ["correct", *map(str, arguments)])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    return done.stderr


def files(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.jpg")}


def test_options_are_read_as_they_are_written() -> None:
    assert wishes_of(["3,7"], ["2:5"], ["3=Ada", "4="], ["9,u1"], ["8"], ["3=00:12.4"]) == [
        Split("2", (5,)),
        Merge(("3", "7")),
        Name("3", "Ada"),
        Name("4", None),
        Leave("9", "drop"),
        Leave("u1", "drop"),
        Leave("8", "hide"),
        Best("3", 12.4),
    ]
    assert seconds("1:02:03.5") == 3723.5


@pytest.mark.parametrize(
    "wrong",
    [(["3"], [], []), ([], ["2"], []), ([], ["2:x"], []), ([], [], ["3=soon"]), (["a,b"], [], [])],
)
def test_what_is_written_otherwise_is_refused_by_name(wrong: tuple[list[str], list[str], list[str]]) -> None:
    with pytest.raises(WrongCorrection):
        wishes_of(wrong[0], wrong[1], [], [], [], wrong[2])
    with pytest.raises(WrongCorrection):
        checked_name("a\x1bb")


def test_a_run_is_corrected_without_its_video_and_undone(
    demo_run: tuple[Manifest, Path], demo_clip: Path, out: Path
) -> None:
    before = demo_run[0]
    hidden = demo_clip.with_suffix(".away")
    demo_clip.rename(hidden)
    try:
        told = command(out, "--merge", "1,2", "--name", "1=Eileen  Collins", "--drop", "3", "--hide", "0")
        after = read_manifest(out)
        assert told.startswith(f"{len(before.people) - 3} people, 4 corrections applied\n")
        assert len(after.people) == len(before.people) - 3
        (named,) = [person for person in after.people if person.name is not None]
        both = sorted(
            [*before.people[1].tracks, *before.people[2].tracks], key=lambda track: (track.start_s, track.best_pts)
        )
        assert (named.name, named.tracks) == ("Eileen Collins", both)
        together = before.people[1].screen_time_s + before.people[2].screen_time_s
        assert named.screen_time_s == pytest.approx(together, abs=0.01)
        assert after.corrections_file == "corrections.json"
        assert "corrections.json" in after.files
        assert "Eileen Collins" in (out / after.report_file).read_text()
        assert "Eileen Collins" in (out / after.names_file).read_text()
        # Nothing that could tell a face again is in the corrections.
        assert "embedding" not in (out / "corrections.json").read_text()

        command(out, "--name", "0=Bob")
        assert read_manifest(out).corrections == 5
        command(out, "--undo")
        assert read_manifest(out).people == after.people
        command(out, "--undo")
        assert read_manifest(out).people == before.people
        assert files(out) == files(demo_run[1])
        assert not (out / "corrections.json").exists()
        assert "nothing was corrected" in refused(out, "--undo")
    finally:
        hidden.rename(demo_clip)


def test_a_split_a_merge_and_a_name_of_one_command_go_together(own_home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish_drawn(out, tmp_path / "work", f"run-{tmp_path.name}")
    before = read_manifest(out).people
    assert [len(person.tracks) for person in before[:1]] > [1]
    lesser = before[2].tracks
    command(out, "--split", "0:0", "--name", "0=Ada", "--merge", "1,2", "--name", "2=Bob")
    after = {person.name: person for person in read_manifest(out).people}
    assert set(after) == {"Ada", "Bob", None}
    assert after["Ada"].tracks == before[0].tracks[1:]
    assert after[None].tracks == before[0].tracks[:1]
    assert [track for track in after["Bob"].tracks if track in lesser] == lesser
    assert len(after["Bob"].tracks) == len(before[1].tracks) + len(lesser)


def test_a_new_moment_is_read_by_networks_that_were_fetched(
    demo_run: tuple[Manifest, Path], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lambdas.detect.faces import attributes
    from talent_frames import fetched

    networks = attributes._installed()

    def nowhere() -> Path:
        raise MissingPack("not installed")

    monkeypatch.setattr(attributes, "_installed", nowhere)
    monkeypatch.setattr(attributes, "_told", {})
    monkeypatch.setattr(fetched, "expression_folder", lambda: networks)
    attributes.expression_reader.cache_clear()
    try:
        person = demo_run[0].people[0]
        staged = {frame.t_s for frame in (person.best_frame, *person.alternatives)}
        times = (person.tracks[0].start_s + 0.04 * n for n in range(12, 40))
        command(out, "--best", f"0={next(t for t in times if all(abs(t - s) > 0.1 for s in staged)):.2f}")
    finally:
        attributes.expression_reader.cache_clear()
    assert read_manifest(out).people[0].best_frame.t_s not in staged


def test_a_moment_that_was_not_kept_is_read_from_the_video_alone(
    demo_run: tuple[Manifest, Path], demo_clip: Path, out: Path
) -> None:
    before = demo_run[0].people[0]
    track = before.tracks[0]
    staged = {frame.t_s for frame in (before.best_frame, *before.alternatives)}
    # Each frame is 0.04 s; half a second into the shot the demo keeps none by itself.
    at_s = next(t for t in (track.start_s + 0.04 * n for n in range(12, 40)) if all(abs(t - s) > 0.1 for s in staged))
    command(out, "--best", f"0={at_s:.2f}")
    after = read_manifest(out).people[0]
    assert after.best_frame.t_s == pytest.approx(at_s, abs=0.021)
    assert before.best_frame in [
        frame.model_copy(update={"file": before.best_frame.file}) for frame in after.alternatives
    ]
    left, top, right, bottom = after.best_frame.box
    assert right - left > 50
    assert bottom - top > 50
    assert (out / after.best_frame.file).read_bytes()[:2] == b"\xff\xd8"
    assert "is not on screen then" in refused(out, "--best", f"0={demo_run[0].source.duration_s + 5}")


def test_people_are_known_again_when_the_video_is_run_again_otherwise(
    demo_clip: Path, out: Path, own_home: Path
) -> None:
    from talent_frames.packs import resolve_pack

    command(out, "--name", "1=Eileen Collins", "--merge", "2,3")
    settings = Settings(chunk_s=9, thorough=True, scenes=False, representative=0, alternatives=1)
    again = run_video(
        demo_clip, out=out, pack_dir=resolve_pack("open"), settings=settings, options=RunOptions(workers=2)
    )
    assert (again.corrections, again.unmatched_corrections) == (2, [])
    (named,) = [person for person in again.people if person.name is not None]
    assert named.name == "Eileen Collins"
    assert round(named.tracks[0].start_s) == 0
    assert json.loads((out / "corrections.json").read_text())["run_id"] == again.run_id


def test_corrections_of_another_video_wait_in_the_folder(demo_clip: Path, out: Path, tmp_path: Path) -> None:
    from talent_frames.packs import resolve_pack
    from tests.clips import make_clip

    command(out, "--name", "0=Eileen Collins")
    (made,) = corrections_in(out)
    other = make_clip("mp4_moov_last", tmp_path)
    run = run_video(other, out=out, pack_dir=resolve_pack("open"), options=RunOptions(workers=1, keep_days=0))
    assert (run.corrections, run.corrections_file) == (0, None)
    assert corrections_in(out) == [made]
    done = CliRunner().invoke(cli.app, ["correct", str(out), "--name", "0=x"])
    assert (done.exit_code, "no person 0" in done.stderr) == (2, True)


def test_named_people_are_added_to_a_gallery_that_names_them(out: Path, tmp_path: Path) -> None:
    file = tmp_path / "gallery.npz"
    command(out, "--name", "0=Eileen Collins", "--name", "3=Bob", "--enroll", file)
    gallery = Gallery.from_bytes(file.read_bytes())
    assert gallery.names == ["Eileen Collins", "Bob"]
    faces = len(gallery.identity)
    command(out, "--enroll", file)
    more = Gallery.from_bytes(file.read_bytes())
    assert (more.names, len(more.identity)) == (gallery.names, faces)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--name", "77=x"], "no person 77: people are 0 to 3"),
        (["--split", "0:99"], "has the presences 0 to"),
        (["--merge", "2,2"], "takes two people or more"),
        ([], "nothing to correct"),
        (["--undo", "--drop", "1"], "--undo goes alone"),
    ],
)
def test_what_can_not_be_done_is_one_line_and_changes_nothing(out: Path, arguments: list[str], reason: str) -> None:
    before = (out / "manifest.json").read_bytes()
    assert reason in refused(out, *arguments)
    assert (out / "manifest.json").read_bytes() == before


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    assert "no run of talent-frames" in refused(tmp_path, "--drop", "1")


def test_kept_runs_go_when_their_days_are_over_or_there_are_too_many(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALENT_FRAMES_HOME", str(tmp_path / "home"))
    for number in range(3):
        work = tmp_path / f"work{number}"
        (work / "runs" / f"run{number}").mkdir(parents=True)
        (work / "runs" / f"run{number}" / "frames.tar").write_bytes(bytes(1000))
        kept.keep(work, f"run{number}", tmp_path, days=1 + number)
    assert kept.kept_run_ids() == ["run0", "run1", "run2"]
    later = time.time() + 1.5 * 86_400
    monkeypatch.setattr("time.time", lambda: later)
    kept.drop_expired()
    assert kept.kept_run_ids() == ["run1", "run2"]
    kept._drop_beyond(1500)
    assert kept.kept_run_ids() == ["run2"]
    with pytest.raises(RunExpired, match="run the video again"):
        kept.kept_run("run1")
