"""The split stage: identifies a video, probes it and plans its chunks."""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from lambdas.contracts import (
    Chunk,
    Plan,
    Settings,
    SplitRequest,
    SplitResponse,
    chunks_key,
    plan_key,
    segment_key,
)
from lambdas.split.identify import PIPELINE_VERSION, identify, run_id
from lambdas.split.plan import choose_borders, make_chunks, mid_gop_ticks
from lambdas.split.probe import Probe, find_keyframes, measured_end, probe_video, settle_borders
from lambdas.split.segments import copy_chunk, copy_indexed
from lambdas.staging import Store, put_document, source_location

log = logging.getLogger(__name__)


def run(request: SplitRequest, staging: Store) -> SplitResponse:
    """Plans a run: segments where they are needed, then `chunks.json`, then `plan.json`, all under the run's id.

    Raises what lambdas/errors.py lists under BadInput; nothing is written then.
    """
    began = time.perf_counter()
    name = source_name(request.uri)
    location = source_location(request.uri)
    identity, size = identify(location, name)
    gallery = staging.get(request.gallery_key) if request.gallery_key is not None else b""
    this_run = run_id(identity, request.settings, request.pack, gallery=gallery, force=request.force)
    log.info("split starts: run %s, %s", this_run, name)

    probe = probe_video(location, name, request.uri, identity, size)
    if probe.facts.segmented:
        probe, chunks = _plan_segments(location, name, probe, request.settings, this_run, staging)
    else:
        probe, chunks = plan(location, name, probe, request.settings)

    document = Plan(
        pipeline_version=PIPELINE_VERSION,
        run_id=this_run,
        source=probe.facts,
        settings=request.settings,
        pack=request.pack,
        gallery_key=request.gallery_key,
        chunks=chunks,
        mid_gop_decode_s=float(mid_gop_ticks(chunks) * probe.facts.time_base),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        split_s=time.perf_counter() - began,
    )
    listed = ",\n".join(chunk.model_dump_json() for chunk in chunks)
    staging.put(chunks_key(this_run), f"[{listed}]".encode(), content_type="application/json")
    put_document(staging, plan_key(this_run), document)
    log.info("split ends: run %s, %d chunks, %.1f s", this_run, len(chunks), document.split_s)
    return SplitResponse(run_id=this_run, chunk_count=len(chunks), duration_s=probe.facts.duration_s)


def source_name(uri: str) -> str:
    """The file's name, for messages: the last part of a path or URL, without its query."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https", "s3", "file"):
        return unquote(PurePosixPath(parts.path).name) or parts.netloc
    return Path(uri).name


def plan(
    location: str, name: str, probe: Probe, settings: Settings, *, run: str | None = None
) -> tuple[Probe, list[Chunk]]:
    """The chunks of a video, and the probe with its end known; with `run`, chunks are segments of that run."""
    facts = probe.facts
    chunk_ticks = round(settings.chunk_s / facts.time_base)
    keyframes = find_keyframes(location, name, probe, chunk_ticks)
    if probe.end_pts <= facts.start_pts:
        end_pts = max(measured_end(location, name) or 0, facts.start_pts + 1)
        seconds = float((end_pts - facts.start_pts) * facts.time_base)
        probe = replace(probe, end_pts=end_pts, facts=facts.model_copy(update={"duration_s": seconds}))
        facts = probe.facts
    borders = choose_borders(keyframes, facts.start_pts, probe.end_pts, chunk_ticks)
    borders = settle_borders(location, name, probe, borders, keyframes)
    segments = partial(segment_key, run) if run is not None else None
    return probe, make_chunks(borders, facts.start_pts, probe.end_pts, settings, segments)


def _plan_segments(
    location: str, name: str, probe: Probe, settings: Settings, this_run: str, staging: Store
) -> tuple[Probe, list[Chunk]]:
    """Plans on an indexed copy, whose times are the segments' too, and stages a segment per chunk."""
    with tempfile.TemporaryDirectory(prefix="talent-frames-split-") as folder:
        indexed = Path(folder) / "indexed.mkv"
        copy_indexed(location, name, probe.facts.video_stream, indexed, starts_at_or_after_0=probe.facts.start_pts >= 0)
        copied = probe_video(str(indexed), name, probe.facts.uri, probe.facts.identity, probe.facts.size_bytes)
        timing = ("duration_s", "start_pts", "time_base_num", "time_base_den", "video_stream")
        facts = probe.facts.model_copy(update={field: getattr(copied.facts, field) for field in timing})
        planned, chunks = plan(str(indexed), name, copied, settings, run=this_run)
        facts = facts.model_copy(update={"duration_s": planned.facts.duration_s})
        for chunk in chunks:
            segment = Path(folder) / f"{chunk.index:05d}.mkv"
            copy_chunk(indexed, name, chunk, facts.time_base, segment)
            assert chunk.segment_key is not None
            staging.put_file(chunk.segment_key, segment)
        return replace(planned, facts=facts), chunks
