"""The output folder of a run: refused if it is someone else's, replaced whole or not at all."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic_core import from_json

from lambdas.errors import BadInput
from talent_frames.machine import cache_folder


class OutputFolderTaken(BadInput):
    """The output folder holds something other than an earlier run."""


class OutputFolderUnusable(BadInput):
    """The output folder can't be made or written."""


def check_output(out: Path, manifest_names: tuple[str, ...] = ("manifest.json",)) -> None:
    """Passes if a run may be published as folder `out`: nothing there, an empty folder, or an earlier run.

    Makes nothing. Raises OutputFolderTaken or OutputFolderUnusable.
    """
    if out.is_dir():
        if any(out.iterdir()) and not any(is_manifest(out / name) for name in manifest_names):
            raise OutputFolderTaken(f"{out}: not empty and not a run of talent-frames, so it is not replaced")
    elif out.exists() or out.is_symlink():
        raise OutputFolderTaken(f"{out}: not a folder")
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    if not parent.is_dir() or not os.access(out if out.is_dir() else parent, os.W_OK | os.X_OK):
        raise OutputFolderUnusable(f"{out}: can't be written to ({parent} is no writable folder)")


@contextlib.contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """An empty folder beside `out` that takes its place, old content dropped, if the block ends well.

    If the block raises, whatever it is, `out` is as it was and nothing is left beside it.
    """
    out = out.resolve()
    made = _make_parents(out.parent)
    beside = out.parent if os.access(out.parent, os.W_OK) else None
    if beside is not None:
        _drop_stale(out)
    written = (beside or Path(tempfile.gettempdir())) / f".{out.name}.writing-{uuid.uuid4().hex}"
    # Held for as long as this process lives: what nobody holds was left by one that was killed.
    try:
        with _locked(written):
            written.mkdir()
            try:
                yield written
                with _signals_held(), _one_at_a_time():
                    _take_place(written, out)
            except BaseException:
                shutil.rmtree(written, ignore_errors=True)
                raise
    except BaseException:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


@contextlib.contextmanager
def _locked(written: Path) -> Iterator[None]:
    held = FileLock(_lock_of(written))
    held.acquire()
    try:
        yield
    finally:
        held.release()
        _lock_of(written).unlink(missing_ok=True)


def _one_at_a_time() -> FileLock:
    """Keeps two runs that end together from putting one folder into the other."""
    return FileLock(cache_folder() / ".publishing.lock")


def _take_place(written: Path, out: Path) -> None:
    """Puts folder `written` where `out` is."""
    if not out.exists():
        shutil.move(written, out)
        return
    old = written.with_name(written.name.replace(".writing-", ".replaced-"))
    try:
        out.rename(old)
    except OSError:
        # A mount point, or a folder whose parent is not ours: it stays, its content goes. Last in is the manifest.
        _move_content(written, out)
        return
    try:
        shutil.move(written, out)
    except BaseException:
        old.rename(out)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _move_content(written: Path, out: Path) -> None:
    by_name = lambda path: path.name == "manifest.json"  # noqa: E731
    for path in sorted(out.iterdir(), key=by_name, reverse=True):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    for path in sorted(written.iterdir(), key=by_name):
        shutil.move(path, out / path.name)
    written.rmdir()


def is_manifest(path: Path) -> bool:
    """Whether a file is the manifest of a run, of whatever version."""
    try:
        document = from_json(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(document, dict) and {"schema_version", "run_id"} <= document.keys()


def _make_parents(folder: Path) -> list[Path]:
    """Makes a folder and returns those that were missing, innermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _drop_stale(out: Path) -> None:
    """Clears away what processes left that were killed while they wrote `out`, and puts back what one was replacing."""
    name = glob.escape(out.name)
    for path in sorted(out.parent.glob(f".{name}.replaced-*")):
        if _is_nobodys(path.with_name(path.name.replace(".replaced-", ".writing-"))):
            if out.exists():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.rename(out)
    for path in out.parent.glob(f".{name}.writing-*"):
        written = path.with_suffix("") if path.suffix == ".lock" else path
        if _is_nobodys(written):
            shutil.rmtree(written, ignore_errors=True)


def _lock_of(written: Path) -> Path:
    return written.with_name(f"{written.name}.lock")


def _is_nobodys(written: Path) -> bool:
    """Whether no living process holds a half-written folder; its lock goes then."""
    held = FileLock(_lock_of(written), timeout=0)
    try:
        held.acquire()
    except Timeout:
        return False
    held.release()
    _lock_of(written).unlink(missing_ok=True)
    return True


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Keeps SIGINT, SIGTERM and SIGHUP waiting, where the system can, so that the swap is never cut in two."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
