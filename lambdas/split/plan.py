"""Where a video is cut into chunks, and which moments of it each chunk answers for. Pure: no files, no video.

All times are PTS in the source's time base, all spans half-open.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from lambdas.contracts import OPEN_END, Chunk, Settings

MOST_PIECES_OF_GOP = 8
"""A chunk inside a GOP decodes all of the GOP before it, so m pieces cost (m + 1) / 2 times the GOP."""


class Border(NamedTuple):
    """Where a chunk starts."""

    pts: int
    decode_from_pts: int
    """The keyframe at or before `pts`."""


def whole_ticks(chunk_s: float, time_base: Fraction) -> int:
    """A chunk's length in ticks of `time_base` seconds, one at least: a tick may be longer than a chunk."""
    return max(1, round(chunk_s / time_base))


def choose_borders(keyframes: Sequence[int], first_pts: int, end_pts: int, chunk_ticks: int) -> list[Border]:
    """Starts of the chunks after the first, ascending, about `chunk_ticks` apart.

    `keyframes` are ascending; `[first_pts, end_pts)` is the video. A border is a keyframe, but where keyframes are more
    than two chunks apart, borders share the gap out evenly. No chunk is shorter than half of `chunk_ticks`.
    """
    borders: list[Border] = []
    here = first_pts
    last_start = end_pts - (chunk_ticks + 1) // 2
    while end_pts - here > chunk_ticks * 3 / 2:
        after = bisect_left(keyframes, here + (chunk_ticks + 1) // 2)
        reach = min(here + 2 * chunk_ticks, last_start)
        near = keyframes[after : bisect_right(keyframes, reach)]
        if near:
            target = here + chunk_ticks
            here = min(near, key=lambda pts: abs(pts - target))
            borders.append(Border(here, here))
            continue
        gap_end = keyframes[after] if after < len(keyframes) and keyframes[after] <= last_start else end_pts
        gap = gap_end - here
        pieces = min(MOST_PIECES_OF_GOP, round(gap / chunk_ticks))
        for piece in range(1, pieces):
            pts = here + gap * piece // pieces
            before = bisect_right(keyframes, pts) - 1
            borders.append(Border(pts, keyframes[before] if before >= 0 else -OPEN_END))
        if gap_end == end_pts:
            break
        here = gap_end
        borders.append(Border(here, here))
    return borders


def without_empty(borders: Sequence[Border], frames: Sequence[int]) -> list[Border]:
    """The borders, ascending, but for those that no frame is between and the next, or the end.

    `frames` are when frames are shown, ascending; pictures may stand for minutes, and GOPs be cut between them.
    """
    kept: list[Border] = []
    end = OPEN_END
    for border in reversed(borders):
        if bisect_left(frames, border.pts) < bisect_left(frames, end):
            kept.append(border)
            end = border.pts
    return kept[::-1]


def key_before(keyframes: Sequence[int], pts: int) -> int:
    """The keyframe before one at `pts`, or all that is before where there is none."""
    before = bisect_left(keyframes, pts) - 1
    return keyframes[before] if before >= 0 else -OPEN_END


def make_chunks(
    borders: Sequence[Border],
    first_pts: int,
    end_pts: int,
    settings: Settings,
    segment_key: Callable[[int], str] | None = None,
) -> list[Chunk]:
    """The chunks between `borders`, which hold every PTS exactly once, with the moments that fall into each.

    The span `[first_pts, end_pts)` only places those moments; one beyond the last frame would find no frame.
    """
    starts = [Border(-OPEN_END, -OPEN_END), *_ascending(borders, first_pts)]
    windows = even_windows(first_pts, end_pts, settings.representative)
    least_scenes = settings.min_scenes if settings.scenes else 0
    moments = [
        _middle(window) for window in even_windows(first_pts, end_pts, max(settings.representative, least_scenes))
    ]
    chunks = []
    for index, start in enumerate(starts):
        end = starts[index + 1].pts if index + 1 < len(starts) else OPEN_END
        chunks.append(
            Chunk(
                index=index,
                start_pts=start.pts,
                end_pts=end,
                decode_from_pts=start.decode_from_pts,
                segment_key=segment_key(index) if segment_key is not None else None,
                representative_windows=[window for window in windows if start.pts <= _middle(window) < end],
                fallback_pts=[pts for pts in moments if start.pts <= pts < end],
            )
        )
    return chunks


def even_windows(first_pts: int, end_pts: int, count: int) -> list[tuple[int, int]]:
    """`count` equal windows that fill `[first_pts, end_pts)`; none is empty, so a short span's windows may overlap."""
    length = max(1, end_pts - first_pts)
    edges = [first_pts + length * number // count for number in range(count + 1)] if count else []
    return [(low, max(high, low + 1)) for low, high in pairwise(edges)]


def mid_gop_ticks(chunks: Sequence[Chunk]) -> int:
    """Ticks decoded twice because chunks start inside GOPs."""
    return sum(chunk.start_pts - max(chunk.decode_from_pts, chunks[0].start_pts) for chunk in chunks[1:])


def _ascending(borders: Sequence[Border], first_pts: int) -> list[Border]:
    """Borders in order, each once, without any that would leave the first chunk empty."""
    unique: dict[int, Border] = {}
    for border in sorted(borders):
        if border.pts > first_pts:
            # Of two with one PTS the later keyframe costs less.
            unique[border.pts] = border
    return list(unique.values())


def _middle(window: tuple[int, int]) -> int:
    return (window[0] + window[1]) // 2
