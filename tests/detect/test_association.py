"""Tracks: one face, one shot."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from lambdas.detect.faces.detections import Floats, Image
from lambdas.detect.tracking.association import _link, _Open, associate, best_pairs, divide, nearness, overlaps
from lambdas.detect.tracking.detection import CarriedOver, FaceDetection, Track
from lambdas.detect.tracking.embeddings import Embeddings
from tests.detect.factory import DISTANCES, PEOPLE, embeddings, face_at


def face(t_s: float, x: float, person: int = 0, *, score: float = 0.5, dense: bool = False) -> FaceDetection:
    """A face of 100 pixels at so many seconds."""
    return face_at(round(t_s * 1000), 1000, x=x, side=100, person=person, score=score, dense=dense)


def tracks_of(
    *frames: FaceDetection | CarriedOver | list[FaceDetection],
    cuts: tuple[float, ...] = (),
    known: Embeddings | None = None,
) -> list[Track]:
    """The tracks of one frame after the other, sampled once a second."""
    events = []
    for one in frames:
        faces = [one] if isinstance(one, FaceDetection) else one
        t_s = faces.t_s if isinstance(faces, CarriedOver) else faces[0].t_s
        events.append((t_s, faces))
    return associate(events, cuts, known or embeddings(), DISTANCES, 1.0)


def people_of(tracks: list[Track]) -> list[list[int]]:
    return [[int(one.crop[0, 0, 0]) for one in track.detections] for track in tracks]


def test_no_faces_give_no_tracks() -> None:
    assert associate([], [], embeddings(), DISTANCES, 1.0) == []
    assert associate([(0.0, [])], [0.0], embeddings(), DISTANCES, 1.0) == []


def test_a_face_that_stays_is_one_track() -> None:
    tracks = tracks_of(*(face(second, 100 + 10 * second) for second in range(4)))
    assert [len(track.detections) for track in tracks] == [4]


def test_events_may_come_in_any_order() -> None:
    frames = [face(second, 100 + 10 * second, dense=second % 2 == 1) for second in range(6)]
    (track,) = tracks_of(*frames[::2], *frames[1::2])
    assert list(track.detections) == frames


def test_a_cut_ends_every_track_even_where_faces_overlap_exactly() -> None:
    assert people_of(tracks_of(face(0, 100, 0), face(1, 100, 1), cuts=(0.5,))) == [[0], [1]]
    assert people_of(tracks_of(face(0, 100, 0), face(1, 100, 0), cuts=(0.5,))) == [[0], [0]]


def test_a_cut_at_a_frame_comes_before_it() -> None:
    assert [track.start_s for track in tracks_of(face(0, 100), face(1, 100), face(2, 100), cuts=(1.0,))] == [0, 1]


def test_two_people_who_swap_places_keep_their_tracks() -> None:
    tracks = tracks_of([face(0, 100, 0), face(0, 210, 1)], [face(1, 105, 1), face(1, 205, 0)])
    assert sorted(people_of(tracks)) == [[0, 0], [1, 1]]


def test_neighbours_whose_boxes_do_not_touch_are_linked_without_the_embedder() -> None:
    asked: list[int] = []

    def embed(crops: Sequence[Image]) -> Floats:
        asked.extend(int(crop[0, 0, 0]) for crop in crops)
        return np.stack([PEOPLE[crop[0, 0, 0]] for crop in crops])

    before, now = [face(0, 100, 0), face(0, 210, 1)], [face(0.1, 103, 0), face(0.1, 213, 1)]
    linked = _link([_Open([one]) for one in before], now, Embeddings(embed, DISTANCES), DISTANCES)
    assert [linked[column].last for column in (0, 1)] == before
    assert asked == []


def test_each_detection_is_in_exactly_one_track() -> None:
    frames = [[face(second, 100, 0), face(second, 160 - 10 * second, 1)] for second in range(5)]
    tracks = tracks_of(*frames)
    met = [one for track in tracks for one in track.detections]
    assert len(met) == len(set(met)) == 10
    assert sorted(people_of(tracks)) == [[0] * 5, [1] * 5]


def test_a_gap_longer_than_allowed_starts_another_track() -> None:
    tracks = tracks_of(face(0, 100), face(2.4, 100), face(5, 100))
    assert [len(track.detections) for track in tracks] == [2, 1]


def test_a_face_carried_over_is_present_meanwhile() -> None:
    carried = [CarriedOver(1.0, float(second), second * 1000) for second in (2, 3, 4)]
    (track,) = tracks_of(face(0, 100), face(1, 100), *carried, face(5, 100))
    assert [moment.t_s for moment in track.carried] == [2, 3, 4]
    assert [one.t_s for _, one in track.with_carried()] == [0, 1, 1, 1, 1, 5]
    assert [pts for pts, _ in track.with_carried()][2:5] == [2000, 3000, 4000]
    # Who was not in the sampled frame is not carried over.
    gone = tracks_of([face(0, 100), face(0, 800, 1)], face(1, 100), *carried)
    assert [len(one.carried) for one in gone] == [3, 0]


def test_a_track_of_two_people_is_divided_where_they_change() -> None:
    dissolve = Track(
        tuple(face(second, 100, 0 if second < 7 else 1, score=0.1 * (second % 4)) for second in range(12)),
        (CarriedOver(2, 2.5, 2500), CarriedOver(9, 9.5, 9500)),
    )
    parts = divide(dissolve, embeddings())
    assert people_of(parts) == [[0] * 7, [1] * 5]
    assert [[moment.t_s for moment in part.carried] for part in parts] == [[2.5], [9.5]]


def test_where_one_face_slowly_becomes_another_there_are_two_tracks() -> None:
    # Each frame of the dissolve is near the one before it, so that no step tells.
    share = np.linspace(0, 1, 9)[:, None]
    faces = PEOPLE[0] * (1 - share) + PEOPLE[1] * share
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    assert max(1 - float(one @ other) for one, other in itertools.pairwise(faces)) < 0.1
    dissolving = Embeddings(lambda crops: np.stack([faces[crop[0, 0, 0]] for crop in crops]), DISTANCES)
    # Mixtures of two faces are the faintest.
    frames = [face(0.5 * number, 100, number, score=0.4 + 0.1 * abs(number - 4)) for number in range(9)]
    first, second = tracks_of(*frames, known=dissolving)
    assert 4 <= len(first.detections) <= 5
    assert [*first.detections, *second.detections] == frames


def test_a_stranger_in_the_same_place_after_an_overlooked_cut_is_another_track() -> None:
    tracks = tracks_of(*(face(second, 100, person) for second, person in enumerate((0, 0, 1, 1))))
    assert people_of(tracks) == [[0, 0], [1, 1]]


def test_a_dense_face_of_someone_else_in_the_place_of_a_track_is_not_of_it() -> None:
    stranger = [face(2.2, 100, 1, dense=True), face(2.3, 100, 1, dense=True)]
    tracks = tracks_of(face(1, 100), face(1.1, 100, dense=True), face(2, 100), *stranger)
    assert people_of(tracks) == [[0, 0, 0], [1, 1]]
    assert [track.is_dense for track in tracks] == [False, True]


def test_a_box_is_interpolated_between_detections_and_stays_outside_them() -> None:
    track = Track((face(1, 100), face(2, 200)))
    for t_s, left in ((0.5, 100), (1.0, 100), (1.25, 125), (2.0, 200), (3.0, 200)):
        assert track.box_at(t_s)[0] == pytest.approx(left)


@pytest.mark.parametrize("second", [np.zeros((0, 4), np.float32), np.array([[0, 0, 0, 0]], np.float32)])
def test_overlap_with_nothing_is_nothing(second: np.ndarray) -> None:
    first = np.array([[0, 0, 10, 10]], np.float32)
    assert overlaps(first, second).shape == (1, len(second))
    assert not overlaps(first, second).any()


def test_overlap_and_nearness_of_known_boxes() -> None:
    first = np.array([[0, 0, 10, 10]], np.float32)
    second = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [100, 0, 110, 10], [0, 0, 40, 40]], np.float32)
    assert overlaps(first, second)[0] == pytest.approx([1, 1 / 3, 0, 1 / 16])
    assert nearness(first, second)[0] == pytest.approx([1, 1 - 5 / 15, 0, 0])


def test_the_greatest_gains_are_paired_first_and_each_row_and_column_once() -> None:
    gain = np.array([[0.9, 0.8], [0.95, 0.1], [0.0, 0.7]], np.float32)
    assert best_pairs(gain, 0.0) == [(1, 0), (0, 1)]
    assert best_pairs(gain, 0.85) == [(1, 0)]
    assert best_pairs(np.zeros((0, 2), np.float32), 0.0) == []


def test_a_stranger_in_one_frame_at_the_same_place_is_not_taken_into_the_track() -> None:
    # Fainter than the others, so that dividing tracks by their best faces would not find it.
    frames = [face(second, 100, score=0.8) for second in range(10)]
    frames[5] = face(5, 100, person=1, score=0.3)
    assert sorted(people_of(tracks_of(*frames))) == [[0] * 9, [1]]


def test_a_stranger_beside_others_is_not_taken_into_a_track_nearby() -> None:
    frames = [[face(second, 100, score=0.8), face(second, 160, person=1, score=0.8)] for second in range(10)]
    frames[5][1] = face(5, 160, person=2, score=0.3)
    assert sorted(people_of(tracks_of(*frames))) == [[0] * 10, [1] * 9, [2]]
