"""Film in interlaced video: told frame by frame to be shown for three fields and for two, or woven into its fields."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.contracts import Plan
from lambdas.detect.decode.chunk_reader import ChunkReader
from lambdas.staging import DirectoryStaging
from tests.clips import X264, ffmpeg
from tests.split.test_chunks import split

SECONDS = 4
FILM = 24_000 / 1001
CADENCE = ((1, 1), (0, 0), (0, 1), (1, 0))
"""top_field_first and repeat_first_field of four frames in the order they are shown."""


def pulled_down(stream: bytes) -> bytes:
    """MPEG-2 of 24000/1001 frames a second as 30000/1001, every other frame shown for three fields (ISO/IEC 13818-2,
    6.2.2.3 and 6.2.3.1)."""
    data = bytearray(stream)
    at = shown = first_of_gop = pictures = 0
    while (at := data.find(b"\0\0\1", at)) >= 0:
        kind = data[at + 3]
        if kind == 0xB3:
            data[at + 7] = data[at + 7] & 0xF0 | 4
            first_of_gop = pictures
        elif kind == 0:
            shown = first_of_gop + (data[at + 4] << 2 | data[at + 5] >> 6)
            pictures += 1
        elif kind == 0xB5 and data[at + 4] >> 4 == 1:
            data[at + 5] &= ~0x08
        elif kind == 0xB5 and data[at + 4] >> 4 == 8:
            top, repeat = CADENCE[shown % 4]
            data[at + 7] = data[at + 7] & ~0x82 | top << 7 | repeat << 1
        at += 3
    return bytes(data)


def film(folder: Path, suffix: str) -> Path:
    plain = folder / "plain.m2v"
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=size=160x96:rate=24000/1001:duration={SECONDS}", "-c:v", "mpeg2video",
           "-q:v", "3", "-bf", "2", "-g", "12", "-pix_fmt", "yuv420p", str(plain))  # fmt: skip
    raw = folder / "pulled.m2v"
    raw.write_bytes(pulled_down(plain.read_bytes()))
    if suffix == "m2v":
        return raw
    clip = folder / f"pulled.{suffix}"
    ffmpeg("-fflags", "+genpts", "-i", str(raw), "-c", "copy", str(clip))
    return clip


def frames_of(plan: Plan, staging: DirectoryStaging, clip: Path) -> tuple[list[float], list[NDArray[np.uint8]], int]:
    """When each frame is shown, its picture, and how many were counted."""
    times, pictures, counted = [], [], 0
    for chunk in plan.chunks:
        location = staging.location(chunk.segment_key) if chunk.segment_key else str(clip)
        with ChunkReader(location, clip.name, plan.source, chunk) as reader:
            for frame in reader.frames(every=True):
                times.append(plan.source.seconds(frame.pts))
                pictures.append(frame.bgr())
            counted += reader.frame_count or 0
    return times, pictures, counted


@pytest.mark.parametrize("suffix", ["m2v", "mpg", "ts", "mkv"])
def test_frames_shown_for_three_fields_and_for_two_keep_their_times(suffix: str, tmp_path: Path) -> None:
    clip = film(tmp_path, suffix)
    plan, staging = split(str(clip), tmp_path)
    times, _, counted = frames_of(plan, staging, clip)
    assert len(times) == counted == 96
    assert plan.source.duration_s == pytest.approx(SECONDS, abs=0.1)
    # Each is shown within half a field of three and two by turns.
    assert max(abs(time - number / FILM) for number, time in enumerate(times)) < 0.02
    steps = [later - one for one, later in pairwise(times)]
    assert {round(step * 60_000 / 1001) for step in steps} == {2, 3}


def combing(picture: NDArray[np.uint8]) -> float:
    """How much neighbouring lines differ against lines of one field; from 1 on a picture is combed."""
    lines = picture.astype(np.int32).mean(axis=2)
    return float(np.abs(np.diff(lines, axis=0)).mean() / max(np.abs(lines[2:] - lines[:-2]).mean(), 1e-6))


@pytest.mark.parametrize("flagged", [True, False])
def test_film_woven_into_fields_shows_no_comb(flagged: bool, tmp_path: Path) -> None:
    """30000/1001 frames a second, of five of which two hold fields of two frames."""
    clip = tmp_path / "woven.mp4"
    graph = "telecine=first_field=top:pattern=23" + (",setfield=tff" if flagged else ",setfield=prog")
    ffmpeg("-f", "lavfi", "-i", f"color=black:s=720x480:r=24000/1001:d={SECONDS}", "-f", "lavfi", "-i",
           f"color=white:s=120x480:r=24000/1001:d={SECONDS}", "-filter_complex",
           f"overlay=x='mod(n*60,600)',format=yuv420p,{graph}", *X264.split(),
           *(("-flags", "+ildct+ilme") if flagged else ()), "-crf", "8", str(clip))  # fmt: skip
    plan, staging = split(str(clip), tmp_path)
    _, pictures, counted = frames_of(plan, staging, clip)
    assert counted == len(pictures) == 120
    assert max(combing(picture) for picture in pictures) < 1
