"""Progress is lines in a pipe and bars on a terminal, and neither stays when a run fails."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from talent_frames.progress import Bars, Downloads, Lines, clock


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0:00"),
        (0.4, "0:00"),
        (59.6, "1:00"),
        (61, "1:01"),
        (3599, "59:59"),
        (3600, "1:00:00"),
        (36_061, "10:01:01"),
    ],
)
def test_a_time_reads_like_a_clock(seconds: float, expected: str) -> None:
    assert clock(seconds) == expected


def test_a_stage_is_one_line_when_it_is_over() -> None:
    file = io.StringIO()
    lines = Lines(file)
    lines.started("split")
    assert file.getvalue() == ""
    lines.finished("split", "0:30 of video in 1 chunk")
    assert file.getvalue() == "split    0:30 of video in 1 chunk (0.0 s)\n"


def test_a_long_stage_tells_now_and_then_how_long_it_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("talent_frames.progress.time.monotonic", lambda: now[0])
    file = io.StringIO()
    lines = Lines(file)
    lines.started("detect", 600.0)
    for _ in range(10):
        now[0] += 4
        lines.advanced("detect", 60.0)
    lines.finished("detect", "2 workers")
    assert file.getvalue().splitlines() == [
        "detect   30%, about 0:28 left",
        "detect   60%, about 0:16 left",
        "detect   90%, about 0:04 left",
        "detect   2 workers (40.0 s)",
    ]


def test_from_next_to_nothing_no_time_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("talent_frames.progress.time.monotonic", lambda: now[0])
    file = io.StringIO()
    lines = Lines(file)
    lines.started("a wheel", 10_000_000.0)
    now[0] += 12
    lines.advanced("a wheel", 120.0)
    assert file.getvalue().splitlines() == ["a wheel  0%"]


def test_bars_are_drawn_on_a_terminal_and_keep_what_came_of_each_stage() -> None:
    file = io.StringIO()
    with Bars(Console(file=file, force_terminal=True, width=120)) as bars:
        bars.started("split")
        bars.finished("split", "0:30 of video in 2 chunks")
        bars.started("detect", 30.0)
        bars.advanced("detect", 15.0)
        bars.advanced("detect", 15.0)
        bars.finished("detect", "2 workers")
    assert "0:30 of video in 2 chunks" in file.getvalue()
    assert "100%" in file.getvalue()


def test_bars_vanish_when_a_run_fails() -> None:
    file = io.StringIO()
    with pytest.raises(ValueError), Bars(Console(file=file, force_terminal=True, width=120)) as bars:
        bars.started("split")
        raise ValueError
    assert file.getvalue().endswith("\x1b[2K")


def test_a_download_is_a_stage_per_file() -> None:
    file = io.StringIO()
    tell = Downloads(Lines(file))
    for name, total in (("a.onnx", 2_000_000), ("b.onnx", 3_000_000)):
        for here in (0, total // 2, total):
            tell(name, here, total)
    assert [line.split(" (")[0] for line in file.getvalue().splitlines()] == ["a.onnx   2.0 MB", "b.onnx   3.0 MB"]
