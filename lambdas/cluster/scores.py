"""Scores every face once, when it is known who is who. Pure: no files."""

from __future__ import annotations

import dataclasses

import numpy as np

from lambdas.cluster.footage import Footage
from lambdas.cluster.identities import Identities
from lambdas.cluster.tracks import Tracks
from lambdas.scoring import Measures, Scores, baselines, score


def score_people(footage: Footage, tracks: Tracks, identities: Identities) -> Footage:
    """The footage with each face scored against its person's baseline over all chunks.

    Neither the order of detections nor where chunks and tracks begin makes a difference.
    """
    measures = [Measures.of(columns) for columns in footage.detections]
    if not any(map(len, measures)):
        return footage
    together = Measures.joined(measures)
    begin = np.cumsum([0, *map(len, measures)])
    person = np.zeros(len(together), np.int64)
    for track, rows in enumerate(tracks.rows):
        person[begin[tracks.chunk[track]] + rows] = identities.of_track[track]
    found = score(together, baselines(together, person, len(identities.is_person)).of_each(person))
    borders = begin[1:-1]
    columns = zip(*(np.split(column, borders) for column in (found.parts, found.numbers, found.flags)), strict=True)
    return dataclasses.replace(footage, scores=[Scores(*column) for column in columns])
