"""Folders as videos: what is in them, what is done already, and what comes into them later."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lambdas.contracts import Settings
from lambdas.errors import TalentFramesError
from lambdas.publish.keys import source_names

SUFFIXES = frozenset(
    {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".flv", ".mxf", ".wmv"}
)
"""What is taken for a video in a folder, upper or lower case; a file named by itself may be called anything."""
POLL_S = 5.0
"""Seconds between two looks into a watched folder; a file that changed in between is still being written."""


@dataclass(frozen=True)
class Task:
    """A video and the folder it is to be published as."""

    video: str
    out: Path
    in_folder: bool
    """Whether it was found in a folder: done ones are passed over then."""


def tasks(videos: Sequence[str], out: Path | None) -> list[Task]:
    """The videos, those in folders by name; each gets a folder of its own, but a single one that is named by itself.

    Of a folder the output keeps the order: `a/b/film.mp4` in folder `a` is published as `OUT/b/film`.
    """
    found: list[Task] = []
    alone = len(videos) == 1 and not Path(videos[0]).is_dir()
    for video in videos:
        folder = Path(video)
        if "://" in video or not folder.is_dir():
            target = (out or Path("out") / source_names(video)[0]) if alone else (out or Path("out")) / _stem(video)
            found.append(Task(video, target, in_folder=False))
            continue
        for path in files_in(folder):
            inside = path.relative_to(folder)
            found.append(Task(str(path), (out or Path("out")) / inside.parent / _stem(str(path)), in_folder=True))
    return found


def files_in(folder: Path) -> list[Path]:
    """Videos in a folder and the folders in it, sorted; what is hidden is passed over."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def shared_folder(found: Sequence[Task]) -> Path | None:
    """A folder that two of the tasks would be published as; None without one."""
    seen: set[Path] = set()
    for task in found:
        if task.out in seen:
            return task.out
        seen.add(task.out)
    return None


def is_done(task: Task, settings: Settings, pack_dir: Path, gallery: bytes = b"") -> bool:
    """Whether the task's folder holds the run of this very video, with these settings, models and people to name."""
    from lambdas.detect.packs import load_pack
    from lambdas.split.identify import identify, run_id
    from talent_frames.corrections import NoRun, read_manifest

    try:
        manifest = read_manifest(task.out)
    except NoRun:
        return False
    pack = load_pack(pack_dir).facts
    if manifest.models.sha256 != pack.sha256:
        return False
    # The chunks' length is chosen by the number of workers where nobody gave one.
    given = "chunk_s" in settings.model_fields_set
    asked = settings if given else settings.model_copy(update={"chunk_s": manifest.settings.chunk_s})
    if asked != manifest.settings:
        return False
    try:
        identity, _ = identify(task.video, Path(task.video).name)
    except TalentFramesError:
        # It is said where the video is opened.
        return False
    return run_id(identity, manifest.settings, pack, gallery=gallery) == manifest.run_id


def arrivals(folders: Sequence[str], out: Path | None, poll_s: float = POLL_S) -> Iterator[list[Task]]:
    """Again and again what is in the folders and is not being written any more; each file once until it changes.

    Never ends.
    """
    told: dict[str, tuple[int, int]] = {}
    before: dict[str, tuple[int, int]] = {}
    while True:
        now: dict[str, tuple[int, int]] = {}
        ready: list[Task] = []
        for task in tasks(folders, out):
            try:
                stat = Path(task.video).stat()
            except OSError:
                continue
            state = (stat.st_size, stat.st_mtime_ns)
            now[task.video] = state
            if stat.st_size and before.get(task.video) == state and told.get(task.video) != state:
                told[task.video] = state
                ready.append(task)
        before = now
        yield ready
        time.sleep(poll_s)


def _stem(video: str) -> str:
    return source_names(video)[0]
