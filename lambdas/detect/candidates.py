"""Which moments of a chunk deserve a second look or a place among the staged frames. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lambdas.contracts import Chunk, ScanTier, Settings, SourceFacts
from lambdas.detect.provisional import best_first
from lambdas.detect.scenes import Glance, Shots, columns_of, middle_reach_s
from lambdas.detect.tracks import Sighting, Track
from lambdas.scoring import Score
from lambdas.shots import FAINT_SHARE, changes_of_layout, stands_out

STAGED_PER_MINUTE = 20
"""What a chunk stages at most, but for the one frame that every person and every scene needs."""
_BLACK_LUMA = 0.06
_WHITE_LUMA = 0.97
_FLAT_CONTRAST = 0.06
_UNLIKE = 8.0
"""Mean difference of two layouts, grey levels, from which frames are not near-duplicates."""
_USUAL_CONTRAST = 0.6
_USUAL_SHARPNESS = 0.8
"""Shares of what its shot usually has that a frame staged for its own sake has at least."""
_FURTHER_MOMENTS = 3
"""Frames of each person that a chunk stages beside the best: as many alternatives as are published by default."""
_MOMENT_S, _WORTH_SHOWING = 0.8, 0.6
"""Such a frame's least distance to the person's others, and its least share of the best one's score; what is nearer or
worse would not be published as an alternative."""
_ABOUT_AS_GOOD = 0.9
_NEARLY_AS_UNLIKE = 0.7
"""Share of the difference from all kept frames from which one that needs no decoding is taken for unlike them."""
_APART_S = 0.05
_CLEAR_S = 0.12
"""Seconds from the nearest cut or transition of a frame that is staged for its own sake."""
DOUBTFUL_SHARE = 0.6
"""Share of the threshold from which a change may be a cut."""
_DOUBTFUL_CHANGE = 0.15
"""Change of layout that may be a cut, if it is sudden."""


@dataclass(frozen=True, eq=False)
class Moment:
    """A sighting worth a dense look around it."""

    track: Track
    pts: int
    t_s: float
    low_s: float
    """The look's half-open span, within the shot."""
    high_s: float


def _moment(track: Track, sighting: Sighting, tier: ScanTier, shots: Shots) -> Moment:
    low, high = shots.span(sighting.t_s)
    low, high = max(low, sighting.t_s - tier.dense_radius_s), min(high, sighting.t_s + tier.dense_radius_s)
    return Moment(track, sighting.pts, sighting.t_s, low, high)


def looked_at(tracks: Sequence[Track], tier: ScanTier, shots: Shots) -> list[Moment]:
    """The sightings of the first pass around which close looks met the same face."""
    found = []
    for track in tracks:
        close = np.array([one.t_s for one in track.sightings if one.dense])
        for sighting in track.sightings:
            if not sighting.dense and (np.abs(close - sighting.t_s) < tier.dense_radius_s).any():
                found.append(_moment(track, sighting, tier, shots))
    return sorted(found, key=lambda moment: moment.t_s)


def further_moments(
    tracks: Sequence[Track],
    scores: Mapping[Sighting, Score],
    looked: Sequence[Moment],
    tier: ScanTier,
    shots: Shots,
    most: int,
) -> list[Moment]:
    """Up to `most` moments of one person that no look of `looked` covered, best first chosen, in time order.

    For somebody whose looks so far met closed eyes, blur or a hand each time.
    """
    spans = {track: [(one.low_s, one.high_s) for one in looked if one.track is track] for track in tracks}
    found: list[Moment] = []
    rest = [(sighting, track) for track in tracks for sighting in track.sightings if not sighting.dense]
    for sighting, track in sorted(rest, key=lambda one: -scores[one[0]].number):
        if len(found) >= most:
            break
        if any(low <= sighting.t_s < high for low, high in spans[track]):
            continue
        moment = _moment(track, sighting, tier, shots)
        spans[track].append((moment.low_s, moment.high_s))
        found.append(moment)
    return sorted(found, key=lambda moment: moment.t_s)


@dataclass(frozen=True)
class Target:
    """A frame wanted for a scene or for the whole video."""

    pts: int
    t_s: float
    wanted_s: float
    tolerance_s: float
    """How far from `wanted_s` another staged frame may lie and serve as well."""
    kind: str
    """`scene` or `whole`."""


def fitness(glance: Glance) -> float:
    """How presentable a frame looks at a glance, 0 (black or uniform) to 1."""
    light = min(1.0, max(0.0, (glance.luma - _BLACK_LUMA) / 0.15)) * min(1.0, max(0.0, (0.98 - glance.luma) / 0.1))
    content = min(1.0, max(0.0, (glance.contrast - _FLAT_CONTRAST) / 0.25))
    return light * content * (0.3 + 0.7 * glance.sharpness)


def nearest_good(
    glances: Sequence[Glance],
    shots: Shots,
    wanted_s: float,
    tolerance_s: float,
    at_hand: Collection[int] = (),
) -> Glance | None:
    """The most presentable frame near a moment, the nearer the better; the nearest one if none is within reach.

    One of those `at_hand`, by PTS, which need no decoding, is taken where it looks about as good.
    """
    if not glances:
        return None
    within = [one for one in glances if abs(one.t_s - wanted_s) <= tolerance_s]
    if not within:
        return min(glances, key=lambda one: abs(one.t_s - wanted_s))
    # One that was decoded rather than one that should look the same.
    within = [one for one in within if not one.is_likely] or within

    def looks(one: Glance) -> float:
        return (0.05 + fitness(one)) * (0.2 + 0.8 * shots.steadiness(one.t_s))

    def worth(one: Glance) -> float:
        return looks(one) * (1 - 0.3 * abs(one.t_s - wanted_s) / max(tolerance_s, 1e-9))

    best = max(within, key=worth)
    near = max((one for one in within if one.pts in at_hand), key=worth, default=None)
    return near if near is not None and looks(near) >= _ABOUT_AS_GOOD * looks(best) else best


def targets(
    glances: Sequence[Glance],
    shots: Shots,
    source: SourceFacts,
    chunk: Chunk,
    last: bool,
    settings: Settings,
    at_hand: Collection[int] = (),
) -> list[Target]:
    """Frames to stage for the chunk's provisional scenes and for the whole video, in time order.

    Evenly spaced moments are left out where the chunk alone has `min_scenes` scenes: nothing will fall back on them.
    """
    if not glances or not (settings.scenes or settings.representative):
        return []
    found: list[Target] = []

    def want(wanted_s: float, tolerance_s: float, kind: str, within: Sequence[Glance]) -> None:
        glance = nearest_good(within, shots, wanted_s, tolerance_s, at_hand)
        if glance is not None:
            found.append(Target(glance.pts, glance.t_s, wanted_s, tolerance_s, kind))

    begin, end = glances[0].t_s, glances[-1].t_s
    borders = [begin, *(float(cut) for cut in shots.cut_times if begin < cut <= end), math.nextafter(end, math.inf)]
    for number, (low, high) in enumerate(itertools.pairwise(borders)):
        within = [one for one in glances if low <= one.t_s < high]
        open_before = number == 0 and chunk.index > 0
        open_after = number == len(borders) - 2 and not last
        length = high - low
        for share in _scene_shares(open_before, open_after) if settings.scenes else ():
            reach_s = middle_reach_s(length) if share == 0.5 else min(max(0.4, 0.05 * length), 0.25 * length)
            want(low + share * length, reach_s, "scene", within)
    windows = [(source.seconds(low), source.seconds(high)) for low, high in chunk.representative_windows]
    part_s = min((high - low for low, high in windows), default=math.inf)
    if len(glances) <= 2 * len(windows):
        # A video of hardly more frames than are wanted gives all it has.
        return [Target(one.pts, one.t_s, one.t_s, 0.0, "whole") for one in glances]
    for pts in chunk.fallback_pts if len(borders) - 1 < settings.min_scenes else ():
        want(source.seconds(pts), min(0.5, 0.4 * part_s), "whole", glances)
    for low, high in windows:
        want((low + high) / 2, min(4.0, 0.4 * (high - low)), "whole", glances)
    kept = thin(found)
    kept += others(glances, shots, kept, len(windows), at_hand)
    return sorted(kept, key=lambda target: target.pts)


def others(
    glances: Sequence[Glance], shots: Shots, kept: Sequence[Target], windows: int, at_hand: Collection[int] = ()
) -> list[Target]:
    """Frames unlike all those kept, for targets that show nothing or the same as another; at most one per window.

    So a lively or bright moment of a still or black video has frames to choose from. Instead of one that shows nothing
    any other will do.
    """
    by_pts = {one.pts: one for one in glances}
    seen = [by_pts[target.pts].layout.astype(np.float32) for target in kept if _presentable(by_pts[target.pts])]
    distinct = 0
    for place, layout in enumerate(seen):
        distinct += all(np.abs(layout - before).mean() >= _UNLIKE for before in seen[:place])
    spare = min(windows, len(kept) - distinct)
    bare = len(kept) - len(seen)
    able = _able(glances, shots) if spare else []
    if not able:
        return []
    layouts = np.array([one.layout for one in able], np.float32)
    times = np.array([one.t_s for one in able])
    # Frames that need no decoding are preferred where they are nearly as unlike.
    share = np.array([(0.5 + fitness(one)) * (1.0 if one.pts in at_hand else _NEARLY_AS_UNLIKE) for one in able])
    away = np.full(len(able), 255.0)
    for layout in seen:
        away = np.minimum(away, np.abs(layouts - layout).mean(axis=(1, 2, 3)))
    found: list[Target] = []
    for number in range(spare):
        # Among frames as unlike as can be, the sharper; a frame next to one found adds nothing but its noise.
        best = int(np.argmax(away * share))
        if away[best] < (_UNLIKE if number >= bare else 1e-6):
            break
        found.append(Target(able[best].pts, able[best].t_s, able[best].t_s, 0.0, "whole"))
        away = np.minimum(away, np.abs(layouts - layouts[best]).mean(axis=(1, 2, 3)))
        away[np.abs(times - times[best]) < _APART_S] = 0.0
    return found


def _able(glances: Sequence[Glance], shots: Shots) -> list[Glance]:
    """Frames that can be shown: something to see, no change near, not on the way from or to black, not in a swing."""
    able = [
        one for one in glances if _presentable(one) and not one.is_likely and shots.cut_distance_s(one.t_s) > _CLEAR_S
    ]
    if not able:
        return []
    shot = np.searchsorted(shots.cut_times, [one.t_s for one in able], side="right")
    looks = np.array([(one.contrast, one.sharpness) for one in able])
    usual = {int(number): np.median(looks[shot == number], axis=0) for number in np.unique(shot)}
    shares = np.array([_USUAL_CONTRAST, _USUAL_SHARPNESS])
    good = [bool((look >= shares * usual[int(number)]).all()) for look, number in zip(looks, shot, strict=True)]
    return [one for one, fine in zip(able, good, strict=True) if fine]


def _presentable(one: Glance) -> bool:
    return _BLACK_LUMA < one.luma < _WHITE_LUMA and one.contrast > _FLAT_CONTRAST


def _scene_shares(open_before: bool, open_after: bool) -> tuple[float, ...]:
    """Where in a provisional scene its final middle may lie.

    A scene that goes on beyond the chunk's border has its middle in this chunk only if most of it lies here, then
    between the border and the part's own middle; frames a fifth of the part apart are within a tenth of any of these.
    """
    if open_before and open_after:
        return (0.1, 0.3, 0.5, 0.7, 0.9)
    if open_before:
        return (0.1, 0.3, 0.5)
    if open_after:
        return (0.5, 0.7, 0.9)
    return (0.5,)


def thin(found: Sequence[Target]) -> list[Target]:
    """Leaves out a target that another one's frame serves as well; scenes' targets first."""
    kept: list[Target] = []
    for target in sorted(found, key=lambda one: (one.kind != "scene", one.pts)):
        if not any(abs(other.t_s - target.wanted_s) <= 0.5 * target.tolerance_s for other in kept):
            kept.append(target)
    return kept


def doubtful_spans(glances: Sequence[Glance], threshold: float, skipped: bool) -> list[tuple[int, int]]:
    """Pairs of neighbouring decoded frames between which a cut may lie, to be decoded fully: (before, after) PTS.

    Where frames between them were `skipped`, the score of a cut stands one or two frames late; nothing is doubtful
    otherwise. Motion that goes on, as of an unsteady camera, is no reason to decode everything twice.
    """
    if not skipped or len(glances) < 2:
        return []
    columns = columns_of(glances)
    change = changes_of_layout(columns.layout.reshape(len(glances), -1, 3))
    sudden = stands_out(columns.t_s, change, times=0.9, mean=1.3)
    doubtful = (change >= _DOUBTFUL_CHANGE) & (columns.scores >= FAINT_SHARE * threshold) & sudden
    doubtful |= columns.scores >= DOUBTFUL_SHARE * threshold
    return [(glances[at - 1].pts, glances[at].pts) for at in np.flatnonzero(doubtful).tolist() if at > 0]


def choose_staged(
    people: Sequence[Sequence[Track]],
    scores: Mapping[Sighting, Score],
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
    chosen: list[Sighting] = []

    def number(sighting: Sighting) -> float:
        return scores[sighting].number

    def differs(sighting: Sighting) -> bool:
        return all(abs(sighting.t_s - other.t_s) >= 1.0 for other in chosen)

    def usable(*tracks: Track) -> list[Sighting]:
        return [sighting for track in tracks for sighting in track.sightings if sighting.pts in available]

    best = [max(ones, key=number) for tracks in people if (ones := usable(*tracks))]
    chosen += best_first(best, scores)[: 3 * limit]
    times = [sighting.t_s for sighting in chosen]
    kept = {sighting.pts for sighting in chosen}
    for target in targets:
        if len(kept) >= 3 * limit:
            break
        if target.pts in available and not any(abs(t_s - target.wanted_s) <= 0.6 * target.tolerance_s for t_s in times):
            kept.add(target.pts)
            times.append(target.t_s)

    def add(sightings: Sequence[Sighting], most: int) -> None:
        for sighting in best_first(sightings, scores):
            if len(kept) >= most:
                return
            if sighting.pts not in kept and differs(sighting):
                chosen.append(sighting)
                kept.add(sighting.pts)

    for _ in range(_FURTHER_MOMENTS):
        for tracks in people:
            mine = usable(*tracks)
            shown = [sighting.t_s for sighting in mine if sighting.pts in kept]
            met = {
                sighting.pts
                for track in tracks
                if any(one.pts in kept for one in track.sightings)
                for sighting in track.sightings
            }
            worth = _WORTH_SHOWING * max(map(number, mine), default=0.0)
            others = [
                sighting
                for sighting in mine
                if number(sighting) >= worth and all(abs(sighting.t_s - t_s) >= _MOMENT_S for t_s in shown)
            ]
            if others and len(kept) < 3 * limit:
                # Another presence of the person before another moment of the same.
                chosen.append(max(others, key=lambda one: (one.pts not in met, number(one))))
                kept.add(chosen[-1].pts)
    add([max(ones, key=number) for tracks in people for track in tracks if (ones := usable(track))], limit)
    add([sighting for tracks in people for sighting in usable(*tracks)], limit)
    return sorted(kept)
