"""What the machine allows is read from its affinity mask and from both kinds of cgroup."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from talent_frames.machine import cache_folder, default_workers, usable_cpus, usable_memory_bytes


def put(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def test_without_a_cgroup_the_affinity_mask_counts(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("quota", "expected"), [("max 100000", 4), ("150000 100000", 2), ("20000 100000", 1)])
def test_a_cgroup_quota_is_rounded_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert usable_cpus(put(tmp_path, cpu_dot_max=quota)) == expected


def test_the_older_cgroup_counts_too_and_minus_one_is_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3})
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    old = put(tmp_path, cpu__cpu_dot_cfs_quota_us="200000", cpu__cpu_dot_cfs_period_us="100000")
    assert usable_cpus(old) == 2
    assert usable_cpus(put(tmp_path, cpu__cpu_dot_cfs_quota_us="-1")) == 4


def test_memory_is_what_both_the_machine_and_the_cgroup_have_left(tmp_path: Path) -> None:
    meminfo = put(tmp_path, meminfo="MemTotal: 4000000 kB\nMemAvailable: 3000000 kB") / "meminfo"
    assert usable_memory_bytes(tmp_path, meminfo) == 3_000_000 * 1024
    put(tmp_path, memory_dot_max="2000000000", memory_dot_current="500000000")
    assert usable_memory_bytes(tmp_path, meminfo) == 1_500_000_000
    assert usable_memory_bytes(tmp_path / "none", tmp_path / "none") is None


def test_little_memory_means_fewer_workers_but_never_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("talent_frames.machine.usable_cpus", lambda: 8)
    for free, expected in ((None, 8), (100_000_000_000, 8), (4_000_000_000, 2), (1, 1)):
        monkeypatch.setattr("talent_frames.machine.usable_memory_bytes", lambda free=free: free)
        assert default_workers() == expected


def test_the_cache_is_where_it_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALENT_FRAMES_HOME", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TALENT_FRAMES_HOME", str(tmp_path / "file" / "below"))
    assert cache_folder().is_dir()
