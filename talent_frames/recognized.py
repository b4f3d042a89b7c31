"""Who is who in a kept run, its corrections applied: for what is asked of it after it was published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.corrections import rows_of
from lambdas.cluster.footage import Footage, read_footage
from lambdas.cluster.identities import Identities
from lambdas.cluster.tracks import Tracks
from lambdas.cluster.who_is_who import cuts_of, who_is_who_corrected
from lambdas.contracts import Sighting
from talent_frames.corrections import Run


@dataclass(frozen=True)
class Recognized:
    """The detections of a run, and whose they are."""

    footage: Footage
    tracks: Tracks
    identities: Identities

    @classmethod
    def of(cls, run: Run) -> Recognized:
        """Raises RunExpired."""
        footage = read_footage(run.plan, run.staging)
        tracks, corrected = who_is_who_corrected(run.plan, footage, cuts_of(run.plan, footage), run.corrections)
        return cls(footage, tracks, corrected.identities)

    def rows(self, person: Sequence[Sighting]) -> list[tuple[int, int]]:
        """All detections of somebody, as position of the chunk and row, by PTS."""
        return rows_of(self.footage, self.tracks, self.identities, person)

    def embedding(self, chunk: int, row: int) -> NDArray[np.float32] | None:
        """Of a detection's face; None where none was made."""
        columns = self.footage.detections[chunk]
        place = int(np.searchsorted(columns.embedded, row))
        if place == len(columns.embedded) or columns.embedded[place] != row:
            return None
        face: NDArray[np.float32] = columns.embeddings[place]
        return face
