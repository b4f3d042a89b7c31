"""Why somebody is not listed, and that whoever is listed has a picture one would publish."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from lambdas.cluster import handler
from lambdas.cluster.clarity import clarity_of
from lambdas.cluster.unclear import reason_of
from lambdas.contracts import OPEN_END, QUALITY_PARTS, Chunk, ClusterRequest, Detections, Selection, selection_key
from lambdas.scoring import Measures, score
from lambdas.staging import DirectoryStaging, get_document
from tests.cluster.factory import RUN, Appearance, Video, faces_of


def columns_of(**parts: float) -> Detections:
    """One face of five seconds, good but for these parts."""
    (face,) = faces_of(30, 1)
    chunk = Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=0)
    columns = Video(10, [Appearance(face, 0, 5)]).detect(chunk)[1]
    columns.quality[:] = 0.9
    for part, value in parts.items():
        columns.quality[:, QUALITY_PARTS.index(part)] = value
    return columns


def reason(columns: Detections) -> str:
    scores = [score(Measures.of(columns))]
    return reason_of(columns, scores[0], clarity_of([columns], scores)[0], 0)


@pytest.mark.parametrize(
    ("part", "word"),
    [
        ("exposure", "bright"),
        ("steady", "mixed"),
        ("inside", "cut_off"),
        ("sharpness", "blurry"),
        ("unobstructed", "covered"),
        ("eyes_open", "eyes"),
    ],
)
def test_the_reason_names_what_spoils_the_best_picture(part: str, word: str) -> None:
    spoilt = columns_of(**{part: 0.0, "confidence": 0.05, "size": 0.05})
    assert reason(spoilt) == word


def test_a_face_that_no_second_look_confirms_is_doubtful_but_not_in_the_dark() -> None:
    columns = columns_of(unobstructed=0.0)
    columns.confirmed[:] = False
    assert reason(columns) == "doubtful"
    dark = dataclasses.replace(columns_of(exposure=0.0), brightness=np.full(len(columns.pts), 0.1, np.float32))
    dark.confirmed[:] = False
    assert reason(dark) == "dark"


def test_a_small_face_is_small_whatever_else_it_is() -> None:
    columns = columns_of(sharpness=0.0)
    columns.boxes[:, 2] = columns.boxes[:, 0] + 20
    assert reason(columns) == "small"


def test_clear_faces_met_too_seldom_are_brief_and_a_clear_profile_turned() -> None:
    assert reason(columns_of()) == "brief"
    assert reason(columns_of(frontal=0.1)) == "turned"


def selected(staging: DirectoryStaging, video: Video) -> Selection:
    video.write(staging)
    handler.run(ClusterRequest(run_id=RUN), staging)
    return get_document(staging, selection_key(RUN), Selection)


def test_a_face_that_nobody_confirms_is_listed_as_unclear_with_its_picture_and_times(tmp_path: Path) -> None:
    a, b = faces_of(31, 2)
    video = Video(20, [Appearance(a, 0, 10), Appearance(b, 10, 20, confirmed=False)], cuts=[10.0])
    selection = selected(DirectoryStaging(tmp_path), video)
    assert len(selection.people) == 1
    (unclear,) = selection.unclear
    assert unclear.reason == "doubtful"
    assert unclear.face is not None
    assert [(track.start_s, track.end_s) for track in unclear.tracks] == [(10.0, 20.0)]
    assert unclear.screen_time_s == 10.0


def test_a_persons_best_frame_is_a_clear_one_though_another_scores_higher(tmp_path: Path) -> None:
    (a,) = faces_of(32, 1)
    good = Appearance(a, 0, 10, score=0.6)
    higher = Appearance(a, 10, 20, score=0.8, confirmed=False)
    selection = selected(DirectoryStaging(tmp_path), Video(20, [good, higher], cuts=[10.0]))
    (person,) = selection.people
    assert person.screen_time_s == 20.0
    assert person.best.frame.t_s < 10
    assert all(face.frame.t_s < 10 for face in person.alternatives)


def test_the_longest_on_screen_comes_first(tmp_path: Path) -> None:
    a, b = faces_of(33, 2)
    glimpses = [Appearance(a, 0, 4, confirmed=False), Appearance(b, 4, 14, confirmed=False)]
    selection = selected(DirectoryStaging(tmp_path), Video(20, glimpses, cuts=[4.0, 14.0]))
    assert selection.people == []
    assert [round(one.screen_time_s) for one in selection.unclear] == [10, 4]
