"""A continuous time line for packets whose times jump, as players make one. Pure: no files, no video.

Streams joined end to end count from their start again, counters of 33 bits run over, and damage makes a time leap by
hours. A jump of more than a format allows begins a new epoch, which follows upon the one before.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median_low

NO_TIME = -(2**63)
"""Stands for a packet without that time."""
GAP_S = 10.0
"""Longest step forward in formats that are broadcast, or beyond what the header promises: as FFmpeg's command joins."""
STANDING_S = 3600.0
"""The same where a header promises nothing and a picture may stand: slides, a screen that nobody touches."""
BACK_S = 0.1
"""Decoding times never go back; rounding and sloppy muxers make them, by less than this."""
BEYOND_PROMISE = 1.05
"""A time line up to so many times as long as promised, and GAP_S more, keeps its promise."""
MOST_REORDERED = 20
"""Frames that one is shown after it was decoded: 16 reference frames, and some."""
USUAL_FRAME_S = 0.04


@dataclass
class PacketTimes:
    """The video packets of a source in file order, as columns."""

    pts: array[int] = field(default_factory=lambda: array("q"))
    """NO_TIME where there is none, as in `dts`."""
    dts: array[int] = field(default_factory=lambda: array("q"))
    durations: array[int] = field(default_factory=lambda: array("q"))
    """0 where unknown."""
    keys: array[int] = field(default_factory=lambda: array("b"))
    """Whether it is a keyframe."""

    def add(self, pts: int | None, dts: int | None, duration: int | None, key: bool) -> None:
        self.pts.append(_bounded(pts))
        self.dts.append(_bounded(dts))
        self.durations.append(min(max(duration or 0, 0), 2**53))
        self.keys.append(key)

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def end(self) -> int:
        """Where the last packet stops being shown; NO_TIME without any time."""
        return max((time + step for time, step in zip(self.shown(), self.durations, strict=True)), default=NO_TIME)

    @property
    def start(self) -> int:
        """When the first is shown; NO_TIME without any time."""
        return min((time for time in self.shown() if time != NO_TIME), default=NO_TIME)

    def shown(self) -> Sequence[int]:
        """When each packet is shown, by its decoding time where nothing else is known."""
        return [dts if pts == NO_TIME else pts for pts, dts in zip(self.pts, self.dts, strict=True)]


@dataclass(frozen=True)
class Mended:
    """Times without jumps."""

    pts: array[int]
    dts: array[int]
    jumps: int
    """0 where the times are as they were; else how often a new epoch began or a single time was out of place."""


def mend(times: PacketTimes, tick_s: float, *, promised_s: float = 0.0, broadcast: bool = False) -> Mended:
    """The times with every jump taken out, in ticks of `tick_s` seconds; those without jumps come back as they are.

    `promised_s` is the duration by the container's header, 0 without one; `broadcast` tells of formats whose times
    come every 0.7 s at least (ISO/IEC 13818-1, 2.7.4).
    """
    most_forward = _most_forward_s(times, tick_s, promised_s, broadcast=broadcast) / tick_s
    usual = _usual_step(times, tick_s, promised_s)
    back = BACK_S / tick_s
    close = usual / 2
    offsets = [0]
    current = 0
    jumps = 0
    pts, dts = array("q"), array("q")
    astray: list[int] = []
    expected: int | None = None
    for index in range(len(times)):
        # Some containers tell only when a packet is shown: its keyframes' times then stand for when they are decoded.
        raw = times.dts[index]
        if raw == NO_TIME and times.keys[index]:
            raw = times.pts[index]
        if raw == NO_TIME:
            here = expected if expected is not None else 0
            dts.append(here)
        else:
            here = raw + offsets[current]
            if expected is not None:
                step = here - expected
                if step < -back or step > most_forward:
                    jumps += 1
                    current = _epoch(offsets, expected - raw, close)
                elif current and abs(step) > 2 * usual and abs(raw + offsets[0] - expected) <= close:
                    # What follows a single stray packet counts as it did before.
                    current = 0
                here = raw + offsets[current]
            dts.append(here)
        delay = times.pts[index] - raw if raw != NO_TIME and times.pts[index] != NO_TIME else None
        if delay is None:
            shown = times.pts[index] + offsets[current] if times.pts[index] != NO_TIME else NO_TIME
            if shown == NO_TIME or abs(shown - here) > max(GAP_S / tick_s, MOST_REORDERED * usual):
                astray.append(index)
                shown = NO_TIME
        elif abs(delay) <= max(GAP_S / tick_s, MOST_REORDERED * max(usual, _longest_near(times, index))):
            shown = here + delay
        else:
            astray.append(index)
            shown = NO_TIME
            jumps += 1
        pts.append(shown)
        length = times.durations[index]
        expected = here + (length if 0 < length <= most_forward else usual)
    if not jumps:
        return Mended(times.pts, times.dts, 0)
    for index in astray:
        pts[index] = _hole_near(pts, index, dts[index], usual)
    return Mended(pts, dts, jumps)


def numbered(count: int, step: int) -> array[int]:
    """Decoding times of packets that carry none, `step` apart."""
    return array("q", range(0, count * step, step))


def _most_forward_s(times: PacketTimes, tick_s: float, promised_s: float, *, broadcast: bool) -> float:
    if broadcast:
        return GAP_S
    known = [time for time in times.dts if time != NO_TIME] or [time for time in times.pts if time != NO_TIME]
    length_s = (max(known) - min(known)) * tick_s if known else 0.0
    if promised_s <= 0:
        return STANDING_S
    return max(length_s, GAP_S) if length_s <= BEYOND_PROMISE * promised_s + GAP_S else GAP_S


def _usual_step(times: PacketTimes, tick_s: float, promised_s: float) -> int:
    """Ticks from one frame to the next, mostly."""
    most = GAP_S / tick_s
    steps = [
        later - earlier
        for earlier, later in pairwise(times.dts)
        if NO_TIME not in (earlier, later) and 0 < later - earlier <= most
    ]
    steps = steps or [length for length in times.durations if 0 < length <= most]
    if steps:
        return median_low(steps)
    if promised_s > 0 and len(times):
        return max(1, round(promised_s / len(times) / tick_s))
    return max(1, round(USUAL_FRAME_S / tick_s))


def _epoch(offsets: list[int], wanted: int, close: float) -> int:
    """The number of an epoch whose offset is `wanted`, an earlier one where that fits as well."""
    nearest = min(range(len(offsets)), key=lambda number: abs(offsets[number] - wanted))
    if abs(offsets[nearest] - wanted) <= close:
        return nearest
    offsets.append(wanted)
    return len(offsets) - 1


def _longest_near(times: PacketTimes, index: int) -> int:
    return max(times.durations[max(0, index - MOST_REORDERED) : index + MOST_REORDERED])


def _hole_near(pts: array[int], index: int, dts: int, usual: int) -> int:
    """A time at which no packet near this one is shown: in the widest gap, or else behind them."""
    near = sorted(time for time in pts[max(0, index - MOST_REORDERED) : index + MOST_REORDERED] if time != NO_TIME)
    gaps = [(later - earlier, earlier) for earlier, later in pairwise(near)]
    if gaps and (widest := max(gaps))[0] > 1.5 * usual:
        return widest[1] + widest[0] // 2
    return max([dts, *(time + 1 for time in near)])


def _bounded(time: int | None) -> int:
    """A time as it can be reckoned with; NO_TIME for none and for what no clock shows."""
    return NO_TIME if time is None or abs(time) >= 2**53 else time
