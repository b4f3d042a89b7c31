"""The publish stage: from cluster's choice to pictures, names, report and manifest."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from os import environ
from typing import Any

from lambdas.contracts import (
    Deployment,
    JobReport,
    Plan,
    PublishAnswer,
    PublishOrder,
    PublishRequest,
    PublishResponse,
    Selection,
    corrections_key,
    job_report_key,
    plan_key,
    selection_key,
)
from lambdas.door import decode, document, log_for, number, open_bucket, services_named
from lambdas.errors import IncompleteRun
from lambdas.publish import cost, images, report
from lambdas.publish.contact_sheet import sheet_of
from lambdas.publish.event import Published, event_detail, latest_document, latest_key, points_to_newer
from lambdas.publish.frame_jobs import frame_jobs
from lambdas.publish.keys import Keys, check_distinct, check_prefix, is_inside
from lambdas.publish.manifest import Manifest, listed_files
from lambdas.publish.names import names_text
from lambdas.publish.publish_frames import FACE_QUALITY, publish_frames
from lambdas.publish.run_manifest import Run, manifest_of
from lambdas.staging import Store, get_document, presign

logger = logging.getLogger(__name__)

MOST_URIS = 50
"""Frames listed in the event unless EVENT_URI_CAP says otherwise."""


def run(
    request: PublishRequest, staging: Store, published: Store, deployment: Deployment = cost.DEPLOYMENT
) -> PublishResponse:
    """The run's results in `published`, under `request.prefix`: pictures, then names and report, the manifest last.

    Files that the manifest standing there before listed and the new one does not are deleted after the new one stands.
    Raises InvalidSettings for key templates that don't work out before anything is written, and IncompleteRun where
    staging lacks the plan, the selection or a frame they name.
    """
    started = time.perf_counter()
    check_prefix(request.prefix)
    plan, selection = _decided(request.run_id, staging)
    logger.info("publish %s: %d people", request.run_id, len(selection.people))
    keys = Keys.of(plan.settings.keys, plan.source.uri)
    jobs = frame_jobs(plan, selection, keys)
    corrections = _corrections(plan, staging)
    files = [file for job in jobs for file in job.files]
    files += [keys.names, keys.report, keys.contact_sheet, *([keys.corrections] if corrections else [])]
    check_distinct([*files, keys.manifest])

    def put(file: str, data: bytes, content_type: str) -> None:
        published.put(request.prefix + file, data, content_type=content_type)

    frames = publish_frames(jobs, plan, request.prefix, staging, published)
    put(keys.names, names_text(selection.people, keys).encode(), "text/plain; charset=utf-8")
    if corrections:
        put(keys.corrections, corrections, "application/json")
    job_report = _job_report(plan, staging)
    publish_s = time.perf_counter() - started
    done = Run(plan, selection, keys, files, frames, len(jobs), publish_s, job_report, deployment)
    manifest = manifest_of(done)
    put(keys.contact_sheet, images.encode(sheet_of(manifest, frames.faces, frames.shown), FACE_QUALITY), "image/jpeg")
    page = report.render(manifest, keys, frames.shown, request.video_link)
    put(keys.report, page.encode(), "text/html; charset=utf-8")
    before = _listed_before(request.prefix + keys.manifest, published)
    put(keys.manifest, manifest.model_dump_json(indent=1).encode(), "application/json")
    stale = _stale(before, [*files, keys.manifest])
    for file in stale:
        published.delete(request.prefix + file)
    logger.info(
        "publish %s: %d files, %d stale ones deleted, %.2f s",
        request.run_id,
        len(files) + 1,
        len(stale),
        time.perf_counter() - started,
    )
    return PublishResponse(
        run_id=request.run_id,
        manifest_key=request.prefix + keys.manifest,
        people=len(selection.people),
        representative=len(selection.representative),
        scenes=len(selection.scenes),
    )


def handler(event: Any, context: object) -> dict[str, Any]:
    """The Lambda door: publishes, points `latest.json` to it and hands back the event to send."""
    order = decode(PublishOrder, event)
    log_for(order.run_id)
    staging = open_bucket(environ, "STAGING_BUCKET")
    published = open_bucket(environ, "PUBLISHED_BUCKET")
    expiry_s = number(environ, "URL_EXPIRY_S", 0)
    most_uris = number(environ, "EVENT_URI_CAP", MOST_URIS)
    with services_named():
        asked = PublishRequest(run_id=order.run_id, prefix=order.prefix)
        answer = run(asked, staging, published, document(environ, "DEPLOYMENT", Deployment))
        manifest = Manifest.model_validate_json(published.get(answer.manifest_key))
        place = Published(published.bucket, order.prefix, answer.manifest_key)
        if latest := latest_key(order.prefix, order.run_id):
            uploaded_at = get_document(staging, plan_key(order.run_id), Plan).source.uploaded_at
            pointer = latest_document(manifest, place, uploaded_at)
            # A run that ends late does not turn the pointer back.
            published.put_unless(latest, pointer, partial(points_to_newer, than=pointer))
    detail = event_detail(
        manifest,
        place,
        execution_arn=order.execution_arn,
        most_uris=most_uris,
        sign=partial(presign, published.client, published.bucket, expires_s=expiry_s) if expiry_s else None,
        urls_expire_in_s=expiry_s,
    )
    return PublishAnswer(
        manifest_uri=detail["manifest_uri"],
        people=answer.people,
        representative=answer.representative,
        scenes=answer.scenes,
        event=detail,
    ).model_dump(mode="json")


def _decided(run_id: str, staging: Store) -> tuple[Plan, Selection]:
    """What split and cluster decided."""
    try:
        return get_document(staging, plan_key(run_id), Plan), get_document(staging, selection_key(run_id), Selection)
    except KeyError as error:
        raise IncompleteRun(f"run {run_id}: {error.args[0]} is missing") from None


def _corrections(plan: Plan, staging: Store) -> bytes:
    """What a person corrected, as cluster read it; empty without anything."""
    try:
        return staging.get(corrections_key(plan.run_id))
    except KeyError:
        return b""


def _job_report(plan: Plan, staging: Store) -> JobReport:
    """What a Batch job did of the run."""
    try:
        return get_document(staging, job_report_key(plan.run_id), JobReport)
    except KeyError:
        return JobReport(chunks=0, detect_s=0.0, job_s=0.0)


def _listed_before(manifest_key: str, published: Store) -> list[str]:
    """The files of the manifest that stands there."""
    try:
        return listed_files(published.get(manifest_key))
    except KeyError:
        return []


def _stale(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Files of an earlier run to delete; a name that differs only in case may be the same file on this disk."""
    kept = {file.casefold() for file in now}
    return [file for file in before if is_inside(file) and file.casefold() not in kept]
