"""How the GPU benchmark compares two sides."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.gpu import likeness
from lambdas.contracts import OPEN_END, Chunk
from tests.cluster.factory import Appearance, Video, faces_of

CHUNK = Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=0)


def test_a_side_is_like_itself() -> None:
    a, b = faces_of(1, 2)
    columns = Video(10, [Appearance(a, 0, 10), Appearance(b, 2, 6, left=600)]).detect(CHUNK)[1]
    alike = likeness([columns], [columns])
    assert alike.found_by_both == 1.0
    assert alike.box_px == 0.0
    assert alike.face_distance == pytest.approx(0.0, abs=1e-5)
    assert alike.within_tolerance


def test_nothing_is_like_nothing() -> None:
    columns = Video(2).detect(CHUNK)[1]
    assert likeness([columns], [columns]).within_tolerance


def test_a_missing_face_moved_boxes_and_other_faces_are_told() -> None:
    a, b = faces_of(2, 2)
    columns = Video(10, [Appearance(a, 0, 10)]).detect(CHUNK)[1]
    fewer = Video(10, [Appearance(a, 0, 5)]).detect(CHUNK)[1]
    assert likeness([columns], [fewer]).found_by_both == pytest.approx(0.5)
    moved = dataclasses.replace(columns, boxes=columns.boxes + np.float32(5))
    assert likeness([columns], [moved]).box_px == pytest.approx(5, abs=0.01)
    other = Video(10, [Appearance(b, 0, 10)]).detect(CHUNK)[1]
    assert not likeness([columns], [other]).within_tolerance
