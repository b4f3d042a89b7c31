"""The output folder is replaced whole, refused if it is someone else's, and never left half written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from talent_frames.output import OutputFolderTaken, OutputFolderUnusable, check_output, replacing

OURS = json.dumps({"schema_version": "1.0", "run_id": "abc"})


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_that_is_not_there_is_made_with_its_parents(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "run"
    check_output(out)
    assert not (tmp_path / "a").exists()
    with replacing(out) as written:
        (written / "manifest.json").write_text(OURS)
    assert tree(tmp_path) == ["a/b/run/manifest.json"]


def test_a_second_run_replaces_the_first_whole(tmp_path: Path) -> None:
    out = tmp_path / "run"
    for name in ("first", "second"):
        check_output(out)
        with replacing(out) as written:
            (written / "people").mkdir()
            (written / "people" / name).write_text(name)
            (written / "manifest.json").write_text(OURS)
    assert tree(tmp_path) == ["run/manifest.json", "run/people/second"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_after_an_interruption_the_first_run_stands_and_nothing_lies_beside_it(
    tmp_path: Path, error: type[BaseException]
) -> None:
    out = tmp_path / "run"
    with replacing(out) as written:
        (written / "manifest.json").write_text(OURS)
    with pytest.raises(error), replacing(out) as written:
        (written / "half").write_text("half")
        raise error
    assert tree(tmp_path) == ["run/manifest.json"]


def test_after_an_interrupted_first_run_not_even_the_parents_are_left(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "a" / "b" / "run"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_else_in_it_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputFolderTaken, match="not empty"):
        check_output(tmp_path)
    assert tree(tmp_path) == ["thesis.txt"]


@pytest.mark.parametrize("content", ["", "[]", '{"manifest_version": 3, "name": "an extension"}', "\xff"])
def test_another_programs_manifest_is_not_ours(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content, encoding="latin-1")
    with pytest.raises(OutputFolderTaken):
        check_output(tmp_path)


def test_an_empty_folder_and_an_earlier_run_may_be_replaced(tmp_path: Path) -> None:
    check_output(tmp_path)
    (tmp_path / "manifest.json").write_text(OURS)
    (tmp_path / "note.txt").write_text("left here by hand")
    check_output(tmp_path)


def test_an_earlier_run_is_known_by_its_own_manifest_name(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "facts.json").write_text(OURS)
    with pytest.raises(OutputFolderTaken):
        check_output(tmp_path)
    check_output(tmp_path, ("manifest.json", "clip/facts.json"))


def test_a_file_is_no_output_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFolderTaken, match="not a folder"):
        check_output(tmp_path / "file")
    with pytest.raises(OutputFolderUnusable):
        check_output(tmp_path / "file" / "below")


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to("disk")
    with replacing(tmp_path / "run") as written:
        (written / "manifest.json").write_text(OURS)
    assert (tmp_path / "run").is_symlink()
    assert tree(tmp_path / "disk") == ["manifest.json"]


def test_a_folder_that_cannot_be_moved_gets_new_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount point answers a rename with EBUSY."""
    out = tmp_path / "mounted"
    (out / "people").mkdir(parents=True)
    (out / "people" / "old").write_text("old")
    (out / "manifest.json").write_text(OURS)
    rename = os.rename

    def refuse(self: Path, target: Path) -> Path:
        if self == out:
            raise OSError(16, "Device or resource busy")
        rename(self, target)
        return target

    monkeypatch.setattr(Path, "rename", refuse)
    with replacing(out) as written:
        (written / "scenes").mkdir()
        (written / "scenes" / "new").write_text("new")
        (written / "manifest.json").write_text(OURS)
    assert tree(tmp_path) == ["mounted/manifest.json", "mounted/scenes/new"]


def test_the_folder_is_as_readable_as_any_new_one(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    with replacing(tmp_path / "run") as written:
        (written / "manifest.json").write_text(OURS)
    assert (tmp_path / "run").stat().st_mode == (tmp_path / "plain").stat().st_mode


KILLED = """
import os, signal, sys
from pathlib import Path
from talent_frames import output
def killed(*_):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "while replacing":
    output.shutil.move = killed
with output.replacing(Path(sys.argv[1])) as written:
    (written / "manifest.json").write_text('{"schema_version": "1.0", "run_id": "new"}')
    if sys.argv[2] == "while writing":
        killed()
"""


@pytest.mark.parametrize("when", ["while writing", "while replacing"])
@pytest.mark.parametrize("stood", [False, True])
def test_what_a_killed_process_left_is_cleared_away(when: str, stood: bool, tmp_path: Path) -> None:
    out = tmp_path / "a[1]"
    if stood:
        with replacing(out) as written:
            (written / "manifest.json").write_text('{"schema_version": "1.0", "run_id": "old"}')
    house = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", KILLED, str(out), when], cwd=house, timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) > 1 if stood else list(tmp_path.iterdir())
    with pytest.raises(ZeroDivisionError), replacing(out):
        raise ZeroDivisionError
    assert [path.name for path in tmp_path.iterdir()] == (["a[1]"] if stood else [])
    if stood:
        assert '"old"' in (out / "manifest.json").read_text()


def test_a_folder_that_is_being_written_is_let_alone(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with replacing(out) as first:
        (first / "manifest.json").write_text('{"schema_version": "1.0", "run_id": "1"}')
        with replacing(out) as second:
            assert first.is_dir()
            (second / "manifest.json").write_text('{"schema_version": "1.0", "run_id": "2"}')
        assert first.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_two_runs_that_end_together_leave_one_of_them_whole(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with replacing(out) as written:
        (written / "manifest.json").write_text(OURS)
    together = threading.Barrier(8)

    def publish(number: int) -> None:
        with replacing(out) as written:
            (written / "manifest.json").write_text(OURS)
            (written / f"{number}.jpg").write_text("")
            together.wait(30)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert len(tree(out)) == 2
