"""Which packets of a video go into which small copy, a reel, so that chunks can be cut out of it. Pure: no files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, groupby

from lambdas.contracts import OPEN_END, Chunk
from lambdas.split.timeline import PacketTimes

MARGIN_S = 3
"""Copied beyond the end of a reel's last chunk: frames of it may stand behind the next keyframe in the file, and the
cut takes two seconds more than the chunk."""


@dataclass(frozen=True)
class Reel:
    """A stretch of packets, `[first, stop)` in file order, that begins with a keyframe."""

    first: int
    stop: int
    chunks: tuple[Chunk, ...]
    """What is cut out of it: all chunks that are decoded from this keyframe."""


@dataclass(frozen=True)
class Room:
    """The most bytes that a copy by reels takes."""

    at_once: int
    """Of the reels that are open or being cut, and of one chunk cut out of them."""
    staged: int
    """Of all chunks cut out."""


def plan_reels(chunks: Sequence[Chunk], times: PacketTimes, time_base: Fraction) -> list[Reel]:
    """The reels of all chunks, ascending; `times` are the copy's, in ticks of `time_base`."""
    keys: dict[int, int] = {}
    for number, (shown, key) in enumerate(zip(times.pts, times.keys, strict=True)):
        if key:
            keys.setdefault(shown, number)
    margin = round(MARGIN_S / time_base)
    reels = []
    for first, group in groupby(chunks, key=lambda chunk: keys.get(chunk.decode_from_pts, 0)):
        together = tuple(group)
        end_pts = together[-1].end_pts
        # Decoding times never go back, and no frame is shown before it is decoded.
        stop = len(times) if end_pts >= OPEN_END else bisect_right(times.dts, end_pts + margin)
        reels.append(Reel(first, max(stop, first + 1), together))
    return reels


def room_for(reels: Sequence[Reel], times: PacketTimes, time_base: Fraction) -> Room:
    """What copying by these reels takes, by the sizes of the packets."""
    before = [0, *accumulate(times.sizes)]
    margin = round(MARGIN_S / time_base)
    at_once = staged = 0
    for number, reel in enumerate(reels):
        cut = 0
        for chunk in reel.chunks:
            stop = reel.stop if chunk is reel.chunks[-1] else bisect_right(times.dts, chunk.end_pts + margin)
            cut = max(cut, before[stop] - before[reel.first])
            staged += before[stop] - before[reel.first]
        begun = before[reel.stop] - before[reel.first]
        for later in reels[number + 1 :]:
            if later.first >= reel.stop:
                break
            begun += before[min(later.stop, reel.stop)] - before[later.first]
        at_once = max(at_once, begun + cut)
    return Room(at_once, staged)
