"""When a packet stands out from those before it: a cut without a keyframe takes 3 to 10 times as much. Pure."""

from __future__ import annotations

from collections.abc import Sequence

FEWEST_PACKETS = 6
"""So many packets tell what is usual, and no fewer."""
LARGE = 2.5
"""Times the 90th percentile of those before."""


def is_large(size: int, before: Sequence[int]) -> bool:
    """Whether a packet of so many bytes stands out from those before."""
    return len(before) >= FEWEST_PACKETS and size > LARGE * sorted(before)[int(0.9 * len(before))]
