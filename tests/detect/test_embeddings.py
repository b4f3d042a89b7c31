"""Which faces are embedded, each once, and what tells that a face is still the same one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.detect.tracking.detection import FaceDetection, Track
from lambdas.detect.tracking.embeddings import Embeddings, faces_to_embed, likeness
from tests.detect.factory import DISTANCES, embed, embeddings, face_at


def face(second: float, *, score: float = 0.5, person: int = 0) -> FaceDetection:
    return face_at(round(second * 1000), 1000, score=score, person=person)


def refuse(crops: object) -> NDArray[np.float32]:
    raise AssertionError("nothing was to be embedded")


def test_embedded_faces_are_the_best_and_apart() -> None:
    track = Track(tuple(face(number / 10, score=number / 100) for number in range(100)))
    chosen = faces_to_embed(track)
    assert len(chosen) == 5
    assert chosen[-1] is track.detections[-1]
    assert np.diff([one.t_s for one in chosen]).min() >= 0.98


def test_of_a_short_track_three_faces_are_embedded() -> None:
    assert len(faces_to_embed(Track(tuple(face(number / 10, score=number / 100) for number in range(40))))) == 3


def test_a_single_detection_is_embedded() -> None:
    track = Track((face(0),))
    assert faces_to_embed(track) == list(track.detections)


def test_faces_are_chosen_by_the_scores_given() -> None:
    faces = [face(second, score=0.5 + second / 100) for second in range(3)]
    by_place = {one: faces[2 - place].absolute for place, one in enumerate(faces)}
    track = Track((faces[0], faces[1]))
    assert faces_to_embed(track)[0] in track.detections
    assert max(track.detections, key=lambda one: by_place[one].number) is faces[0]
    long = Track(tuple(face(second / 5, score=0.5) for second in range(40)))
    best = long.detections[17]
    scores = {one: (face(0, score=0.9) if one is best else one).absolute for one in long.detections}
    assert best in faces_to_embed(long, scores)


def test_each_face_is_embedded_once() -> None:
    asked: list[int] = []

    def counting(crops: object) -> NDArray[np.float32]:
        asked.append(len(crops))  # type: ignore[arg-type]
        return embed(crops)

    known, faces = Embeddings(counting, DISTANCES), [face(0), face(1, person=1)]
    known.make([*faces, faces[0]])
    known.make(faces)
    assert known.of(faces).shape == (2, 8)
    assert asked == [2]
    assert known.known(face(0)) is None


def test_a_face_that_looks_the_same_goes_on_without_the_embedder() -> None:
    assert likeness(face(0), face(1)) == pytest.approx(1)
    assert Embeddings(refuse, DISTANCES).goes_on(face(0), face(1))
    assert not embeddings().goes_on(face(0), face(1, person=1))
