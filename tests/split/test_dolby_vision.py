"""Dolby Vision: profile 5 has colours of its own and is shown in grey, and said; profile 8 is HDR10 or HLG."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.detect.decode.chunk_reader import ChunkReader
from tests.clips import ffmpeg
from tests.split.test_chunks import split

LEVELS = "log-level=none:pools=1:keyint=25:bframes=0"
PQ = f"{LEVELS}:transfer=smpte2084:colorprim=bt2020:colormatrix=bt2020nc"


def hevc(path: Path, params: str, *arguments: str, frames: int = 5) -> Path:
    """Frames that would be green if they were of the usual colours: diffuse white by the intensity of profile 5."""
    ffmpeg("-f", "lavfi", "-i", "nullsrc=s=160x96:r=25:d=1", "-vf", "format=yuv420p10le,geq=lum=592:cb=440:cr=380",
           "-frames:v", str(frames), "-c:v", "libx265", "-x265-params", params, *arguments, str(path))  # fmt: skip
    return path


def metadata(profile: int, *, full_range: bool) -> bytes:
    """The beginning of the NAL unit that Dolby Vision puts behind each picture (ETSI GS CCM 001, 5.3)."""
    # rpu_type, rpu_format, vdr_rpu_profile, vdr_rpu_level, then: information is present, no explicit filter, fixed
    # point numbers of 23 bits, an index, the range; depths of 10, 10 and 12 bits, no layer beside this one.
    bits = f"{2:06b}{18:011b}{profile:04b}{0:04b}" + "1" + "0" + "00" + f"{24:09b}" + "01" + str(int(full_range))
    bits += "011" + "011" + "00101" + "0" + "000" + "0" + "1"
    # No display metadata, nothing of before; one linear piece for each of three components.
    bits += "0" + "0" + "1" + "1" + "1" + ("1" + f"{0:010b}{1023:010b}") * 3 + "1" + "1"
    bits += ("1" + "1" + "0" + "1" + f"{0:023b}" + "010" + f"{0:023b}") * 3
    bits += "0" * (-len(bits) % 8)
    body = b"\x19" + int(bits, 2).to_bytes(len(bits) // 8, "big") + b"\xa5" * 4 + b"\x80"
    escaped = bytearray()
    for byte in body:
        # No three bytes may look like the beginning of a unit.
        if byte <= 3 and escaped[-2:] == b"\0\0":
            escaped.append(3)
        escaped.append(byte)
    return b"\0\0\0\1\x7c\x01" + bytes(escaped)


def white_of(clip: Path, folder: Path) -> tuple[list[str], str, list[float]]:
    """The notes, the transfer function, and the mean of each channel of the first frame."""
    plan, staging = split(str(clip), folder)
    chunk = plan.chunks[0]
    location = staging.location(chunk.segment_key) if chunk.segment_key else str(clip)
    with ChunkReader(location, clip.name, plan.source, chunk) as reader:
        picture = next(iter(reader.frames(every=True))).bgr()
    return plan.notes, plan.source.hdr, [float(mean) for mean in picture.reshape(-1, 3).mean(axis=0)]


@pytest.mark.parametrize("told_by", ["the container", "its metadata"])
def test_profile_5_is_grey_and_said(told_by: str, tmp_path: Path) -> None:
    if told_by == "the container":
        clip = hevc(tmp_path / "dolby.mp4", f"{LEVELS}:range=full", "-tag:v", "dvh1")
    else:
        clip = hevc(tmp_path / "dolby.hevc", f"{LEVELS}:range=full", frames=1)
        clip.write_bytes(clip.read_bytes() + metadata(0, full_range=True))
    notes, transfer, means = white_of(clip, tmp_path)
    assert transfer == "ipt"
    assert any("Dolby Vision's profile 5" in note and "shades of grey" in note for note in notes)
    # 592 of 1023 is PQ's code of 203 nits.
    assert max(means) - min(means) < 1
    assert 215 < means[0] < 235


def test_profile_8_is_the_high_dynamic_range_that_it_names(tmp_path: Path) -> None:
    clip = hevc(tmp_path / "dolby.hevc", PQ, frames=1)
    clip.write_bytes(clip.read_bytes() + metadata(1, full_range=False))
    notes, transfer, _ = white_of(clip, tmp_path)
    assert (transfer, [note for note in notes if "Dolby" in note]) == ("pq", [])


def test_usual_video_without_a_word_on_its_colours_is_none_of_it(tmp_path: Path) -> None:
    notes, transfer, means = white_of(hevc(tmp_path / "plain.mp4", LEVELS, "-tag:v", "hvc1"), tmp_path)
    assert (transfer, notes) == ("", [])
    assert max(means) - min(means) > 30
