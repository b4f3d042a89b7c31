"""Tracks: one face, one shot."""

from __future__ import annotations

import numpy as np
import pytest
from lambdas.detect.tracks import (
    Sighting,
    Track,
    Tracker,
    divide,
    faces_to_embed,
    keep_own,
    likeness,
    nearness,
    overlaps,
)

from lambdas.contracts import QUALITY_PARTS, Distances

DISTANCES = Distances(same=0.5, strict=0.35, attach=0.55, suggest=0.65, name=0.6)
PEOPLE = np.eye(8, dtype=np.float32)


def embed(crops: object) -> np.ndarray:
    """The person's number stands in the crop's first pixel."""
    return np.stack([PEOPLE[crop[0, 0, 0]] for crop in crops])  # type: ignore[attr-defined]


def sighting(t_s: float, x: float, person: int = 0, *, score: float = 0.5, side: float = 100) -> Sighting:
    box = np.array([x, 100, x + side, 100 + side], np.float32)
    crop = np.full((4, 4, 3), person, np.uint8)
    parts = np.full(len(QUALITY_PARTS), score, np.float32)
    return Sighting(round(t_s * 1000), t_s, box, np.zeros((5, 2), np.float32), parts, crop)


def tracker() -> Tracker:
    return Tracker(embed, DISTANCES, max_gap_s=2.5)


def people_of(tracks: list[Track]) -> list[list[int]]:
    return [[int(one.crop[0, 0, 0]) for one in track.sightings] for track in tracks]


def test_no_faces_give_no_tracks() -> None:
    empty = tracker()
    empty.add(0.0, [])
    assert empty.finish() == []


def test_a_face_that_stays_is_one_track() -> None:
    one = tracker()
    for second in range(4):
        one.add(second, [sighting(second, 100 + 10 * second)])
    assert [len(track.sightings) for track in one.finish()] == [4]


def test_a_cut_ends_every_track_even_where_faces_overlap_exactly() -> None:
    one = tracker()
    one.add(0, [sighting(0, 100, 0)])
    one.cut()
    one.add(1, [sighting(1, 100, 1)])
    assert people_of(one.finish()) == [[0], [1]]


def test_two_people_who_swap_places_keep_their_tracks() -> None:
    one = tracker()
    one.add(0, [sighting(0, 100, 0), sighting(0, 210, 1)])
    one.add(1, [sighting(1, 105, 1), sighting(1, 205, 0)])
    assert sorted(people_of(one.finish())) == [[0, 0], [1, 1]]


def test_a_gap_longer_than_allowed_starts_another_track() -> None:
    one = tracker()
    one.add(0, [sighting(0, 100)])
    one.add(2.4, [sighting(2.4, 100)])
    one.add(5, [sighting(5, 100)])
    assert [len(track.sightings) for track in one.finish()] == [2, 1]


def test_a_track_of_two_people_is_divided_where_they_change() -> None:
    dissolve = Track([sighting(second, 100, 0 if second < 7 else 1, score=0.1 * (second % 4)) for second in range(12)])
    parts = divide(dissolve, embed, DISTANCES)
    assert people_of(parts) == [[0] * 7, [1] * 5]


def test_embedded_faces_are_the_best_and_apart() -> None:
    track = Track([sighting(second / 10, 100, score=second / 100) for second in range(100)])
    chosen = faces_to_embed(track)
    assert len(chosen) == 5
    assert chosen[-1] is track.sightings[-1]
    gaps = np.diff([one.t_s for one in chosen])
    assert gaps.min() >= 0.98


def test_of_a_short_track_three_faces_are_embedded() -> None:
    track = Track([sighting(second / 10, 100, score=second / 100) for second in range(40)])
    assert len(faces_to_embed(track)) == 3


def test_a_single_sighting_is_embedded() -> None:
    track = Track([sighting(0, 0)])
    assert faces_to_embed(track) == track.sightings


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


def test_a_stranger_in_the_same_place_after_an_overlooked_cut_is_another_track() -> None:
    one = tracker()
    for second, person in enumerate((0, 0, 1, 1)):
        one.add(second, [sighting(second, 100, person)])
    assert people_of(one.finish()) == [[0, 0], [1, 1]]


def pictured(t_s: float, person: int, seed: int) -> Sighting:
    """A sighting with a picture of its own; equal seeds give equal pictures but for the person's number."""
    one = sighting(t_s, 100, person)
    one.crop = np.random.default_rng(seed).integers(0, 255, (48, 48, 3), np.uint8)
    one.crop[0, 0, 0] = person
    return one


def test_a_face_that_looks_the_same_goes_on_without_the_embedder() -> None:
    def refuse(crops: object) -> np.ndarray:
        raise AssertionError("nothing was to be embedded")

    track = Track([pictured(1.0, 0, 5)])
    own, strays = keep_own(track, [pictured(1.1, 0, 5), pictured(0.9, 0, 5)], refuse, DISTANCES, 2.5)
    assert ([one.t_s for one in own], strays) == ([0.9, 1.1], [])
    one = Tracker(refuse, DISTANCES, max_gap_s=2.5)
    one.add(0, [pictured(0, 0, 5)])
    one.add(1, [pictured(1, 0, 5)])
    assert likeness(pictured(0, 0, 5), pictured(1, 0, 5)) == pytest.approx(1)


def test_dense_sightings_of_someone_else_in_the_tracks_place_are_given_back() -> None:
    track = Track([pictured(1.0, 0, 1), pictured(2.0, 0, 2)])
    met = [pictured(1.1, 0, 3), pictured(2.1, 0, 4), pictured(2.2, 1, 5), pictured(2.3, 1, 6)]
    own, strays = keep_own(track, met, embed, DISTANCES, 2.5)
    assert [one.t_s for one in own] == [1.1, 2.1]
    assert [one.t_s for one in strays] == [2.2, 2.3]


def test_a_face_met_long_after_the_track_ended_is_not_its_own() -> None:
    track = Track([pictured(1.0, 0, 1)])
    own, strays = keep_own(track, [pictured(3.4, 0, 1), pictured(3.6, 0, 1)], embed, DISTANCES, 2.5)
    assert ([one.t_s for one in own], [one.t_s for one in strays]) == ([3.4], [3.6])


def test_nothing_met_gives_nothing_back() -> None:
    assert keep_own(Track([pictured(1.0, 0, 1)]), [], embed, DISTANCES, 2.5) == ([], [])
