"""What is known of schedules that were carried out: one JSON line each, so that a command that was stopped goes on.

A line is an object of `number`, `kind`, `ended`, `wrong`, `cpu_s`, `seconds`, `at` and `commit`; of two lines of one
number the later one counts.
"""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Line:
    """How one schedule ended."""

    number: int
    kind: str
    ended: str
    """In a word, or by which error."""
    wrong: list[str]
    """What should have been otherwise; empty where all is well."""
    cpu_s: float
    """Of this command and every process it started."""
    seconds: float
    """By the clock."""
    at: str
    """UTC, ISO 8601, when it ended."""
    commit: str
    """The code that met it, `-dirty` behind it where that was changed since."""


def read(path: Path) -> dict[int, Line]:
    """The lines by number; none where there is no file. A last line cut short by a kill is left out."""
    found: dict[int, Line] = {}
    for text in path.read_text().splitlines(keepends=True) if path.exists() else []:
        if text.endswith("\n"):
            line = Line(**json.loads(text))
            found[line.number] = line
    return found


def add(path: Path, line: Line) -> None:
    """Appends a line; one that was cut short before it goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        file.seek(0)
        whole = file.read()
        file.truncate(whole.rfind(b"\n") + 1)
        file.write(json.dumps(asdict(line)).encode() + b"\n")


def table(lines: Iterable[Line]) -> list[str]:
    """How many schedules of each kind of fault ended how, then all of them in a sentence."""
    known = list(lines)
    rows = ["schedules  fault                       ended"]
    for (kind, ended), count in sorted(Counter((line.kind, line.ended) for line in known).items()):
        rows.append(f"{count:9d}  {kind:26s}  {ended[:120]}")
    wrong = sum(bool(line.wrong) for line in known)
    cpu_s = sum(line.cpu_s for line in known) / max(1, len(known))
    rows.append(f"{len(known)} schedules, {wrong} ended wrongly; {cpu_s:.1f} s of processor time each")
    return rows


def commit() -> str:
    """The commit of this working tree; empty where there is none."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
