"""What a damaged frame leaves behind makes no scene."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.accuracy.clips_film import make_clip
from benchmarks.accuracy.stages import changes_of, process
from lambdas.contracts import Settings
from lambdas.detect.shots import damage
from lambdas.detect.shots.damage import Damage


def test_frames_after_a_damaged_one_are_smeared_until_a_keyframe_is_whole() -> None:
    met = Damage()
    assert not met.smears(1.0)
    met.met(1.0)
    assert not met.smears(0.9)
    assert met.smears(1.1)
    met.mended(3.0)
    assert met.smears(2.9)
    assert not met.smears(3.0)


def test_damage_is_over_in_time_where_no_keyframe_comes() -> None:
    met = Damage()
    met.met(1.0)
    assert not met.smears(1.0 + damage.SMEARED_S)


def changes_in(video: Path, folder: Path) -> list[float]:
    plan, _, staging = process(video, folder, Settings(chunk_s=3600.0))
    return [change.at_s for change in changes_of(plan, staging)]


def test_a_spoilt_keyframe_makes_no_scene(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = make_clip(videos, tmp_path, "damaged")
    expected = [change.start_s for change in clip.changes]
    assert changes_in(clip.path, tmp_path / "with") == pytest.approx(expected, abs=0.05)
    monkeypatch.setattr(damage, "SMEARED_S", 0.0)
    assert len(changes_in(clip.path, tmp_path / "without")) > len(expected)
