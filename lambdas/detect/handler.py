"""The detect stage: one chunk's faces, tracks, scene scores and the frames that may be published."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from os import environ
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import (
    Chunk,
    ChunkDocument,
    Detections,
    DetectRequest,
    DetectResponse,
    Distances,
    Failure,
    Plan,
    chunk_document_key,
    detections_key,
    failure_key,
    frames_key,
    plan_key,
)
from lambdas.detect.candidates import (
    STAGED_PER_MINUTE,
    Target,
    choose_staged,
    doubtful_spans,
    further_moments,
    looked_at,
    targets,
)
from lambdas.detect.closer import Closer, assign, fetch, look_closer, refined
from lambdas.detect.frames import ChunkReader, give_memory_back
from lambdas.detect.looks import Looker, Stopwatch
from lambdas.detect.packs import Pack, load_pack
from lambdas.detect.pictures import Picture, pack_pictures
from lambdas.detect.provisional import baseline_of, scores_of
from lambdas.detect.scan import Scan, scan, track_faces, with_stays
from lambdas.detect.scenes import Glance, Shots, columns_of
from lambdas.detect.tracks import Sighting, Track, Tracker, embed_missing, faces_to_embed, keep_own, measures_of
from lambdas.door import decode, log_for, open_bucket, services_named, variable
from lambdas.errors import PackMismatch
from lambdas.scoring import Score
from lambdas.staging import Store, get_document, put_document, source_location

_LOG = logging.getLogger(__name__)
_FURTHER_LOOKS = 6
"""Moments that are looked at again, at most, for each person of whom no clean face was found."""
_CLEARLY = 0.99
"""Share of a person's best score from which a kept face is as good."""
_NEWCOMER_SIGHTINGS, _CLEAN_NEWCOMER_SIGHTINGS = 3, 2
"""A face that only the dense look saw counts from so many sightings on: fewer are mostly false alarms, but not where
each is a face without a flaw."""


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
        pictures, columns, document = work_through(plan, request.chunk, staging, models)
    finally:
        give_memory_back()
    staging.put(frames_key(request.run_id, request.chunk), pictures, content_type="application/x-tar")
    staging.put(detections_key(request.run_id, request.chunk), columns.to_bytes())
    document = document.model_copy(update={"seconds": {**document.seconds, "total": time.perf_counter() - start}})
    written = staging.put_if_absent(document_key, document.model_dump_json(indent=1).encode())
    _LOG.info(
        "detect: run %s chunk %d ends: %d frames, %d looked at, %d sightings, %d staged, %.1f s",
        request.run_id,
        request.chunk,
        document.frame_count,
        document.looked_frames,
        len(columns.pts),
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


def work_through(plan: Plan, index: int, staging: Store, models: Pack) -> tuple[bytes, Detections, ChunkDocument]:
    source, settings = plan.source, plan.settings
    chunk = plan.chunks[index]
    tier = settings.tier(source.duration_s)
    location = location_of(plan, chunk, staging)
    name = PurePosixPath(urlsplit(source.uri).path).name
    distances = plan.pack.distances.model_copy(
        update={"same": settings.same_person_distance or plan.pack.distances.same}
    )
    watch = Stopwatch()
    with watch.step("models"):
        looker = Looker(models.detector, models.embedder, source, settings, watch)

    def dense_tracker() -> Tracker:
        return Tracker(looker.embed, distances, max_gap_s=4 * tier.dense_step_s)

    with ChunkReader(location, name, source, chunk, most_pixels=settings.limits.max_pixels) as reader:
        seen = scan(reader, source, settings, tier, distances, looker, watch)
        tracks = track_faces(seen, Tracker(looker.embed, distances, max_gap_s=2.5 * tier.period_s))
        last = index == len(plan.chunks) - 1

        def wanted_of(glances: Sequence[Glance], shots: Shots) -> list[Target]:
            at_hand = seen.at_hand.keys() | seen.pictures.keys()
            return targets(glances, shots, source, chunk, last, settings, at_hand)

        wanted = wanted_of(seen.likely_glances(), seen.shots)
        newcomers = dense_tracker()
        doubtful = [
            (before, after)
            for before, after in doubtful_spans(seen.glances, settings.scene_threshold, seen.skipped)
            if settings.scenes and after not in seen.exact and reader.any_between(before, after)
        ]
        closer = look_closer(reader, source, settings, tier, seen, [], {}, doubtful, looker, newcomers, watch)
        closer.pictures.update(seen.pictures)
        for t_s, met in seen.dense:
            assign([face.with_steadiness(seen.steadiness(t_s)) for face in met], t_s, tracks, seen, closer, newcomers)
        strangers = dense_tracker()
        robbed = _return_strays(closer, strangers, looker, distances, 2.5 * tier.period_s)
        _join_dense(closer)
        alone = scores_of([track] for track in tracks)
        embed_missing([face for track in tracks for face in faces_to_embed(track, alone)], looker.embed)
        people = _people(tracks, alone, distances)
        scores = scores_of(people)
        again = [
            moment
            for members in people
            if tier.dense_looks and not _shows_clean(members, scores, closer)
            for moment in further_moments(
                members, scores, looked_at(members, tier, seen.shots), tier, seen.shots, _FURTHER_LOOKS
            )
        ]
        late_strangers = dense_tracker()
        if again:
            again.sort(key=lambda moment: moment.t_s)
            # Faces of nobody looked for were met by the first look already: their tracks are let go.
            baselines = {track: baseline_of(*members) for members in people for track in members}
            baselines = {moment.track: baselines[moment.track] for moment in again}
            more = look_closer(
                reader, source, settings, tier, seen, again, baselines, [], looker, dense_tracker(), watch
            )
            # Of frames that were looked at before, every face is known.
            known = {sighting.pts for _, sightings in seen.dense for sighting in sightings}
            more.dense = [(track, sighting) for track, sighting in more.dense if sighting.pts not in known]
            robbed += _return_strays(more, late_strangers, looker, distances, 2.5 * tier.period_s)
            _join_dense(more)
            scores = scores_of(people)
            closer.pictures.update(more.pictures)
        late = [
            track for tracker in (newcomers, strangers, late_strangers) for track in tracker.finish() if _counts(track)
        ]
        glances = refined(seen.glances, closer)
        shots = Shots(glances, settings)
        if shots.changes != seen.shots.changes:
            # Some cut of the first pass was none, or another was: the scenes to show are others.
            wanted = wanted_of(glances, shots)
        at_once = tracks if tier.dense_looks == 0 else []
        scores |= scores_of([track] for track in late)
        missing = [_best([track], scores).pts for track in (*at_once, *late, *robbed)]
        missing += [target.pts for target in wanted]
        missing += [pts for members in people for pts in _better_unseen(members, scores, closer)]
        fetch(reader, source, settings, seen, missing, closer, watch)
        tracks += late
    return _documents(plan, index, seen, closer, tracks, wanted, looker, distances, reader, watch)


def location_of(plan: Plan, chunk: Chunk, staging: Store) -> str:
    """From where a chunk is read: its segment, or the source, pinned to what was planned for."""
    if chunk.segment_key:
        return staging.location(chunk.segment_key)
    return source_location(plan.source.uri, version_id=plan.source.version_id, etag=plan.source.etag)


def _return_strays(
    closer: Closer, strangers: Tracker, looker: Looker, distances: Distances, max_gap_s: float
) -> list[Track]:
    """Hands dense sightings that were met where a track's face was expected, but show someone else, to `strangers`.

    Returns the tracks that had some: another frame may be their best.
    """
    dense: list[tuple[Track, Sighting]] = []
    strays: dict[int, list[Sighting]] = {}
    robbed: list[Track] = []
    for track in dict.fromkeys(track for track, _ in closer.dense):
        met = [sighting for owner, sighting in closer.dense if owner is track]
        own, others = keep_own(track, met, looker.embed, distances, max_gap_s)
        dense += [(track, sighting) for sighting in own]
        for sighting in others:
            strays.setdefault(sighting.pts, []).append(sighting)
        if others:
            robbed.append(track)
    closer.dense = dense
    for _, ones in sorted(strays.items()):
        strangers.add(ones[0].t_s, ones)
    return robbed


def _join_dense(closer: Closer) -> None:
    """Adds dense sightings to their tracks; one of a frame that the scan saw already takes the scan's place."""
    for track in dict.fromkeys(track for track, _ in closer.dense):
        by_pts = {sighting.pts: sighting for sighting in track.sightings}
        for sighting in (sighting for owner, sighting in closer.dense if owner is track):
            before = by_pts.get(sighting.pts)
            if before is not None and not before.dense:
                sighting = dataclasses.replace(sighting, dense=False, embedding=before.embedding)
            by_pts[sighting.pts] = sighting
        track.sightings = [by_pts[pts] for pts in sorted(by_pts)]


def _counts(newcomer: Track) -> bool:
    """Whether a face that only the dense look saw is one, rather than a false alarm."""
    clean = all(face.absolute.is_clean for face in newcomer.sightings)
    return len(newcomer.sightings) >= (_CLEAN_NEWCOMER_SIGHTINGS if clean else _NEWCOMER_SIGHTINGS)


def _shows_clean(tracks: Sequence[Track], scores: Mapping[Sighting, Score], closer: Closer) -> bool:
    """Whether a frame is kept in which the person's face is fit to be published."""
    faces = [face for track in tracks for face in track.sightings]
    return any(face.pts in closer.pictures and scores[face].is_clean for face in faces)


def _better_unseen(tracks: Sequence[Track], scores: Mapping[Sighting, Score], closer: Closer) -> list[int]:
    """PTS of the best face of one person if it is clearly better than all that are kept: while the looks went on, the
    person's baseline was known less well."""
    faces = [face for track in tracks for face in track.sightings]
    best = _best(tracks, scores)
    kept = max((scores[face].number for face in faces if face.pts in closer.pictures), default=0.0)
    return [best.pts] if kept < _CLEARLY * scores[best].number else []


def _best(tracks: Sequence[Track], scores: Mapping[Sighting, Score]) -> Sighting:
    return max((face for track in tracks for face in track.sightings), key=lambda face: scores[face].number)


def _people(tracks: Sequence[Track], scores: Mapping[Sighting, Score], distances: Distances) -> list[list[Track]]:
    """Tracks surely of one person together: never in one frame, their mean faces nearer than `strict`."""
    groups: list[tuple[NDArray[np.float32], list[Track]]] = []
    seen_at = {track: {sighting.pts for sighting in track.sightings} for track in tracks}
    for track in tracks:
        embedded = [(face.embedding, scores[face].number) for face in track.sightings if face.embedding is not None]
        mean = np.sum([embedding * number for embedding, number in embedded], axis=0)
        mean = mean / max(float(np.linalg.norm(mean)), 1e-9)
        for centre, members in groups:
            apart = not any(seen_at[track] & seen_at[other] for other in members)
            if apart and 1 - float(centre @ mean) < distances.strict:
                members.append(track)
                break
        else:
            groups.append((mean, [track]))
    return [members for _, members in groups]


def _documents(
    plan: Plan,
    index: int,
    seen: Scan,
    closer: Closer,
    tracks: Sequence[Track],
    wanted: Sequence[Target],
    looker: Looker,
    distances: Distances,
    reader: ChunkReader,
    watch: Stopwatch,
) -> tuple[bytes, Detections, ChunkDocument]:
    glances = refined(seen.glances, closer)
    shots = Shots(glances, plan.settings)
    alone = scores_of([track] for track in tracks)
    embed_missing([face for track in tracks for face in faces_to_embed(track, alone)], looker.embed)
    minutes = (glances[-1].t_s - glances[0].t_s) / 60 if glances else 0.0
    people = _people(tracks, alone, distances)
    # Two frames a person at least, so that everybody has an alternative in short crowded videos too.
    limit = max(8, round(STAGED_PER_MINUTE * minutes), 2 * len(people))
    chosen = choose_staged(people, scores_of(people), wanted, closer.pictures.keys(), limit)
    pictures: list[Picture] = [closer.pictures[pts] for pts in chosen]
    tar, staged = pack_pictures(pictures, shots)
    columns = _columns(tracks, glances, pictures, seen, looker.dimensions)
    document = ChunkDocument(
        index=index,
        frame_count=reader.frame_count or 0,
        first_pts=reader.first_pts,
        last_pts=reader.last_pts,
        end_pts=reader.end_pts,
        looked_frames=looker.looked,
        corrupt_frames=seen.corrupt,
        staged=staged,
        seconds=dict(watch.seconds),
    )
    return tar, columns, document


def _columns(
    tracks: Sequence[Track], glances: Sequence[Glance], pictures: Sequence[Picture], seen: Scan, dimensions: int
) -> Detections:
    rows = sorted(
        ((sighting, number) for number, track in enumerate(tracks) for sighting in with_stays(track)),
        key=lambda row: (row[0].pts, row[1]),
    )
    sightings = [sighting for sighting, _ in rows]
    place = {one.pts: number for number, one in enumerate(pictures)}
    embedded = [number for number, sighting in enumerate(sightings) if sighting.embedding is not None]
    measures = measures_of(sightings)

    return Detections(
        pts=np.array([one.pts for one in sightings], np.int64),
        boxes=np.array([one.box for one in sightings], np.float32).reshape(-1, 4),
        landmarks=np.array([one.landmarks for one in sightings], np.float32).reshape(-1, 5, 2),
        quality=measures.parts,
        openings=measures.openings,
        in_view=measures.in_view,
        confidence=measures.confidence,
        brightness=measures.brightness,
        confirmed=np.array([one.confirmed for one in sightings], np.bool_),
        tracks=np.array([number for _, number in rows], np.int32),
        staged=np.array([place.get(one.pts, -1) for one in sightings], np.int32),
        dense=np.array([one.dense for one in sightings], np.bool_),
        embedded=np.array(embedded, np.int32),
        embeddings=np.array([sightings[row].embedding for row in embedded], np.float32).reshape(-1, dimensions),
        scene_pts=np.array([one.pts for one in glances], np.int64),
        scene_scores=np.array([one.score for one in glances], np.float32),
        scene_luma=np.array([one.luma for one in glances], np.float32),
        scene_features=columns_of(glances).features,
        scene_layout=columns_of(glances).layout,
        staged_small=np.array([one.small for one in pictures], np.uint8).reshape(-1, 16, 16, 3),
        first_frame=seen.first_frame,
        last_frame=seen.last_frame,
    )
