"""Which frames may show what a damaged one has left. Pure."""

from __future__ import annotations

import math

SMEARED_S = 5.0
"""What follows a damaged frame is smeared up to the next keyframe, but for at most so long: encoders refresh pictures
bit by bit as well."""


class Damage:
    """The damaged frames and whole keyframes of a pass so far."""

    def __init__(self) -> None:
        self._met_s = -math.inf
        self._mended_s = -math.inf

    def met(self, t_s: float) -> None:
        """A frame here is damaged."""
        self._met_s = t_s

    def mended(self, t_s: float) -> None:
        """A keyframe here is whole."""
        self._mended_s = t_s

    def smears(self, t_s: float) -> bool:
        """Whether a frame here may show what damage has left."""
        return self._met_s <= t_s < self._met_s + SMEARED_S and not self._met_s < self._mended_s <= t_s
