"""The benchmark of long videos: that its film is one the stages take, and what the state machine carries."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cluster_scale import CHUNK_S, CUT_EVERY_S, RUN, STATE_BYTES, payloads, write_film
from lambdas.cluster.handler import run
from lambdas.contracts import ClusterRequest
from lambdas.staging import DirectoryStaging


def test_a_film_of_three_minutes_goes_through_cluster(tmp_path: Path) -> None:
    staging = DirectoryStaging(tmp_path)
    plan = write_film(staging, 3 / 60, tracks_per_chunk=12, people=4, dimension=64)
    assert len(plan.chunks) == 3
    found = run(ClusterRequest(run_id=RUN), staging)
    # At least: a face drawn beside itself counts as two people.
    assert found.people >= 4
    assert found.scenes == 3 * CHUNK_S / CUT_EVERY_S


def test_ten_thousand_chunks_fit_into_every_state() -> None:
    assert max(payloads(10_000).values()) < STATE_BYTES / 4
