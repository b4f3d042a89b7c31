"""Scores within a chunk, before it is known who is who. They choose where to look and what to stage, and end there.

Always reckoned from the measures and the baseline of a group as it is known at that moment, never from a score before.
Pure: no files, no models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from lambdas.contracts import QUALITY_PARTS
from lambdas.detect.tracking.detection import FaceDetection, SteadyAt, Track, detections_of, measures_of
from lambdas.scoring import Baseline, Score, baselines, numbers_of, score

Scores = Mapping[FaceDetection, Score]

_SIZE = QUALITY_PARTS.index("size")
_SURELY_OPEN, _SURELY_IN_VIEW = 0.22, 35.0
"""Opening of the less open eye and logit of a face in view from which the person's baseline does not matter. Of 567
faces in ten films 74% of 446 clean ones pass and none of 121 with an eye closed or half closed does."""
_NEARLY_BEST = 0.9
"""Share of the best score a face could have at its size from which refinement has nothing to find: over 70 such
detections of a film it added 0.006 on average and 0.07 at most."""


def baseline_of(detections: Sequence[FaceDetection]) -> Baseline:
    """Of the one person whom all these, at least one, show."""
    measures = measures_of(detections)
    return baselines(measures, np.zeros(len(measures), np.int64), 1)


def scores_against(
    baseline: Baseline, detections: Sequence[FaceDetection], steady_at: SteadyAt | None = None
) -> dict[FaceDetection, Score]:
    """Of faces of the person with this baseline."""
    scores = score(measures_of(detections, steady_at), baseline) if detections else ()
    return dict(zip(detections, scores, strict=True))


def scores_of(people: Iterable[Sequence[Track]], steady_at: SteadyAt) -> dict[FaceDetection, Score]:
    """Of all faces of some people, each a group of tracks, against the group's baseline."""
    found: dict[FaceDetection, Score] = {}
    for tracks in people:
        detections = detections_of(tracks)
        found |= scores_against(baseline_of(detections), detections, steady_at)
    return found


def best_first(detections: Iterable[FaceDetection], scores: Scores) -> list[FaceDetection]:
    """By falling score; equal ones stay in their order."""
    return sorted(detections, key=lambda one: -scores[one].number)


def is_surely_clean(detection: FaceDetection) -> bool:
    """Whether the face is clean, whatever the person's baseline may turn out to be."""
    read = detection.expression
    return read.opening >= _SURELY_OPEN and read.in_view >= _SURELY_IN_VIEW and detection.absolute.is_clean


def is_nearly_best(detection: FaceDetection, steady: float = 1.0) -> bool:
    """Whether the face is surely clean and hardly anything could be better about it but its size, in a moment so
    steady, 0 to 1."""
    if not is_surely_clean(detection):
        return False
    best = np.ones_like(detection.quality)
    best[_SIZE] = detection.quality[_SIZE]
    parts = measures_of([detection], lambda _: steady).parts
    return float(numbers_of(parts)[0]) >= _NEARLY_BEST * float(numbers_of(best[None])[0])
