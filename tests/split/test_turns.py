"""All eight ways a frame can lie, by what the container's matrix means and not by our table of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.sidedata.sidedata import SideData
from numpy.typing import NDArray

from lambdas.contracts import OPEN_END, Chunk
from lambdas.detect.decode.chunk_reader import ChunkReader
from lambdas.split.probe import probe_video
from tests.clips import X264, ffmpeg

ONE = 65536
MATRICES = [
    (a, b, c, d) for a, b, c, d in np.ndindex(3, 3, 3, 3) for a, b, c, d in [(a - 1, b - 1, c - 1, d - 1)]
    if abs(a * d - b * c) == 1 and abs(a) + abs(b) == 1 and abs(c) + abs(d) == 1
]  # fmt: skip


def quarters(folder: Path, suffix: str) -> Path:
    """A clip whose four quarters are red, green, blue and white."""
    clip = folder / f"quarters.{suffix}"
    colours = [
        part
        for colour in ("red", "green", "blue", "white")
        for part in ("-f", "lavfi", "-i", f"color={colour}:s=80x48:d=0.2:r=25")
    ]
    graph = "[0][1]hstack[u];[2][3]hstack[l];[u][l]vstack"
    ffmpeg(*colours, "-filter_complex", graph, *X264.split(), "-pix_fmt", "yuv420p", str(clip))
    return clip


def with_matrix(clip: Path, matrix: tuple[int, int, int, int]) -> None:
    """Writes a, b, c, d into the track's header (tkhd, version 0: 44 bytes before the matrix)."""
    data = bytearray(clip.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    numbers = [matrix[0] * ONE, matrix[1] * ONE, 0, matrix[2] * ONE, matrix[3] * ONE, 0, 0, 0, 2**30]
    data[at : at + 36] = np.array(numbers, ">i4").tobytes()
    clip.write_bytes(data)


def shown(coded: NDArray[np.uint8], matrix: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """What a player shows: pixel (x, y) goes to (ax + cy, bx + dy), moved so that the picture begins at 0, 0."""
    a, b, c, d = matrix
    height, width = coded.shape[:2]
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    to_x, to_y = a * x + c * y, b * x + d * y
    to_x, to_y = to_x - to_x.min(), to_y - to_y.min()
    picture = np.zeros((int(to_y.max()) + 1, int(to_x.max()) + 1, 3), np.uint8)
    picture[to_y, to_x] = coded
    return picture


def upright(clip: Path) -> NDArray[np.uint8]:
    facts = probe_video(str(clip), clip.name, str(clip), "x", clip.stat().st_size).facts
    chunk = Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=-OPEN_END)
    with ChunkReader(str(clip), clip.name, facts, chunk) as reader:
        frame = next(iter(reader.frames(every=True))).bgr()
    assert frame.shape[:2] == (facts.height, facts.width)
    return frame


def coded(clip: Path) -> NDArray[np.uint8]:
    with av.open(str(clip)) as container:
        return np.asarray(next(container.decode(video=0)).to_ndarray(format="bgr24"), np.uint8)


def alike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    """Whether the middles of their quarters have the same colours."""
    if one.shape != other.shape:
        return False
    height, width = one.shape[:2]
    places = [(height * row // 4, width * column // 4) for row in (1, 3) for column in (1, 3)]
    return all(np.abs(one[place].astype(int) - other[place].astype(int)).max() < 40 for place in places)


def test_there_are_eight() -> None:
    assert len(MATRICES) == 8


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("matrix", MATRICES, ids=str)
def test_a_frame_is_shown_as_players_show_it(suffix: str, matrix: tuple[int, int, int, int], tmp_path: Path) -> None:
    clip = quarters(tmp_path, suffix)
    expected = shown(coded(clip), matrix)
    with_matrix(clip, matrix)
    assert alike(upright(clip), expected)


@pytest.mark.parametrize("matrix", MATRICES, ids=str)
def test_matroska_keeps_what_it_can_say_of_the_turn(matrix: tuple[int, int, int, int], tmp_path: Path) -> None:
    clip = quarters(tmp_path, "mp4")
    with_matrix(clip, matrix)
    remuxed = tmp_path / "remuxed.mkv"
    ffmpeg("-i", str(clip), "-c", "copy", str(remuxed))
    with av.open(str(remuxed)) as container:
        every = cast("Iterable[SideData]", next(container.decode(video=0)).side_data)
        said = [bytes(data) for data in every if "DISPLAYMATRIX" in str(data.type)]
    numbers = np.frombuffer(said[0], "=i4")[[0, 1, 3, 4]] if said else np.array([1, 0, 0, 1])
    a, b, c, d = (int(number) for number in np.sign(np.where(np.abs(numbers) > 1000, numbers, 0)))
    carried = (a, b, c, d)
    if not said:
        carried = (1, 0, 0, 1)
    assert carried == matrix or matrix not in ROTATIONS
    assert alike(upright(remuxed), shown(coded(clip), carried))


ROTATIONS = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0)]
"""Matroska's projection (RFC 9559, 5.1.4.1.28.41) has a roll; mirrors it hardly has."""


def test_a_turn_survives_a_copy_into_segments(tmp_path: Path) -> None:
    from tests.split.test_chunks import split

    clip = quarters(tmp_path, "mp4")
    matrix = (0, 1, 1, 0)
    expected = shown(coded(clip), matrix)
    fragmented = tmp_path / "fragmented.mp4"
    ffmpeg("-i", str(clip), "-c", "copy", "-movflags", "+frag_keyframe+empty_moov+skip_trailer", str(fragmented))
    with_matrix(fragmented, matrix)
    plan, staging = split(str(fragmented), tmp_path)
    (chunk,) = plan.chunks
    assert chunk.segment_key is not None
    with ChunkReader(staging.location(chunk.segment_key), "clip", plan.source, chunk) as reader:
        assert alike(next(iter(reader.frames(every=True))).bgr(), expected)
