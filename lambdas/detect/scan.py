"""The first pass over a chunk: a glance at every frame that decodes cheaply, a look for faces once per scan period."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import OPEN_END, Distances, ScanTier, Settings, SourceFacts
from lambdas.detect.blends import Blends, sliver
from lambdas.detect.candidates import DOUBTFUL_SHARE
from lambdas.detect.frames import ChunkReader, Frame
from lambdas.detect.held import Held
from lambdas.detect.looks import Looker, Stopwatch
from lambdas.detect.pictures import Picture
from lambdas.detect.quiet import Quiet, Verdict
from lambdas.detect.recent import Recent
from lambdas.detect.scenes import GLANCE_WIDTH, Glance, SceneScorer, Shots, fair_value, glance, glance_height
from lambdas.detect.schedule import Schedule
from lambdas.detect.tracks import Sighting, Track, Tracker, goes_on
from lambdas.shots import layout_change

_DIMMED = 8.0
"""Change of the mean grey level (0 to 255) from which a fade may have begun in a stretch passed over."""
_UNSURE_CUTS = 2
"""So often a cut may lie in frames that were left out, which takes decoding its GOP once more; then all are taken."""
_MOVING_SHARE = 0.25
"""Share of the threshold from which frames that were not given are looked into."""
MOST_STANDING = 600
"""Of one frame: a time-lapse holds frames that stand for hours."""
SMEARED_S = 5.0
"""What follows a damaged frame is smeared up to the next keyframe, but for at most so long: encoders refresh pictures
bit by bit as well."""
_ANOTHER_SHOT = 0.6
"""Change of layout from before damage to after it from which a cut was between: what moves gathers to less."""
_TINY_S = 2.0
"""Of so short a video every frame may be wanted."""


@dataclass(frozen=True)
class Stay:
    """A moment at which nobody looked, because nothing had changed since a look."""

    seen_s: float
    """Seconds of the look."""
    t_s: float
    pts: int


@dataclass(frozen=True)
class _Passed:
    """What was before a stretch was passed over."""

    stays: int
    t_s: float
    verdict: Verdict


@dataclass
class Scan:
    """What the first pass saw."""

    glances: list[Glance]
    """Every decoded frame, ascending."""
    keyframes: list[int]
    """PTS of the keyframes met, ascending."""
    faces: list[tuple[float, list[Sighting]]]
    """Seconds and sightings of each look that saw anybody, ascending."""
    stays: list[Stay]
    """Moments of the grid in stretches passed over, ascending."""
    exact: set[int]
    """Frames after a stretch passed over that begin a shot for sure."""
    shots: Shots
    blends: Blends
    skipped: bool
    """Whether frames were left out, so that a cut may stand a frame or two late."""
    corrupt: int
    at_hand: dict[int, Frame]
    """Frames that may be wanted, still decoded, by PTS."""
    dense: list[tuple[float, list[Sighting]]]
    """Seconds and sightings of each close look, ascending."""
    pictures: dict[int, Picture]
    """Frames encoded on the way, by PTS."""
    first_frame: NDArray[np.uint8]
    """(h, GLANCE_WIDTH, 3) the chunk's first decoded frame; h is 0 if there is none."""
    last_frame: NDArray[np.uint8]

    def steadiness(self, t_s: float) -> float:
        """How steady a moment is: 1 where little moves, 0 at a cut and within a cross-fade."""
        return min(self.shots.steadiness(t_s), self.blends.clearness(t_s))

    def likely_glances(self) -> list[Glance]:
        """The glances, and for moments passed over what they most likely look like, ascending."""
        times = [one.t_s for one in self.glances]
        likely = []
        for stay in self.stays:
            before = self.glances[max(0, bisect.bisect_right(times, stay.t_s) - 1)]
            likely.append(dataclasses.replace(before, pts=stay.pts, t_s=stay.t_s, score=0.0, is_likely=True))
        return sorted([*self.glances, *likely], key=lambda one: one.pts)


class Damage:
    """Which frames refer to damaged ones, however often the pass goes back."""

    def __init__(self) -> None:
        self._met_s: list[float] = []
        self._mended_s: list[float] = []

    def met(self, t_s: float) -> None:
        """A frame here is damaged."""
        self._met_s.append(t_s)

    def mended(self, t_s: float) -> None:
        """A keyframe here is whole."""
        if self._met_s:
            self._mended_s.append(t_s)

    def smears(self, t_s: float) -> bool:
        """Whether a frame here may show what damage has left."""
        latest_s = max((at for at in self._met_s if at <= t_s), default=-math.inf)
        mended = any(latest_s < at <= t_s for at in self._mended_s)
        return t_s < latest_s + SMEARED_S and not mended


def _is_another(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> bool:
    """Whether two layouts are those of different shots, though time has passed between them."""
    return bool(layout_change(before.reshape(1, -1, 3), after.reshape(1, -1, 3))[0] >= _ANOTHER_SHOT)


def scan(
    reader: ChunkReader,
    source: SourceFacts,
    settings: Settings,
    tier: ScanTier,
    distances: Distances,
    looker: Looker,
    watch: Stopwatch,
) -> Scan:
    """One pass over the whole chunk, looking when `Schedule` says and passing over what `Quiet` allows."""
    height = glance_height(source.width, source.height)
    scorer = SceneScorer()
    glances: list[Glance] = []
    slivers: list[NDArray[np.uint8]] = []
    keyframes: list[int] = []
    faces: list[tuple[float, list[Sighting]]] = []
    ends: list[NDArray[np.uint8]] = []
    held = Held(source, settings, watch)
    recent = Recent(looker, source, settings, tier, watch)
    corrupt = unsure = 0

    def same_face(before: Sighting, now: Sighting) -> bool:
        return goes_on(before, now, looker.embed, distances)

    quiet = Quiet(reader, source, settings, same_face)
    schedule = Schedule(tier.period_s, quiet, source, may_wait=not settings.thorough)
    stays: list[Stay] = []
    exact: set[int] = set()
    passed: _Passed | None = None
    wary_until = -OPEN_END
    damage = Damage()
    frames = reader.frames(all_frames=0 < source.duration_s <= _TINY_S, exact_cuts=settings.scenes)
    waiting: list[Frame] = []
    while True:
        with watch.step("decode"):
            frame = waiting.pop(0) if waiting else next(frames, None)
        if frame is None:
            break
        # Damage makes decoders give frames late; nobody misses one that is no later than what was seen.
        if frame.corrupt or (glances and frame.pts <= glances[-1].pts):
            if frame.keyframe:
                keyframes.append(frame.pts)
            corrupt += 1
            damage.met(source.seconds(frame.pts))
            continue
        t_s = source.seconds(frame.pts)
        if frame.keyframe:
            damage.mended(t_s)
        smeared = damage.smears(t_s) and bool(glances)
        with watch.step("glance"):
            small = frame.bgr(GLANCE_WIDTH, height)
            value = scorer.score(small)
        if frame.between and value >= _MOVING_SHARE * settings.scene_threshold and ends:
            # Something changed since the frame before: those in between tell where, or that it was little by little.
            scorer = SceneScorer()
            scorer.score(ends[1])
            waiting = [*frame.between, frame]
            frame.between = ()
            continue
        frame.between = ()
        if passed is None and glances and schedule.looked_s == glances[-1].t_s:
            stays += standing(schedule.looked_s, t_s, tier.period_s, source)
        if frame.keyframe:
            quiet.key(frame.pts)
        fair = value
        if ends and (passed is not None or _MOVING_SHARE <= value / settings.scene_threshold < 1):
            fair = fair_value(value, ends[1], small, settings.scene_threshold)
        cut = fair >= settings.scene_threshold and not smeared
        resumed = passed is not None
        verdict: Verdict | None = None
        seen: list[Sighting] | None = None
        if passed is not None:
            resumption = quiet.resume(
                frame,
                t_s,
                small,
                fair,
                passed.verdict,
                t_s - passed.t_s,
                partial(looker.look, frame, dense=False),
                dimmed=abs(float(small.mean()) - float(ends[1].mean())) >= _DIMMED,
                may_go_unseen=schedule.may_go_unseen(t_s),
            )
            cut = resumption.shows == "cut"
            verdict, seen = resumption.verdict, resumption.seen
            if resumption.shows == "change":
                wary_until = frame.pts
                if resumption.look_often:
                    schedule.look_often(frame.pts)
                quiet.was_wrong()
                schedule.go_back(passed.t_s)
                del stays[passed.stays :]
                scorer = SceneScorer()
                scorer.score(ends[1])
                reader.go_back(glances[-1].pts)
                passed = None
                continue
            if cut:
                exact.add(frame.pts)
                value = max(value, settings.scene_threshold)
            else:
                # What gathered in so long a time is no change from one frame to the next.
                value = 0.0
            passed = None
        if frame.keyframe:
            keyframes.append(frame.pts)
        with watch.step("glance"):
            latest = glance(frame.pts, t_s, small, value, settings.scene_detector)
            if smeared:
                # Damage makes no scenes: what it smears counts as the last picture without.
                before = glances[-1]
                latest = dataclasses.replace(latest, score=0.0, layout=before.layout, feature=before.feature)
            elif glances and damage.smears(glances[-1].t_s) and not _is_another(glances[-1].layout, latest.layout):
                latest = dataclasses.replace(latest, score=0.0)
            glances.append(latest)
            slivers.append(slivers[-1] if smeared else sliver(small))
        if cut:
            recent.cut(t_s)
            held.cut(t_s)
            quiet.cut(t_s, small)
        sudden = value >= DOUBTFUL_SHARE * settings.scene_threshold and len(glances) > 1 and frame.pts not in exact
        if sudden and settings.scenes:
            unsure += reader.any_between(glances[-2].pts, frame.pts)
            if unsure == _UNSURE_CUTS:
                reader.take_all()
        ends = [ends[0], small] if ends else [small, small]
        if schedule.begin(t_s):
            quiet.cut(t_s, small)
        elif cut:
            schedule.cut(t_s)
        is_due = schedule.is_due(frame, t_s, cut=cut, resumed=resumed)
        if verdict is None and is_due:
            schedule.looked(t_s)
            if seen is None:
                seen = looker.look(frame, dense=False)
            if seen:
                faces.append((t_s, seen))
        recent.add(frame, glances[-1], slivers[-1], seen)
        held.add(frame, t_s, wanted=seen is not None or verdict is not None)
        if verdict is None:
            if seen is None or schedule.awaits_shot or frame.pts < wary_until:
                continue
            with watch.step("decode"):
                verdict = quiet.after_look(frame, t_s, small, seen)
        if verdict.again_s is not None:
            schedule.look_again(t_s, verdict.again_s)
        outlook = verdict.passed_over
        if outlook is None or outlook.next_key_pts is None:
            continue
        passed = _Passed(len(stays), t_s, verdict)
        reader.pass_over(frame.pts)
        until_s = source.seconds(outlook.next_key_pts)
        recent.stay(schedule.looked_s, until_s)
        ahead = outlook.times[outlook.times >= frame.pts]
        for due_s in schedule.passed_over(until_s):
            pts = int(ahead[np.abs(ahead - source.pts(due_s)).argmin()])
            stays.append(Stay(schedule.looked_s, source.seconds(pts), pts))
    if glances and schedule.looked_s == glances[-1].t_s:
        # The last one's length is mostly filled in: it stands as long as the others do, or as long as it says.
        gaps = sorted(later.t_s - one.t_s for one, later in itertools.pairwise(glances))
        usual_s = gaps[len(gaps) // 2] if gaps else 0.0
        shown_s = source.seconds(reader.end_pts) - glances[-1].t_s if reader.end_pts is not None else 0.0
        stays += standing(glances[-1].t_s, glances[-1].t_s + max(usual_s, shown_s), tier.period_s, source)
    recent.cut()
    shots = Shots(glances, settings)
    blends = Blends([one.t_s for one in glances], slivers)
    steady = [
        (t_s, [face.with_steadiness(min(shots.steadiness(t_s), blends.clearness(t_s))) for face in met])
        for t_s, met in faces
    ]
    nothing = np.zeros((0, GLANCE_WIDTH, 3), np.uint8)
    first, last = ends if ends else (nothing, nothing)
    skipped = len(glances) + corrupt < (reader.frame_count or 0)
    dense = sorted(recent.sightings, key=lambda look: look[0])
    return Scan(
        glances,
        keyframes,
        steady,
        stays,
        exact,
        shots,
        blends,
        skipped,
        corrupt,
        held.frames,
        dense,
        held.pictures | recent.pictures,
        first,
        last,
    )


def standing(looked_s: float, until_s: float, period_s: float, source: SourceFacts) -> list[Stay]:
    """The moments at which a frame that was looked at still stands, a scan period apart: slides are one frame each."""
    count = min(math.ceil((until_s - looked_s) / period_s - 1e-3) - 1, MOST_STANDING)
    times = [looked_s + period_s * number for number in range(1, count + 1)]
    return [Stay(looked_s, t_s, source.pts(t_s)) for t_s in times]


def track_faces(seen: Scan, tracker: Tracker) -> list[Track]:
    """The scan's sightings linked into tracks, none across a provisional cut."""
    cuts = list(seen.shots.cut_times)
    events: list[tuple[float, list[Sighting] | Stay]] = [*seen.faces]
    events += [(stay.t_s, stay) for stay in seen.stays]
    for t_s, event in sorted(events, key=lambda one: one[0]):
        while cuts and cuts[0] <= t_s:
            tracker.cut()
            cuts.pop(0)
        if isinstance(event, Stay):
            tracker.stay(event.seen_s, event.t_s, event.pts)
        else:
            tracker.add(t_s, event)
    return tracker.finish()


def with_stays(track: Track) -> list[Sighting]:
    """The track's sightings and, for moments passed over, the one before as it most likely still is, ascending."""
    found = list(track.sightings)
    known = {sighting.pts for sighting in found}
    times = [sighting.t_s for sighting in found]
    for t_s, pts in track.stays:
        if pts not in known:
            last = track.sightings[max(0, bisect.bisect_right(times, t_s) - 1)]
            found.append(dataclasses.replace(last, pts=pts, t_s=t_s, dense=False, embedding=None))
    return sorted(found, key=lambda sighting: sighting.pts)
