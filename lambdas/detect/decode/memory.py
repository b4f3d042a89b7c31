"""What large pictures do to the process' memory, and how it is given back. glibc alone; elsewhere nothing is done."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from functools import lru_cache

M_MMAP_THRESHOLD = -3
"""glibc's mallopt parameter (malloc.h)."""
OWN_PAGES_BYTES = 3 * 2**19
"""Pictures from this size on get pages of their own. On glibc's heap they left holes between what lives long: 1.2 GB
after a minute of 1080p instead of 0.3 GB. The value is fixed, since glibc raises it to whatever was freed once."""


@lru_cache(maxsize=1)
def give_large_pictures_their_own_pages() -> None:
    """Does so in this process, where the C library is glibc."""
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, OWN_PAGES_BYTES)


def give_memory_back() -> None:
    """Returns what a chunk took to the system: 220 MB after half a minute of 1080p, which otherwise add up."""
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
