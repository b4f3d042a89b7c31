"""Cuts from scores, checked against PySceneDetect itself, and the frame that shows each scene."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scenedetect import AdaptiveDetector, ContentDetector, FrameTimecode

from lambdas.cluster.scenes import (
    SceneColumns,
    adaptive_cuts,
    border_score,
    choose_scenes,
    content_cuts,
    find_cuts,
)
from lambdas.contracts import Settings, StagedFrame

FPS = 25


def columns(seconds: float, cuts: list[float], luma: dict[tuple[float, float], float] | None = None) -> SceneColumns:
    t_s = np.arange(round(seconds * FPS)) / FPS
    brightness = np.full(len(t_s), 0.5)
    for (start, end), value in (luma or {}).items():
        brightness[(t_s >= start - 1e-9) & (t_s < end - 1e-9)] = value
    scores = np.full(len(t_s), 2.0) + 85 * np.abs(np.diff(brightness, prepend=brightness[:1]))
    for cut in cuts:
        scores[round(cut * FPS)] = 60.0
    return SceneColumns(t_s, scores, brightness)


def frame(t_s: float, **changes: object) -> StagedFrame:
    facts: dict[str, object] = {
        "pts": round(t_s * 1000),
        "t_s": t_s,
        "offset": 0,
        "length": 1,
        "width": 1280,
        "height": 720,
        "luma": 0.5,
        "contrast": 0.4,
        "sharpness": 0.5,
        "in_transition": False,
    }
    return StagedFrame.model_validate(facts | changes)


class ScoredContent(ContentDetector):
    """PySceneDetect's detector, given scores instead of pictures."""

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: NDArray[np.uint8]) -> float:
        return float(frame_img[0])


class ScoredAdaptive(AdaptiveDetector):
    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: NDArray[np.uint8]) -> float:
        return float(frame_img[0])


def by_pyscenedetect(detector: ContentDetector, scores: NDArray[np.float64]) -> list[float]:
    found: list[float] = []
    for i, score in enumerate(scores):
        found += [cut.frame_num / FPS for cut in detector.process_frame(FrameTimecode(i, fps=float(FPS)), [score])]
    return found


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("chance", [0.01, 0.05, 0.2])
def test_content_cuts_are_those_of_pyscenedetect(seed: int, chance: float) -> None:
    rng = np.random.default_rng(seed)
    scores = np.where(rng.random(1500) < chance, rng.uniform(20, 80, 1500), rng.uniform(0, 5, 1500))
    expected = by_pyscenedetect(ScoredContent(threshold=27.0, min_scene_len=0.62), scores)
    assert content_cuts(np.arange(1500) / FPS, scores, 27.0, 0.62) == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(8))
def test_adaptive_cuts_are_those_of_pyscenedetect(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = np.where(rng.random(1500) < 0.05, rng.uniform(10, 80, 1500), rng.uniform(0, 8, 1500))
    scores[700:720] = 0.0
    scores[710] = 40.0
    expected = by_pyscenedetect(ScoredAdaptive(adaptive_threshold=3.0, min_scene_len=0.62), scores)
    assert adaptive_cuts(np.arange(1500) / FPS, scores, 3.0, 0.62) == pytest.approx(expected)


def test_without_frames_there_are_no_cuts() -> None:
    nothing = np.zeros(0)
    for detector in ("content", "adaptive"):
        assert find_cuts(SceneColumns(nothing, nothing, nothing), Settings(scene_detector=detector)) == []


def test_a_single_frame_has_no_cuts() -> None:
    one = SceneColumns(np.zeros(1), np.zeros(1), np.full(1, 0.5))
    for detector in ("content", "adaptive"):
        assert find_cuts(one, Settings(scene_detector=detector)) == []


def test_hard_cuts_are_found_to_the_frame() -> None:
    assert find_cuts(columns(20, [4.0, 9.48, 15.0]), Settings()) == pytest.approx([4.0, 9.48, 15.0])


def test_the_threshold_is_a_setting() -> None:
    assert find_cuts(columns(20, [4.0]), Settings(scene_threshold=61.0)) == []


def test_cuts_closer_than_a_scene_may_be_short_are_one() -> None:
    assert find_cuts(columns(20, [4.0, 4.4, 15.0]), Settings(min_scene_s=0.6)) == pytest.approx([4.0, 15.0])


@pytest.mark.parametrize("length_s", [0.04, 0.12, 0.28])
@pytest.mark.parametrize("detector", ["content", "adaptive"])
def test_a_flash_is_not_a_scene(length_s: float, detector: str) -> None:
    flashing = columns(20, [15.0], {(5.0, 5.0 + length_s): 0.95})
    assert find_cuts(flashing, Settings(scene_detector=detector)) == pytest.approx([15.0])


def test_a_bright_shot_is_a_scene() -> None:
    assert find_cuts(columns(20, [], {(5.0, 7.0): 0.95}), Settings()) == pytest.approx([5.0, 7.0])


@pytest.mark.parametrize("detector", ["content", "adaptive"])
def test_a_fade_through_black_is_one_cut_in_its_middle(detector: str) -> None:
    ramp = {(9.0 + i / FPS, 9.0 + (i + 1) / FPS): 0.5 * (1 - i / 25) for i in range(25)}
    ramp |= {(10.0, 11.0): 0.0}
    ramp |= {(11.0 + i / FPS, 11.0 + (i + 1) / FPS): 0.5 * i / 25 for i in range(25)}
    assert find_cuts(columns(20, [], ramp), Settings(scene_detector=detector)) == pytest.approx([10.5], abs=0.1)


def test_hard_cuts_to_and_from_black_are_one_cut() -> None:
    assert find_cuts(columns(20, [], {(10.0, 11.0): 0.0}), Settings()) == pytest.approx([10.5], abs=0.05)


def test_black_at_the_ends_and_a_dropped_picture_are_no_cuts() -> None:
    dark = {(0.0, 1.0): 0.0, (10.0, 10.04): 0.0, (19.0, 20.0): 0.0}
    assert find_cuts(columns(20, [], dark), Settings()) == []


def test_the_border_score_is_pyscenedetects_own() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 255, (2, 144, 256, 3)).astype(np.uint8)
    detector = ContentDetector()
    detector.process_frame(FrameTimecode(0, fps=25.0), a)
    detector.process_frame(FrameTimecode(1, fps=25.0), b)
    assert detector._frame_score is not None
    assert border_score(a, b) == pytest.approx(detector._frame_score)
    assert border_score(a, a) == 0.0


def test_a_border_without_a_frame_is_no_cut_and_one_with_another_shape_is() -> None:
    picture = np.zeros((144, 256, 3), np.uint8)
    assert border_score(picture[:0], picture) == 0.0
    assert border_score(picture, picture[:100]) == 255.0


def test_scenes_partition_the_video_exactly() -> None:
    scenes, even = choose_scenes([3.0, 7.0, 8.5], 12.0, [frame(t) for t in np.arange(0.5, 12, 0.5)], 3)
    assert not even
    assert [(s.start_s, s.end_s) for s in scenes] == [(0.0, 3.0), (3.0, 7.0), (7.0, 8.5), (8.5, 12.0)]


def test_a_scene_is_shown_by_the_frame_nearest_its_middle() -> None:
    staged = [frame(t) for t in (0.2, 1.9, 2.6, 3.5, 5.4, 8.0)]
    scenes, _ = choose_scenes([4.0, 6.0], 10.0, staged, 3)
    assert [staged[s.staged].t_s for s in scenes] == [1.9, 5.4, 8.0]


def test_a_clean_frame_near_the_middle_is_better_than_a_transition_or_black_in_it() -> None:
    staged = [frame(1.0, in_transition=True), frame(1.3), frame(5.0, luma=0.0, contrast=0.0), frame(5.9), frame(9.0)]
    scenes, _ = choose_scenes([2.0, 8.0], 10.0, staged, 3)
    assert [staged[s.staged].t_s for s in scenes] == [1.3, 5.9, 9.0]


def test_a_transition_in_the_middle_is_better_than_a_clean_frame_far_away() -> None:
    staged = [frame(1.0, in_transition=True), frame(1.9)]
    scenes, _ = choose_scenes([], 2.0, staged, 1)
    assert staged[scenes[0].staged].t_s == 1.0


@pytest.mark.parametrize("cuts", [[], [2.0]])
def test_too_few_scenes_give_even_parts(cuts: list[float]) -> None:
    staged = [frame(t) for t in np.arange(0.25, 12, 0.5)]
    scenes, even = choose_scenes(cuts, 12.0, staged, 3)
    assert even
    assert [(s.start_s, s.end_s) for s in scenes] == [(0.0, 4.0), (4.0, 8.0), (8.0, 12.0)]
    assert [abs(staged[s.staged].t_s - m) <= 0.25 for s, m in zip(scenes, (2, 6, 10), strict=True)] == [True] * 3


def test_as_many_scenes_as_wanted_are_kept() -> None:
    _, even = choose_scenes([2.0, 3.0], 12.0, [frame(t) for t in (1.0, 2.5, 7.0)], 3)
    assert not even


def test_too_few_frames_give_fewer_parts_and_no_frame_twice() -> None:
    scenes, even = choose_scenes([], 12.0, [frame(1.0), frame(11.0)], 3)
    assert even
    assert [s.staged for s in scenes] == [0, 1]
    scenes, even = choose_scenes([], 0.04, [frame(0.0)], 3)
    assert not even
    assert [(s.start_s, s.end_s, s.staged) for s in scenes] == [(0.0, 0.04, 0)]


def test_a_scene_without_a_staged_frame_joins_its_neighbour() -> None:
    staged = [frame(5.0), frame(9.0)]
    scenes, _ = choose_scenes([3.0, 6.0, 8.0], 10.0, staged, 1)
    assert [(s.start_s, s.end_s) for s in scenes] == [(0.0, 8.0), (8.0, 10.0)]


def test_a_video_without_frames_has_no_scenes() -> None:
    assert choose_scenes([], 0.0, [], 3) == ([], False)
