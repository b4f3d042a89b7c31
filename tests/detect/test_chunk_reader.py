"""Reading a chunk: windows, passes, damage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from lambdas.contracts import OPEN_END, Chunk, SourceFacts
from lambdas.detect.decode import packet_buffer
from lambdas.detect.decode.chunk_reader import ChunkReader
from lambdas.detect.decode.packet_buffer import Lookahead
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
    frames = reader.frames(start, end, every=True)
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
        for frame in reader.frames(every=True):
            if frame.pts >= everything[30][0]:
                break
        assert pixels(reader) == everything


def test_frames_passed_over_are_only_those_nobody_refers_to(tmp_path: Path) -> None:
    with whole(make_clip("mp4_moov_first", tmp_path)) as reader:
        everything = dict(pixels(reader))
        some = [(frame.pts, frame.bgr(40, 24).tobytes()) for frame in reader.frames(every=False)]
        assert reader.frame_count == len(everything) == 150
        assert 30 < len(some) < 100
        assert all(everything[pts] == seen for pts, seen in some)


def test_all_frames_near_borders_come_only_where_cuts_have_to_be_exact(tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_first", tmp_path)
    with whole(clip) as reader:
        times = [pts for pts, _ in pixels(reader)]
        middle = Chunk(index=1, start_pts=times[50], end_pts=times[100], decode_from_pts=times[50], fallback_pts=[])
    given = {}
    for exact in (True, False):
        with ChunkReader(str(clip), clip.name, facts(clip), middle) as part:
            given[exact] = {one.pts for gop in part.gops(exact_cuts=exact) for one in gop.frames()}
            assert part.frame_count == 50
    assert given[True] >= {*times[50:54], *times[96:100]}
    assert given[False] < given[True]


def test_all_frames_about_a_cut_that_no_keyframe_tells_of_come_where_cuts_have_to_be_exact(tmp_path: Path) -> None:
    clip, cut = tmp_path / "cut.mp4", 42
    bars = ["-f", "lavfi", "-i", f"smptebars=size=160x96:rate=25:duration={cut / 25}"]
    ffmpeg(*bars, *picture(2), "-filter_complex", "concat=n=2", *X264.split(), "-pix_fmt", "yuv420p", str(clip))
    with whole(clip) as reader:
        times = [pts for pts, _ in pixels(reader)]
    given = {}
    for exact in (True, False):
        with whole(clip) as reader:
            given[exact] = {times.index(one.pts) for gop in reader.gops(exact_cuts=exact) for one in gop.frames()}
    # The first frame of the new picture is one that no other refers to.
    assert cut not in given[False]
    assert given[True] >= {cut - 1, cut, cut + 1}


def test_frames_larger_than_is_allowed_are_not_decoded(tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_first", tmp_path)
    known, chunk = facts(clip), Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=-OPEN_END)
    for most_pixels, count in ((160 * 96, 150), (64 * 64, 0)):
        with ChunkReader(str(clip), clip.name, known, chunk, most_pixels=most_pixels) as reader:
            assert (len(list(reader.frames(every=True))), reader.frame_count) == (count, 150)


def test_packets_that_memory_has_no_room_for_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ahead(reader: ChunkReader) -> Lookahead | None:
        return reader.packets.lookahead(everything[60][0], 10 * reader.source.time_base.denominator)

    clip = make_clip("mp4_moov_first", tmp_path)
    with whole(clip) as reader:
        everything = pixels(reader)
        assert ahead(reader) is not None
    monkeypatch.setattr(packet_buffer, "KEPT_BYTES", clip.stat().st_size // 2)
    with whole(clip) as reader:
        assert pixels(reader) == everything
        # They are gone.
        assert ahead(reader) is None
        assert pixels(reader) == everything


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
        frames = list(reader.frames(every=True))
        times = [frame.pts for frame in frames]
        assert len(times) == len(set(times)) >= 120
        same = sum(everything.get(frame.pts) == frame.bgr(40, 24).tobytes() for frame in frames)
        assert same >= 110


def test_a_missing_file_and_a_wrong_stream_are_named(tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_last", tmp_path)
    known = facts(clip)
    chunk = Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=-OPEN_END)
    with (
        ChunkReader(str(clip), "clip", known.model_copy(update={"video_stream": 1}), chunk) as reader,
        pytest.raises(NoVideoStream, match=r"^clip: stream 1 of 2 is no video$"),
    ):
        next(reader.frames(every=True))
    with (
        ChunkReader(str(tmp_path / "gone"), "gone", known, chunk) as reader,
        pytest.raises(SourceMissing, match=r"^gone: no such file$"),
    ):
        next(reader.frames(every=True))
