"""Which faces hang together by steps up to a distance. Pure: no files, no environment, no randomness."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 2048
"""Rows compared with as many at once: 16 MiB of distances, and matrix products at full speed."""


def components(vectors: NDArray[np.float32], limit: float) -> NDArray[np.int64]:
    """(n,) labels from 0 in order of first member: what DBSCAN with eps=`limit` and min_samples=1 finds.

    `vectors` (n, d) are L2-normed, distances cosine. With min_samples=1 every point is a core point, so DBSCAN's
    clusters are the connected components of "at most `limit` apart". scikit-learn's keeps every pair of neighbours and
    computes each twice, which for 100,000 faces takes minutes and, where many look alike, tens of GB; here memory is
    that of one block, whatever the data. Labels hook onto the smallest neighbouring one: Shiloach & Vishkin,
    doi:10.1016/0196-6774(82)90008-6.
    """
    count = len(vectors)
    root = np.arange(count)
    for top in range(0, count, BLOCK):
        rows = vectors[top : top + BLOCK]
        for left in range(top, count, BLOCK):
            near = (rows @ vectors[left : left + BLOCK].T) >= 1 - limit
            found = np.flatnonzero(near)
            if len(found):
                row, column = np.divmod(found, near.shape[1])
                root = _joined(root, top + row, left + column)
    _, label = np.unique(root, return_inverse=True)
    return np.asarray(label.reshape(-1), np.int64)


def _joined(root: NDArray[np.int64], a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """The root of each after joining every a with its b; a root is its component's smallest member."""
    while True:
        a, b = root[a], root[b]
        apart = a != b
        if not apart.any():
            return root
        a, b = a[apart], b[apart]
        # Of several partners a root takes the smallest; the others come round again.
        np.minimum.at(root, np.maximum(a, b), np.minimum(a, b))
        while not np.array_equal(higher := root[root], root):
            root = higher
