"""Scores within a chunk, before it is known who is who. They choose where to look and what to stage, and end there.

Always reckoned from the measures and the baseline of a group as it is known at that moment, never from a score before.
Pure: no files, no models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from lambdas.contracts import QUALITY_PARTS
from lambdas.detect.tracks import Sighting, Track, measures_of
from lambdas.scoring import Baseline, Score, baselines, numbers_of, score

_SIZE = QUALITY_PARTS.index("size")

_SURELY_OPEN, _SURELY_IN_VIEW = 0.22, 35.0
"""Opening of the less open eye and logit of a face in view from which the person's baseline does not matter. Of 567
faces in ten films 74% of 446 clean ones pass and none of 121 with an eye closed or half closed does."""

_NEARLY_BEST = 0.9
"""Share of the best score a face could have at its size from which a closer look has nothing to find: over 70 such
sightings of a film it added 0.006 on average and 0.07 at most."""


def baseline_of(*tracks: Track) -> Baseline:
    """Of the one person whom all these tracks show; they hold a sighting at least."""
    measures = measures_of([sighting for track in tracks for sighting in track.sightings])
    return baselines(measures, np.zeros(len(measures), np.int64), 1)


def scores_against(baseline: Baseline, sightings: Sequence[Sighting]) -> dict[Sighting, Score]:
    """Of faces of the person with this baseline."""
    scores = score(measures_of(sightings), baseline) if sightings else ()
    return dict(zip(sightings, scores, strict=True))


def scores_of(people: Iterable[Sequence[Track]]) -> dict[Sighting, Score]:
    """Of all faces of some people, each a group of tracks, against the group's baseline."""
    found: dict[Sighting, Score] = {}
    for tracks in people:
        found |= scores_against(baseline_of(*tracks), [face for track in tracks for face in track.sightings])
    return found


def best_first(sightings: Iterable[Sighting], scores: Mapping[Sighting, Score]) -> list[Sighting]:
    """By falling score; equal ones stay in their order."""
    return sorted(sightings, key=lambda one: -scores[one].number)


def is_surely_clean(sighting: Sighting) -> bool:
    """Whether the face is clean, whatever the person's baseline may turn out to be."""
    read = sighting.expression
    return read.opening >= _SURELY_OPEN and read.in_view >= _SURELY_IN_VIEW and sighting.absolute.is_clean


def is_nearly_best(sighting: Sighting) -> bool:
    """Whether the face is surely clean and hardly anything could be better about it but its size."""
    if not is_surely_clean(sighting):
        return False
    best = np.ones_like(sighting.quality)
    best[_SIZE] = sighting.quality[_SIZE]
    return sighting.absolute.number >= _NEARLY_BEST * float(numbers_of(best[None])[0])
