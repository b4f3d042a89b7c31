"""Who is who, on columns made by hand."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.cluster.identities import Tracks, agglomerate, gather_tracks, identify, link_across_borders
from lambdas.contracts import OPEN_END, QUALITY_PARTS, Chunk
from tests.cluster.factory import DISTANCES, Appearance, Video, faces_of, near


def tracks_of(
    vectors: NDArray[np.float32],
    *,
    chunk: NDArray[np.int64] | None = None,
    weak: NDArray[np.bool_] | None = None,
    unclear: NDArray[np.bool_] | None = None,
    conflicts: list[tuple[int, int]] | None = None,
    faces: int = 3,
) -> Tracks:
    count = len(vectors)
    return Tracks(
        chunk=np.zeros(count, np.int64) if chunk is None else chunk,
        number=np.arange(count),
        rows=[np.array([i]) for i in range(count)],
        embedding=vectors,
        weight=np.ones(count, np.float32),
        faces=np.full(count, faces),
        face_sum=vectors * faces,
        weak=np.zeros(count, bool) if weak is None else weak,
        unclear=np.zeros(count, bool) if unclear is None else unclear,
        conflicts=np.array(conflicts or [], np.int64).reshape(-1, 2),
    )


def groups(labels: NDArray[np.int64]) -> list[list[int]]:
    return [np.flatnonzero(labels == k).tolist() for k in range(int(labels.max()) + 1)]


def test_no_tracks_give_no_identities() -> None:
    found = identify(gather_tracks([]), [], DISTANCES)
    assert len(found.of_track) == 0
    assert len(found.sure) == 0


def test_one_track_is_one_identity() -> None:
    found = identify(tracks_of(faces_of(0, 1)), [], DISTANCES)
    assert groups(found.of_track) == [[0]]
    assert found.sure.tolist() == [True]
    assert found.confidence[0] == pytest.approx(1.0)


@pytest.mark.parametrize("dimension", [128, 512])
def test_a_bridging_track_does_not_merge_two_people(dimension: int) -> None:
    a, b = faces_of(1, 2, dimension)
    bridge = (a + b) / np.linalg.norm(a + b)
    people = [near(a, 0.1, 1), near(a, 0.15, 2), near(a, 0.2, 3), near(b, 0.1, 4), near(b, 0.15, 5), bridge]
    assert 1 - float(bridge @ a) < DISTANCES.same
    assert 1 - float(bridge @ b) < DISTANCES.same
    labels = identify(tracks_of(np.array(people)), [], DISTANCES).of_track
    assert labels[0] == labels[1] == labels[2]
    assert labels[3] == labels[4]
    assert labels[0] != labels[3]


def test_twins_seen_side_by_side_stay_two_people() -> None:
    (a,) = faces_of(2, 1)
    vectors = np.array([near(a, 0.1, 1), near(a, 0.1, 2), near(a, 0.1, 3), near(a, 0.1, 4)])
    found = identify(tracks_of(vectors, conflicts=[(0, 1), (2, 3)]), [], DISTANCES)
    assert found.of_track[0] != found.of_track[1]
    assert found.of_track[2] != found.of_track[3]
    assert len(found.sure) == 2
    assert found.conflicts == {(0, 1)}


def test_one_track_between_cannot_link_partners_joins_the_nearer() -> None:
    (a,) = faces_of(3, 1)
    b = near(a, 0.45, 1)
    vectors = np.array([a, b, near(b, 0.05, 2)])
    assert groups(identify(tracks_of(vectors, conflicts=[(0, 1)]), [], DISTANCES).of_track) == [[0], [1, 2]]


def test_a_weak_track_joins_its_nearest_person_but_never_bridges() -> None:
    a, b = faces_of(4, 2)
    bridge = (1.05 * a + b) / np.linalg.norm(1.05 * a + b)
    vectors = np.array([a, b, bridge], np.float32)
    labels = identify(tracks_of(vectors, weak=np.array([False, False, True])), [], DISTANCES).of_track
    assert groups(labels) == [[0, 2], [1]]


def test_a_weak_track_does_not_join_a_person_seen_beside_it() -> None:
    (a,) = faces_of(5, 1)
    vectors = np.array([a, near(a, 0.3, 1)])
    tracks = tracks_of(vectors, weak=np.array([False, True]), conflicts=[(0, 1)])
    assert groups(identify(tracks, [], DISTANCES).of_track) == [[0], [1]]


def test_a_person_never_seen_clearly_joins_the_nearest_a_little_further_off() -> None:
    a, b = faces_of(14, 2)
    beyond = (DISTANCES.same + (DISTANCES.attach + DISTANCES.suggest) / 2) / 2
    vectors = np.array([a, near(a, 0.05, 1), b, near(a, beyond, 2)])
    aside = np.array([False, False, False, True])
    assert groups(identify(tracks_of(vectors), [], DISTANCES).of_track) == [[0, 1], [2], [3]]
    assert groups(identify(tracks_of(vectors, unclear=aside), [], DISTANCES).of_track) == [[0, 1, 3], [2]]
    together = tracks_of(vectors, unclear=aside, conflicts=[(0, 3)])
    assert groups(identify(together, [], DISTANCES).of_track) == [[0, 1], [2], [3]]


def test_a_person_never_seen_clearly_between_two_others_joins_neither() -> None:
    axes = np.eye(128, dtype=np.float32)
    a, b = axes[:2]
    turned = np.array([0.45, 0.42, np.sqrt(1 - 0.45**2 - 0.42**2)], np.float32) @ axes[:3]
    assert DISTANCES.same < 1 - float(turned @ a) < (DISTANCES.attach + DISTANCES.suggest) / 2
    aside = np.array([False, False, True])
    found = identify(tracks_of(np.array([a, b, turned]), unclear=aside), [], DISTANCES)
    assert groups(found.of_track) == [[0], [1], [2]]


def test_a_track_is_unclear_without_a_face_both_frontal_and_good() -> None:
    faces = faces_of(16, 3)
    video = Video(10, [Appearance(face, 0, 5, left=180 * place) for place, face in enumerate(faces)])
    columns = video.detect(Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=0))[1]
    columns.quality[:] = 0.9
    columns.quality[columns.tracks == 0, QUALITY_PARTS.index("frontal")] = 0.3
    columns.quality[columns.tracks == 1, QUALITY_PARTS.index("sharpness")] = 0.01
    assert gather_tracks([columns]).unclear.tolist() == [True, True, False]


def test_weak_tracks_alone_are_a_person_only_if_their_faces_agree() -> None:
    a, b = faces_of(6, 2)
    agreeing = tracks_of(np.array([a, near(a, 0.2, 1)]), weak=np.array([True, True]))
    assert identify(agreeing, [], DISTANCES).sure.tolist() == [True]
    single_face = tracks_of(np.array([b]), weak=np.array([True]), faces=1)
    assert identify(single_face, [], DISTANCES).sure.tolist() == [False]


def test_faces_without_embedding_are_nobody() -> None:
    tracks = tracks_of(np.zeros((1, 128), np.float32), faces=0)
    tracks.weight[:] = 0
    assert identify(tracks, [], DISTANCES).sure.tolist() == [False]


def test_a_users_distance_replaces_the_packs() -> None:
    (a,) = faces_of(7, 1)
    vectors = np.array([a, near(a, 0.4, 1)])
    assert len(identify(tracks_of(vectors), [], DISTANCES).sure) == 1
    assert len(identify(tracks_of(vectors), [], DISTANCES, same=0.3).sure) == 2


def test_average_linkage_merges_by_the_exact_mean_distance() -> None:
    (a,) = faces_of(8, 1)
    vectors = np.array([a, near(a, 0.2, 1), near(a, 0.5, 2)])
    table = 1 - vectors @ vectors.T
    join = float(table[:2, 2].mean())
    none = np.zeros((0, 2), np.int64)
    assert len(set(agglomerate(vectors, np.ones(3), none, join + 1e-4, "average"))) == 1
    assert len(set(agglomerate(vectors, np.ones(3), none, join - 1e-4, "average"))) == 2


def linked(video: Video, chunk_s: float, border_is_cut: list[bool]) -> list[tuple[int, int]]:
    borders = [video.pts(chunk_s * i) for i in range(len(border_is_cut) + 2)]
    chunks = [
        video.detect(Chunk(index=i, start_pts=borders[i], end_pts=borders[i + 1], decode_from_pts=borders[i]))[1]
        for i in range(len(border_is_cut) + 1)
    ]
    return link_across_borders(gather_tracks(chunks), chunks, border_is_cut, 1000.0, DISTANCES.strict)


def test_a_track_goes_on_across_a_border_unless_that_is_a_cut() -> None:
    (face,) = faces_of(9, 1)
    video = Video(10, [Appearance(face, 0, 10)])
    assert linked(video, 5, [False]) == [(0, 1)]
    assert linked(video, 5, [True]) == []


def test_no_link_across_a_border_without_overlap_or_after_a_pause() -> None:
    (face,) = faces_of(10, 1)
    elsewhere = Video(10, [Appearance(face, 0, 5), Appearance(face, 5, 10, left=600)])
    assert linked(elsewhere, 5, [False]) == []
    later = Video(10, [Appearance(face, 0, 3), Appearance(face, 6, 10)])
    assert linked(later, 5, [False]) == []


def test_a_border_links_each_of_two_people_to_themselves() -> None:
    a, b = faces_of(11, 2)
    video = Video(10, [Appearance(a, 0, 10), Appearance(b, 0, 10, left=180)])
    assert linked(video, 5, [False]) == [(0, 2), (1, 3)]


def test_two_boxes_on_one_face_do_not_count_as_two_people() -> None:
    (face,) = faces_of(12, 1)
    video = Video(10, [Appearance(face, 0, 10), Appearance(face, 0, 10, left=110)])
    assert linked(video, 5, [True]) == []
    chunk = Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=0)
    tracks = gather_tracks([video.detect(chunk)[1]])
    assert len(tracks.conflicts) == 0


@pytest.mark.parametrize(("dimension", "spread"), [(128, 0.25), (512, 0.25), (128, 0.28)])
def test_people_met_under_changing_conditions_are_told_apart(dimension: int, spread: float) -> None:
    faces = faces_of(13, 25, dimension)
    truth = np.repeat(np.arange(25), 8)
    vectors = np.array([near(faces[p], spread, 1000 + i) for i, p in enumerate(truth)])
    labels = identify(tracks_of(vectors), [], DISTANCES).of_track
    together, rightly = labels[:, None] == labels, truth[:, None] == truth
    assert (together & ~rightly).sum() == 0
    assert (together & rightly).sum() / rightly.sum() > 0.97


def test_twenty_five_thousand_tracks_take_seconds_and_little_memory() -> None:
    people, count = 60, 25_000
    rng = np.random.default_rng(14)
    faces = faces_of(14, people)
    truth = rng.integers(people, size=count)
    noise = rng.normal(size=(count, 128)).astype(np.float32)
    vectors = faces[truth] + 0.55 * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    chunk = np.arange(count) // 42
    pairs = np.array([(i, i + 1) for i in range(0, count - 1, 3) if truth[i] != truth[i + 1]])
    tracks = tracks_of(vectors.astype(np.float32), chunk=chunk, conflicts=[(int(a), int(b)) for a, b in pairs])
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.monotonic()
    labels = identify(tracks, [], DISTANCES).of_track
    took = time.monotonic() - started
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    assert int(labels.max()) + 1 == people
    assert all(len(set(labels[truth == p].tolist())) == 1 for p in range(people))
    assert grown_kib < 500_000
    assert took < 20
