"""Links the detections of one face inside one shot, each of them once. Pure but for the embeddings it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Distances
from lambdas.detect.tracking.detection import CarriedOver, FaceDetection, Track
from lambdas.detect.tracking.embeddings import Embeddings, faces_to_embed

SURE_OVERLAP = 0.5
"""IoU from which two boxes that overlap nothing else may be one face without asking the embedder."""
_PERIODS_UNSEEN = 2.5
"""Scan periods for which a face may go undetected within one track."""

Event = tuple[float, "Sequence[FaceDetection] | CarriedOver"]
"""Seconds, and the faces of one frame or a moment that nothing had changed at."""


@dataclass
class _Open:
    """A track that may go on."""

    detections: list[FaceDetection]
    carried: list[CarriedOver] = field(default_factory=list)

    @property
    def last(self) -> FaceDetection:
        return self.detections[-1]

    @property
    def present_s(self) -> float:
        """When the face was last known to be there."""
        return max(self.last.t_s, self.carried[-1].t_s) if self.carried else self.last.t_s


def associate(
    events: Sequence[Event],
    cut_times: Sequence[float],
    embeddings: Embeddings,
    distances: Distances,
    period_s: float,
) -> list[Track]:
    """The tracks of some frames, none across a cut, ordered by their start.

    `events` may come in any order; `cut_times` are ascending seconds. Two faces are linked by overlap where that is
    beyond doubt, else only if their embeddings agree too: a track of two people would spoil both, while two tracks of
    one person are joined later.
    """
    cuts = list(cut_times)
    open_tracks: list[_Open] = []
    closed: list[_Open] = []
    for t_s, event in sorted(events, key=lambda one: one[0]):
        while cuts and cuts[0] <= t_s:
            closed += open_tracks
            open_tracks = []
            cuts.pop(0)
        if isinstance(event, CarriedOver):
            for track in open_tracks:
                if track.last.t_s >= event.sampled_s - 1e-6:
                    track.carried.append(event)
            continue
        closed += [track for track in open_tracks if t_s - track.present_s > _PERIODS_UNSEEN * period_s]
        open_tracks = [track for track in open_tracks if t_s - track.present_s <= _PERIODS_UNSEEN * period_s]
        linked = _link(open_tracks, event, embeddings, distances)
        for index, detection in enumerate(event):
            if index in linked:
                linked[index].detections.append(detection)
            else:
                open_tracks.append(_Open([detection]))
    tracks = [Track(tuple(one.detections), tuple(one.carried)) for one in (*closed, *open_tracks)]
    parts = [part for track in tracks for part in divide(track, embeddings)]
    return sorted(parts, key=lambda track: (track.start_s, float(track.detections[0].box[0])))


def _link(
    tracks: Sequence[_Open], detections: Sequence[FaceDetection], embeddings: Embeddings, distances: Distances
) -> dict[int, _Open]:
    """Which track each of a frame's detections goes on, by its place among them."""
    if not detections or not tracks:
        return {}
    before = np.stack([track.last.box for track in tracks])
    now = np.stack([one.box for one in detections])
    overlap = overlaps(before, now)
    sure = _surely_linked(tracks, detections, overlap, embeddings)
    linked = {column: tracks[row] for row, column in sure}
    near = np.maximum(nearness(before, now), overlap)
    near[[row for row, _ in sure]] = 0
    near[:, list(linked)] = 0
    gain = np.zeros_like(near)
    for row, column in np.argwhere(near > 0):
        distance = embeddings.distance(tracks[row].last, detections[column])
        # Closer faces in the picture may differ a little more: pose and light change between frames.
        if distance < distances.same * (0.8 + 0.3 * near[row, column]):
            gain[row, column] = 1 + near[row, column] - distance
    return linked | {column: tracks[row] for row, column in best_pairs(gain, 0.0)}


def _surely_linked(
    tracks: Sequence[_Open],
    detections: Sequence[FaceDetection],
    overlap: NDArray[np.float32],
    embeddings: Embeddings,
) -> list[tuple[int, int]]:
    """Places of tracks and detections that go on beyond doubt: their boxes overlap well, and no others."""
    alone = (overlap > 0).sum(axis=1, keepdims=True) * (overlap > 0).sum(axis=0, keepdims=True) == 1
    return [
        (int(row), int(column))
        for row, column in np.argwhere(alone & (overlap >= SURE_OVERLAP))
        if embeddings.goes_on(tracks[row].last, detections[column])
    ]


def divide(track: Track, embeddings: Embeddings) -> list[Track]:
    """The track, or its parts where the faces before and after a moment are different people.

    Catches what no cut announced: a dissolve, or one person stepping in front of another. The two sides must
    differ clearly (`clearly_apart`) for every pair of faces across the moment.
    """
    faces = faces_to_embed(track)
    vectors = embeddings.of(faces)
    far = 1 - vectors @ vectors.T
    for cut in range(1, len(faces)):
        if far[:cut, cut:].min() <= embeddings.clearly_apart:
            continue
        # Halve the doubtful span until neighbouring detections differ.
        low, high = track.detections.index(faces[cut - 1]), track.detections.index(faces[cut])
        while high - low > 1:
            middle = (low + high) // 2
            here = embeddings.of([track.detections[middle]])[0]
            if float((vectors[:cut] @ here).max()) >= float((vectors[cut:] @ here).max()):
                low = middle
            else:
                high = middle
        border_s = track.detections[high].t_s
        first = Track(track.detections[:high], tuple(one for one in track.carried if one.t_s < border_s))
        second = Track(track.detections[high:], tuple(one for one in track.carried if one.t_s >= border_s))
        return [*divide(first, embeddings), *divide(second, embeddings)]
    return [track]


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


def boxes_of(detections: Sequence[FaceDetection]) -> NDArray[np.float32]:
    """(n, 4) xyxy."""
    return np.array([one.box for one in detections], np.float32).reshape(-1, 4)
