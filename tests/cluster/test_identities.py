"""Who is who, on columns made by hand."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.cluster import clustering, identities
from lambdas.cluster.clarity import clarity_of
from lambdas.cluster.identities import identify
from lambdas.cluster.tracks import Tracks, gather_tracks, link_across_borders
from lambdas.contracts import OPEN_END, QUALITY_PARTS, Chunk, Detections
from lambdas.scoring import Measures, score
from tests.cluster.factory import DISTANCES, Appearance, Video, faces_of, near


def tracks_of(
    vectors: NDArray[np.float32],
    *,
    chunk: NDArray[np.int64] | None = None,
    clear: list[int] | None = None,
    side: list[int] | None = None,
    conflicts: list[tuple[int, int]] | None = None,
    faces: int = 3,
) -> Tracks:
    count = len(vectors)
    return Tracks(
        chunk=np.zeros(count, np.int64) if chunk is None else chunk,
        number=np.arange(count),
        rows=[np.array([i]) for i in range(count)],
        embedding=vectors,
        faces=np.full(count, faces),
        face_sum=vectors * faces,
        clear=np.full(count, 3) if clear is None else np.array(clear),
        clear_side=np.zeros(count, np.int64) if side is None else np.array(side),
        conflicts=np.array(conflicts or [], np.int64).reshape(-1, 2),
    )


def gathered(*chunks: Detections) -> Tracks:
    return gather_tracks(chunks, clarity_of(chunks, [score(Measures.of(columns)) for columns in chunks]))


def groups(labels: NDArray[np.int64]) -> list[list[int]]:
    return [np.flatnonzero(labels == k).tolist() for k in range(int(labels.max()) + 1)]


def test_no_tracks_give_no_identities() -> None:
    found = identify(gather_tracks([], []), [], DISTANCES)
    assert len(found.of_track) == 0
    assert len(found.is_person) == 0


def test_one_track_is_one_identity() -> None:
    found = identify(tracks_of(faces_of(0, 1)), [], DISTANCES)
    assert groups(found.of_track) == [[0]]
    assert found.is_person.tolist() == [True]
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
    assert len(found.is_person) == 2
    assert found.conflicts == {(0, 1)}


def test_one_track_between_cannot_link_partners_joins_the_nearer() -> None:
    (a,) = faces_of(3, 1)
    b = near(a, 0.45, 1)
    vectors = np.array([a, b, near(b, 0.05, 2)])
    assert groups(identify(tracks_of(vectors, conflicts=[(0, 1)]), [], DISTANCES).of_track) == [[0], [1, 2]]


def test_a_track_never_clear_joins_its_nearest_person_but_never_bridges() -> None:
    a, b = faces_of(4, 2)
    bridge = (1.05 * a + b) / np.linalg.norm(1.05 * a + b)
    vectors = np.array([a, b, bridge], np.float32)
    labels = identify(tracks_of(vectors, clear=[3, 3, 0]), [], DISTANCES).of_track
    assert groups(labels) == [[0, 2], [1]]


def test_a_track_never_clear_does_not_join_a_person_seen_beside_it() -> None:
    (a,) = faces_of(5, 1)
    vectors = np.array([a, near(a, 0.3, 1)])
    tracks = tracks_of(vectors, clear=[3, 0], conflicts=[(0, 1)])
    assert groups(identify(tracks, [], DISTANCES).of_track) == [[0], [1]]


def people(found: identities.Identities) -> list[list[int]]:
    """The tracks of each person, without the groups that are none."""
    return [group for number, group in enumerate(groups(found.of_track)) if found.is_person[number]]


def test_whoever_is_met_clearly_once_is_nobody_and_twice_somebody() -> None:
    a, b = faces_of(6, 2)
    assert people(identify(tracks_of(np.array([a, b]), clear=[1, 2]), [], DISTANCES)) == [[1]]
    again = np.array([a, near(a, 0.2, 1), b])
    assert people(identify(tracks_of(again, clear=[1, 1, 1]), [], DISTANCES)) == [[0, 1]]
    assert people(identify(tracks_of(again, clear=[1, 1, 1]), [], DISTANCES, least=1)) == [[0, 1], [2]]


def test_what_linkage_takes_off_a_person_needs_as_many_clear_detections_to_be_one() -> None:
    (a,) = faces_of(18, 1)
    distances = DISTANCES.model_copy(update={"attach": DISTANCES.same})
    mine = [near(a, 0.2, seed) for seed in (1, 2, 3)]
    vectors = np.array([*mine, near(mine[0], 0.48, 9)])
    assert 1 - float(vectors[3] @ vectors[0]) < distances.same
    assert float((1 - vectors[:3] @ vectors[3]).mean()) > distances.same
    assert people(identify(tracks_of(vectors, clear=[3, 3, 3, 1]), [], distances)) == [[0, 1, 2]]
    assert people(identify(tracks_of(vectors, clear=[3, 3, 3, 2]), [], distances)) == [[0, 1, 2], [3]]


def test_two_tracks_of_one_frame_do_not_vouch_for_one_another() -> None:
    (a,) = faces_of(6, 1)
    vectors = np.array([a, near(a, 0.1, 1)])
    assert people(identify(tracks_of(vectors, clear=[1, 1], conflicts=[(0, 1)]), [], DISTANCES)) == []


def test_two_whom_only_somebody_seen_beside_one_of_them_resembles_are_two_people() -> None:
    # The first was seen beside the third and the fourth, who are one person, and the third resembles the second.
    apart = np.array([[0, 0.55, 0.1, 0.15], [0.55, 0, 0.48, 0.8], [0.1, 0.48, 0, 0.1], [0.15, 0.8, 0.1, 0]])
    assert DISTANCES.same < apart[0, 1] < DISTANCES.attach
    vectors = np.linalg.cholesky(1 - apart).astype(np.float32)
    found = identify(tracks_of(vectors, conflicts=[(0, 2), (0, 3)]), [], DISTANCES)
    assert groups(found.of_track) == [[0], [1], [2, 3]]


def test_of_a_face_that_a_border_cut_in_two_only_the_clear_half_tells_who_it_is() -> None:
    a, b = faces_of(19, 2)
    # Blurred so much that it looks like somebody else.
    tracks = tracks_of(np.array([a, b, b]), clear=[3, 0, 3])
    assert people(identify(tracks, [(0, 1)], DISTANCES)) == [[0, 1], [2]]


def test_a_group_never_seen_clearly_is_nobody_however_long_it_lasts() -> None:
    a, b = faces_of(17, 2)
    vectors = np.array([a, b, near(b, 0.1, 1)])
    found = identify(tracks_of(vectors, clear=[3, 0, 0]), [], DISTANCES)
    assert groups(found.of_track) == [[0], [1, 2]]
    assert people(found) == [[0]]


def test_a_profile_joins_whom_it_is_near_and_is_a_person_far_from_everybody() -> None:
    a, b = faces_of(14, 2)
    beyond = (DISTANCES.attach + identities.MAYBE_SAME * DISTANCES.same) / 2
    assert DISTANCES.attach - 0.01 < beyond < identities.MAYBE_SAME * DISTANCES.same + 0.01
    mine = tracks_of(np.array([a, near(a, 0.5, 1), b]), clear=[3, 0, 3], side=[0, 3, 0])
    assert people(identify(mine, [], DISTANCES)) == [[0, 1], [2]]
    strangers = tracks_of(np.array([a, b]), clear=[3, 0], side=[0, 3])
    assert people(identify(strangers, [], DISTANCES)) == [[0], [1]]
    once = tracks_of(np.array([a, b]), clear=[3, 0], side=[0, 1])
    assert people(identify(once, [], DISTANCES)) == [[0]]


def test_a_profile_that_may_be_somebody_else_is_nobody_unless_seen_beside_them() -> None:
    (a,) = faces_of(15, 1)
    close = DISTANCES.model_copy(update={"attach": 0.5})
    vectors = np.array([a, near(a, 0.55, 1)])
    doubtful = identify(tracks_of(vectors, clear=[3, 0], side=[0, 3]), [], close)
    assert people(doubtful) == [[0]]
    assert groups(doubtful.of_track) == [[0], [1]]
    beside = tracks_of(vectors, clear=[3, 0], side=[0, 3], conflicts=[(0, 1)])
    assert people(identify(beside, [], close)) == [[0], [1]]


def test_of_two_profiles_in_one_frame_the_nearer_is_the_person_they_resemble_and_the_other_somebody_else() -> None:
    (a,) = faces_of(20, 1)
    vectors = np.array([a, near(a, 0.4, 1), near(a, 0.5, 2)])
    found = identify(tracks_of(vectors, clear=[3, 0, 0], side=[0, 3, 3], conflicts=[(1, 2)]), [], DISTANCES)
    assert people(found) == [[0, 1], [2]]


def test_clear_takes_score_size_light_and_a_second_look() -> None:
    faces = faces_of(16, 6)
    video = Video(10, [Appearance(face, 0, 5, left=180 * place) for place, face in enumerate(faces)])
    columns = video.detect(Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=0))[1]
    columns.quality[columns.tracks == 1] = 0.2
    columns.boxes[columns.tracks == 2, 2] = columns.boxes[columns.tracks == 2, 0] + 20
    columns.confirmed[columns.tracks == 3] = False
    columns.quality[columns.tracks >= 4, QUALITY_PARTS.index("frontal")] = 0.1
    columns.quality[columns.tracks == 5, QUALITY_PARTS.index("exposure")] = 0.3
    tracks = gathered(columns)
    assert (tracks.clear > 0).tolist() == [True, False, False, False, False, False]
    assert (tracks.clear_side > 0).tolist() == [False, False, False, False, True, False]


def test_faces_without_embedding_are_nobody() -> None:
    tracks = tracks_of(np.zeros((1, 128), np.float32), faces=0)
    assert people(identify(tracks, [], DISTANCES)) == []


def test_a_users_distance_replaces_the_packs() -> None:
    (a,) = faces_of(7, 1)
    vectors = np.array([a, near(a, 0.4, 1)])
    assert len(identify(tracks_of(vectors), [], DISTANCES).is_person) == 1
    assert len(identify(tracks_of(vectors), [], DISTANCES, same=0.3).is_person) == 2


def test_more_tracks_than_fit_a_table_are_grouped_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    faces = faces_of(8, 12)
    truth = np.random.default_rng(8).integers(12, size=240)
    vectors = np.array([near(faces[p], 0.15, 500 + i) for i, p in enumerate(truth)])
    at_once = identify(tracks_of(vectors), [], DISTANCES).of_track
    monkeypatch.setattr(clustering, "LARGEST_TABLE", 50)
    assert identify(tracks_of(vectors), [], DISTANCES).of_track.tolist() == at_once.tolist()
    assert len(set(zip(at_once.tolist(), truth.tolist(), strict=True))) == 12


def halves(video: Video) -> list[Chunk]:
    borders = [-OPEN_END, video.pts(video.duration_s / 2), OPEN_END]
    return [Chunk(index=i, start_pts=borders[i], end_pts=borders[i + 1], decode_from_pts=borders[i]) for i in (0, 1)]


def linked(video: Video, chunk_s: float, border_is_cut: list[bool]) -> list[tuple[int, int]]:
    borders = [video.pts(chunk_s * i) for i in range(len(border_is_cut) + 2)]
    chunks = [
        video.detect(Chunk(index=i, start_pts=borders[i], end_pts=borders[i + 1], decode_from_pts=borders[i]))[1]
        for i in range(len(border_is_cut) + 1)
    ]
    return link_across_borders(gathered(*chunks), chunks, border_is_cut, 1000.0, DISTANCES.strict)


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
    tracks = gathered(video.detect(chunk)[1])
    assert len(tracks.conflicts) == 0


def test_twins_in_one_frame_are_two_people_all_through_the_video() -> None:
    (face,) = faces_of(21, 1)
    video = Video(10, [Appearance(face, 0, 10), Appearance(face, 0, 10, left=700)])
    tracks = gathered(*(video.detect(one)[1] for one in halves(video)))
    assert tracks.conflicts.tolist() == [[0, 1], [2, 3]]
    assert len(identify(tracks, [(0, 2), (1, 3)], DISTANCES).is_person) == 2


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
