"""Tracks of a chunk that surely show one person, for choosing what to keep. Who is who cluster decides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Distances
from lambdas.detect.tracking.detection import Track
from lambdas.detect.tracking.embeddings import Embeddings
from lambdas.detect.tracking.scores import Scores


def people_of(
    tracks: Sequence[Track], scores: Scores, embeddings: Embeddings, distances: Distances
) -> list[list[Track]]:
    """Tracks surely of one person together: never in one frame, their mean faces nearer than `strict`."""
    groups: list[tuple[NDArray[np.float32], list[Track]]] = []
    seen_at = {track: {one.pts for one in track.detections} for track in tracks}
    for track in tracks:
        mean = _mean_face(track, scores, embeddings)
        for centre, members in groups:
            apart = not any(seen_at[track] & seen_at[other] for other in members)
            if apart and 1 - float(centre @ mean) < distances.strict:
                members.append(track)
                break
        else:
            groups.append((mean, [track]))
    return [members for _, members in groups]


def _mean_face(track: Track, scores: Scores, embeddings: Embeddings) -> NDArray[np.float32]:
    """(d,) L2-normed mean of the track's embedded faces, each weighing its score."""
    known = [(embeddings.known(one), scores[one].number) for one in track.detections]
    mean = np.sum([embedding * number for embedding, number in known if embedding is not None], axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)
