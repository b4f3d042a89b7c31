"""Things in groups: pairs that are joined or apart, and means. Pure: numbers in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.tracks import normed


def renumbered(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same partition with labels from 0 in order of first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse.reshape(-1)]


def unite(count: int, links: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
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


def neighbours(group: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each member and the next one of its group, so that uniting these pairs gives the groups."""
    order = np.argsort(group, kind="stable")
    together = group[order[:-1]] == group[order[1:]]
    return order[:-1][together], order[1:][together]


def pairs_between(group: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """(q, 2) pairs of different groups that `pairs` of members give, each once, smaller first."""
    mapped = np.sort(group[pairs.reshape(-1, 2)], axis=1) if len(pairs) else np.zeros((0, 2), np.int64)
    return np.unique(mapped[mapped[:, 0] != mapped[:, 1]], axis=0).reshape(-1, 2)


def within(members: NDArray[np.int64], pairs: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The pairs (of `count` things) whose both ends are members, as positions in `members`."""
    position = np.full(count, -1, np.int64)
    position[members] = np.arange(len(members))
    mapped = position[pairs]
    return mapped[(mapped >= 0).all(axis=1)].reshape(-1, 2)


def means(vectors: NDArray[np.float32], group: NDArray[np.int64], groups: int) -> NDArray[np.float32]:
    """(groups, d) mean of each group's vectors, L2-normed."""
    total = np.zeros((groups, vectors.shape[1]), np.float32)
    np.add.at(total, group, vectors)
    return normed(total)
