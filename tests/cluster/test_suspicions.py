"""What the whole of a video makes likely and nobody said of it: stereo film, pictures that lie on their side."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lambdas.cluster.footage import Footage, read_footage
from lambdas.cluster.selection import select
from lambdas.cluster.suspicions import suspicions
from lambdas.contracts import Plan, chunk_document_key
from lambdas.contracts.detections import ChunkDocument
from lambdas.staging import DirectoryStaging, get_document, put_document
from tests.cluster.factory import RUN, Appearance, Video, faces_of


def film(staging: DirectoryStaging, *, twin: float | None = 740.0) -> tuple[Plan, Footage]:
    """Somebody on the left, and again half a frame and a hundred pixels further if there is a twin."""
    a, b = faces_of(0, 2)
    people = [Appearance(a, 0, 20, left=100)] + ([Appearance(a, 0, 20, left=twin)] if twin is not None else [])
    plan = Video(30, [*people, Appearance(b, 22, 30, left=300)], cuts=[10.0, 20.0]).write(staging)
    return plan, read_footage(plan, staging)


def halves_alike(footage: Footage, axis: int) -> Footage:
    """The same with the second half of every picture a copy of the first, but for noise."""
    changed = []
    for columns in footage.detections:
        first, _ = np.split(columns.scene_layout.astype(int), 2, axis=axis)
        noise = np.random.default_rng(3).integers(-12, 13, first.shape)
        layout = np.concatenate([first, np.clip(first + noise, 0, 255)], axis=axis).astype(np.uint8)
        changed.append(dataclasses.replace(columns, scene_layout=layout))
    return dataclasses.replace(footage, detections=changed)


def test_equal_halves_in_which_everybody_is_met_twice_may_be_stereo_film(staging: DirectoryStaging) -> None:
    _, footage = film(staging)
    (note,) = suspicions(halves_alike(footage, 2))
    assert note.startswith("The left and the right half of the picture show almost the same")


@pytest.mark.parametrize("twin", [None, 500.0])
def test_equal_halves_without_anybody_twice_are_no_stereo_film(twin: float | None, staging: DirectoryStaging) -> None:
    _, footage = film(staging, twin=twin)
    assert suspicions(halves_alike(footage, 2)) == []


def test_two_people_side_by_side_before_a_usual_picture_are_two(staging: DirectoryStaging) -> None:
    _, footage = film(staging)
    assert suspicions(footage) == []


@pytest.mark.parametrize(
    ("turned", "said"), [((6, 0, 0), "90"), ((0, 6, 0), "180"), ((1, 0, 5), "270"), ((1, 1, 0), "")]
)
def test_faces_that_are_found_in_turned_pictures_alone_are_said(
    turned: tuple[int, int, int], said: str, staging: DirectoryStaging
) -> None:
    plan = Video(20, [], cuts=[10.0]).write(staging)
    document = get_document(staging, chunk_document_key(RUN, 0), ChunkDocument)
    put_document(staging, chunk_document_key(RUN, 0), document.model_copy(
        update={"turned_looks": 4, "turned_faces": turned}))  # fmt: skip
    notes = suspicions(read_footage(plan, staging))
    assert [note for note in notes if "lies on its side" in note or "upside down" in note] == notes
    assert len(notes) == bool(said)
    assert all(f"by {said} degrees" in note for note in notes)


@pytest.mark.parametrize(("turn", "said"), [(0, 0), (1, 270), (2, 180), (3, 90)])
def test_faces_that_lie_are_said(turn: int, said: int, staging: DirectoryStaging) -> None:
    """`turn` quarters counter-clockwise from upright."""
    _, footage = film(staging, twin=None)
    points = np.array([[-30, -20], [30, -20], [0, 0], [-20, 30], [20, 30]], np.float32)
    for _ in range(turn):
        # Counter-clockwise in a picture: what is on the right comes to be on top.
        points = np.stack([points[:, 1], -points[:, 0]], axis=1)
    lying = [
        dataclasses.replace(columns, landmarks=np.repeat(points[None] + 300, len(columns.pts), axis=0))
        for columns in footage.detections
    ]
    notes = suspicions(dataclasses.replace(footage, detections=lying))
    assert len(notes) == bool(turn)
    assert all(f"by {said} degrees counter-clockwise" in note for note in notes)


def test_what_is_suspected_is_handed_on(staging: DirectoryStaging) -> None:
    plan = Video(20, [], cuts=[10.0]).write(staging)
    assert select(plan, read_footage(plan, staging), None).notes == []
    document = get_document(staging, chunk_document_key(RUN, 0), ChunkDocument)
    put_document(staging, chunk_document_key(RUN, 0), document.model_copy(
        update={"turned_looks": 4, "turned_faces": (6, 0, 0)}))  # fmt: skip
    footage = read_footage(plan, staging)
    assert select(plan, footage, None).notes == suspicions(footage) != []
