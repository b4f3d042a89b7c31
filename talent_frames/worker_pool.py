"""Worker processes for detect: they load while others plan, and end with their work, their parent or an error."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

WORKER_ENDS_S = 5.0
"""How long a worker may take to end when asked; then it is killed."""


@contextlib.contextmanager
def worker_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A process pool whose workers end at once if the block raises, and by themselves if this process dies.

    Spawned, not forked: models, OpenCV and FFmpeg hold threads and locks that a fork would copy half-way.
    """
    context = multiprocessing.get_context("spawn")
    with ending(ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)) as pool:
        yield pool


@contextlib.contextmanager
def loading_pool(workers: int, pack_dir: Path) -> Iterator[ProcessPoolExecutor]:
    """A pool whose workers start at once and load what detect needs."""
    with worker_pool(workers) as pool:
        with interrupts_held():
            for _ in range(workers):
                pool.submit(_load, pack_dir)
        yield pool


def _load(pack_dir: Path) -> None:
    """What a worker does while it has no chunk. What goes wrong here goes wrong again, and is told, with a chunk."""
    from lambdas.detect import handler as detect
    from talent_frames.fetched import ready_to_detect

    with contextlib.suppress(Exception):
        ready_to_detect()
        pack = detect._loaded(pack_dir)
        # Read for being loaded by that.
        _ = pack.detector, pack.embedder


@contextlib.contextmanager
def ending(pool: ProcessPoolExecutor, *, wait_for: bool = True) -> Iterator[ProcessPoolExecutor]:
    """Ends the pool with the block: its work done, or at once if the block raises. A pool may be ended twice.

    Without `wait_for` the workers, which take 0.2 s to unload their libraries, are asked to end and left to it.
    """
    try:
        yield pool
    except BaseException:
        # Python 3.14 has terminate_workers(); until then the processes are reached this way.
        processes = list((pool._processes or {}).values())
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        give_up = time.monotonic() + WORKER_ENDS_S
        for process in processes:
            process.join(max(0.0, give_up - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
        raise
    pool.shutdown(wait=wait_for)


def _end_with_parent() -> None:
    """Set up in each worker: an interrupt is the parent's to handle, and a parent that was killed takes us along."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def interrupts_held() -> Iterator[None]:
    """While workers start, SIGINT waits: they inherit that, so Ctrl-C never ends one in a traceback of its own."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
