"""Embeddings of detections, each made once and when it is asked for; and which faces of a track are worth one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Distances
from lambdas.detect.tracking.detection import FaceDetection, Track
from lambdas.scoring import Score

Embed = Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]]
"""Takes aligned crops (n), gives (n, d) L2-normed embeddings."""

LEAST_FACES, MOST_FACES, A_FACE_EVERY_S = 3, 5, 2.0
"""Embedded faces of a track: its best, spread over its time; of a short one fewer do, since it shows fewer poses."""
SURE_ALIKE = 0.85
"""Correlation of two aligned faces from which they are one face in one light without asking the embedder. Of faces of
one shot it passes 90% a tenth of a second apart and 65% a second apart, of 54,097 pairs of strangers from eight videos
0.011%; at 0.8 it would be 0.07%."""


class Embeddings:
    """The embeddings of one chunk's detections."""

    def __init__(self, embed: Embed, distances: Distances) -> None:
        self._embed = embed
        self._distances = distances
        self._known: dict[FaceDetection, NDArray[np.float32]] = {}

    def make(self, detections: Sequence[FaceDetection]) -> None:
        """Embeds those that are not yet, in one go."""
        missing = [one for one in dict.fromkeys(detections) if one not in self._known]
        if missing:
            self._known.update(zip(missing, self._embed([one.crop for one in missing]), strict=True))

    def of(self, detections: Sequence[FaceDetection]) -> NDArray[np.float32]:
        """(n, d) L2-normed, for n >= 1 detections."""
        self.make(detections)
        return np.stack([self._known[one] for one in detections])

    def known(self, detection: FaceDetection) -> NDArray[np.float32] | None:
        """(d,) None if nobody asked for it."""
        return self._known.get(detection)

    def distance(self, first: FaceDetection, second: FaceDetection) -> float:
        """Cosine distance, 0 to 2."""
        one, two = self.of([first, second])
        return 1 - float(one @ two)

    def goes_on(self, before: FaceDetection, now: FaceDetection) -> bool:
        """Whether a face that stayed where it was is still the same one: a cut may have been overlooked."""
        return likeness(before, now) >= SURE_ALIKE or self.distance(before, now) <= self.clearly_apart

    @property
    def clearly_apart(self) -> float:
        """Distance of two single faces beyond which they are not taken for one person seen at nearly the same time.

        A grimace can take a face further from itself. Its track is then cut in two that cluster joins again by their
        other faces; a track of two people could not be mended.
        """
        return max(self._distances.attach, 1.15 * self._distances.same)


def likeness(first: FaceDetection, second: FaceDetection) -> float:
    """Correlation of the middle of two aligned faces, -1 to 1: how much they are the same picture."""
    return float(first.pattern @ second.pattern)


def faces_to_embed(track: Track, scores: Mapping[FaceDetection, Score] | None = None) -> list[FaceDetection]:
    """A track's best detections, at least half their even spacing apart, in time order; never empty.

    Best by `scores`, or by what was measured alone.
    """
    lasts_s = track.end_s - track.start_s
    count = min(MOST_FACES, max(LEAST_FACES, round(lasts_s / A_FACE_EVERY_S)))
    apart_s = lasts_s / (2 * count)
    chosen: list[FaceDetection] = []
    for detection in sorted(track.detections, key=lambda one: -(scores[one] if scores else one.absolute).number):
        if len(chosen) == count:
            break
        if all(abs(detection.t_s - other.t_s) >= apart_s for other in chosen):
            chosen.append(detection)
    return sorted(chosen, key=lambda one: one.t_s)
