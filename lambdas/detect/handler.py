"""The detect stage: one chunk's faces, tracks, scene scores and the frames that may be published."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from functools import lru_cache
from os import environ
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from lambdas.contracts import (
    Chunk,
    DetectRequest,
    DetectResponse,
    Failure,
    Plan,
    chunk_document_key,
    detections_key,
    failure_key,
    frames_key,
    plan_key,
)
from lambdas.detect.context import ChunkContext
from lambdas.detect.decode.memory import give_memory_back
from lambdas.detect.packs import Pack, load_pack
from lambdas.detect.pipeline import ChunkResult, process_chunk
from lambdas.door import decode, log_for, open_bucket, services_named, variable
from lambdas.errors import PackMismatch
from lambdas.staging import Store, get_document, put_document, source_location

_LOG = logging.getLogger(__name__)


def run(request: DetectRequest, staging: Store, pack: Path) -> DetectResponse:
    """Works through one chunk and writes its tar, columns and document; a chunk already done is left alone.

    Raises PackMismatch where `pack`, a model pack's directory, is not the one planned for.
    """
    document_key = chunk_document_key(request.run_id, request.chunk)
    if staging.exists(document_key):
        return DetectResponse(run_id=request.run_id, chunk=request.chunk, skipped=True)
    plan = get_document(staging, plan_key(request.run_id), Plan)
    models = _loaded(pack)
    if models.facts.sha256 != plan.pack.sha256:
        raise PackMismatch(f"run {plan.run_id} was planned for {plan.pack.name}, this worker has {models.facts.name}")
    _LOG.info("detect: run %s chunk %d begins", request.run_id, request.chunk)
    start = time.perf_counter()
    try:
        result = process(plan, request.chunk, staging, models)
    finally:
        give_memory_back()
    staging.put(frames_key(request.run_id, request.chunk), result.frames, content_type="application/x-tar")
    staging.put(detections_key(request.run_id, request.chunk), result.detections.to_bytes())
    document = result.document
    document = document.model_copy(update={"seconds": {**document.seconds, "total": time.perf_counter() - start}})
    written = staging.put_if_absent(document_key, document.model_dump_json(indent=1).encode())
    _LOG.info(
        "detect: run %s chunk %d ends: %d frames, %d sampled or refined, %d detections, %d staged, %.1f s",
        request.run_id,
        request.chunk,
        document.frame_count,
        document.looked_frames,
        len(result.detections.pts),
        len(document.staged),
        document.seconds["total"],
    )
    return DetectResponse(run_id=request.run_id, chunk=request.chunk, skipped=not written)


def handler(event: Any, context: object) -> dict[str, Any]:
    """The Lambda door: one chunk; the map needs no answer."""
    request = decode(DetectRequest, event)
    log_for(request.run_id, chunk=request.chunk)
    staging, pack = open_bucket(environ, "STAGING_BUCKET"), Path(variable(environ, "PACK_DIR"))
    run_noting_failure(request, staging, pack)
    return {}


def run_noting_failure(request: DetectRequest, staging: Store, pack: Path) -> DetectResponse:
    """`run`, which leaves the reason in staging if it fails: the map's own failure doesn't say it."""
    try:
        with services_named():
            return run(request, staging, pack)
    except Exception as error:
        with suppress(Exception):
            failure = Failure(error=type(error).__name__, cause=str(error))
            put_document(staging, failure_key(request.run_id, request.chunk), failure)
        raise


@lru_cache(maxsize=1)
def _loaded(pack: Path) -> Pack:
    """The pack, whose models stay in memory for this process' next chunk."""
    return load_pack(pack)


def process(plan: Plan, index: int, staging: Store, models: Pack) -> ChunkResult:
    """Works through the plan's chunk of this number."""
    context = ChunkContext.of(plan, index)
    name = PurePosixPath(urlsplit(plan.source.uri).path).name
    return process_chunk(context, location_of(plan, context.chunk, staging), name, models)


def location_of(plan: Plan, chunk: Chunk, staging: Store) -> str:
    """From where a chunk is read: its segment, or the source, pinned to what was planned for."""
    if chunk.segment_key:
        return staging.location(chunk.segment_key)
    return source_location(plan.source.uri, version_id=plan.source.version_id, etag=plan.source.etag)
