"""What the sizes of a GOP's packets tell of it before anything is decoded: whether something new may happen. Pure."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import SourceFacts
from lambdas.detect.decode.large_packets import FEWEST_PACKETS, LARGE
from lambdas.detect.decode.packet_buffer import Lookahead

Activity = Literal["even", "uneven", "busy"]
"""Whether no packet is larger than usual in a way that may mean something new, or some are but mean nothing, or one
may."""

NEAR_KEYFRAME_S = 1.2
"""A keyframe so near finds out one cut before it."""
_HISTORY_S = 2.0
_SHORTEST_HISTORY_S = 0.9
"""Packets that tell what is usual: those of so many seconds, at least of so many."""
_SHORTEST_GOP_FRAMES = 25
"""So soon after a keyframe x264 and x265 put none for a cut (their `min-keyint` for usual settings)."""
_AS_LARGE_AS_KEY, _ABOVE_USUAL = 1.1, 1.15
"""Times the keyframe's bytes, and the 90th percentile of the others', from which it may be a cut then: three such took
1.15 to 1.64 and 1.19 to 2.2 times as much."""
_ONE_PEAK_S = 0.2
_BUSY_WINDOW_S = 1 / 3
_BUSY_WINDOW = 2.0
"""Times the median of the windows before: somebody coming in doubles the bits, one who talks stays below mostly."""
_RECOVERED = 3
"""Windows after which the encoder has made up for a cut: from there on, what is ahead is a measure of itself."""
_ANOTHER_PICTURE = 0.25
"""Share of a keyframe's bytes that a window of a dissolve takes at least, since it replaces the picture."""
_NOTHING = 0.005
"""Share of a keyframe's bytes below which a packet, or such a window's, tells of nothing: a still picture's noise. A
face of 40 pixels takes about as much."""


def activity(ahead: Lookahead, now_s: float, shot_s: float, key_s: float, source: SourceFacts) -> Activity:
    """Of the packets after `now_s`, in a shot that began at `shot_s` and a GOP that began at `key_s`, all seconds."""
    seconds = np.asarray((ahead.times - source.start_pts) * float(source.time_base), np.float64)
    plain = ~ahead.keys
    coming = plain & (seconds > now_s)
    if not coming.any():
        return "even"
    # A shot's first frames are still recovering from the cut.
    usual = plain & (seconds <= now_s) & (seconds >= max(now_s - _HISTORY_S, shot_s))
    if usual.sum() < FEWEST_PACKETS or now_s - float(seconds[usual][0]) < _SHORTEST_HISTORY_S:
        # Too few to know what is usual: what is coming is measured by itself.
        usual = coming
    if usual.sum() < FEWEST_PACKETS:
        return "busy"
    key_bytes = float(np.median(ahead.sizes[ahead.keys])) if ahead.keys.any() else 0.0
    nothing = _NOTHING * key_bytes
    high = float(np.percentile(ahead.sizes[usual], 90))
    large = max(nothing, LARGE * high)
    cuts = _may_be_cuts(ahead, seconds, source) & (ahead.sizes > _ABOVE_USUAL * high)
    peaks = seconds[coming][(ahead.sizes[coming] > large) | cuts[coming]]
    if len(peaks) and not _harmless(peaks, ahead, now_s, key_s, source):
        return "busy"
    sizes = np.minimum(ahead.sizes, large)
    following = _windows(seconds[coming], sizes[coming])
    before = np.median(_windows(seconds[usual], sizes[usual]))
    if following.max() > max(nothing, _BUSY_WINDOW * before):
        return "busy"
    # After a dissolve what came before is no measure: the next one would seem usual.
    later = following[_RECOVERED:]
    if len(later) and later.max() > max(_ANOTHER_PICTURE * key_bytes, _BUSY_WINDOW * float(np.median(following))):
        return "busy"
    return "uneven" if len(peaks) else "even"


def _may_be_cuts(ahead: Lookahead, seconds: NDArray[np.float64], source: SourceFacts) -> NDArray[np.bool_]:
    """(n,) Which packets outweigh the keyframe that they come too soon after for the encoder to put another one."""
    keys = np.flatnonzero(ahead.keys)
    if not len(keys) or not source.cut_keyframes_within or not source.fps:
        return np.zeros(len(seconds), bool)
    soon = seconds < seconds[keys[-1]] + _SHORTEST_GOP_FRAMES / source.fps
    return np.asarray(soon & (ahead.sizes > _AS_LARGE_AS_KEY * ahead.sizes[keys[-1]]), np.bool_)


def _harmless(peaks: NDArray[np.float64], ahead: Lookahead, now_s: float, key_s: float, source: SourceFacts) -> bool:
    """Whether packets far larger than others, at these seconds, can be no cuts, or will be found out."""
    assert ahead.next_key_pts is not None
    if source.cut_keyframes_within and source.fps:
        # The encoder would have put a keyframe there, were it a cut. What was encoded before has such peaks where
        # its own keyframes were.
        return bool(peaks[0] - key_s >= _SHORTEST_GOP_FRAMES / source.fps)
    near = source.seconds(ahead.next_key_pts) - now_s <= NEAR_KEYFRAME_S
    # One cut leaves another picture at the keyframe; two might bring the first one back.
    return bool(near and peaks[-1] - peaks[0] <= _ONE_PEAK_S)


def _windows(seconds: NDArray[np.float64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Bytes in each stretch of _BUSY_WINDOW_S; the last, incomplete one counts if it is the only one."""
    place = ((seconds - seconds[0]) / _BUSY_WINDOW_S).astype(int)
    sums = np.asarray(np.bincount(place, sizes), np.float64)
    return sums[:-1] if len(sums) > 1 else sums
