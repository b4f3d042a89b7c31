"""Who is who: tracks of all chunks -> identities. Pure: no files, no environment, no randomness.

scikit-learn clusters; what it has no notion of is written here: two faces of one frame are never one person, also not
by way of a third track, and profiles, which lie far from everybody's front, their own included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.clustering import cluster, joined
from lambdas.cluster.groups import neighbours, pairs_between, renumbered
from lambdas.cluster.tracks import Tracks, normed
from lambdas.cluster.units import Units, units_of
from lambdas.contracts import Distances

MAYBE_SAME = 1.2
"""Times `same` within which somebody shown only in profile may be a person seen from the front: 99 of 100 strangers
are farther, on the real videos with both packs; a profile met in the shot of its own front was 0.85 times `same` away
at most."""


@dataclass(frozen=True)
class Identities:
    """A partition of the tracks into identities: people, and groups that were never seen clearly."""

    of_track: NDArray[np.int64]
    """(t,) identity of each track, from 0 without gaps, by first track."""
    unit_of_track: NDArray[np.int64]
    """(t,) tracks with one number are one track that a chunk border cut in two."""
    centroid: NDArray[np.float32]
    """(k, d) mean of the clear units (of all, where none is clear), L2-normed; zeros without embeddings."""
    is_person: NDArray[np.bool_]
    """(k,) False for a group that was not met clearly and often enough."""
    confidence: NDArray[np.float32]
    """(k,) 0 to 1, see `_confidence`."""
    conflicts: set[tuple[int, int]]
    """Pairs of identities seen in one frame, smaller first."""


def identify(
    tracks: Tracks,
    links: Sequence[tuple[int, int]],
    distances: Distances,
    *,
    same: float | None = None,
    least: int = 2,
) -> Identities:
    """The people among the tracks; `same` overrides the pack's distance and scales the others with it.

    1. Tracks with a clear face from the front are clustered by DBSCAN (scikit-learn), each weighing as many samples as
       it has clear detections, with `least` samples for a core: whoever was met clearly only once is noise, no person.
    2. Inside each cluster average linkage (scikit-learn) joins again, never two tracks seen in one frame: it undoes the
       chains that DBSCAN makes through one poor track, and tells apart lookalikes who stand side by side. What is left
       with fewer than `least` clear detections is no person either.
    3. Tracks with clear profiles alone join the nearest person below `attach`. Those far from everybody, or seen beside
       them, are clustered by themselves and are people too; those that may be somebody seen from the front are not.
    4. All others, never seen clearly, join the nearest person below `attach` too. The rest is grouped by complete
       linkage, so that each vouches for each, and is nobody who is listed.

    Nobody joins a person seen beside them.
    """
    scale = 1.0 if same is None else same / distances.same
    limit, attach = distances.same * scale, distances.attach * scale
    unit_of_track, units = units_of(tracks, links)
    label = np.full(len(units.vectors), -1, np.int64)
    front = np.flatnonzero(units.embedded & (units.clear > 0))
    label[front] = cluster(units, front, units.clear, limit, max(limit, attach), min(distances.strict, limit), least)
    side = np.flatnonzero(units.embedded & (label < 0) & (units.clear_side > 0))
    _attach(units, label, side, attach)
    alone = _nobody_else(units, label, side[label[side] < 0], limit)
    found = cluster(units, alone, units.clear + units.clear_side, limit, limit, limit, least)
    label[alone] = np.where(found < 0, -1, found + label.max(initial=-1) + 1)
    people = int(label.max(initial=-1)) + 1
    _attach(units, label, np.flatnonzero(units.embedded & (label < 0)), attach)
    rest = np.flatnonzero(units.embedded & (label < 0))
    label[rest] = joined(units, rest, limit, "complete") + people
    mute = np.flatnonzero(label < 0)
    label[mute] = label.max(initial=-1) + 1 + np.arange(len(mute))

    of_track = renumbered(label[unit_of_track])
    is_person = np.zeros(int(of_track.max(initial=-1)) + 1, bool)
    is_person[of_track[label[unit_of_track] < people]] = True
    return _identities(tracks, unit_of_track, units, of_track, is_person, limit)


def regroup(
    found: Identities,
    tracks: Tracks,
    of_track: NDArray[np.int64],
    is_person: NDArray[np.bool_],
    apart: set[tuple[int, int]],
    distances: Distances,
    *,
    same: float | None = None,
) -> Identities:
    """Identities with the tracks grouped otherwise: `of_track` (t,) from 0 without gaps, by first track, tracks of one
    unit together; `is_person` (k,). The pairs `apart` count as seen in one frame."""
    links = [(int(a), int(b)) for a, b in zip(*neighbours(found.unit_of_track), strict=True)]
    unit_of_track, units = units_of(tracks, links)
    limit = distances.same if same is None else same
    made = _identities(tracks, unit_of_track, units, of_track, is_person, limit)
    return dataclasses.replace(made, conflicts=made.conflicts | apart)


def _identities(
    tracks: Tracks,
    unit_of_track: NDArray[np.int64],
    units: Units,
    of_track: NDArray[np.int64],
    is_person: NDArray[np.bool_],
    limit: float,
) -> Identities:
    of_unit = np.zeros(len(units.vectors), np.int64)
    of_unit[unit_of_track] = of_track
    confidence, centroid = _judged(tracks, units, of_track, of_unit, len(is_person), limit)
    return Identities(
        of_track=of_track,
        unit_of_track=unit_of_track,
        centroid=centroid,
        is_person=is_person,
        confidence=confidence,
        conflicts={(int(a), int(b)) for a, b in pairs_between(of_track, tracks.conflicts)},
    )


def _attach(units: Units, label: NDArray[np.int64], these: NDArray[np.int64], limit: float) -> None:
    """Writes into `label` the nearest person of each of these units that has one within `limit`, nearest first, never
    one it was seen beside."""
    centroids = units.centroids(label)
    if not len(centroids) or not len(these):
        return
    beside = units.beside()
    offers: list[tuple[float, int, int]] = []
    for start in range(0, len(these), 1024):
        block = these[start : start + 1024]
        distance = 1 - units.vectors[block] @ centroids.T
        for row, person in np.argwhere(distance < limit).tolist():
            offers.append((float(distance[row, person]), int(block[row]), person))
    for _, unit, person in sorted(offers):
        if label[unit] < 0 and all(label[other] != person for other in beside.get(unit, [])):
            label[unit] = person


def _nobody_else(units: Units, label: NDArray[np.int64], profiles: NDArray[np.int64], same: float) -> NDArray[np.int64]:
    """Those of these profiles that are people of their own: everybody near them was seen beside them."""
    centroids, beside = units.centroids(label), units.beside()
    found: list[int] = []
    for unit in profiles.tolist():
        near: list[int] = np.flatnonzero(1 - centroids @ units.vectors[unit] < MAYBE_SAME * same).tolist()
        if {int(label[other]) for other in beside.get(unit, [])}.issuperset(near):
            found.append(unit)
    return np.array(found, np.int64)


def _judged(
    tracks: Tracks,
    units: Units,
    of_track: NDArray[np.int64],
    of_unit: NDArray[np.int64],
    count: int,
    same: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`Identities.confidence` and `.centroid`.

    Confidence is 1 - spread / (2 `same`), within 0 and 1: 1 where all is identical, 0.5 at the very distance at which
    tracks are still joined. The spread is the average cosine distance between the identity's units, clear ones if there
    are any; of one unit, between its embedded faces; of one embedded face nothing is known: 0.5.
    """
    clear = units.clear > 0
    has_clear = np.zeros(count, bool)
    np.logical_or.at(has_clear, of_unit, clear)
    speaks = np.where(has_clear[of_unit], clear, units.embedded)
    unit_sum = np.zeros((count, units.vectors.shape[1]), np.float32)
    np.add.at(unit_sum, of_unit[speaks], units.vectors[speaks])
    unit_count = np.bincount(of_unit[speaks], minlength=count).astype(np.float64)
    face_sum = np.zeros((count, units.vectors.shape[1]), np.float32)
    np.add.at(face_sum, of_track, tracks.face_sum)
    face_count = np.bincount(of_track, weights=tracks.faces, minlength=count).astype(np.float64)
    spread = np.where(unit_count > 1, _mean_distance(unit_sum, unit_count), _mean_distance(face_sum, face_count))
    confidence = np.clip(1 - np.where(np.isnan(spread), same, spread) / (2 * same), 0, 1)
    return confidence.astype(np.float32), normed(unit_sum)


def _mean_distance(sums: NDArray[np.float32], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average cosine distance among `counts` L2-normed vectors that add up to `sums`; NaN for fewer than two."""
    pairs = np.where(counts > 1, counts * (counts - 1), np.nan)
    squared = np.einsum("ij,ij->i", sums, sums, dtype=np.float64)
    return np.asarray(np.maximum(0.0, 1 - (squared - counts) / pairs))
