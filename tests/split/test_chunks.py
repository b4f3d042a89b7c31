"""The chunks of real clips, decoded: together they are the whole video, once."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from lambdas.contracts import (
    OPEN_END,
    Chunk,
    Distances,
    PackFacts,
    Plan,
    Settings,
    SplitRequest,
    chunks_key,
    plan_key,
)
from lambdas.detect.decode.chunk_reader import ChunkReader
from lambdas.split.handler import run
from lambdas.staging import DirectoryStaging, get_document
from tests.clips import ALL_KINDS, ffmpeg, make_clip, picture
from tests.split.range_server import serving

PACK = PackFacts(
    name="none",
    licence="none",
    commercial_use=True,
    detector="none",
    embedder="none",
    embedding_size=1,
    sha256="0" * 64,
    distances=Distances(same=0.5, strict=0.4, attach=0.5, suggest=0.6, name=0.5),
)
SEGMENTED = {
    "mkv_without_cues",
    "mkv_without_cues_late",
    "fragmented_without_index",
    "hevc_open_gop_without_cues",
    "long_gop_without_cues",
}


AVI_WITH_B_FRAMES = {"avi_with_b_frames", "avi_with_open_gops"}
"""Their chunks decode from a GOP earlier: packets tell when they are decoded, and some are shown before a keyframe."""


def split(
    uri: str, folder: Path, staging: DirectoryStaging | None = None, **settings: object
) -> tuple[Plan, DirectoryStaging]:
    """The plan of a video, and where it is staged: in `folder` unless said otherwise."""
    staging = staging or DirectoryStaging(folder / "staging")
    chosen = Settings.model_validate({"chunk_s": 2.0, **settings})
    response = run(SplitRequest(uri=uri, settings=chosen, pack=PACK), staging)
    return get_document(staging, plan_key(response.run_id), Plan), staging


def checksum(picture: VideoFrame) -> int:
    crc = 0
    for plane in picture.planes:
        row = plane.width * (2 if picture.format.components[0].bits > 8 else 1)
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        crc = zlib.crc32(lines[:, :row].tobytes(), crc)
    return crc


def all_frames(clip: Path, stream: int) -> list[tuple[int | None, int]]:
    with av.open(str(clip)) as container:
        frames = container.decode(container.streams[stream])
        return [(frame.pts, checksum(frame)) for frame in frames if isinstance(frame, av.VideoFrame)]


def frames_of(plan: Plan, chunk: Chunk, staging: DirectoryStaging, uri: str) -> list[tuple[int, int]]:
    location = staging.location(chunk.segment_key) if chunk.segment_key else uri
    with ChunkReader(location, "clip", plan.source, chunk) as reader:
        frames = [(frame.pts, checksum(frame._decoded)) for frame in reader.frames(every=True)]
        # A packet cut in half is counted, and gives no frame.
        assert reader.frame_count is not None
        assert reader.frame_count - len(frames) in ((0, 1) if plan.source.uri.endswith("cut.mp4") else (0,))
        return frames


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_chunks_hold_every_frame_exactly_once(kind: str, tmp_path: Path) -> None:
    clip = make_clip(kind, tmp_path)
    plan, staging = split(str(clip), tmp_path)
    assert plan.source.segmented == (kind in SEGMENTED)
    with av.open(str(clip)) as container:
        stream = next(s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic)
        index, time_base = stream.index, stream.time_base
    expected = all_frames(clip, index)
    assert len(plan.chunks) >= 2

    found = [frames_of(plan, chunk, staging, str(clip)) for chunk in plan.chunks]
    assert all(found), [len(frames) for frames in found]
    together = [frame for frames in found for frame in frames]
    assert [crc for _, crc in together] == [crc for _, crc in expected]
    assert [pts for pts, _ in together] == sorted({pts for pts, _ in together})
    if "avi" not in kind:
        assert time_base is not None
        assert [round(pts * plan.source.time_base, 3) for pts, _ in together] == [
            round(pts * time_base, 3) for pts, _ in expected if pts is not None
        ]
    assert plan.source.start_pts == together[0][0]
    assert abs(plan.source.duration_s - 6) < 0.7
    mid_gop = [chunk for chunk in plan.chunks if chunk.decode_from_pts != chunk.start_pts]
    assert bool(mid_gop) == (plan.mid_gop_decode_s > 0) == ("long_gop" in kind or kind in AVI_WITH_B_FRAMES)
    listed = json.loads(staging.get(chunks_key(plan.run_id)))
    assert [Chunk.model_validate_json(json.dumps(item)) for item in listed] == plan.chunks
    assert plan.chunks[0].start_pts == -OPEN_END
    assert plan.chunks[-1].end_pts == OPEN_END


@pytest.mark.parametrize(
    "kind",
    [
        "mp4_moov_last",
        "ts",
        "mkv",
        "fragmented_with_sidx",
        "fragmented_with_mfra",
        "avi_with_b_frames",
        "mkv_without_cues",
    ],
)
def test_chunks_hold_every_frame_exactly_once_over_http(kind: str, tmp_path: Path) -> None:
    clip = make_clip(kind, tmp_path)
    here, _ = split(str(clip), tmp_path / "file")
    with serving(tmp_path) as server:
        plan, staging = split(server.url(clip.name), tmp_path / "http")
        together = [frame for chunk in plan.chunks for frame in frames_of(plan, chunk, staging, server.url(clip.name))]
    assert plan.run_id == here.run_id
    assert len(plan.chunks) == len(here.chunks)
    assert [crc for _, crc in together] == [crc for _, crc in all_frames(clip, plan.source.video_stream)]


def test_a_video_of_one_frame_is_one_chunk(tmp_path: Path) -> None:
    clip = tmp_path / "one.mp4"
    ffmpeg(*picture(0.04), "-frames:v", "1", "-c:v", "libx264", "-pix_fmt", "yuv420p", str(clip))
    plan, staging = split(str(clip), tmp_path)
    assert [(chunk.start_pts, chunk.end_pts) for chunk in plan.chunks] == [(-OPEN_END, OPEN_END)]
    assert len(plan.chunks[0].representative_windows) == 10
    assert len(frames_of(plan, plan.chunks[0], staging, str(clip))) == 1


def test_a_file_cut_off_is_planned_as_far_as_it_reaches(tmp_path: Path) -> None:
    whole = make_clip("mp4_moov_first", tmp_path)
    data = whole.read_bytes()
    clip = tmp_path / "cut.mp4"
    clip.write_bytes(data[: len(data) * 6 // 10])
    plan, staging = split(str(clip), tmp_path)
    assert 2 < plan.source.duration_s < 4.5
    together = [frame for chunk in plan.chunks for frame in frames_of(plan, chunk, staging, str(clip))]
    expected = all_frames(whole, 0)
    assert together[:60] == expected[:60]
    assert abs(len(together) / 25 - plan.source.duration_s) < 0.2


@pytest.mark.skipif(
    "TALENT_FRAMES_TEST_DATA" not in os.environ,
    reason="real clips: TALENT_FRAMES_TEST_DATA=path/to/data python -m pytest tests/split",
)
@pytest.mark.parametrize(
    ("clip", "size", "rotation"),
    [
        ("portrait_rotated.mp4", (720, 1280), 270),
        ("mp_bbb_0_30.webm", (1280, 720), 0),
        ("intel_walkpause.mp4", (480, 270), 0),
    ],
)
def test_chunks_of_real_clips_hold_every_frame_exactly_once(
    clip: str, size: tuple[int, int], rotation: int, tmp_path: Path
) -> None:
    path = Path(os.environ["TALENT_FRAMES_TEST_DATA"]) / "videos" / clip
    plan, staging = split(str(path), tmp_path, chunk_s=5.0)
    assert ((plan.source.width, plan.source.height), plan.source.rotation) == (size, rotation)
    together = [frame for chunk in plan.chunks for frame in frames_of(plan, chunk, staging, str(path))]
    assert together == all_frames(path, plan.source.video_stream)
