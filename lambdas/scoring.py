"""From what was measured of a face, and how its person mostly looks, to a score. Pure: numbers in, numbers out.

detect measures and never changes what it measured. cluster scores each face once, when it is known who is who. Before
that, scores by the picture alone, or against the baseline of a provisional group, are reckoned from the same measures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import FACE_FLAGS, QUALITY, QUALITY_PARTS, Detections, FaceFlag

_FLOOR = 0.05
"""A part counts as at least this, so that one part alone can't make all bad faces equal."""

WEAK = 0.4
"""A part below this is flagged; where it has a cost, the score falls steeply."""
_DARK = 0.45
"""A badly exposed face whose median brightness is below this is too dark, else too bright."""

_OPENING = [0.09, 0.16, 0.21, 0.3], [0.0, WEAK, 0.75, 1.0]
_WORSE_OPENING = [0.07, 0.135, 0.2, 0.3], [0.0, WEAK, 0.75, 1.0]
_WORSE_SHARE = 0.65
"""Opening of a pair of eyes, of which the worse one is this share, and of the worse one alone, against the part. Of 17
people filmed talking and 40 in nine other films, both are closed below 0.13, and narrow open ones begin at 0.14 for one
eye and at 0.165 for the pair."""
_OPENING_SHARE = [0.3, 0.58, 0.78, 0.9], [0.0, WEAK, 0.65, 1.0]
"""Share of the person's baseline for an eye, against the part. In nine of ten clean faces of the same films the less
open eye is at 0.8 to 1.0; winks have 0.3 to 0.45, lids on their way 0.45 to 0.7."""
_EYE_SEEN = [0.4, 0.8], [1.0, 0.0]
"""Turn of the head, as `eyes_seen` has it, against how far the eye on the far side counts. Up to 0.45 it reads as
steadily as the near one (of its baseline 0.74 to 1.09 where that one is open); in profile the landmark is a guess."""
_CONFIDENCE_SHARE = [0.8, 0.97], [0.2, 1.0]
"""Detector's confidence as a share of the person's baseline, against the part: 0.97 to 1.03 for clean faces, 0.94 with
the eyes painted over, 0.9 with a hand or mug before the mouth."""
_IN_VIEW = [6.0, 20.0, 34.0, 50.0], [0.0, WEAK, 0.85, 1.0]
_IN_VIEW_SHARE = [0.5, 0.7, 0.9, 1.0], [0.0, WEAK, 0.9, 1.0]
"""Logit of a face in view, and its share of the person's baseline, against the part. Of the same people it is 35 to 65,
and in 19 of 20 clean frames at least 85% of the baseline; eyes painted over leave 45% of it, a hand or mug before the
mouth 50%, a microphone 65 to 80%."""
_SEEN_WELL = 0.5
"""How far an eye must be seen to tell the person's baseline."""
_UNREAD_OPENING, _UNREAD_IN_VIEW = 0.22, 36.0
"""What is taken for a face too small to read."""
_BASELINE = 85
"""Percentile of a person's detections. What spoils a face only lowers the numbers, so it is a high one: most of the
detections may be spoilt."""


@dataclass(frozen=True)
class Measures:
    """What was measured of faces (n), whoever they are."""

    parts: NDArray[np.float32]
    """(n, len(QUALITY_PARTS)) each 0 to 1, by the picture alone."""
    openings: NDArray[np.float32]
    """(n, 2) as in Detections."""
    eyes_seen: NDArray[np.float32]
    """(n, 2) how far each eye can be judged, 0 to 1, see `eyes_seen`."""
    in_view: NDArray[np.float32]
    """(n,) as in Detections."""
    confidence: NDArray[np.float32]
    """(n,) the detector's."""
    brightness: NDArray[np.float32]
    """(n,) median of the face, 0 to 1."""

    def __post_init__(self) -> None:
        """Raises ValueError where the columns differ in length or shape."""
        n = len(self.parts)
        shapes = {"parts": (n, len(QUALITY_PARTS)), "openings": (n, 2), "eyes_seen": (n, 2)}
        for field in fields(self):
            shape, expected = getattr(self, field.name).shape, shapes.get(field.name, (n,))
            if shape != expected:
                raise ValueError(f"{field.name}: {shape} instead of {expected}")

    def __len__(self) -> int:
        return len(self.parts)

    @classmethod
    def of(cls, columns: Detections) -> Measures:
        """Of all a chunk's detections."""
        return cls(
            columns.quality,
            columns.openings,
            eyes_seen(columns.landmarks),
            columns.in_view,
            columns.confidence,
            columns.brightness,
        )

    @classmethod
    def joined(cls, several: list[Measures]) -> Measures:
        """All of them, in this order."""
        return cls(*(np.concatenate([getattr(one, field.name) for one in several]) for field in fields(cls)))


@dataclass(frozen=True)
class Baseline:
    """How each of these people's (k) faces mostly is while nothing spoils it."""

    openings: NDArray[np.float32]
    """(k, 2) of the eye on the picture's left and of the other one; NaN where it was never seen well enough."""
    in_view: NDArray[np.float32]
    """(k,) logit; NaN where no face was large enough to be read."""
    confidence: NDArray[np.float32]
    """(k,) the detector's."""

    def of_each(self, person: NDArray[np.integer]) -> Baseline:
        """(n,) The baselines of the people with these numbers."""
        return Baseline(self.openings[person], self.in_view[person], self.confidence[person])


@dataclass(frozen=True)
class Score:
    """How fit for publishing one face is; fields as in Scores."""

    number: float
    flags: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing is known against publishing the face."""
        return not self.flags


@dataclass(frozen=True)
class Scores:
    """How fit for publishing faces (n) are."""

    parts: NDArray[np.float32]
    """(n, len(QUALITY_PARTS)) each from 0 (worst) to 1 (best)."""
    numbers: NDArray[np.float32]
    """(n,) the parts in one number, 0 to 1."""
    flags: NDArray[np.uint16]
    """(n,) what a person would say is wrong with it: bit i is set where FACE_FLAGS[i] holds, 0 for a clean face."""

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Score]:
        return map(Score, self.numbers.tolist(), self.flags.tolist())


def baselines(measures: Measures, person: NDArray[np.integer], count: int) -> Baseline:
    """The baselines of `count` people, of whom face i shows number `person[i]`; by what belongs together alone, in
    whatever order.

    Whoever was detected once is the own baseline, so that nothing is held against the face; of two the better one
    counts most.
    """
    judged = np.where(measures.eyes_seen >= _SEEN_WELL, measures.openings, np.float32(np.nan))
    eyes = [_percentile(judged[:, eye], person, count) for eye in range(2)]
    return Baseline(
        np.stack(eyes, axis=1),
        _percentile(measures.in_view, person, count),
        _percentile(measures.confidence, person, count),
    )


def score(measures: Measures, baseline: Baseline | None = None) -> Scores:
    """The score of each face: by the picture alone, or against the person's baseline, one for each face or for all.

    A face falls behind its person where an eye is half closed or something is before it; it never gains.
    """
    parts = measures.parts.copy()
    if baseline is not None:
        relative = {
            "eyes_open": _interpolated(
                _as_seen(_share(measures.openings, baseline.openings), measures.eyes_seen).min(axis=1), _OPENING_SHARE
            ),
            "unobstructed": _interpolated(_share(measures.in_view, baseline.in_view), _IN_VIEW_SHARE),
            "confidence": _interpolated(_share(measures.confidence, baseline.confidence), _CONFIDENCE_SHARE),
        }
        for name, part in relative.items():
            place = QUALITY_PARTS.index(name)
            parts[:, place] = np.minimum(parts[:, place], part)
    return Scores(parts, numbers_of(parts), flags_of(parts, measures.brightness))


def numbers_of(parts: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) the parts, (n, len(QUALITY_PARTS)), in one number: their weighted geometric mean, so that one bad part can't
    be bought off, less what each flaw costs."""
    weights = np.array([part.weight for part in QUALITY])
    mean = np.exp((np.log(np.maximum(parts, _FLOOR)) * weights).sum(axis=1) / weights.sum())
    costs = np.array([part.cost for part in QUALITY])
    cost = np.prod(1 - costs * np.clip(1 - parts / WEAK, 0, 1), axis=1)
    return np.asarray(mean * cost, np.float32)


def flags_of(parts: NDArray[np.float32], brightness: NDArray[np.float32]) -> NDArray[np.uint16]:
    """(n,) `Scores.flags` of faces with these parts, (n, len(QUALITY_PARTS)), and median brightness, (n,)."""
    found = np.zeros(len(parts), np.uint16)
    dark = brightness < _DARK
    for column, part in enumerate(QUALITY):
        weak = parts[:, column] < WEAK
        for place, flag in enumerate(part.flags):
            holds = weak if len(part.flags) == 1 else weak & (dark if place == 0 else ~dark)
            found |= _bit(flag) * holds.astype(np.uint16)
    return found


def named_flags(bits: int) -> list[FaceFlag]:
    """Those of FACE_FLAGS that hold, in their order."""
    return [flag for place, flag in enumerate(FACE_FLAGS) if bits >> place & 1]


def confidence_part(confidence: float) -> float:
    """Detectors give clean faces 0.75 and more."""
    return (confidence - 0.4) / 0.35


def eyes_open_part(openings: NDArray[np.float32], seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) 1 for two open eyes, below WEAK for one closed, by their openings (n, 2) alone and how far each is seen.

    Eyes differ by two between people, so half a blink of large eyes is as open as small eyes ever are.
    """
    openings = _as_seen(np.where(np.isnan(openings), np.float32(_UNREAD_OPENING), openings), seen)
    worse, better = openings.min(axis=1), openings.max(axis=1)
    pair = _interpolated(_WORSE_SHARE * worse + (1 - _WORSE_SHARE) * better, _OPENING)
    return np.minimum(pair, _interpolated(worse, _WORSE_OPENING))


def eyes_seen(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 2) how far the eye on the picture's left and the other one can be judged, 0 to 1, by the landmarks (n, 5, 2).

    The eye that the head turns away is seen at a slant, then not at all.
    """
    left, right, nose = landmarks[:, 0], landmarks[:, 1], landmarks[:, 2]
    eyes = (left + right) / 2
    down = (landmarks[:, 3] + landmarks[:, 4]) / 2 - eyes
    length = np.maximum(np.hypot(down[:, 0], down[:, 1]), 1e-6)
    across = np.stack([down[:, 1], -down[:, 0]], axis=1) / length[:, None]
    span = ((right - left) * across).sum(axis=1)
    # As in the part `frontal`: against the larger of both spans, since in profile the eyes' span itself shrinks.
    turn = ((nose - eyes) * across).sum(axis=1) / (0.5 * np.maximum(span, 0.8 * length))
    return np.stack([np.interp(-turn, *_EYE_SEEN), np.interp(turn, *_EYE_SEEN)], axis=1).astype(np.float32)


def _as_seen(eyes: NDArray[np.float32], seen: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 2) what was read of two eyes; as far as one is not seen the other one stands in for it."""
    return np.asarray(seen * eyes + (1 - seen) * eyes[:, ::-1], np.float32)


def in_view_part(in_view: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) 1 for a face in full view, below WEAK with something in front of it, by the logit (n,) alone."""
    return _interpolated(in_view, _IN_VIEW, unread=_UNREAD_IN_VIEW)


def _bit(flag: FaceFlag) -> np.uint16:
    return np.uint16(1 << FACE_FLAGS.index(flag))


def _share(values: NDArray[np.float32], of: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n,) of the baseline; 1 where either is unknown."""
    share = values / np.maximum(of, 1e-6)
    return np.asarray(np.where(np.isnan(share), 1.0, share), np.float32)


def _interpolated(
    values: NDArray[np.float32], line: tuple[list[float], list[float]], unread: float = np.nan
) -> NDArray[np.float32]:
    return np.asarray(np.interp(np.where(np.isnan(values), unread, values), *line), np.float32)


def _percentile(values: NDArray[np.float32], group: NDArray[np.integer], count: int) -> NDArray[np.float32]:
    """(count,) the _BASELINE-th percentile of each group's values but NaN, as numpy's: linear between two; NaN of none.

    All groups at once: a day of video has 100,000 people.
    """
    known = ~np.isnan(values)
    values, group = values[known], np.asarray(group)[known]
    order = np.lexsort((values, group))
    ascending = values[order].astype(np.float64)
    size = np.bincount(group, minlength=count)
    begin = np.cumsum(size) - size
    found = np.full(count, np.nan, np.float32)
    some = size > 0
    place = (size[some] - 1) * (_BASELINE / 100)
    below = np.floor(place).astype(np.int64)
    low = ascending[begin[some] + below]
    high = ascending[begin[some] + np.minimum(below + 1, size[some] - 1)]
    found[some] = low + (place - below) * (high - low)
    return found
