"""The bar moves within a chunk, never past what is done for sure."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from talent_frames.moving import MOST, Moving, remembered
from talent_frames.progress import Silent


class Told(Silent):
    def __init__(self) -> None:
        self.amounts: list[float] = []

    def advanced(self, stage: str, amount: float) -> None:
        assert amount >= 0
        self.amounts.append(amount)

    @property
    def sum(self) -> float:
        return sum(self.amounts)


def test_a_chunk_moves_at_the_speed_of_those_before_and_stops_before_its_end() -> None:
    told, now = Told(), [0.0]
    moving = Moving(told, "detect", 1, 0.0, clock=lambda: now[0])
    for chunk in range(3):
        moving.expects(chunk, 60.0)
    now[0] = 5.0
    moving.move()
    assert told.sum == 0.0
    now[0] = 10.0
    moving.finished(0)
    assert (told.sum, moving.speed) == (60.0, 6.0)
    now[0] = 15.0
    moving.move()
    assert told.sum == 90.0
    now[0] = 100.0
    moving.move()
    moving.move()
    assert told.sum == pytest.approx(60 + MOST * 60)
    moving.finished(1)
    assert told.sum == pytest.approx(120)
    moving.finished(2)
    assert told.sum == pytest.approx(180)


def test_a_chunk_that_was_done_before_tells_nothing_of_the_speed() -> None:
    told = Told()
    moving = Moving(told, "detect", 1, 2.0, clock=lambda: 0.0)
    moving.expects(0, 60.0)
    moving.finished(0, worked=False)
    assert (told.sum, moving.speed) == (60.0, 2.0)


def test_two_workers_move_two_chunks_and_they_may_end_in_any_order() -> None:
    told, now = Told(), [0.0]
    moving = Moving(told, "detect", 2, 10.0, clock=lambda: now[0])
    for chunk in (2, 0, 1):
        moving.expects(chunk, 40.0)
    now[0] = 1.0
    moving.move()
    assert told.sum == 20.0
    moving.finished(0)
    now[0] = 2.0
    moving.move()
    for chunk in (1, 2):
        moving.finished(chunk)
    assert told.sum == pytest.approx(120)


def test_the_next_run_starts_at_the_speed_of_the_last(tmp_path: Path) -> None:
    file = tmp_path / "speed.json"
    with remembered(Told(), "detect", 1, file, "open") as moving:
        assert moving.speed == 0.0
        moving.expects(0, 5.0)
        time.sleep(0.05)
        moving.finished(0)
    kept = json.loads(file.read_text())
    with remembered(Told(), "detect", 1, file, "open") as again, remembered(Told(), "x", 1, file, "other") as other:
        assert (again.speed, other.speed) == (kept["open"], 0.0)
    file.write_text("[]")
    with remembered(Told(), "detect", 1, file, "open") as moving:
        assert moving.speed == 0.0
    file.write_text("{")
    with pytest.raises(KeyboardInterrupt), remembered(Told(), "detect", 1, file, "open") as moving:
        raise KeyboardInterrupt
    assert not moving._thread.is_alive()
