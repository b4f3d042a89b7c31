"""Files as damage and malice make them: small clips of many kinds, each changed in a way that a seed tells."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.clips import KINDS, make_clip

SEED_KINDS = (
    "mp4_moov_last",
    "mp4_moov_first",
    "mkv",
    "mkv_without_cues",
    "webm_vp9",
    "ts",
    "ts_hevc",
    "flv",
    "mpeg_ps",
    "avi",
    "avi_with_b_frames",
    "fragmented_with_sidx",
    "fragmented_with_mfra",
    "fragmented_without_index",
    "av1",
)
"""Containers and codecs, as tests/clips.py makes them."""
EXTREMES = (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\0\0\1", b"\xff\xff\0\0")
"""Numbers that a field holds when somebody means harm."""
END_BYTES = 4096
"""Of the beginning and the end, where containers keep what they say of themselves."""


def seeds(folder: Path) -> dict[str, bytes]:
    """The clips to change, made once into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for kind in SEED_KINDS:
        clip = folder / f"{kind}.{KINDS[kind][0]}"
        if not clip.is_file():
            make_clip(kind, folder)
        made[clip.name] = clip.read_bytes()
    return made


def mutated(clips: dict[str, bytes], seed: int, number: int) -> tuple[str, bytes]:
    """The `number`-th file of a seed: its name and bytes."""
    rng = np.random.default_rng([seed, number])
    names = sorted(clips)
    name = names[number % len(names)]
    data = bytearray(clips[name])
    ways = [WAYS[int(way)] for way in rng.integers(0, len(WAYS), size=int(rng.integers(1, 4)))]
    for way in ways:
        way(data, rng, clips[names[int(rng.integers(len(names)))]])
        if not data:
            break
    stem, _, suffix = name.rpartition(".")
    return f"{stem}-{seed}-{number}-{'-'.join(way.__name__.strip('_') for way in ways)}.{suffix}", bytes(data)


def _place(data: bytearray, rng: np.random.Generator) -> int:
    """Somewhere in the file, near its ends half of the time."""
    near = int(rng.integers(0, 4))
    if near == 0:
        return int(rng.integers(0, min(END_BYTES, len(data))))
    if near == 1:
        return int(rng.integers(max(0, len(data) - END_BYTES), len(data)))
    return int(rng.integers(0, len(data)))


def _flipped(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    for _ in range(int(rng.integers(1, 40))):
        data[_place(data, rng)] = int(rng.integers(0, 256))


def _extreme(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    for _ in range(int(rng.integers(1, 4))):
        at = _place(data, rng)
        data[at : at + 4] = EXTREMES[int(rng.integers(len(EXTREMES)))]


def _truncated(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    del data[int(rng.integers(1, len(data) + 1)) :]


def _gap(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    at = _place(data, rng)
    del data[at : at + int(rng.integers(1, 4000))]


def _inserted(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    at = _place(data, rng)
    data[at:at] = rng.bytes(int(rng.integers(1, 2000)))


def _blank(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    at = _place(data, rng)
    length = min(int(rng.integers(1, 4000)), len(data) - at)
    data[at : at + length] = bytes(length)


def _repeated(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    at = _place(data, rng)
    part = bytes(data[at : at + int(rng.integers(1, 8000))])
    to = _place(data, rng)
    data[to:to] = part


def _joined(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    data += other


def _packets_swapped(data: bytearray, rng: np.random.Generator, other: bytes) -> None:
    count = len(data) // 188
    if count > 2:
        first, second = (188 * int(place) for place in rng.integers(0, count, size=2))
        data[first : first + 188], data[second : second + 188] = (
            data[second : second + 188],
            data[first : first + 188],
        )


WAYS: tuple[Callable[[bytearray, np.random.Generator, bytes], None], ...] = (
    _flipped,
    _flipped,
    _extreme,
    _truncated,
    _gap,
    _inserted,
    _blank,
    _repeated,
    _joined,
    _packets_swapped,
)
