"""Who is published, by which pictures and under which names. Pure: no files."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.best_frames import ChosenFaces, Presence, choose_faces, presences
from lambdas.cluster.clarity import Clarity, clarity_of
from lambdas.cluster.corrections import Corrected
from lambdas.cluster.footage import Footage
from lambdas.cluster.gallery import Naming, name_people
from lambdas.cluster.identities import Identities
from lambdas.cluster.merges import suggested_merges
from lambdas.cluster.tracks import Tracks
from lambdas.cluster.unclear import reason_of
from lambdas.contracts import Gallery, Moment, Plan, SelectedPerson, Sighting, SuggestedMerge, UnclearAppearance


@dataclass(frozen=True)
class Found:
    """Who is who in a video, and when its scenes change."""

    plan: Plan
    footage: Footage
    """With every face scored."""
    tracks: Tracks
    corrected: Corrected
    cuts: Sequence[float]
    """Seconds, ascending."""

    @property
    def period_s(self) -> float:
        """The scan period, by the container's duration, as the workers chose theirs, not by the one met."""
        return self.plan.settings.tier(self.plan.source.duration_s).period_s


@dataclass(frozen=True)
class People:
    """Everybody in a video."""

    selected: list[SelectedPerson]
    """Longest screen time first."""
    unclear: list[UnclearAppearance]
    """Seen unclearly or too briefly, longest screen time first."""
    merges: list[SuggestedMerge]
    missing: list[Sighting]
    """The moments that a correction asks for and that are not here."""


def choose_people(found: Found, gallery: Gallery | None, moments: Sequence[Moment]) -> People:
    """Who is published, by which pictures and under which names; `moments` are frames staged for corrections."""
    settings, identities = found.plan.settings, found.corrected.identities
    clarity = clarity_of(found.footage.detections, found.footage.scores)
    people: list[tuple[Presence, ChosenFaces]] = []
    unclear: list[UnclearAppearance] = []
    missing: list[Sighting] = []
    for presence in presences(found.footage, found.tracks, identities, found.cuts, found.period_s):
        if presence.identity in found.corrected.left_out:
            continue
        chosen, lacking = _chosen(found, presence, clarity, moments)
        missing += lacking
        lasting = presence.screen_time_s >= settings.min_presence_s
        asked_for = presence.identity in found.corrected.asked_for and bool(chosen.faces)
        if asked_for or (lasting and identities.is_person[presence.identity] and chosen.clear):
            people.append((presence, chosen))
        else:
            unclear.append(_unclear(found.footage, clarity, presence, chosen))
    people.sort(key=lambda person: (-person[0].screen_time_s, person[0].first_s, person[0].identity))
    del people[settings.limits.max_people :]
    unclear.sort(key=lambda appearance: (-appearance.screen_time_s, appearance.tracks[0].start_s))
    order = np.array([presence.identity for presence, _ in people], np.int64)
    conflicts = _conflicts_of(order, identities)
    names = _names(found, order, gallery, conflicts)
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
    merges = suggested_merges(identities.centroid[order], names, conflicts, found.plan.pack.distances.suggest)
    return People(selected, unclear, merges, missing)


def _chosen(
    found: Found, presence: Presence, clarity: Sequence[Clarity], moments: Sequence[Moment]
) -> tuple[ChosenFaces, list[Sighting]]:
    """The pictures of one identity, and the moment a correction asks for where it is not here."""
    wanted = found.corrected.best.get(presence.identity)
    best_pts = None if wanted is None else found.plan.source.pts(wanted.t_s)
    most = found.plan.settings.alternatives
    chosen = choose_faces(found.footage, clarity, presence, found.cuts, most, best_pts)
    if wanted is None or (chosen.faces and chosen.faces[0].frame.pts == best_pts):
        return chosen, []
    face = next((moment.face for moment in moments if moment.pts == best_pts), None)
    if face is None:
        return chosen, [wanted]
    return dataclasses.replace(chosen, faces=[face, *chosen.faces[:most]]), []


def _unclear(
    footage: Footage, clarity: Sequence[Clarity], presence: Presence, chosen: ChosenFaces
) -> UnclearAppearance:
    chunk, row = chosen.row or _best_row(footage, presence)
    return UnclearAppearance(
        reason=reason_of(footage.detections[chunk], footage.scores[chunk], clarity[chunk], row),
        face=chosen.faces[0] if chosen.faces else None,
        sightings=presence.moments,
        screen_time_s=presence.screen_time_s,
        tracks=presence.tracks,
    )


def _names(
    found: Found, order: NDArray[np.int64], gallery: Gallery | None, conflicts: set[tuple[int, int]]
) -> list[Naming]:
    """What each of the people, whose identities are `order`, is called: by a correction, else by the gallery."""
    settings = found.plan.settings
    threshold = 1 - found.plan.pack.distances.name if settings.name_similarity is None else settings.name_similarity
    if gallery is None:
        names = [Naming(None, None) for _ in order]
    else:
        names = name_people(found.corrected.identities.centroid[order], gallery, threshold, conflicts)
    place = {identity: number for number, identity in enumerate(order.tolist())}
    given = {place[identity]: name for identity, name in found.corrected.names.items() if identity in place}
    return _renamed(names, given, conflicts)


def _best_row(footage: Footage, presence: Presence) -> tuple[int, int]:
    """Position of the chunk and row of the best detection, of which no frame was staged."""
    return max(presence.sightings, key=lambda at: (float(footage.scores[at[0]].numbers[at[1]]), -at[0], -at[1]))


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


def _conflicts_of(order: NDArray[np.int64], identities: Identities) -> set[tuple[int, int]]:
    """Pairs of people, by their place in `order`, that were seen in one frame."""
    place = {identity: number for number, identity in enumerate(order.tolist())}
    found: set[tuple[int, int]] = set()
    for a, b in identities.conflicts:
        if a in place and b in place:
            found.add((min(place[a], place[b]), max(place[a], place[b])))
    return found
