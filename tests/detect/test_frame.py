"""Frames as upright pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame

from lambdas.detect.decode.frame import Frame
from tests.clips import X264, ffmpeg, picture
from tests.detect.test_chunk_reader import whole


def test_a_single_frame_has_its_key_and_its_picture_at_every_size(tmp_path: Path) -> None:
    clip = tmp_path / "one.mp4"
    ffmpeg(*picture(0.04), "-frames:v", "1", *X264.split(), "-pix_fmt", "yuv420p", str(clip))
    with whole(clip) as reader:
        (frame,) = reader.frames(every=True)
        assert frame.keyframe
        assert not frame.corrupt
        assert frame.bgr().shape == (96, 160, 3)
        assert frame.bgr().dtype == np.uint8
        assert frame.bgr(80, 48).shape == (48, 80, 3)
        assert np.array_equal(frame.bgr(80, 48), frame.bgr(80, 48))
        assert frame.bgr().flags.c_contiguous


def halves(folder: Path, **options: str) -> Path:
    """A clip whose upper half is red, lower half blue."""
    clip = folder / "halves.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=160x48:d=0.4:r=25", "-f", "lavfi", "-i", "color=blue:s=160x48:d=0.4:r=25",
           "-filter_complex", "vstack", *X264.split(), "-pix_fmt", "yuv420p", str(clip))  # fmt: skip
    return clip


@pytest.mark.parametrize(
    ("rotation", "red"),
    [
        (0, (slice(0, 40), slice(None))),
        (90, (slice(None), slice(0, 40))),
        (180, (slice(56, 96), slice(None))),
        (270, (slice(None), slice(56, 96))),
    ],
)
def test_pictures_are_turned_upright(rotation: int, red: tuple[slice, slice], tmp_path: Path) -> None:
    size = (160, 96) if rotation % 180 == 0 else (96, 160)
    with whole(halves(tmp_path), width=size[0], height=size[1], rotation=rotation) as reader:
        frame = next(reader.frames(every=True))
        full = frame.bgr()
        assert full.shape == (size[1], size[0], 3)
        assert full[red][..., 2].min() > 200
        assert full[red][..., 0].max() < 60
        small = frame.bgr(size[0] // 2, size[1] // 2)
        assert small.shape == (size[1] // 2, size[0] // 2, 3)


def test_wide_pixels_are_stretched(tmp_path: Path) -> None:
    with whole(halves(tmp_path), width=213, sample_aspect_ratio=4 / 3) as reader:
        frame = next(reader.frames(every=True))
        assert frame.bgr().shape == (96, 213, 3)


def test_interlaced_motion_shows_one_moment(tmp_path: Path) -> None:
    clip = tmp_path / "combed.mp4"
    # A white bar that jumps between the fields.
    graph = "overlay=x='mod(n*24,120)',format=yuv420p,tinterlace=interleave_top,setfield=tff"
    ffmpeg("-f", "lavfi", "-i", "color=black:s=160x96:d=2:r=50", "-f", "lavfi", "-i", "color=white:s=16x96:d=2:r=50",
           "-filter_complex", graph, *X264.split(), "-flags", "+ildct+ilme", "-crf", "5", str(clip))  # fmt: skip
    with whole(clip) as reader:
        for frame in reader.frames(every=True):
            luma = frame.bgr()[8:-8].mean(axis=2)
            assert frame._decoded.interlaced_frame
            assert np.abs(np.diff(luma, axis=0)).mean() < 3
            assert 8 < (luma.mean(axis=0) > 128).sum() < 24


def test_high_dynamic_range_video_becomes_a_standard_picture(tmp_path: Path) -> None:
    clip = tmp_path / "hdr.mp4"
    colours = "log-level=none:pools=1:transfer=smpte2084:colorprim=bt2020:colormatrix=bt2020nc"
    ffmpeg("-f", "lavfi", "-i", "color=0x949494:s=160x96:d=0.2:r=25", "-pix_fmt", "yuv420p10le", "-c:v", "libx265",
           "-x265-params", colours, str(clip))  # fmt: skip
    with whole(clip, hdr="pq") as reader:
        shown = next(reader.frames(every=True)).bgr()
        assert shown.shape == (96, 160, 3)
        assert shown.dtype == np.uint8
        assert 205 < shown.mean() < 240


@pytest.mark.skipif(
    "TALENT_FRAMES_TEST_DATA" not in os.environ,
    reason="real clips: TALENT_FRAMES_TEST_DATA=path/to/data python -m pytest tests/detect/test_frame.py",
)
def test_a_portrait_phone_clip_comes_upright() -> None:
    clip = Path(os.environ["TALENT_FRAMES_TEST_DATA"]) / "videos" / "portrait_rotated.mp4"
    with whole(clip, width=720, height=1280, rotation=270) as reader:
        frame = next(reader.frames(every=True))
        expected = np.rot90(frame._decoded.to_ndarray(format="bgr24"), -1)
        assert frame.bgr().shape == (1280, 720, 3)
        assert np.abs(frame.bgr().astype(int) - expected).mean() < 3


def test_mirrored_pictures_are_mirrored_back(tmp_path: Path) -> None:
    clip = tmp_path / "detailed.mp4"
    ffmpeg(*picture(0.4), *X264.split(), "-pix_fmt", "yuv420p", str(clip))
    with (
        whole(clip, width=96, height=160, rotation=90) as plain,
        whole(clip, width=96, height=160, rotation=90, mirrored=True) as mirrored,
    ):
        one, other = (next(reader.frames(every=True)).bgr() for reader in (plain, mirrored))
    # A picture mirrored left to right before it is turned by 90 degrees is mirrored top to bottom after that.
    assert not np.array_equal(one, one[::-1])
    assert np.array_equal(other, one[::-1])


def test_a_picture_of_another_shape_keeps_it_between_black(tmp_path: Path) -> None:
    with whole(halves(tmp_path)) as reader:
        upright = VideoFrame.from_ndarray(np.full((160, 96, 3), 200, np.uint8), format="bgr24")
        shown = Frame(upright, 0, reader.pictures).bgr()
    assert shown.shape == (96, 160, 3)
    bright = shown[48].min(axis=1) > 150
    assert 54 <= bright.sum() <= 60
    assert not bright[:40].any() and not bright[-40:].any()


def test_a_still_picture_flagged_interlaced_keeps_all_its_lines(tmp_path: Path) -> None:
    clip = tmp_path / "still.mp4"
    # Both fields show one moment; of one field alone every other line would be made up.
    ffmpeg(*picture(0.4), *X264.split(), "-pix_fmt", "yuv420p", "-flags", "+ildct+ilme", "-crf", "5", str(clip))
    with whole(clip) as reader:
        frame = next(reader.frames(every=True))
        assert frame._decoded.interlaced_frame
        expected = frame._decoded.to_ndarray(format="bgr24").astype(int)
        assert np.abs(frame.bgr().astype(int) - expected).mean() < 1.5
