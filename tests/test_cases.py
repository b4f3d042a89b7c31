"""A collection of small files that once ended wrongly, each with what is right. Kept beside the repository."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.__main__ import Worker, wrong

CASES = Path(__file__).parents[2] / "shared" / "cases"
WHY = "needs the collection of small files in ../shared/cases, with its cases.json, beside the repository"
KNOWN: dict[str, dict[str, Any]] = json.loads((CASES / "cases.json").read_text()) if CASES.is_dir() else {}

pytestmark = pytest.mark.skipif(not KNOWN, reason=WHY)


@pytest.fixture(scope="module")
def reader() -> Iterator[Worker]:
    worker = Worker()
    yield worker
    worker.end()


@pytest.fixture(scope="module")
def runner() -> Iterator[Worker]:
    worker = Worker(people=True)
    yield worker
    worker.end()


@pytest.mark.parametrize("name", KNOWN)
def test_each_ends_in_its_frames_or_in_a_sentence(name: str, reader: Worker) -> None:
    told = reader.read(CASES / name)
    assert wrong(name, told) == []
    counted = KNOWN[name].get("ffmpeg")
    if counted is not None:
        assert told["end"] == "frames", told
        assert told["given"] >= counted["frames"] - 1 or told["notes"], told
        assert told["duration_s"] < 60 or name.endswith(".avi"), told


@pytest.mark.parametrize(
    ("name", "duration_s", "frames"),
    [("lapse300.avi", 6000.0, 20), ("moving.gif", 4.0, 40), ("joined_ts.ts", 12.0, 300)],
)
def test_lengths_and_frames_are_those_there_are(name: str, duration_s: float, frames: int, reader: Worker) -> None:
    told = reader.read(CASES / name)
    assert (told["duration_s"], told["given"]) == (pytest.approx(duration_s, abs=0.05), frames)


def test_pixels_that_are_square_but_for_a_rounding_are_square(reader: Worker) -> None:
    assert reader.read(CASES / "sar_640_639.mp4")["size"] == [1920, 1080]


def test_a_picture_that_begins_after_its_sound_is_noted(reader: Worker) -> None:
    notes = reader.read(CASES / "late_video.mp4")["notes"]
    assert any("begins 5.0 s after the sound" in note for note in notes)


@pytest.mark.parametrize("name", ["joined_ts.ts", "mirrored_selfie.mp4", "size_change.webm"])
def test_four_people_are_four(name: str, runner: Worker) -> None:
    told = runner.read(CASES / name)
    assert len(told["people"]) == 4, told
    if name == "joined_ts.ts":
        assert any(abs(start - 6.0) < 0.05 for start in told["scenes"])
