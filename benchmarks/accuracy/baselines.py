"""Other ways to group faces, for comparison: DBSCAN, HDBSCAN, average linkage, Chinese Whispers. None knows tracks,
frames or cuts; all see cosine distances between L2-normed embeddings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering

from benchmarks.accuracy.runs import LOOKING, pack_at, source_of

Vectors = NDArray[np.float32]
Labels = NDArray[np.int64]

MIN_FACES = 2
"""Fewer faces are nobody, in every method: what `min_samples` is commonly set to."""
SEED = 5


def faces_each_second(video: Path, pack_dir: Path, work: Path) -> tuple[NDArray[np.float64], Vectors, Vectors]:
    """Every face of one frame a second, as the usual scripts look: seconds (n,), boxes (n, 4), embeddings (n, d)."""
    pack = pack_at(pack_dir)
    kept = work / f"{video.stem}-{pack.facts.sha256[:8]}-each-second-{source_of(LOOKING)}.npz"
    if kept.is_file():
        with np.load(kept) as columns:
            return columns["times"], columns["boxes"], columns["embeddings"]
    times, boxes, embeddings = [], [], []
    following = 0.0
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            t_s = float(frame.time or 0)
            if t_s < following - 1e-6:
                continue
            following = np.floor(t_s + 1e-6) + 1
            turned = np.rot90(frame.to_ndarray(format="bgr24"), frame.rotation // 90)
            image = np.ascontiguousarray(turned, dtype=np.uint8)
            height, width = image.shape[:2]
            size = pack.detector.input_size(width, height)
            small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            found = pack.detector.detect(small, 0.5).scaled(width / size[0], height / size[1])
            crops = [
                pack.embedder.align(image, marks, box) for marks, box in zip(found.landmarks, found.boxes, strict=True)
            ]
            times += [t_s] * len(crops)
            boxes.append(found.boxes)
            embeddings.append(pack.embedder.embed(crops))
    columns = (
        np.array(times, np.float64),
        np.concatenate(boxes).astype(np.float32),
        np.concatenate(embeddings).astype(np.float32),
    )
    np.savez(kept, times=columns[0], boxes=columns[1], embeddings=columns[2])
    return columns


def dbscan(vectors: Vectors, distance: float) -> Labels:
    """-1 for noise."""
    if not len(vectors):
        return np.zeros(0, np.int64)
    return np.asarray(DBSCAN(eps=distance, min_samples=MIN_FACES, metric="cosine").fit(vectors).labels_, np.int64)


def hdbscan(vectors: Vectors, distance: float) -> Labels:
    """HDBSCAN whose clusters are not split where all hangs together at `distance`; -1 for noise.

    That is its `cluster_selection_epsilon` (Malzer & Baum, doi:10.1109/MFI49285.2020.9235263), on which scikit-learn
    1.9 with NumPy 2.4 fails: both methods cut one hierarchy, so of two clusters that overlap the larger is taken.
    """
    coarse = dbscan(vectors, distance)
    if len(vectors) <= MIN_FACES:
        return coarse
    # Euclidean distances of L2-normed vectors order pairs as cosine ones do.
    found = np.asarray(HDBSCAN(min_cluster_size=MIN_FACES, copy=True).fit(vectors).labels_, np.int64)
    for cluster in range(int(coarse.max(initial=-1)) + 1):
        members = np.flatnonzero(coarse == cluster)
        overlapping = np.unique(found[members])
        overlapping = overlapping[overlapping >= 0]
        label = int(overlapping[0]) if len(overlapping) else int(found.max(initial=-1)) + 1
        found[np.isin(found, overlapping)] = label
        found[members] = label
    return found


def average_linkage(vectors: Vectors, distance: float) -> Labels:
    if len(vectors) < 2:
        return np.arange(len(vectors))
    model = AgglomerativeClustering(n_clusters=None, distance_threshold=distance, metric="cosine", linkage="average")
    return np.asarray(model.fit(vectors).labels_, np.int64)


def chinese_whispers(vectors: Vectors, distance: float) -> Labels:
    """Biemann, 2006: every face takes the label its neighbours, weighted by similarity, hold most of; 30 rounds."""
    count = len(vectors)
    similar = vectors @ vectors.T
    near = 1 - similar < distance
    np.fill_diagonal(near, False)
    label = np.arange(count)
    generator = np.random.default_rng(SEED)
    for _ in range(30):
        before = label.copy()
        for one in generator.permutation(count):
            others = np.flatnonzero(near[one])
            if len(others):
                weights = np.bincount(label[others], weights=similar[one, others])
                label[one] = int(weights.argmax())
        if (label == before).all():
            break
    return np.asarray(label, np.int64)


METHODS: dict[str, Callable[[Vectors, float], Labels]] = {
    "DBSCAN": dbscan,
    "HDBSCAN": hdbscan,
    "average linkage": average_linkage,
    "Chinese Whispers": chinese_whispers,
}


def apart(labels: Labels) -> tuple[Labels, set[int]]:
    """Noise as groups of their own, and the groups that count as people: those of two faces or more."""
    found = labels.copy()
    noise = np.flatnonzero(labels < 0)
    found[noise] = int(labels.max(initial=-1)) + 1 + np.arange(len(noise))
    numbers, counts = np.unique(found, return_counts=True)
    return found, {int(number) for number, count in zip(numbers, counts, strict=True) if count >= MIN_FACES}
