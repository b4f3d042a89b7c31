"""Processor time of this process and everything it started, from /proc (proc_pid_stat(5))."""

from __future__ import annotations

import os
from pathlib import Path


def spent_s() -> float:
    """Seconds of processor time so far: ours, that of living descendants, and that of all that were waited for."""
    parents: dict[int, int] = {}
    ticks: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # Fields 4 (parent) and 14 to 17 (times, those of children too); the name in field 2 may hold blanks.
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(folder.name)] = int(fields[1])
            ticks[int(folder.name)] = sum(map(int, fields[11:15]))
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(ticks.get(pid, 0) for pid in ours) / os.sysconf("SC_CLK_TCK")
