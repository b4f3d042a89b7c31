"""A video that must be copied and does not fit is refused by name, before and while it is copied."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from lambdas.contracts import Chunk, Settings, SplitRequest, segment_key
from lambdas.errors import BadInput, NoSpace, ProcessDied, UnreadableVideo
from lambdas.split import segments, space
from lambdas.split.copying import copied_times, copy_reels
from lambdas.split.handler import run
from lambdas.split.probe import probe_video, survey
from lambdas.split.reels import Reel, Room, plan_reels, room_for
from lambdas.split.segments import copy_chunk
from lambdas.split.space import SPARE_BYTES, require_space
from lambdas.staging import DirectoryStaging, S3Staging, s3_client
from tests.clips import KINDS, X264, ffmpeg, make_clip
from tests.split.test_chunks import PACK, frames_of, split

LONG_S = 60
CHUNK_S = 5.0
DISK_BYTES = 4 * 2**20


def free(monkeypatch: pytest.MonkeyPatch, space: int) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=space))


@pytest.mark.parametrize(
    ("space", "fits", "in_a_bucket"),
    [
        (3 * 2**30 + SPARE_BYTES, True, True),
        (3 * 2**30 + SPARE_BYTES - 1, False, True),
        (43 * 2**30 + SPARE_BYTES, True, False),
        (43 * 2**30 + SPARE_BYTES - 1, False, False),
    ],
)
def test_a_video_is_copied_only_where_its_reels_fit_and_what_is_kept_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, space: int, fits: bool, in_a_bucket: bool
) -> None:
    free(monkeypatch, space)
    staging = Bucket(tmp_path) if in_a_bucket else DirectoryStaging(tmp_path)
    room = Room(at_once=3 * 2**30, staged=40 * 2**30)
    if fits:
        require_space(tmp_path, staging, room, "a.webm")
        return
    with pytest.raises(NoSpace, match=r"^a\.webm: must be copied .* (3\.1 GiB at once|43\.1 GiB in all), and"):
        require_space(tmp_path, staging, room, "a.webm")


@pytest.mark.parametrize("kind", ["mkv_without_cues", "fragmented_without_index"])
def test_split_says_so_before_it_copies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str) -> None:
    clip = make_clip(kind, tmp_path)
    free(monkeypatch, 1000)
    with pytest.raises(NoSpace):
        split(str(clip), tmp_path)
    assert not list((tmp_path / "staging").rglob("*.mkv"))


def test_a_video_is_not_to_blame_for_an_ffmpeg_that_was_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    monkeypatch.setattr(segments, "ffmpeg_program", lambda: str(program))
    ways = {
        "kill -KILL $$": ProcessDied,
        "kill -XFSZ $$": NoSpace,
        "echo 'x: No space left on device' >&2; exit 1": NoSpace,
        "exit 1": UnreadableVideo,
    }
    for ends, error in ways.items():
        program.write_text(f"#!/bin/sh\n{ends}\n")
        program.chmod(0o755)
        with pytest.raises(error, match=r"^a\.mkv: chunk 0"):
            copy_chunk(tmp_path / "a.mkv", "a.mkv", Chunk(index=0, start_pts=0, end_pts=9, decode_from_pts=0),
                       Fraction(1, 1000), tmp_path / "out.mkv")  # fmt: skip


def test_a_disk_that_fills_up_is_called_nothing_else(small_disk: Path, tmp_path: Path) -> None:
    clip = long_clip("mkv_without_cues", tmp_path)
    limits = Settings().limits
    probe = probe_video(str(clip), "clip", str(clip), "x", clip.stat().st_size, limits)
    probe = survey(str(clip), "clip", probe, limits)
    times = copied_times(str(clip), "clip", probe)
    with pytest.raises(NoSpace, match="no space left"):
        list(copy_reels(str(clip), "clip", probe, times, [Reel(0, len(times), ())], small_disk))
    assert not issubclass(NoSpace, BadInput)


@pytest.mark.parametrize("kind", ["mkv_without_cues", "fragmented_without_index"])
def test_a_video_larger_than_the_disk_is_copied_piece_by_piece(
    monkeypatch: pytest.MonkeyPatch, small_disk: Path, tmp_path: Path, kind: str
) -> None:
    clip = long_clip(kind, tmp_path)
    assert clip.stat().st_size > 1.5 * DISK_BYTES
    # What muxers may add is known to be little here.
    monkeypatch.setattr(space, "SPARE_BYTES", 2**14)
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    plan, _ = split(str(clip), tmp_path, Bucket(tmp_path / "staging"), chunk_s=CHUNK_S)
    assert len(plan.chunks) == LONG_S / CHUNK_S
    assert not list(small_disk.iterdir())


def long_clip(kind: str, folder: Path) -> Path:
    """A minute without an index, of pictures that are hard to compress."""
    source, copy = folder / "long.mp4", folder / f"long_{kind}.{KINDS[kind][0]}"
    noise = f"testsrc2=size=160x96:rate=25:duration={LONG_S},noise=alls=30:allf=t:all_seed=7"
    ffmpeg("-f", "lavfi", "-i", noise, *X264.split(), "-pix_fmt", "yuv420p", "-bitexact", str(source))
    muxed = KINDS[kind][1].removeprefix(X264).split()
    ffmpeg("-i", str(source), "-c", "copy", *muxed, str(copy))
    return copy


class Bucket(DirectoryStaging):
    """Staging that takes no room of the disk that is copied to, and sees how much the copies take of it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.peak_bytes = 0

    def free_bytes(self) -> int | None:
        return None

    def put_file(self, key: str, path: Path) -> None:
        self.peak_bytes = max(self.peak_bytes, sum(file.stat().st_size for file in path.parent.iterdir()))
        super().put_file(key, path)


@pytest.mark.parametrize("kind", ["mkv_without_cues", "fragmented_without_index"])
def test_a_long_video_without_an_index_takes_the_room_of_a_few_chunks_and_is_what_it_is_with_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str
) -> None:
    clip = long_clip(kind, tmp_path)
    limit = clip.stat().st_size // 3
    monkeypatch.setattr(space, "SPARE_BYTES", 2**14)
    free(monkeypatch, limit)
    staging = Bucket(tmp_path / "staging")
    plan, _ = split(str(clip), tmp_path, staging, chunk_s=CHUNK_S)
    segments = [staging.path(chunk.segment_key or "").stat().st_size for chunk in plan.chunks]
    assert max(segments) < staging.peak_bytes < 4 * max(segments)
    assert staging.peak_bytes < limit

    # Matroska counts milliseconds, as the copies do.
    indexed = tmp_path / "indexed.mkv"
    ffmpeg("-copyts", "-i", str(clip), "-c", "copy", "-avoid_negative_ts", "disabled", str(indexed))
    ordinary, _ = split(str(indexed), tmp_path / "ordinary", chunk_s=CHUNK_S)
    assert (plan.source.segmented, ordinary.source.segmented) == (True, False)
    assert [chunk.model_copy(update={"segment_key": None}) for chunk in plan.chunks] == ordinary.chunks
    assert (plan.source.start_pts, plan.source.duration_s) == (ordinary.source.start_pts, ordinary.source.duration_s)
    for chunk, same in zip(plan.chunks, ordinary.chunks, strict=True):
        assert frames_of(plan, chunk, staging, str(clip)) == frames_of(ordinary, same, staging, str(indexed))


def test_segments_go_to_a_bucket_as_they_are_cut(aws: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    s3_client().create_bucket(Bucket="staging")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    uploaded: list[list[str]] = []

    class Watched(S3Staging):
        def put_file(self, key: str, path: Path) -> None:
            super().put_file(key, path)
            uploaded.append(sorted(file.name for file in path.parent.glob("0*.mkv")))

    clip = make_clip("mkv_without_cues", tmp_path)
    request = SplitRequest(uri=str(clip), settings=Settings(chunk_s=2.0), pack=PACK)
    bucket, folder = Watched("staging"), DirectoryStaging(tmp_path / "folder")
    planned = run(request, bucket)
    # None of those before is still there.
    assert uploaded == [[f"{chunk:05d}.mkv"] for chunk in range(planned.chunk_count)]
    run(request, folder)
    for chunk in range(planned.chunk_count):
        key = segment_key(planned.run_id, chunk)
        # Matroska gives each file an id of its own.
        assert len(bucket.get(key)) == len(folder.get(key)) > 1000


def test_what_a_copy_takes_is_known_before_it_begins(tmp_path: Path) -> None:
    clip = make_clip("long_gop_without_cues", tmp_path)
    staging = Bucket(tmp_path / "staging")
    plan, _ = split(str(clip), tmp_path, staging)
    limits = Settings().limits
    probe = probe_video(str(clip), "clip", str(clip), "x", clip.stat().st_size, limits)
    probe = survey(str(clip), "clip", probe, limits)
    times = copied_times(str(clip), "clip", probe)
    reels = plan_reels(plan.chunks, times, plan.source.time_base)
    # All chunks of one GOP are cut out of one reel.
    assert [(reel.first, reel.stop, len(reel.chunks)) for reel in reels] == [(0, len(times), len(plan.chunks))]
    room = room_for(reels, times, plan.source.time_base)
    staged = sum(staging.path(chunk.segment_key or "").stat().st_size for chunk in plan.chunks)
    assert room.at_once == 2 * sum(times.sizes)
    assert 0.8 * room.at_once < staging.peak_bytes < room.at_once + 2**14
    assert 0.8 * room.staged < staged < room.staged + 2**14


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    size = f"size={DISK_BYTES}"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "none", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs a small file system of its own: sudo make test")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)
