"""Which tracks of a chunk surely show one person."""

from __future__ import annotations

from lambdas.detect.tracking.detection import Track
from lambdas.detect.tracking.people import people_of
from lambdas.detect.tracking.scores import scores_of
from tests.detect.factory import DISTANCES, embeddings, face_at


def people(*tracks: Track) -> list[list[Track]]:
    known = embeddings()
    known.make([face for track in tracks for face in track.detections])
    return people_of(tracks, scores_of(([track] for track in tracks), lambda _: 1.0), known, DISTANCES)


def track(*numbers: int, person: int = 0, x: float = 100) -> Track:
    return Track(tuple(face_at(number, x=x, person=person) for number in numbers))


def test_nobody_is_no_person() -> None:
    assert people() == []


def test_tracks_of_one_face_are_one_person_and_a_stranger_is_another() -> None:
    first, stranger, again = track(0, 25), track(0, 25, person=1, x=500), track(100, 125)
    assert people(first, stranger, again) == [[first, again], [stranger]]


def test_two_faces_of_one_frame_are_two_people_however_alike() -> None:
    left, right = track(0, 25), track(25, 50, x=600)
    assert people(left, right) == [[left], [right]]


def test_a_track_beside_any_of_a_person_s_tracks_is_not_of_that_person() -> None:
    first, again, beside = track(0), track(50), track(50, 75, x=600)
    assert people(first, again, beside) == [[first, again], [beside]]
