"""Frames that a chunk stages for its scenes and for the whole video. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from lambdas.detect.context import ChunkContext
from lambdas.detect.shots.boundaries import Shots, middle_reach_s
from lambdas.detect.shots.features import FrameFeatures
from lambdas.dull_frames import TOO_DARK_LUMA, UNIFORM_CONTRAST, is_dull

_UNLIKE = 8.0
"""Mean difference of two layouts, grey levels, from which frames are not near-duplicates."""
_USUAL_CONTRAST = 0.6
_USUAL_SHARPNESS = 0.8
"""Shares of what its shot usually has that a frame staged for its own sake has at least."""
MIDDLE = 0.5
"""Share of a scene at which its frame is looked for."""
DISTANCE_COST = 0.3
"""What a frame loses of its worth at the greatest distance from the wanted moment."""
_ABOUT_AS_GOOD = 0.9
_NEARLY_AS_UNLIKE = 0.7
"""Share of the difference from all kept frames from which one that needs no decoding is taken for unlike them."""
_APART_S = 0.05
_CLEAR_S = 0.12
"""Seconds from the nearest cut or transition of a frame that is staged for its own sake."""


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


def fitness(frame: FrameFeatures) -> float:
    """How presentable a frame looks, 0 (black or uniform) to 1."""
    light = min(1.0, max(0.0, (frame.luma - TOO_DARK_LUMA) / 0.15)) * min(1.0, max(0.0, (0.98 - frame.luma) / 0.1))
    content = min(1.0, max(0.0, (frame.contrast - UNIFORM_CONTRAST) / 0.25))
    return light * content * (0.3 + 0.7 * frame.sharpness)


def looks_of(frame: FrameFeatures, steadiness: float) -> float:
    """How presentable a frame is at a moment of this steadiness, 0 to 1: fitness and calm."""
    return (0.05 + fitness(frame)) * (0.2 + 0.8 * steadiness)


def nearest_good(
    features: Sequence[FrameFeatures],
    shots: Shots,
    wanted_s: float,
    tolerance_s: float,
    at_hand: Collection[int] = (),
) -> FrameFeatures | None:
    """The most presentable frame near a moment, the nearer the better; the nearest one if none is within reach.

    One of those `at_hand`, by PTS, which need no decoding, is taken where it looks about as good.
    """
    if not features:
        return None
    within = [one for one in features if abs(one.t_s - wanted_s) <= tolerance_s]
    if not within:
        return min(features, key=lambda one: abs(one.t_s - wanted_s))
    # One that was decoded rather than one that should look the same.
    within = [one for one in within if not one.is_assumed] or within

    def looks(one: FrameFeatures) -> float:
        return looks_of(one, shots.steadiness(one.t_s))

    def worth(one: FrameFeatures) -> float:
        return looks(one) * (1 - DISTANCE_COST * abs(one.t_s - wanted_s) / max(tolerance_s, 1e-9))

    best = max(within, key=worth)
    near = max((one for one in within if one.pts in at_hand), key=worth, default=None)
    if near is None:
        return best
    # Where a transition is near, what is further from the wanted moment may be further into it.
    good = looks if shots.steadiness(near.t_s) > 0 else worth
    return near if good(near) >= _ABOUT_AS_GOOD * good(best) else best


def targets(
    features: Sequence[FrameFeatures],
    shots: Shots,
    context: ChunkContext,
    at_hand: Collection[int] = (),
) -> list[Target]:
    """Frames to stage for the chunk's provisional scenes and for the whole video, in time order.

    Evenly spaced moments are left out where the chunk alone has `min_scenes` scenes: nothing will fall back on them.
    """
    settings, chunk = context.settings, context.chunk
    if not features or not (settings.scenes or settings.representative):
        return []
    found: list[Target] = []

    def want(wanted_s: float, tolerance_s: float, kind: str, within: Sequence[FrameFeatures]) -> None:
        frame = nearest_good(within, shots, wanted_s, tolerance_s, at_hand)
        if frame is not None:
            found.append(Target(frame.pts, frame.t_s, wanted_s, tolerance_s, kind))

    begin, end = features[0].t_s, features[-1].t_s
    borders = [begin, *(float(cut) for cut in shots.cut_times if begin < cut <= end), math.nextafter(end, math.inf)]
    for number, (low, high) in enumerate(itertools.pairwise(borders)):
        within = [one for one in features if low <= one.t_s < high]
        open_before = number == 0 and chunk.index > 0
        open_after = number == len(borders) - 2 and not context.is_last
        length = high - low
        for share in scene_shares(open_before, open_after) if settings.scenes else ():
            reach_s = middle_reach_s(length) if share == MIDDLE else min(max(0.4, 0.05 * length), 0.25 * length)
            want(low + share * length, reach_s, "scene", within)
    seconds = context.source.seconds
    windows = [(seconds(low), seconds(high)) for low, high in chunk.representative_windows]
    part_s = min((high - low for low, high in windows), default=math.inf)
    if len(features) <= 2 * len(windows):
        # A video of hardly more frames than are wanted gives all it has.
        return [Target(one.pts, one.t_s, one.t_s, 0.0, "whole") for one in features]
    for pts in chunk.fallback_pts if len(borders) - 1 < settings.min_scenes else ():
        want(context.source.seconds(pts), min(0.5, 0.4 * part_s), "whole", features)
    for low, high in windows:
        want((low + high) / 2, min(4.0, 0.4 * (high - low)), "whole", features)
    kept = thin(found)
    kept += others(features, shots, kept, len(windows), at_hand)
    return sorted(kept, key=lambda target: target.pts)


def others(
    features: Sequence[FrameFeatures], shots: Shots, kept: Sequence[Target], windows: int, at_hand: Collection[int] = ()
) -> list[Target]:
    """Frames unlike all those kept, for targets that show nothing or the same as another; at most one per window.

    So a lively or bright moment of a still or black video has frames to choose from. Instead of one that shows nothing
    any other will do.
    """
    by_pts = {one.pts: one for one in features}
    staged = [by_pts[target.pts] for target in kept]
    seen = [one.layout.astype(np.float32) for one in staged if not is_dull(one.luma, one.contrast)]
    distinct = 0
    for place, layout in enumerate(seen):
        distinct += all(np.abs(layout - before).mean() >= _UNLIKE for before in seen[:place])
    spare = min(windows, len(kept) - distinct)
    bare = len(kept) - len(seen)
    able = _able(features, shots) if spare else []
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


def _able(features: Sequence[FrameFeatures], shots: Shots) -> list[FrameFeatures]:
    """Frames that can be shown: something to see, no change near, not on the way from or to black, not in a swing."""
    able = [
        one
        for one in features
        if not is_dull(one.luma, one.contrast) and not one.is_assumed and shots.cut_distance_s(one.t_s) > _CLEAR_S
    ]
    if not able:
        return []
    shot = np.searchsorted(shots.cut_times, [one.t_s for one in able], side="right")
    looks = np.array([(one.contrast, one.sharpness) for one in able])
    usual = {int(number): np.median(looks[shot == number], axis=0) for number in np.unique(shot)}
    shares = np.array([_USUAL_CONTRAST, _USUAL_SHARPNESS])
    good = [bool((look >= shares * usual[int(number)]).all()) for look, number in zip(looks, shot, strict=True)]
    return [one for one, fine in zip(able, good, strict=True) if fine]


def scene_shares(open_before: bool, open_after: bool) -> tuple[float, ...]:
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
