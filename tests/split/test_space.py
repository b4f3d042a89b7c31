"""A video that must be copied and does not fit is refused by name, before and while it is copied."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from lambdas.contracts import Chunk, Settings
from lambdas.errors import BadInput, NoSpace, ProcessDied, UnreadableVideo
from lambdas.split import segments
from lambdas.split.probe import probe_video, survey
from lambdas.split.segments import copy_chunk, copy_indexed
from lambdas.split.space import SPARE_BYTES, require_space
from tests.clips import make_clip
from tests.split.test_chunks import split


def free(monkeypatch: pytest.MonkeyPatch, space: int) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=space))


@pytest.mark.parametrize(("space", "fits"), [(10 * 2**30 + SPARE_BYTES, True), (10 * 2**30 + SPARE_BYTES - 1, False)])
def test_a_video_is_copied_only_where_it_fits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, space: int, fits: bool
) -> None:
    free(monkeypatch, space)
    if fits:
        require_space(tmp_path, 10 * 2**30, "a.webm")
        return
    with pytest.raises(NoSpace, match=r"a\.webm: has no index, so its 10\.0 GiB"):
        require_space(tmp_path, 10 * 2**30, "a.webm")


def test_split_says_so_before_it_copies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clip = make_clip("mkv_without_cues", tmp_path)
    free(monkeypatch, 1000)
    with pytest.raises(NoSpace):
        split(str(clip), tmp_path)


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


def test_a_disk_that_fills_up_is_called_nothing_else(tmp_path: Path) -> None:
    clip = make_clip("mkv_without_cues", tmp_path)
    full = tmp_path / "full"
    full.mkdir()
    limits = Settings().limits
    probe = probe_video(str(clip), "clip", str(clip), "x", clip.stat().st_size, limits)
    probe = survey(str(clip), "clip", probe, limits)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(full)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs a small file system of its own: sudo make test")
    try:
        with pytest.raises(NoSpace, match="no space left"):
            copy_indexed(str(clip), "clip", probe, full / "copy.mkv")
    finally:
        subprocess.run(["umount", str(full)], check=True)
    assert not issubclass(NoSpace, BadInput)
