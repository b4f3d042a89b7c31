"""Reads many damaged files in workers under limits of time and memory, and says which ended wrongly.

make fuzz N=10000                     SEED=7 chooses other files, KEEP=folder keeps those that ended wrongly
python -m tests.fuzz --files folder   the files of a folder instead
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.mutations import mutated, seeds

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 60.0
"""Of one small file: hundred times what a sound one takes, on a machine that does other things as well."""
MEMORY_BYTES = 900 * 2**20
"""Of one worker: three times what it holds after sound files."""
LOOKED_EVERY_S = 0.2
LONG_S = 3600.0
"""No seed is longer than six seconds: an hour without a word is wrong."""


@dataclass
class Worker:
    """A process that reads one file after the other, started again where it had to be ended."""

    people: bool = False
    """Whether files are run whole, models and all."""
    process: subprocess.Popen[str] | None = None
    peak_bytes: int = 0

    def read(self, path: Path) -> dict[str, Any]:
        """What the worker says of the file, or how it had to be ended."""
        if self.process is None or self.process.poll() is not None:
            environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(ROOT)}
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.worker", *(["--people"] if self.people else [])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=ROOT,
                env=environment,
            )
        process = self.process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(f"{path}\n")
        process.stdin.flush()
        give_up = time.monotonic() + TIMEOUT_S
        while time.monotonic() < give_up:
            ready, _, _ = select.select([process.stdout], [], [], LOOKED_EVERY_S)
            if ready:
                line = process.stdout.readline()
                if not line:
                    process.wait()
                    return {"end": "died", "error": f"status {process.returncode}"}
                told: dict[str, Any] = json.loads(line)
                return told
            held = _resident_bytes(process.pid)
            self.peak_bytes = max(self.peak_bytes, held)
            if held > MEMORY_BYTES:
                self.end()
                return {"end": "memory", "error": f"{held // 2**20} MiB"}
        self.end()
        return {"end": "hang", "error": f"{TIMEOUT_S:.0f} s"}

    def end(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def wrong(name: str, told: dict[str, Any]) -> list[str]:
    """What is wrong with how a file ended; empty where it ended as it should."""
    end = told["end"]
    if end in ("hang", "memory", "died", "unnamed", "failed"):
        return [f"{end}: {told['error']} {told.get('text', '')}".strip()]
    found = []
    if end == "refused":
        if not told["text"].startswith(f"{name}: ") or "\n" in told["text"]:
            found.append(f"message: {told['text']}")
        if told["plain"] > 1:
            found.append(f"refused though {told['plain']} frames decode: {told['text']}")
        return found
    if told["given"] < 0.98 * told["plain"] - 1 and not told["notes"]:
        found.append(f"{told['plain'] - told['given']} of {told['plain']} frames lost in silence")
    # AVI holds a rate alone, and a frame in five minutes is a time-lapse.
    if told["duration_s"] > LONG_S and not name.endswith(".avi") and not told["notes"]:
        found.append(f"lasts {told['duration_s']:.0f} s")
    return found


@dataclass
class Outcome:
    """Of all files."""

    ends: collections.Counter[str] = field(default_factory=collections.Counter)
    wrongs: list[tuple[str, list[str]]] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_bytes: int = 0


def run(files: Iterable[tuple[str, bytes]], folder: Path, *, workers: int, keep: Path | None = None) -> Outcome:
    """Reads the files, `workers` at a time."""
    outcome = Outcome()
    waiting = _shared(iter(files))
    lock = threading.Lock()

    def work() -> None:
        worker = Worker()
        for name, data in waiting:
            path = folder / name
            path.write_bytes(data)
            told = worker.read(path)
            path.unlink()
            found = wrong(name, told)
            with lock:
                outcome.ends[told["end"] if told["end"] != "refused" else told["error"]] += 1
                outcome.slowest_s = max(outcome.slowest_s, told.get("seconds", 0.0))
                if found:
                    outcome.wrongs.append((name, found))
                    if keep is not None:
                        keep.mkdir(parents=True, exist_ok=True)
                        (keep / name).write_bytes(data)
        worker.end()
        with lock:
            outcome.peak_bytes = max(outcome.peak_bytes, worker.peak_bytes)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcome


def _shared(files: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """One iterator for many threads."""
    line: queue.Queue[tuple[str, bytes] | None] = queue.Queue(8)

    def fill() -> None:
        for file in files:
            line.put(file)
        line.put(None)

    threading.Thread(target=fill, daemon=True).start()

    class Taken:
        def __iter__(self) -> Iterator[tuple[str, bytes]]:
            return self

        def __next__(self) -> tuple[str, bytes]:
            file = line.get()
            if file is None:
                line.put(None)
                raise StopIteration
            return file

    return Taken()


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=max(1, len(os.sched_getaffinity(0))))
    parser.add_argument("--files", type=Path)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="talent-frames-fuzz-") as folder:
        files: Iterable[tuple[str, bytes]]
        if arguments.files:
            files = ((path.name, path.read_bytes()) for path in sorted(arguments.files.iterdir()) if path.is_file())
        else:
            clips = seeds(Path(folder) / "seeds")
            files = (mutated(clips, arguments.seed, number) for number in range(arguments.count))
        outcome = run(files, Path(folder), workers=arguments.workers, keep=arguments.keep)
    for name, found in outcome.wrongs:
        print(f"{name}: {'; '.join(found)}")
    print(", ".join(f"{count} {end}" for end, count in outcome.ends.most_common()))
    print(
        f"{sum(outcome.ends.values())} files in {time.monotonic() - began:.0f} s, {len(outcome.wrongs)} ended wrongly, "
        f"slowest {outcome.slowest_s:.1f} s, largest worker {outcome.peak_bytes // 2**20} MiB"
    )
    sys.exit(bool(outcome.wrongs))


if __name__ == "__main__":
    main()
