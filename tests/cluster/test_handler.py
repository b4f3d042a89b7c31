"""The whole stage, from documents in staging to selection.json."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lambdas.cluster import handler
from lambdas.contracts import (
    ClusterRequest,
    Failure,
    Gallery,
    LostChunk,
    Selection,
    chunk_document_key,
    detections_key,
    failure_key,
    selection_key,
)
from lambdas.errors import GalleryPackMismatch, IncompleteRun, InvalidGallery
from lambdas.staging import DirectoryStaging, get_document, put_document
from tests.cluster.factory import RUN, Appearance, Video, faces_of, near

Select = Callable[..., Selection]


def two_people() -> Video:
    a, b = faces_of(0, 2)
    return Video(
        30,
        [
            Appearance(a, 0, 10),
            Appearance(b, 10, 18),
            Appearance(a, 18, 30),
            Appearance(b, 18, 30, left=700),
        ],
        cuts=[10.0, 18.0],
    )


def test_two_people_in_three_shots(select: Select) -> None:
    selection = select(two_people())
    assert [person.id for person in selection.people] == [0, 1]
    assert [person.screen_time_s for person in selection.people] == [22.0, 20.0]
    assert selection.people[0].tracks[0].start_s == 0.0
    assert len(selection.people[0].tracks) == 2
    assert selection.suggested_merges == []
    assert selection.unclear == []
    assert selection.duration_s == pytest.approx(30.0)
    assert selection.frame_count == 750
    assert selection.detect_seconds == {"decode": 1.0, "total": 2.0}


def test_a_lost_chunk_is_said_and_the_rest_is_found(staging: DirectoryStaging) -> None:
    plan = two_people().write(staging, 10.0, settings={"max_lost_chunks": 1})
    staging.delete(chunk_document_key(RUN, 1))
    put_document(staging, failure_key(RUN, 1), Failure(error="SourceUnreachable", cause="no answer"))
    handler.run(ClusterRequest(run_id=RUN), staging)
    selection = get_document(staging, selection_key(RUN), Selection)
    assert selection.lost == [LostChunk(index=1, start_s=10.0, end_s=20.0, error="SourceUnreachable")]
    assert len(plan.chunks) == 3
    assert len(selection.people) == 2
    assert selection.duration_s == pytest.approx(30.0)
    assert selection.frame_count == 500
    assert not any(10 <= frame.frame.t_s < 20 for frame in selection.representative)


def test_more_chunks_than_may_be_lost_or_all_of_them_end_the_run(staging: DirectoryStaging) -> None:
    two_people().write(staging, 10.0, settings={"max_lost_chunks": 1})
    for chunk in (0, 2):
        staging.delete(chunk_document_key(RUN, chunk))
    with pytest.raises(IncompleteRun, match=r"2 of 3 chunks are missing \(0, 2\)"):
        handler.run(ClusterRequest(run_id=RUN), staging)
    two_people().write(staging, 30.0, settings={"max_lost_chunks": 1})
    staging.delete(chunk_document_key(RUN, 0))
    with pytest.raises(IncompleteRun, match="1 of 1 chunks are missing"):
        handler.run(ClusterRequest(run_id=RUN), staging)


def test_scenes_and_representatives_of_the_whole(select: Select) -> None:
    selection = select(two_people())
    spans = [(scene.index, scene.start_s, scene.end_s) for scene in selection.scenes]
    assert spans == [(0, 0.0, 10.0), (1, 10.0, 18.0), (2, 18.0, 30.0)]
    assert not selection.scenes_are_even
    assert len(selection.scenes[2].faces) == 2
    assert len(selection.representative) == 10
    times = [frame.frame.t_s for frame in selection.representative]
    assert times == sorted(times)


def test_the_best_frame_and_alternatives_are_the_persons_own_and_really_different(select: Select) -> None:
    for person in select(two_people()).people:
        spans = [(track.start_s, track.end_s) for track in person.tracks]
        faces = [person.best, *person.alternatives]
        times = [face.frame.t_s for face in faces]
        assert len(faces) == 4
        assert all(any(start <= t <= end for start, end in spans) for t in times)
        assert all(abs(a - b) >= 2 for i, a in enumerate(times) for b in times[:i])
        assert person.best.score == max(face.score for face in faces)
        assert any(abs(person.best.frame.t_s - track.best_s) < 1 for track in person.tracks)


def test_alternatives_come_from_another_shot_first(select: Select) -> None:
    (first, *_) = select(two_people(), settings={"alternatives": 1}).people
    (other,) = first.alternatives
    assert (first.best.frame.t_s < 10) != (other.frame.t_s < 10)


@pytest.mark.parametrize("alternatives", [0, 1, 10])
def test_never_more_alternatives_than_wanted(select: Select, alternatives: int) -> None:
    selection = select(two_people(), settings={"alternatives": alternatives})
    assert all(len(person.alternatives) <= alternatives for person in selection.people)


def essence(selection: Selection) -> tuple[object, ...]:
    return (
        [(round(p.screen_time_s, 2), p.best.frame.t_s, len(p.tracks)) for p in selection.people],
        [(round(s.start_s, 3), round(s.end_s, 3), s.frame.t_s) for s in selection.scenes],
        [frame.frame.t_s for frame in selection.representative],
        [(b.tracks, b.sightings) for b in selection.unclear],
    )


@pytest.mark.parametrize("chunk_s", [6.0, 7.3, 15.0])
def test_chunk_length_changes_nothing(select: Select, chunk_s: float) -> None:
    whole, chopped = select(two_people(), 60.0), select(two_people(), chunk_s)
    assert essence(chopped) == essence(whole)


def test_the_same_documents_give_the_same_bytes(staging: DirectoryStaging) -> None:
    two_people().write(staging, 7.3)
    texts = set()
    for _ in range(2):
        handler.run(ClusterRequest(run_id=RUN), staging)
        selection = get_document(staging, selection_key(RUN), Selection)
        texts.add(selection.model_copy(update={"cluster_s": 0.0}).model_dump_json())
    assert len(texts) == 1


def test_the_empty_video_selects_nothing(select: Select) -> None:
    selection = select(Video(0))
    assert selection.duration_s == 0
    assert (selection.people, selection.scenes, selection.representative) == ([], [], [])


def test_a_video_without_faces_has_frames_and_scenes(select: Select) -> None:
    selection = select(Video(30))
    assert selection.people == []
    assert len(selection.representative) == 10
    assert selection.scenes_are_even
    assert len(selection.scenes) == 3
    assert selection.scenes[-1].end_s == selection.duration_s


def test_one_frame_is_one_scene_and_one_representative(select: Select) -> None:
    (face,) = faces_of(1, 1)
    selection = select(Video(0.04, [Appearance(face, 0, 1)], staged_every_s=0.04))
    assert len(selection.representative) == 1
    assert [(s.start_s, s.end_s) for s in selection.scenes] == [(0.0, 0.04)]
    assert [(b.sightings, b.reason) for b in selection.unclear] == [(1, "brief")]


def test_two_people_always_together_are_two_however_alike(select: Select) -> None:
    (a,) = faces_of(2, 1)
    video = Video(20, [Appearance(a, 0, 20), Appearance(near(a, 0.1, 1), 0, 20, left=700)])
    selection = select(video, 7.0)
    assert len(selection.people) == 2
    assert selection.suggested_merges == []


def test_a_second_long_shot_shows_a_person_and_a_glimpse_does_not(select: Select) -> None:
    a, b, c = faces_of(3, 3)
    video = Video(20, [Appearance(a, 0, 9), Appearance(b, 9, 10), Appearance(c, 12, 12.04)], cuts=[9.0, 10.0])
    selection = select(video)
    assert [person.screen_time_s for person in selection.people] == [9.0, 1.0]
    assert [(b.sightings, b.tracks[0].best_s) for b in selection.unclear] == [(1, 12.0)]


def test_presence_is_a_setting(select: Select) -> None:
    assert len(select(two_people(), settings={"min_presence_s": 21.0}).people) == 1
    assert len(select(two_people(), settings={"min_sightings": 1000}).people) == 0


def test_no_more_people_than_the_limit_those_longest_on_screen(select: Select) -> None:
    everyone = select(two_people()).people
    (only,) = select(two_people(), settings={"limits": {"max_people": 1}}).people
    assert only.screen_time_s == max(person.screen_time_s for person in everyone)


def test_a_face_of_which_no_frame_was_staged_is_unclear_without_one(select: Select) -> None:
    (a,) = faces_of(4, 1)
    selection = select(Video(20, [Appearance(a, 0, 20, staged=False)]))
    assert selection.people == []
    assert [appearance.face for appearance in selection.unclear] == [None]


def test_a_profile_joins_its_person(select: Select) -> None:
    a, b = faces_of(5, 2)
    video = Video(
        30,
        [Appearance(a, 0, 10), Appearance(near(a, 0.5, 1), 10, 20, turned=True), Appearance(b, 20, 30)],
        cuts=[10.0, 20.0],
    )
    assert [len(person.tracks) for person in select(video).people] == [2, 1]


def test_a_split_person_is_suggested_as_a_merge(select: Select) -> None:
    (a,) = faces_of(6, 1)
    video = Video(20, [Appearance(a, 0, 10), Appearance(near(a, 0.63, 1), 10, 20)], cuts=[10.0])
    selection = select(video)
    assert len(selection.people) == 2
    assert [merge.people for merge in selection.suggested_merges] == [(0, 1)]
    assert 0.6 < selection.suggested_merges[0].distance < 0.65


def test_confidence_is_high_for_close_tracks_and_lower_for_distant_ones(select: Select) -> None:
    a, b = faces_of(7, 2)
    close = Video(20, [Appearance(a, 0, 10), Appearance(a, 10, 20)], cuts=[10.0])
    far = Video(20, [Appearance(b, 0, 10), Appearance(near(b, 0.45, 1), 10, 20)], cuts=[10.0])
    (sure,), (unsure,) = select(close).people, select(far).people
    assert 0.9 < sure.confidence <= 1
    assert 0.5 < unsure.confidence < 0.7


def test_a_cut_on_the_chunk_border_is_found_and_ends_the_track(select: Select) -> None:
    (a,) = faces_of(8, 1)
    video = Video(20, [Appearance(a, 0, 10), Appearance(a, 10, 20)], cuts=[10.0])
    selection = select(video, 10.0, settings={"min_scenes": 1})
    assert [scene.start_s for scene in selection.scenes] == [0.0, 10.0]
    assert [len(person.tracks) for person in selection.people] == [2]


def test_a_border_without_a_cut_leaves_one_track(select: Select) -> None:
    (a,) = faces_of(9, 1)
    selection = select(Video(20, [Appearance(a, 0, 20)]), 10.0, settings={"min_scenes": 1})
    assert len(selection.scenes) == 1
    assert [len(person.tracks) for person in selection.people] == [1]


def test_a_face_lost_for_a_moment_is_one_presence(select: Select) -> None:
    (a,) = faces_of(10, 1)
    selection = select(Video(20, [Appearance(a, 0, 9.5), Appearance(a, 9.9, 20)]))
    assert [(track.start_s, track.end_s) for track in selection.people[0].tracks] == [(0.0, 20.0)]
    assert selection.people[0].screen_time_s == 20.0


def test_missing_chunks_are_named(staging: DirectoryStaging) -> None:
    two_people().write(staging, 6.0)
    staging.path(chunk_document_key(RUN, 1)).unlink()
    staging.path(detections_key(RUN, 3)).unlink()
    with pytest.raises(IncompleteRun, match=r"2 of 5 chunks are missing \(1, 3\)"):
        handler.run(ClusterRequest(run_id=RUN), staging)
    assert not staging.exists(selection_key(RUN))


def test_a_run_without_a_plan_is_incomplete(staging: DirectoryStaging) -> None:
    with pytest.raises(IncompleteRun, match="plan"):
        handler.run(ClusterRequest(run_id=RUN), staging)


def gallery_of(face: np.ndarray, sha256: str = "f" * 64) -> bytes:
    return Gallery(["Ada"], np.array([face], np.float32), np.zeros(1, np.int32), sha256).to_bytes()


def test_the_gallery_names_people_and_leaves_the_others_unknown(staging: DirectoryStaging, select: Select) -> None:
    staging.put("gallery.npz", gallery_of(faces_of(0, 2)[1]))
    selection = select(two_people(), gallery_key="gallery.npz")
    assert [person.name for person in selection.people] == [None, "Ada"]
    assert selection.people[1].name_similarity == pytest.approx(1.0, abs=0.05)


def test_a_name_on_two_people_suggests_their_merge(staging: DirectoryStaging, select: Select) -> None:
    (a,) = faces_of(6, 1)
    staging.put("gallery.npz", gallery_of(near(a, 0.2, 9)))
    video = Video(20, [Appearance(a, 0, 10), Appearance(near(a, 0.7, 1), 10, 20)], cuts=[10.0])
    selection = select(video, gallery_key="gallery.npz", settings={"name_similarity": 0.1})
    assert [person.name for person in selection.people] == ["Ada", "Ada"]
    assert [merge.people for merge in selection.suggested_merges] == [(0, 1)]


def test_an_unusable_gallery_is_refused(staging: DirectoryStaging, select: Select) -> None:
    with pytest.raises(InvalidGallery, match=r"gallery\.npz"):
        select(two_people(), gallery_key="gallery.npz")
    staging.put("gallery.npz", b"text")
    with pytest.raises(InvalidGallery):
        select(two_people(), gallery_key="gallery.npz")
    staging.put("gallery.npz", gallery_of(faces_of(0, 2)[1], "0" * 64))
    with pytest.raises(GalleryPackMismatch):
        select(two_people(), gallery_key="gallery.npz")
