"""Who is who: tracks of all chunks -> identities. Pure: no files, no environment, no randomness."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.components import components
from lambdas.contracts import QUALITY_PARTS, Detections, Distances
from lambdas.scoring import Measures, score

BORDER_OVERLAP = 0.3
"""IoU above which boxes on either side of a chunk border can be one face; heads move little within a scan period."""
BORDER_PERIODS = 1.5
"""Scan periods within which a face must be seen again across a chunk border: one, and slack for uneven frame times."""
FOUND_TWICE_OVERLAP = 0.6
"""IoU above which two boxes of one frame are one face found twice, so that they don't forbid a merge."""
CLEAR_FRONTAL, CLEAR_SCORE = 0.6, 0.5
"""Frontal part and score from which a face is clear. Of the pairs of tracks on the clips of docs/accuracy.md, with
`open`, strangers are 0.34 and more apart if both are clear, 0.37 and more if one has a low score, 0.50 and more if one
is seen from the side: what hides a face takes it away from itself and from everybody else alike."""
CLEARLY_NEARER = 1.25
"""How many times further than the nearest person the next one must be for an unclear person to be joined."""
LARGEST_TABLE = 4000
"""Most units compared all with all at once; more are reduced first. 4000 x 4000 float32 is 64 MB."""
SMALL_TABLE = 256
"""Up to so many points a table is quicker made than spared."""


@dataclass(frozen=True)
class Tracks:
    """The tracks (t) of all chunks, in order of chunk and number."""

    chunk: NDArray[np.int64]
    """(t,) position of the chunk in the list given to `gather_tracks`."""
    number: NDArray[np.int64]
    """(t,) track number within the chunk."""
    rows: list[NDArray[np.int64]]
    """Per track its sightings: rows of the chunk's Detections, by PTS."""
    embedding: NDArray[np.float32]
    """(t, d) quality-weighted mean of the embedded faces, L2-normed; zeros without any."""
    weight: NDArray[np.float32]
    """(t,) sum of the embedded faces' weights; 0 without any."""
    faces: NDArray[np.int64]
    """(t,) how many faces were embedded."""
    face_sum: NDArray[np.float32]
    """(t, d) plain sum of the embedded faces, from which their mean distance follows."""
    weak: NDArray[np.bool_]
    """(t,) only small, blurred, profile or transition-near faces."""
    unclear: NDArray[np.bool_]
    """(t,) no embedded face is clear: all are seen from the side, in the dark, in motion, half hidden."""
    conflicts: NDArray[np.int64]
    """(p, 2) tracks seen in one frame: two people. Each pair once, smaller first."""

    def __len__(self) -> int:
        return len(self.chunk)


@dataclass(frozen=True)
class Identities:
    """A partition of the tracks into people."""

    of_track: NDArray[np.int64]
    """(t,) identity of each track, from 0 without gaps, by first track."""
    unit_of_track: NDArray[np.int64]
    """(t,) tracks with one number are one track that a chunk border cut in two."""
    centroid: NDArray[np.float32]
    """(k, d) weighted mean of the strong tracks (of all, where none is strong), L2-normed; zeros without embeddings."""
    sure: NDArray[np.bool_]
    """(k,) False where there are only weak tracks that don't vouch for one another: no person, a brief appearance."""
    confidence: NDArray[np.float32]
    """(k,) 0 to 1, see `_confidence`."""
    conflicts: set[tuple[int, int]]
    """Pairs of identities seen in one frame, smaller first."""


def gather_tracks(chunks: Sequence[Detections]) -> Tracks:
    """All tracks that have sightings."""
    size = next((c.embeddings.shape[1] for c in chunks if c.embeddings.size), 1)
    chunk_of: list[int] = []
    numbers: list[int] = []
    rows: list[NDArray[np.int64]] = []
    sums: list[NDArray[np.float32]] = []
    weights: list[NDArray[np.float32]] = []
    face_sums: list[NDArray[np.float32]] = []
    faces: list[NDArray[np.int64]] = []
    conflicts: list[NDArray[np.int64]] = []
    weak: list[NDArray[np.bool_]] = []
    unclear: list[NDArray[np.bool_]] = []
    for position, chunk in enumerate(chunks):
        if not len(chunk.pts):
            continue
        present, local = np.unique(chunk.tracks, return_inverse=True)
        local = local.reshape(-1)
        first = len(numbers)
        order = np.argsort(local, kind="stable")
        rows.extend(np.split(order, np.cumsum(np.bincount(local))[:-1]))
        chunk_of.extend([position] * len(present))
        numbers.extend(int(n) for n in present)
        weak.append(chunk.track_weak[present])
        owner = local[chunk.embedded]
        # A face of score 0 is still a face: without the floor a track of such faces would have no direction.
        scores = score(Measures.of(chunk)).numbers[chunk.embedded]
        weight = np.maximum(scores, 0.05).astype(np.float32)
        total = np.zeros((len(present), size), np.float32)
        plain = np.zeros((len(present), size), np.float32)
        if len(owner):
            np.add.at(total, owner, chunk.embeddings * weight[:, None])
            np.add.at(plain, owner, chunk.embeddings)
        frontal = chunk.quality[chunk.embedded, QUALITY_PARTS.index("frontal")]
        clear = (frontal >= CLEAR_FRONTAL) & (scores >= CLEAR_SCORE)
        unclear.append(np.bincount(owner, weights=clear, minlength=len(present)) == 0)
        sums.append(total)
        face_sums.append(plain)
        weights.append(np.bincount(owner, weights=weight, minlength=len(present)).astype(np.float32))
        faces.append(np.bincount(owner, minlength=len(present)).astype(np.int64))
        conflicts.append(_seen_together(chunk, local) + first)
    if not numbers:
        nothing = np.zeros(0, np.int64)
        none = np.zeros((0, size), np.float32)
        no = nothing.astype(bool)
        return Tracks(nothing, nothing, [], none, none[:, 0], nothing, none, no, no, nothing.reshape(0, 2))
    return Tracks(
        chunk=np.array(chunk_of, np.int64),
        number=np.array(numbers, np.int64),
        rows=rows,
        embedding=_normed(np.concatenate(sums)),
        weight=np.concatenate(weights),
        faces=np.concatenate(faces),
        face_sum=np.concatenate(face_sums),
        weak=np.concatenate(weak).astype(bool),
        unclear=np.concatenate(unclear),
        conflicts=np.concatenate(conflicts),
    )


def _seen_together(chunk: Detections, local: NDArray[np.int64]) -> NDArray[np.int64]:
    """(p, 2) pairs of a chunk's tracks with sightings at one PTS, except a face found twice."""
    pairs: set[tuple[int, int]] = set()
    _, starts, counts = np.unique(chunk.pts, return_index=True, return_counts=True)
    for start, count in zip(starts[counts > 1], counts[counts > 1], strict=True):
        for i in range(start, start + count):
            for j in range(i + 1, start + count):
                pair = (int(min(local[i], local[j])), int(max(local[i], local[j])))
                if pair[0] == pair[1] or pair in pairs:
                    continue
                if overlap(chunk.boxes[i], chunk.boxes[j]) <= FOUND_TWICE_OVERLAP:
                    pairs.add(pair)
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Intersection over union of two xyxy boxes, 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = float(width * height)
    return shared / (float((a[2] - a[0]) * (a[3] - a[1])) + float((b[2] - b[0]) * (b[3] - b[1])) - shared)


def link_across_borders(
    tracks: Tracks,
    chunks: Sequence[Detections],
    border_is_cut: Sequence[bool],
    period_ticks: float,
    strict: float,
) -> list[tuple[int, int]]:
    """Pairs of tracks that are one track cut by a chunk border; each track at most once on each side.

    `border_is_cut[i]` says whether a cut lies between chunk i and i + 1; `period_ticks` is the scan period in PTS.
    """
    links: list[tuple[int, int]] = []
    starts = np.searchsorted(tracks.chunk, np.arange(len(chunks) + 1))
    for border, is_cut in enumerate(border_is_cut):
        if is_cut:
            continue
        before, after = chunks[border], chunks[border + 1]
        candidates: list[tuple[float, int, int]] = []
        enders = [t for t in range(starts[border], starts[border + 1]) if tracks.weight[t] > 0]
        starters = [t for t in range(starts[border + 1], starts[border + 2]) if tracks.weight[t] > 0]
        for a in enders:
            last = tracks.rows[a][-1]
            for b in starters:
                first = tracks.rows[b][0]
                if after.pts[first] - before.pts[last] > BORDER_PERIODS * period_ticks:
                    continue
                if overlap(before.boxes[last], after.boxes[first]) < BORDER_OVERLAP:
                    continue
                distance = 1 - float(tracks.embedding[a] @ tracks.embedding[b])
                if distance < strict:
                    candidates.append((distance, a, b))
        taken: set[int] = set()
        for _, a, b in sorted(candidates):
            if a not in taken and b not in taken:
                taken |= {a, b}
                links.append((a, b))
    return links


def identify(
    tracks: Tracks, links: Sequence[tuple[int, int]], distances: Distances, same: float | None = None
) -> Identities:
    """The people among the tracks; `same` overrides the pack's distance (and scales `attach` with it).

    1. Linked tracks become units; a unit, however short, is one point, because what counts is how often a person was
       met under other conditions, not how long each meeting was.
    2. DBSCAN with min_samples=1 over the strong units proposes components: connected by steps up to `same`.
    3. Inside each component units are joined again, nearest first, by their groups' average distance, never two that
       were seen in one frame, and never beyond the larger of `same` and `attach`. It takes apart what one poor track
       had bridged, and tells apart two people who look alike but stand side by side. Average rather than complete
       linkage, measured on 30 synthetic people with lookalikes and bridging tracks (pairs joined rightly, pairs
       found): DBSCAN alone 0.59, 1.00; complete linkage only where a pair was seen together 0.75, 0.98; complete
       linkage throughout 0.98, 0.94; average linkage 0.98, 0.98.
    4. People whose mean faces are nearer than `same` are joined too, nearest first: averages lack what single tracks
       differ by (pose, light), so that strangers' means stay apart where a person's do not.
    5. People never seen clearly join the nearest one up to halfway between `attach` and `suggest`, where no other is
       nearly as near: a head turned away is further from itself and from everybody else alike.
    6. Weak units join the nearest identity below `attach` that they were not seen beside; the rest keep to themselves.
    """
    same_distance = distances.same if same is None else same
    attach = same_distance * distances.attach / distances.same
    together = max(same_distance, attach)
    strict = min(distances.strict, same_distance)
    unit_of_track = _unite(len(tracks), links)
    units = int(unit_of_track.max(initial=-1)) + 1
    strong_track = (tracks.weight > 0) & ~tracks.weak
    strong = np.zeros(units, bool)
    np.logical_or.at(strong, unit_of_track, strong_track)
    # In a unit with a strong track the weak ones say nothing about the face.
    speaks = np.where(strong[unit_of_track], strong_track, tracks.weight > 0)
    unit_sum = np.zeros((units, tracks.embedding.shape[1]), np.float32)
    np.add.at(unit_sum, unit_of_track[speaks], tracks.embedding[speaks] * tracks.weight[speaks, None])
    vectors = _normed(unit_sum)
    # 200 MB for 100,000 tracks in 512 dimensions.
    del unit_sum
    embedded = np.zeros(units, bool)
    embedded[unit_of_track[speaks]] = True
    conflicts = _pairs_between(unit_of_track, tracks.conflicts)
    chunk_of_unit = np.zeros(units, np.int64)
    np.maximum.at(chunk_of_unit, unit_of_track, tracks.chunk)

    label = np.full(units, -1, np.int64)
    core = np.flatnonzero(strong)
    label[core] = _cluster(
        vectors[core], _within(core, conflicts, units), chunk_of_unit[core], same_distance, strict, together
    )
    label[core] = _join_by_mean(label[core], vectors[core], _within(core, conflicts, units), same_distance)
    unclear = np.ones(units, bool)
    np.logical_and.at(unclear, unit_of_track[speaks], tracks.unclear[speaks])
    further = same_distance * (distances.attach + distances.suggest) / (2 * distances.same)
    label[core] = _join_unclear(label[core], vectors[core], unclear[core], _within(core, conflicts, units), further)
    _attach_weak(label, vectors, np.flatnonzero(embedded & ~strong), conflicts, attach)
    left = np.flatnonzero(embedded & (label < 0))
    known = int(label.max(initial=-1)) + 1
    # Complete linkage: weak units are one person only where each vouches for each.
    label[left] = known + agglomerate_in_parts(
        vectors[left], np.ones(len(left)), _within(left, conflicts, units), same_distance, "complete"
    )
    known = int(label.max(initial=-1)) + 1
    mute = np.flatnonzero(label < 0)
    label[mute] = known + np.arange(len(mute))

    of_track = _renumbered(label[unit_of_track])
    count = int(of_track.max(initial=-1)) + 1
    label_of_unit = np.zeros(units, np.int64)
    label_of_unit[unit_of_track] = of_track
    sure, confidence, centroid = _judge(
        tracks, of_track, label_of_unit, vectors, strong, embedded, count, same_distance
    )
    return Identities(
        of_track=of_track,
        unit_of_track=unit_of_track,
        centroid=centroid,
        sure=sure,
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


def _cluster(
    vectors: NDArray[np.float32],
    conflicts: NDArray[np.int64],
    chunk_of: NDArray[np.int64],
    same: float,
    strict: float,
    together: float,
) -> NDArray[np.int64]:
    """Labels from 0 of the strong units."""
    group = _reduce(vectors, conflicts, chunk_of, strict)
    groups = int(group.max(initial=-1)) + 1
    if groups == 0:
        return group
    means, sizes = _means(vectors, np.ones(len(vectors)), group, groups)
    between = _pairs_between(group, conflicts)
    component = components(_normed(means), same)
    label = np.full(groups, -1, np.int64)
    known = 0
    for members, apart in _parts(component, between):
        found = _take_apart(means[members], sizes[members], apart, strict, together)
        label[members] = known + found
        known += int(found.max()) + 1
    return label[group]


def _join_by_mean(
    label: NDArray[np.int64], vectors: NDArray[np.float32], conflicts: NDArray[np.int64], same: float
) -> NDArray[np.int64]:
    """Labels from 0 after joining, nearest first and each mean reckoned anew, groups whose mean faces are near."""
    while True:
        groups = int(label.max(initial=-1)) + 1
        sums = np.zeros((groups, vectors.shape[1]), np.float32)
        np.add.at(sums, label, vectors)
        apart = {(int(a), int(b)) for a, b in _pairs_between(label, conflicts)}
        taken: set[int] = set()
        joined = np.arange(groups)
        for _, a, b in suggest_merges(_normed(sums), apart, same):
            # Once in a round, for a joined group's mean has moved.
            if a not in taken and b not in taken:
                taken |= {a, b}
                joined[b] = a
        if not taken:
            return label
        label = _renumbered(joined[label])


def _join_unclear(
    label: NDArray[np.int64],
    vectors: NDArray[np.float32],
    unclear: NDArray[np.bool_],
    conflicts: NDArray[np.int64],
    limit: float,
) -> NDArray[np.int64]:
    """Labels from 0 after joining groups of `unclear` vectors alone to the one clearly nearest, means reckoned anew."""
    while True:
        groups = int(label.max(initial=-1)) + 1
        doubtful = np.ones(groups, bool)
        np.logical_and.at(doubtful, label, unclear)
        sums = np.zeros((groups, vectors.shape[1]), np.float32)
        np.add.at(sums, label, vectors)
        means = _normed(sums)
        apart = {(int(a), int(b)) for a, b in _pairs_between(label, conflicts)}
        offers: list[tuple[float, int, int]] = []
        for group in np.flatnonzero(doubtful).tolist() if groups > 1 else []:
            distance = 1 - means @ means[group]
            distance[group] = np.inf
            nearest = int(distance.argmin())
            clear = np.delete(distance, nearest).min() >= CLEARLY_NEARER * distance[nearest]
            if distance[nearest] < limit and clear and (min(group, nearest), max(group, nearest)) not in apart:
                offers.append((float(distance[nearest]), group, nearest))
        if not offers:
            return label
        _, a, b = min(offers)
        label = _renumbered(np.where(label == max(a, b), min(a, b), label))


def _take_apart(
    means: NDArray[np.float32], sizes: NDArray[np.float64], conflicts: NDArray[np.int64], strict: float, together: float
) -> NDArray[np.int64]:
    """People within one component; in one too large for a table those surely one person are joined first."""
    if len(means) <= LARGEST_TABLE:
        return agglomerate(means, sizes, conflicts, together, "average")
    group = agglomerate_in_parts(means, sizes, conflicts, strict, "average")
    groups = int(group.max()) + 1
    group_means, group_sizes = _means(means, sizes, group, groups)
    between = _pairs_between(group, conflicts)
    return agglomerate_in_parts(group_means, group_sizes, between, together, "average")[group]


def _reduce(
    vectors: NDArray[np.float32], conflicts: NDArray[np.int64], chunk_of: NDArray[np.int64], strict: float
) -> NDArray[np.int64]:
    """Group of each unit; each its own where they are few enough to be compared all with all.

    Otherwise those surely one person are joined first within each chunk, then within ever longer stretches, up to those
    that fill a table: beyond, comparing all with all once is cheaper.
    """
    group = np.arange(len(vectors))
    stretch = 1
    chunk_count = int(chunk_of.max(initial=-1)) + 1
    while (groups := int(group.max(initial=-1)) + 1) > LARGEST_TABLE:
        if stretch > 1 and groups * stretch > LARGEST_TABLE * chunk_count:
            break
        means, sizes = _means(vectors, np.ones(len(vectors)), group, groups)
        between = _pairs_between(group, conflicts)
        first_chunk = np.full(groups, chunk_count, np.int64)
        np.minimum.at(first_chunk, group, chunk_of)
        label = np.full(groups, -1, np.int64)
        known = 0
        for members, apart in _parts(first_chunk // stretch, between):
            found = agglomerate_in_parts(means[members], sizes[members], apart, strict, "average")
            label[members] = known + found
            known += int(found.max()) + 1
        group = label[group]
        stretch *= 8
    return group


def agglomerate_in_parts(
    means: NDArray[np.float32],
    sizes: NDArray[np.float64],
    conflicts: NDArray[np.int64],
    limit: float,
    linkage: Literal["average", "complete"],
) -> NDArray[np.int64]:
    """`agglomerate` of any number of points, with bounded memory.

    Groups can only join where some pair of theirs is within `limit`, so what hangs together by such steps is worked
    through alone: the result is the same, the tables are small. One of more than LARGEST_TABLE goes part by part until
    nothing more joins, which may differ from the direct way.
    """
    if len(means) <= SMALL_TABLE:
        return agglomerate(means, sizes, conflicts, limit, linkage)
    label = np.full(len(means), -1, np.int64)
    known = 0
    for members, apart in _parts(components(means, limit), conflicts):
        found = _agglomerate_repeatedly(means[members], sizes[members], apart, limit, linkage)
        label[members] = known + found
        known += int(found.max()) + 1
    return _renumbered(label)


def _agglomerate_repeatedly(
    means: NDArray[np.float32],
    sizes: NDArray[np.float64],
    conflicts: NDArray[np.int64],
    limit: float,
    linkage: Literal["average", "complete"],
) -> NDArray[np.int64]:
    """`agglomerate`, LARGEST_TABLE points at a time, until that joins nothing more."""
    if len(means) <= LARGEST_TABLE:
        return agglomerate(means, sizes, conflicts, limit, linkage)
    label = np.arange(len(means))
    while True:
        groups = int(label.max()) + 1
        part_means, part_sizes = _means(means, sizes, label, groups)
        between = _pairs_between(label, conflicts)
        found = np.full(groups, -1, np.int64)
        known = 0
        for start in range(0, groups, LARGEST_TABLE):
            part = np.arange(start, min(start + LARGEST_TABLE, groups))
            joined = agglomerate(part_means[part], part_sizes[part], _within(part, between, groups), limit, linkage)
            found[part] = known + joined
            known += int(joined.max()) + 1
        label = found[label]
        if groups <= LARGEST_TABLE or known == groups:
            return _renumbered(label)


def agglomerate(
    means: NDArray[np.float32],
    sizes: NDArray[np.float64],
    conflicts: NDArray[np.int64],
    limit: float,
    linkage: Literal["average", "complete"],
) -> NDArray[np.int64]:
    """(n,) labels from 0: nearest groups joined first, while their distance is at most `limit`.

    `means` (n, d) are plain (not normed) means of L2-normed vectors, `sizes` (n,) of how many: so 1 - mean . mean is
    exactly the average cosine distance between two groups. A pair in `conflicts` is never in one group, nor are groups
    that hold such a pair. Lance-Williams updates: Murtagh & Contreras, doi:10.1002/widm.53.
    """
    count = len(means)
    if count < 2:
        return np.arange(count)
    table = 1 - means @ means.T
    np.fill_diagonal(table, np.inf)
    # Infinity survives both updates below, so a joined group inherits all that its parts must stay apart from.
    table[conflicts[:, 0], conflicts[:, 1]] = np.inf
    table[conflicts[:, 1], conflicts[:, 0]] = np.inf
    label = np.arange(count)
    sizes = sizes.astype(np.float64).copy()
    if count > 1:
        nearest = table.argmin(axis=1)
        distance = table[np.arange(count), nearest]
        while True:
            i = int(distance.argmin())
            if not distance[i] <= limit:
                break
            i, j = sorted((i, int(nearest[i])))
            if linkage == "average":
                row = (sizes[i] * table[i] + sizes[j] * table[j]) / (sizes[i] + sizes[j])
            else:
                row = np.maximum(table[i], table[j])
            row[i] = row[j] = np.inf
            table[i], table[:, i] = row, row
            table[j], table[:, j] = np.inf, np.inf
            sizes[i] += sizes[j]
            label[label == j] = i
            stale = np.flatnonzero((nearest == i) | (nearest == j))
            for k in {i, j, *stale.tolist()}:
                nearest[k] = table[k].argmin()
                distance[k] = table[k, nearest[k]]
            closer = row < distance
            nearest[closer], distance[closer] = i, row[closer]
    return _renumbered(label)


def _attach_weak(
    label: NDArray[np.int64],
    vectors: NDArray[np.float32],
    weak: NDArray[np.int64],
    conflicts: NDArray[np.int64],
    attach: float,
) -> None:
    """Writes into `label` the identity of each weak unit that has one, nearest first."""
    known = int(label.max(initial=-1)) + 1
    if known == 0 or not len(weak):
        return
    core = np.flatnonzero(label >= 0)
    centroids = np.zeros((known, vectors.shape[1]), np.float32)
    np.add.at(centroids, label[core], vectors[core])
    centroids = _normed(centroids)
    beside: dict[int, list[int]] = {}
    for a, b in conflicts.tolist():
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    offers: list[tuple[float, int, int]] = []
    for start in range(0, len(weak), 1024):
        block = weak[start : start + 1024]
        distance = 1 - vectors[block] @ centroids.T
        for row, identity in np.argwhere(distance < attach):
            offers.append((float(distance[row, identity]), int(block[row]), int(identity)))
    for _, unit, identity in sorted(offers):
        if label[unit] < 0 and all(label[other] != identity for other in beside.get(unit, [])):
            label[unit] = identity


def _judge(
    tracks: Tracks,
    of_track: NDArray[np.int64],
    label_of_unit: NDArray[np.int64],
    vectors: NDArray[np.float32],
    strong: NDArray[np.bool_],
    embedded: NDArray[np.bool_],
    count: int,
    same: float,
) -> tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]:
    """`Identities.sure`, `.confidence` and `.centroid`.

    Confidence is 1 - spread / (2 `same`), within 0 and 1: 1 where all is identical, 0.5 at the very distance at which
    tracks are still joined. The spread is the average cosine distance between the identity's units, strong ones if
    there are any; of one unit, between its embedded faces; of one embedded face nothing is known: 0.5.
    """
    has_strong = np.zeros(count, bool)
    np.logical_or.at(has_strong, label_of_unit, strong)
    speaks = np.where(has_strong[label_of_unit], strong, embedded)
    unit_sum = np.zeros((count, vectors.shape[1]), np.float32)
    np.add.at(unit_sum, label_of_unit[speaks], vectors[speaks])
    unit_count = np.bincount(label_of_unit[speaks], minlength=count).astype(np.float64)
    face_sum = np.zeros((count, vectors.shape[1]), np.float32)
    np.add.at(face_sum, of_track, tracks.face_sum)
    face_count = np.bincount(of_track, weights=tracks.faces, minlength=count).astype(np.float64)
    between_faces = _mean_distance(face_sum, face_count)
    spread = np.where(unit_count > 1, _mean_distance(unit_sum, unit_count), between_faces)
    confidence = np.clip(1 - np.where(np.isnan(spread), same, spread) / (2 * same), 0, 1).astype(np.float32)
    vouched = np.nan_to_num(between_faces, nan=np.inf) < same
    return has_strong | vouched, confidence, _normed(unit_sum)


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
    return _renumbered(np.array([root(i) for i in range(count)], np.int64))


def _renumbered(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same partition with labels from 0 in order of first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse.reshape(-1)]


def _parts(
    labels: NDArray[np.int64], pairs: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Per label its members, ascending, and the pairs (q, 2) inside it as positions among those members."""
    if not len(labels):
        return
    order = np.argsort(labels, kind="stable")
    sorted_labels = labels[order]
    starts = np.flatnonzero(np.r_[True, np.diff(sorted_labels) > 0])
    position: NDArray[np.int64] = np.empty(len(labels), np.int64)
    position[order] = np.arange(len(labels)) - np.repeat(starts, np.diff(np.r_[starts, len(labels)]))
    inside = pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]]
    inside = inside[np.argsort(labels[inside[:, 0]], kind="stable")]
    borders = np.r_[sorted_labels[starts], sorted_labels[-1] + 1]
    bounds: list[int] = np.asarray(np.searchsorted(labels[inside[:, 0]], borders), np.int64).tolist()
    for part, members in enumerate(np.split(order, starts[1:])):
        yield members, position[inside[bounds[part] : bounds[part + 1]]]


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


def _means(
    means: NDArray[np.float32], sizes: NDArray[np.float64], group: NDArray[np.int64], groups: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Plain mean and size of each group of groups."""
    total = np.zeros((groups, means.shape[1]), np.float32)
    np.add.at(total, group, means if (sizes == 1).all() else means * sizes[:, None].astype(np.float32))
    size = np.bincount(group, weights=sizes, minlength=groups).astype(np.float64)
    total /= np.maximum(size, 1)[:, None].astype(np.float32)
    return total, size


def _normed(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """L2-normed rows; zeros stay zeros."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1), np.float32)
