"""The split stage: identifies a video, probes it and plans its chunks."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from os import environ
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from lambdas.contracts import (
    Chunk,
    PackFacts,
    Plan,
    Settings,
    SplitRequest,
    SplitResponse,
    StartRequest,
    StartResponse,
    chunks_key,
    corrections_key,
    plan_key,
    segment_key,
)
from lambdas.door import decode, document, log_for, number, open_bucket, services_named, variable
from lambdas.errors import InvalidGallery, RunExpired
from lambdas.split.claim import Ledger
from lambdas.split.containers import is_fragmented, missing_bytes
from lambdas.split.copying import copied_times, copy_reels, knows_when_shown, probe_of_copy
from lambdas.split.corrections import read_corrections
from lambdas.split.identify import PIPELINE_VERSION, identify, identify_object, run_id
from lambdas.split.plan import choose_borders, key_before, make_chunks, mid_gop_ticks, whole_ticks, without_empty
from lambdas.split.probe import Probe, find_keyframes, probe_video, settle_borders, survey
from lambdas.split.reels import Reel, Room, plan_reels, room_for
from lambdas.split.requests import DEFAULT_PREFIX, check_room, choose_settings, pin, published_prefix, read_sidecar
from lambdas.split.segments import copy_chunk, ffmpeg_program, holds_packets, with_segments_held
from lambdas.split.space import require_space
from lambdas.split.timeline import NO_TIME
from lambdas.staging import (
    S3Staging,
    Store,
    get_document,
    put_document,
    s3_client,
    source_location,
    split_s3_uri,
)
from lambdas.video import content_mark, reader_of, size_bytes

log = logging.getLogger(__name__)

LATE_S = 0.5
"""A picture that begins so long after its sound is worth a note."""


def run(request: SplitRequest, staging: Store) -> SplitResponse:
    """Plans a run: segments where they are needed, then `chunks.json`, then `plan.json`, all under the run's id.

    Raises what lambdas/errors.py lists under BadInput; nothing is written then.
    """
    began = time.perf_counter()
    name = source_name(request.uri)
    location = source_location(request.uri, version_id=request.version_id, etag=request.etag)
    if request.version_id or request.etag:
        bucket, key = split_s3_uri(request.uri)
        identity, size = identify_object(bucket, key, request.version_id, request.etag), size_bytes(location, name)
    else:
        identity, size = identify(location, name)
    gallery = staging.get(request.gallery_key) if request.gallery_key is not None else b""
    this_run = run_id(identity, request.settings, request.pack, gallery=gallery, force=request.force)
    log.info("split starts: run %s, %s", this_run, name)

    mark = content_mark(location, name)
    limits = request.settings.limits
    probe = probe_video(location, name, request.uri, identity, size, limits, mark=mark)
    cut_off = missing_bytes(probe.facts.container, reader_of(location, name), size)
    probe = survey(location, name, probe, limits)
    if probe.facts.segmented:
        probe, chunks = _plan_segments(location, name, probe, request.settings, this_run, staging)
    else:
        probe, chunks = plan(location, name, probe, request.settings)

    document = Plan(
        pipeline_version=PIPELINE_VERSION,
        run_id=this_run,
        source=probe.facts.model_copy(
            update={"version_id": request.version_id, "etag": request.etag, "uploaded_at": request.uploaded_at}
        ),
        settings=request.settings,
        pack=request.pack,
        gallery_key=request.gallery_key,
        chunks=chunks,
        mid_gop_decode_s=float(mid_gop_ticks(chunks) * probe.facts.time_base),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        split_s=time.perf_counter() - began,
        notes=_notes(probe, cut_off),
    )
    listed = ",\n".join(chunk.model_dump_json() for chunk in chunks)
    staging.put(chunks_key(this_run), f"[{listed}]".encode(), content_type="application/json")
    put_document(staging, plan_key(this_run), document)
    log.info("split ends: run %s, %d chunks, %.1f s", this_run, len(chunks), document.split_s)
    return SplitResponse(run_id=this_run, chunk_count=len(chunks), duration_s=probe.facts.duration_s)


def handler(event: Any, context: object) -> dict[str, Any]:
    """The Lambda door: identifies the upload and claims its run before the video is opened, then plans it."""
    request = decode(StartRequest, event)
    staging = open_bucket(environ, "STAGING_BUCKET")
    ledger = Ledger(variable(environ, "LEDGER_TABLE"), number(environ, "LEASE_S"))
    prefix = environ.get("PREFIX_TEMPLATE") or DEFAULT_PREFIX
    with services_named():
        if request.resume is not None:
            return _resume(request, staging, ledger, prefix).model_dump(mode="json")
        gallery = _gallery_place(environ.get("GALLERY_BUCKET"), environ.get("GALLERY_KEY"))
        stack, pack = document(environ, "DEFAULT_SETTINGS", Settings), document(environ, "PACK_FACTS", PackFacts)
        return _start(request, staging, ledger, prefix, stack, pack, gallery).model_dump(mode="json")


def _start(
    request: StartRequest,
    staging: S3Staging,
    ledger: Ledger,
    prefix: str,
    stack: Settings,
    pack: PackFacts,
    gallery_place: tuple[str, str] | None,
) -> StartResponse:
    assert request.source is not None
    client = s3_client()
    check_room(published_prefix(prefix, request.source.key, "0" * 16), stack.keys, request.source.key)
    source, uploaded_at = pin(client, request.source)
    settings = choose_settings(stack, read_sidecar(client, source), request.settings or {})
    gallery, gallery_key = b"", None
    if gallery_place is not None:
        gallery, gallery_key = _stage_gallery(client, gallery_place, staging)
    identity = identify_object(source.bucket, source.key, source.version_id, source.etag)
    this_run = run_id(identity, settings, pack, gallery=gallery, force=request.force or "")
    log_for(this_run)
    video = f"{source.bucket}/{source.key}"
    claim = ledger.claim(this_run, request.execution, video)
    chunk_count, duration_s = 0, 0.0
    if claim.outcome == "started":
        order = SplitRequest(
            uri=source.uri,
            settings=settings,
            pack=pack,
            gallery_key=gallery_key,
            force=request.force or "",
            version_id=source.version_id,
            etag=source.etag,
            uploaded_at=uploaded_at,
        )
        planned = run(order, staging)
        chunk_count, duration_s = planned.chunk_count, planned.duration_s
    return StartResponse(
        outcome=claim.outcome,
        run_id=this_run,
        attempt=claim.attempt,
        chunk_count=chunk_count,
        duration_s=duration_s,
        prefix=published_prefix(prefix, source.key, this_run),
        max_lost_chunks=settings.max_lost_chunks,
        video=video,
    )


def _resume(request: StartRequest, staging: S3Staging, ledger: Ledger, prefix: str) -> StartResponse:
    """Claims a run that was planned before, under a revision of its own."""
    assert request.run_id is not None
    log_for(request.run_id)
    try:
        planned = get_document(staging, plan_key(request.run_id), Plan)
    except KeyError:
        raise RunExpired(
            f"run {request.run_id}: nothing of it is in staging, where data stay for the deployment's staging_days "
            "(its published results can be fetched and corrected by talent-frames correct; for all else start the "
            "video again, and put its corrections under the new run's id)"
        ) from None
    corrections = read_corrections(s3_client(), request.corrections, planned) if request.corrections else b""
    bucket, key = split_s3_uri(planned.source.uri)
    claim = ledger.claim(request.run_id, request.execution, f"{bucket}/{key}", revision=request.revision)
    if claim.outcome == "started" and corrections:
        # Only now: whoever holds the run may be reading those of before.
        staging.put(corrections_key(request.run_id), corrections, content_type="application/json")
    return StartResponse(
        outcome=claim.outcome,
        run_id=request.run_id,
        attempt=claim.attempt,
        chunk_count=len(planned.chunks),
        duration_s=planned.source.duration_s,
        prefix=published_prefix(prefix, key, f"{request.run_id}-{request.revision}"),
        max_lost_chunks=planned.settings.max_lost_chunks,
        video=f"{bucket}/{key}",
    )


def _gallery_place(bucket: str | None, key: str | None) -> tuple[str, str] | None:
    if not bucket or not key:
        return None
    return bucket, key


def _stage_gallery(client: Any, place: tuple[str, str], staging: S3Staging) -> tuple[bytes, str]:
    """The gallery's bytes and where they now lie in staging, under their checksum: a run's gallery never changes."""
    bucket, key = place
    try:
        data: bytes = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except client.exceptions.NoSuchKey:
        raise InvalidGallery(f"s3://{bucket}/{key}: there is no gallery") from None
    staged = f"galleries/{hashlib.sha256(data).hexdigest()}.npz"
    staging.put(staged, data)
    return data, staged


def source_name(uri: str) -> str:
    """The file's name, for messages: the last part of a path or URL, without its query."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "the URL"
    if parts.scheme == "s3":
        return PurePosixPath(split_s3_uri(uri)[1]).name
    if parts.scheme in ("http", "https", "file"):
        return unquote(PurePosixPath(parts.path).name) or parts.netloc
    return Path(uri).name


def _notes(probe: Probe, cut_off: int) -> list[str]:
    notes = list(probe.notes)
    if cut_off:
        notes.append(f"The file is cut off: {cut_off:,} bytes of what it begins are missing.")
    if probe.facts.begins_s >= LATE_S:
        notes.append(
            f"The picture begins {probe.facts.begins_s:.1f} s after the sound: all times count from the first picture, "
            f"players show them {probe.facts.begins_s:.1f} s later."
        )
    return notes


def plan(
    location: str,
    name: str,
    probe: Probe,
    settings: Settings,
    *,
    run: str | None = None,
    segment_of: Callable[[int], str] | None = None,
) -> tuple[Probe, list[Chunk]]:
    """The chunks of a video, and the probe with its end known; with `run`, chunks are segments of that run, unless
    `segment_of` says otherwise."""
    facts = probe.facts
    ticks = whole_ticks(settings.chunk_s, facts.time_base)
    keyframes = find_keyframes(location, name, probe, ticks)
    if probe.end_pts <= facts.start_pts:
        probe = replace(probe, end_pts=facts.start_pts + 1)
    borders = choose_borders(keyframes, facts.start_pts, probe.end_pts, ticks)
    borders = settle_borders(location, name, probe, borders, keyframes)
    if facts.container == "avi" and facts.reordered:
        # What AVI calls a keyframe's time is when it is decoded: frames behind it in the file may be shown before it,
        # and refer to the GOP before.
        borders = [border._replace(decode_from_pts=key_before(keyframes, border.decode_from_pts)) for border in borders]
    if probe.times is not None and len(probe.times) and not _first_fragment_alone(location, name, probe):
        borders = without_empty(borders, sorted(time for time in probe.times.shown() if time != NO_TIME))
    segments = segment_of or (partial(segment_key, run) if run is not None else None)
    return probe, make_chunks(borders, facts.start_pts, probe.end_pts, settings, segments)


def _first_fragment_alone(location: str, name: str, probe: Probe) -> bool:
    """Whether the times are those of a fragmented MP4's index over the network, which are the first fragment's."""
    facts = probe.facts
    if facts.packets or not facts.container.startswith("mov"):
        return False
    return is_fragmented(reader_of(location, name), facts.size_bytes)


def _plan_segments(
    location: str, name: str, probe: Probe, settings: Settings, this_run: str, staging: Store
) -> tuple[Probe, list[Chunk]]:
    """Plans a copy with an index, whose times are the segments' too, and stages a segment per chunk.

    The source is copied in one pass, and what was staged of it is deleted here. A copy whose packets don't tell when
    they are shown would lose that in segments: it is staged whole.
    """
    whole = not knows_when_shown(probe)
    if not whole:
        # Asked for before the copy that it will be needed for.
        ffmpeg_program()
    with tempfile.TemporaryDirectory(prefix="talent-frames-split-") as folder:
        if whole:
            planned, chunks = _stage_whole(location, name, probe, settings, this_run, staging, Path(folder))
        else:
            times = copied_times(location, name, probe)
            copied = probe_of_copy(location, name, probe, times, settings.limits)
            planned, chunks = plan(location, name, copied, settings, run=this_run)
            reels = plan_reels(chunks, times, copied.facts.time_base)
            require_space(Path(folder), staging, room_for(reels, times, copied.facts.time_base), name)
            shown = times.shown()
            held: set[int] = set()
            for reel, path in copy_reels(location, name, probe, times, reels, Path(folder)):
                for chunk in reel.chunks if holds_packets(path) else ():
                    segment = Path(folder) / f"{chunk.index:05d}.mkv"
                    copy_chunk(path, name, chunk, copied.facts.time_base, segment, times=shown[reel.first : reel.stop])
                    assert chunk.segment_key is not None
                    if holds_packets(segment):
                        staging.put_file(chunk.segment_key, segment)
                        held.add(chunk.index)
                    segment.unlink(missing_ok=True)
            chunks = with_segments_held(chunks, held, name)
    timing = ("duration_s", "start_pts", "time_base_num", "time_base_den", "video_stream")
    facts = probe.facts.model_copy(update={field: getattr(planned.facts, field) for field in timing})
    return replace(planned, facts=facts, notes=probe.notes), chunks


def _stage_whole(
    location: str,
    name: str,
    probe: Probe,
    settings: Settings,
    this_run: str,
    staging: Store,
    folder: Path,
) -> tuple[Probe, list[Chunk]]:
    """Plans on a copy with an index, which is staged as the one segment of all chunks."""
    times = copied_times(location, name, probe)
    everything = [Reel(0, len(times), ())]
    require_space(folder, staging, Room(sum(times.sizes), sum(times.sizes)), name)
    for _, path in copy_reels(location, name, probe, times, everything, folder):
        size = path.stat().st_size
        copied = probe_video(str(path), name, probe.facts.uri, probe.facts.identity, size, settings.limits)
        copied = survey(str(path), name, copied, settings.limits)
        planned, chunks = plan(str(path), name, copied, settings, segment_of=lambda _: segment_key(this_run, 0))
        staging.put_file(segment_key(this_run, 0), path)
    return planned, chunks
