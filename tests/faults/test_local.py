"""A few schedules of faults through the local run; `make faults-local` carries out two hundred."""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.local import BY_SIGNAL, CAUSES, KINDS, Bench, schedules

SEED = 3
EACH = (
    "kill", "no room for the output", "no room for staging", "files may not grow", "few handles",
    "source deleted", "source overwritten", "throttled", "connection cut", "URL expired", "two into one folder",
)  # fmt: skip
"""One schedule of each of these kinds, which fork: those of workers load libraries for seconds."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, pack: Path) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("faults"), pack) as made:
        yield made


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", EACH)
def test_a_run_ends_as_if_undisturbed_or_by_its_cause_and_the_next_one_mends_it(bench: Bench, kind: str) -> None:
    chosen = next(one for one in schedules(SEED, 1000, bench.run_s) if one.kind == kind and one.workers == 1)
    assert bench.work_off(chosen).wrong == []


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("sent", BY_SIGNAL, ids=lambda one: one.name)
def test_a_run_that_is_told_to_end_does_so_by_that_signals_code_and_leaves_nothing(
    bench: Bench, sent: signal.Signals
) -> None:
    chosen = next(one for one in schedules(SEED, 1000, bench.run_s) if one.kind == "signal" and one.workers == 1)
    early = dataclasses.replace(chosen, number=2000 + sent, signal=sent, at_s=0.3 * bench.run_s)
    end = bench.work_off(early)
    assert end.wrong == []
    assert end.first == f"ended by {sent.name}"


def test_a_seed_gives_the_same_schedules_again_and_all_kinds() -> None:
    once, again, other = (list(schedules(seed, 400, 2.0)) for seed in (1, 1, 2))
    assert once == again != other
    assert {one.kind for one in once} == set(KINDS) == set(CAUSES)
