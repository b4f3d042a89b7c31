"""A chunk GOP by GOP: what is left is skipped and not decoded, everything else comes exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambdas.contracts import OPEN_END, Chunk
from lambdas.detect.decode.chunk_reader import ChunkReader, Gop, _Pass
from lambdas.detect.decode.frame import Frame
from tests.clips import make_clip
from tests.detect.test_chunk_reader import facts, whole

Shown = list[tuple[int, bytes]]
REACH_S = 10


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 frames in six GOPs."""
    return make_clip("mp4_moov_first", tmp_path_factory.mktemp("gops"))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Times of the packets that a pass gives to its decoder."""
    sent: list[int] = []
    original = _Pass._decoded

    def noting(self: _Pass, packet: Any, time: int | None) -> Iterator[Frame]:
        if packet is not None and time is not None:
            sent.append(time)
        return original(self, packet, time)

    monkeypatch.setattr(_Pass, "_decoded", noting)
    return sent


def shown(frames: Iterator[Frame]) -> Shown:
    return [(frame.pts, frame.bgr(40, 24).tobytes()) for frame in frames]


def all_of(reader: ChunkReader) -> list[Shown]:
    """Every frame, GOP by GOP."""
    return [shown(gop.frames()) for gop in reader.gops(every=True)]


def next_key_of(gop: Gop, reader: ChunkReader) -> Frame | None:
    """The next GOP's keyframe, by what the packets tell of it."""
    ahead = gop.lookahead(gop.first.pts, round(REACH_S / reader.source.time_base))
    return None if ahead is None or ahead.next_key_pts is None else gop.next_keyframe(ahead.next_key_pts)


@pytest.mark.parametrize("kind", ["mp4_moov_first", "ts", "mkv", "webm_vp9", "avi_with_b_frames", "h264_open_gop"])
def test_every_frame_comes_exactly_once_and_every_gop_begins_with_a_keyframe(kind: str, tmp_path: Path) -> None:
    with whole(make_clip(kind, tmp_path)) as reader:
        gops = [[gop.first, *list(gop.frames())[1:]] for gop in reader.gops(every=True)]
        times = [frame.pts for frames in gops for frame in frames]
        assert times == sorted(set(times))
        assert len(times) == reader.frame_count == 150
        assert [[frame.keyframe for frame in frames].count(True) for frames in gops] == [1] * 6
        assert all(frames[0].keyframe for frames in gops)


def test_leaving_the_inner_loop_skips_the_rest_which_is_not_decoded(clip: Path, decoded: list[int]) -> None:
    with whole(clip) as reader:
        everything = all_of(reader)
        counted = (reader.frame_count, reader.first_pts, reader.last_pts, reader.end_pts)
        assert len(decoded) == 150
        decoded.clear()
        firsts = []
        for gop in reader.gops(every=True):
            firsts += shown(iter([next(gop.frames())]))
            assert gop.is_skipped
        assert firsts == [frames[0] for frames in everything]
        # A keyframe and what the decoder wants before it gives it.
        assert len(decoded) <= 6 * 5
        assert (reader.frame_count, reader.first_pts, reader.last_pts, reader.end_pts) == counted


def test_a_gop_nobody_begins_is_skipped_as_well(clip: Path) -> None:
    with whole(clip) as reader:
        everything = all_of(reader)
        firsts = [gop.first.pts for gop in reader.gops(every=True)]
        assert firsts == [frames[0][0] for frames in everything]
        assert reader.frame_count == 150


@pytest.mark.parametrize("left_after", [1, 7, 20])
def test_gops_read_after_skipped_ones_are_the_same_bit_by_bit(left_after: int, clip: Path) -> None:
    with whole(clip) as reader:
        everything = all_of(reader)
        for number, gop in enumerate(reader.gops(every=True)):
            frames = gop.frames()
            if number % 2:
                assert shown(frames) == everything[number]
            else:
                assert shown(next(frames) for _ in range(left_after)) == everything[number][:left_after]


@pytest.mark.parametrize("kind", ["h264_open_gop", "hevc_open_gop"])
def test_frames_shown_before_a_keyframe_that_refer_to_skipped_ones_are_not_given(kind: str, tmp_path: Path) -> None:
    with whole(make_clip(kind, tmp_path)) as reader:
        everything = dict(frame for frames in all_of(reader) for frame in frames)
        met: Shown = []
        for number, gop in enumerate(reader.gops(every=True)):
            for frame in gop.frames():
                met += shown(iter([frame]))
                if number == 1:
                    break
        times = [pts for pts, _ in met]
        assert times == sorted(set(times))
        assert all(everything[pts] == picture for pts, picture in met)
        assert reader.frame_count == len(everything)


def test_a_peeked_keyframe_begins_the_next_gop(clip: Path, decoded: list[int]) -> None:
    with whole(clip) as reader:
        everything = all_of(reader)
        decoded.clear()
        peeked: list[Frame] = []
        for number, gop in enumerate(reader.gops(every=True)):
            if peeked:
                assert gop.first is peeked[-1]
            if number == 4:
                assert shown(gop.frames()) == everything[4]
                break
            frame = next_key_of(gop, reader)
            assert frame is not None
            assert (frame.pts, frame.bgr(40, 24).tobytes()) == everything[number + 1][0]
            assert gop.known_next is frame
            peeked.append(frame)
        # Of the first four GOPs hardly anything was decoded by the pass itself.
        assert sum(time < everything[4][0][0] for time in decoded) < 10


def test_a_keyframe_peeked_at_disturbs_nothing_where_the_gop_is_read_all_the_same(clip: Path) -> None:
    with whole(clip) as reader:
        everything = all_of(reader)
        again = []
        for gop in reader.gops(every=True):
            frames = gop.frames()
            first = next(frames)
            next_key_of(gop, reader)
            again.append([*shown(iter([first])), *shown(frames)])
        assert again == everything
        assert reader.frame_count == 150


@pytest.mark.parametrize("pattern", ["skip, read", "read, skip", "skip, skip, read"])
def test_skipping_by_peeking_leaves_every_other_frame_as_it_is(pattern: str, clip: Path) -> None:
    steps = pattern.split(", ")
    with whole(clip) as reader:
        everything = all_of(reader)
        counted = (reader.frame_count, reader.first_pts, reader.last_pts, reader.end_pts)
        for number, gop in enumerate(reader.gops(every=True)):
            if steps[number % len(steps)] == "read":
                assert shown(gop.frames()) == everything[number]
            else:
                frames = gop.frames()
                assert shown(next(frames) for _ in range(3)) == everything[number][:3]
                next_key_of(gop, reader)
        assert (reader.frame_count, reader.first_pts, reader.last_pts, reader.end_pts) == counted


def test_a_keyframe_that_is_none_can_not_be_peeked_at(clip: Path) -> None:
    with whole(clip) as reader:
        times = [pts for frames in all_of(reader) for pts, _ in frames]
        gop = next(reader.gops())
        assert gop.next_keyframe(times[30]) is None
        # Asked once.
        assert gop.next_keyframe(times[25]) is None


def test_what_is_skipped_at_a_chunk_s_end_is_counted_and_the_next_chunk_s_keyframe_is_not_given(clip: Path) -> None:
    with whole(clip) as reader:
        times = [pts for frames in all_of(reader) for pts, _ in frames]
    chunk = Chunk(index=1, start_pts=times[50], end_pts=times[110], decode_from_pts=times[50])
    with ChunkReader(str(clip), clip.name, facts(clip), chunk) as reader:
        firsts = []
        for gop in reader.gops():
            firsts.append(gop.first.pts)
            next_key_of(gop, reader)
        assert firsts == [times[50], times[75], times[100]]
        assert (reader.frame_count, reader.first_pts, reader.last_pts) == (60, times[50], times[109])


def test_a_chunk_without_frames_has_no_gop(clip: Path) -> None:
    chunk = Chunk(index=1, start_pts=10**9, end_pts=10**9 + 5, decode_from_pts=10**9)
    with ChunkReader(str(clip), clip.name, facts(clip), chunk) as reader:
        assert list(reader.gops()) == []
        assert (reader.frame_count, reader.first_pts, reader.last_pts) == (0, None, None)


def test_a_keyframe_larger_than_is_allowed_is_not_peeked_at(clip: Path) -> None:
    source = facts(clip)
    every = Chunk(index=0, start_pts=-OPEN_END, end_pts=OPEN_END, decode_from_pts=-OPEN_END)
    # Coded pictures are padded to whole macroblocks.
    for most, refused in ((4 * source.width * source.height, False), (source.width * source.height - 1, True)):
        with ChunkReader(str(clip), clip.name, source, every, most_pixels=most) as reader:
            ahead = None
            for _ in reader.packets.packets_from(source.start_pts):
                ahead = reader.packets.lookahead(source.start_pts, round(REACH_S / source.time_base))
                break
            assert ahead is not None and ahead.next_key_pts is not None
            assert (reader.packets.keyframe(ahead.next_key_pts) is None) is refused
