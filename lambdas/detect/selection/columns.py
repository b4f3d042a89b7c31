"""detect's columns: every detection of a chunk side by side, with its features of frames. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lambdas.contracts import Detections
from lambdas.detect.first_pass import FirstPass
from lambdas.detect.selection.encode import Picture
from lambdas.detect.shots.features import FrameFeatures, columns_of
from lambdas.detect.tracking.detection import SteadyAt, Track, measures_of
from lambdas.detect.tracking.embeddings import Embeddings


def columns_of_chunk(
    tracks: Sequence[Track],
    features: Sequence[FrameFeatures],
    steady_at: SteadyAt,
    staged: Sequence[Picture],
    embeddings: Embeddings,
    dimensions: int,
    seen: FirstPass,
) -> Detections:
    """See `Detections`; `dimensions` are those of an embedding."""
    rows = sorted(
        ((pts, number, detection) for number, track in enumerate(tracks) for pts, detection in track.with_carried()),
        key=lambda row: row[:2],
    )
    times = [pts for pts, _, _ in rows]
    detections = [detection for _, _, detection in rows]
    detected = [pts == one.pts for pts, one in zip(times, detections, strict=True)]
    place = {one.pts: number for number, one in enumerate(staged)}
    vectors = [embeddings.known(one) if own else None for one, own in zip(detections, detected, strict=True)]
    measures = measures_of(detections, steady_at)
    return Detections(
        pts=np.array(times, np.int64),
        boxes=np.array([one.box for one in detections], np.float32).reshape(-1, 4),
        landmarks=np.array([one.landmarks for one in detections], np.float32).reshape(-1, 5, 2),
        quality=measures.parts,
        openings=measures.openings,
        in_view=measures.in_view,
        confidence=measures.confidence,
        brightness=measures.brightness,
        confirmed=np.array([one.confirmed for one in detections], np.bool_),
        tracks=np.array([number for _, number, _ in rows], np.int32),
        staged=np.array([place.get(pts, -1) for pts in times], np.int32),
        dense=np.array([one.dense and own for one, own in zip(detections, detected, strict=True)], np.bool_),
        embedded=np.array([row for row, vector in enumerate(vectors) if vector is not None], np.int32),
        embeddings=np.array([vector for vector in vectors if vector is not None], np.float32).reshape(-1, dimensions),
        scene_pts=np.array([one.pts for one in features], np.int64),
        scene_scores=np.array([one.content for one in features], np.float32),
        scene_luma=np.array([one.luma for one in features], np.float32),
        scene_features=columns_of(features).features,
        scene_layout=columns_of(features).layout,
        staged_small=np.array([one.small for one in staged], np.uint8).reshape(-1, 16, 16, 3),
        first_frame=seen.first_small,
        last_frame=seen.last_small,
    )
