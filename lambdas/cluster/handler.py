"""cluster: all chunks' detections -> who is in the video, which frames show it, where its scenes are."""

from __future__ import annotations

import logging
import time
from os import environ
from typing import Any

from lambdas.cluster.clustering import scikit_learn
from lambdas.cluster.footage import read_footage, read_moments
from lambdas.cluster.gallery import check_gallery
from lambdas.cluster.selection import select
from lambdas.contracts import (
    ClusterRequest,
    ClusterResponse,
    Correction,
    Corrections,
    Gallery,
    Plan,
    corrections_key,
    plan_key,
    selection_key,
)
from lambdas.door import decode, log_for, open_bucket, services_named
from lambdas.errors import IncompleteRun, InvalidCorrections, InvalidGallery
from lambdas.staging import Store, get_document, put_document

log = logging.getLogger(__name__)


def run(request: ClusterRequest, staging: Store) -> ClusterResponse:
    """Writes `selection.json`; the same documents give the same bytes, but for `cluster_s`.

    Raises IncompleteRun where a document is missing, GalleryPackMismatch and InvalidGallery for an unusable gallery,
    InvalidCorrections for corrections that can't be read or are of another video.
    """
    started = time.monotonic()
    try:
        plan = get_document(staging, plan_key(request.run_id), Plan)
    except KeyError:
        raise IncompleteRun(f"run {request.run_id}: its plan is missing") from None
    log.info("cluster starts run=%s chunks=%d", plan.run_id, len(plan.chunks))
    gallery = _read_gallery(plan, staging)
    footage = read_footage(plan, staging)
    corrections, moments = _read_corrections(plan, staging), read_moments(plan, staging)
    selection = select(plan, footage, gallery, corrections, moments)
    selection = selection.model_copy(update={"cluster_s": round(time.monotonic() - started, 3)})
    put_document(staging, selection_key(plan.run_id), selection)
    log.info(
        "cluster ends run=%s people=%d unclear=%d scenes=%d representative=%d seconds=%.2f",
        plan.run_id,
        len(selection.people),
        len(selection.unclear),
        len(selection.scenes),
        len(selection.representative),
        selection.cluster_s,
    )
    return ClusterResponse(
        run_id=plan.run_id,
        people=len(selection.people),
        scenes=len(selection.scenes),
        representative=len(selection.representative),
    )


def handler(event: Any, context: object) -> dict[str, Any]:
    """The Lambda door."""
    request = decode(ClusterRequest, event)
    log_for(request.run_id)
    staging = open_bucket(environ, "STAGING_BUCKET")
    with services_named():
        return run(request, staging).model_dump(mode="json")


if "AWS_LAMBDA_RUNTIME_API" in environ:
    # In the cloud a function's start has a whole processor or more, whatever its memory: what takes two seconds is
    # loaded there, once, and no run waits for it. On a laptop it is loaded while detect works.
    scikit_learn()


def _read_gallery(plan: Plan, staging: Store) -> Gallery | None:
    if plan.gallery_key is None:
        return None
    try:
        gallery = Gallery.from_bytes(staging.get(plan.gallery_key))
    except KeyError:
        raise InvalidGallery(f"{plan.gallery_key}: the gallery is not in staging") from None
    check_gallery(gallery, plan.pack)
    return gallery


def _read_corrections(plan: Plan, staging: Store) -> list[Correction]:
    try:
        text = staging.get(corrections_key(plan.run_id))
    except KeyError:
        return []
    read = Corrections.parsed(text, "corrections.json")
    if read.source_identity != plan.source.identity:
        raise InvalidCorrections(f"corrections.json: made on another video, in run {read.run_id}")
    return read.corrections
