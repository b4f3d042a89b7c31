"""Links the sightings of one face inside one shot. Pure but for the embedder it is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import QUALITY_PARTS, Distances
from lambdas.detect.expression import UNREAD, Expression
from lambdas.scoring import Measures, Score, eyes_seen, score

Crops = Sequence[NDArray[np.uint8]]
Embed = Callable[[Crops], NDArray[np.float32]]

SURE_OVERLAP = 0.5
"""IoU from which two boxes that overlap nothing else may be one face without asking the embedder."""
SURE_ALIKE = 0.93
"""Correlation of two aligned faces from which they are one face in one light without asking the embedder. Of faces of
one shot it passes 70% a tenth of a second apart and 45% a second apart, of 14,546 pairs of strangers less than 0.1%,
most of them in the dark."""
_STEADY = QUALITY_PARTS.index("steady")
LEAST_FACES, MOST_FACES, A_FACE_EVERY_S = 3, 5, 2.0
"""Embedded faces of a track: its best, spread over its time; of a short one fewer do, since it shows fewer poses."""


@dataclass(eq=False)
class Sighting:
    """One face in one frame, as it was measured; only the embedding is added, when someone needs it."""

    pts: int
    t_s: float
    box: NDArray[np.float32]
    """(4,) xyxy, pixels of the upright full-resolution frame."""
    landmarks: NDArray[np.float32]
    """(5, 2) pixels."""
    quality: NDArray[np.float32]
    """(len(QUALITY_PARTS),) each 0 to 1, by the picture alone; `steady` is 1 until the shot is known."""
    crop: NDArray[np.uint8]
    """(s, s, 3) BGR, aligned for the embedder."""
    expression: Expression = UNREAD
    brightness: float = 0.5
    """Median of the face, 0 to 1."""
    confidence: float = 1.0
    """The detector's."""
    confirmed: bool = True
    """Whether a second look saw a face as well, see `Detections.confirmed`."""
    dense: bool = False
    embedding: NDArray[np.float32] | None = None
    """(d,) L2-normed, None until someone needed it."""

    @cached_property
    def absolute(self) -> Score:
        """The score by what was measured alone, whoever the person is."""
        return next(iter(score(measures_of([self]))))

    def with_steadiness(self, steadiness: float) -> Sighting:
        """The same face, now that the frames around it are known: how steady the moment is, 0 to 1."""
        quality = self.quality.copy()
        quality[_STEADY] = steadiness
        return dataclasses.replace(self, quality=quality)


@dataclass(eq=False)
class Track:
    """Sightings of one face within one shot, in time order."""

    sightings: list[Sighting] = field(default_factory=list)
    stays: list[tuple[float, int]] = field(default_factory=list)
    """Seconds and PTS of frames that nobody looked at, because nothing had changed since a sighting before them."""

    @property
    def present_s(self) -> float:
        """When the face was last known to be there."""
        return max(self.end_s, self.stays[-1][0]) if self.stays else self.end_s

    @property
    def last(self) -> Sighting:
        return self.sightings[-1]

    @property
    def start_s(self) -> float:
        return self.sightings[0].t_s

    @property
    def end_s(self) -> float:
        return self.sightings[-1].t_s

    def box_at(self, t_s: float) -> NDArray[np.float32]:
        """(4,) the box interpolated between sightings, the nearest one's outside them."""
        times = [sighting.t_s for sighting in self.sightings]
        boxes = np.stack([sighting.box for sighting in self.sightings])
        return np.array([np.interp(t_s, times, boxes[:, side]) for side in range(4)], np.float32)


def measures_of(sightings: Sequence[Sighting]) -> Measures:
    """What was measured of them, side by side."""
    return Measures(
        np.array([one.quality for one in sightings], np.float32).reshape(-1, len(QUALITY_PARTS)),
        np.array([one.expression.openings for one in sightings], np.float32).reshape(-1, 2),
        eyes_seen(np.array([one.landmarks for one in sightings], np.float32).reshape(-1, 5, 2)),
        np.array([one.expression.in_view for one in sightings], np.float32),
        np.array([one.confidence for one in sightings], np.float32),
        np.array([one.brightness for one in sightings], np.float32),
    )


def overlaps(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, m) intersection over union of two sets of xyxy boxes (n, 4) and (m, 4)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1][None, :] - both
    return np.where(union > 0, both / np.maximum(union, 1e-9), 0).astype(np.float32)


def nearness(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, m) 1 where centres coincide, falling to 0 at one and a half box sizes apart or at sizes three times apart."""
    centres = [(boxes[:, :2] + boxes[:, 2:]) / 2 for boxes in (first, second)]
    sizes = [np.sqrt(np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 1, None), axis=1)) for boxes in (first, second)]
    size = np.maximum(sizes[0][:, None], sizes[1][None, :])
    away = np.linalg.norm(centres[0][:, None] - centres[1][None, :], axis=2) / (1.5 * size)
    ratio = size / np.minimum(sizes[0][:, None], sizes[1][None, :])
    return np.where(ratio < 3, np.clip(1 - away, 0, 1), 0).astype(np.float32)


def best_pairs(gain: NDArray[np.float32], least: float) -> list[tuple[int, int]]:
    """(row, column) pairs with a gain above `least`, each row and column at most once, the greatest gains first."""
    pairs: list[tuple[int, int]] = []
    rows, columns = set(range(gain.shape[0])), set(range(gain.shape[1]))
    for flat in np.argsort(-gain, axis=None, kind="stable"):
        row, column = divmod(int(flat), gain.shape[1])
        if gain[row, column] <= least:
            break
        if row in rows and column in columns:
            rows.remove(row)
            columns.remove(column)
            pairs.append((row, column))
    return pairs


class Tracker:
    """Gathers sightings, frame by frame, into tracks that never cross a cut.

    Two faces are linked by overlap where that is beyond doubt, else only if their embeddings agree too: a track of
    two people would spoil both, while two tracks of one person are joined later.
    """

    def __init__(self, embed: Embed, distances: Distances, max_gap_s: float) -> None:
        self._embed = embed
        self._distances = distances
        self._max_gap_s = max_gap_s
        self._open: list[Track] = []
        self._closed: list[Track] = []

    def cut(self) -> None:
        """Ends every track: what follows is another shot."""
        self._closed += self._open
        self._open = []

    def add(self, t_s: float, sightings: list[Sighting]) -> None:
        """Takes all faces of one frame; frames come in time order."""
        self._closed += [track for track in self._open if t_s - track.present_s > self._max_gap_s]
        self._open = [track for track in self._open if t_s - track.present_s <= self._max_gap_s]
        linked = self._link(sightings)
        for index, sighting in enumerate(sightings):
            if index in linked:
                linked[index].sightings.append(sighting)
            else:
                self._open.append(Track([sighting]))

    def stay(self, seen_s: float, t_s: float, pts: int) -> None:
        """The faces of the look at `seen_s` are still there at `t_s`: nothing has changed."""
        for track in self._open:
            if track.end_s >= seen_s - 1e-6:
                track.stays.append((t_s, pts))

    def finish(self) -> list[Track]:
        """All tracks, ordered by their start; one that turns out to hold two people is divided."""
        self.cut()
        tracks = [part for track in self._closed for part in divide(track, self._embed, self._distances)]
        self._closed = []
        return sorted(tracks, key=lambda track: (track.start_s, float(track.sightings[0].box[0])))

    def _link(self, sightings: list[Sighting]) -> dict[int, Track]:
        if not sightings or not self._open:
            return {}
        before = np.stack([track.last.box for track in self._open])
        now = np.stack([sighting.box for sighting in sightings])
        overlap = overlaps(before, now)
        near = np.maximum(nearness(before, now), overlap)
        possible = near > 0
        gain = np.zeros_like(near)
        for row, column in np.argwhere(possible):
            alone = possible[row].sum() == 1 and possible[:, column].sum() == 1
            if alone and overlap[row, column] >= SURE_OVERLAP:
                if goes_on(self._open[row].last, sightings[column], self._embed, self._distances):
                    gain[row, column] = 2
                continue
            distance = self._distance(self._open[row].last, sightings[column])
            # Closer faces in the picture may differ a little more: pose and light change between looks.
            if distance < self._distances.same * (0.8 + 0.3 * near[row, column]):
                gain[row, column] = 1 + near[row, column] - distance
        return {column: self._open[row] for row, column in best_pairs(gain, 0.0)}

    def _distance(self, first: Sighting, second: Sighting) -> float:
        return _distance(first, second, self._embed)


def goes_on(before: Sighting, now: Sighting, embed: Embed, distances: Distances) -> bool:
    """Whether a face that stayed where it was is still the same one: a cut may have been overlooked."""
    return likeness(before, now) >= SURE_ALIKE or _distance(before, now, embed) <= clearly_apart(distances)


def _distance(first: Sighting, second: Sighting, embed: Embed) -> float:
    embed_missing([first, second], embed)
    assert first.embedding is not None and second.embedding is not None
    return 1 - float(first.embedding @ second.embedding)


def likeness(first: Sighting, second: Sighting) -> float:
    """Correlation of the middle of two aligned faces, -1 to 1: how much they are the same picture."""
    return float(_pattern(first.crop) @ _pattern(second.crop))


def _pattern(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(576,) grey levels of a crop's middle, 24 x 24, less their mean, L2-normed."""
    rim = crop.shape[0] // 6
    middle = cv2.cvtColor(crop[rim : crop.shape[0] - rim // 2, rim : crop.shape[1] - rim], cv2.COLOR_BGR2GRAY)
    pattern = cv2.resize(middle, (24, 24), interpolation=cv2.INTER_AREA).astype(np.float32).reshape(-1)
    pattern -= pattern.mean()
    return np.asarray(pattern / max(float(np.linalg.norm(pattern)), 1e-6), np.float32)


def clearly_apart(distances: Distances) -> float:
    """Distance of two single faces beyond which they are not taken for one person seen at nearly the same time.

    A grimace can take a face further from itself. Its track is then cut in two that cluster joins again by their other
    faces; a track of two people could not be mended.
    """
    return max(distances.attach, 1.15 * distances.same)


def keep_own(
    track: Track, others: Sequence[Sighting], embed: Embed, distances: Distances, max_gap_s: float
) -> tuple[list[Sighting], list[Sighting]]:
    """Which of some sightings, met where the track's face was expected, show that face, and which are someone else's.

    From each of the track's sightings outwards: a face goes on while it looks the same from step to step, or while it
    is near one of the track's embedded faces. One further than `max_gap_s` from the
    track's own sightings is never its face: nobody saw it stay.
    """
    anchors = track.sightings
    times = np.array([anchor.t_s for anchor in anchors])
    own: list[Sighting] = []
    strays: list[Sighting] = []
    steps: dict[tuple[int, bool], list[Sighting]] = {}
    for sighting in others:
        nearest = int(np.abs(times - sighting.t_s).argmin())
        if abs(times[nearest] - sighting.t_s) > max_gap_s:
            strays.append(sighting)
        else:
            steps.setdefault((nearest, bool(sighting.t_s < times[nearest])), []).append(sighting)
    for (nearest, backwards), ones in steps.items():
        before = anchors[nearest]
        for sighting in sorted(ones, key=lambda one: one.t_s, reverse=backwards):
            if likeness(before, sighting) < SURE_ALIKE and not _is_of(
                track, anchors[nearest], sighting, embed, distances
            ):
                strays.append(sighting)
                continue
            own.append(sighting)
            before = sighting
    return sorted(own, key=lambda one: one.pts), sorted(strays, key=lambda one: one.pts)


def _is_of(track: Track, anchor: Sighting, sighting: Sighting, embed: Embed, distances: Distances) -> bool:
    embed_missing([anchor, sighting], embed)
    assert sighting.embedding is not None
    known = np.stack([face.embedding for face in track.sightings if face.embedding is not None])
    return float((1 - known @ sighting.embedding).min()) <= clearly_apart(distances)


def embed_missing(sightings: Sequence[Sighting], embed: Embed) -> None:
    """Embeds those that have no embedding yet."""
    missing = [sighting for sighting in sightings if sighting.embedding is None]
    if missing:
        for sighting, embedding in zip(missing, embed([sighting.crop for sighting in missing]), strict=True):
            sighting.embedding = embedding


def faces_to_embed(track: Track, scores: Mapping[Sighting, Score] | None = None) -> list[Sighting]:
    """A track's best sightings, at least half their even spacing apart, in time order; never empty.

    Best by `scores`, or by what was measured alone.
    """
    lasts_s = track.end_s - track.start_s
    count = min(MOST_FACES, max(LEAST_FACES, round(lasts_s / A_FACE_EVERY_S)))
    apart_s = lasts_s / (2 * count)
    chosen: list[Sighting] = []
    for sighting in sorted(track.sightings, key=lambda one: -(scores[one] if scores else one.absolute).number):
        if len(chosen) == count:
            break
        if all(abs(sighting.t_s - other.t_s) >= apart_s for other in chosen):
            chosen.append(sighting)
    return sorted(chosen, key=lambda one: one.t_s)


def divide(track: Track, embed: Embed, distances: Distances) -> list[Track]:
    """The track, or its parts where the faces before and after a moment are different people.

    Catches what no cut announced: a dissolve, or one person stepping in front of another. The two sides must
    differ clearly (`clearly_apart`) for every pair of faces across the moment.
    """
    faces = faces_to_embed(track)
    embed_missing(faces, embed)
    vectors = np.stack([face.embedding for face in faces if face.embedding is not None])
    far = 1 - vectors @ vectors.T
    clearly = clearly_apart(distances)
    for cut in range(1, len(faces)):
        if far[:cut, cut:].min() <= clearly:
            continue
        # Halve the doubtful span until neighbouring sightings differ.
        low = track.sightings.index(faces[cut - 1])
        high = track.sightings.index(faces[cut])
        while high - low > 1:
            middle = (low + high) // 2
            embed_missing([track.sightings[middle]], embed)
            here = track.sightings[middle].embedding
            assert here is not None
            if float((vectors[:cut] @ here).max()) >= float((vectors[cut:] @ here).max()):
                low = middle
            else:
                high = middle
        border_s = track.sightings[high].t_s
        first = Track(track.sightings[:high], [stay for stay in track.stays if stay[0] < border_s])
        second = Track(track.sightings[high:], [stay for stay in track.stays if stay[0] >= border_s])
        return [*divide(first, embed, distances), *divide(second, embed, distances)]
    return [track]
