"""The usual way to find people in a video: a frame a second, DBSCAN over every face, noise left out."""

from __future__ import annotations

from pathlib import Path

from benchmarks.accuracy.baselines import MIN_FACES, dbscan, faces_each_second
from benchmarks.accuracy.runs import pack_at

HOW = (
    "One frame a second from the first on, the pack's detector at its usual confidence, every face embedded, "
    f"scikit-learn's DBSCAN (cosine, `eps` the pack's `same`, `min_samples` {MIN_FACES}), noise dropped; every cluster "
    "is a person."
)


def people_by_dbscan(video: Path, pack_dir: Path, work: Path) -> int:
    """How many people the usual way finds; the faces of each video and pack are kept in `work`."""
    _, _, embeddings = faces_each_second(video, pack_dir, work)
    labels = dbscan(embeddings, pack_at(pack_dir).facts.distances.same)
    return int(labels.max(initial=-1)) + 1
