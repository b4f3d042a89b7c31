"""Where the scenes are, decided once over all chunks, and which staged frame shows each. Pure: no files."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Detections, Settings, SourceFacts, StagedFrame
from lambdas.shots.change import Change
from lambdas.shots.columns import LAYOUT_CELLS, SceneColumns
from lambdas.shots.fades import BLACK_LUMA
from lambdas.shots.scene_changes import find_changes

DIFFERENT_SIZE_SCORE = 255.0
"""Score across a border where the picture changes its shape: nothing to compare, so the largest there is."""
TRANSITION_S = 0.12
"""So near to a scene change a frame is in transition: encoders need a few frames to recover."""
MIDDLE_TOLERANCE_S = 0.5
MIDDLE_TOLERANCE_SHARE = 0.1
"""A scene's frame may be so far from its middle (the larger of the two) for the sake of a better picture."""
DULL_CONTRAST = 0.05
"""Below it a staged frame is next to uniform."""


def border_score(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """PySceneDetect's content value (0 to 255) between two BGR frames of 256 wide; 0 where one is missing."""
    if not before.size or not after.size:
        return 0.0
    if before.shape != after.shape:
        return DIFFERENT_SIZE_SCORE
    one, two = (np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2HSV), np.uint8) for picture in (before, after))
    return float(cv2.norm(one, two, cv2.NORM_L1)) / one.size


def join_columns(chunks: Sequence[Detections], border_scores: Sequence[float], source: SourceFacts) -> SceneColumns:
    """The chunks' columns one after the other; `border_scores[i]` is the score of chunk i's first frame."""
    pts: list[NDArray[np.int64]] = []
    scores: list[NDArray[np.float64]] = []
    luma: list[NDArray[np.float64]] = []
    layout: list[NDArray[np.uint8]] = []
    features: list[NDArray[np.float32]] = []
    for chunk, first_score in zip(chunks, border_scores, strict=True):
        own = chunk.scene_scores.astype(np.float64)
        if len(own):
            own[0] = first_score
        pts.append(chunk.scene_pts)
        scores.append(own)
        luma.append(chunk.scene_luma.astype(np.float64))
        layout.append(chunk.scene_layout)
        if len(own):
            features.append(chunk.scene_features)
    if not pts:
        nothing = np.zeros(0, np.float64)
        return SceneColumns(nothing, nothing, nothing, np.zeros((0, LAYOUT_CELLS, LAYOUT_CELLS, 3), np.uint8))
    t_s = (np.concatenate(pts) - source.start_pts) * float(source.time_base)
    return SceneColumns(
        np.asarray(t_s, np.float64),
        np.concatenate(scores),
        np.concatenate(luma),
        np.concatenate(layout),
        np.concatenate(features) if features else np.zeros((0, 0), np.float32),
    )


def find_cuts(columns: SceneColumns, settings: Settings) -> list[float]:
    """Seconds at which a new scene begins, ascending; a transition's middle."""
    return [change.at_s for change in find_changes(columns, settings)]


@dataclass(frozen=True)
class Scene:
    """A half-open stretch [start_s, end_s) and the staged frame that shows it."""

    start_s: float
    end_s: float
    staged: int
    """Position in the list of staged frames."""


def in_transition(staged: Sequence[StagedFrame], changes: Sequence[Change]) -> NDArray[np.bool_]:
    """(n,) staged frames within or next to a scene change, by what their worker saw or by the final changes."""
    t_s = np.array([frame.t_s for frame in staged], np.float64)
    found = np.array([frame.in_transition for frame in staged], bool)
    for change in changes:
        low, high = np.searchsorted(t_s, (change.start_s - TRANSITION_S, change.end_s + TRANSITION_S))
        found[low:high] = True
    return found


def choose_scenes(
    changes: Sequence[Change], duration_s: float, staged: Sequence[StagedFrame], min_scenes: int
) -> tuple[list[Scene], bool]:
    """Scenes that partition [0, duration_s), each with a staged frame of its own, and whether they are even parts.

    A scene in which no frame was staged is joined to the one before it (the first to the one after), since a frame of
    another scene would be a lie. With fewer than `min_scenes` the video is cut in that many equal parts, or, where
    frames are too few, in the most that all have a staged frame of their own (no frame stands twice); if that is no
    more than the scenes found, those stay.
    """
    if not staged or duration_s <= 0:
        return [], False
    t_s = np.array([frame.t_s for frame in staged])
    mixed = in_transition(staged, changes)
    bounds = _with_frames([0.0, *(one.at_s for one in changes if 0 < one.at_s < duration_s), duration_s], t_s)
    if len(bounds) - 1 >= min_scenes:
        return _shown(bounds, staged, t_s, mixed), False
    for parts in range(min_scenes, len(bounds) - 1, -1):
        even = [duration_s * part / parts for part in range(parts)] + [duration_s]
        if _with_frames(even, t_s) == even:
            return _shown(even, staged, t_s, mixed), True
    return _shown(bounds, staged, t_s, mixed), False


def _with_frames(bounds: list[float], t_s: NDArray[np.float64]) -> list[float]:
    """The bounds without those that would leave a stretch without a frame."""
    kept = [bounds[0]]
    for end in bounds[1:]:
        if _inside(t_s, kept[-1], end, last=end == bounds[-1]).any():
            kept.append(end)
        elif len(kept) > 1:
            kept[-1] = end
    return kept if len(kept) > 1 else [bounds[0], bounds[-1]]


def _inside(t_s: NDArray[np.float64], start_s: float, end_s: float, *, last: bool) -> NDArray[np.bool_]:
    # A container's rounding can put the last frame a hair behind the end.
    return (t_s >= start_s) & ((t_s < end_s) | last)


def _shown(
    bounds: list[float], staged: Sequence[StagedFrame], t_s: NDArray[np.float64], mixed: NDArray[np.bool_]
) -> list[Scene]:
    scenes: list[Scene] = []
    for start_s, end_s in itertools.pairwise(bounds):
        inside = np.flatnonzero(_inside(t_s, start_s, end_s, last=end_s == bounds[-1]))
        middle = (start_s + end_s) / 2
        tolerance = max(MIDDLE_TOLERANCE_S, MIDDLE_TOLERANCE_SHARE * (end_s - start_s))

        def rank(
            index: int, middle: float = middle, tolerance: float = tolerance
        ) -> tuple[bool, bool, bool, float, int]:
            frame = staged[index]
            dull = frame.luma < BLACK_LUMA or frame.contrast < DULL_CONTRAST
            away = abs(frame.t_s - middle)
            return dull, away > tolerance, bool(mixed[index]), away, index

        scenes.append(Scene(start_s, end_s, min((int(i) for i in inside), key=rank)))
    return scenes
