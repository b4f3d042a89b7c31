"""The second pass over a chunk: full decoding only around moments worth it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lambdas.contracts import ScanTier, Settings, SourceFacts
from lambdas.detect.candidates import Moment
from lambdas.detect.frames import ChunkReader, Frame
from lambdas.detect.looks import Looker, Stopwatch
from lambdas.detect.pictures import Picture, picture
from lambdas.detect.provisional import scores_against
from lambdas.detect.scan import Scan
from lambdas.detect.scenes import GLANCE_WIDTH, Glance, SceneScorer, glance, glance_height
from lambdas.detect.tracks import Sighting, Track, Tracker, best_pairs, overlaps
from lambdas.scoring import Baseline

_SAME_FACE_OVERLAP = 0.3
"""IoU from which a dense sighting is the track's face at that moment; steps are a tenth of a second."""

_SAME_PLACE_OVERLAP = 0.5
"""The same for a face that was given to another track."""

_COARSE_STEP = 0.9
"""Share of the dense look's step; where the scan's frames lie further apart, the dense look takes every frame. At 25
and 30 frames a second they are 0.03 to 0.1 s apart, at 12 up to 0.25 s."""


@dataclass
class Closer:
    """What the second pass found."""

    pictures: dict[int, Picture] = field(default_factory=dict)
    """Encoded frames by PTS."""
    dense: list[tuple[Track, Sighting]] = field(default_factory=list)
    """Sightings of the tracks' faces around moments, ascending in time."""
    glances: dict[int, Glance] = field(default_factory=dict)
    """Rescored and additional frames of doubtful spans by PTS."""


@dataclass
class _Open:
    """A moment being looked at."""

    moment: Moment
    best: Sighting | None = None
    score: float = 0.0
    """Of the best face."""
    frame: Frame | None = None


def look_closer(
    reader: ChunkReader,
    source: SourceFacts,
    settings: Settings,
    tier: ScanTier,
    seen: Scan,
    moments: Sequence[Moment],
    baselines: Mapping[Track, Baseline],
    doubtful: Sequence[tuple[int, int]],
    looker: Looker,
    newcomers: Tracker,
    watch: Stopwatch,
) -> Closer:
    """Decodes the spans around moments and doubtful cuts once, in order.

    `baselines` holds that of every track which has a moment. Faces of the dense look that belong to no moment go to
    `newcomers`.
    """
    found = Closer()
    waiting = list(moments)
    active: list[_Open] = []
    spans = [(source.pts(moment.low_s), source.pts(moment.high_s)) for moment in moments]
    spans += [(before, after + 1) for before, after in doubtful]
    exact = [*doubtful, *spans] if _step_s(seen.glances) > _COARSE_STEP * tier.dense_step_s else doubtful
    scorer: SceneScorer | None = None
    rest = sorted(doubtful)
    next_look_s = float("-inf")
    height = glance_height(source.width, source.height)

    def close(one: _Open) -> None:
        if one.best is not None and one.frame is not None and one.best.pts not in found.pictures:
            with watch.step("stage"):
                found.pictures[one.best.pts] = picture(one.best.pts, one.best.t_s, one.frame.bgr(), settings)

    for frame in _timed(_spans(reader, spans, seen.keyframes, exact), watch):
        if frame.corrupt:
            continue
        t_s = source.seconds(frame.pts)
        while waiting and waiting[0].low_s <= t_s:
            active.append(_Open(waiting.pop(0)))
        for one in [one for one in active if one.moment.high_s <= t_s]:
            active.remove(one)
            close(one)
        while rest and rest[0][1] < frame.pts:
            rest.pop(0)
            scorer = None
        if rest and rest[0][0] <= frame.pts:
            with watch.step("glance"):
                small = frame.bgr(GLANCE_WIDTH, height)
                first = scorer is None
                scorer = scorer or SceneScorer()
                value = scorer.score(small)
                if not first:
                    found.glances[frame.pts] = glance(frame.pts, t_s, small, value, settings.scene_detector)
            if frame.pts >= rest[0][1]:
                after = rest.pop(0)[1]
                if not (rest and rest[0][0] == after):
                    scorer = None
        on_it = any(one.moment.pts == frame.pts for one in active)
        if tier.dense_looks and active and (t_s >= next_look_s or on_it):
            next_look_s = t_s + tier.dense_step_s - 1e-6
            _look(frame, t_s, baselines, active, found, looker, newcomers, seen)
    for one in active:
        close(one)
    return found


def _look(
    frame: Frame,
    t_s: float,
    baselines: Mapping[Track, Baseline],
    active: Sequence[_Open],
    found: Closer,
    looker: Looker,
    newcomers: Tracker,
    seen: Scan,
) -> None:
    """Gives each face of the frame to the track that is expected there, or to `newcomers`."""
    met = looker.look(frame, dense=True)
    if not met:
        return
    sightings = [face.with_steadiness(seen.steadiness(t_s)) for face in met]
    seen_as = assign(sightings, t_s, list(baselines), seen, found, newcomers)
    for one in active:
        best = seen_as.get(one.moment.track) or _in_place(one.moment.track, t_s, sightings)
        if best is None:
            continue
        number = scores_against(baselines[one.moment.track], [best])[best].number
        if one.best is None or number > one.score:
            one.best, one.score, one.frame = best, number, frame


def assign(
    sightings: Sequence[Sighting],
    t_s: float,
    tracks: Sequence[Track],
    seen: Scan,
    found: Closer,
    newcomers: Tracker,
) -> dict[Track, Sighting]:
    """Gives each face of one closely looked at frame to the track expected there, or to `newcomers`."""
    low_s, high_s = seen.shots.span(t_s)
    # A track's shot, not its first and last sighting, bounds where its face may be met.
    here = [track for track in tracks if low_s <= track.start_s < high_s]
    assigned: dict[int, Track] = {}
    if here:
        overlap = overlaps(
            np.stack([track.box_at(t_s) for track in here]), np.stack([sighting.box for sighting in sightings])
        )
        assigned = {column: here[row] for row, column in best_pairs(overlap, _SAME_FACE_OVERLAP)}
    seen_as: dict[Track, Sighting] = {}
    for column, sighting in enumerate(sightings):
        track = assigned.get(column)
        if track is not None:
            found.dense.append((track, sighting))
            seen_as[track] = sighting
    newcomers.add(t_s, [sighting for column, sighting in enumerate(sightings) if column not in assigned])
    return seen_as


def _in_place(track: Track, t_s: float, sightings: Sequence[Sighting]) -> Sighting | None:
    """The face where the track's is expected: a track torn by something in front goes on as another one."""
    overlap = overlaps(track.box_at(t_s)[None], np.stack([sighting.box for sighting in sightings]))[0]
    return sightings[int(overlap.argmax())] if overlap.max() >= _SAME_PLACE_OVERLAP else None


def fetch(
    reader: ChunkReader,
    source: SourceFacts,
    settings: Settings,
    seen: Scan,
    wanted: Sequence[int],
    closer: Closer,
    watch: Stopwatch,
) -> None:
    """Adds the pictures of single frames, by PTS, that the second pass did not keep."""
    missing = {pts for pts in wanted if pts not in closer.pictures}
    for pts in sorted(missing & seen.at_hand.keys()):
        with watch.step("stage"):
            closer.pictures[pts] = picture(pts, source.seconds(pts), seen.at_hand[pts].bgr(), settings)
        missing.remove(pts)
    singles = [(pts, pts + 1) for pts in missing]
    for frame in _timed(_spans(reader, singles, seen.keyframes, singles), watch):
        if frame.pts in missing:
            with watch.step("stage"):
                closer.pictures[frame.pts] = picture(frame.pts, source.seconds(frame.pts), frame.bgr(), settings)


def _step_s(glances: Sequence[Glance]) -> float:
    """Seconds between frames of the scan, their 90th percentile; 0 with fewer than two."""
    steps = np.diff([one.t_s for one in glances])
    return float(np.percentile(steps, 90)) if len(steps) else 0.0


def _spans(
    reader: ChunkReader,
    spans: Sequence[tuple[int, int]],
    keyframes: Sequence[int],
    exact: Sequence[tuple[int, int]],
) -> Iterator[Frame]:
    """Frames of all spans, ascending, each once; frames between spans of one GOP may come along.

    Frames that no other refers to come only where a span of `exact` is near: the others are a frame or two away.
    """
    marks = np.array(keyframes)
    merged: list[list[int]] = []
    for low, high in sorted(spans):
        # Without a keyframe between them the decoder would start where it already was.
        if merged and (low <= merged[-1][1] or not ((marks > merged[-1][1]) & (marks <= low)).any()):
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    for low, high in merged:
        yield from reader.frames(low, high, all_frames=exact)


def _timed(frames: Iterator[Frame], watch: Stopwatch) -> Iterator[Frame]:
    while True:
        with watch.step("decode"):
            frame = next(frames, None)
        if frame is None:
            return
        yield frame


def refined(glances: Sequence[Glance], closer: Closer) -> list[Glance]:
    """The scan's glances with doubtful spans replaced by every frame in them, ascending."""
    merged = {one.pts: one for one in glances}
    for pts, one in closer.glances.items():
        merged[pts] = one
    return [merged[pts] for pts in sorted(merged)]
