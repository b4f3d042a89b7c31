"""A run for people alone finds the same people, though it looks less."""

from __future__ import annotations

from pathlib import Path

from benchmarks.accuracy import people_only


def test_people_alone_are_all_found_and_shown_well(videos: Path, test_pack: Path) -> None:
    numbers = people_only.run(quick=True).numbers
    assert numbers["exact"] == 1
    assert numbers["wrong merges"] == 0
    # Measured: 13 of 13 clean, percentile 76. The margin is one trial and 12 points, as for the run with everything.
    assert numbers["clean"] >= 12 / 13
    assert numbers["percentile"] >= 64
