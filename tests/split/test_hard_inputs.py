"""Odd files, made here: what can be read of them is, what can't is said."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from lambdas.contracts import OPEN_END, Chunk, Limits, Plan, Settings
from lambdas.detect.decode.chunk_reader import ChunkReader
from lambdas.errors import NoVideoStream, SourceChanged, TooLarge, UnreadableVideo
from lambdas.publish.notes import losses
from lambdas.split.handler import run
from lambdas.split.plan import choose_borders, make_chunks
from lambdas.split.probe import probe_video
from lambdas.staging import DirectoryStaging
from lambdas.video import Most, open_video
from tests.clips import SOUND, X264, ffmpeg, make_clip, picture
from tests.split.test_chunks import all_frames, frames_of, split


def all_of(plan: Plan, staging: DirectoryStaging, clip: Path) -> list[int]:
    return [pts for chunk in plan.chunks for pts, _ in frames_of(plan, chunk, staging, str(clip))]


def steps_s(plan: Plan, times: list[int]) -> set[float]:
    return {round(float((later - one) * plan.source.time_base), 3) for one, later in pairwise(times)}


@pytest.mark.parametrize("kind", ["ts", "ts_hevc", "mpeg_ps"])
def test_two_streams_joined_are_as_long_as_both(kind: str, tmp_path: Path) -> None:
    clip = make_clip(kind, tmp_path)
    clip.write_bytes(clip.read_bytes() * 2)
    plan, staging = split(str(clip), tmp_path)
    times = all_of(plan, staging, clip)
    assert len(times) == 300
    assert steps_s(plan, times) == {0.04}
    assert plan.source.duration_s == pytest.approx(12, abs=0.1)
    assert len(plan.chunks) > 3
    assert any("time stamps jump" in note for note in plan.notes)


def test_a_broadcast_that_counts_beyond_33_bits_goes_on(tmp_path: Path) -> None:
    clip = tmp_path / "wrapped.ts"
    ffmpeg(*picture(), *X264.split(), "-pix_fmt", "yuv420p", "-output_ts_offset", str(2**33 / 90_000 - 3), str(clip))
    plan, staging = split(str(clip), tmp_path)
    times = all_of(plan, staging, clip)
    assert (len(times), steps_s(plan, times)) == (150, {0.04})
    assert plan.source.duration_s == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize("kind", ["mp4_moov_first", "mkv", "avi", "fragmented_with_sidx", "flv"])
def test_a_file_cut_off_says_so(kind: str, tmp_path: Path) -> None:
    clip = make_clip(kind, tmp_path)
    whole, _ = split(str(clip), tmp_path / "whole")
    assert [*whole.notes, *losses(whole.source, whole.source.duration_s, 150)] == []
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) * 6 // 10])
    plan, _ = split(str(clip), tmp_path)
    met, frames, end_s = 0, 0, 0.0
    for chunk in plan.chunks:
        with ChunkReader(str(clip), clip.name, plan.source, chunk) as reader:
            met += len(list(reader.frames(every=True)))
            frames += reader.frame_count or 0
            end_s = max(end_s, plan.source.seconds(reader.end_pts or 0))
    # A packet cut in half is counted, and gives no frame.
    assert frames - 1 <= met <= frames
    notes = [*plan.notes, *losses(plan.source, end_s, frames)]
    assert 2 < end_s < 5
    assert any("cut off" in note or f"ends early: {end_s:.1f} of 6." in note for note in notes), notes


def test_streams_without_a_container_are_read_frame_by_frame(tmp_path: Path) -> None:
    for suffix, codec in (("h264", X264), ("hevc", "-c:v libx265 -preset ultrafast -x265-params log-level=none"),
                          ("m4v", "-c:v mpeg4 -bf 2 -g 25"), ("m2v", "-c:v mpeg2video -bf 2 -g 25")):  # fmt: skip
        clip = tmp_path / f"raw.{suffix}"
        ffmpeg(*picture(2), *codec.split(), "-pix_fmt", "yuv420p", str(clip))
        renamed = clip.rename(tmp_path / f"{suffix}.mp4")
        plan, staging = split(str(renamed), tmp_path / suffix)
        times = all_of(plan, staging, renamed)
        assert (len(times), steps_s(plan, times)) == (50, {0.04}), suffix


@pytest.mark.parametrize(("suffix", "arguments"), [("gif", ""), ("apng", "-f apng -plays 0")])
def test_moving_pictures_are_videos_and_still_ones_are_not(suffix: str, arguments: str, tmp_path: Path) -> None:
    clip = tmp_path / f"moving.{suffix}"
    ffmpeg(*picture(2), *arguments.split(), str(clip))
    plan, staging = split(str(clip), tmp_path)
    assert len(all_of(plan, staging, clip)) == 50
    still = tmp_path / f"still.{suffix}"
    ffmpeg(*picture(0.04), "-frames:v", "1", *arguments.split(), str(still))
    with pytest.raises(NoVideoStream, match="still picture"):
        split(str(still), tmp_path)


def test_a_time_lapse_of_a_frame_in_five_minutes_is_planned_at_once(tmp_path: Path) -> None:
    clip = tmp_path / "lapse.avi"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x96:rate=1/300:duration=6000", "-c:v", "mpeg4", str(clip))
    plan, staging = split(str(clip), tmp_path)
    assert plan.source.duration_s == pytest.approx(6000)
    assert len(all_of(plan, staging, clip)) == 20
    assert len(plan.chunks) <= 20


def test_metadata_in_another_encoding_does_not_matter(tmp_path: Path) -> None:
    clip = tmp_path / "title.avi"
    ffmpeg(*picture(1), "-c:v", "mpeg4", "-metadata", "title=xxUxxxx", str(clip))
    clip.write_bytes(clip.read_bytes().replace(b"xxUxxxx", "Grüße,".encode("latin-1") + b"!"))
    plan, staging = split(str(clip), tmp_path)
    assert len(all_of(plan, staging, clip)) == 25


def test_a_codec_that_nobody_knows_is_named(tmp_path: Path) -> None:
    clip = make_clip("mov", tmp_path)
    clip.write_bytes(clip.read_bytes().replace(b"avc1", b"zzz1"))
    with pytest.raises(UnreadableVideo, match=r"^mov\.mov: its video is in a codec that nobody here knows$"):
        split(str(clip), tmp_path)


STILL = ["-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=0.04"]
SMALL = picture(1, "64x48")


@pytest.mark.parametrize(
    ("inputs", "marked", "suffix"),
    [
        ([*picture(1), *SMALL], "0", "mkv"),
        ([*SMALL, *picture(1)], "1", "mkv"),
        # Nothing is marked: the front and back of a dash cam.
        ([*SMALL, *picture(1)], "", "ts"),
        # A phone's film of the moment and the picture taken then, whichever stands first and whatever is marked.
        ([*picture(1), *STILL], "0", "mov"),
        ([*STILL, *picture(1)], "0", "mov"),
    ],
)
def test_of_two_videos_the_marked_or_larger_moving_one_is_looked_at_and_told(
    inputs: list[str], marked: str, suffix: str, tmp_path: Path
) -> None:
    clip = tmp_path / f"two.{suffix}"
    dispositions = ["-disposition:v", "0", *([f"-disposition:v:{marked}", "default"] if marked else [])]
    ffmpeg(*inputs, "-map", "0", "-map", "1", *X264.split(), "-pix_fmt", "yuv420p", *dispositions, str(clip))
    plan, staging = split(str(clip), tmp_path)
    (note,) = plan.notes
    assert note.startswith("The file holds 2 videos. Stream ")
    assert "(160x96)" in note
    assert (plan.source.width, plan.source.height, len(all_of(plan, staging, clip))) == (160, 96, 25)


def test_a_small_video_that_is_marked_as_the_default_is_looked_at(tmp_path: Path) -> None:
    clip = tmp_path / "two.mkv"
    ffmpeg(*picture(1), *SMALL, "-map", "0", "-map", "1", *X264.split(), "-pix_fmt", "yuv420p",
           "-disposition:v:0", "0", "-disposition:v:1", "default", str(clip))  # fmt: skip
    assert split(str(clip), tmp_path)[0].source.width == 64


def test_positions_and_time_codes_beside_the_video_do_not_matter(tmp_path: Path) -> None:
    """As an action camera writes them: a track of positions (gpmd), one of time codes (tmcd)."""
    clip, words = tmp_path / "camera.mp4", tmp_path / "words.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:01,000\nN 52.5 E 13.4\n")
    ffmpeg(*picture(2), "-i", str(words), "-map", "1", "-map", "0", *X264.split(), "-pix_fmt", "yuv420p",
           "-c:s", "mov_text", "-timecode", "01:00:00:00", str(clip))  # fmt: skip
    clip.write_bytes(clip.read_bytes().replace(b"tx3g", b"gpmd").replace(b"sbtl", b"meta"))
    with open_video(str(clip), clip.name) as container:
        assert [stream.type for stream in container.streams] == ["data", "video", "data"]
    plan, staging = split(str(clip), tmp_path)
    assert (len(all_of(plan, staging, clip)), plan.notes) == (50, [])


@pytest.mark.parametrize(("first", "length_s"), [(15, 5.4), (15, 3.0), (0, 3.0), (40, 2.0)])
def test_an_edit_list_shows_its_span_from_its_first_frame_on(first: int, length_s: float, tmp_path: Path) -> None:
    whole = make_clip("mp4_moov_first", tmp_path)
    data = bytearray(whole.read_bytes())
    # Version and flags, count, then length in the movie's thousandths and begin in the track's 12,800ths.
    entry = data.index(b"elst") + 12
    length, begin = struct.unpack_from(">Ii", data, entry)
    assert length == 6000
    struct.pack_into(">Ii", data, entry, round(length_s * 1000), begin + first * 12_800 // 25)
    clip = tmp_path / "edited.mp4"
    clip.write_bytes(data)
    plan, staging = split(str(clip), tmp_path)
    assert plan.source.duration_s == pytest.approx(length_s)
    found = [frame for chunk in plan.chunks for frame in frames_of(plan, chunk, staging, str(clip))]
    assert [plan.source.seconds(pts) for pts, _ in found] == pytest.approx(
        [number / 25 for number in range(round(length_s * 25))]
    )
    assert found[0][1] == all_frames(whole, 0)[first][1]


@pytest.mark.parametrize("suffix", ["mov", "mkv"])
def test_streams_that_are_no_video_do_not_matter(suffix: str, tmp_path: Path) -> None:
    clip, words = tmp_path / f"more.{suffix}", tmp_path / "words.srt"
    words.write_text("1\n00:00:00,000 --> 00:00:01,000\nN 52.5 E 13.4\n")
    more = {
        "mov": ["-c:s", "mov_text", "-timecode", "01:00:00:00"],
        "mkv": ["-c:s", "srt", "-attach", str(words), "-metadata:s:t", "mimetype=text/plain"],
    }[suffix]
    ffmpeg(*picture(2), "-f", "lavfi", "-i", "sine=duration=2", "-i", str(words), "-map", "2", "-map", "1", "-map", "0",
           *X264.split(), "-pix_fmt", "yuv420p", *more, str(clip))  # fmt: skip
    with open_video(str(clip), clip.name) as container:
        assert {stream.type for stream in container.streams} >= {"audio", "subtitle", "video"}
        assert len(container.streams) == 4
    plan, staging = split(str(clip), tmp_path)
    assert len(all_of(plan, staging, clip)) == 50
    assert plan.notes == []


def test_a_picture_that_begins_after_its_sound_is_told(tmp_path: Path) -> None:
    clip = tmp_path / "late.mp4"
    ffmpeg("-itsoffset", "2", *picture(2), *SOUND.replace("duration=6", "duration=4").split(), *X264.split(),
           "-pix_fmt", "yuv420p", str(clip))  # fmt: skip
    plan, _ = split(str(clip), tmp_path)
    assert plan.source.begins_s == pytest.approx(2, abs=0.1)
    assert any("begins 2.0 s after the sound" in note for note in plan.notes)
    early, _ = split(str(make_clip("mp4_moov_last", tmp_path)), tmp_path / "early")
    assert early.notes == []


@pytest.mark.parametrize(
    ("limits", "what"),
    [
        (Limits(max_pixels=10_000), "frames of 160x96, more than the limit of 10,000 pixels"),
        (Limits(max_bytes=1000), "bytes, more than the limit of 1,000"),
        (Limits(max_duration_s=5), "lasts 0 h, more than the limit of 0 h"),
    ],
)
def test_what_is_beyond_a_limit_is_refused_by_the_limits_name(limits: Limits, what: str, tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_first", tmp_path)
    with pytest.raises(TooLarge, match=what) as caught:
        split(str(clip), tmp_path, limits=limits.model_dump())
    assert "(limits.max_" in str(caught.value)
    assert split(str(clip), tmp_path)[0].source.duration_s == pytest.approx(6, abs=0.1)


def test_of_a_file_of_many_streams_no_more_are_opened_than_the_limit(tmp_path: Path) -> None:
    clip = tmp_path / "many.mkv"
    ffmpeg(*picture(0.2), *("-map", "0") * 12, *X264.split(), "-pix_fmt", "yuv420p", str(clip))
    assert split(str(clip), tmp_path)[0].source.packets == 5
    for most in (4, 8):
        with open_video(str(clip), clip.name, most=Most(streams=most)) as container:
            assert len(container.streams) == most


@pytest.mark.parametrize("size", ["2x2", "1x1", "3x5", "16x4096", "4096x16"])
def test_pictures_of_any_size_are_pictures(size: str, tmp_path: Path) -> None:
    clip = tmp_path / "odd.mkv"
    ffmpeg("-f", "lavfi", "-i", f"color=red:s={size}:r=5:d=1", "-c:v", "ffv1", "-pix_fmt", "yuv444p",
           str(clip))  # fmt: skip
    plan, _ = split(str(clip), tmp_path)
    width, height = (int(side) for side in size.split("x"))
    assert (plan.source.width, plan.source.height) == (width, height)
    with ChunkReader(str(clip), clip.name, plan.source, plan.chunks[0]) as reader:
        frames = [frame.bgr() for frame in reader.frames(every=True)]
    assert {frame.shape for frame in frames} == {(height, width, 3)}


@pytest.mark.parametrize("pixels", ["gray", "yuva420p", "yuv444p", "yuv422p10le", "yuv420p12le", "rgb24", "bgra"])
def test_pixels_of_any_kind_show_the_same_picture(pixels: str, tmp_path: Path) -> None:
    codec = {"yuva420p": "ffv1", "rgb24": "png", "bgra": "ffv1"}.get(pixels, "ffv1")
    clip = tmp_path / "pixels.mkv"
    ffmpeg("-f", "lavfi", "-i", "color=0x808080:s=160x96:r=5:d=1", "-c:v", codec, "-pix_fmt", pixels, str(clip))
    plan, _ = split(str(clip), tmp_path)
    with ChunkReader(str(clip), clip.name, plan.source, plan.chunks[0]) as reader:
        frame = next(iter(reader.frames(every=True))).bgr()
    assert np.abs(frame.astype(int) - 128).max() <= 12


def test_frames_that_change_their_size_keep_their_shape(tmp_path: Path) -> None:
    wide, tall, both = tmp_path / "wide.h264", tmp_path / "tall.h264", tmp_path / "both.mp4"
    for path, size in ((wide, "160x96"), (tall, "96x160")):
        ffmpeg("-f", "lavfi", "-i", f"color=white:s={size}:r=25:d=0.4", *X264.split(), "-pix_fmt", "yuv420p", str(path))
    raw = tmp_path / "both.h264"
    raw.write_bytes(wide.read_bytes() + tall.read_bytes())
    plan, staging = split(str(raw), tmp_path)
    (chunk,) = plan.chunks
    with ChunkReader(staging.location(chunk.segment_key or ""), both.name, plan.source, chunk) as reader:
        frames = [frame.bgr() for frame in reader.frames(every=True)]
    assert {frame.shape for frame in frames} == {(96, 160, 3)}
    assert frames[0].min() > 200
    columns = frames[-1].mean(axis=(0, 2)) > 128
    # 96 of 160 lines high, and as wide as that shape asks for: 96 * 96 / 160.
    assert abs(int(columns.sum()) - 58) <= 2
    assert columns[80] and not columns[0] and not columns[-1]


def test_a_file_that_is_replaced_in_mid_run_is_noticed(tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_first", tmp_path)
    plan, _ = split(str(clip), tmp_path)
    data = clip.read_bytes()
    clip.unlink()
    clip.write_bytes(data)
    with (
        pytest.raises(SourceChanged, match="another file by now"),
        ChunkReader(str(clip), clip.name, plan.source, plan.chunks[0]) as reader,
    ):
        next(iter(reader.frames(every=True)))


def test_an_index_of_fragments_that_leaves_some_out_is_not_believed(tmp_path: Path) -> None:
    clip = make_clip("fragmented_with_mfra", tmp_path)
    data = bytearray(clip.read_bytes())
    at = data.index(b"tfra") + 4
    # The offsets of the fragments in the middle all point at the last one.
    count = int.from_bytes(data[at + 12 : at + 16], "big")
    wide = 16 if data[at] else 8
    size = (len(data) - 16 - (at + 16)) // count
    last = data[at + 16 + (count - 1) * size + wide // 2 : at + 16 + (count - 1) * size + wide]
    for number in range(1, count - 1):
        entry = at + 16 + number * size
        data[entry + wide // 2 : entry + wide] = last
    clip.write_bytes(data)
    plan, staging = split(str(clip), tmp_path)
    assert len(all_of(plan, staging, clip)) == 150


@pytest.mark.parametrize("ticks", [1, 2, 7, 100])
def test_a_plan_of_few_ticks_ends(ticks: int) -> None:
    for keyframes in ([], [0], [0, 3, 4], list(range(0, 5000, 7))):
        borders = choose_borders(keyframes, 0, 5000, ticks)
        chunks = make_chunks(borders, 0, 5000, Settings())
        assert chunks[0].start_pts == -OPEN_END and chunks[-1].end_pts == OPEN_END
        assert all(isinstance(chunk, Chunk) for chunk in chunks)
        assert len(chunks) <= 5001


def test_probing_says_what_a_broken_file_is(tmp_path: Path) -> None:
    clip = tmp_path / "broken.mp4"
    clip.write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
    with pytest.raises(UnreadableVideo, match=r"^broken\.mp4: "):
        probe_video(str(clip), clip.name, str(clip), "x", 112)


def test_nothing_is_staged_of_what_is_refused(tmp_path: Path) -> None:
    from lambdas.contracts import SplitRequest
    from tests.split.test_chunks import PACK

    clip = make_clip("mkv_without_cues", tmp_path)
    settings = Settings(limits=Limits(max_pixels=5000))
    with pytest.raises(TooLarge):
        run(SplitRequest(uri=str(clip), settings=settings, pack=PACK), DirectoryStaging(tmp_path / "staging"))
    assert not (tmp_path / "staging").exists()
