"""Corrections are sightings: they mean whoever is detected there, in this run and in others of the same video."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lambdas.cluster import handler
from lambdas.contracts import (
    ChooseBest,
    ClusterRequest,
    Correction,
    Corrections,
    Gallery,
    LeaveOut,
    MergePeople,
    NamePerson,
    PersonTrack,
    SelectedPerson,
    Selection,
    Sighting,
    SplitTracks,
    corrections_key,
    selection_key,
)
from lambdas.errors import InvalidCorrections
from lambdas.staging import DirectoryStaging, get_document, put_document
from tests.cluster.factory import BOB, EVE, RUN, Appearance, Video, faces_of, near, pack, three_people

Select = Callable[..., Selection]
MADE = "2026-01-01T00:00:00+00:00"


def video() -> Video:
    return Video(30.0, three_people(), cuts=[10.0, 20.0])


def sighting(track: PersonTrack) -> Sighting:
    assert track.best_pts is not None
    assert track.best_box is not None
    return Sighting(t_s=track.best_s, pts=track.best_pts, box=track.best_box, start_s=track.start_s, end_s=track.end_s)


def seen(person: SelectedPerson) -> list[Sighting]:
    return [sighting(track) for track in person.tracks]


def spans(selection: Selection) -> list[list[int]]:
    """When each person comes on screen, in whole seconds."""
    return [[round(track.start_s) for track in person.tracks] for person in selection.people]


@pytest.fixture
def again(staging: DirectoryStaging) -> Callable[..., Selection]:
    """Runs the stage on what is in staging, with these corrections."""

    def run(*corrections: Correction, identity: str = "0") -> Selection:
        document = Corrections(run_id=RUN, source_identity=identity, corrections=list(corrections))
        put_document(staging, corrections_key(RUN), document)
        handler.run(ClusterRequest(run_id=RUN), staging)
        return get_document(staging, selection_key(RUN), Selection)

    return run


def test_without_corrections_people_are_those_found(select: Select, again: Select) -> None:
    found = select(video())
    assert spans(found) == [[10, 22], [0, 20], [12]]
    empty = again()
    assert (empty.people, empty.corrections, empty.unmatched) == (found.people, 0, [])


def test_people_who_are_merged_are_one_even_where_both_are_in_one_frame(select: Select, again: Select) -> None:
    bob, ada, eve = select(video()).people
    merged = again(MergePeople(made_at=MADE, people=[seen(bob), seen(eve)]))
    assert spans(merged) == [[10, 22], [0, 20]]
    assert (merged.corrections, merged.unmatched) == (1, [])
    assert merged.people[1].tracks == ada.tracks


def test_a_track_that_is_split_off_is_a_person_and_no_merge_is_suggested(select: Select, again: Select) -> None:
    bob = select(video()).people[0]
    first, second = seen(bob)
    split = again(SplitTracks(made_at=MADE, person=[first], tracks=[second]))
    assert [10] in spans(split)
    assert [22] in spans(split)
    parts = {person.id for person in split.people if spans(split)[person.id] in ([10], [22])}
    assert all(set(merge.people) != parts for merge in split.suggested_merges)


def test_corrections_are_applied_in_order(select: Select, again: Select) -> None:
    bob, ada, _ = select(video()).people
    first, second = seen(bob)
    found = again(
        SplitTracks(made_at=MADE, person=[first], tracks=[second]),
        MergePeople(made_at=MADE, people=[seen(ada), [second]]),
        NamePerson(made_at=MADE, person=[*seen(ada), second], name="Ada"),
    )
    assert found.people[0].name == "Ada"
    # Presences that overlap are one.
    assert spans(found)[0] == [0, 20]
    assert found.people[0].tracks[-1].end_s == pytest.approx(28.5, abs=0.6)
    assert found.corrections == 3


def test_a_name_that_is_taken_away_is_none(select: Select, again: Select) -> None:
    bob = select(video()).people[0]
    named = NamePerson(made_at=MADE, person=seen(bob), name="Bob")
    assert again(named).people[0].name == "Bob"
    assert again(named, NamePerson(made_at=MADE, person=seen(bob), name=None)).people[0].name is None


@pytest.mark.parametrize("do", ["drop", "hide"])
def test_who_is_left_out_is_nowhere(select: Select, again: Select, do: str) -> None:
    found = select(video())
    left = again(LeaveOut(made_at=MADE, do="drop" if do == "drop" else "hide", person=seen(found.people[1])))
    assert spans(left) == [[10, 22], [12]]
    assert len(left.unclear) == len(found.unclear)


def test_the_best_frame_is_the_one_chosen_where_it_was_kept(select: Select, again: Select) -> None:
    bob = select(video()).people[0]
    other = bob.alternatives[-1]
    moment = sighting(bob.tracks[0]).model_copy(update={"t_s": other.frame.t_s, "pts": other.frame.pts})
    chosen = again(ChooseBest(made_at=MADE, person=seen(bob), moment=moment)).people[0]
    assert chosen.best == other
    assert bob.best.frame in [face.frame for face in chosen.alternatives]


def test_a_best_frame_that_was_not_kept_is_told_and_changes_nothing(select: Select, again: Select) -> None:
    bob = select(video()).people[0]
    moment = sighting(bob.tracks[0]).model_copy(update={"t_s": 12.34})
    found = again(ChooseBest(made_at=MADE, person=seen(bob), moment=moment))
    assert found.people[0].best == bob.best
    assert found.corrections == 0
    (told,) = found.unmatched
    assert (told.do, told.applied, told.at_s) == ("best", False, [12.34])


def test_somebody_seen_unclearly_who_is_named_is_a_person(select: Select, again: Select) -> None:
    shadow = Appearance(faces_of(9, 1)[0], 3.0, 6.0, left=900, confirmed=False)
    crowd = video()
    crowd.appearances.append(shadow)
    found = select(crowd)
    assert len(found.unclear) == 1
    named = again(NamePerson(made_at=MADE, person=[sighting(found.unclear[0].tracks[0])], name="Eve"))
    assert "Eve" in [person.name for person in named.people]
    assert named.unclear == []


def test_another_run_with_other_chunks_and_settings_knows_them(
    select: Select, again: Select, staging: DirectoryStaging
) -> None:
    bob, ada, eve = select(video()).people
    made = (
        MergePeople(made_at=MADE, people=[seen(bob), seen(ada)]),
        NamePerson(made_at=MADE, person=seen(eve), name="Eve"),
    )
    video().write(staging, 7.0, settings={"thorough": True, "min_sightings": 1})
    found = again(*made)
    assert found.corrections == 2
    assert found.unmatched == []
    assert [person.name for person in found.people] == [None, "Eve"]
    assert len(found.people) == 2


def test_a_correction_takes_its_own_out_of_a_person_it_is_the_lesser_part_of(select: Select, again: Select) -> None:
    # In this run Eve, who looks like Bob, is taken for him; she was named in another.
    alike = video()
    alike.appearances[2] = Appearance(near(BOB, 0.2, 5), 19.0, 19.9, left=700)
    found = select(alike)
    assert len(found.people) == 2
    at = Sighting(t_s=19.4, pts=Video.pts(19.4), box=(700.0, 100.0, 900.0, 300.0), start_s=19.0, end_s=19.9)
    named = again(NamePerson(made_at=MADE, person=[at], name="Eve"))
    assert [person.name for person in named.people] == [None, None, "Eve"]
    assert spans(named)[0] == [10, 22]


def test_what_no_longer_matches_is_listed_and_the_rest_is_applied(select: Select, again: Select) -> None:
    bob, ada, _ = select(video()).people
    gone = sighting(bob.tracks[0]).model_copy(update={"box": (1100.0, 500.0, 1200.0, 600.0)})
    found = again(
        NamePerson(made_at=MADE, person=[gone], name="Nobody"),
        NamePerson(made_at=MADE, person=[gone, *seen(ada)], name="Ada"),
        MergePeople(made_at=MADE, people=[[gone], seen(ada)]),
    )
    assert [(one.number, one.applied) for one in found.unmatched] == [(0, False), (1, True), (2, False)]
    assert all(one.at_s == [round(gone.t_s, 3)] for one in found.unmatched)
    assert [person.name for person in found.people] == [None, "Ada", None]


def test_a_name_given_by_hand_is_not_given_by_the_gallery_to_whom_is_seen_beside(
    select: Select, again: Select, staging: DirectoryStaging
) -> None:
    gallery = Gallery(["Eve"], EVE[None], np.zeros(1, np.int32), pack().sha256)
    staging.put("galleries/g.npz", gallery.to_bytes())
    bob, ada, eve = select(video(), gallery_key="galleries/g.npz").people
    assert [person.name for person in (bob, ada, eve)] == [None, None, "Eve"]
    found = again(NamePerson(made_at=MADE, person=seen(bob), name="Eve"))
    assert [person.name for person in found.people] == ["Eve", None, None]


def test_corrections_of_another_video_are_refused(select: Select, again: Select) -> None:
    bob = select(video()).people[0]
    with pytest.raises(InvalidCorrections, match="another video"):
        again(NamePerson(made_at=MADE, person=seen(bob), name="Bob"), identity="1")


def test_a_video_without_people_takes_any_corrections(select: Select, again: Select) -> None:
    select(Video(5.0))
    at = Sighting(t_s=1.0, pts=Video.pts(1.0), box=(0.0, 0.0, 10.0, 10.0), start_s=0.0, end_s=2.0)
    found = again(NamePerson(made_at=MADE, person=[at], name="Ada"))
    assert (found.people, [one.applied for one in found.unmatched]) == ([], [False])
