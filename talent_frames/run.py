"""The order of the stages on one machine: split, detect for every chunk in a process pool, cluster, publish."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lambdas.contracts import (
    ClusterRequest,
    Corrections,
    Plan,
    PublishRequest,
    Settings,
    SplitRequest,
    chunk_document_key,
    plan_key,
)
from lambdas.errors import FfmpegMissing, InvalidCorrections, SourceMissing
from lambdas.publish.keys import Keys
from lambdas.staging import DirectoryStaging, get_document
from talent_frames.chunk_lengths import duration_of, likely_workers, with_even_chunks
from talent_frames.corrections import corrections_in, put_aside, put_corrections, read_corrections
from talent_frames.detect_chunks import chunk_seconds, detect_chunks
from talent_frames.kept import KEPT_DAYS, keep
from talent_frames.linked_video import linked_video
from talent_frames.machine import cache_folder, default_workers
from talent_frames.moving import remembered
from talent_frames.output import check_output, replacing
from talent_frames.progress import Downloads, Progress, Silent, clock
from talent_frames.script_guard import check_guarded
from talent_frames.work_folder import work_folder
from talent_frames.worker_pool import loading_pool

if TYPE_CHECKING:
    from lambdas.publish.manifest import Manifest


@dataclass(frozen=True)
class RunOptions:
    """What may be chosen for one run beside its settings."""

    gallery: bytes | None = None
    """A gallery.npz."""
    workers: int | None = None
    """Processes; by default as many as cores and memory allow."""
    force: str = ""
    """A new text does everything again."""
    link_video: bool = False
    """Whether the report links to the video wherever it lies."""
    progress: Progress | None = None
    corrections: Path | None = None
    """A corrections.json to apply, in place of what was corrected in the run before."""
    keep_days: float = KEPT_DAYS
    """For so long the run can be corrected without reading the video."""


USUAL = RunOptions()


def run_video(
    video: str | Path,
    *,
    out: Path,
    pack_dir: Path,
    settings: Settings | None = None,
    options: RunOptions = USUAL,
) -> Manifest:
    """Finds the people of one video, publishes them as folder `out` and returns the manifest.

    `video` is a path or an http(s) or s3 URL, `pack_dir` the folder of a model pack. `out` is replaced whole when
    everything is done and left as it was if anything fails. Chunks that an interrupted run of the same video and
    settings finished are not done again, unless `options.force` is a new text.
    What was corrected in the run that `out` holds is applied again if it is about this video.
    Made without `chunk_s`, `settings` get the chunk length, up to the default, that lets all workers end together.

    Raises BadInput for what trying again can't help, and other TalentFramesErrors.
    """
    settings = settings if settings is not None else Settings()
    progress = options.progress if options.progress is not None else Silent()
    uri = str(video)
    check_name(uri)
    keys = Keys.of(settings.keys, uri)
    check_output(out, ("manifest.json", keys.manifest))
    made = [read_corrections(options.corrections)] if options.corrections is not None else corrections_in(out)
    most = options.workers or default_workers()
    if most > 1:
        check_guarded()
    duration_s = duration_of(uri) if most > 1 else 0.0
    likely = likely_workers(settings, duration_s, most)
    with contextlib.ExitStack() as ending:
        # Before anything else: workers load their libraries and models while this process loads its own and plans.
        pool = ending.enter_context(loading_pool(likely, pack_dir)) if likely > 1 else None

        from lambdas.detect.packs import load_pack
        from talent_frames.packs import use_fetched

        use_fetched()

        pack = load_pack(pack_dir).facts
        work = ending.enter_context(work_folder(_key(uri, settings, pack.sha256, options)))
        staging = DirectoryStaging(work)
        gallery_key = _put_gallery(options.gallery, staging)

        progress.started("split")
        settings = with_even_chunks(settings, duration_s, staging, most)
        request = SplitRequest(uri=uri, settings=settings, pack=pack, gallery_key=gallery_key, force=options.force)
        plan = _split(request, staging, progress)
        before = _chunks_done(plan, staging)
        going_on = f"; goes on from {before} of {_chunks(plan)}" if before else ""
        progress.finished("split", f"{clock(plan.source.duration_s)} of video in {_chunks(plan)}{going_on}")

        _detect(plan, staging, pack_dir, min(likely if pool else most, len(plan.chunks)), pool, progress)
        fitting = _apply(made, plan, staging, pack_dir, options.corrections)
        _cluster(plan, staging, progress)
        others = [one for one in made if one not in fitting]
        link = linked_video(uri, out / keys.report, wanted=options.link_video)
        manifest = _publish(PublishRequest(run_id=plan.run_id, video_link=link), staging, out, others, progress)
        keep(work, plan.run_id, pack_dir, options.keep_days)
    return manifest


def _key(uri: str, settings: Settings, pack_sha256: str, options: RunOptions) -> str:
    """The same for every try of the same run."""
    whole = hashlib.sha256()
    for part in (_absolute(uri), settings.model_dump_json(), pack_sha256, options.force):
        whole.update(part.encode() + b"\0")
    whole.update(options.gallery or b"")
    return whole.hexdigest()[:16]


def _put_gallery(gallery: bytes | None, staging: DirectoryStaging) -> str | None:
    """Its key in staging."""
    if gallery is None:
        return None
    key = f"galleries/{hashlib.sha256(gallery).hexdigest()}.npz"
    staging.put(key, gallery)
    return key


def _split(request: SplitRequest, staging: DirectoryStaging, progress: Progress) -> Plan:
    from lambdas.split import handler as split
    from talent_frames.packs import get_ffmpeg

    try:
        run_id = split.run(request, staging).run_id
    except FfmpegMissing:
        # Few videos need it.
        get_ffmpeg(Downloads(progress))
        run_id = split.run(request, staging).run_id
    return get_document(staging, plan_key(run_id), Plan)


def _detect(
    plan: Plan,
    staging: DirectoryStaging,
    pack_dir: Path,
    workers: int,
    loading: ProcessPoolExecutor | None,
    progress: Progress,
) -> None:
    progress.started("detect", sum(chunk_seconds(plan)))
    kind = f"{plan.pack.sha256[:16]}{' people only' if plan.settings.people_only else ''}"
    try:
        with remembered(progress, "detect", workers, cache_folder() / "speed.json", kind) as moving:
            detect_chunks(plan, staging, pack_dir, workers, moving, loading)
    except BaseException as error:
        if not isinstance(error, Exception):
            error.add_note(f"interrupted; {_chunks_done(plan, staging)} of {_chunks(plan)} kept")
        raise
    progress.finished("detect", f"{workers} worker{'s' if workers > 1 else ''}")


def _apply(
    made: Sequence[Corrections], plan: Plan, staging: DirectoryStaging, pack_dir: Path, given: Path | None
) -> list[Corrections]:
    """Stages the corrections that are about this video, and returns them. Raises InvalidCorrections where those `given`
    are not."""
    from talent_frames.moments import stage_missing

    fitting = [one for one in made if one.source_identity == plan.source.identity]
    if given is not None and not fitting:
        raise InvalidCorrections(f"{given}: made on another video, in run {made[0].run_id}")
    if fitting:
        put_corrections(staging, plan, fitting[0].corrections)
        stage_missing(plan, staging, pack_dir, fitting[0].corrections)
    return fitting


def _cluster(plan: Plan, staging: DirectoryStaging, progress: Progress) -> None:
    from lambdas.cluster import handler as cluster

    progress.started("cluster")
    found = cluster.run(ClusterRequest(run_id=plan.run_id), staging)
    progress.finished("cluster", f"{found.people} people, {found.scenes} scenes")


def _publish(
    request: PublishRequest, staging: DirectoryStaging, out: Path, others: Sequence[Corrections], progress: Progress
) -> Manifest:
    """Publishes the run as folder `out`, with corrections of `others` put aside in it."""
    from lambdas.publish import handler as publish
    from lambdas.publish.manifest import Manifest
    from lambdas.publish.notebook import remember

    progress.started("publish")
    with replacing(out) as written:
        answer = publish.run(request, staging, DirectoryStaging(written, private=False))
        manifest = Manifest.model_validate_json((written / answer.manifest_key).read_bytes())
        for other in others:
            put_aside(written, other)
    remember(manifest.run_id, out)
    progress.finished("publish", str(out))
    return manifest


def _chunks(plan: Plan) -> str:
    return f"{len(plan.chunks)} chunk{'s' if len(plan.chunks) > 1 else ''}"


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


def _absolute(uri: str) -> str:
    return uri if "://" in uri else str(Path(uri).absolute())
