"""The first pass over a chunk: a glance at every frame that decodes cheaply, a look for faces once per scan period."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import ScanTier, Settings, SourceFacts
from lambdas.detect.blends import Blends, sliver
from lambdas.detect.candidates import DOUBTFUL_SHARE
from lambdas.detect.frames import ChunkReader, Frame
from lambdas.detect.looks import Looker, Stopwatch, settle
from lambdas.detect.pictures import Picture, picture
from lambdas.detect.recent import Recent
from lambdas.detect.scenes import GLANCE_WIDTH, Glance, SceneScorer, Shots, glance, glance_height
from lambdas.detect.tracks import Sighting, Track, Tracker

_AFTER_CUT_S = 0.2
"""A new shot is looked at this long after its cut: encoders need a few frames to recover there, and shots shorter than
the scan period would be missed by the regular grid."""


_AT_HAND_BYTES = 192 * 2**20
"""Decoded frames kept until it is known which are wanted: 62 of 1080p, a minute of looks."""
_FEWEST_AT_HAND = 40
_UNSURE_CUTS = 2
"""So often a cut may lie in frames that were left out, which takes decoding its GOP once more; then none is left out."""
_TINY_S = 2.0
"""Of so short a video every frame may be wanted."""


@dataclass
class Scan:
    """What the first pass saw."""

    glances: list[Glance]
    """Every decoded frame, ascending."""
    keyframes: list[int]
    """PTS of the keyframes met, ascending."""
    faces: list[tuple[float, list[Sighting]]]
    """Seconds and sightings of each look that saw anybody, ascending."""
    shots: Shots
    blends: Blends
    skipped: bool
    """Whether frames were left out, so that a cut may stand a frame or two late."""
    corrupt: int
    at_hand: dict[int, Frame]
    """Frames looked at, still decoded, by PTS."""
    dense: list[tuple[float, list[Sighting]]]
    """Seconds and sightings of each close look, ascending."""
    pictures: dict[int, Picture]
    """Frames encoded on the way, by PTS."""
    first_frame: NDArray[np.uint8]
    """(h, GLANCE_WIDTH, 3) the chunk's first decoded frame; h is 0 if there is none."""
    last_frame: NDArray[np.uint8]


def scan(
    reader: ChunkReader, source: SourceFacts, settings: Settings, tier: ScanTier, looker: Looker, watch: Stopwatch
) -> Scan:
    """One pass over the whole chunk.

    Looks lie on a grid that the whole video shares, so that where chunks begin changes little.
    """
    height = glance_height(source.width, source.height)
    scorer = SceneScorer()
    glances: list[Glance] = []
    slivers: list[NDArray[np.uint8]] = []
    keyframes: list[int] = []
    faces: list[tuple[float, list[Sighting]]] = []
    ends: list[NDArray[np.uint8]] = []
    at_hand: dict[int, Frame] = {}
    most_at_hand = max(_FEWEST_AT_HAND, _AT_HAND_BYTES // (source.width * source.height * 3 // 2))
    pictures: dict[int, Picture] = {}
    recent = Recent(looker, source, settings, tier, watch)
    corrupt = unsure = 0
    next_grid: int | None = None
    extra_s = math.inf
    frames = reader.frames(all_frames=0 < source.duration_s <= _TINY_S)
    while True:
        with watch.step("decode"):
            frame = next(frames, None)
        if frame is None:
            break
        if frame.keyframe:
            keyframes.append(frame.pts)
        if frame.corrupt:
            corrupt += 1
            continue
        t_s = source.seconds(frame.pts)
        with watch.step("glance"):
            small = frame.bgr(GLANCE_WIDTH, height)
            value = scorer.score(small)
            glances.append(glance(frame.pts, t_s, small, value))
            slivers.append(sliver(small))
        if value >= settings.scene_threshold:
            recent.cut(t_s)
        if value >= DOUBTFUL_SHARE * settings.scene_threshold and len(glances) > 1:
            unsure += reader.any_between(glances[-2].pts, frame.pts)
            if unsure == _UNSURE_CUTS:
                reader.take_all()
        ends = [ends[0], small] if ends else [small, small]
        if next_grid is None:
            next_grid = math.ceil(t_s / tier.period_s - 1e-6)
            extra_s = t_s + _AFTER_CUT_S
        elif value >= settings.scene_threshold:
            extra_s = t_s + _AFTER_CUT_S
        seen: list[Sighting] | None = None
        on_grid = t_s >= next_grid * tier.period_s - 1e-6
        if on_grid or t_s >= extra_s:
            if on_grid:
                next_grid = math.floor(t_s / tier.period_s + 1e-6) + 1
            if t_s >= extra_s:
                extra_s = math.inf
            seen = looker.look(frame, dense=False)
            if seen:
                faces.append((t_s, seen))
            _keep(frame, source, at_hand, most_at_hand, pictures, watch)
        recent.add(frame, glances[-1], slivers[-1], seen)
    recent.cut()
    pictures.update(recent.pictures)
    shots = Shots(glances, settings)
    blends = Blends([one.t_s for one in glances], slivers)
    for t_s, met in faces:
        for sighting in met:
            settle(sighting, min(shots.steadiness(t_s), blends.clearness(t_s)))
    nothing = np.zeros((0, GLANCE_WIDTH, 3), np.uint8)
    first, last = ends if ends else (nothing, nothing)
    skipped = len(glances) + corrupt < (reader.frame_count or 0)
    dense = sorted(recent.sightings, key=lambda look: look[0])
    return Scan(glances, keyframes, faces, shots, blends, skipped, corrupt, at_hand, dense, pictures, first, last)


def _keep(
    frame: Frame,
    source: SourceFacts,
    at_hand: dict[int, Frame],
    most: int,
    pictures: dict[int, Picture],
    watch: Stopwatch,
) -> None:
    """Keeps the frame decoded; those for which there is no room are encoded, oldest first."""
    at_hand[frame.pts] = frame
    if len(at_hand) > most:
        oldest = at_hand.pop(next(iter(at_hand)))
        with watch.step("stage"):
            pictures[oldest.pts] = picture(oldest.pts, source.seconds(oldest.pts), oldest.bgr())


def track_faces(seen: Scan, tracker: Tracker) -> list[Track]:
    """The scan's sightings linked into tracks, none across a provisional cut."""
    cuts = list(seen.shots.cut_times)
    for t_s, sightings in seen.faces:
        while cuts and cuts[0] <= t_s:
            tracker.cut()
            cuts.pop(0)
        tracker.add(t_s, sightings)
    return tracker.finish()
