"""Which frames of a chunk are staged."""

from __future__ import annotations

from lambdas.detect.selection.staging import choose_staged, most_staged, worth_keeping
from lambdas.detect.selection.targets import Target
from lambdas.detect.tracking.detection import FaceDetection, Track, detections_of
from lambdas.scoring import Score
from tests.detect.factory import face_at, features_at


def face(t_s: float, score: float) -> FaceDetection:
    return face_at(round(t_s * 10), 10, score=score)


def scores_of(tracks: list[Track]) -> dict[FaceDetection, Score]:
    return {one: one.absolute for one in detections_of(tracks)}


def staged(people: list[list[Track]], limit: int, *wanted: Target) -> list[int]:
    """What is staged of these people where every frame is at hand."""
    tracks = [track for tracks in people for track in tracks]
    available = {one.pts for one in detections_of(tracks)} | {one.pts for one in wanted}
    return choose_staged(people, scores_of(tracks), wanted, available, limit)


def test_everybody_keeps_a_frame_even_beyond_the_limit() -> None:
    people = [[Track((face(second, 0.9),))] for second in range(20)]
    assert staged(people, limit=8) == [10 * second for second in range(20)]


def test_nobody_and_nothing_wanted_stages_nothing() -> None:
    assert staged([], limit=8) == []


def test_everybody_keeps_three_further_moments_before_anybody_more() -> None:
    tracks = [Track(tuple(face(8 * person + second, 0.9 - second / 100) for second in range(8))) for person in range(6)]
    kept = staged([[track] for track in tracks], limit=8)
    assert [sum(one.pts in kept for one in track.detections) for track in tracks] == [4] * 6


def test_further_moments_come_from_another_presence_first_and_are_worth_showing() -> None:
    first = Track((face(0, 0.9), face(2, 0.85)))
    later = Track((face(20, 0.8), face(20.5, 0.79), face(24, 0.3)))
    assert staged([[first, later]], limit=0) == []
    assert staged([[first, later]], limit=1) == [0, 20, 200]
    # There would be room for the face at 24 s, which is far worse than the best.
    assert staged([[first, later]], limit=2) == [0, 20, 200]


def test_a_crowd_is_limited_to_three_times_the_usual() -> None:
    kept = staged([[Track((face(second / 10, second / 1000),))] for second in range(500)], limit=20)
    assert len(kept) == 60
    assert min(kept) == 440  # the best faces


def test_a_persons_frame_serves_as_a_targets_where_it_is_near_enough() -> None:
    people = [[Track((face(5.0, 0.9),))]]
    near, far = Target(52, 5.2, 5.2, 0.5, "scene"), Target(80, 8.0, 8.0, 0.5, "scene")
    assert staged(people, 8, near) == [50]
    assert staged(people, 8, far) == [50, 80]


def test_the_best_of_a_track_and_of_a_person_are_kept_unless_one_about_as_good_is() -> None:
    one, other = Track((face(0, 0.8), face(1, 0.9))), Track((face(9, 0.6), face(10, 0.7)))
    scores = scores_of([one, other])
    assert worth_keeping([[one, other]], scores, {10}) == [100]
    assert sorted(set(worth_keeping([[one, other]], scores, {0}))) == [10, 100]
    assert worth_keeping([[one, other]], scores, {10, 90}) == []
    assert worth_keeping([], {}, set()) == []


def test_longer_chunks_and_more_people_stage_more() -> None:
    minutes = [features_at(number) for number in (0, 25 * 60 * 3)]
    assert (most_staged([], 0), most_staged([], 7), most_staged(minutes, 7)) == (8, 14, 60)
