"""Carries out many schedules of faults and counts how they ended.

make faults-local N=200      SEED=7 chooses others, ONLY=12 carries out one of them
make faults-cloud N=200
"""

from __future__ import annotations

import argparse
import collections
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.faults import cloud, local


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("where", choices=("local", "cloud"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, action="append", help="the number of a schedule to carry out alone")
    parser.add_argument("--kind", help="a kind of fault to carry out alone")
    asked = parser.parse_args()
    began = time.monotonic()
    # moto's interpreter tells every failure at length.
    logging.disable(logging.CRITICAL)
    ends: collections.Counter[tuple[str, str]] = collections.Counter()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="talent-frames-faults-") as folder:
        for schedule, first, found in _carried_out(asked, Path(folder)):
            ends[schedule.kind, re.sub(r"[\w.-]+\.(mp4|mkv)", "the video", first)] += 1
            if found:
                wrong += 1
                print(f"{schedule}: {first}\n  " + "\n  ".join(found), flush=True)
    print("\nschedules  fault                       ended")
    for (kind, first), count in sorted(ends.items()):
        print(f"{count:9d}  {kind:26s}  {first[:120]}")
    print(f"{sum(ends.values())} schedules in {time.monotonic() - began:.0f} s, {wrong} ended wrongly")
    sys.exit(bool(wrong))


def _carried_out(
    asked: argparse.Namespace, folder: Path
) -> Iterator[tuple[local.Schedule | cloud.Schedule, str, list[str]]]:
    """Each schedule that was asked for, how it ended, and what is wrong with that."""

    def wanted(schedule: local.Schedule | cloud.Schedule) -> bool:
        return (not asked.only or schedule.number in asked.only) and asked.kind in (None, schedule.kind)

    if asked.where == "local":
        with local.Bench(folder, pack()) as here:
            for schedule in filter(wanted, local.schedules(asked.seed, asked.count, here.run_s)):
                end = here.work_off(schedule)
                yield schedule, end.first, end.wrong
        return
    with cloud.Bench(folder, pack()) as there:
        for ordered in filter(wanted, cloud.schedules(asked.seed, asked.count)):
            met = there.work_off(ordered)
            yield ordered, met.first, met.wrong


def pack() -> Path:
    """The small test pack where it is mounted, else the `open` one."""
    mounted = os.environ.get("TALENT_FRAMES_TEST_MODELS")
    if mounted:
        return Path(mounted) / "insightface/models/test_pack"
    from talent_frames.packs import resolve_pack

    return resolve_pack("open")


if __name__ == "__main__":
    main()
