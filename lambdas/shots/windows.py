"""Stretches of a given length that may be a transition, and how much happens within and around one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.shots.layouts import Pictures

SIDE_S = 0.4
"""At most so much time is looked at on either side; the next transition may be near."""


@dataclass(frozen=True)
class Windows:
    """Stretches of one length, around each frame (k)."""

    low: NDArray[np.int64]
    """(k,) first frame of each."""
    high: NDArray[np.int64]
    """(k,) last frame of each."""
    usable: NDArray[np.bool_]
    """(k,) those that are whole, across no barrier, and around the first frame of each eighth of their length: a
    transition's middle needs no hitting to the frame."""


def windows_around(t_s: NDArray[np.float64], length_s: float, barriers: NDArray[np.float64]) -> Windows:
    """Windows around frames at `t_s` (k,) seconds; `barriers` are seconds, ascending."""
    half = length_s / 2
    low, high = nearest(t_s, t_s - half), nearest(t_s, t_s + half)
    usable = (np.abs(t_s - t_s[low] - half) < 0.25 * half) & (np.abs(t_s[high] - t_s - half) < 0.25 * half)
    usable &= np.searchsorted(barriers, t_s[low], "right") == np.searchsorted(barriers, t_s[high], "right")
    usable &= np.diff(np.floor(t_s / max(0.04, length_s / 8) + 1e-6), prepend=-1.0) > 0
    return Windows(low, high, np.asarray(usable, np.bool_))


def around_and_within(
    t_s: NDArray[np.float64], pictures: Pictures, low: int, high: int, barriers: NDArray[np.float64]
) -> tuple[float, float, float]:
    """Changes of layout in about as much time before frame `low`, from there to `high`, and after it."""
    length_s = min(SIDE_S, t_s[high] - t_s[low])
    before, after = nearest(t_s, np.array([t_s[low] - length_s, t_s[high] + length_s]))
    # Not beyond the shots at either side.
    first = np.searchsorted(barriers, t_s[low], "right")
    if first > 0:
        before = max(before, np.searchsorted(t_s, barriers[first - 1]))
    if first < len(barriers):
        after = min(after, np.searchsorted(t_s, barriers[first]) - 1)
    earlier, within, later = pictures.change(np.array([before, low, high]), np.array([low, high, after]))
    return float(earlier), float(within), float(later)


def nearest(t_s: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
    """(n,) the frame nearest to each wanted moment."""
    right = np.clip(np.searchsorted(t_s, wanted), 1, len(t_s) - 1)
    return np.asarray(np.where(wanted - t_s[right - 1] <= t_s[right] - wanted, right - 1, right))
