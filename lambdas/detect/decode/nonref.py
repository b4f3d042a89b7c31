"""Which packets hold a picture that no other refers to, told from their first bytes. Pure.

FFmpeg's H.264 decoder leaves such pictures out when asked (`skip_frame`). Its HEVC decoder does so too since FFmpeg 8;
not to hand them over at all costs a sixth less there, and works with older ones.
"""

from __future__ import annotations

from collections.abc import Callable

IsDisposable = Callable[[bytes], bool]
"""Takes a packet's first HEAD_BYTES."""
HEAD_BYTES = 4096
_HVCC_BYTES = 23
"""Of an HEVCDecoderConfigurationRecord before its arrays (ISO/IEC 14496-15, 8.3.3.1.2)."""
_FIRST_NOT_SLICE = 32
_LAST_NOT_REFERENCE = 14
"""NAL unit types 0 to 14 that are even: sub-layer non-reference pictures (ITU-T H.265, table 7-1)."""


def disposable_test(codec: str, extradata: bytes | None) -> IsDisposable | None:
    """The test for a codec, by FFmpeg's name, and its configuration; None where nothing can or need be told."""
    if codec != "hevc" or extradata is None or len(extradata) < _HVCC_BYTES or extradata[0] != 1:
        return None
    layers = extradata[21] >> 3 & 7
    length_bytes = (extradata[21] & 3) + 1
    if layers == 0:
        return None

    def is_disposable(packet: bytes) -> bool:
        place = 0
        while place + length_bytes + 2 <= len(packet):
            size = int.from_bytes(packet[place : place + length_bytes], "big")
            place += length_bytes
            kind, layer = packet[place] >> 1 & 63, (packet[place + 1] & 7) - 1
            if kind < _FIRST_NOT_SLICE:
                # Pictures of lower temporal layers may be referred to from higher ones.
                return kind <= _LAST_NOT_REFERENCE and kind % 2 == 0 and layer == layers - 1
            place += size
        return False

    return is_disposable
