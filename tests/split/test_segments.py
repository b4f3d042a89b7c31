"""Which ffmpeg copies segments, and what happens where there is none."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import av
import pytest

from lambdas.contracts import OPEN_END, Chunk
from lambdas.errors import FfmpegMissing, ProcessDied, UnreadableVideo
from lambdas.split import handler
from lambdas.split.segments import copy_chunk, ffmpeg_program, holds_packets, with_segments_held
from talent_frames import packs
from talent_frames.packs import resolve_pack
from talent_frames.run import RunOptions, run_video
from tests.clips import ffmpeg, make_clip, picture


def test_a_chunk_whose_segment_got_nothing_looks_into_the_nearest_one(tmp_path: Path) -> None:
    chunks = [
        Chunk(index=number, start_pts=number, end_pts=number + 1, decode_from_pts=number, segment_key=f"{number}.mkv")
        for number in range(4)
    ]
    held = with_segments_held(chunks, {1, 2}, "a.ts")
    assert [chunk.segment_key for chunk in held] == ["1.mkv", "1.mkv", "2.mkv", "2.mkv"]
    assert [chunk.start_pts for chunk in held] == [0, 1, 2, 3]
    with pytest.raises(UnreadableVideo, match=r"^a\.ts: could not be copied, nothing came of it$"):
        with_segments_held(chunks, set(), "a.ts")


def test_a_copy_without_packets_holds_nothing(tmp_path: Path) -> None:
    assert holds_packets(make_clip("mkv", tmp_path))
    (tmp_path / "empty.mkv").write_bytes(b"")
    assert not holds_packets(tmp_path / "empty.mkv")
    with av.open(str(tmp_path / "header.mkv"), "w") as container:
        container.add_stream("mpeg4", rate=25, width=64, height=64)
        container.start_encoding()
    assert not holds_packets(tmp_path / "header.mkv")


def test_the_packages_program_comes_first_then_the_systems(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import imageio_ffmpeg

    assert ffmpeg_program() == imageio_ffmpeg.get_ffmpeg_exe()
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/bin/{name}")
    assert ffmpeg_program() == "/opt/bin/ffmpeg"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(FfmpegMissing, match=r"has to be copied .* pip install imageio-ffmpeg"):
        ffmpeg_program()


def test_a_program_that_does_not_start_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import imageio_ffmpeg

    def fails() -> str:
        raise RuntimeError("too many open files")

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", fails)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ProcessDied, match="too many open files"):
        ffmpeg_program()


def test_a_video_that_has_to_be_copied_fetches_an_ffmpeg_once_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def fetched(progress: object) -> None:
        asked.append("fetched")

    def program() -> str:
        if not asked:
            raise FfmpegMissing("no ffmpeg here")
        return ffmpeg_program()

    monkeypatch.setattr(packs, "get_ffmpeg", fetched)
    monkeypatch.setattr(handler, "ffmpeg_program", program)
    clip = make_clip("mkv_without_cues", tmp_path)
    manifest = run_video(clip, out=tmp_path / "run", pack_dir=resolve_pack("open"), options=RunOptions(workers=1))
    assert asked == ["fetched"]
    assert manifest.source.frame_count > 0


def test_a_video_that_needs_no_copy_needs_no_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def program() -> str:
        raise FfmpegMissing("no ffmpeg here")

    monkeypatch.setattr(handler, "ffmpeg_program", program)
    clip = make_clip("mp4_moov_first", tmp_path)
    assert (
        run_video(
            clip, out=tmp_path / "run", pack_dir=resolve_pack("open"), options=RunOptions(workers=1)
        ).source.frame_count
        > 0
    )


def test_a_packet_astray_does_not_end_a_segment(tmp_path: Path) -> None:
    clip, strayed = tmp_path / "clip.mkv", tmp_path / "strayed.mkv"
    ffmpeg(*picture(), *["-c:v", "mpeg2video", "-g", "25", "-bf", "2", "-pix_fmt", "yuv420p"], str(clip))
    with av.open(str(clip)) as source, av.open(str(strayed), "w") as copy:
        stream = source.streams.video[0]
        out = copy.add_stream_from_template(stream)
        for number, packet in enumerate(source.demux(stream)):
            if packet.pts is None:
                continue
            if number == 1:
                # In the file where it was, in time at the end.
                packet.pts = 5990
            packet.stream = out
            copy.mux_one(packet)
    with av.open(str(strayed)) as source:
        times = [packet.pts for packet in source.demux(video=0) if packet.pts is not None]
        time_base = source.streams.video[0].time_base
    assert time_base is not None and max(times) >= 5950
    chunk = Chunk(index=0, start_pts=-OPEN_END, end_pts=2000, decode_from_pts=-OPEN_END)
    copied = []
    for known in ((), times):
        segment = tmp_path / "segment.mkv"
        copy_chunk(strayed, "strayed.mkv", chunk, time_base, segment, times=known)
        with av.open(str(segment)) as container:
            copied.append(sum(packet.pts is not None and packet.pts < 2000 for packet in container.demux(video=0)))
    assert copied[1] == sum(time < 2000 for time in times) > copied[0]
