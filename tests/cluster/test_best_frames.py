"""Which staged frames become a person's alternatives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.best_frames import BEYOND_DOUBT, WORTH_SHOWING, Presence, choose_faces
from lambdas.cluster.clarity import clarity_of
from lambdas.cluster.footage import Footage, read_footage
from lambdas.contracts import FACE_FLAGS, QUALITY_PARTS
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


def times(footage: Footage, presence: Presence, *, cuts: Sequence[float] = (), alternatives: int = 3) -> list[float]:
    clarity = clarity_of(footage.detections, footage.scores)
    chosen = choose_faces(footage, clarity, presence, cuts, alternatives)
    return [round(face.frame.t_s) for face in chosen.faces]


def test_alternatives_are_other_moments(staging: DirectoryStaging) -> None:
    footage, presence = one_person(staging)
    assert times(footage, presence) == [3, 1, 5, 7]


def test_alternatives_come_from_another_shot_first(staging: DirectoryStaging) -> None:
    footage, presence = one_person(staging)
    assert times(footage, presence, cuts=[6.0], alternatives=1) == [3, 7]
    assert times(footage, presence, cuts=[6.0], alternatives=2) == [3, 1, 7]


def test_alternatives_much_worse_than_the_best_frame_are_not_shown(staging: DirectoryStaging) -> None:
    footage, presence = one_person(staging)
    numbers, (_, row) = footage.scores[0].numbers, presence.sightings[2]
    numbers[row] = 1.01 * WORTH_SHOWING * numbers.max()
    assert times(footage, presence, alternatives=4) == [3, 1, 7, 9, 5]
    numbers[row] = 0.99 * WORTH_SHOWING * numbers.max()
    assert times(footage, presence, alternatives=4) == [3, 1, 7, 9]


def test_no_alternative_has_a_flaw_that_the_best_frame_has_not(staging: DirectoryStaging) -> None:
    footage, presence = one_person(staging)
    flags, rows = footage.scores[0].flags, [row for _, row in presence.sightings]
    flags[rows[2]] = 1 << FACE_FLAGS.index("blurry")
    assert times(footage, presence) == [3, 1, 7, 9]
    flags[rows[1]] = flags[rows[2]]
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
