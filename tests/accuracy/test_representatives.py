"""Representative frames: the benchmark's fixed subset."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.accuracy import representatives
from benchmarks.accuracy.table import Part


@pytest.fixture(scope="module")
def part(videos: Path) -> Part:
    return representatives.run(quick=True)


def test_every_bar_on_representative_frames_is_met(part: Part) -> None:
    assert [verdict.text for verdict in part.verdicts if not verdict.met] == []


def test_a_lively_stretch_of_a_still_video_is_balanced_with_the_rest(part: Part) -> None:
    # Measured: 10 tenths, 13 of 45 pairs alike.
    assert part.numbers["lively_parts"] >= 6
    assert part.numbers["lively_alike"] <= 18
