"""Two runs of a video are compared by when and where people are on screen."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from talent_frames import cli
from talent_frames.comparison import compare, sentences
from talent_frames.corrections import Best, Leave, Merge, Name, Run, Split, Wish, correct, read_manifest
from talent_frames.exports.labels import label
from tests.talent_frames.drawn_run import publish_drawn


@pytest.fixture(scope="module")
def out(own_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compare")
    publish_drawn(folder / "run", folder / "work", f"run-{folder.name}")
    return folder / "run"


def corrected(out: Path, tmp_path: Path, *wishes: Wish) -> Path:
    other = tmp_path / "other"
    shutil.copytree(out, other)
    correct(Run.open(other), wishes)
    return other


@pytest.mark.parametrize(
    ("wish", "change"),
    [
        (Merge(("1", "2")), "merged"),
        (Split("0", (1,)), "split"),
        (Leave("1", "drop"), "lost"),
        (Name("u0", "Shadow"), "gained"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_people_merged_split_lost_and_gained_are_told(out: Path, tmp_path: Path, wish: Wish, change: str) -> None:
    before, after = read_manifest(out), read_manifest(corrected(out, tmp_path, wish))
    found = compare(before, after)
    assert [group.change for group in found.groups if group.change != "same"] == [change]
    assert sum(len(group.before) for group in found.groups) == len(before.people)
    assert sum(len(group.after) for group in found.groups) == len(after.people)
    assert not found.is_same
    # And the other way round.
    back = {"merged": "split", "split": "merged", "lost": "gained", "gained": "lost"}[change]
    assert [group.change for group in compare(after, before).groups if group.change != "same"] == [back]


def test_other_names_and_best_frames_are_told(out: Path, tmp_path: Path) -> None:
    before = read_manifest(out)
    other = before.people[0].alternatives[0]
    after = read_manifest(corrected(out, tmp_path, Name("1", "Ada"), Best("0", other.t_s)))
    found = compare(before, after)
    assert {group.change for group in found.groups} == {"same"}
    lines = "\n".join(sentences(found, label))
    assert "renamed    Person 2 (id 1) -> Ada (id 1)" in lines
    assert f"best frame Person 1 (id 0): {before.people[0].best_frame.t_s:.2f} s -> {other.t_s:.2f} s" in lines


def test_a_run_is_the_same_as_itself_and_two_videos_are_not(out: Path) -> None:
    manifest = read_manifest(out)
    assert compare(manifest, manifest).is_same
    longer = manifest.model_copy(update={"source": manifest.source.model_copy(update={"duration_s": 99.0})})
    assert compare(manifest, longer).other_video
    empty = manifest.model_copy(update={"people": [], "scenes": [], "representative_frames": []})
    found = compare(empty, manifest)
    assert [group.change for group in found.groups] == ["gained"] * 3
    assert len(found.cuts_gained) == 2
    assert compare(empty, empty).is_same


def test_the_command_prints_words_and_writes_one_self_contained_page(out: Path, tmp_path: Path) -> None:
    other = corrected(out, tmp_path, Merge(("1", "2")), Name("0", "<b>Bob</b>"))
    page = tmp_path / "compare.html"
    done = CliRunner().invoke(cli.app, ["compare", str(out), str(other), "--page", str(page)])
    assert done.exit_code == 0, done.output
    assert "3 people before, 2 people after" in done.output
    assert re.search(r"^merged +Person 2 \(id 1\), Person 3 \(id 2\) -> ", done.output, re.MULTILINE)
    text = page.read_text()
    assert text.count("data:image/jpeg;base64,") == 5
    assert "<b>Bob" not in text
    assert re.search(r"(src|href)=\"(?!data:)", text) is None
    assert CliRunner().invoke(cli.app, ["compare", str(out), str(tmp_path)]).exit_code == 2
