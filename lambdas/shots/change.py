"""One scene change, and which remain of those that several searches found."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field

FADE_EDGE_S = 0.3
"""By so much a fade or dissolve may begin sooner or end later than found: its first and last tenths hardly show, and a
dissolve's ends are those of the window that fits."""


@dataclass(frozen=True, order=True)
class Change:
    """From one scene to the next."""

    start_s: float
    """First frame of the new scene, or of the transition."""
    end_s: float
    """The same as `start_s` for a cut; first frame after a transition."""
    edge_s: float = field(default=0.0, compare=False)
    """By so much a transition may begin sooner or end later than it was found to: what hardly shows."""

    @property
    def ends(self) -> tuple[float, float]:
        return self.start_s, self.end_s

    @property
    def at_s(self) -> float:
        """Where the new scene begins: the cut, or the transition's middle."""
        return (self.start_s + self.end_s) / 2


def clearest(found: Sequence[tuple[float, Change]], least_s: float) -> list[tuple[float, Change]]:
    """Those that remain, ascending, when of any two that overlap or are closer than `least_s` the clearer is kept."""
    kept: list[tuple[Change, float]] = []
    for clear, change in sorted(found, key=lambda one: (-one[0], one[1])):
        place = bisect.bisect(kept, (change, 0.0))
        # Those kept are apart, so the nearest on either side are the only ones that can be in the way.
        if all(_apart(change, other, least_s) for other, _ in kept[max(0, place - 1) : place + 1]):
            kept.insert(place, (change, clear))
    return [(clear, change) for change, clear in kept]


def _apart(one: Change, other: Change, least_s: float) -> bool:
    if one.start_s <= other.end_s and other.start_s <= one.end_s:
        return False
    return abs(one.at_s - other.at_s) >= least_s
