"""What a damaged frame leaves behind makes no scene."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.clips_film import make_clip
from benchmarks.accuracy.stages import changes_of, process
from lambdas.contracts import Settings
from lambdas.detect.context import Stopwatch
from lambdas.detect.decode.frame import Frame
from lambdas.detect.faces.detections import Image
from lambdas.detect.shots import damage
from lambdas.detect.shots.damage import Damage
from lambdas.detect.shots.feature_track import FeatureTrack
from tests.detect.factory import source_of


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


def test_a_spoilt_keyframe_makes_no_scene(videos: Path, tmp_path: Path) -> None:
    clip = make_clip(videos, tmp_path, "damaged")
    expected = [change.start_s for change in clip.changes]
    assert changes_in(clip.path, tmp_path / "with") == pytest.approx(expected, abs=0.05)


class Drawn(Frame):
    """A frame of one colour."""

    def __init__(self, pts: int, grey: int, *, corrupt: bool = False, keyframe: bool = False) -> None:
        self.pts, self.corrupt, self.keyframe, self._grey = pts, corrupt, keyframe, grey

    def bgr(self, width: int | None = None, height: int | None = None) -> Image:
        picture = np.zeros((height or 96, width or 160, 3), np.uint8)
        picture[:, : picture.shape[1] // 2] = self._grey
        return picture


@pytest.mark.parametrize("damaged", [True, False])
def test_what_damage_smears_counts_as_the_picture_before_up_to_a_whole_keyframe(damaged: bool) -> None:
    facts = source_of(width=160, height=96)
    track = FeatureTrack(facts, Settings(), Stopwatch(), every=True)
    step = facts.pts(0.2) - facts.start_pts
    shown = [
        Drawn(facts.start_pts, 40, keyframe=True),
        Drawn(facts.start_pts + step, 40, corrupt=damaged),
        Drawn(facts.start_pts + 2 * step, 230),
        Drawn(facts.start_pts + 3 * step, 40, keyframe=True),
    ]
    compared = [one for frame in shown for one in track.add(frame)]
    assert track.corrupt == damaged
    contents = [round(one.features.content) for one in compared]
    assert (max(contents) > 0) is not damaged
