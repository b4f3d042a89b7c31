"""Which frames of a chunk are staged: the only ones that can be published later. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lambdas.detect.selection.targets import Target
from lambdas.detect.shots.features import FrameFeatures
from lambdas.detect.tracking.detection import FaceDetection, Track, detections_of
from lambdas.detect.tracking.scores import Scores, best_first

STAGED_PER_MINUTE = 20
"""What a chunk stages at most, but for the one frame that every person and every scene needs."""
_FURTHER_MOMENTS = 3
"""Frames of each person that a chunk stages beside the best: as many alternatives as are published by default."""
_MOMENT_S, _WORTH_SHOWING = 0.8, 0.6
"""Such a frame's least distance to the person's others, and its least share of the best one's score; what is nearer or
worse would not be published as an alternative."""
_AS_GOOD = 0.99
"""Share of a person's best score from which a kept face is as good."""


def most_staged(features: Sequence[FrameFeatures], people: int) -> int:
    """Frames that a chunk of these features stages at most, but for those that every person and scene needs."""
    minutes = (features[-1].t_s - features[0].t_s) / 60 if features else 0.0
    # Two frames a person at least, so that everybody has an alternative in short crowded videos too.
    return max(8, round(STAGED_PER_MINUTE * minutes), 2 * people)


def worth_keeping(people: Sequence[Sequence[Track]], scores: Scores, kept: Collection[int]) -> list[int]:
    """PTS of faces that are not kept yet and should be: the best of every track of which no frame is, and that of every
    person who has none about as good."""
    found = []
    for tracks in people:
        for track in tracks:
            if not any(face.pts in kept for face in track.detections):
                found.append(best_first(track.detections, scores)[0].pts)
        faces = detections_of(tracks)
        best = best_first(faces, scores)[0]
        reached = max((scores[face].number for face in faces if face.pts in kept), default=0.0)
        if reached < _AS_GOOD * scores[best].number:
            found.append(best.pts)
    return found


def choose_staged(
    people: Sequence[Sequence[Track]],
    scores: Scores,
    targets: Sequence[Target],
    available: Collection[int],
    limit: int,
) -> list[int]:
    """PTS of the frames to stage, ascending, out of `available`.

    `people` holds the tracks of each person the chunk surely tells apart, `scores` each of their faces. Every person's
    best frame and every target's are kept, a person's frame serving as a target's where it is near enough, then further
    moments of every person, a second one of everybody before a third one of anybody; up to `limit` the best of each
    track and further moments follow, best first. Three times the limit is never passed.
    """
    chosen: list[FaceDetection] = []

    def number(detection: FaceDetection) -> float:
        return scores[detection].number

    def differs(detection: FaceDetection) -> bool:
        return all(abs(detection.t_s - other.t_s) >= 1.0 for other in chosen)

    def usable(*tracks: Track) -> list[FaceDetection]:
        return [detection for track in tracks for detection in track.detections if detection.pts in available]

    best = [max(ones, key=number) for tracks in people if (ones := usable(*tracks))]
    chosen += best_first(best, scores)[: 3 * limit]
    times = [detection.t_s for detection in chosen]
    kept = {detection.pts for detection in chosen}
    for target in targets:
        if len(kept) >= 3 * limit:
            break
        if target.pts in available and not any(abs(t_s - target.wanted_s) <= 0.6 * target.tolerance_s for t_s in times):
            kept.add(target.pts)
            times.append(target.t_s)

    def add(detections: Sequence[FaceDetection], most: int) -> None:
        for detection in best_first(detections, scores):
            if len(kept) >= most:
                return
            if detection.pts not in kept and differs(detection):
                chosen.append(detection)
                kept.add(detection.pts)

    for _ in range(_FURTHER_MOMENTS):
        for tracks in people:
            mine = usable(*tracks)
            shown = [detection.t_s for detection in mine if detection.pts in kept]
            met = {
                detection.pts
                for track in tracks
                if any(one.pts in kept for one in track.detections)
                for detection in track.detections
            }
            worth = _WORTH_SHOWING * max(map(number, mine), default=0.0)
            others = [
                detection
                for detection in mine
                if number(detection) >= worth and all(abs(detection.t_s - t_s) >= _MOMENT_S for t_s in shown)
            ]
            if others and len(kept) < 3 * limit:
                # Another presence of the person before another moment of the same.
                chosen.append(max(others, key=lambda one: (one.pts not in met, number(one))))
                kept.add(chosen[-1].pts)
    add([max(ones, key=number) for tracks in people for track in tracks if (ones := usable(track))], limit)
    add([detection for tracks in people for detection in usable(*tracks)], limit)
    return sorted(kept)
