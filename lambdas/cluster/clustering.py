"""Units clustered by scikit-learn; two seen in one frame are never one person, also not by way of a third. Pure."""

from __future__ import annotations

from functools import lru_cache
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.groups import means, pairs_between, renumbered, within
from lambdas.cluster.units import Units

APART = 1e6
"""Distance of two tracks seen in one frame: so far that no average with it is within any limit."""
LARGEST_TABLE = 3000
"""Most units compared all with all at once; more are reduced first. 3000 x 3000 float64 is 72 MB."""


@lru_cache(maxsize=1)
def scikit_learn() -> ModuleType:
    """`sklearn.cluster`, which takes 2 CPU seconds to import: whoever can, asks for it while others work."""
    import sklearn.cluster

    module: ModuleType = sklearn.cluster
    return module


def cluster(
    units: Units,
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
    vectors = means(units.vectors[members], reduced, groups)
    samples = np.bincount(reduced, weights=weight[members], minlength=groups).astype(np.float64)
    apart = pairs_between(reduced, within(members, units.conflicts, len(units.vectors)))
    component = _dbscan(vectors, samples, apart, same, least)
    label = np.full(groups, -1, np.int64)
    for number in range(int(component.max(initial=-1)) + 1):
        part = np.flatnonzero(component == number)
        found = _linked(vectors[part], within(part, apart, groups), together, "average")
        enough = np.bincount(found, weights=samples[part])[found] >= least
        label[part[enough]] = renumbered(found[enough]) + label.max() + 1
    return label[reduced]


def joined(units: Units, members: NDArray[np.int64], limit: float, linkage: str) -> NDArray[np.int64]:
    """(m,) labels from 0 of these units."""
    return _linked(units.vectors[members], within(members, units.conflicts, len(units.vectors)), limit, linkage)


def _reduced(units: Units, members: NDArray[np.int64], strict: float) -> NDArray[np.int64]:
    """(m,) group of each of these units, from 0; each its own where they are few enough to be compared all with all.

    Otherwise those surely one person are joined first, stretch by stretch of the video.
    """
    if len(members) <= LARGEST_TABLE:
        return np.arange(len(members))
    return joined(units, members, strict, "average")


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
        centres, between = means(vectors, label, groups), pairs_between(label, apart)
        found = np.full(groups, -1, np.int64)
        for start in range(0, groups, LARGEST_TABLE):
            part = np.arange(start, min(start + LARGEST_TABLE, groups))
            found[part] = (
                _linked_at_once(centres[part], within(part, between, groups), limit, linkage) + found.max() + 1
            )
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
