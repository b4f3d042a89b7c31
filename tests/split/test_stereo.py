"""Stereo film: one eye's picture is the picture where the file says that there are two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lambdas.detect.decode.chunk_reader import ChunkReader
from tests.clips import X264, ffmpeg
from tests.split.test_chunks import split


def film(folder: Path, name: str, size: str, stacked: str, *arguments: str) -> Path:
    """One eye sees red above green, the other nothing but blue."""
    width, height = (int(side) for side in size.split("x"))
    clip = folder / name
    colours = [
        part
        for colour, high in (("red", height // 2), ("green", height // 2), ("blue", height))
        for part in ("-f", "lavfi", "-i", f"color={colour}:s={width}x{high}:d=0.4:r=25")
    ]
    ffmpeg(*colours, "-filter_complex", f"[0][1]vstack[a];[a][2]{stacked}", *X264.split(), "-pix_fmt", "yuv420p",
           *arguments, str(clip))  # fmt: skip
    return clip


@pytest.mark.parametrize(
    ("mode", "stacked", "size", "shown"),
    [
        ("left_right", "hstack", "320x180", (320, 180)),
        ("left_right", "hstack", "160x180", (320, 180)),
        ("top_bottom", "vstack", "320x180", (320, 180)),
        ("top_bottom", "vstack", "320x90", (320, 180)),
    ],
)
def test_of_two_eyes_pictures_one_is_shown_in_its_shape(
    mode: str, stacked: str, size: str, shown: tuple[int, int], tmp_path: Path
) -> None:
    clip = film(tmp_path, "stereo.mkv", size, stacked, "-metadata:s:v", f"stereo_mode={mode}")
    plan, _ = split(str(clip), tmp_path)
    assert (plan.source.width, plan.source.height) == shown
    assert [note[:33] for note in plan.notes] == [
        "The video is stereo film, " + {"l": "side by", "t": "one abo"}[mode[0]]
    ]
    with ChunkReader(str(clip), clip.name, plan.source, plan.chunks[0]) as reader:
        frames = list(reader.frames(every=True))
        for picture in (frames[0].bgr(), frames[-1].bgr(64, 36)):
            height = len(picture)
            upper, lower = picture[: height // 2 - 3], picture[height // 2 + 3 : -1]
            assert upper[..., 2].min() > 200 and upper[..., 0].max() < 60
            assert lower[..., 1].min() > 100 and lower[..., 0].max() < 60


def test_the_coded_stream_may_say_it_alone(tmp_path: Path) -> None:
    clip = film(tmp_path, "packed.mp4", "160x180", "hstack", "-x264-params", "scenecut=0:threads=1:frame-packing=3")
    plan, _ = split(str(clip), tmp_path)
    assert (plan.source.stereo, plan.source.width, plan.source.height) == ("side_by_side", 320, 180)


def test_pictures_mixed_line_by_line_are_said(tmp_path: Path) -> None:
    clip = film(tmp_path, "lines.mp4", "160x90", "hstack", "-x264-params", "scenecut=0:threads=1:frame-packing=2")
    plan, _ = split(str(clip), tmp_path)
    assert plan.source.stereo == ""
    assert any("two pictures are mixed in one frame" in note for note in plan.notes)


def test_a_usual_film_says_nothing_of_it(tmp_path: Path) -> None:
    plan, _ = split(str(film(tmp_path, "usual.mkv", "160x90", "hstack")), tmp_path)
    assert (plan.source.stereo, plan.notes, plan.source.width) == ("", [], 320)
    assert np.isclose(plan.source.sample_aspect_ratio, 1)
