"""Which frames of a chunk are wanted for its scenes and for the whole video."""

from __future__ import annotations

import dataclasses

import pytest

from lambdas.contracts import Chunk, Settings
from lambdas.detect.selection.targets import Target, nearest_good, targets, thin
from lambdas.detect.shots.boundaries import Shots, boundary_candidates
from lambdas.detect.shots.features import FrameFeatures
from tests.detect.factory import chunk_of, context_of, features_at, source_of


def features(count: int, cuts: tuple[int, ...] = (), black: range = range(0)) -> list[FrameFeatures]:
    """Ten frames a second."""
    return [
        features_at(
            number,
            10,
            content=80.0 if number in cuts else 2.0,
            luma=0.0 if number in black else 0.5,
            contrast=0.0 if number in black else 0.4,
            shot=sum(number >= cut for cut in cuts),
        )
        for number in range(count)
    ]


def found(
    seen: list[FrameFeatures], chunk: Chunk | None = None, *, is_last: bool = True, **changes: object
) -> list[Target]:
    context = context_of(source_of(10), chunk, is_last=is_last, settings=changes)
    return targets(seen, Shots(seen, context.settings), context)


def test_a_chunk_without_frames_wants_nothing() -> None:
    assert found([], min_scenes=3) == []


def test_for_people_alone_no_frame_is_wanted() -> None:
    assert found(features(300, cuts=(100,)), scenes=False, representative=0) == []


def test_a_single_frame_is_wanted_once() -> None:
    assert [one.pts for one in found(features(1), chunk_of(fallback_pts=[0]), min_scenes=3)] == [0]


def test_every_scene_gets_a_frame_near_its_middle() -> None:
    wanted = found(features(300, cuts=(100, 160)), min_scenes=3)
    for low, high in ((0, 10), (10, 16), (16, 30)):
        middle = (low + high) / 2
        assert min(abs(one.t_s - middle) for one in wanted) <= max(0.5, (high - low) / 10)


@pytest.mark.parametrize("other_part_s", [0.0, 5.0, 15.0, 29.0])
def test_a_scene_that_goes_on_in_the_next_chunk_has_a_frame_near_its_later_middle(other_part_s: float) -> None:
    wanted = found(features(300), is_last=False, min_scenes=1)
    length = 30 + other_part_s
    assert min(abs(one.t_s - length / 2) for one in wanted) <= max(0.5, length / 10)


def test_black_frames_are_passed_over_while_others_are_near() -> None:
    seen = features(100, black=range(45, 55))
    chosen = nearest_good(seen, Shots(seen, Settings()), 5.0, 1.0)
    assert chosen is not None
    assert chosen.luma > 0


def test_a_frame_that_was_decoded_is_preferred_to_one_that_should_look_the_same() -> None:
    seen = [dataclasses.replace(one, is_assumed=one.pts % 10 != 4) for one in features(100)]
    shots = Shots(seen, Settings())
    for reach_s, expected in ((1.0, 54), (0.3, 50)):  # within 0.3 s none was
        chosen = nearest_good(seen, shots, 5.0, reach_s)
        assert chosen is not None and chosen.pts == expected


def test_a_frame_at_hand_is_taken_where_it_looks_about_as_good() -> None:
    seen = features(100)
    shots = Shots(seen, Settings())
    assert [one.pts for at_hand in ((), {53}, {70}) if (one := nearest_good(seen, shots, 5.0, 1.0, at_hand))] == [
        50,
        53,
        50,
    ]


def test_a_cut_may_lie_where_the_picture_changes_suddenly() -> None:
    assert boundary_candidates(features(50, cuts=(20,)), 27.0) == [(19, 20)]
    assert boundary_candidates(features(50), 27.0) == []
    assert boundary_candidates([], 27.0) == []


def test_even_moments_are_wanted_only_where_scenes_are_too_few() -> None:
    chunk = chunk_of(fallback_pts=[20, 270])
    at = [one.pts for one in found(features(300), chunk, min_scenes=3, representative=0) if one.kind == "whole"]
    assert len(at) == 2 and abs(at[0] - 20) <= 5 and abs(at[1] - 270) <= 5
    assert [one.kind for one in found(features(300, cuts=(100,)), chunk, min_scenes=2, representative=0)] == [
        "scene"
    ] * 2


def test_one_frame_serves_a_scene_and_the_whole_where_it_is_near_enough() -> None:
    near, far = Target(150, 15.0, 15.0, 1.0, "scene"), Target(40, 4.0, 4.0, 1.0, "whole")
    again = Target(152, 15.2, 15.2, 1.0, "whole")
    assert thin([again, near, far]) == [near, far]
    chunk = chunk_of(representative_windows=[(0, 300)])
    assert [one.kind for one in found(features(300), chunk, min_scenes=1)] == ["scene"]


def unlike(number: int, **looks: float) -> FrameFeatures:
    """A frame that shows another place than the others do."""
    return dataclasses.replace(features_at(number, 10, shot=9), **looks)  # type: ignore[arg-type]


def test_of_a_still_video_the_one_lively_moment_is_wanted_too_unless_it_is_blurred() -> None:
    chunk = chunk_of(representative_windows=[(0, 100), (100, 200), (200, 300)])
    lively, blurred = features(300), features(300)
    for number in range(60, 65):
        lively[number] = unlike(number, contrast=0.4)
        blurred[number] = unlike(number, contrast=0.4, sharpness=0.2)
    flat = Settings(scene_threshold=200)
    context = context_of(source_of(10), chunk, settings={"scene_threshold": 200, "min_scenes": 1})
    assert not Shots(lively, flat).changes
    assert any(60 <= one.pts < 65 for one in targets(lively, Shots(lively, flat), context))
    assert not any(60 <= one.pts < 65 for one in targets(blurred, Shots(blurred, flat), context))
