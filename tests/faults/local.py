"""Schedules of faults through the local run: each is met by the command, which is then started again without it.

A schedule is right if the command, both times, publishes what the undisturbed run does or fails by a line that tells
the fault, touches nothing then, and has published it after the second time; nothing of it may lie about in the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.faults.clips import SETTINGS, make_videos
from tests.faults.end import End
from tests.faults.likeness import differences
from tests.faults.preloaded import Preloaded
from tests.faults.url import Kind, Trouble, TroubledServer

RUN_S = 600.0
"""A run that has not ended by then hangs; it takes two seconds on an idle machine."""
LOADING = 4.0
"""Times an undisturbed run in one process that one of several takes."""
MIB = 2**20

KINDS: dict[str, int] = {
    "kill": 25, "kill a worker": 10, "signal": 20,
    "no room for the output": 10, "no room for staging": 10, "no room for temporary files": 10,
    "files may not grow": 10,
    "few handles": 15, "little memory": 15,
    "source deleted": 10, "source overwritten": 10, "source replaced": 8, "source cut": 8,
    "busy server": 8, "throttled": 5, "connection cut": 8, "slow server": 4, "URL expired": 8,
    "another file at the URL": 8,
    "two at once": 8, "two into one folder": 10,
}  # fmt: skip
"""Of 220 schedules, how many are of each kind."""

NO_ROOM = r"no space left|GiB are free|MiB are free"
DIES = r"worker process died|was ended by SIGKILL|does not start"
BY_SIGNAL = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}

CAUSES: dict[str, str] = {
    "kill": r"$.^", "signal": r"$.^", "kill a worker": DIES,
    "no room for the output": NO_ROOM, "no room for staging": NO_ROOM, "no room for temporary files": NO_ROOM,
    "files may not grow": NO_ROOM,
    "few handles": r"[Tt]oo many open files|open files", "little memory": rf"memory|{DIES}",
    "source deleted": r"no such file|[Nn]o such file", "source overwritten": r"another file by now",
    "source replaced": r"another file by now", "source cut": r"another file by now|cut off or damaged",
    "busy server": r"HTTP 503", "throttled": r"HTTP 429", "connection cut": r"could not be read", "slow server": r"$.^",
    "URL expired": r"expired|may not be read any more", "another file at the URL": r"another file by now",
    "two at once": r"$.^", "two into one folder": r"$.^",
}  # fmt: skip
"""What the line of a failure may say, by the fault that it tells of."""
OF_SERVERS: dict[str, Kind] = {
    "busy server": "busy", "throttled": "throttled", "connection cut": "cut", "slow server": "slow",
    "URL expired": "expired", "another file at the URL": "other",
}  # fmt: skip


@dataclass(frozen=True)
class Schedule:
    """One fault, when, and what it meets."""

    number: int
    kind: str
    container: str
    """mp4, read by range, or mkv without an index, which is copied."""
    workers: int
    at_s: float
    """After the start, for faults that come at a time."""
    size: int
    """Bytes of a disk or a limit, number of handles, or of requests."""
    signal: int
    earlier_run: bool
    """Whether the output folder holds one."""


def schedules(seed: int, count: int, run_s: float) -> Iterator[Schedule]:
    """The schedules of a seed, for a machine on which an undisturbed run takes `run_s`."""
    for number in range(count):
        chosen = random.Random(f"{seed} {number}")
        kind = chosen.choices([*KINDS], [*KINDS.values()])[0]
        size = 0
        if kind.startswith("no room"):
            size = chosen.choice([4096, 16_384, 65_536, 131_072, 262_144, 524_288, MIB])
        elif kind == "files may not grow":
            size = chosen.randrange(1000, 300_000)
        elif kind == "few handles":
            size = chosen.randrange(8, 64)
        elif kind == "little memory":
            size = chosen.randrange(1000, 3000) * MIB
        elif kind in OF_SERVERS:
            size = chosen.randrange(0, 14)
        workers = 2 if kind == "kill a worker" or chosen.random() < 0.06 else 1
        yield Schedule(
            number=number,
            kind=kind,
            container=chosen.choice(["mp4", "mp4", "mkv"]),
            workers=workers,
            # Workers load their libraries themselves.
            at_s=chosen.uniform(0, 1.1) * run_s * (1 if workers == 1 else LOADING),
            size=size,
            signal=chosen.choice([*BY_SIGNAL]),
            earlier_run=chosen.random() < 0.5,
        )


class Bench:
    """The clips, their undisturbed runs, and a process to fork runs from; `with` ends it."""

    def __init__(self, folder: Path, pack: Path) -> None:
        self.folder, self.pack = folder, pack
        folder.mkdir(parents=True, exist_ok=True)
        self.videos = make_videos(folder)
        (folder / "settings.json").write_text(json.dumps(SETTINGS))
        self.preloaded = Preloaded()
        self.undisturbed: dict[str, Path] = {}
        self.run_s = 0.0
        for container in ("mp4", "mkv", "other"):
            out = folder / f"undisturbed-{container}"
            began = time.monotonic()
            code, said = self.run(self.videos[container], out, self.folder / "home", self.folder / "tmp")
            self.run_s = time.monotonic() - began
            assert code == 0, said
            self.undisturbed[container] = out
        self.servers = {
            name: TroubledServer(self.videos[name].read_bytes(), self.videos["other"].read_bytes())
            for name in ("mp4", "mkv")
        }

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.preloaded.end()
        for server in self.servers.values():
            server.end()

    def start(
        self, video: str | Path, out: Path, home: Path, tmp: Path, workers: int, limits: Mapping[str, int], said: Path
    ) -> int:
        for folder in (home, tmp):
            folder.mkdir(exist_ok=True)
        # A run that is killed at once has said nothing.
        said.touch()
        arguments = ["run", str(video), "--out", str(out), "--workers", str(workers)]
        arguments += ["--models", str(self.pack), "--settings", str(self.folder / "settings.json")]
        environment = {"TALENT_FRAMES_HOME": str(home), "TMPDIR": str(tmp)}
        return self.preloaded.start(arguments, said, environment=environment, limits=limits)

    def run(
        self, video: str | Path, out: Path, home: Path, tmp: Path, workers: int = 1, limits: Mapping[str, int] = {}
    ) -> tuple[int | None, str]:
        """Exit code and stderr of a run that nobody disturbs."""
        said = self.folder / f"said-{time.monotonic_ns()}"
        pid = self.start(video, out, home, tmp, workers, limits, said)
        code = self.preloaded.wait(pid, RUN_S)
        if code is None:
            _give_up(pid)
        return code, said.read_text()

    def work_off(self, schedule: Schedule) -> End[Schedule]:
        """Carries out a schedule in a folder of its own, and looks at how it ended."""
        place = self.folder / f"{schedule.number:04d}"
        place.mkdir()
        attempt = _Attempt(self, schedule, place)
        try:
            return attempt.carry_out()
        finally:
            attempt.clear()
            shutil.rmtree(place, ignore_errors=True)


class _Attempt:
    """One schedule at work."""

    def __init__(self, bench: Bench, schedule: Schedule, place: Path) -> None:
        self.bench, self.schedule, self.place = bench, schedule, place
        self.video = place / f"clip.{schedule.container}"
        shutil.copyfile(bench.videos[schedule.container], self.video)
        self.out = place / "published" / "run"
        self.out.parent.mkdir()
        self.home, self.tmp = place / "home", place / "tmp"
        self.home.mkdir()
        self.tmp.mkdir()
        self.mounted: list[Path] = []
        self.server = bench.servers[schedule.container] if schedule.kind in OF_SERVERS else None
        if schedule.earlier_run:
            shutil.copytree(bench.undisturbed["other"], self.out)

    def carry_out(self) -> End[Schedule]:
        schedule, bench = self.schedule, self.bench
        end = End(schedule, "")
        source: str | Path = self.video
        limits: dict[str, int] = {}
        if self.server is not None:
            # Its own name in the path, so that staging of another schedule is not taken up.
            source = self.server.url(f"clip{schedule.number}.{schedule.container}")
            last = schedule.size + (3 if schedule.number % 2 and schedule.kind != "another file at the URL" else 10_000)
            self.server.asked = 0
            self.server.trouble = Trouble(OF_SERVERS[schedule.kind], schedule.size, last)
        if schedule.kind == "few handles":
            limits["RLIMIT_NOFILE"] = schedule.size
        elif schedule.kind == "little memory":
            limits["RLIMIT_AS"] = schedule.size
        elif schedule.kind == "files may not grow" or (schedule.kind.startswith("no room") and not self._fill()):
            limits["RLIMIT_FSIZE"] = schedule.size
        before = _listing(self.out)
        said = self.place / "said"
        pid = bench.start(source, self.out, self.home, self.tmp, schedule.workers, limits, said)
        beside, other = 0, self.place / "published" / ("run" if "folder" in schedule.kind else "other")
        if schedule.kind.startswith("two"):
            time.sleep(schedule.at_s / 2)
            beside = bench.start(source, other, self.home, self.tmp, 1, {}, self.place / "said-too")
        sent = self._disturb(pid)
        code = bench.preloaded.wait(pid, RUN_S)
        if beside:
            theirs = bench.preloaded.wait(beside, RUN_S)
            if theirs != 0:
                text = (self.place / "said-too").read_text()
                end.wrong.append(f"the other run ended with {theirs}: {text[-300:]}")
            elif found := self._unlike(other):
                end.wrong.append(f"the other run published something else: {found[:3]}")
        if code is None:
            _give_up(pid)
        end.first = self._judge(code, said.read_text(), sent, before, end.wrong)
        self._mend()
        self._again(source, end)
        return end

    def _fill(self) -> bool:
        """Makes the disk that is to be too small; False where nobody may mount one."""
        where = {"output": self.out.parent, "staging": self.home, "files": self.tmp}
        folder = where[self.schedule.kind.rpartition(" ")[2]]
        kept = self.place / "kept"
        earlier = [path for path in folder.iterdir() if path.is_dir()]
        size = self.schedule.size + sum(_disk_bytes(path) for path in earlier)
        for path in earlier:
            path.rename(kept)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, check=False)
        mounted = done.returncode == 0
        if mounted:
            self.mounted.append(folder)
        if kept.exists():
            shutil.copytree(kept, folder / "run")
            shutil.rmtree(kept)
        return mounted

    def _disturb(self, pid: int) -> int:
        """Does what comes at a time; the signal that was sent, 0 for none."""
        kind, give_up = self.schedule.kind, time.monotonic() + self.schedule.at_s
        disturb: Callable[[], int] | None = {
            "kill": lambda: _send(pid, signal.SIGKILL),
            "signal": lambda: _send(pid, self.schedule.signal),
            "kill a worker": lambda: _kill_a_child(pid, self.schedule.number),
            "source deleted": self._delete,
            "source overwritten": self._overwrite,
            "source replaced": self._replace,
            "source cut": self._cut,
        }.get(kind)
        if disturb is None or self.bench.preloaded.wait(pid, max(0.0, give_up - time.monotonic())) is not None:
            return 0
        return disturb()

    def _delete(self) -> int:
        self.video.unlink()
        return 0

    def _overwrite(self) -> int:
        self.video.write_bytes(self.bench.videos["other"].read_bytes())
        return 0

    def _replace(self) -> int:
        shutil.copyfile(self.bench.videos["other"], self.place / "new")
        (self.place / "new").rename(self.video)
        return 0

    def _cut(self) -> int:
        with self.video.open("r+b") as file:
            file.truncate(self.video.stat().st_size // 2)
        return 0

    def _judge(self, code: int | None, said: str, sent: int, before: Mapping[str, bytes], wrong: list[str]) -> str:
        """In a word how the disturbed run ended; what is wrong with it is added."""
        if code is None:
            wrong.append(f"hangs: {said[-3000:]}")
            return "hang"
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        if "Traceback" in said or "s3cr3t" in said:
            wrong.append(f"says {said[-1500:]}")
        if code == 0:
            found = self._unlike(self.out)
            if found and self._is_the_other():
                # It came to stand there before the run looked at its name.
                return "published what came to stand there"
            if found:
                wrong.append(f"published something else: {found[:3]}")
            return "published"
        if "folder" not in self.schedule.kind and _listing(self.out) != before:
            wrong.append(f"failed with {code} and left {sorted(_listing(self.out).keys() ^ before.keys())[:3]}")
        if sent and code in (-sent, BY_SIGNAL.get(signal.Signals(sent))):
            if errors:
                wrong.append(f"says {errors}")
            return f"ended by {signal.Signals(sent).name}"
        if code not in (1, 2) or len(errors) != 1:
            wrong.append(f"ended with {code}: {said[-600:]}")
        elif not re.search(CAUSES[self.schedule.kind], errors[0]):
            wrong.append(f"failed by another cause: {errors[0]}")
        return errors[0].removeprefix("error: ") if errors else f"exit code {code}"

    def _mend(self) -> None:
        """Takes the fault away, as whoever starts the command again has done."""
        for folder in self.mounted:
            done = subprocess.run(["mount", "-o", "remount,size=512m", str(folder)], capture_output=True, check=False)
            assert done.returncode == 0, done.stderr
        original = self.bench.videos[self.schedule.container]
        if not self.video.exists() or self.video.read_bytes() != original.read_bytes():
            shutil.copyfile(original, self.video)
        if self.server is not None:
            self.server.trouble = None

    def _again(self, source: str | Path, end: End[Schedule]) -> None:
        code, said = self.bench.run(source, self.out, self.home, self.tmp, self.schedule.workers)
        if code != 0:
            end.wrong.append(f"again: ended with {code}: {said[-3000:]}")
        elif found := self._unlike(self.out):
            end.wrong.append(f"again: published something else: {found[:3]}")
        expected = {"run", "other"} if self.schedule.kind == "two at once" else {"run"}
        left = {path.name for path in self.out.parent.iterdir()} - expected
        left |= {path.name for path in self.tmp.iterdir()} | {path.name for path in (self.home / "staging").iterdir()}
        if left:
            end.wrong.append(f"left behind: {sorted(left)}")

    def _unlike(self, out: Path) -> list[str]:
        return _unlike(self.bench.undisturbed[self.schedule.container], out)

    def _is_the_other(self) -> bool:
        """Whether the run is wholly of the content that took the place of the video's."""
        changes = ("source overwritten", "source replaced", "another file at the URL")
        return self.schedule.kind in changes and not _unlike(self.bench.undisturbed["other"], self.out)

    def clear(self) -> None:
        for folder in self.mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True, check=False)


def _unlike(whole: Path, out: Path) -> list[str]:
    """In what a published run differs from another."""
    try:
        return differences(lambda file: (whole / file).read_bytes(), lambda file: (out / file).read_bytes())
    except OSError as error:
        return [f"{error}"]


def _send(pid: int, number: int) -> int:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    return number


def _give_up(pid: int) -> None:
    """Ends a run that hangs, once it has written where it does."""
    _send(pid, signal.SIGUSR1)
    time.sleep(1)
    os.killpg(pid, signal.SIGKILL)


def _kill_a_child(pid: int, choice: int) -> int:
    """SIGKILL to one of the run's own processes, if it has any yet: workers and ffmpeg."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    if children:
        _send(int(children[choice % len(children)]), signal.SIGKILL)
    return 0


def _listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _disk_bytes(folder: Path) -> int:
    """What a copy of the folder takes on a disk of 4 KiB pages."""
    return sum(4096 + -(-path.stat().st_size // 4096) * 4096 for path in [folder, *folder.rglob("*")])
