"""Looking at one frame: detect its faces, measure and align each."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import QUALITY_PARTS, Settings, SourceFacts
from lambdas.detect.expression import UNREAD, Expression, ExpressionReader, expression_reader
from lambdas.detect.faces import Detector, Embedder, FacePart, detect_near, face_part
from lambdas.detect.frames import Frame
from lambdas.detect.quality import Usual, compare_with_usual, flags, quality_parts, score, usual_of
from lambdas.detect.tracks import Sighting, Track

_STEADY, _SIZE = QUALITY_PARTS.index("steady"), QUALITY_PARTS.index("size")
_READABLE_PX = 24
"""Smaller faces have eyes of five pixels: open or not, they look the same."""

_SURELY_OPEN, _SURELY_IN_VIEW = 0.23, 35.0
"""Opening of the eyes and logit of a face in view from which it does not matter what is usual for the person. Of 624
looks at spoilt and clean frames 79% of the clean ones pass and one of 418 spoilt ones does."""

_NEARLY_BEST = 0.9
"""Share of the best score a face could have at its size from which a closer look has nothing to find: over 70 such
sightings of a film it added 0.006 on average and 0.07 at most."""

_EASILY_FOUND_PX = 96.0
"""Shorter side of a face known to be there, in the detector's picture. At 64 the landmarks are coarser: with dlib's
embedder the film's nearest strangers are then 0.35 apart instead of 0.37, for 6% less time."""
_SHARES = (0.3, 0.4, 0.5, 0.6, 0.75)
"""Sizes of the detector's picture for large faces."""


@dataclass
class Stopwatch:
    """Wall seconds by step."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


class Looker:
    """Finds, measures and aligns the faces of frames, one pack and one video at a time."""

    def __init__(
        self, detector: Detector, embedder: Embedder, source: SourceFacts, settings: Settings, watch: Stopwatch
    ) -> None:
        self._detector = detector
        self._embedder = embedder
        self._source = source
        self._settings = settings
        self._watch = watch
        self._size = detector.input_size(source.width, source.height)
        self._reader: ExpressionReader | None = None
        self.dimensions = embedder.size
        self.looked = 0

    def look(self, frame: Frame, *, dense: bool, near: NDArray[np.float32] | None = None) -> list[Sighting]:
        """The frame's faces, left to right. `steady` is left at 1 until the frame's surroundings are known.

        With `near`, (n, 4) xyxy in pixels of the full frame, only those about these boxes are looked for.
        """
        self.looked += 1
        width, height = self._size if near is None else self._size_for(near)
        scale = np.array([self._source.width / width, self._source.height / height], np.float32)
        with self._watch.step("convert"):
            picture = frame.bgr(width, height)
        with self._watch.step("detect"):
            if near is None:
                found = self._detector.detect(picture, self._settings.min_confidence)
            else:
                expected = np.asarray(near / np.tile(scale, 2), np.float32)
                found = detect_near(self._detector, picture, expected, self._settings.min_confidence)
        boxes = found.boxes * np.tile(scale, 2)
        large_enough = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) >= self._settings.min_face_px
        if not large_enough.any():
            return []
        with self._watch.step("convert"):
            full = frame.bgr()
        with self._watch.step("measure"):
            t_s = self._source.seconds(frame.pts)
            boxes, landmarks = boxes[large_enough], (found.landmarks * scale)[large_enough]
            confidences = found.confidence[large_enough]
            order = np.argsort(boxes[:, 0], kind="stable")
            return [
                self._sighting(full, frame.pts, t_s, boxes, landmarks[row], float(confidences[row]), row, dense)
                for row in order
            ]

    def _size_for(self, near: NDArray[np.float32]) -> tuple[int, int]:
        """(width, height) at which the smallest of these faces, (n, 4) xyxy, is still easily found."""
        width, height = self._size
        smallest = float((near[:, 2:] - near[:, :2]).min()) * width / self._source.width
        share = next((share for share in _SHARES if smallest * share >= _EASILY_FOUND_PX), 1.0)
        return max(1, round(width * share)), max(1, round(height * share))

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(n, d) L2-normed embeddings of aligned crops."""
        with self._watch.step("embed"):
            return self._embedder.embed(crops)

    def _sighting(
        self,
        full: NDArray[np.uint8],
        pts: int,
        t_s: float,
        boxes: NDArray[np.float32],
        landmarks: NDArray[np.float32],
        confidence: float,
        row: int,
        dense: bool,
    ) -> Sighting:
        others = np.delete(boxes, row, axis=0)
        part = face_part(full, landmarks)
        with self._watch.step("read"):
            expression = self._read(part, boxes[row])
        parts, brightness = quality_parts(
            full, boxes[row], landmarks, confidence, others=others, steady=1.0, expression=expression, part=part
        )
        crop = self._embedder.align(part.image, part.landmarks, boxes[row])
        return Sighting(
            pts,
            t_s,
            boxes[row],
            landmarks,
            parts,
            score(parts),
            crop,
            expression=expression,
            brightness=brightness,
            confidence=confidence,
            dense=dense,
        )

    def _read(self, part: FacePart, box: NDArray[np.float32]) -> Expression:
        if min(box[2] - box[0], box[3] - box[1]) < _READABLE_PX:
            return UNREAD
        if self._reader is None:
            self._reader = expression_reader()
        return self._reader.read(part.image, part.landmarks)


def settle(sighting: Sighting, steadiness: float) -> None:
    """Sets how steady the moment is, known only once the frames around it were seen."""
    sighting.quality[_STEADY] = steadiness
    sighting.score = score(sighting.quality)


def usual(*tracks: Track) -> Usual:
    """How the face of one person, in all these tracks, mostly is."""
    sightings = [sighting for track in tracks for sighting in track.sightings]
    return usual_of([one.expression for one in sightings], [one.confidence for one in sightings])


def compare(sighting: Sighting, with_usual: Usual) -> None:
    """Marks a face down where it falls behind what is usual for the person: half closed eyes, a hand before it."""
    compare_with_usual(sighting.quality, sighting.expression, sighting.confidence, with_usual)
    sighting.score = score(sighting.quality)


def is_clean(sighting: Sighting) -> bool:
    """Whether nothing is known against publishing the face."""
    return not flags(sighting.quality, sighting.brightness)


def is_surely_clean(sighting: Sighting) -> bool:
    """Whether the face is clean, whatever may turn out to be usual for the person."""
    read = sighting.expression
    return read.opening >= _SURELY_OPEN and read.in_view >= _SURELY_IN_VIEW and is_clean(sighting)


def is_nearly_best(sighting: Sighting) -> bool:
    """Whether the face is surely clean and hardly anything could be better about it but its size."""
    if not is_surely_clean(sighting):
        return False
    best = np.ones_like(sighting.quality)
    best[_SIZE] = sighting.quality[_SIZE]
    return sighting.score >= _NEARLY_BEST * score(best)
