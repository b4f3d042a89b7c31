"""High dynamic range brought to standard."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from lambdas.detect.decode.chunk_reader import ChunkReader
from lambdas.detect.decode.tone_mapping import tone_mapped
from tests.clips import ffmpeg
from tests.split.test_chunks import split


@pytest.mark.parametrize(("transfer", "white", "black"), [("pq", 0.58, 0.0), ("hlg", 0.75, 0.0)])
def test_high_dynamic_range_keeps_white_bright_and_order(transfer: str, white: float, black: float) -> None:
    codes = np.round(np.linspace(0, 1, 512) * 65535).astype(np.uint16)
    grey = np.repeat(codes[None, :, None], 3, axis=2)
    shown = tone_mapped(grey, "pq" if transfer == "pq" else "hlg")
    assert shown.shape == (1, 512, 3)
    line = shown[0, :, 1].astype(int)
    assert (np.diff(line) >= 0).all()
    assert (line[0], line[-1]) == (0, 255)
    assert 210 <= line[round(white * 511)] <= 235
    # Grey stays grey.
    assert np.ptp(shown[0].astype(int), axis=1).max() <= 2


# A chart of skin under PQ and HLG: six tones from light to dark and the two of a colour checker, at diffuse white of
# 203 nits, then two of them a stop brighter, as 16-bit R'G'B' of BT.2020.
PQ_SKIN = [(37171, 35872, 32678), (35994, 34134, 28835), (34709, 32444, 26759), (32485, 29164, 22165),
           (27501, 23601, 16870), (22292, 19055, 15196), (32683, 30508, 28578), (25336, 22893, 20849),
           (31865, 27698, 20340), (26284, 22754, 18470)]  # fmt: skip
HLG_SKIN = [(48092, 45573, 38926), (46348, 42611, 30256), (44322, 39562, 26054), (40725, 32904, 18182),
            (30936, 22231, 11673), (21244, 15660, 10448), (40754, 35820, 30952), (26253, 21223, 17607),
            (39801, 29675, 15582), (28357, 20904, 13947)]  # fmt: skip
# What libplacebo 4.208 makes of them (FFmpeg 5.1.9 on Mesa's llvmpipe): ffmpeg -init_hw_device vulkan -f rawvideo
# -pix_fmt rgb48le -s 160x16 -i chart.rgb -vf "zscale=min=gbr:rin=full:pin=2020:tin=TRC:m=2020_ncl:r=full:p=2020:t=TRC,
# format=yuv444p16le,hwupload,libplacebo=tonemapping=mobius:peak_detect=0:colorspace=gbr:color_primaries=bt709:
# color_trc=iec61966-2-1:range=pc:format=rgba,hwdownload,format=rgba" -f rawvideo -pix_fmt rgb24 -
PQ_PLACEBO = [(223, 196, 158), (223, 182, 120), (216, 167, 102), (198, 133, 63), (141, 84, 32), (93, 55, 32),
              (193, 149, 129), (115, 82, 67), (192, 117, 48), (128, 79, 48)]  # fmt: skip
HLG_PLACEBO = [(230, 198, 156), (229, 184, 119), (220, 169, 103), (200, 135, 66), (142, 86, 35), (95, 58, 35),
               (195, 151, 130), (117, 84, 70), (194, 118, 51), (130, 81, 51)]  # fmt: skip
# Greys of 1, 5, 26, 58 and 100 nits under PQ, and what zscale (zimg) makes of those: -vf "format=gbrp16le,setparams=
# color_primaries=bt2020:color_trc=smpte2084:colorspace=gbr:range=pc,zscale=t=linear:npl=203,format=gbrpf32le,
# zscale=p=bt709,tonemap=clip:desat=0,zscale=t=iec61966-2-1,format=rgb24"
PQ_GREYS = [9827, 16243, 24905, 29785, 33297]
ZSCALE_GREYS = [15, 44, 101, 146, 187]
# The first four tones a stop brighter.
PQ_BRIGHT = [(41962, 40623, 37308), (40749, 38824, 33277), (39420, 37065, 31078), (37107, 33624, 26147)]
PQ_WHITEST = 49286
"""PQ's code of 1000 nits."""


@pytest.mark.parametrize(
    ("transfer", "codes", "expected"), [("pq", PQ_SKIN, PQ_PLACEBO), ("hlg", HLG_SKIN, HLG_PLACEBO)]
)
def test_skin_is_what_libplacebo_makes_of_it(
    transfer: Literal["pq", "hlg"], codes: list[tuple[int, int, int]], expected: list[tuple[int, int, int]]
) -> None:
    shown = tone_mapped(np.array([codes], np.uint16), transfer)[0, :, ::-1].astype(int)
    assert np.abs(shown - np.array(expected)).max() <= 9
    # In each the two transfer functions carry the same light, and the darker half is not compressed at all.
    assert np.abs(shown[4:8] - np.array(PQ_PLACEBO[4:8])).max() <= 4


def test_greys_below_the_knee_are_what_zscale_makes_of_them() -> None:
    shown = tone_mapped(np.repeat(np.array([PQ_GREYS], np.uint16)[..., None], 3, axis=2), "pq")[0, :, 1].astype(int)
    assert np.abs(shown - np.array(ZSCALE_GREYS)).max() <= 1


def test_bright_skin_is_not_clipped() -> None:
    shown = tone_mapped(np.array([PQ_BRIGHT], np.uint16), "pq")[0, :, ::-1].astype(int)
    assert shown.max() < 250
    assert (np.diff(shown, axis=1) < -15).all(), "red, green, blue keep their order and distance"
    assert tone_mapped(np.full((1, 1, 3), PQ_WHITEST, np.uint16), "pq").min() >= 254


@pytest.mark.parametrize(("transfer", "codes"), [("smpte2084", PQ_SKIN), ("arib-std-b67", HLG_SKIN)])
def test_skin_comes_through_a_coded_film(transfer: str, codes: list[tuple[int, int, int]], tmp_path: Path) -> None:
    chart = np.repeat(np.repeat(np.array([codes], "<u2"), 32, axis=0), 32, axis=1)
    raw, clip = tmp_path / "chart.rgb", tmp_path / "chart.mp4"
    raw.write_bytes(chart.tobytes())
    colours = f"log-level=none:pools=1:crf=8:transfer={transfer}:colorprim=bt2020:colormatrix=bt2020nc"
    ffmpeg("-f", "rawvideo", "-pix_fmt", "rgb48le", "-s", f"{32 * len(codes)}x32", "-i", str(raw), "-vf",
           "scale=out_color_matrix=bt2020:out_range=tv,format=yuv420p10le", "-c:v", "libx265", "-x265-params", colours,
           str(clip))  # fmt: skip
    plan, _ = split(str(clip), tmp_path)
    with ChunkReader(str(clip), clip.name, plan.source, plan.chunks[0]) as reader:
        shown = next(iter(reader.frames(every=True))).bgr()[16, 16::32, ::-1].astype(int)
    assert np.abs(shown - np.array(PQ_PLACEBO)).max() <= 14
