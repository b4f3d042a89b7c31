"""Decoded frames are large: what is no longer needed goes at once, not when Python next looks for cycles."""

from __future__ import annotations

import gc
from pathlib import Path

from lambdas.detect.decode.chunk_reader import ChunkReader
from tests.clips import make_clip
from tests.detect.factory import chunk_of
from tests.detect.test_chunk_reader import facts


def resident_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def test_no_frame_waits_for_the_collector(tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_first", tmp_path)
    gc.collect()
    gc.disable()
    try:
        with ChunkReader(str(clip), clip.name, facts(clip), chunk_of()) as reader:
            # The first pass takes what decoder and scaler need.
            sizes = [frame.bgr().nbytes for frame in reader.frames(every=True)]
            before = resident_mib()
            for _ in range(4):
                assert len([frame.pts for frame in reader.frames(every=True)]) == len(sizes)
            grown = resident_mib() - before
    finally:
        gc.enable()
    # Decoded frames take half of what they take in BGR.
    assert grown < sum(sizes) / 2**20
