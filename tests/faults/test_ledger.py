"""What is kept of schedules lets a command go on where it was."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import __main__ as command
from tests.faults.ledger import Line, add, read, table
from tests.faults.processor_time import spent_s

LINE = Line(3, "kill", "killed", [], 1.5, 4.0, "2026-01-01T00:00:00+00:00", "abc")


def test_a_line_cut_short_by_a_kill_is_done_again_and_the_later_of_two_counts(tmp_path: Path) -> None:
    path = tmp_path / "out/kept.jsonl"
    assert read(path) == {}
    add(path, LINE)
    add(path, replace(LINE, number=4, wrong=["hangs"]))
    with path.open("ab") as file:
        file.write(b'{"number": 5, "ki')
    assert sorted(read(path)) == [3, 4]
    add(path, replace(LINE, number=4, ended="published"))
    assert read(path) == {3: LINE, 4: replace(LINE, number=4, ended="published")}


def test_schedules_that_are_known_are_counted_and_not_carried_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kept.jsonl"
    for number in range(3):
        add(path, replace(LINE, number=number, wrong=["hangs"] if number == 1 else []))
    monkeypatch.setattr(sys, "argv", ["faults", "local", "--count", "3", "--kept", str(path)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 1
    assert "3 schedules, 1 ended wrongly; 1.5 s of processor time each" in capsys.readouterr().out


def test_endings_are_counted_by_fault() -> None:
    lines = [LINE, replace(LINE, number=4), replace(LINE, number=5, ended="published")]
    counted = [line.split() for line in table(lines)[1:-1]]
    assert counted == [["2", "kill", "killed"], ["1", "kill", "published"]]


def test_time_of_processes_that_ended_and_of_those_that_live_is_counted() -> None:
    burn = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); sys.stdin.read()"
    before = spent_s()
    living = subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert living.stdout is not None
        living.stdout.readline()
        alive = spent_s() - before
    finally:
        living.communicate()
    assert alive > 0.25
    assert alive <= spent_s() - before + 2 / os.sysconf("SC_CLK_TCK")
