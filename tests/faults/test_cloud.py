"""A few schedules of faults through the emulated account; `make faults-cloud` carries out two hundred."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from tests.aws.emulator import SOON_S, wait_for
from tests.aws.runtime import Worker
from tests.faults.cloud import CAUSES, KINDS, Bench, schedules

SEED = 3
EACH = (
    "function killed", "S3 busy", "S3 answer lost", "ledger answer lost", "state machine's own calls", "URL expired",
    "older upload last", "near its time",
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


@pytest.mark.timeout(1200)
def test_a_source_deleted_in_mid_run_is_told_by_name_in_ledger_and_event(bench: Bench) -> None:
    stack, key = bench.stack, "deleted/clip.mp4"

    def delete(name: str, _: Worker) -> None:
        if "-DetectFunction" in name:
            boto3.resource("s3").Bucket(stack.outputs["SourceBucketName"]).object_versions.filter(Prefix=key).delete()

    bench.cloud.functions.before = delete
    try:
        arn, ended = bench.run(bench.videos["mp4"], key)
        assert ended["status"] == "FAILED"
        row = wait_for(lambda: bench.row(arn), lambda found: found.get("status") == "FAILED", SOON_S)
        told = wait_for(lambda: bench.told(arn), lambda seen: len(seen) == 1, SOON_S)
        assert row["error"] == told[0]["detail"]["error"] == "SourceMissing"
        assert "clip.mp4" in row["cause"]
    finally:
        bench.calm()
        stack.forget(key)


def test_a_seed_gives_the_same_schedules_again_and_all_kinds() -> None:
    once, again, other = (list(schedules(seed, 500)) for seed in (1, 1, 2))
    assert once == again != other
    assert {one.kind for one in once} == set(KINDS) == set(CAUSES)
