from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.publish import images
from tests.publish.drawn_runs import GREEN, astronaut, drawn_frame

LANDSCAPE = (1920, 1080)


def green_box(picture: images.Image) -> images.Box:
    """Where the picture is green."""
    near = np.abs(picture.astype(int) - GREEN).max(axis=2) < 40
    rows, columns = np.nonzero(near)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(1280, 720, (1920, 1080)), (720, 1280, (1080, 1920)), (500, 500, (1920, 1080)), (3840, 1600, (1920, 1080))],
)
def test_the_published_size_follows_the_orientation(width: int, height: int, expected: tuple[int, int]) -> None:
    assert images.published_size(width, height, "1080p") == expected
    assert images.published_size(width, height, "source") is None


def test_source_size_leaves_the_frame_as_it_is() -> None:
    frame = drawn_frame(333, 217)
    placement = images.place(333, 217, None, "pad")
    assert placement.is_identity
    assert images.render(frame, placement) is frame


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [
        (1280, 720, LANDSCAPE),
        (640, 480, LANDSCAPE),
        (3840, 2160, LANDSCAPE),
        (2560, 1080, LANDSCAPE),
        (500, 500, LANDSCAPE),
        (720, 1280, LANDSCAPE),
        (720, 1280, (1080, 1920)),
        (2, 2, LANDSCAPE),
    ],
)
@pytest.mark.parametrize("fit", ["pad", "crop"])
def test_every_frame_comes_out_at_the_published_size(
    width: int, height: int, size: tuple[int, int], fit: Literal["pad", "crop"]
) -> None:
    picture = images.render(drawn_frame(width, height), images.place(width, height, size, fit))
    assert picture.shape == (size[1], size[0], 3)


@pytest.mark.parametrize("fit", ["pad", "crop"])
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (640, 480), (3000, 1000), (720, 1280), (700, 700)])
def test_a_box_lands_on_the_face_in_the_published_picture(width: int, height: int, fit: Literal["pad", "crop"]) -> None:
    left, top, right, bottom = (float(round(edge)) for edge in (0.55 * width, 0.3 * height, 0.68 * width, 0.5 * height))
    box = (left, top, right, bottom)
    placement = images.place(width, height, LANDSCAPE, fit, [box])
    seen = green_box(images.render(drawn_frame(width, height, [box]), placement))
    assert seen == pytest.approx(placement.box(box), abs=2.5)


def test_padding_is_black_centred_and_shows_the_whole_frame() -> None:
    frame = np.full((480, 640, 3), 200, np.uint8)
    placement = images.place(640, 480, LANDSCAPE, "pad")
    picture = images.render(frame, placement)
    assert placement.target == (240, 0, 1680, 1080)
    assert picture[:, :240].max() == 0
    assert picture[:, 1680:].max() == 0
    assert picture[:, 240:1680].min() == 200


@pytest.mark.parametrize(("width", "height"), [(854, 480), (1920, 1088), (852, 480)])
def test_a_nearly_fitting_frame_gets_no_hairline_bars(width: int, height: int) -> None:
    assert images.place(width, height, LANDSCAPE, "pad").target == (0, 0, 1920, 1080)


def test_a_crop_keeps_all_faces_inside_if_they_fit() -> None:
    faces = [(20.0, 1000.0, 120.0, 1100.0), (500.0, 1120.0, 600.0, 1240.0)]
    placement = images.place(720, 1280, LANDSCAPE, "crop", faces)
    left, top, right, bottom = placement.window
    assert (left, right) == (0, 720)
    assert all(top <= face[1] and face[3] <= bottom for face in faces)


def test_a_crop_keeps_the_main_face_if_not_all_fit() -> None:
    main, other = (300.0, 1100.0, 420.0, 1250.0), (300.0, 10.0, 400.0, 110.0)
    placement = images.place(720, 1280, LANDSCAPE, "crop", [main, other])
    assert placement.window[1] <= main[1]
    assert main[3] <= placement.window[3]
    assert placement.window[1] > other[3]


def test_a_crop_without_faces_keeps_the_middle() -> None:
    assert images.place(2000, 500, (1080, 1920), "crop").window == (859, 0, 1140, 500)


def test_a_face_larger_than_the_crop_is_centred() -> None:
    face = (0.0, 200.0, 720.0, 1000.0)
    top, bottom = images.place(720, 1280, LANDSCAPE, "crop", [face]).window[1::2]
    assert (top + bottom) / 2 == pytest.approx(600, abs=1)


@given(
    width=st.integers(2, 4000),
    height=st.integers(2, 4000),
    landscape=st.booleans(),
    face=st.tuples(*[st.floats(-0.2, 1.2)] * 4),
)
def test_a_crop_window_lies_in_the_frame_and_holds_a_face_that_fits(
    width: int, height: int, landscape: bool, face: tuple[float, float, float, float]
) -> None:
    x, y = sorted((face[0] * width, face[2] * width)), sorted((face[1] * height, face[3] * height))
    box = (x[0], y[0], x[1], y[1])
    size = LANDSCAPE if landscape else (1080, 1920)
    left, top, right, bottom = images.place(width, height, size, "crop", [box]).window
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    seen = [min(max(edge, 0), limit) for edge, limit in zip(box, (width, height) * 2, strict=True)]
    if seen[2] - seen[0] <= right - left - 1 and seen[3] - seen[1] <= bottom - top - 1:
        # A window starts at a whole pixel.
        assert left - 0.5 <= seen[0] <= seen[2] <= right + 0.5
        assert top - 0.5 <= seen[1] <= seen[3] <= bottom + 0.5


def test_a_box_is_clipped_to_the_picture_inside_the_bars() -> None:
    placement = images.place(640, 480, LANDSCAPE, "pad")
    assert placement.box((-50, -20, 320, 500)) == (240, 0, 960, 1080)


@pytest.mark.parametrize(
    "box",
    [
        (300.0, 200.0, 380.0, 300.0),
        (0.0, 0.0, 80.0, 100.0),
        (560.0, 380.0, 640.0, 480.0),
        (-40.0, 100.0, 40.0, 200.0),
        (600.0, 430.0, 700.0, 560.0),
    ],
)
def test_a_thumbnail_shows_the_whole_face_unsquashed_at_any_border(box: tuple[float, float, float, float]) -> None:
    picture = images.thumbnail(drawn_frame(640, 480, [box]), box)
    left, top, right, bottom = green_box(picture)
    seen = (min(box[2], 640) - max(box[0], 0)) / (min(box[3], 480) - max(box[1], 0))
    assert picture.shape == (256, 256, 3)
    assert (right - left) / (bottom - top) == pytest.approx(seen, rel=0.05)


def test_a_thumbnail_of_a_face_that_fills_the_frame_continues_the_border() -> None:
    frame = np.full((100, 300, 3), 77, np.uint8)
    picture = images.thumbnail(frame, (10.0, 0.0, 210.0, 100.0))
    assert picture.shape == (256, 256, 3)
    assert np.abs(picture.astype(int) - 77).max() <= 1


def test_a_thumbnail_of_a_face_outside_the_frame_is_still_a_picture() -> None:
    assert images.thumbnail(drawn_frame(64, 48), (-90.0, -90.0, -10.0, -10.0)).shape == (256, 256, 3)


def test_the_astronauts_thumbnail_is_her_face() -> None:
    frame, box = astronaut(1280, 720)
    picture = images.thumbnail(frame, box)
    expected = cv2.resize(frame[round(box[1]) : round(box[3]), round(box[0]) : round(box[2])], (96, 124))
    match = cv2.matchTemplate(cv2.resize(picture, None, fx=210 / 256, fy=210 / 256), expected, cv2.TM_CCOEFF_NORMED)
    assert match.max() > 0.5


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\xff\xd8\xff"])
def test_bytes_that_are_no_picture_decode_to_none(data: bytes) -> None:
    assert images.decode(data) is None
