"""Which frames of a chunk are kept."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from lambdas.detect.candidates import choose_staged, doubtful_spans, further_moments, looked_at, nearest_good, targets
from lambdas.detect.scenes import Glance, Shots
from lambdas.detect.tracks import Sighting, Track
from numpy.typing import NDArray

from lambdas.contracts import OPEN_END, QUALITY_PARTS, Chunk, ScanTier, Settings, SourceFacts
from lambdas.scoring import Score
from lambdas.shots import LAYOUT_CELLS

SOURCE = SourceFacts(
    uri="clip.mp4",
    identity="x",
    size_bytes=1,
    container="mp4",
    codec="h264",
    width=64,
    height=36,
    rotation=0,
    sample_aspect_ratio=1.0,
    interlaced=False,
    hdr="",
    fps=10.0,
    duration_s=60.0,
    start_pts=0,
    time_base_num=1,
    time_base_den=10,
    video_stream=0,
    segmented=False,
)


def place(number: int) -> NDArray[np.uint8]:
    return np.random.default_rng(number).integers(0, 255, (LAYOUT_CELLS, LAYOUT_CELLS, 3)).astype(np.uint8)


def glances(count: int, cuts: tuple[int, ...] = (), black: range = range(0)) -> list[Glance]:
    return [
        Glance(
            pts=index,
            t_s=index / 10,
            score=80.0 if index in cuts else 2.0,
            luma=0.0 if index in black else 0.5,
            contrast=0.0 if index in black else 0.4,
            sharpness=0.5,
            layout=place(sum(index >= cut for cut in cuts)),
            feature=np.zeros(0, np.float32),
        )
        for index in range(count)
    ]


def chunk(index: int = 0, fallback: list[int] | None = None) -> Chunk:
    return Chunk(
        index=index, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=-OPEN_END, fallback_pts=fallback or []
    )


def sighting(t_s: float, score: float) -> Sighting:
    parts = np.full(len(QUALITY_PARTS), score, np.float32)
    box = np.array([0, 0, 10, 10], np.float32)
    return Sighting(round(t_s * 10), t_s, box, np.zeros((5, 2), np.float32), parts, np.zeros((1, 1, 3), np.uint8))


def absolute(*tracks: Track) -> dict[Sighting, Score]:
    return {one: one.absolute for track in tracks for one in track.sightings}


def staged(people: list[list[Track]], limit: int) -> list[int]:
    """What is staged of these people where every frame is at hand and nothing else is wanted."""
    tracks = [track for tracks in people for track in tracks]
    available = {one.pts for track in tracks for one in track.sightings}
    return choose_staged(people, absolute(*tracks), [], available, limit)


def test_a_chunk_without_frames_wants_nothing() -> None:
    assert targets([], Shots([], Settings()), SOURCE, chunk(), True, Settings(min_scenes=3)) == []


def test_for_people_alone_no_frame_is_wanted() -> None:
    seen, alone = glances(300, cuts=(100,)), Settings(scenes=False, representative=0)
    assert targets(seen, Shots(seen, alone), SOURCE, chunk(), True, alone) == []


def test_a_single_frame_is_wanted_once() -> None:
    only = glances(1)
    assert [
        one.pts
        for one in targets(only, Shots(only, Settings()), SOURCE, chunk(fallback=[0]), True, Settings(min_scenes=3))
    ] == [0]


def test_every_scene_gets_a_frame_near_its_middle() -> None:
    seen = glances(300, cuts=(100, 160))
    found = targets(seen, Shots(seen, Settings()), SOURCE, chunk(), True, Settings(min_scenes=3))
    for low, high in ((0, 10), (10, 16), (16, 30)):
        middle = (low + high) / 2
        assert min(abs(one.t_s - middle) for one in found) <= max(0.5, (high - low) / 10)


@pytest.mark.parametrize("other_part_s", [0.0, 5.0, 15.0, 29.0])
def test_a_scene_that_goes_on_in_the_next_chunk_has_a_frame_near_its_later_middle(other_part_s: float) -> None:
    seen = glances(300)
    found = targets(seen, Shots(seen, Settings()), SOURCE, chunk(), False, Settings(min_scenes=1))
    length = 30 + other_part_s
    assert min(abs(one.t_s - length / 2) for one in found) <= max(0.5, length / 10)


def test_black_frames_are_passed_over_while_others_are_near() -> None:
    seen = glances(100, black=range(45, 55))
    chosen = nearest_good(seen, Shots(seen, Settings()), 5.0, 1.0)
    assert chosen is not None
    assert chosen.luma > 0


def test_a_frame_that_was_decoded_is_preferred_to_one_that_should_look_the_same() -> None:
    seen = [dataclasses.replace(one, is_likely=one.pts % 10 != 4) for one in glances(100)]
    shots = Shots(seen, Settings())
    for reach_s, expected in ((1.0, 54), (0.3, 50)):  # within 0.3 s none was
        chosen = nearest_good(seen, shots, 5.0, reach_s)
        assert chosen is not None and chosen.pts == expected


def test_only_spans_with_a_large_change_are_decoded_fully() -> None:
    assert doubtful_spans(glances(50, cuts=(20,)), 27.0, True) == [(19, 20)]
    assert doubtful_spans(glances(50, cuts=(20,)), 27.0, False) == []
    assert doubtful_spans([], 27.0, True) == []


def test_further_moments_lie_where_nobody_looked_and_never_overlap() -> None:
    shots = Shots(glances(200, cuts=(100,)), Settings())
    track = Track([sighting(float(t_s), 1 - t_s / 100) for t_s in range(20)])
    close = [dataclasses.replace(sighting(t_s, 0.1), dense=True) for t_s in (0.1, 2.1, 3.9)]
    track.sightings = sorted([*track.sightings, *close], key=lambda one: one.t_s)
    first = looked_at([track], ScanTier(), shots)
    assert [moment.t_s for moment in first] == [0.0, 2.0, 4.0]
    more = further_moments([track], absolute(track), first, ScanTier(), shots, 6)
    assert [moment.t_s for moment in more] == [1.0, 3.0, 5.0, 6.0, 7.0, 8.0]
    spans = sorted((moment.low_s, moment.high_s) for moment in (*first, *more))
    assert all(before[1] <= after[0] + 1e-9 for before, after in itertools.pairwise(spans))
    assert further_moments([], {}, first, ScanTier(), shots, 6) == []
    assert further_moments([track], absolute(track), [*first, *more], ScanTier(), shots, 0) == []


def test_moments_stay_inside_their_shot() -> None:
    shots = Shots(glances(300, cuts=(100,)), Settings())
    track = Track([sighting(10 + second, 0.5 + second / 100) for second in range(10)])
    found = further_moments([track], absolute(track), [], ScanTier(), shots, 20)
    assert [moment.low_s for moment in found][:2] == [10.0, 10.5]


def test_everybody_keeps_a_frame_even_beyond_the_limit() -> None:
    people = [[Track([sighting(second, 0.9)])] for second in range(20)]
    assert staged(people, limit=8) == [10 * second for second in range(20)]


def test_nobody_and_nothing_wanted_stages_nothing() -> None:
    assert staged([], limit=8) == []


def test_everybody_keeps_three_further_moments_before_anybody_more() -> None:
    tracks = [Track([sighting(8 * person + second, 0.9 - second / 100) for second in range(8)]) for person in range(6)]
    kept = staged([[track] for track in tracks], limit=8)
    assert [sum(one.pts in kept for one in track.sightings) for track in tracks] == [4] * 6


def test_further_moments_come_from_another_presence_first_and_are_worth_showing() -> None:
    first = Track([sighting(0, 0.9), sighting(2, 0.85)])
    later = Track([sighting(20, 0.8), sighting(20.5, 0.79), sighting(24, 0.3)])
    assert staged([[first, later]], limit=0) == []
    assert staged([[first, later]], limit=1) == [0, 20, 200]


def test_a_crowd_is_limited_to_three_times_the_usual() -> None:
    kept = staged([[Track([sighting(second / 10, second / 1000)])] for second in range(500)], limit=20)
    assert len(kept) == 60
    assert min(kept) == 440  # the best faces
