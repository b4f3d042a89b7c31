"""The publish stage: from cluster's choice to pictures, names, report and manifest."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from os import environ
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from lambdas.contracts import (
    QUALITY_PARTS,
    Deployment,
    FaceInFrame,
    FrameRef,
    JobReport,
    PersonTrack,
    Plan,
    PublishAnswer,
    PublishOrder,
    PublishRequest,
    PublishResponse,
    SelectedPerson,
    Selection,
    SourceFacts,
    UnclearAppearance,
    corrections_key,
    frames_key,
    job_report_key,
    plan_key,
    selection_key,
)
from lambdas.door import decode, document, log_for, number, open_bucket, services_named
from lambdas.errors import IncompleteRun
from lambdas.publish import cost, images, names, report, xmp
from lambdas.publish import manifest as manifests
from lambdas.publish.contact_sheet import sheet_of
from lambdas.publish.event import event_detail, latest_document, latest_key, points_to_newer
from lambdas.publish.keys import Keys, check_distinct, check_prefix, is_inside
from lambdas.staging import Store, get_document, presign

logger = logging.getLogger(__name__)

FRAMES_AT_ONCE = 4
"""Frames in memory at a time: enough to hide a bucket's answer times, about 150 MB at 4K."""
FACE_QUALITY = 90
ENDS_EARLY_S, ENDS_EARLY_SHARE = 0.25, 0.01
"""So much less than promised, the larger of the two, is the last frame's length, or a header's rounding."""
MOST_UNCLEAR_PICTURES = 200
"""Published of those never seen clearly: each costs one more frame read and decoded, and a crowd has hundreds."""
MOST_STRETCHES_NAMED = 10
MOST_URIS = 50
"""Frames listed in the event unless EVENT_URI_CAP says otherwise."""


@dataclass(frozen=True)
class _Picture:
    """A frame to publish."""

    file: str
    faces: tuple[images.Box, ...]
    """Kept inside when cropping, the main one first."""
    shown_px: int
    """Longest side in the report."""
    person: SelectedPerson | None = None
    """Whose frame it is."""


@dataclass(frozen=True)
class _Face:
    """A square picture of a face to publish."""

    file: str
    box: images.Box
    shown_px: int
    """Side in the report."""
    person: SelectedPerson | None = None


@dataclass
class _FrameJob:
    """All that one staged frame is needed for."""

    ref: FrameRef
    pictures: list[_Picture] = field(default_factory=list)
    faces: list[_Face] = field(default_factory=list)


@dataclass
class _Done:
    """What came of one staged frame."""

    placements: dict[str, images.Placement] = field(default_factory=dict)
    shown: dict[str, report.Shown] = field(default_factory=dict)
    faces: dict[str, bytes] = field(default_factory=dict)
    """Published pictures of faces."""


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
    try:
        plan = get_document(staging, plan_key(request.run_id), Plan)
        selection = get_document(staging, selection_key(request.run_id), Selection)
    except KeyError as error:
        raise IncompleteRun(f"run {request.run_id}: {error.args[0]} is missing") from None
    logger.info("publish %s: %d people", request.run_id, len(selection.people))
    keys = Keys.of(plan.settings.keys, plan.source.uri)
    jobs = _jobs(plan, selection, keys)
    files = [picture.file for job in jobs for picture in job.pictures]
    files += [face.file for job in jobs for face in job.faces]
    files += [keys.names, keys.report, keys.contact_sheet]
    corrections = _corrections(plan, staging)
    files += [keys.corrections] if corrections else []
    check_distinct([*files, keys.manifest])

    done = _publish_frames(jobs, plan, request.prefix, staging, published)
    if keys.names_are_of_the_video:
        text = names.main_name(selection.people)
    else:
        text = names.list_names([(keys.person(person.id, person.name), person) for person in selection.people])
    published.put(request.prefix + keys.names, text.encode(), content_type="text/plain; charset=utf-8")
    if corrections:
        published.put(request.prefix + keys.corrections, corrections, content_type="application/json")
    try:
        job = get_document(staging, job_report_key(request.run_id), JobReport)
    except KeyError:
        job = JobReport(chunks=0, detect_s=0.0, job_s=0.0)
    manifest = _manifest(plan, selection, keys, files, done, len(jobs), time.perf_counter() - started, job, deployment)
    sheet = images.encode(sheet_of(manifest, done.faces, done.shown), FACE_QUALITY)
    published.put(request.prefix + keys.contact_sheet, sheet, content_type="image/jpeg")
    page = report.render(manifest, keys, done.shown, request.video_link)
    published.put(request.prefix + keys.report, page.encode(), content_type="text/html; charset=utf-8")

    manifest_key = request.prefix + keys.manifest
    try:
        before = manifests.listed_files(published.get(manifest_key))
    except KeyError:
        before = []
    published.put(manifest_key, manifest.model_dump_json(indent=1).encode(), content_type="application/json")
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
        manifest_key=manifest_key,
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
        manifest = manifests.Manifest.model_validate_json(published.get(answer.manifest_key))
        if latest := latest_key(order.prefix, order.run_id):
            uploaded_at = get_document(staging, plan_key(order.run_id), Plan).source.uploaded_at
            pointer = latest_document(manifest, published.bucket, order.prefix, answer.manifest_key, uploaded_at)
            # A run that ends late does not turn the pointer back.
            published.put_unless(latest, pointer, partial(points_to_newer, than=pointer))
    detail = event_detail(
        manifest,
        bucket=published.bucket,
        prefix=order.prefix,
        manifest_key=answer.manifest_key,
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


def _corrections(plan: Plan, staging: Store) -> bytes:
    """What a person corrected, as cluster read it; empty without anything."""
    try:
        return staging.get(corrections_key(plan.run_id))
    except KeyError:
        return b""


def _jobs(plan: Plan, selection: Selection, keys: Keys) -> list[_FrameJob]:
    """What is to be made of each staged frame, in the order they lie in staging."""
    jobs: dict[tuple[int, int], _FrameJob] = {}

    def job(ref: FrameRef) -> _FrameJob:
        return jobs.setdefault((ref.chunk, ref.offset), _FrameJob(ref))

    sizes = report.shown_sizes(len(selection.people), len(selection.representative), len(selection.scenes))
    for person in selection.people:
        best = person.best
        job(best.frame).pictures.append(_Picture(keys.person(person.id, person.name), (best.box,), sizes.still, person))
        job(best.frame).faces.append(_Face(keys.thumbnail(person.id, person.name), best.box, sizes.face, person))
        for index, other in enumerate(person.alternatives):
            file = keys.alternative(person.id, person.name, index)
            job(other.frame).pictures.append(_Picture(file, (other.box,), sizes.alternative, person))
    for index, chosen in enumerate(selection.representative):
        file = keys.representative(index)
        job(chosen.frame).pictures.append(_Picture(file, _largest_first(chosen.faces), sizes.representative))
    for scene in selection.scenes:
        file = keys.scene(scene.index)
        job(scene.frame).pictures.append(_Picture(file, _largest_first(scene.faces), sizes.scene))
    for appearance, unclear_file in zip(selection.unclear, _unclear_files(selection, keys), strict=True):
        if appearance.face is not None and unclear_file is not None:
            job(appearance.face.frame).faces.append(_Face(unclear_file, appearance.face.box, sizes.unclear))
    return [jobs[place] for place in sorted(jobs)]


def _unclear_files(selection: Selection, keys: Keys) -> list[str | None]:
    """The picture's file of each of `selection.unclear`; None without a staged frame and beyond the first 200 that
    have one, who are the longest on screen."""
    files: list[str | None] = []
    left = MOST_UNCLEAR_PICTURES
    for index, appearance in enumerate(selection.unclear):
        pictured = appearance.face is not None and left > 0
        files.append(keys.unclear(index) if pictured else None)
        left -= pictured
    return files


def _largest_first(faces: Sequence[images.Box]) -> tuple[images.Box, ...]:
    return tuple(sorted(faces, key=lambda box: (box[0] - box[2]) * (box[3] - box[1])))


def _publish_frames(jobs: list[_FrameJob], plan: Plan, prefix: str, staging: Store, published: Store) -> _Done:
    """Each staged frame read and decoded once, everything made of it put in place."""
    whole = _Done()
    with ThreadPoolExecutor(FRAMES_AT_ONCE, "publish") as pool:
        futures = [pool.submit(_publish_frame, job, plan, prefix, staging, published) for job in jobs]
        try:
            for future in futures:
                part = future.result()
                whole.placements.update(part.placements)
                whole.shown.update(part.shown)
                whole.faces.update(part.faces)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return whole


def _publish_frame(job: _FrameJob, plan: Plan, prefix: str, staging: Store, published: Store) -> _Done:
    ref, settings = job.ref, plan.settings
    where = f"run {plan.run_id}: chunk {ref.chunk}'s frame at {ref.t_s:.2f} s"
    try:
        staged = staging.get_range(frames_key(plan.run_id, ref.chunk), ref.offset, ref.length)
    except KeyError:
        raise IncompleteRun(f"{where} is missing") from None
    frame = images.decode(staged)
    if frame is None:
        raise IncompleteRun(f"{where} is no picture ({len(staged)} of {ref.length} bytes read)")
    height, width = frame.shape[:2]
    if (width, height) != (ref.width, ref.height):
        raise IncompleteRun(f"{where} is {width}x{height}, not {ref.width}x{ref.height}")

    done = _Done()
    size = images.published_size(plan.source.width, plan.source.height, settings.size)
    made: dict[images.Placement, tuple[images.Image, bytes]] = {}
    for picture in job.pictures:
        placement = images.place(width, height, size, settings.fit, picture.faces)
        if placement not in made:
            rendered = images.render(frame, placement)
            keep = placement.is_identity and settings.published_as_staged(width, height)
            made[placement] = rendered, staged if keep else images.encode(rendered, settings.jpeg_quality)
        # A frame that is somebody's best and a scene's is the same picture twice, unless cropping took another part.
        rendered, data = made[placement]
        published.put(prefix + picture.file, _told(data, plan, ref, picture.person), content_type="image/jpeg")
        done.placements[picture.file] = placement
        done.shown[picture.file] = report.Shown.of(rendered, picture.shown_px)
    for face in job.faces:
        square = images.thumbnail(frame, face.box)
        data = _told(images.encode(square, FACE_QUALITY), plan, ref, face.person)
        done.faces[face.file] = data
        published.put(prefix + face.file, data, content_type="image/jpeg")
        done.shown[face.file] = report.Shown.of(square, face.shown_px)
    return done


def _told(jpeg: bytes, plan: Plan, ref: FrameRef, person: SelectedPerson | None) -> bytes:
    """The picture with as much about it inside as the settings want."""
    wanted = plan.settings.xmp
    if wanted == "none":
        return jpeg
    told = xmp.Provenance(
        source=published_uri(plan.source.uri, whole_path=plan.settings.publish_path),
        run_id=plan.run_id,
        t_s=ref.t_s,
        pts=ref.pts,
        person=None if person is None else person.id,
        name=person.name if person is not None and wanted == "names" else None,
    )
    return xmp.tagged(jpeg, told)


def _manifest(
    plan: Plan,
    selection: Selection,
    keys: Keys,
    files: list[str],
    done: _Done,
    frames_read: int,
    publish_s: float,
    job: JobReport,
    deployment: Deployment,
) -> manifests.Manifest:
    source, pack = plan.source, plan.pack
    thumbnails = {person.id: keys.thumbnail(person.id, person.name) for person in selection.people}
    timings = manifests.Timings(
        split=plan.split_s,
        detect=selection.detect_seconds.get("total", 0.0),
        cluster=selection.cluster_s,
        publish=round(publish_s, 3),
    )
    return manifests.Manifest(
        run_id=plan.run_id,
        source=manifests.Source(
            uri=published_uri(source.uri, whole_path=plan.settings.publish_path),
            container=source.container,
            codec=source.codec,
            width=source.width,
            height=source.height,
            rotation=source.rotation,
            fps=source.fps,
            duration_s=selection.duration_s,
            frame_count=selection.frame_count,
            begins_s=source.begins_s,
            mirrored=source.mirrored,
            identity=source.identity,
        ),
        models=manifests.Models(
            pack=pack.name,
            licence=pack.licence,
            detector=pack.detector,
            embedder=pack.embedder,
            commercial_use=pack.commercial_use,
            sha256=pack.sha256,
        ),
        settings=plan.settings,
        people=[_person(person, keys, thumbnails[person.id], done) for person in selection.people],
        suggested_merges=[
            manifests.Merge(
                people=merge.people,
                distance=round(merge.distance, 4),
                thumbnails=(thumbnails[merge.people[0]], thumbnails[merge.people[1]]),
            )
            for merge in sorted(selection.suggested_merges, key=lambda merge: merge.distance)
        ],
        representative_frames=[
            manifests.RepresentativeFrame(
                file=keys.representative(index), t_s=chosen.frame.t_s, score=round(chosen.score, 4)
            )
            for index, chosen in enumerate(selection.representative)
        ],
        scenes=[
            manifests.Scene(
                index=scene.index,
                start_s=scene.start_s,
                end_s=scene.end_s,
                t_s=scene.frame.t_s,
                file=keys.scene(scene.index),
            )
            for scene in selection.scenes
        ],
        timings=timings,
        cost=_cost(plan, selection, timings, frames_read, len(files) + 1, job, deployment),
        scenes_are_even=selection.scenes_are_even,
        unclear=[
            _unclear(appearance, file)
            for appearance, file in zip(selection.unclear, _unclear_files(selection, keys), strict=True)
        ],
        missing=[
            manifests.Missing(start_s=lost.start_s, end_s=lost.end_s, error=lost.error) for lost in selection.lost
        ],
        notes=_notes(plan, selection),
        looked_frames=selection.looked_frames,
        corrupt_frames=selection.corrupt_frames,
        detect_steps={step: round(seconds, 3) for step, seconds in selection.detect_seconds.items()},
        pipeline_version=plan.pipeline_version,
        created_at=plan.created_at,
        names_file=keys.names,
        report_file=keys.report,
        contact_sheet_file=keys.contact_sheet,
        files=sorted(files),
        corrections=selection.corrections,
        unmatched_corrections=[manifests.Unmatched(**one.model_dump()) for one in selection.unmatched],
        corrections_file=keys.corrections if keys.corrections in files else None,
    )


def _person(person: SelectedPerson, keys: Keys, thumbnail: str, done: _Done) -> manifests.Person:
    similarity = person.name_similarity
    return manifests.Person(
        id=person.id,
        name=person.name,
        name_similarity=None if similarity is None else round(min(max(similarity, -1.0), 1.0), 4),
        confidence=round(person.confidence, 4),
        best_frame=_face_frame(person.best, keys.person(person.id, person.name), done),
        alternatives=[
            _face_frame(other, keys.alternative(person.id, person.name, index), done)
            for index, other in enumerate(person.alternatives)
        ],
        thumbnail=thumbnail,
        screen_time_s=person.screen_time_s,
        tracks=_tracks(person.tracks),
    )


def _unclear(appearance: UnclearAppearance, file: str | None) -> manifests.Unclear:
    face = appearance.face
    return manifests.Unclear(
        reason=appearance.reason,
        sightings=appearance.sightings,
        screen_time_s=appearance.screen_time_s,
        tracks=_tracks(appearance.tracks),
        best=None
        if face is None
        else manifests.UnclearPicture(
            file=file,
            t_s=face.frame.t_s,
            pts=face.frame.pts,
            score=_share(face.score),
            quality=_quality(face),
            flags=list(face.flags),
        ),
    )


def _tracks(tracks: Sequence[PersonTrack]) -> list[manifests.Track]:
    return [manifests.Track(**track.model_dump()) for track in tracks]


def _face_frame(face: FaceInFrame, file: str, done: _Done) -> manifests.FaceFrame:
    placement = done.placements[file]
    left, top, right, bottom = (round(edge, 1) for edge in placement.box(face.box))
    points = [placement.point(x, y) for x, y in face.landmarks]
    return manifests.FaceFrame(
        file=file,
        t_s=face.frame.t_s,
        pts=face.frame.pts,
        box=(left, top, right, bottom),
        score=_share(face.score),
        quality=_quality(face),
        flags=list(face.flags),
        landmarks=[(round(x, 1), round(y, 1)) for x, y in points],
    )


def _quality(face: FaceInFrame) -> manifests.Quality:
    return manifests.Quality(**{part: _share(face.quality[part]) for part in QUALITY_PARTS})


def _share(value: float) -> float:
    # float32 arithmetic may end a hair outside 0 to 1.
    return round(min(max(value, 0.0), 1.0), 4)


def _cost(
    plan: Plan,
    selection: Selection,
    timings: manifests.Timings,
    frames_read: int,
    files_published: int,
    job: JobReport,
    deployment: Deployment,
) -> manifests.Cost:
    lengths = [ref.length for ref in _refs(selection)]
    segments = sum(chunk.segment_key is not None for chunk in plan.chunks)
    lines = cost.estimate(
        cost.Work(
            seconds={
                "split": timings.split,
                "detect": max(timings.detect - job.detect_s, 0.0),
                "cluster": timings.cluster,
                "publish": timings.publish,
            },
            chunks=len(plan.chunks),
            segments=segments,
            segment_bytes=plan.source.size_bytes if segments else 0,
            video_s=selection.duration_s,
            staged_frame_bytes=sum(lengths) / len(lengths) if lengths else 0.0,
            frames_read=frames_read,
            files_published=files_published,
            job_chunks=job.chunks,
            job_s=job.job_s,
        ),
        deployment,
    )
    parts = [
        manifests.CostPart(
            name=line.name,
            quantity=round(line.quantity, 6),
            unit=line.unit,
            usd_per_unit=line.usd_per_unit,
            usd=round(line.usd, 8),
        )
        for line in lines
    ]
    return manifests.Cost(
        total_usd=round(sum(part.usd for part in parts), 8),
        parts=parts,
        region=cost.PRICES.region,
        architecture=deployment.architecture,
        prices_as_of=cost.PRICES.as_of,
        prices_source=cost.PRICES.source,
    )


def _refs(selection: Selection) -> list[FrameRef]:
    refs = [chosen.frame for chosen in selection.representative] + [scene.frame for scene in selection.scenes]
    for person in selection.people:
        refs += [person.best.frame, *(other.frame for other in person.alternatives)]
    return refs


def _notes(plan: Plan, selection: Selection) -> list[str]:
    notes = [*plan.notes, *selection.notes]
    if selection.lost:
        notes.append(_missing(plan, selection))
    else:
        notes += losses(plan.source, selection.duration_s, selection.frame_count)
    frames = len(selection.representative)
    if frames < plan.settings.representative:
        has = "1 frame" if frames == 1 else f"{frames} frames"
        notes.append(
            f"The video gave only {has} that could be published, fewer than the {plan.settings.representative} "
            "representative frames asked for: all are published."
        )
    if not selection.people and selection.unclear:
        notes.append("Nobody was seen clearly in this video; those seen unclearly are listed apart.")
    elif not selection.people:
        notes.append("Nobody was found in this video.")
    if len(selection.people) == plan.settings.limits.max_people:
        notes.append(
            f"No more than the {len(selection.people)} people longest on screen are published (limits.max_people)."
        )
    if selection.scenes_are_even:
        notes.append(
            f"The video has fewer than {plan.settings.min_scenes} scenes: evenly spaced frames stand in for them."
        )
    for one in selection.unmatched:
        part = "applies in part" if one.applied else "no longer applies"
        notes.append(f"Correction {one.number + 1} ({one.do}) {part}: {one.reason}.")
    if selection.corrupt_frames:
        notes.append(f"{selection.corrupt_frames} damaged frames were passed over.")
    return notes


def _missing(plan: Plan, selection: Selection) -> str:
    """Which stretches of the video are missing, in a sentence."""
    lost = selection.lost
    stretches = ", ".join(f"{one.start_s:.1f} to {one.end_s:.1f} s" for one in lost[:MOST_STRETCHES_NAMED])
    more = f" and {len(lost) - MOST_STRETCHES_NAMED} more" if len(lost) > MOST_STRETCHES_NAMED else ""
    return (
        f"{len(lost)} of {len(plan.chunks)} parts of the video could not be worked through and are missing here: "
        f"{stretches}{more}."
    )


def losses(source: SourceFacts, met_s: float, frame_count: int) -> list[str]:
    """What the container promised and nobody met, in sentences."""
    notes = []
    if met_s < source.promised_s - max(ENDS_EARLY_S, ENDS_EARLY_SHARE * source.promised_s):
        notes.append(f"The video ends early: {met_s:.1f} of {source.promised_s:.1f} s could be read.")
    if frame_count < source.packets:
        notes.append(f"{source.packets - frame_count} of the file's {source.packets} frames were not met.")
    return notes


def _stale(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Files of an earlier run to delete; a name that differs only in case may be the same file on this disk."""
    kept = {file.casefold() for file in now}
    return [file for file in before if is_inside(file) and file.casefold() not in kept]


def published_uri(uri: str, *, whole_path: bool = False) -> str:
    """A source's URI fit to be published: a URL loses user, password, query (signatures live there) and fragment, and a
    path on this machine, which tells of its user and its layout, all but the file's name unless `whole_path`."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return PurePosixPath(uri).name
    if parts.scheme == "s3":
        return uri
    if parts.scheme.lower() not in ("http", "https"):
        return uri if whole_path else PurePosixPath(uri).name
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
