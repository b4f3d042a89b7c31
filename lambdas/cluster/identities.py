"""Who is who: tracks of all chunks -> identities. Pure: no files, no environment, no randomness.

scikit-learn clusters; what it has no notion of is written here: two faces of one frame are never one person, also not
by way of a third track, and profiles, which lie far from everybody's front, their own included.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.tracks import Tracks, normed
from lambdas.contracts import Distances

APART = 1e6
"""Distance of two tracks seen in one frame: so far that no average with it is within any limit."""
MAYBE_SAME = 1.2
"""Times `same` within which somebody shown only in profile may be a person seen from the front: 99 of 100 strangers
are farther, on the real videos with both packs; a profile met in the shot of its own front was 0.85 times `same` away
at most."""
LARGEST_TABLE = 3000
"""Most units compared all with all at once; more are reduced first. 3000 x 3000 float64 is 72 MB."""


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


@dataclass(frozen=True)
class _Units:
    """What is clustered (u): tracks, those that a chunk border cut in two as one."""

    vectors: NDArray[np.float32]
    """(u, d) L2-normed; zeros without an embedded face."""
    clear: NDArray[np.int64]
    """(u,) as in Tracks, clear_side likewise."""
    clear_side: NDArray[np.int64]
    conflicts: NDArray[np.int64]
    """(q, 2) seen in one frame."""

    @property
    def embedded(self) -> NDArray[np.bool_]:
        """(u,)"""
        return np.asarray(self.vectors.any(axis=1), np.bool_)


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
    unit_of_track, units = _units_of(tracks, links)
    label = np.full(len(units.vectors), -1, np.int64)
    front = np.flatnonzero(units.embedded & (units.clear > 0))
    label[front] = _cluster(units, front, units.clear, limit, max(limit, attach), min(distances.strict, limit), least)
    side = np.flatnonzero(units.embedded & (label < 0) & (units.clear_side > 0))
    _attach(units, label, side, attach)
    alone = _nobody_else(units, label, side[label[side] < 0], limit)
    found = _cluster(units, alone, units.clear + units.clear_side, limit, limit, limit, least)
    label[alone] = np.where(found < 0, -1, found + label.max(initial=-1) + 1)
    people = int(label.max(initial=-1)) + 1
    _attach(units, label, np.flatnonzero(units.embedded & (label < 0)), attach)
    rest = np.flatnonzero(units.embedded & (label < 0))
    label[rest] = _joined(units, rest, limit, "complete") + people
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
    links = [(int(a), int(b)) for a, b in zip(*_neighbours(found.unit_of_track), strict=True)]
    unit_of_track, units = _units_of(tracks, links)
    limit = distances.same if same is None else same
    made = _identities(tracks, unit_of_track, units, of_track, is_person, limit)
    return dataclasses.replace(made, conflicts=made.conflicts | apart)


def _neighbours(group: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each member and the next one of its group, so that uniting these pairs gives the groups."""
    order = np.argsort(group, kind="stable")
    together = group[order[:-1]] == group[order[1:]]
    return order[:-1][together], order[1:][together]


def _identities(
    tracks: Tracks,
    unit_of_track: NDArray[np.int64],
    units: _Units,
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
        conflicts={(int(a), int(b)) for a, b in _pairs_between(of_track, tracks.conflicts)},
    )


def suggest_merges(
    centroids: NDArray[np.float32], conflicts: set[tuple[int, int]], limit: float
) -> list[tuple[float, int, int]]:
    """Pairs of rows nearer than `limit` that were not seen in one frame: cosine distance, two rows; nearest first."""
    pairs: list[tuple[float, int, int]] = []
    for start in range(0, len(centroids), 1024):
        distance = 1 - centroids[start : start + 1024] @ centroids[start:].T
        for row, column in np.argwhere(distance < limit).tolist():
            if row < column and (start + row, start + column) not in conflicts:
                pairs.append((float(distance[row, column]), start + row, start + column))
    return sorted(pairs)


def renumbered(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same partition with labels from 0 in order of first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse.reshape(-1)]


@lru_cache(maxsize=1)
def scikit_learn() -> ModuleType:
    """`sklearn.cluster`, which takes 2 CPU seconds to import: whoever can, asks for it while others work."""
    import sklearn.cluster

    module: ModuleType = sklearn.cluster
    return module


def _units_of(tracks: Tracks, links: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], _Units]:
    """(t,) the unit of each track, and the units."""
    unit_of_track = _unite(len(tracks), links)
    count = int(unit_of_track.max(initial=-1)) + 1
    clear = np.zeros(count, np.int64)
    clear_side = np.zeros(count, np.int64)
    np.add.at(clear, unit_of_track, tracks.clear)
    np.add.at(clear_side, unit_of_track, tracks.clear_side)
    # In a unit with a clear track the others say nothing about the face.
    speaks = (tracks.faces > 0) & ((tracks.clear > 0) | (clear[unit_of_track] == 0))
    total = np.zeros((count, tracks.embedding.shape[1]), np.float32)
    np.add.at(total, unit_of_track[speaks], tracks.embedding[speaks] * tracks.faces[speaks, None])
    conflicts = _pairs_between(unit_of_track, tracks.conflicts)
    return unit_of_track, _Units(normed(total), clear, clear_side, conflicts)


def _cluster(
    units: _Units,
    members: NDArray[np.int64],
    weight: NDArray[np.int64],
    same: float,
    together: float,
    strict: float,
    least: int,
) -> NDArray[np.int64]:
    """(m,) labels of these units from 0, -1 for noise: DBSCAN, and average linkage inside its clusters.

    Groups of fewer than `least` samples are noise, whether DBSCAN or the linkage left them alone.
    """
    if not len(members):
        return np.zeros(0, np.int64)
    reduced = _reduced(units, members, strict)
    groups = int(reduced.max()) + 1
    vectors = _means(units.vectors[members], reduced, groups)
    samples = np.bincount(reduced, weights=weight[members], minlength=groups).astype(np.float64)
    apart = _pairs_between(reduced, _within(members, units.conflicts, len(units.vectors)))
    component = _dbscan(vectors, samples, apart, same, least)
    label = np.full(groups, -1, np.int64)
    for number in range(int(component.max(initial=-1)) + 1):
        part = np.flatnonzero(component == number)
        found = _linked(vectors[part], _within(part, apart, groups), together, "average")
        enough = np.bincount(found, weights=samples[part])[found] >= least
        label[part[enough]] = renumbered(found[enough]) + label.max() + 1
    return label[reduced]


def _dbscan(
    vectors: NDArray[np.float32], samples: NDArray[np.float64], apart: NDArray[np.int64], same: float, least: int
) -> NDArray[np.int64]:
    """(n,) DBSCAN's labels, -1 for noise; vectors `apart` are no neighbours."""
    if len(vectors) == 1:
        # A portrait needs no library of two seconds.
        return np.where(samples >= least, 0, -1)
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(radius=same, metric="cosine", algorithm="brute").fit(vectors)
    graph = near.radius_neighbors_graph(mode="distance").tocoo()
    row, column, distance = graph.row, graph.col, graph.data
    count = len(vectors)
    if len(apart):
        forbidden = np.unique(np.concatenate([apart @ [count, 1], apart @ [1, count]]))
        kept = ~np.isin(row.astype(np.int64) * count + column, forbidden)
        row, column, distance = row[kept], column[kept], distance[kept]
    from scipy.sparse import csr_matrix

    # An entry of 0 would be taken for none.
    graph = csr_matrix((np.maximum(distance, 1e-9), (row, column)), shape=(count, count))
    found = scikit_learn().DBSCAN(eps=same, min_samples=least, metric="precomputed").fit(graph, sample_weight=samples)
    return np.asarray(found.labels_, np.int64)


def _linked(vectors: NDArray[np.float32], apart: NDArray[np.int64], limit: float, linkage: str) -> NDArray[np.int64]:
    """(n,) labels from 0 by agglomerative clustering up to `limit`; a pair `apart` is never in one group.

    Of more than LARGEST_TABLE vectors, stretches that fit are joined first, until that joins nothing more.
    """
    label = np.arange(len(vectors))
    while True:
        groups = int(label.max(initial=-1)) + 1
        means, between = _means(vectors, label, groups), _pairs_between(label, apart)
        found = np.full(groups, -1, np.int64)
        for start in range(0, groups, LARGEST_TABLE):
            part = np.arange(start, min(start + LARGEST_TABLE, groups))
            found[part] = _linked_at_once(means[part], _within(part, between, groups), limit, linkage) + found.max() + 1
        label = found[label]
        if groups <= LARGEST_TABLE or int(found.max()) + 1 == groups:
            return label


def _linked_at_once(
    vectors: NDArray[np.float32], apart: NDArray[np.int64], limit: float, linkage: str
) -> NDArray[np.int64]:
    if len(vectors) < 2:
        return np.zeros(len(vectors), np.int64)
    table = np.maximum(1 - vectors @ vectors.T, 0).astype(np.float64)
    table[apart[:, 0], apart[:, 1]] = table[apart[:, 1], apart[:, 0]] = APART
    np.fill_diagonal(table, 0)
    grouping = scikit_learn().AgglomerativeClustering(
        n_clusters=None, distance_threshold=limit, metric="precomputed", linkage=linkage
    )
    return renumbered(np.asarray(grouping.fit(table).labels_, np.int64))


def _joined(units: _Units, members: NDArray[np.int64], limit: float, linkage: str) -> NDArray[np.int64]:
    """(m,) labels from 0 of these units."""
    return _linked(units.vectors[members], _within(members, units.conflicts, len(units.vectors)), limit, linkage)


def _reduced(units: _Units, members: NDArray[np.int64], strict: float) -> NDArray[np.int64]:
    """(m,) group of each of these units, from 0; each its own where they are few enough to be compared all with all.

    Otherwise those surely one person are joined first, stretch by stretch of the video.
    """
    if len(members) <= LARGEST_TABLE:
        return np.arange(len(members))
    return _joined(units, members, strict, "average")


def _attach(units: _Units, label: NDArray[np.int64], these: NDArray[np.int64], limit: float) -> None:
    """Writes into `label` the nearest person of each of these units that has one within `limit`, nearest first, never
    one it was seen beside."""
    centroids = _centroids(units, label)
    if not len(centroids) or not len(these):
        return
    beside = _beside(units.conflicts)
    offers: list[tuple[float, int, int]] = []
    for start in range(0, len(these), 1024):
        block = these[start : start + 1024]
        distance = 1 - units.vectors[block] @ centroids.T
        for row, person in np.argwhere(distance < limit).tolist():
            offers.append((float(distance[row, person]), int(block[row]), person))
    for _, unit, person in sorted(offers):
        if label[unit] < 0 and all(label[other] != person for other in beside.get(unit, [])):
            label[unit] = person


def _nobody_else(
    units: _Units, label: NDArray[np.int64], profiles: NDArray[np.int64], same: float
) -> NDArray[np.int64]:
    """Those of these profiles that are people of their own: everybody near them was seen beside them."""
    centroids, beside = _centroids(units, label), _beside(units.conflicts)
    found: list[int] = []
    for unit in profiles.tolist():
        near: list[int] = np.flatnonzero(1 - centroids @ units.vectors[unit] < MAYBE_SAME * same).tolist()
        if {int(label[other]) for other in beside.get(unit, [])}.issuperset(near):
            found.append(unit)
    return np.array(found, np.int64)


def _beside(conflicts: NDArray[np.int64]) -> dict[int, list[int]]:
    """Whom each unit was seen beside."""
    beside: dict[int, list[int]] = {}
    for a, b in conflicts.tolist():
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    return beside


def _centroids(units: _Units, label: NDArray[np.int64]) -> NDArray[np.float32]:
    """(k, d) mean of the labelled units of each label, L2-normed."""
    known = np.flatnonzero(label >= 0)
    return _means(units.vectors[known], label[known], int(label.max(initial=-1)) + 1)


def _judged(
    tracks: Tracks,
    units: _Units,
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


def _unite(count: int, links: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """(count,) group of each, from 0 in order of first member."""
    parent = list(range(count))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in links:
        parent[max(root(a), root(b))] = min(root(a), root(b))
    return renumbered(np.array([root(i) for i in range(count)], np.int64))


def _pairs_between(group: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """(q, 2) pairs of different groups that `pairs` of members give, each once, smaller first."""
    mapped = np.sort(group[pairs.reshape(-1, 2)], axis=1) if len(pairs) else np.zeros((0, 2), np.int64)
    return np.unique(mapped[mapped[:, 0] != mapped[:, 1]], axis=0).reshape(-1, 2)


def _within(members: NDArray[np.int64], pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The pairs (of `count` things) whose both ends are members, as positions in `members`."""
    position = np.full(count, -1, np.int64)
    position[members] = np.arange(len(members))
    mapped = position[pairs]
    return mapped[(mapped >= 0).all(axis=1)].reshape(-1, 2)


def _means(vectors: NDArray[np.float32], group: NDArray[np.int64], groups: int) -> NDArray[np.float32]:
    """(groups, d) mean of each group's vectors, L2-normed."""
    total = np.zeros((groups, vectors.shape[1]), np.float32)
    np.add.at(total, group, vectors)
    return normed(total)
