"""Reading a chunk: windows, passes, damage; and frames as upright pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from lambdas.detect.frames import ChunkReader, tone_mapped

from lambdas.contracts import OPEN_END, Chunk, SourceFacts
from lambdas.errors import NoVideoStream, SourceMissing
from tests.clips import X264, ffmpeg, make_clip, picture


def facts(clip: Path, **changes: object) -> SourceFacts:
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        first = next(container.decode(stream))
        known: dict[str, object] = {
            "uri": str(clip), "identity": "x", "size_bytes": clip.stat().st_size, "container": container.format.name,
            "codec": stream.codec_context.name, "width": stream.width, "height": stream.height, "rotation": 0,
            "sample_aspect_ratio": 1.0, "interlaced": False, "hdr": "", "fps": 25.0, "duration_s": 6.0,
            "start_pts": first.pts or 0, "time_base_num": stream.time_base.numerator,
            "time_base_den": stream.time_base.denominator, "video_stream": stream.index, "segmented": False,
        }  # fmt: skip
    return SourceFacts.model_validate(known | changes)


@contextmanager
def whole(clip: Path, **changes: object) -> Iterator[ChunkReader]:
    chunk = Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=-OPEN_END)
    with ChunkReader(str(clip), clip.name, facts(clip, **changes), chunk) as reader:
        yield reader


def pixels(reader: ChunkReader, start: int | None = None, end: int | None = None) -> list[tuple[int, bytes]]:
    frames = reader.frames(start, end, all_frames=True)
    return [(frame.pts, frame.bgr(40, 24).tobytes()) for frame in frames]


@pytest.mark.parametrize(
    "kind", ["mp4_moov_first", "edit_list", "mkv", "ts", "ts_hevc", "hevc_open_gop", "avi_with_b_frames", "webm_vp9"]
)
def test_windows_read_again_give_the_same_frames(kind: str, tmp_path: Path) -> None:
    with whole(make_clip(kind, tmp_path)) as reader:
        everything = pixels(reader)
        assert reader.frame_count == len(everything)
        times = [pts for pts, _ in everything]
        count = len(times)
        for first, last in [(60, 70), (5, 8), (count - 3, count - 1), (0, 4), (24, 27), (49, 52), (60, 61)]:
            assert pixels(reader, times[first], times[last]) == everything[first:last]
        # Between two frames there is nothing.
        assert pixels(reader, times[60] + 1, times[60] + 1) == []
        assert pixels(reader) == everything


def test_a_window_is_clipped_to_the_chunk(tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_first", tmp_path)
    with whole(clip) as reader:
        times = [pts for pts, _ in pixels(reader)]
    chunk = Chunk(index=1, start_pts=times[50], end_pts=times[100], decode_from_pts=times[50])
    with ChunkReader(str(clip), clip.name, facts(clip), chunk) as reader:
        assert reader.frame_count is None
        assert [pts for pts, _ in pixels(reader, times[40], times[55])] == times[50:55]
        assert reader.frame_count is None
        assert [pts for pts, _ in pixels(reader, times[95], None)] == times[95:100]
        assert pixels(reader, times[10], times[20]) == []
        assert pixels(reader, times[70], times[60]) == []
        assert [pts for pts, _ in pixels(reader)] == times[50:100]
        assert reader.frame_count == 50


def test_a_pass_left_half_way_does_not_disturb_the_next(tmp_path: Path) -> None:
    with whole(make_clip("mp4_moov_first", tmp_path)) as reader:
        everything = pixels(reader)
        for frame in reader.frames(all_frames=True):
            if frame.pts >= everything[30][0]:
                break
        assert pixels(reader) == everything


def test_frames_passed_over_are_only_those_nobody_refers_to(tmp_path: Path) -> None:
    with whole(make_clip("mp4_moov_first", tmp_path)) as reader:
        everything = dict(pixels(reader))
        some = [(frame.pts, frame.bgr(40, 24).tobytes()) for frame in reader.frames(all_frames=False)]
        assert reader.frame_count == len(everything) == 150
        assert 30 < len(some) < 100
        assert all(everything[pts] == seen for pts, seen in some)


def test_all_frames_near_borders_come_only_where_cuts_have_to_be_exact(tmp_path: Path) -> None:
    with whole(make_clip("mp4_moov_first", tmp_path)) as reader:
        times = [pts for pts, _ in pixels(reader)]
        middle = Chunk(index=1, start_pts=times[50], end_pts=times[100], decode_from_pts=times[50], fallback_pts=[])
    given = {}
    for exact in (True, False):
        with ChunkReader(reader.location, reader.name, reader.source, middle) as part:
            met = [(*frame.between, frame) for frame in part.frames(all_frames=False, exact_cuts=exact)]
            given[exact] = {one.pts for frames in met for one in frames}
            assert part.frame_count == 50
    assert given[True] >= {*times[50:54], *times[96:100]}
    assert given[False] < given[True]


@pytest.mark.parametrize("kind", ["avi", "webm_vp9", "mpeg_ps"])
def test_frames_that_stand_close_come_along_with_the_next_one(kind: str, tmp_path: Path) -> None:
    with whole(make_clip(kind, tmp_path)) as reader:
        everything = pixels(reader)
        given, met = 0, []
        for frame in reader.frames(all_frames=False):
            given += 1
            met += [(one.pts, one.bgr(40, 24).tobytes()) for one in (*frame.between, frame)]
            assert all(one.pts < frame.pts for one in frame.between)
    assert met == [one for one in everything if one in met]
    assert len(met) >= 0.3 * len(everything)
    assert given <= 0.65 * len(everything)


@pytest.mark.parametrize("kind", ["mp4_moov_first", "ts", "mkv"])
def test_damaged_bytes_cost_only_the_frames_near_them(kind: str, tmp_path: Path) -> None:
    clip = make_clip(kind, tmp_path)
    known = facts(clip)
    with whole(clip) as reader:
        everything = dict(pixels(reader))
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = np.random.default_rng(3).bytes(600)
    clip.write_bytes(data)
    chunk = Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=-OPEN_END)
    with ChunkReader(str(clip), clip.name, known, chunk) as reader:
        frames = list(reader.frames(all_frames=True))
        times = [frame.pts for frame in frames]
        assert len(times) == len(set(times)) >= 120
        same = sum(everything.get(frame.pts) == frame.bgr(40, 24).tobytes() for frame in frames)
        assert same >= 110


def test_a_single_frame_has_its_key_and_its_picture_at_every_size(tmp_path: Path) -> None:
    clip = tmp_path / "one.mp4"
    ffmpeg(*picture(0.04), "-frames:v", "1", *X264.split(), "-pix_fmt", "yuv420p", str(clip))
    with whole(clip) as reader:
        (frame,) = reader.frames(all_frames=True)
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
        frame = next(reader.frames(all_frames=True))
        full = frame.bgr()
        assert full.shape == (size[1], size[0], 3)
        assert full[red][..., 2].min() > 200
        assert full[red][..., 0].max() < 60
        small = frame.bgr(size[0] // 2, size[1] // 2)
        assert small.shape == (size[1] // 2, size[0] // 2, 3)


def test_wide_pixels_are_stretched(tmp_path: Path) -> None:
    with whole(halves(tmp_path), width=213, sample_aspect_ratio=4 / 3) as reader:
        frame = next(reader.frames(all_frames=True))
        assert frame.bgr().shape == (96, 213, 3)


def test_interlaced_motion_shows_one_moment(tmp_path: Path) -> None:
    clip = tmp_path / "combed.mp4"
    # A white bar that jumps between the fields.
    graph = "overlay=x='mod(n*24,120)',format=yuv420p,tinterlace=interleave_top,setfield=tff"
    ffmpeg("-f", "lavfi", "-i", "color=black:s=160x96:d=2:r=50", "-f", "lavfi", "-i", "color=white:s=16x96:d=2:r=50",
           "-filter_complex", graph, *X264.split(), "-flags", "+ildct+ilme", "-crf", "5", str(clip))  # fmt: skip
    with whole(clip) as reader:
        for frame in reader.frames(all_frames=True):
            luma = frame.bgr()[8:-8].mean(axis=2)
            assert frame._decoded.interlaced_frame
            assert np.abs(np.diff(luma, axis=0)).mean() < 3
            assert 8 < (luma.mean(axis=0) > 128).sum() < 24


@pytest.mark.parametrize(("transfer", "white", "black"), [("pq", 0.58, 0.0), ("hlg", 0.75, 0.0)])
def test_high_dynamic_range_keeps_white_bright_and_order(transfer: str, white: float, black: float) -> None:
    codes = np.round(np.linspace(0, 1, 512) * 65535).astype(np.uint16)
    grey = np.repeat(codes[None, :, None], 3, axis=2)
    shown = tone_mapped(grey, "pq" if transfer == "pq" else "hlg")
    assert shown.shape == (1, 512, 3)
    line = shown[0, :, 1].astype(int)
    assert (np.diff(line) >= 0).all()
    assert (line[0], line[-1]) == (0, 255)
    assert 210 <= line[round(white * 511)] <= 235
    # Grey stays grey.
    assert np.ptp(shown[0].astype(int), axis=1).max() <= 2


def test_high_dynamic_range_video_becomes_a_standard_picture(tmp_path: Path) -> None:
    clip = tmp_path / "hdr.mp4"
    colours = "log-level=none:pools=1:transfer=smpte2084:colorprim=bt2020:colormatrix=bt2020nc"
    ffmpeg("-f", "lavfi", "-i", "color=0x949494:s=160x96:d=0.2:r=25", "-pix_fmt", "yuv420p10le", "-c:v", "libx265",
           "-x265-params", colours, str(clip))  # fmt: skip
    with whole(clip, hdr="pq") as reader:
        shown = next(reader.frames(all_frames=True)).bgr()
        assert shown.shape == (96, 160, 3)
        assert shown.dtype == np.uint8
        assert 205 < shown.mean() < 240


def test_a_missing_file_and_a_wrong_stream_are_named(tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_last", tmp_path)
    known = facts(clip)
    chunk = Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=-OPEN_END)
    with (
        ChunkReader(str(clip), "clip", known.model_copy(update={"video_stream": 1}), chunk) as reader,
        pytest.raises(NoVideoStream, match=r"^clip: stream 1 of 2 is no video$"),
    ):
        next(reader.frames(all_frames=True))
    with (
        ChunkReader(str(tmp_path / "gone"), "gone", known, chunk) as reader,
        pytest.raises(SourceMissing, match=r"^gone: no such file$"),
    ):
        next(reader.frames(all_frames=True))


@pytest.mark.skipif(
    "TALENT_FRAMES_TEST_DATA" not in os.environ,
    reason="real clips: TALENT_FRAMES_TEST_DATA=path/to/data python -m pytest tests/detect/test_frames.py",
)
def test_a_portrait_phone_clip_comes_upright() -> None:
    clip = Path(os.environ["TALENT_FRAMES_TEST_DATA"]) / "videos" / "portrait_rotated.mp4"
    with whole(clip, width=720, height=1280, rotation=270) as reader:
        frame = next(reader.frames(all_frames=True))
        expected = np.rot90(frame._decoded.to_ndarray(format="bgr24"), -1)
        assert frame.bgr().shape == (1280, 720, 3)
        assert np.abs(frame.bgr().astype(int) - expected).mean() < 3
