"""A few schedules of faults through the emulated account; `make faults-cloud` carries out two hundred."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.cloud import CAUSES, KINDS, Bench, schedules

SEED = 3
EACH = (
    "function killed", "S3 busy", "S3 answer lost", "ledger answer lost", "state machine's own calls", "URL expired",
    "source deleted", "older upload last", "near its time",
)  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, pack: Path) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("faults"), pack) as made:
        yield made


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("kind", EACH)
def test_an_upload_ends_as_if_undisturbed_or_by_its_cause_and_the_next_start_mends_it(bench: Bench, kind: str) -> None:
    chosen = next(one for one in schedules(SEED, 1000) if one.kind == kind)
    assert bench.work_off(chosen).wrong == []


def test_a_seed_gives_the_same_schedules_again_and_all_kinds() -> None:
    once, again, other = (list(schedules(seed, 500)) for seed in (1, 1, 2))
    assert once == again != other
    assert {one.kind for one in once} == set(KINDS) == set(CAUSES)
