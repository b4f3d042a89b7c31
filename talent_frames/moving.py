"""A bar that moves within a chunk: workers tell only when one is done, so in between it goes on as fast as it went."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic_core import from_json

from talent_frames.progress import Progress
from talent_frames.whole_file import write_whole

TICK_S = 0.5
MOST = 0.95
"""Share of a chunk that is taken for done before its worker says so."""


class Moving:
    """Tells a Progress of seconds of video, also of chunks on the way. A context manager: its thread ends with it.

    `speed` is how many seconds of video a worker does in a second, 0 where nobody knows: then the bar waits for the
    first chunk.
    """

    def __init__(
        self, progress: Progress, stage: str, workers: int, speed: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.speed = speed
        self._progress, self._stage, self._workers, self._clock = progress, stage, workers, clock
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._waiting: dict[int, float] = {}
        """Seconds of video of each chunk that is not done, in the order they are taken."""
        self._since: dict[int, float] = {}
        """When each chunk was taken."""
        self._told: dict[int, float] = {}
        """Seconds of each that were told already."""
        self._done_s = self._busy_s = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def expects(self, chunk: int, seconds: float) -> None:
        """A chunk will be taken, when a worker is free, after those expected before."""
        with self._lock:
            self._waiting[chunk] = seconds
            self._take()

    def finished(self, chunk: int, *, worked: bool = True) -> None:
        """A chunk is done; one that was done before tells nothing of the speed."""
        with self._lock:
            now, seconds = self._clock(), self._waiting.pop(chunk)
            since = self._since.pop(chunk, now)
            if worked:
                self._done_s += seconds
                self._busy_s += now - since
            if self._busy_s > 0:
                self.speed = self._done_s / self._busy_s
            self._progress.advanced(self._stage, seconds - self._told.pop(chunk, 0.0))
            self._take()

    def _take(self) -> None:
        for chunk in list(self._waiting)[: self._workers]:
            self._since.setdefault(chunk, self._clock())

    def move(self) -> None:
        """Tells how far the chunks on the way are likely to be."""
        with self._lock:
            now, more = self._clock(), 0.0
            for chunk, since in self._since.items():
                likely = min(MOST * self._waiting[chunk], (now - since) * self.speed)
                before = self._told.get(chunk, 0.0)
                if likely > before:
                    self._told[chunk] = likely
                    more += likely - before
            if more:
                self._progress.advanced(self._stage, more)

    def _tick(self) -> None:
        while not self._over.wait(TICK_S):
            self.move()


@contextlib.contextmanager
def remembered(progress: Progress, stage: str, workers: int, file: Path, kind: str) -> Iterator[Moving]:
    """A Moving as fast as the last run of this kind on this machine, whose own speed `file` keeps for the next."""
    try:
        speeds = {str(name): float(speed) for name, speed in from_json(file.read_bytes()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        speeds = {}
    with Moving(progress, stage, workers, speeds.get(kind, 0.0)) as moving:
        yield moving
    if moving.speed > 0:
        with contextlib.suppress(OSError):
            write_whole(file, json.dumps({**speeds, kind: round(moving.speed, 3)}).encode())
