"""What a command takes: time, CPU and memory of it and all processes it starts. Linux alone: it reads /proc."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

SAMPLE_S = 0.1


class Spent(BaseModel):
    """Of one run of a command."""

    model_config = ConfigDict(extra="forbid", strict=True)

    wall_s: float
    cpu_s: float
    """User and system, all processes together."""
    largest_mib: int
    """Peak resident memory of its largest process."""
    together_mib: int
    """Most resident memory of all its processes at once, seen every SAMPLE_S; shared pages count in each of them."""
    others_cpu_s: float
    """CPU that other processes of the machine took meanwhile."""


def run_measured(command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> tuple[Spent, str]:
    """Runs the command, `environment` over ours; returns what it took and its stdout.

    Raises RuntimeError where it fails.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        busy_s = machine_cpu_s()
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, env={**os.environ, **environment}, stdout=out, stderr=errors)
        watch = _MemoryWatch(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        busy_s = machine_cpu_s() - busy_s
        watch.stop()
        # Popen did not see it end; it must not wait for that number, which may be another process by now.
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {errors.read()[-2000:]}")
        cpu_s = usage.ru_utime + usage.ru_stime
        spent = Spent(
            wall_s=round(wall_s, 3),
            cpu_s=round(cpu_s, 3),
            largest_mib=watch.largest_bytes // 2**20,
            together_mib=max(watch.most_bytes, watch.largest_bytes) // 2**20,
            others_cpu_s=round(max(0.0, busy_s - cpu_s), 2),
        )
        return spent, out.read()


class _MemoryWatch:
    """Looks at a process and its descendants now and then, from a thread."""

    def __init__(self, pid: int) -> None:
        self.most_bytes = 0
        self.largest_bytes = 0
        """Not wait4's ru_maxrss: a process forked by a large one begins with that one's size."""
        self._pid = pid
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            processes = [self._pid, *descendants(self._pid)]
            self.most_bytes = max(self.most_bytes, sum(map(resident_bytes, processes)))
            self.largest_bytes = max(self.largest_bytes, *map(peak_bytes, processes))


def descendants(pid: int) -> list[int]:
    """Processes that `pid` started, and those they started."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                # The name, in brackets, may hold anything; the parent is the second word after it.
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(folder.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        own = children.get(waiting.pop(), [])
        found += own
        waiting += own
    return found


def resident_bytes(pid: int) -> int:
    """0 for a process that is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def peak_bytes(pid: int) -> int:
    """Most resident memory of a process so far; 0 for one that is gone."""
    try:
        told = Path(f"/proc/{pid}/status").read_text().split("VmHWM:")
        return int(told[1].split()[0]) * 1024
    except (OSError, IndexError):
        return 0


def read_bytes_of_this_process() -> int:
    """Bytes it has read from files so far, those in the page cache included."""
    return int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])


def machine_cpu_s() -> float:
    """CPU seconds all processes of the machine have used since it started: user, nice, system, interrupts."""
    user, nice, system, _, _, irq, soft = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + soft) / os.sysconf("SC_CLK_TCK")


def cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0))


def machine() -> str:
    """What this machine is, in words, without its name."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{model}, {cores()} cores, {memory_gib:.0f} GiB"
