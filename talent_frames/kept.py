"""The staging of runs that are done, kept for some days, so that they can be corrected without the video."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from lambdas.contracts import Contract, segment_key
from lambdas.errors import RunExpired
from lambdas.staging import DirectoryStaging
from talent_frames.machine import cache_folder

KEPT_DAYS = 7.0
"""As long as the cloud keeps its staging."""
MOST_KEPT_BYTES = 10 * 2**30
"""Of all runs together; the oldest go first. An hour of 1080p takes up to 600 MB."""


class Kept(Contract):
    """What is known of a kept run beside its staging, `kept.json`."""

    pack_dir: str
    """Folder of the model pack it was made with."""
    until: float
    """Seconds since 1970 from which it may be dropped."""


def keep(work: Path, run_id: str, pack_dir: Path, days: float) -> None:
    """Moves a finished run's staging out of its work folder; its segments, which are the video once more, stay there.

    Nothing happens with 0 days, or where the disk is full: a run that is done does not fail for it.
    """
    drop_expired()
    if days <= 0:
        return
    target = _folder() / run_id
    with contextlib.suppress(OSError):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(mode=0o700, parents=True)
        shutil.rmtree((work / segment_key(run_id, 0)).parent, ignore_errors=True)
        for part in ("runs", "galleries"):
            if (work / part).exists():
                shutil.move(work / part, target / part)
        document = Kept(pack_dir=str(pack_dir.resolve()), until=time.time() + days * 86_400)
        (target / "kept.json").write_text(document.model_dump_json())
    _drop_beyond(MOST_KEPT_BYTES)


def kept_run(run_id: str) -> tuple[DirectoryStaging, Kept]:
    """The staging of a run that is done. Raises RunExpired."""
    folder = _folder() / run_id
    try:
        kept = Kept.model_validate_json((folder / "kept.json").read_bytes())
    except (OSError, ValueError):
        raise gone(run_id) from None
    return DirectoryStaging(folder), kept


def gone(run_id: str) -> RunExpired:
    """What is to be said where a run's staging is needed and not kept."""
    return RunExpired(
        f"run {run_id}: what this needs is not kept on this machine any more (run the video again: its "
        "corrections are applied to the new run)"
    )


def drop(run_id: str) -> int:
    """Removes what is kept of a run; how many bytes that were."""
    folder = _folder() / run_id
    size = _size(folder) if folder.is_dir() else 0
    shutil.rmtree(folder, ignore_errors=True)
    return size


def kept_run_ids() -> list[str]:
    """Of all runs that are kept, oldest first."""
    return [folder.name for folder in _oldest_first()]


def drop_expired() -> None:
    """Removes runs whose days are over."""
    for folder in _oldest_first():
        if _until(folder) < time.time():
            shutil.rmtree(folder, ignore_errors=True)


def _folder() -> Path:
    return cache_folder() / "kept"


def _oldest_first() -> list[Path]:
    root = _folder()
    folders = [folder for folder in root.iterdir() if folder.is_dir()] if root.is_dir() else []
    return sorted(folders, key=lambda folder: (_until(folder), folder.name))


def _until(folder: Path) -> float:
    try:
        return Kept.model_validate_json((folder / "kept.json").read_bytes()).until
    except FileNotFoundError:
        # Another process is moving a run in; what never got further goes a day later.
        with contextlib.suppress(OSError):
            return folder.stat().st_mtime + 86_400
    except (OSError, ValueError):
        pass
    return 0.0


def _drop_beyond(limit: int) -> None:
    folders = _oldest_first()
    sizes = {folder: _size(folder) for folder in folders}
    # The youngest stays, however large.
    for folder in folders[:-1]:
        if sum(sizes.values()) <= limit:
            break
        shutil.rmtree(folder, ignore_errors=True)
        del sizes[folder]


def _size(folder: Path) -> int:
    return sum((Path(place) / name).stat().st_size for place, _, names in os.walk(folder) for name in names)
