"""A small part of the load; `make load` has fifty videos and three hundred chunks."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load import chunks, videos
from tests.load.chunks import Held, outcome
from tests.small_pack import small_pack


@pytest.mark.timeout(1800)
def test_videos_uploaded_at_once_and_announced_twice_are_each_published_once(tmp_path: Path) -> None:
    found = videos.work_off(5, 1, tmp_path, small_pack())
    assert found.wrong == []
    assert sum(found.executions.values()) == 10
    assert found.executions["DONE"] == 5
    assert found.at_once > 1


@pytest.mark.timeout(900)
def test_a_warm_worker_holds_no_more_after_many_chunks(tmp_path: Path) -> None:
    found = chunks.work_off(12, 3, tmp_path, small_pack())
    assert found.chunks == 12
    # Pools of memory still settle in so few: a chunk's pictures alone, 25 of 320x180 in RGB, would be 4 MiB each time.
    assert found.last_mib < found.first_mib + 16
    assert found.handles[0] == found.handles[1]
    assert found.threads[0] == found.threads[1]


def test_what_grows_from_round_to_round_is_told() -> None:
    steady, growing = ([Held(100_000 + step * number, 9, 4) for number in range(12)] for step in (0, 1000))
    assert outcome(steady, 3).growth == 0
    assert outcome(growing, 3).growth == pytest.approx(6 / 104)
    leaking = [Held(100_000, 9 + number, 4) for number in range(12)]
    assert outcome(leaking, 3).handles == (12, 20)
    assert outcome([*leaking[:3], *steady], 3).threads == (4, 4)
