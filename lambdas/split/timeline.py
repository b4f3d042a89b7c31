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
STRAY_STEPS = 4
"""A time so many frames off is astray if the next ones are where they should be."""
LOOKED_AHEAD = 4
"""So many packets, of which one at least must be."""


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
    sizes: array[int] = field(default_factory=lambda: array("q"))
    """Bytes; 0 where unknown."""

    def add(self, pts: int | None, dts: int | None, duration: int | None, key: bool, size: int = 0) -> None:
        self.pts.append(_bounded(pts))
        self.dts.append(_bounded(dts))
        self.durations.append(min(max(duration or 0, 0), 2**53))
        self.keys.append(key)
        self.sizes.append(size)

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
    """When each packet is shown; NO_TIME only where nothing jumps and the source has none either."""
    dts: array[int]
    durations: array[int]
    jumps: int
    """0 where the times are as they were; else how often a new epoch began or a single time was astray."""


def mend(times: PacketTimes, tick_s: float, *, promised_s: float = 0.0, broadcast: bool = False) -> Mended:
    """The times with every jump taken out, in ticks of `tick_s` seconds; those without jumps come back as they are.

    `promised_s` is the duration by the container's header, 0 without one; `broadcast` tells of formats whose times
    come every 0.7 s at least (ISO/IEC 13818-1, 2.7.4).
    """
    most_forward = _most_forward_s(times, tick_s, promised_s, broadcast=broadcast) / tick_s
    usual = _usual_step(times, tick_s, promised_s)
    decoded = _decoding_times(times)
    back = BACK_S / tick_s
    offset = jumps = 0
    pts, dts, durations = array("q"), array("q"), array("q")
    astray: list[int] = []
    expected: int | None = None
    for index, raw in enumerate(decoded):
        here = raw + offset
        odd = False
        if raw == NO_TIME:
            here = expected if expected is not None else 0
        elif expected is not None:
            step = here - expected
            jumped = step < -back or step > most_forward
            if (jumped or abs(step) > STRAY_STEPS * usual) and _comes_back(
                decoded, index, offset, expected, usual, here if step > 0 else None
            ):
                odd = True
                here = expected
            elif jumped:
                odd = True
                offset = expected - raw
                here = expected
        dts.append(here)
        delay = MOST_REORDERED * max(usual, _longest_near(times, index, most_forward))
        shown = times.pts[index]
        if shown != NO_TIME:
            shown += offset
            if abs(shown - here) > max(GAP_S / tick_s, delay):
                odd = True
                shown = NO_TIME
        if shown == NO_TIME:
            astray.append(index)
        pts.append(shown)
        length = times.durations[index]
        jumps += odd or length > most_forward
        durations.append(length if length <= most_forward else usual)
        expected = here + (length if 0 < length <= most_forward else usual)
    if not jumps:
        return Mended(times.pts, times.dts, times.durations, 0)
    for index in astray:
        pts[index] = _hole_near(pts, index, dts[index], usual)
    return Mended(pts, dts, durations, jumps)


def _decoding_times(times: PacketTimes) -> list[int]:
    """When each packet is decoded. Some containers tell only when it is shown: for keyframes that is the same."""
    return [
        pts if dts == NO_TIME and key else dts for pts, dts, key in zip(times.pts, times.dts, times.keys, strict=True)
    ]


def _comes_back(decoded: Sequence[int], index: int, offset: int, expected: int, usual: int, above: int | None) -> bool:
    """Whether packets soon after this one go on as those before it did, so that its time alone is astray.

    One that leapt to `above` is only if they go on before it.
    """
    for later in range(index + 1, min(index + 1 + LOOKED_AHEAD, len(decoded))):
        if decoded[later] == NO_TIME:
            continue
        here = decoded[later] + offset
        on_time = expected + (later - index) * usual
        if abs(here - on_time) <= STRAY_STEPS * usual and (above is None or here < above):
            return True
    return False


def _most_forward_s(times: PacketTimes, tick_s: float, promised_s: float, *, broadcast: bool) -> float:
    if broadcast:
        return GAP_S
    length_s = (times.end - times.start) * tick_s if times.start != NO_TIME else 0.0
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
    if len(times) and 0 < promised_s / len(times) <= GAP_S:
        return max(1, round(promised_s / len(times) / tick_s))
    return max(1, round(USUAL_FRAME_S / tick_s))


def _longest_near(times: PacketTimes, index: int, most: float) -> int:
    """The longest that a packet near this one is shown, of those that can be believed."""
    near = times.durations[max(0, index - MOST_REORDERED) : index + MOST_REORDERED]
    return max((length for length in near if length <= most), default=0)


def _hole_near(pts: array[int], index: int, dts: int, usual: int) -> int:
    """A time near `dts` at which no packet near this one is shown: in a gap, or else behind them."""
    near = sorted(time for time in pts[max(0, index - MOST_REORDERED) : index + MOST_REORDERED] if time != NO_TIME)
    middles = [earlier + (later - earlier) // 2 for earlier, later in pairwise(near) if later - earlier > 1.5 * usual]
    close = [middle for middle in middles if abs(middle - dts) <= MOST_REORDERED * usual]
    if close:
        return min(close, key=lambda middle: abs(middle - dts - usual))
    return max([dts, *(time + 1 for time in near)])


def _bounded(time: int | None) -> int:
    """A time as it can be reckoned with; NO_TIME for none and for what no clock shows."""
    return NO_TIME if time is None or abs(time) >= 2**53 else time
