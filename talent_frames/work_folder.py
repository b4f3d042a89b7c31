"""Where one run on this machine stages; an interrupted one finds what it had done."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from lambdas.errors import NoSpace, ProcessDied, SourceUnreachable
from talent_frames.machine import cache_folder

ABANDONED_S = 7 * 86_400
"""Staging of an interrupted run that nobody resumed for so long is dropped."""


@contextlib.contextmanager
def work_folder(key: str) -> Iterator[Path]:
    """A folder for staging. It goes when the block ends; interrupted, or ended by what may be over at the next try, it
    waits for the key's next run.

    A second process with the same key meanwhile works in a folder of its own.
    """
    root = cache_folder() / "staging"
    root.mkdir(exist_ok=True)
    # Locks are taken and their files dropped one process at a time: nobody locks a file that is gone.
    gate = FileLock(root.with_name(".staging.lock"))
    held = FileLock(root / f"{key}.lock")
    with gate:
        _drop_abandoned(root)
        try:
            held.acquire(timeout=0)
        except Timeout:
            work = None
        else:
            work = root / key
    if work is None:
        with tempfile.TemporaryDirectory(prefix="talent-frames-") as folder:
            yield Path(folder)
        return
    keep = False
    try:
        # A plan holds the URL as it was given, signature included.
        work.mkdir(exist_ok=True, mode=0o700)
        yield work
    except (ProcessDied, SourceUnreachable, NoSpace, OSError):
        keep = True
        raise
    except BaseException as error:
        keep = not isinstance(error, Exception)
        raise
    finally:
        if not keep:
            shutil.rmtree(work, ignore_errors=True)
        with gate:
            held.release()
            if not keep:
                _drop(work)


def _drop(work: Path) -> None:
    shutil.rmtree(work, ignore_errors=True)
    work.with_name(f"{work.name}.lock").unlink(missing_ok=True)


def _drop_abandoned(root: Path) -> None:
    for work in root.iterdir():
        with contextlib.suppress(OSError):
            if work.is_dir() and time.time() - work.stat().st_mtime > ABANDONED_S:
                _drop(work)
