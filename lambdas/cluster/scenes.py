"""Where the scenes are, decided once over all chunks, and which staged frame shows each. Pure: no files."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scenedetect import ContentDetector, FrameTimecode

from lambdas.contracts import Detections, Settings, SourceFacts, StagedFrame

DIFFERENT_SIZE_SCORE = 255.0
"""Score across a border where the picture changes its shape: nothing to compare, so the largest there is."""
ADAPTIVE_WINDOW = 2
"""Frames before and after that AdaptiveDetector compares with (its `window_width`)."""
ADAPTIVE_MIN_CONTENT = 15.0
"""AdaptiveDetector's `min_content_val`."""
FLASH_S = 0.3
"""A brightening that is gone after so long is a flash, not a scene."""
FLASH_RISE = 0.08
"""Mean brightness by which a flash stands out from before and after."""
SAME_LUMA = 0.05
"""Mean brightness by which frames before and after a flash or dropout may differ."""
BLACK_LUMA = 0.04
"""Mean brightness below which a frame is black (PySceneDetect's ThresholdDetector takes 12 of 255)."""
DROPOUT_S = 0.1
"""Black for less than this, and the same brightness again, is a dropped picture, not a fade."""
MIDDLE_TOLERANCE_S = 0.5
MIDDLE_TOLERANCE_SHARE = 0.1
"""A scene's frame may be so far from its middle (the larger of the two) for the sake of a better picture."""
DULL_CONTRAST = 0.05
"""Below it a staged frame is next to uniform."""


@dataclass(frozen=True)
class SceneColumns:
    """What the whole video's compared frames (k) say, in order of time."""

    t_s: NDArray[np.float64]
    """(k,) seconds."""
    scores: NDArray[np.float64]
    """(k,) content value against the frame before, 0 for the video's first."""
    luma: NDArray[np.float64]
    """(k,) mean brightness, 0 to 1."""


def border_score(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> float:
    """PySceneDetect's content value (0 to 255) between two BGR frames of 256 wide; 0 where one is missing."""
    if not before.size or not after.size:
        return 0.0
    if before.shape != after.shape:
        return DIFFERENT_SIZE_SCORE
    detector = ContentDetector()
    moment = FrameTimecode(0, fps=1.0)
    detector._calculate_frame_score(moment, before)
    return float(detector._calculate_frame_score(moment, after))


def join_columns(chunks: Sequence[Detections], border_scores: Sequence[float], source: SourceFacts) -> SceneColumns:
    """The chunks' columns one after the other; `border_scores[i]` is the score of chunk i's first frame."""
    pts: list[NDArray[np.int64]] = []
    scores: list[NDArray[np.float64]] = []
    luma: list[NDArray[np.float64]] = []
    for chunk, first_score in zip(chunks, border_scores, strict=True):
        own = chunk.scene_scores.astype(np.float64)
        if len(own):
            own[0] = first_score
        pts.append(chunk.scene_pts)
        scores.append(own)
        luma.append(chunk.scene_luma.astype(np.float64))
    if not pts:
        nothing = np.zeros(0, np.float64)
        return SceneColumns(nothing, nothing, nothing)
    t_s = (np.concatenate(pts) - source.start_pts) * float(source.time_base)
    return SceneColumns(np.asarray(t_s, np.float64), np.concatenate(scores), np.concatenate(luma))


def find_cuts(columns: SceneColumns, settings: Settings) -> list[float]:
    """Seconds at which a new scene starts, ascending; empty for a single scene.

    Content or adaptive cuts as PySceneDetect finds them, without flashes, and with one cut in the middle of every
    black stretch instead of those at its ends.
    """
    if not len(columns.t_s):
        return []
    runs = _black_runs(columns)
    dropped = _flash_frames(columns)
    middles: list[float] = []
    for first, last in runs:
        # The frame after the run differs from black too; its score belongs to the fade.
        dropped[first : last + 2] = True
        if first > 0 and last + 1 < len(columns.t_s) and not _is_dropout(columns, first, last):
            middles.append(float(columns.t_s[first] + columns.t_s[last + 1]) / 2)
    scores = np.where(dropped, 0.0, columns.scores)
    if settings.scene_detector == "content":
        cuts = content_cuts(columns.t_s, scores, settings.scene_threshold, settings.min_scene_s)
    else:
        cuts = adaptive_cuts(columns.t_s, scores, settings.adaptive_ratio, settings.min_scene_s)
    fades: list[float] = []
    for middle in middles:
        if not fades or middle - fades[-1] >= settings.min_scene_s:
            fades.append(middle)
    kept = [cut for cut in cuts if all(abs(cut - fade) >= settings.min_scene_s for fade in fades)]
    return sorted(kept + fades)


def content_cuts(
    t_s: NDArray[np.float64], scores: NDArray[np.float64], threshold: float, min_scene_s: float
) -> list[float]:
    """The cuts ContentDetector gives with its FlashFilter in MERGE mode, from scores alone.

    The filter is followed event by event, because only frames at or above the threshold, and the first quiet frame
    after each, can change its state: one pass over 10 hours takes milliseconds.
    """
    above = np.flatnonzero(scores >= threshold)
    if min_scene_s <= 0:
        return [float(t) for t in t_s[above]]
    cuts: list[float] = []
    last_above = float(t_s[0])
    merge_enabled = False
    merge_start: float | None = None
    for event, frame in enumerate(above):
        t = float(t_s[frame])
        long_enough = t - last_above >= min_scene_s
        last_above = t
        if merge_start is None:
            if long_enough:
                merge_enabled = True
                cuts.append(t)
            elif merge_enabled:
                merge_start = t
        if merge_start is not None and last_above - merge_start >= min_scene_s:
            # Merging ends with the last quiet frame before the next event, if quiet has lasted long enough by then.
            following = int(above[event + 1]) if event + 1 < len(above) else len(t_s)
            if following - 1 > frame and t_s[following - 1] - last_above >= min_scene_s:
                cuts.append(last_above)
                merge_start = None
    return cuts


def adaptive_cuts(
    t_s: NDArray[np.float64], scores: NDArray[np.float64], ratio: float, min_scene_s: float
) -> list[float]:
    """The cuts AdaptiveDetector gives, from scores alone: score over the mean of its neighbours."""
    width = ADAPTIVE_WINDOW
    if len(scores) < 2 * width + 1:
        return []
    windows = np.lib.stride_tricks.sliding_window_view(scores, 2 * width + 1)
    target = windows[:, width]
    around = (windows.sum(axis=1) - target) / (2 * width)
    still = np.abs(around) < 1e-5
    ratios = np.where(still, 255.0, np.minimum(target / np.where(still, 1.0, around), 255.0))
    cuts: list[float] = []
    last = float(t_s[0])
    for frame in np.flatnonzero((ratios >= ratio) & (target >= ADAPTIVE_MIN_CONTENT)) + width:
        t = float(t_s[frame])
        if t - last >= min_scene_s:
            cuts.append(t)
            last = t
    return cuts


def _black_runs(columns: SceneColumns) -> list[tuple[int, int]]:
    """First and last frame (inclusive) of each black stretch."""
    black = np.r_[False, columns.luma < BLACK_LUMA, False]
    edges = np.flatnonzero(np.diff(black.astype(np.int8)))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _is_dropout(columns: SceneColumns, first: int, last: int) -> bool:
    gap_s = columns.t_s[last + 1] - columns.t_s[first]
    return bool(gap_s < DROPOUT_S and abs(columns.luma[last + 1] - columns.luma[first - 1]) < SAME_LUMA)


def _flash_frames(columns: SceneColumns) -> NDArray[np.bool_]:
    """(k,) frames whose change is a flash: up and, within FLASH_S, back to the brightness before."""
    flash = np.zeros(len(columns.t_s), bool)
    luma = columns.luma
    for up in np.flatnonzero(np.r_[False, np.diff(luma) > FLASH_RISE]):
        if flash[up]:
            continue
        before = luma[up - 1]
        end = int(np.searchsorted(columns.t_s, columns.t_s[up] + FLASH_S + 1e-6, side="right"))
        back = np.flatnonzero(np.abs(luma[up + 1 : end] - before) < SAME_LUMA)
        if len(back):
            flash[up : up + 2 + int(back[0])] = True
    return flash


@dataclass(frozen=True)
class Scene:
    """A half-open stretch [start_s, end_s) and the staged frame that shows it."""

    start_s: float
    end_s: float
    staged: int
    """Position in the list of staged frames."""


def choose_scenes(
    cuts: Sequence[float], duration_s: float, staged: Sequence[StagedFrame], min_scenes: int
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
    bounds = _with_frames([0.0, *(cut for cut in cuts if 0 < cut < duration_s), duration_s], t_s)
    if len(bounds) - 1 >= min_scenes:
        return _shown(bounds, staged, t_s), False
    for parts in range(min_scenes, len(bounds) - 1, -1):
        even = [duration_s * part / parts for part in range(parts)] + [duration_s]
        if _with_frames(even, t_s) == even:
            return _shown(even, staged, t_s), True
    return _shown(bounds, staged, t_s), False


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


def _shown(bounds: list[float], staged: Sequence[StagedFrame], t_s: NDArray[np.float64]) -> list[Scene]:
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
            return dull, away > tolerance, frame.in_transition, away, index

        scenes.append(Scene(start_s, end_s, min((int(i) for i in inside), key=rank)))
    return scenes
