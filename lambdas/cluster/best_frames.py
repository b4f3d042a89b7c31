"""Each person's time on screen, best frame and alternatives. Pure: no files."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.clarity import Clarity
from lambdas.cluster.footage import Footage
from lambdas.cluster.identities import Identities
from lambdas.cluster.tracks import Tracks
from lambdas.contracts import QUALITY_PARTS, FaceInFrame, PersonTrack
from lambdas.scoring import named_flags

APART_S = 2.0
"""Alternatives are so far apart from one another and from the best frame, where the person is there long enough."""
APART_AT_LEAST_S = 0.8
"""And never closer than this: nearer frames are one moment."""
WORTH_SHOWING = 0.5
"""Share of the best frame's score that an alternative must reach."""
BEYOND_DOUBT = 0.65
_NEARLY = 0.8
"""Open eyes and a face in full view, as parts of the score, that an alternative must reach, or nearly what the best
frame has. Flags begin at 0.4; of unflagged faces between, half are blinks and hands, of those above one in 25."""
_DOUBTED = [QUALITY_PARTS.index(part) for part in ("eyes_open", "unobstructed")]
SAME_MOMENT_DIFFERENCE = 2.0
"""Mean difference (0 to 255) of two 16 x 16 thumbnails, where the face is in either, below which frames are one picture
to the eye: 0.8 to 1.8 for a face that keeps its look, 2.4 where the mouth opens, 3.6 for a smile. Of the whole picture,
a still background makes that 0.4 and 0.9."""


@dataclass(frozen=True)
class Presence:
    """When one identity is seen. Sightings are (position of the chunk, row)."""

    identity: int
    sightings: list[tuple[int, int]]
    """By PTS."""
    moments: int
    """Different frames in which it was seen, of the scan and of the dense look alike: someone in a shot of one second
    is met once by the scan, and the dense look around that meeting is what tells a person from a mistake."""
    tracks: list[PersonTrack]
    """Uninterrupted presences, by start; tracks that a chunk border cut in two are one."""
    screen_time_s: float
    first_s: float


@dataclass(frozen=True)
class _Part:
    """One track's span in seconds, and when and how good it was at its best."""

    start_s: float
    end_s: float
    best_s: float
    best_score: float
    best: tuple[int, int]
    """Position of the chunk and row."""


def presences(
    footage: Footage, tracks: Tracks, identities: Identities, cuts: Sequence[float], period_s: float
) -> list[Presence]:
    """When each identity is on screen.

    The scan looks once per `period_s`, so a face is taken to be there for half a period before the first and after the
    last scan sighting of its track, or up to its scene's bound where that is less than a period away.
    """
    edges = np.array([0.0, *cuts, footage.duration_s])
    by_unit: dict[int, list[int]] = {}
    for track, unit in enumerate(identities.unit_of_track.tolist()):
        by_unit.setdefault(unit, []).append(track)
    seconds = [footage.seconds(chunk) for chunk in range(len(footage.detections))]
    of_identity: list[list[_Part]] = [[] for _ in range(len(identities.is_person))]
    sightings: list[list[tuple[int, int]]] = [[] for _ in range(len(identities.is_person))]
    for members in by_unit.values():
        spans: list[tuple[float, float]] = []
        best = (-1.0, 0.0, (0, 0))
        identity = int(identities.of_track[members[0]])
        for track in members:
            chunk, rows = int(tracks.chunk[track]), tracks.rows[track]
            times, columns, scores = seconds[chunk][rows], footage.detections[chunk], footage.scores[chunk].numbers
            spans.append(_span(times, columns.dense[rows], edges, period_s))
            top = int(np.argmax(scores[rows]))
            best = max(best, (float(scores[rows[top]]), -float(times[top]), (chunk, int(rows[top]))))
            sightings[identity].extend((chunk, row) for row in rows.tolist())
        of_identity[identity].append(
            _Part(min(start for start, _ in spans), max(end for _, end in spans), -best[1], best[0], best[2])
        )
    found: list[Presence] = []
    for identity, parts in enumerate(of_identity):
        joined = _join(parts, cuts, footage)
        seen = sorted(sightings[identity], key=lambda s: (footage.detections[s[0]].pts[s[1]], s))
        found.append(
            Presence(
                identity=identity,
                sightings=seen,
                moments=len({(chunk, int(footage.detections[chunk].pts[row])) for chunk, row in seen}),
                tracks=joined,
                screen_time_s=round(sum(track.end_s - track.start_s for track in joined), 3),
                first_s=round(float(seconds[seen[0][0]][seen[0][1]]), 3),
            )
        )
    return found


def _span(
    times: NDArray[np.float64], dense: NDArray[np.bool_], edges: NDArray[np.float64], period_s: float
) -> tuple[float, float]:
    start, end = float(times[0]), float(times[-1])
    scanned = times[~dense]
    # The scene is that of the first and of the last sighting: a track may (wrongly) run across a cut.
    scene_start = float(edges[max(0, int(np.searchsorted(edges, start, side="right")) - 1)])
    scene_end = float(edges[min(len(edges) - 1, int(np.searchsorted(edges, end, side="right")))])
    if len(scanned):
        first, last = float(scanned[0]), float(scanned[-1])
        # Less than a period from the scene's end no look has contradicted that the face stays until then.
        before = scene_start if first - scene_start <= period_s else first - period_s / 2
        after = scene_end if scene_end - last <= period_s else last + period_s / 2
        start, end = min(start, before), max(end, after)
    return start, end


def _join(parts: Sequence[_Part], cuts: Sequence[float], footage: Footage) -> list[PersonTrack]:
    """The presences by start, those that meet as one: a face lost and found again within a scan period never left.

    Those that meet at a cut stay apart.
    """
    joined: list[_Part] = []
    for part in sorted(parts, key=lambda part: (part.start_s, part.end_s, part.best_s)):
        meets = joined and part.start_s <= joined[-1].end_s + 1e-6
        at_cut = (
            meets and part.start_s > joined[-1].end_s - 1e-6 and any(abs(cut - part.start_s) < 1e-6 for cut in cuts)
        )
        if meets and not at_cut:
            before = joined.pop()
            better = max(before, part, key=lambda one: one.best_score)
            part = _Part(before.start_s, max(before.end_s, part.end_s), better.best_s, better.best_score, better.best)
        joined.append(part)
    return [
        PersonTrack(
            start_s=round(part.start_s, 3),
            end_s=round(part.end_s, 3),
            best_s=round(part.best_s, 3),
            best_pts=int(footage.detections[part.best[0]].pts[part.best[1]]),
            best_box=_pixels(footage.detections[part.best[0]].boxes[part.best[1]]),
        )
        for part in joined
    ]


def _pixels(box: NDArray[np.float32]) -> tuple[float, float, float, float]:
    left, top, right, bottom = (round(float(edge), 1) for edge in box)
    return left, top, right, bottom


@dataclass(frozen=True)
class ChosenFaces:
    """The staged pictures chosen of one identity."""

    faces: list[FaceInFrame]
    """The best one first, then the alternatives, best first; empty if none was staged."""
    row: tuple[int, int] | None
    """Position of the chunk and row of the best one."""
    clear: bool
    """Whether the best one is a clear detection, so that one would publish it."""


def choose_faces(
    footage: Footage,
    clarity: Sequence[Clarity],
    presence: Presence,
    cuts: Sequence[float],
    alternatives: int,
    best_pts: int | None = None,
) -> ChosenFaces:
    """The best frame and up to `alternatives` from other moments; clear ones alone where there are any.

    The frame at `best_pts` is the best one, however it scores, where it is staged.

    Other moments are other shots first, then the same shot at least two seconds away (less where there is no more),
    and never a picture that looks the same, is much worse than the best or has a flaw, or might have one, that the best
    has not.
    """
    shown: list[tuple[float, int, int, int]] = []
    for chunk, row in presence.sightings:
        columns = footage.detections[chunk]
        if columns.staged[row] >= 0:
            staged = int(footage.first_staged[chunk] + columns.staged[row])
            shown.append((-float(footage.scores[chunk].numbers[row]), staged, chunk, row))
    shown.sort()
    if not shown:
        return ChosenFaces([], None, False)
    wanted = [face for face in shown if footage.staged[face[1]].pts == best_pts]
    clear = [face for face in shown if clarity[face[2]].any[face[3]]]
    shown = wanted[:1] + [face for face in clear or shown if face not in wanted[:1]]
    chosen = [shown[0]]
    times = {staged: footage.staged[staged].t_s for _, staged, _, _ in shown}
    shot = {staged: bisect.bisect_right(cuts, time) for staged, time in times.items()}
    flaws = {face: int(footage.scores[face[2]].flags[face[3]]) for face in shown}
    doubted = {face: footage.scores[face[2]].parts[face[3], _DOUBTED] for face in shown}
    least = np.minimum(BEYOND_DOUBT, _NEARLY * doubted[shown[0]])
    worth = [
        face
        for face in shown
        if face[0] <= WORTH_SHOWING * shown[0][0]
        and not flaws[face] & ~flaws[shown[0]]
        and (doubted[face] >= least).all()
    ]
    for apart_s, other_shot in ((APART_S, True), (APART_S, False), (APART_AT_LEAST_S, False)):
        for face in worth:
            if len(chosen) > alternatives:
                break
            staged = face[1]
            near = any(abs(times[staged] - times[other[1]]) < apart_s for other in chosen)
            if near or (other_shot and any(shot[staged] == shot[other[1]] for other in chosen)):
                continue
            if all(_difference(footage, face, other) >= SAME_MOMENT_DIFFERENCE for other in chosen):
                chosen.append(face)
    faces = [face_in_frame(footage, *face[1:]) for face in (chosen[0], *sorted(chosen[1:]))]
    return ChosenFaces(faces, chosen[0][2:], bool(clear))


def _difference(footage: Footage, one: tuple[float, int, int, int], other: tuple[float, int, int, int]) -> float:
    """Of the thumbnails of two frames, within the cells that the face touches in either."""
    first, second = footage.small[one[1]].astype(np.int16), footage.small[other[1]].astype(np.int16)
    boxes = np.array([footage.detections[chunk].boxes[row] for _, _, chunk, row in (one, other)], np.float64)
    boxes *= np.tile([first.shape[1] / footage.source.width, first.shape[0] / footage.source.height], 2)
    left, top = np.clip(boxes[:, :2].min(axis=0), 0, [first.shape[1] - 1, first.shape[0] - 1]).astype(int)
    right, bottom = np.ceil(boxes[:, 2:].max(axis=0)).astype(int)
    there = np.s_[top : max(top + 1, bottom), left : max(left + 1, right)]
    return float(np.abs(first[there] - second[there]).mean())


def face_in_frame(footage: Footage, staged: int, chunk: int, row: int) -> FaceInFrame:
    """A detection, by its chunk and row, as a staged frame shows it."""
    columns, scores = footage.detections[chunk], footage.scores[chunk]
    across, down = footage.scale(staged)
    return FaceInFrame(
        frame=footage.frame_ref(staged),
        box=footage.box(chunk, row, staged),
        landmarks=[(round(float(x) * across, 2), round(float(y) * down, 2)) for x, y in columns.landmarks[row]],
        score=round(float(scores.numbers[row]), 4),
        quality={part: round(float(value), 4) for part, value in zip(QUALITY_PARTS, scores.parts[row], strict=True)},
        flags=named_flags(int(scores.flags[row])),
    )
