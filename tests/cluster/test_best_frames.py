"""Which staged frames become a person's alternatives."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.best_frames import BEYOND_DOUBT, Presence, choose_faces
from lambdas.cluster.clarity import clarity_of
from lambdas.cluster.footage import Footage, read_footage
from lambdas.contracts import QUALITY_PARTS
from lambdas.staging import DirectoryStaging
from tests.cluster.factory import Appearance, Video, faces_of


def one_person(staging: DirectoryStaging) -> tuple[Footage, Presence]:
    """Ten seconds of one face, staged every other second from the first on; the best is the second one, at 3 s."""
    plan = Video(10, [Appearance(faces_of(0, 1)[0], 0, 10)], staged_every_s=2.0).write(staging)
    footage = read_footage(plan, staging)
    (scores,) = footage.scores
    scores.parts[:] = 1.0
    scores.numbers[:] = 0.8
    rows = np.flatnonzero(footage.detections[0].staged >= 0)
    scores.numbers[rows[1]] = 0.9
    return footage, Presence(0, [(0, int(row)) for row in rows], len(rows), [], 10.0, 0.0)


def times(footage: Footage, presence: Presence) -> list[float]:
    return [
        round(face.frame.t_s)
        for face in choose_faces(footage, clarity_of(footage.detections, footage.scores), presence, [], 3).faces
    ]


def test_alternatives_are_other_moments(staging: DirectoryStaging) -> None:
    footage, presence = one_person(staging)
    assert times(footage, presence) == [3, 1, 5, 7]


def test_no_alternative_may_have_closed_eyes_or_a_hand_before_the_face(staging: DirectoryStaging) -> None:
    footage, presence = one_person(staging)
    parts = footage.scores[0].parts
    for (_, row), part in zip(presence.sightings[2:], ("eyes_open", "unobstructed", "eyes_open"), strict=False):
        parts[row, QUALITY_PARTS.index(part)] = BEYOND_DOUBT - 0.01
    assert times(footage, presence) == [3, 1]
    # Nobody is asked for wider eyes than the best frame has.
    parts[:, QUALITY_PARTS.index("eyes_open")] = 0.5
    parts[:, QUALITY_PARTS.index("unobstructed")] = 0.5
    assert times(footage, presence) == [3, 1, 5, 7]


def test_a_smile_before_a_still_background_is_another_moment(staging: DirectoryStaging) -> None:
    footage, presence = one_person(staging)
    small: NDArray[np.uint8] = footage.small
    small[:] = 100
    assert times(footage, presence) == [3]
    # The box covers 3 x 5 of the 16 x 16 cells.
    small[2, 4, 2] = 160
    assert times(footage, presence) == [3, 5]
    small[3, 12, 12] = 160
    assert times(footage, presence) == [3, 5]
