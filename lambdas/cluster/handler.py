"""cluster: all chunks' detections -> who is in the video, which frames show it, where its scenes are."""

from __future__ import annotations

import bisect
import dataclasses
import logging
import time
from collections.abc import Sequence
from os import environ
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.best_frames import ChosenFaces, Presence, choose_faces, presences
from lambdas.cluster.clarity import clarity_of
from lambdas.cluster.corrections import Corrected, apply_corrections
from lambdas.cluster.footage import Footage, read_footage, read_moments
from lambdas.cluster.gallery import Naming, check_gallery, name_people
from lambdas.cluster.identities import Identities, identify, scikit_learn, suggest_merges
from lambdas.cluster.representatives import choose_representatives, weigh_frames
from lambdas.cluster.scenes import choose_scenes, in_transition, join_columns
from lambdas.cluster.scores import score_people
from lambdas.cluster.suspicions import suspicions
from lambdas.cluster.tracks import Tracks, gather_tracks, link_across_borders
from lambdas.cluster.unclear import reason_of
from lambdas.contracts import (
    QUALITY_PARTS,
    ChooseBest,
    ClusterRequest,
    ClusterResponse,
    Correction,
    Corrections,
    Gallery,
    Moment,
    Plan,
    SelectedFrame,
    SelectedPerson,
    SelectedScene,
    Selection,
    Sighting,
    SuggestedMerge,
    UnclearAppearance,
    UnmatchedCorrection,
    corrections_key,
    plan_key,
    selection_key,
)
from lambdas.door import decode, log_for, open_bucket, services_named
from lambdas.errors import IncompleteRun, InvalidCorrections, InvalidGallery
from lambdas.shots.change import Change
from lambdas.shots.scene_changes import find_changes
from lambdas.staging import Store, get_document, put_document

log = logging.getLogger(__name__)

MOST_SUGGESTIONS = 50
"""Suggested merges listed at most; a person reads them."""


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


def select(
    plan: Plan,
    footage: Footage,
    gallery: Gallery | None,
    corrections: Sequence[Correction] = (),
    moments: Sequence[Moment] = (),
) -> Selection:
    """The whole decision, with `cluster_s` 0. Pure."""
    settings, duration_s = plan.settings, footage.duration_s
    # By the container's duration, as the workers chose theirs, not by the one met.
    period_s = settings.tier(plan.source.duration_s).period_s
    changes = find_changes(join_columns(footage.detections, footage.border_scores, plan.source), settings)
    cuts = [change.at_s for change in changes]
    scenes, even = (
        choose_scenes(changes, duration_s, footage.staged, settings.min_scenes) if settings.scenes else ([], False)
    )
    tracks, corrected = who_is_who_corrected(plan, footage, cuts, corrections)
    footage = score_people(footage, tracks, corrected.identities)
    people, unclear, merges, missing = _people(plan, footage, tracks, corrected, gallery, cuts, period_s, moments)
    seconds: dict[str, float] = {}
    for document in footage.documents:
        for step, spent in document.seconds.items():
            seconds[step] = seconds.get(step, 0.0) + spent
    return Selection(
        run_id=plan.run_id,
        duration_s=duration_s,
        frame_count=sum(document.frame_count for document in footage.documents),
        people=people,
        unclear=unclear,
        suggested_merges=merges,
        representative=_representatives(footage, changes, settings.representative),
        scenes=[
            SelectedScene(
                index=index,
                start_s=scene.start_s,
                end_s=scene.end_s,
                frame=footage.frame_ref(scene.staged),
                faces=footage.boxes(scene.staged),
            )
            for index, scene in enumerate(scenes)
        ],
        scenes_are_even=even,
        notes=suspicions(footage),
        lost=footage.lost,
        looked_frames=sum(document.looked_frames for document in footage.documents),
        corrupt_frames=sum(document.corrupt_frames for document in footage.documents),
        detect_seconds={step: round(spent, 3) for step, spent in sorted(seconds.items())},
        cluster_s=0.0,
        corrections=corrected.applied - len(missing),
        unmatched=_unmatched(corrections, corrected, missing),
    )


def _unmatched(
    corrections: Sequence[Correction], corrected: Corrected, missing: Sequence[Sighting]
) -> list[UnmatchedCorrection]:
    """Those that match nobody, and those that ask for a frame that is not here."""
    frames = [
        UnmatchedCorrection(
            number=number,
            do=correction.do,
            applied=False,
            reason="no frame of that moment was kept, and the video was not read for it",
            at_s=[correction.moment.t_s],
        )
        for number, correction in enumerate(corrections)
        if isinstance(correction, ChooseBest) and correction.moment in missing
    ]
    return sorted([*corrected.unmatched, *frames], key=lambda one: one.number)


def who_is_who(plan: Plan, footage: Footage, cuts: Sequence[float]) -> tuple[Tracks, Identities]:
    """The tracks of all chunks and the identity of each."""
    settings, distances = plan.settings, plan.pack.distances
    period_s = settings.tier(plan.source.duration_s).period_s
    tracks = gather_tracks(footage.detections, clarity_of(footage.detections, footage.scores))
    links = link_across_borders(
        tracks,
        footage.detections,
        _border_cuts(footage, cuts, settings.scene_threshold),
        period_s / float(plan.source.time_base),
        distances.strict,
    )
    same, least = settings.same_person_distance, settings.min_sightings
    return tracks, identify(tracks, links, distances, same=same, least=least)


def who_is_who_corrected(
    plan: Plan, footage: Footage, cuts: Sequence[float], corrections: Sequence[Correction]
) -> tuple[Tracks, Corrected]:
    """The tracks of all chunks and the identity of each, as a person corrected them."""
    tracks, found = who_is_who(plan, footage, cuts)
    same = plan.settings.same_person_distance
    return tracks, apply_corrections(corrections, footage, tracks, found, plan.pack.distances, same=same)


def cuts_of(plan: Plan, footage: Footage) -> list[float]:
    """When scenes change, seconds."""
    columns = join_columns(footage.detections, footage.border_scores, plan.source)
    return [change.at_s for change in find_changes(columns, plan.settings)]


def _people(
    plan: Plan,
    footage: Footage,
    tracks: Tracks,
    corrected: Corrected,
    gallery: Gallery | None,
    cuts: Sequence[float],
    period_s: float,
    moments: Sequence[Moment],
) -> tuple[list[SelectedPerson], list[UnclearAppearance], list[SuggestedMerge], list[Sighting]]:
    """People, who was seen unclearly, merges to suggest, and the moments a correction asks for that are not here."""
    settings, distances, identities = plan.settings, plan.pack.distances, corrected.identities
    clarity = clarity_of(footage.detections, footage.scores)
    people: list[tuple[Presence, ChosenFaces]] = []
    unclear: list[UnclearAppearance] = []
    missing: list[Sighting] = []
    for presence in presences(footage, tracks, identities, cuts, period_s):
        if presence.identity in corrected.left_out:
            continue
        wanted = corrected.best.get(presence.identity)
        best_pts = None if wanted is None else plan.source.pts(wanted.t_s)
        chosen = choose_faces(footage, clarity, presence, cuts, settings.alternatives, best_pts)
        if wanted is not None and not (chosen.faces and chosen.faces[0].frame.pts == best_pts):
            face = next((moment.face for moment in moments if moment.pts == best_pts), None)
            if face is None:
                missing.append(wanted)
            else:
                others = chosen.faces[: settings.alternatives]
                chosen = dataclasses.replace(chosen, faces=[face, *others])
        lasting = presence.screen_time_s >= settings.min_presence_s
        asked_for = presence.identity in corrected.asked_for and bool(chosen.faces)
        if asked_for or (lasting and identities.is_person[presence.identity] and chosen.clear):
            people.append((presence, chosen))
            continue
        chunk, row = chosen.row or _best_row(footage, presence)
        unclear.append(
            UnclearAppearance(
                reason=reason_of(footage.detections[chunk], footage.scores[chunk], clarity[chunk], row),
                face=chosen.faces[0] if chosen.faces else None,
                sightings=presence.moments,
                screen_time_s=presence.screen_time_s,
                tracks=presence.tracks,
            )
        )
    people.sort(key=lambda person: (-person[0].screen_time_s, person[0].first_s, person[0].identity))
    del people[settings.limits.max_people :]
    order = np.array([presence.identity for presence, _ in people], np.int64)
    centroids = identities.centroid[order]
    conflicts = _conflicts_of(order, identities)
    threshold = 1 - distances.name if settings.name_similarity is None else settings.name_similarity
    names = (
        [Naming(None, None) for _ in people]
        if gallery is None
        else name_people(centroids, gallery, threshold, conflicts)
    )
    place = {identity: number for number, identity in enumerate(order.tolist())}
    given = {place[identity]: name for identity, name in corrected.names.items() if identity in place}
    names = _renamed(names, given, conflicts)
    selected = [
        SelectedPerson(
            id=number,
            name=naming.name,
            name_similarity=naming.similarity,
            confidence=round(float(identities.confidence[presence.identity]), 4),
            best=chosen.faces[0],
            alternatives=chosen.faces[1:],
            screen_time_s=presence.screen_time_s,
            tracks=presence.tracks,
        )
        for number, ((presence, chosen), naming) in enumerate(zip(people, names, strict=True))
    ]
    unclear.sort(key=lambda appearance: (-appearance.screen_time_s, appearance.tracks[0].start_s))
    return selected, unclear, _merges(centroids, names, conflicts, distances.suggest), missing


def _renamed(names: Sequence[Naming], given: dict[int, str | None], conflicts: set[tuple[int, int]]) -> list[Naming]:
    """The gallery's names, where a person gave none; nobody seen beside one so named is called the same."""
    taken = {(other, given[person]) for pair in conflicts for person, other in (pair, pair[::-1]) if given.get(person)}
    renamed: list[Naming] = []
    for person, naming in enumerate(names):
        if person in given:
            naming = dataclasses.replace(naming, name=given[person])
        elif (person, naming.name) in taken:
            naming = dataclasses.replace(naming, name=None)
        renamed.append(naming)
    return renamed


def _best_row(footage: Footage, presence: Presence) -> tuple[int, int]:
    """Position of the chunk and row of the best detection, of which no frame was staged."""
    return max(presence.sightings, key=lambda at: (float(footage.scores[at[0]].numbers[at[1]]), -at[0], -at[1]))


def _merges(
    centroids: NDArray[np.float32], names: Sequence[Naming], conflicts: set[tuple[int, int]], limit: float
) -> list[SuggestedMerge]:
    """People near one another, and people of one name however far apart; never two seen in one frame."""
    pairs = set(suggest_merges(centroids, conflicts, limit))
    bearers: dict[str, list[int]] = {}
    for person, naming in enumerate(names):
        if naming.name is not None:
            bearers.setdefault(naming.name, []).append(person)
    known = {(a, b) for _, a, b in pairs} | conflicts
    for people in bearers.values():
        for place, a in enumerate(people):
            for b in people[place + 1 :]:
                if (a, b) not in known:
                    pairs.add((1 - float(centroids[a] @ centroids[b]), a, b))
    return [
        SuggestedMerge(people=(a, b), distance=round(max(0.0, distance), 4))
        for distance, a, b in sorted(pairs)[:MOST_SUGGESTIONS]
    ]


def _conflicts_of(order: NDArray[np.int64], identities: Identities) -> set[tuple[int, int]]:
    """Pairs of people, by their place in `order`, that were seen in one frame."""
    place = {identity: number for number, identity in enumerate(order.tolist())}
    found: set[tuple[int, int]] = set()
    for a, b in identities.conflicts:
        if a in place and b in place:
            found.add((min(place[a], place[b]), max(place[a], place[b])))
    return found


def _border_cuts(footage: Footage, cuts: Sequence[float], threshold: float) -> list[bool]:
    """Whether a cut lies between each chunk and the next; so strict that also a change not kept as a cut counts."""
    found: list[bool] = []
    for before, after, score in zip(
        footage.documents[:-1], footage.documents[1:], footage.border_scores[1:], strict=True
    ):
        if before.last_pts is None or after.first_pts is None:
            found.append(True)
            continue
        last_s = footage.source.seconds(before.last_pts)
        first_s = footage.source.seconds(after.first_pts)
        between = bisect.bisect_right(cuts, first_s + 1e-6) > bisect.bisect_right(cuts, last_s)
        found.append(between or score >= threshold)
    return found


def _representatives(footage: Footage, changes: Sequence[Change], wanted: int) -> list[SelectedFrame]:
    if not footage.staged:
        return []
    part = QUALITY_PARTS.index("frontal")
    facing = np.zeros(len(footage.staged))
    for staged, rows in enumerate(footage.rows_of_staged):
        for chunk, row in rows:
            scores = footage.scores[chunk]
            facing[staged] = max(facing[staged], float(scores.parts[row, part]) * float(scores.numbers[row]))
    cuts = [change.at_s for change in changes]
    mixed = in_transition(footage.staged, changes)
    candidates = weigh_frames(footage.staged, footage.small, facing, mixed, cuts, footage.duration_s)
    chosen = choose_representatives(candidates, wanted, footage.duration_s)
    return [
        SelectedFrame(
            frame=footage.frame_ref(index),
            score=round(float(candidates.quality[index]), 4),
            faces=footage.boxes(index),
        )
        for index in sorted(chosen, key=lambda index: (footage.staged[index].t_s, index))
    ]
