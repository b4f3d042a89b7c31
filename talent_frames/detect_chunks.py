"""detect for every chunk of a plan, in a process pool or in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

from lambdas.contracts import DetectRequest, DetectResponse, Failure, Plan, failure_key
from lambdas.errors import OUT_OF_SPACE, BadInput, NoSpace, PackMismatch, ProcessDied, SourceChanged
from lambdas.publish.keys import source_names
from lambdas.staging import DirectoryStaging, put_document
from talent_frames.moving import Moving
from talent_frames.worker_pool import ending, interrupts_held, worker_pool


class WorkerDied(ProcessDied):
    """A worker process ended without an answer."""


def detect_chunks(
    plan: Plan,
    staging: DirectoryStaging,
    pack_dir: Path,
    workers: int,
    moving: Moving,
    loading: ProcessPoolExecutor | None,
) -> None:
    """Runs detect for every chunk of the plan: in the pool that is `loading` already, whose workers are told to end
    then, or in one made now, or with no more than one worker in this process."""
    tally = _Tally(plan, staging, moving)
    if loading is None and workers == 1:
        _detect_here(plan, staging, pack_dir, tally)
        return
    with ending(loading, wait_for=False) if loading is not None else worker_pool(workers) as pool:
        waiting: dict[Future[DetectResponse], int] = {}
        try:
            with interrupts_held():
                # The longest first, so that no worker starts one when the others are done.
                for chunk in sorted(plan.chunks, key=lambda chunk: -tally.seconds[chunk.index]):
                    waiting[pool.submit(_detect_chunk, staging.root, plan.run_id, chunk.index, pack_dir)] = chunk.index
                    tally.expects(chunk.index)
        except BrokenProcessPool:
            # One that died while it loaded.
            raise _worker_died(plan, len(plan.chunks), workers) from None
        # Meanwhile nothing else is to be done here. Not sooner: a video that is no good should not wait for it.
        from lambdas.cluster import handler as _cluster  # noqa: F401
        from lambdas.cluster.clustering import scikit_learn
        from lambdas.publish import handler as _publish  # noqa: F401

        scikit_learn()

        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                given = waiting.pop(future)
                try:
                    tally.finished(given, future.result)
                except BrokenProcessPool:
                    raise _worker_died(plan, len(waiting) + 1, workers) from None


def _detect_here(plan: Plan, staging: DirectoryStaging, pack_dir: Path, tally: _Tally) -> None:
    """In this process, one chunk after the other."""
    from lambdas.cluster.clustering import scikit_learn

    # Cluster's two seconds of imports go by while the networks, which hold no lock of Python's, are at work.
    threading.Thread(target=scikit_learn, daemon=True).start()
    for chunk in plan.chunks:
        tally.expects(chunk.index)
        tally.finished(chunk.index, partial(_detect_chunk, staging.root, plan.run_id, chunk.index, pack_dir))


class _Tally:
    """What is done and what is lost, told to whoever watches."""

    def __init__(self, plan: Plan, staging: DirectoryStaging, moving: Moving) -> None:
        self.seconds = chunk_seconds(plan)
        self._lost, self._moving = Lost(plan, staging), moving

    def expects(self, chunk: int) -> None:
        self._moving.expects(chunk, self.seconds[chunk])

    def finished(self, chunk: int, answer: Callable[[], DetectResponse]) -> None:
        """Notes how the chunk ended. Raises BrokenProcessPool, and the chunk's error where it may not be lost."""
        try:
            worked = not answer().skipped
        except BrokenProcessPool:
            raise
        except Exception as error:
            self._lost.give_up(chunk, error)
            worked = False
        self._moving.finished(chunk, worked=worked)


class Lost:
    """The chunks given up, as many as the settings allow."""

    def __init__(self, plan: Plan, staging: DirectoryStaging) -> None:
        self._plan, self._staging, self._count = plan, staging, 0

    def give_up(self, chunk: int, error: Exception) -> None:
        """Notes why a chunk is lost. Raises the error where no more may be, or where it is no matter of the chunk."""
        of_all = isinstance(error, (BadInput, NoSpace, PackMismatch, SourceChanged))
        if of_all or (isinstance(error, OSError) and error.errno in OUT_OF_SPACE):
            raise error
        self._count += 1
        if self._count > self._plan.settings.max_lost_chunks or self._count == len(self._plan.chunks):
            raise error
        noted = Failure(error=type(error).__name__, cause=str(error))
        put_document(self._staging, failure_key(self._plan.run_id, chunk), noted)


def _worker_died(plan: Plan, left: int, workers: int) -> WorkerDied:
    return WorkerDied(
        f"{source_names(plan.source.uri)[0]}: a worker process died with {left} of {len(plan.chunks)} chunks to go "
        f"(out of memory?); run it again with --workers {max(1, workers // 2)} to resume"
    )


def _detect_chunk(staging_root: Path, run_id: str, chunk: int, pack_dir: Path) -> DetectResponse:
    """What a worker does."""
    from lambdas.detect import handler as detect
    from talent_frames.fetched import ready_to_detect

    ready_to_detect()
    return detect.run(DetectRequest(run_id=run_id, chunk=chunk), DirectoryStaging(staging_root), pack_dir)


def chunk_seconds(plan: Plan) -> list[float]:
    """Seconds of video in each chunk; the open ends of the first and last are cut to the video's."""
    source = plan.source
    return [
        max(0.0, min(source.duration_s, source.seconds(chunk.end_pts)) - max(0.0, source.seconds(chunk.start_pts)))
        for chunk in plan.chunks
    ]
