"""What a damaged frame leaves behind makes no scene."""

from __future__ import annotations

from pathlib import Path

import pytest
from lambdas.detect.scan import Damage

from benchmarks.accuracy.clips_film import make_clip
from benchmarks.accuracy.stages import changes_of, process
from lambdas.contracts import Settings
from lambdas.detect import scan


def test_frames_after_a_damaged_one_are_smeared_until_a_keyframe_is_whole() -> None:
    damage = Damage()
    assert not damage.smears(1.0)
    damage.met(1.0)
    assert not damage.smears(0.9)
    assert damage.smears(1.1)
    damage.mended(3.0)
    assert damage.smears(2.9)
    assert not damage.smears(3.0)
    # The pass goes back: nothing is forgotten.
    assert damage.smears(1.5)


def test_damage_is_over_in_time_where_no_keyframe_comes() -> None:
    damage = Damage()
    damage.met(1.0)
    assert not damage.smears(1.0 + scan.SMEARED_S)


def changes_in(video: Path, folder: Path) -> list[float]:
    plan, _, staging = process(video, folder, Settings(chunk_s=3600.0))
    return [change.at_s for change in changes_of(plan, staging)]


def test_a_spoilt_keyframe_makes_no_scene(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = make_clip(videos, tmp_path, "damaged")
    expected = [change.start_s for change in clip.changes]
    assert changes_in(clip.path, tmp_path / "with") == pytest.approx(expected, abs=0.05)
    monkeypatch.setattr(scan, "SMEARED_S", 0.0)
    assert len(changes_in(clip.path, tmp_path / "without")) > len(expected)
