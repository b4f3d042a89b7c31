"""How a run tells what it is doing: bars on a terminal, lines in a pipe, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO, runtime_checkable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

LINE_EVERY_S = 10.0
"""At most one line per stage in so many seconds."""
LEAST_SHARE = 0.01
"""Of a stage, from which on the rest is estimated: less says nothing of it, as with a download's first bytes."""


@runtime_checkable
class Progress(Protocol):
    """Told about every stage of a run. `total` and `amount` are seconds of video (bytes of a download); a total
    is None where a stage can't say."""

    def started(self, stage: str, total: float | None = None) -> None: ...

    def advanced(self, stage: str, amount: float) -> None: ...

    def finished(self, stage: str, result: str) -> None: ...


class Silent:
    """Says nothing."""

    def started(self, stage: str, total: float | None = None) -> None:
        pass

    def advanced(self, stage: str, amount: float) -> None:
        pass

    def finished(self, stage: str, result: str) -> None:
        pass


class Calls:
    """Calls a function with a stage's name, how much of it is done and of how much: seconds of video, or bytes.

    The total is None where a stage can't say; a stage that is over is told with as much done as there is.
    """

    def __init__(self, told: Callable[[str, float, float | None], object]) -> None:
        self.told = told
        self.done = 0.0
        self.total: float | None = None

    def started(self, stage: str, total: float | None = None) -> None:
        self.done, self.total = 0.0, total
        self.told(stage, 0.0, total)

    def advanced(self, stage: str, amount: float) -> None:
        self.done += amount
        self.told(stage, self.done, self.total)

    def finished(self, stage: str, result: str) -> None:
        whole = self.total or max(self.done, 1.0)
        self.told(stage, whole, whole)


class Lines:
    """One line when a stage is over, and now and then one on the way. A stage that fails says nothing."""

    def __init__(self, file: TextIO | None = None) -> None:
        self.file = file if file is not None else sys.stderr
        self.began = self.spoke = 0.0
        self.total: float | None = None
        self.done = 0.0

    def started(self, stage: str, total: float | None = None) -> None:
        self.began = self.spoke = time.monotonic()
        self.total, self.done = total, 0.0

    def advanced(self, stage: str, amount: float) -> None:
        self.done += amount
        now = time.monotonic()
        if not self.total or now - self.spoke < LINE_EVERY_S:
            return
        self.spoke = now
        share = min(1.0, self.done / self.total)
        known = share >= LEAST_SHARE
        left = f", about {clock((now - self.began) * (1 - share) / share)} left" if known else ""
        print(f"{stage:<8} {share:.0%}{left}", file=self.file, flush=True)

    def finished(self, stage: str, result: str) -> None:
        print(f"{stage:<8} {result} ({time.monotonic() - self.began:.1f} s)", file=self.file, flush=True)


class Downloads:
    """Tells a Progress how far each file of a download is, called with its name, bytes here and bytes in all."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.file = ""
        self.here = 0

    def __call__(self, file: str, here: int, total: int) -> None:
        if file != self.file:
            self.file, self.here = file, 0
            self.progress.started(file, total or None)
        self.progress.advanced(file, here - self.here)
        self.here = here
        if total and here >= total:
            self.progress.finished(file, f"{total / 1e6:.1f} MB")


class Bars:
    """A bar per stage with a time estimate. A context manager: the terminal is given back on exit."""

    def __init__(self, console: Console) -> None:
        # Here, because workers, which show nothing, import this module too.
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self.rich = RichProgress(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[result]}"),
            console=console,
        )
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self.rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            # What went wrong is told in one line; bars that will never fill up would only stand above it.
            self.rich.live.transient = True
        self.rich.stop()

    def started(self, stage: str, total: float | None = None) -> None:
        self.tasks[stage] = self.rich.add_task(stage, total=total, result="")

    def advanced(self, stage: str, amount: float) -> None:
        self.rich.advance(self.tasks[stage], amount)

    def finished(self, stage: str, result: str) -> None:
        task = self.tasks[stage]
        total = self.rich.tasks[self.rich.task_ids.index(task)].total or 1.0
        self.rich.update(task, total=total, completed=total, result=result)


def clock(seconds: float) -> str:
    """As m:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
