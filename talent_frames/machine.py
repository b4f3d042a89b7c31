"""What this machine lets the process use: cores, memory, and a folder for what outlives a command."""

from __future__ import annotations

import getpass
import math
import os
import tempfile
from pathlib import Path

from lambdas.errors import TalentFramesError

WORKER_MEMORY_BYTES = 1_500_000_000
"""Upper bound of one detect worker's peak memory on 1080p."""


LEAST_ADDRESS_SPACE_BYTES = 1000 * 2**20
"""With 700 MiB the libraries end in a segmentation fault; with this much a run of two workers was fine."""


class NotEnoughMemory(TalentFramesError):
    """The machine lets this process use less memory than it needs."""


def usable_cpus(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Cores this process may keep busy, at least 1: the least of affinity mask, cgroup quota (v2 or v1) and count."""
    counts = [os.cpu_count() or 1]
    if hasattr(os, "sched_getaffinity"):
        counts.append(len(os.sched_getaffinity(0)))
    quota, period = _words(cgroup / "cpu.max", 2) or ("max", "1")
    if quota == "max":
        quota = (_words(cgroup / "cpu/cpu.cfs_quota_us", 1) or ("-1",))[0]
        period = (_words(cgroup / "cpu/cpu.cfs_period_us", 1) or ("1",))[0]
    if float(quota) > 0 and float(period) > 0:
        counts.append(math.ceil(float(quota) / float(period)))
    return max(1, min(counts))


def usable_memory_bytes(cgroup: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Memory still free for this process and its workers; None where the system does not say."""
    free = []
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free.append(int(line.split()[1]) * 1024)
    except OSError:
        pass
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        bound, now = _words(cgroup / limit, 1), _words(cgroup / used, 1)
        if bound and now and bound[0] != "max":
            free.append(max(0, int(bound[0]) - int(now[0])))
    return min(free, default=None)


def default_workers() -> int:
    """One worker per usable core, fewer where memory would not hold them all."""
    memory = usable_memory_bytes()
    by_memory = usable_cpus() if memory is None else max(1, memory // WORKER_MEMORY_BYTES)
    return min(usable_cpus(), by_memory)


def check_address_space() -> None:
    """Passes where this process may address enough memory for its libraries. Raises NotEnoughMemory.

    Below it they end in a segmentation fault while they load.
    """
    try:
        import resource
    except ImportError:
        # Windows knows no such limit.
        return
    allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    if allowed != resource.RLIM_INFINITY and allowed < LEAST_ADDRESS_SPACE_BYTES:
        raise NotEnoughMemory(
            f"{allowed // 2**20} MiB of address space are allowed here (ulimit -v), "
            f"{LEAST_ADDRESS_SPACE_BYTES // 2**20} are needed"
        )


def cache_folder() -> Path:
    """Where interrupted runs wait to be resumed: `$TALENT_FRAMES_HOME` (model packs are there too), by default
    `~/.cache/talent-frames`.

    The system's temporary folder takes its place where that can't be written.
    """
    home = os.environ.get("TALENT_FRAMES_HOME")
    try:
        folder = Path(home).expanduser() if home else Path("~/.cache/talent-frames").expanduser()
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):
        # Nor has every user of a container a home folder at all.
        folder = Path(tempfile.gettempdir()) / f"talent-frames-{_user()}"
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()


def _words(path: Path, count: int) -> tuple[str, ...] | None:
    """The words of a one-line kernel file; None if it is missing or holds another number of them."""
    try:
        words = tuple(path.read_text().split())
    except OSError:
        return None
    return words if len(words) == count else None
