"""The order of the stages on one machine: split, detect for every chunk in a process pool, cluster, publish."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import inspect
import math
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from lambdas.contracts import (
    ClusterRequest,
    DetectRequest,
    DetectResponse,
    Failure,
    Plan,
    PublishRequest,
    Settings,
    SplitRequest,
    chunk_document_key,
    failure_key,
    plan_key,
)
from lambdas.errors import (
    OUT_OF_SPACE,
    BadInput,
    FfmpegMissing,
    InvalidCorrections,
    NoSpace,
    PackMismatch,
    ProcessDied,
    SourceChanged,
    SourceMissing,
    SourceUnreachable,
    TalentFramesError,
)
from lambdas.publish.keys import Keys, source_names
from lambdas.staging import DirectoryStaging, get_document, put_document, source_location
from talent_frames.corrections import corrections_in, put_aside, put_corrections, read_corrections
from talent_frames.kept import KEPT_DAYS, keep
from talent_frames.linked_video import linked_video
from talent_frames.machine import cache_folder, default_workers
from talent_frames.moving import Moving, remembered
from talent_frames.output import check_output, replacing
from talent_frames.progress import Downloads, Progress, Silent, clock

if TYPE_CHECKING:
    from lambdas.publish.manifest import Manifest

SHORTEST_CHUNK_S = 10.0
"""Of chunks made short to give every worker its share: below this, what each chunk costs by itself eats the gain."""
QUICK_CHUNK_S = 25.0
"""Of people alone some stretches take ten times as long as others: the more chunks, down to this length, the sooner the
last worker ends. With scenes each border costs more than that gains."""
CHUNKS_A_WORKER = 3
ABANDONED_S = 7 * 86_400
"""Staging of an interrupted run that nobody resumed for so long is dropped."""
WORKER_ENDS_S = 5.0
"""How long a worker may take to end when asked; then it is killed."""


class UnguardedScript(BadInput):
    """A script that workers would run again: each imports the script it was started from."""


class WorkerDied(ProcessDied):
    """A worker process ended without an answer."""


def run_video(
    video: str | Path,
    *,
    out: Path,
    pack_dir: Path,
    settings: Settings | None = None,
    gallery: bytes | None = None,
    workers: int | None = None,
    force: str = "",
    link_video: bool = False,
    progress: Progress | None = None,
    corrections: Path | None = None,
    keep_days: float = KEPT_DAYS,
) -> Manifest:
    """Finds the people of one video, publishes them as folder `out` and returns the manifest.

    `video` is a path or an http(s) or s3 URL, `pack_dir` the folder of a model pack, `gallery` the bytes of a
    gallery.npz. `out` is replaced whole when everything is done and left as it was if anything fails. Chunks that an
    interrupted run of the same video and settings finished are not done again, unless `force` is a new text.
    What was corrected in the run that `out` holds, or is in the file `corrections`, is applied again if it is about
    this video. For `keep_days` the run can be corrected without reading the video.
    With `link_video` the report links to the video wherever it lies.
    Made without `chunk_s`, `settings` get the chunk length, up to the default, that lets all workers end together.

    Raises BadInput for what trying again can't help, and other TalentFramesErrors.
    """
    settings = settings if settings is not None else Settings()
    progress = progress if progress is not None else Silent()
    uri = str(video)
    check_name(uri)
    keys = Keys.of(settings.keys, uri)
    check_output(out, ("manifest.json", keys.manifest))
    made = [read_corrections(corrections)] if corrections is not None else corrections_in(out)
    most = workers or default_workers()
    if most > 1:
        check_guarded()
    duration_s = _duration_s(uri) if most > 1 else 0.0
    likely = _likely_workers(settings, duration_s, most)
    with contextlib.ExitStack() as ending:
        # Before anything else: workers load their libraries and models while this process loads its own and plans.
        pool = ending.enter_context(_loading_pool(likely, pack_dir)) if likely > 1 else None

        from lambdas.detect.packs import load_pack
        from lambdas.split import handler as split
        from talent_frames.packs import get_ffmpeg, use_fetched

        use_fetched()

        pack = load_pack(pack_dir).facts
        whole = hashlib.sha256()
        for part in (_absolute(uri), settings.model_dump_json(), pack.sha256, force):
            whole.update(part.encode() + b"\0")
        whole.update(gallery or b"")
        work = ending.enter_context(_work_folder(whole.hexdigest()[:16]))
        staging = DirectoryStaging(work)
        gallery_key = None
        if gallery is not None:
            gallery_key = f"galleries/{hashlib.sha256(gallery).hexdigest()}.npz"
            staging.put(gallery_key, gallery)

        progress.started("split")
        settings = _with_even_chunks(settings, duration_s, staging, most)
        request = SplitRequest(uri=uri, settings=settings, pack=pack, gallery_key=gallery_key, force=force)
        for asked_again in (False, True):
            try:
                run_id = split.run(request, staging).run_id
                break
            except FfmpegMissing:
                # Few videos need it.
                if asked_again:
                    raise
                get_ffmpeg(Downloads(progress))
        plan = get_document(staging, plan_key(run_id), Plan)
        chunks = f"{len(plan.chunks)} chunk{'s' if len(plan.chunks) > 1 else ''}"
        before = _chunks_done(plan, staging)
        going_on = f"; goes on from {before} of {chunks}" if before else ""
        progress.finished("split", f"{clock(plan.source.duration_s)} of video in {chunks}{going_on}")

        wanted = min(likely if pool else most, len(plan.chunks))
        progress.started("detect", sum(_chunk_seconds(plan)))
        kind = f"{pack.sha256[:16]}{'' if settings.scenes or settings.representative else ' people only'}"
        try:
            with remembered(progress, "detect", wanted, cache_folder() / "speed.json", kind) as moving:
                _detect(plan, staging, pack_dir, wanted, moving, pool)
        except BaseException as error:
            if not isinstance(error, Exception):
                error.add_note(f"interrupted; {_chunks_done(plan, staging)} of {chunks} kept")
            raise
        progress.finished("detect", f"{wanted} worker{'s' if wanted > 1 else ''}")

        from lambdas.cluster import handler as cluster
        from lambdas.publish import handler as publish
        from lambdas.publish.manifest import Manifest
        from lambdas.publish.notebook import remember
        from talent_frames.moments import stage_missing

        fitting = [one for one in made if one.source_identity == plan.source.identity]
        if corrections is not None and not fitting:
            raise InvalidCorrections(f"{corrections}: made on another video, in run {made[0].run_id}")
        if fitting:
            put_corrections(staging, plan, fitting[0].corrections)
            stage_missing(plan, staging, pack_dir, fitting[0].corrections)

        progress.started("cluster")
        found = cluster.run(ClusterRequest(run_id=run_id), staging)
        progress.finished("cluster", f"{found.people} people, {found.scenes} scenes")

        progress.started("publish")
        with replacing(out) as written:
            link = linked_video(uri, out / keys.report, wanted=link_video)
            answer = publish.run(
                PublishRequest(run_id=run_id, video_link=link), staging, DirectoryStaging(written, private=False)
            )
            manifest = Manifest.model_validate_json((written / answer.manifest_key).read_bytes())
            for other in made:
                if other not in fitting:
                    put_aside(written, other)
        remember(manifest.run_id, out)
        progress.finished("publish", str(out))
        keep(work, run_id, pack_dir, keep_days)
    return manifest


def check_guarded() -> None:
    """Passes unless a script calls from outside `if __name__ == "__main__":`. Raises UnguardedScript.

    Workers are spawned, and a spawned process imports the script: without the guard it would start a run of its own.
    """
    frame = inspect.currentframe()
    while frame is not None and (frame.f_code.co_name, frame.f_globals.get("__name__")) != ("<module>", "__main__"):
        frame = frame.f_back
    if frame is None or frame.f_globals.get("__spec__") is not None:
        # Called by something imported, or by `python -m`, whose module workers know by another name.
        return
    script = Path(frame.f_code.co_filename)
    if not script.is_file():
        # A notebook or a prompt.
        return
    tree = ast.parse(script.read_text(encoding="utf-8"))
    guards = [one for one in ast.walk(tree) if isinstance(one, ast.If) and "__name__" in ast.unparse(one.test)]
    if any(one.lineno <= frame.f_lineno <= (one.end_lineno or 0) for one in guards):
        return
    raise UnguardedScript(
        f"{script.name}, line {frame.f_lineno}: workers are processes that import this script, so call it within "
        'if __name__ == "__main__": (or give workers=1)'
    )


def _chunks_done(plan: Plan, staging: DirectoryStaging) -> int:
    return sum(staging.exists(chunk_document_key(plan.run_id, chunk.index)) for chunk in plan.chunks)


def check_name(uri: str) -> None:
    """Passes where a video's name can be written down, as manifest and report do. Raises SourceMissing."""
    if not uri.strip():
        raise SourceMissing("no video was named")
    try:
        uri.encode()
    except UnicodeEncodeError:
        shown = Path(uri).name.encode(errors="replace").decode()
        raise SourceMissing(f"{shown}: its name is not UTF-8; give it another one") from None


def even_chunk_s(duration_s: float, workers: int, longest_s: float, *, people_only: bool = False) -> float:
    """The length of chunk that makes a video a multiple of `workers` chunks, or as many as SHORTEST_CHUNK_S allows."""
    if workers == 1 or not SHORTEST_CHUNK_S < duration_s < math.inf:
        return longest_s
    rounds = math.ceil(duration_s / (workers * longest_s))
    if people_only:
        rounds = max(rounds, min(CHUNKS_A_WORKER, int(duration_s / (workers * QUICK_CHUNK_S))))
    count = workers * rounds
    if duration_s < count * SHORTEST_CHUNK_S:
        count = max(math.ceil(duration_s / longest_s), int(duration_s / SHORTEST_CHUNK_S))
    return min(longest_s, duration_s / count)


def _even_chunk_s(settings: Settings, duration_s: float, workers: int) -> float:
    people_only = not settings.scenes and settings.representative == 0
    return even_chunk_s(duration_s, workers, settings.chunk_s, people_only=people_only)


def _likely_workers(settings: Settings, duration_s: float, most: int) -> int:
    """How many workers a video will keep busy, as far as its container tells its length; 1 where it does not."""
    if not 0 < duration_s < math.inf:
        return 1
    given = "chunk_s" in settings.model_fields_set
    chunk_s = settings.chunk_s if given else _even_chunk_s(settings, duration_s, most)
    return min(most, max(1, round(duration_s / chunk_s)))


def _with_even_chunks(settings: Settings, duration_s: float, staging: DirectoryStaging, workers: int) -> Settings:
    """The settings with a chunk length that suits the workers, unless it was given.

    What is resumed keeps the length it was planned with: else nothing of it would be found, when another number of
    workers, or of bytes free for them, asks for another one.
    """
    if "chunk_s" in settings.model_fields_set:
        return settings
    for path in sorted(staging.root.glob(plan_key("*")), key=lambda path: -path.stat().st_mtime_ns):
        with contextlib.suppress(ValueError):
            planned = Plan.model_validate_json(path.read_bytes()).settings.chunk_s
            return settings.model_copy(update={"chunk_s": planned})
    return settings.model_copy(update={"chunk_s": _even_chunk_s(settings, duration_s, workers)})


def _duration_s(uri: str) -> float:
    """As the container tells it; 0 where it doesn't, or where split will say what is wrong with the video."""
    from lambdas.video import open_video

    try:
        with open_video(source_location(uri), "video") as container:
            # FFmpeg's unit here is the microsecond.
            return (container.duration or 0) / 1e6
    except (TalentFramesError, OSError):
        return 0.0


def _detect(
    plan: Plan,
    staging: DirectoryStaging,
    pack_dir: Path,
    workers: int,
    moving: Moving,
    loading: ProcessPoolExecutor | None,
) -> None:
    """Runs detect for every chunk of the plan: in the pool that is `loading` already, whose workers are told to end
    then, or in one made now, or with no more than one worker in this process."""
    seconds = _chunk_seconds(plan)
    lost = _Lost(plan, staging)
    if loading is None and workers == 1:
        from lambdas.cluster.identities import scikit_learn

        # Cluster's two seconds of imports go by while the networks, which hold no lock of Python's, are at work.
        threading.Thread(target=scikit_learn, daemon=True).start()
        for chunk in plan.chunks:
            moving.expects(chunk.index, seconds[chunk.index])
            try:
                worked = not _detect_chunk(staging.root, plan.run_id, chunk.index, pack_dir).skipped
            except Exception as error:
                lost.give_up(chunk.index, error)
                worked = False
            moving.finished(chunk.index, worked=worked)
        return
    with _ending(loading, wait_for=False) if loading is not None else _pool(workers) as pool:
        waiting: dict[Future[DetectResponse], int] = {}
        try:
            with _interrupts_held():
                # The longest first, so that no worker starts one when the others are done.
                for chunk in sorted(plan.chunks, key=lambda chunk: -seconds[chunk.index]):
                    waiting[pool.submit(_detect_chunk, staging.root, plan.run_id, chunk.index, pack_dir)] = chunk.index
                    moving.expects(chunk.index, seconds[chunk.index])
        except BrokenProcessPool:
            # One that died while it loaded.
            raise _worker_died(plan, len(plan.chunks), workers) from None
        # Meanwhile nothing else is to be done here. Not sooner: a video that is no good should not wait for it.
        from lambdas.cluster import handler as _cluster  # noqa: F401
        from lambdas.cluster.identities import scikit_learn
        from lambdas.publish import handler as _publish  # noqa: F401

        scikit_learn()

        while waiting:
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                given = waiting.pop(future)
                try:
                    worked = not future.result().skipped
                except BrokenProcessPool:
                    raise _worker_died(plan, len(waiting) + 1, workers) from None
                except Exception as error:
                    lost.give_up(given, error)
                    worked = False
                moving.finished(given, worked=worked)


class _Lost:
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

    _use_fetched()
    return detect.run(DetectRequest(run_id=run_id, chunk=chunk), DirectoryStaging(staging_root), pack_dir)


@contextlib.contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A process pool whose workers end at once if the block raises, and by themselves if this process dies.

    Spawned, not forked: models, OpenCV and FFmpeg hold threads and locks that a fork would copy half-way.
    """
    context = multiprocessing.get_context("spawn")
    with _ending(ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)) as pool:
        yield pool


@contextlib.contextmanager
def _loading_pool(workers: int, pack_dir: Path) -> Iterator[ProcessPoolExecutor]:
    """A pool whose workers start at once and load what detect needs."""
    with _pool(workers) as pool:
        with _interrupts_held():
            for _ in range(workers):
                pool.submit(_load, pack_dir)
        yield pool


def _load(pack_dir: Path) -> None:
    """What a worker does while it has no chunk. What goes wrong here goes wrong again, and is told, with a chunk."""
    from lambdas.detect import handler as detect

    with contextlib.suppress(Exception):
        _use_fetched()
        pack = detect._loaded(pack_dir)
        # Read for being loaded by that.
        _ = pack.detector, pack.embedder


def _use_fetched() -> None:
    """Lets this worker find what was fetched beside the pack: insightface, the networks that read expressions."""
    from lambdas.detect.faces.attributes import use_networks_in
    from talent_frames.packs import expression_folder, use_fetched

    use_fetched()
    folder = expression_folder()
    if folder is not None:
        use_networks_in(folder)


@contextlib.contextmanager
def _ending(pool: ProcessPoolExecutor, *, wait_for: bool = True) -> Iterator[ProcessPoolExecutor]:
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
def _interrupts_held() -> Iterator[None]:
    """While workers start, SIGINT waits: they inherit that, so Ctrl-C never ends one in a traceback of its own."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _work_folder(key: str) -> Iterator[Path]:
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


def _chunk_seconds(plan: Plan) -> list[float]:
    """Seconds of video in each chunk; the open ends of the first and last are cut to the video's."""
    source = plan.source
    return [
        max(0.0, min(source.duration_s, source.seconds(chunk.end_pts)) - max(0.0, source.seconds(chunk.start_pts)))
        for chunk in plan.chunks
    ]


def _absolute(uri: str) -> str:
    return uri if "://" in uri else str(Path(uri).absolute())
