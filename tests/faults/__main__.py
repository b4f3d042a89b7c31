"""Carries out many schedules of faults and counts how they ended; stopped, it goes on where it was.

make faults-local N=200      SEED=7 chooses others, ARGS="--only 12" carries out one of them
make faults-cloud N=200
"""

from __future__ import annotations

import argparse
import logging
import re
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults import ledger
from tests.faults.processor_time import spent_s
from tests.small_pack import small_pack

if TYPE_CHECKING:
    from tests.faults import cloud, local


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("where", choices=("local", "cloud"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, action="append", help="the number of a schedule to carry out alone")
    parser.add_argument("--kind", help="a kind of fault to carry out alone")
    parser.add_argument("--again", action="store_true", help="those that ended wrongly too")
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no schedule after so many")
    parser.add_argument("--kept", type=Path, help="file of the results (out/faults-WHERE-SEED.jsonl)")
    asked = parser.parse_args()
    kept: Path = asked.kept or ledger.ROOT / f"out/faults-{asked.where}-{asked.seed}.jsonl"
    known = {number: line for number, line in ledger.read(kept).items() if number < asked.count}

    def wanted(schedule: local.Schedule | cloud.Schedule) -> bool:
        """Whether it is to be carried out now."""
        if asked.only:
            return schedule.number in asked.only
        before = known.get(schedule.number)
        return asked.kind in (None, schedule.kind) and (before is None or (asked.again and bool(before.wrong)))

    # Processes of ours go with this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    give_up = time.monotonic() + asked.minutes * 60
    if asked.only or asked.again or len(known) < asked.count:
        # moto's interpreter tells every failure at length.
        logging.disable(logging.CRITICAL)
        commit = ledger.commit()
        with tempfile.TemporaryDirectory(prefix="talent-frames-faults-") as folder:
            for schedule, first, wrong, seconds, cpu_s in _carried_out(asked, Path(folder), wanted):
                line = ledger.Line(
                    schedule.number, schedule.kind, re.sub(r"[\w.-]+\.(mp4|mkv)", "the video", first), wrong,
                    round(cpu_s, 2), round(seconds, 1), datetime.now(UTC).isoformat(timespec="seconds"), commit,
                )  # fmt: skip
                ledger.add(kept, line)
                known[line.number] = line
                if wrong:
                    print(f"{schedule}: {first}\n  " + "\n  ".join(wrong), flush=True)
                if time.monotonic() > give_up:
                    break
    print("\n".join(["", *ledger.table(known.values())]))
    sys.exit(any(line.wrong for line in known.values()))


def _carried_out(
    asked: argparse.Namespace, folder: Path, wanted: Callable[[local.Schedule | cloud.Schedule], bool]
) -> Iterator[tuple[local.Schedule | cloud.Schedule, str, list[str], float, float]]:
    """Each schedule that is wanted, how it ended, what is wrong with that, and what it took by clock and processor."""
    if asked.where == "local":
        from tests.faults import local

        with local.Bench(folder, small_pack()) as here:
            for schedule in filter(wanted, local.schedules(asked.seed, asked.count, here.run_s)):
                begun, cpu_s = time.monotonic(), spent_s()
                end = here.work_off(schedule)
                yield schedule, end.first, end.wrong, time.monotonic() - begun, spent_s() - cpu_s
        return
    from tests.faults import cloud

    with cloud.Bench(folder, small_pack()) as there:
        for ordered in filter(wanted, cloud.schedules(asked.seed, asked.count)):
            begun, cpu_s = time.monotonic(), spent_s()
            met = there.work_off(ordered)
            yield ordered, met.first, met.wrong, time.monotonic() - begun, spent_s() - cpu_s


if __name__ == "__main__":
    main()
