"""Each face is scored once, against its person's baseline over the whole video."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.cluster.footage import Footage, read_footage
from lambdas.cluster.scores import score_people
from lambdas.cluster.who_is_who import who_is_who
from lambdas.contracts import QUALITY_PARTS, Detections, Plan, detections_key
from lambdas.scoring import named_flags
from lambdas.staging import DirectoryStaging
from tests.cluster.factory import RUN, Appearance, Video, faces_of

Faces = dict[tuple[int, int], tuple[float, int]]
"""Score and flags by PTS and left edge of the box."""


def film() -> Video:
    """Nine seconds of two people side by side, one of whom returns in a last shot."""
    a, b = faces_of(40, 2)
    return Video(9, [Appearance(a, 0, 6), Appearance(b, 0, 6, left=600), Appearance(a, 6, 9, left=300)], cuts=[6.0])


def measured(columns: Detections) -> Detections:
    """With eyes, view and confidence that differ from face to face, by time and place alone."""
    rows = [np.random.default_rng([int(pts), int(box[0])]) for pts, box in zip(columns.pts, columns.boxes, strict=True)]
    eyes = np.array([rng.uniform(0.1, 0.4, 2) for rng in rows], np.float32).reshape(-1, 2)
    return dataclasses.replace(
        columns,
        quality=np.full((len(rows), len(QUALITY_PARTS)), 0.9, np.float32),
        openings=eyes,
        in_view=np.array([rng.uniform(20, 60) for rng in rows], np.float32),
        confidence=np.array([rng.uniform(0.6, 0.95) for rng in rows], np.float32),
    )


def written(staging: DirectoryStaging, chunk_s: float) -> tuple[Plan, Footage]:
    plan = film().write(staging, chunk_s=chunk_s)
    for chunk in plan.chunks:
        key = detections_key(RUN, chunk.index)
        staging.put(key, measured(Detections.from_bytes(staging.get(key))).to_bytes())
    return plan, read_footage(plan, staging)


def scored(plan: Plan, footage: Footage) -> Faces:
    footage = score_people(footage, *who_is_who(plan, footage, [6.0]))
    return {
        (int(pts), int(box[0])): (round(one.number, 5), one.flags)
        for columns, scores in zip(footage.detections, footage.scores, strict=True)
        for pts, box, one in zip(columns.pts, columns.boxes, scores, strict=True)
    }


def regrouped(footage: Footage, tracks: NDArray[np.int32]) -> Footage:
    """With other track numbers."""
    (columns,) = footage.detections
    return dataclasses.replace(footage, detections=[dataclasses.replace(columns, tracks=tracks)])


@pytest.fixture
def whole(staging: DirectoryStaging) -> tuple[Plan, Footage, Faces]:
    plan, footage = written(staging, 60)
    return plan, footage, scored(plan, footage)


def test_the_baseline_comes_from_all_of_a_person_s_faces(whole: tuple[Plan, Footage, Faces]) -> None:
    _, footage, faces = whole
    (alone,) = footage.scores
    lower = [scores[0] < round(one.number, 5) for scores, one in zip(faces.values(), alone, strict=True)]
    assert sum(lower) > len(lower) / 2
    closed = sum("eyes_closed" in named_flags(flags) for _, flags in faces.values())
    assert closed > sum("eyes_closed" in named_flags(one.flags) for one in alone)


@pytest.mark.parametrize("chunk_s", [2.0, 3.0, 5.0])
def test_where_chunks_begin_makes_no_difference(
    chunk_s: float, whole: tuple[Plan, Footage, Faces], staging: DirectoryStaging
) -> None:
    plan, footage = written(staging, chunk_s)
    assert len(footage.detections) == np.ceil(9 / chunk_s)
    assert scored(plan, footage) == whole[2]


def test_where_tracks_begin_makes_no_difference(whole: tuple[Plan, Footage, Faces]) -> None:
    plan, footage, expected = whole
    (columns,) = footage.detections
    torn = columns.tracks + 3 * (columns.pts % 2000 < 700)
    _, numbers = np.unique(torn, return_inverse=True)
    assert scored(plan, regrouped(footage, numbers.reshape(-1).astype(np.int32))) == expected


def test_other_people_s_faces_make_no_difference(whole: tuple[Plan, Footage, Faces]) -> None:
    plan, footage, expected = whole
    (columns,) = footage.detections
    openings = np.where(columns.boxes[:, :1] == 600, np.float32(0.9), columns.openings)
    changed = dataclasses.replace(footage, detections=[dataclasses.replace(columns, openings=openings)])
    differs = {left for (pts, left), face in scored(plan, changed).items() if face != expected[pts, left]}
    assert differs == {600}


def test_nobody_is_scored_in_a_video_without_faces(staging: DirectoryStaging) -> None:
    plan = Video(3, []).write(staging)
    footage = read_footage(plan, staging)
    assert scored(plan, footage) == {}
