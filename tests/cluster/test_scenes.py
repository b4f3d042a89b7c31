"""Scores across chunk borders and the frame that shows each scene."""

from __future__ import annotations

import numpy as np
import pytest
from scenedetect import ContentDetector, FrameTimecode

from lambdas.cluster.scenes import Scene, border_score, choose_scenes, in_transition
from lambdas.contracts import StagedFrame
from lambdas.shots.change import Change


def scenes_of(
    cuts: list[float], duration_s: float, staged: list[StagedFrame], min_scenes: int
) -> tuple[list[Scene], bool]:
    return choose_scenes([Change(cut, cut) for cut in cuts], duration_s, staged, min_scenes)


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
    scenes, even = scenes_of([3.0, 7.0, 8.5], 12.0, [frame(t) for t in np.arange(0.5, 12, 0.5)], 3)
    assert not even
    assert [(s.start_s, s.end_s) for s in scenes] == [(0.0, 3.0), (3.0, 7.0), (7.0, 8.5), (8.5, 12.0)]


def test_a_scene_is_shown_by_the_frame_nearest_its_middle() -> None:
    staged = [frame(t) for t in (0.2, 1.9, 2.6, 3.5, 5.4, 8.0)]
    scenes, _ = scenes_of([4.0, 6.0], 10.0, staged, 3)
    assert [staged[s.staged].t_s for s in scenes] == [1.9, 5.4, 8.0]


def test_a_clean_frame_near_the_middle_is_better_than_a_transition_or_black_in_it() -> None:
    staged = [frame(1.0, in_transition=True), frame(1.3), frame(5.0, luma=0.0, contrast=0.0), frame(5.9), frame(9.0)]
    scenes, _ = scenes_of([2.0, 8.0], 10.0, staged, 3)
    assert [staged[s.staged].t_s for s in scenes] == [1.3, 5.9, 9.0]


def test_a_transition_in_the_middle_is_better_than_a_clean_frame_far_away() -> None:
    staged = [frame(1.0, in_transition=True), frame(1.9)]
    scenes, _ = scenes_of([], 2.0, staged, 1)
    assert staged[scenes[0].staged].t_s == 1.0


@pytest.mark.parametrize("cuts", [[], [2.0]])
def test_too_few_scenes_give_even_parts(cuts: list[float]) -> None:
    staged = [frame(t) for t in np.arange(0.25, 12, 0.5)]
    scenes, even = scenes_of(cuts, 12.0, staged, 3)
    assert even
    assert [(s.start_s, s.end_s) for s in scenes] == [(0.0, 4.0), (4.0, 8.0), (8.0, 12.0)]
    assert [abs(staged[s.staged].t_s - m) <= 0.25 for s, m in zip(scenes, (2, 6, 10), strict=True)] == [True] * 3


def test_as_many_scenes_as_wanted_are_kept() -> None:
    _, even = scenes_of([2.0, 3.0], 12.0, [frame(t) for t in (1.0, 2.5, 7.0)], 3)
    assert not even


def test_too_few_frames_give_fewer_parts_and_no_frame_twice() -> None:
    scenes, even = scenes_of([], 12.0, [frame(1.0), frame(11.0)], 3)
    assert even
    assert [s.staged for s in scenes] == [0, 1]
    scenes, even = scenes_of([], 0.04, [frame(0.0)], 3)
    assert not even
    assert [(s.start_s, s.end_s, s.staged) for s in scenes] == [(0.0, 0.04, 0)]


def test_a_scene_without_a_staged_frame_joins_its_neighbour() -> None:
    staged = [frame(5.0), frame(9.0)]
    scenes, _ = scenes_of([3.0, 6.0, 8.0], 10.0, staged, 1)
    assert [(s.start_s, s.end_s) for s in scenes] == [(0.0, 8.0), (8.0, 10.0)]


def test_a_video_without_frames_has_no_scenes() -> None:
    assert scenes_of([], 0.0, [], 3) == ([], False)


def test_a_frame_inside_a_dissolve_or_next_to_a_cut_is_in_transition() -> None:
    staged = [frame(t) for t in (1.0, 1.95, 2.5, 3.1, 3.2, 5.95, 6.2)]
    found = in_transition(staged, [Change(2.0, 3.0), Change(6.0, 6.0)])
    assert found.tolist() == [False, True, True, True, False, True, False]


def test_a_scene_is_not_shown_by_a_frame_of_a_dissolve_that_its_worker_did_not_see() -> None:
    staged = [frame(1.0), frame(3.9), frame(5.3), frame(9.0)]
    scenes, _ = choose_scenes([Change(3.0, 4.2), Change(6.0, 6.0)], 10.0, staged, 3)
    assert [staged[s.staged].t_s for s in scenes] == [1.0, 5.3, 9.0]
