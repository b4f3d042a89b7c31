"""Load: many videos at once through the emulated account, or many chunks in one warm worker; says what came of it.

make load                 both, 50 videos and 300 chunks
make load ARGS="chunks"   one of them, VIDEOS=20 or CHUNKS=60 for fewer
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
from pathlib import Path

from tests.small_pack import small_pack

IN_A_ROUND = 12
"""Different chunks of one video."""
MOST_GROWTH = 0.05
"""Of a warm worker's memory, from its second round of chunks to its last."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.load")
    parser.add_argument("what", choices=("chunks", "videos", "all"), nargs="?", default="all")
    parser.add_argument("--videos", type=int, default=50)
    parser.add_argument("--chunks", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    good = True
    with tempfile.TemporaryDirectory(prefix="talent-frames-load-") as folder:
        if asked.what != "videos":
            good &= _chunks(asked.chunks, Path(folder) / "chunks")
        if asked.what != "chunks":
            good &= _videos(asked.videos, asked.seed, Path(folder) / "videos")
    sys.exit(not good)


def _chunks(count: int, folder: Path) -> bool:
    from tests.load import chunks

    found = chunks.work_off(count, IN_A_ROUND, folder, small_pack())
    print(
        f"{found.chunks} chunks in one warm worker: {found.first_mib:.0f} MiB, in the end {found.last_mib:.0f} MiB "
        f"({found.growth:+.1%}; {found.most_mib:.0f} at most), {found.handles[0]} to {found.handles[1]} handles, "
        f"{found.threads[0]} to {found.threads[1]} threads",
        flush=True,
    )
    same = found.handles[0] == found.handles[1] and found.threads[0] == found.threads[1]
    return same and found.growth <= MOST_GROWTH


def _videos(count: int, seed: int, folder: Path) -> bool:
    from tests.load import videos

    found = videos.work_off(count, seed, folder, small_pack())
    ends = ", ".join(f"{number} {name}" for name, number in sorted(found.executions.items()))
    print(
        f"{found.videos} videos at once, each announced twice: {ends}; {found.at_once} executions at once at most, "
        f"{found.seconds:.0f} s; {'; '.join(found.wrong) or 'queue drained, nothing lost, nothing doubled'}",
        flush=True,
    )
    return not found.wrong


if __name__ == "__main__":
    main()
