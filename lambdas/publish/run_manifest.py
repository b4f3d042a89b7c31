"""The manifest of one run, from what split, cluster and publish know of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lambdas.contracts import (
    QUALITY_PARTS,
    Deployment,
    FaceInFrame,
    JobReport,
    PersonTrack,
    Plan,
    SelectedPerson,
    Selection,
    UnclearAppearance,
)
from lambdas.publish import cost
from lambdas.publish import manifest as manifests
from lambdas.publish.frame_jobs import unclear_files
from lambdas.publish.keys import Keys
from lambdas.publish.notes import notes_of
from lambdas.publish.publish_frames import PublishedFrames
from lambdas.publish.source_uri import published_uri


@dataclass(frozen=True)
class Run:
    """A run whose pictures are published."""

    plan: Plan
    selection: Selection
    keys: Keys
    files: Sequence[str]
    """All that is published but the manifest."""
    frames: PublishedFrames
    frames_read: int
    """Staged frames that publish fetched."""
    publish_s: float
    """Seconds that publish took up to here."""
    job: JobReport
    """What a Batch job did of it; nothing where there was none."""
    deployment: Deployment
    """For which the cost is reckoned."""


def manifest_of(run: Run) -> manifests.Manifest:
    """All of it, as other programs read it."""
    plan, selection, keys = run.plan, run.selection, run.keys
    timings = manifests.Timings(
        split=plan.split_s,
        detect=selection.detect_seconds.get("total", 0.0),
        cluster=selection.cluster_s,
        publish=round(run.publish_s, 3),
    )
    return manifests.Manifest(
        run_id=plan.run_id,
        source=manifests.Source.of(
            plan.source,
            uri=published_uri(plan.source.uri, whole_path=plan.settings.publish_path),
            duration_s=selection.duration_s,
            frame_count=selection.frame_count,
        ),
        models=manifests.Models.of(plan.pack, pack=plan.pack.name),
        settings=plan.settings,
        people=[_person(person, keys, run.frames) for person in selection.people],
        suggested_merges=_merges(selection, keys),
        representative_frames=[
            manifests.RepresentativeFrame(
                file=keys.representative(index), t_s=chosen.frame.t_s, score=round(chosen.score, 4)
            )
            for index, chosen in enumerate(selection.representative)
        ],
        scenes=[
            manifests.Scene.of(scene, t_s=scene.frame.t_s, file=keys.scene(scene.index)) for scene in selection.scenes
        ],
        timings=timings,
        cost=_cost(_work(run, timings), run.deployment),
        scenes_are_even=selection.scenes_are_even,
        unclear=[
            _unclear(appearance, file)
            for appearance, file in zip(selection.unclear, unclear_files(selection, keys), strict=True)
        ],
        missing=[manifests.Missing.of(lost) for lost in selection.lost],
        notes=notes_of(plan, selection),
        looked_frames=selection.looked_frames,
        corrupt_frames=selection.corrupt_frames,
        detect_steps={step: round(seconds, 3) for step, seconds in selection.detect_seconds.items()},
        pipeline_version=plan.pipeline_version,
        created_at=plan.created_at,
        names_file=keys.names,
        report_file=keys.report,
        contact_sheet_file=keys.contact_sheet,
        files=sorted(run.files),
        corrections=selection.corrections,
        unmatched_corrections=[manifests.Unmatched.of(one) for one in selection.unmatched],
        corrections_file=keys.corrections if keys.corrections in run.files else None,
    )


def _person(person: SelectedPerson, keys: Keys, frames: PublishedFrames) -> manifests.Person:
    similarity = person.name_similarity
    return manifests.Person.of(
        person,
        name_similarity=None if similarity is None else round(min(max(similarity, -1.0), 1.0), 4),
        confidence=round(person.confidence, 4),
        best_frame=_face_frame(person.best, keys.person(person.id, person.name), frames),
        alternatives=[
            _face_frame(other, keys.alternative(person.id, person.name, index), frames)
            for index, other in enumerate(person.alternatives)
        ],
        thumbnail=keys.thumbnail(person.id, person.name),
        tracks=_tracks(person.tracks),
    )


def _merges(selection: Selection, keys: Keys) -> list[manifests.Merge]:
    thumbnails = {person.id: keys.thumbnail(person.id, person.name) for person in selection.people}
    return [
        manifests.Merge.of(
            merge,
            distance=round(merge.distance, 4),
            thumbnails=(thumbnails[merge.people[0]], thumbnails[merge.people[1]]),
        )
        for merge in sorted(selection.suggested_merges, key=lambda merge: merge.distance)
    ]


def _unclear(appearance: UnclearAppearance, file: str | None) -> manifests.Unclear:
    face = appearance.face
    best = None
    if face is not None:
        best = manifests.UnclearPicture.of(
            face.frame, file=file, score=_share(face.score), quality=_quality(face), flags=face.flags
        )
    return manifests.Unclear.of(appearance, tracks=_tracks(appearance.tracks), best=best)


def _tracks(tracks: Sequence[PersonTrack]) -> list[manifests.Track]:
    return [manifests.Track.of(track) for track in tracks]


def _face_frame(face: FaceInFrame, file: str, frames: PublishedFrames) -> manifests.FaceFrame:
    placement = frames.placements[file]
    left, top, right, bottom = (round(edge, 1) for edge in placement.box(face.box))
    points = [placement.point(x, y) for x, y in face.landmarks]
    return manifests.FaceFrame.of(
        face.frame,
        file=file,
        box=(left, top, right, bottom),
        score=_share(face.score),
        quality=_quality(face),
        flags=face.flags,
        landmarks=[(round(x, 1), round(y, 1)) for x, y in points],
    )


def _work(run: Run, timings: manifests.Timings) -> cost.Work:
    """What is charged of it."""
    refs = [chosen.frame for chosen in run.selection.representative] + [scene.frame for scene in run.selection.scenes]
    for person in run.selection.people:
        refs += [person.best.frame, *(other.frame for other in person.alternatives)]
    segments = sum(chunk.segment_key is not None for chunk in run.plan.chunks)
    return cost.Work(
        seconds={
            "split": timings.split,
            "detect": max(timings.detect - run.job.detect_s, 0.0),
            "cluster": timings.cluster,
            "publish": timings.publish,
        },
        chunks=len(run.plan.chunks),
        segments=segments,
        segment_bytes=run.plan.source.size_bytes if segments else 0,
        video_s=run.selection.duration_s,
        staged_frame_bytes=sum(ref.length for ref in refs) / len(refs) if refs else 0.0,
        frames_read=run.frames_read,
        files_published=len(run.files) + 1,
        job_chunks=run.job.chunks,
        job_s=run.job.job_s,
    )


def _cost(work: cost.Work, deployment: Deployment) -> manifests.Cost:
    parts = [
        manifests.CostPart.of(line, quantity=round(line.quantity, 6), usd=round(line.usd, 8))
        for line in cost.estimate(work, deployment)
    ]
    return manifests.Cost(
        total_usd=round(sum(part.usd for part in parts), 8),
        parts=parts,
        region=cost.PRICES.region,
        architecture=deployment.architecture,
        prices_as_of=cost.PRICES.as_of,
        prices_source=cost.PRICES.source,
    )


def _quality(face: FaceInFrame) -> manifests.Quality:
    return manifests.Quality(**{part: _share(face.quality[part]) for part in QUALITY_PARTS})


def _share(value: float) -> float:
    # float32 arithmetic may end a hair outside 0 to 1.
    return round(min(max(value, 0.0), 1.0), 4)
