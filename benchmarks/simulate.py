"""What a video would take and cost in the cloud: docs/cost.md, reckoned.

    python -m benchmarks.simulate                 all tables
    python -m benchmarks.simulate --docs          and docs/cost.md's tables and plots anew

Stage times come from benchmarks/stage_times.json (made by benchmarks.stage_times and, on a GPU, benchmarks.gpu).
"""

from __future__ import annotations

import argparse

from benchmarks.cloud import Choice, Cloud, buffalo
from benchmarks.cost_plots import plots
from benchmarks.cost_tables import sections
from benchmarks.pages import ROOT, write_docs
from benchmarks.stage_times import Times, read_times

BUFFALO = "buffalo_l's size"
"""What the page calls the test pack's times with larger networks."""


def all_times() -> Times:
    """The measured times, and those of larger networks."""
    times = read_times()
    if not times.packs:
        raise SystemExit("no stage times: run python -m benchmarks.stage_times VIDEO --pack DIRECTORY")
    if "test_pack" in times.packs:
        times.packs[BUFFALO] = buffalo(times.packs["test_pack"])
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", action="store_true")
    given = parser.parse_args()
    times, choice, cloud = all_times(), Choice(), Cloud()
    found = sections(times, choice, cloud)
    for name, body in found.items():
        print(f"\n{name}\n\n{body}")
    if given.docs:
        write_docs(found, plots(times, next(iter(times.packs)), choice, cloud), ROOT / "docs" / "cost.md")


if __name__ == "__main__":
    main()
