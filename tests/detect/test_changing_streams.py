"""Streams whose frames change in the middle what is said of them: every frame is shown by its own word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.contracts import Limits
from lambdas.detect.decode.chunk_reader import ChunkReader
from tests.clips import ffmpeg
from tests.split.test_chunks import split

Image = NDArray[np.uint8]
X264 = "-c:v libx264 -preset ultrafast -g 5 -bf 2 -crf 8"


def part(path: Path, source: str, *arguments: str) -> bytes:
    """Ten frames as a stream without a container."""
    ffmpeg("-f", "lavfi", "-i", f"{source}:r=25:d=0.4", *" ".join(arguments).split(), str(path))
    return path.read_bytes()


def joined(folder: Path, name: str, *parts: bytes, most_pixels: int = Limits().max_pixels) -> list[Image]:
    """The frames of the streams, one after the other, as they are shown."""
    clip = folder / name
    clip.write_bytes(b"".join(parts))
    plan, staging = split(str(clip), folder)
    shown = []
    for chunk in plan.chunks:
        location = staging.location(chunk.segment_key) if chunk.segment_key else str(clip)
        with ChunkReader(location, clip.name, plan.source, chunk, most_pixels=most_pixels) as reader:
            shown += [frame.bgr() for frame in reader.frames(every=True)]
    return shown


@pytest.mark.parametrize("suffix", ["h264", "ts"])
def test_matrix_and_range_are_those_of_each_frame(suffix: str, tmp_path: Path) -> None:
    parts = []
    for number, (matrix, levels) in enumerate([("bt709", "tv"), ("smpte170m", "tv"), ("bt709", "pc"), ("bt709", "tv")]):
        scaled = {"smpte170m": "bt601"}.get(matrix, matrix)
        parts.append(
            part(
                tmp_path / f"{number}.{suffix}",
                "color=0xC04020:s=160x96",
                f"-vf scale=out_color_matrix={scaled}:out_range={levels},format=yuv420p {X264}",
                f"-colorspace {matrix} -color_range {levels}",
            )
        )
    shown = joined(tmp_path, f"colours.{suffix}", *parts)
    assert len(shown) == 40
    for number, frame in enumerate(shown):
        colour = frame.reshape(-1, 3).mean(axis=0)[::-1]
        assert np.abs(colour - (0xC0, 0x40, 0x20)).max() < 4, (number, colour)


@pytest.mark.parametrize(
    ("suffix", "codec"), [("h264", X264), ("ts", X264), ("m2v", "-c:v mpeg2video -q:v 2 -bf 2 -g 5")]
)
def test_a_shape_of_pixels_that_changes_counts_from_there_on(suffix: str, codec: str, tmp_path: Path) -> None:
    shapes = ("4/3", "16/9", "4/3")
    parts = [
        part(tmp_path / f"{number}.{suffix}", "color=white:s=160x96", f"-vf setdar={dar} {codec} -pix_fmt yuv420p")
        for number, dar in enumerate(shapes)
    ]
    shown = joined(tmp_path, f"shapes.{suffix}", *parts)
    assert len(shown) == 30
    # Pictures of 4:3 are 160x120; one of 16:9 is as wide, and so 90 lines high.
    assert {frame.shape for frame in shown} == {(120, 160, 3)}
    heights = [int((frame.mean(axis=(1, 2)) > 128).sum()) for frame in shown]
    assert heights[:10] == heights[20:] == [120] * 10
    assert all(abs(height - 90) <= 1 for height in heights[10:20]), heights


def test_frames_that_grow_beyond_what_is_allowed_are_not_decoded(tmp_path: Path) -> None:
    sizes = ("160x96", "640x384", "160x96")
    parts = [part(tmp_path / f"{size}.h264", f"testsrc2=s={size}", f"{X264} -pix_fmt yuv420p") for size in sizes]
    assert len(joined(tmp_path, "grows.h264", *parts)) == 30
    assert len(joined(tmp_path, "grows.h264", *parts, most_pixels=160 * 96)) == 20


def test_a_turn_that_begins_in_the_middle_counts_from_there_on(tmp_path: Path) -> None:
    one_gop = X264.replace("-g 5", "-g 50")
    upright = part(tmp_path / "up.h264", "color=white:s=160x96", f"{one_gop} -pix_fmt yuv420p")
    turned = part(
        tmp_path / "turned.h264", "color=white:s=160x96",
        f"{one_gop} -pix_fmt yuv420p -bsf:v h264_metadata=display_orientation=insert:rotate=90",
    )  # fmt: skip
    shown = joined(tmp_path, "turns.h264", upright, turned, upright)
    assert {frame.shape for frame in shown} == {(96, 160, 3)}
    widths = [int((frame.mean(axis=(0, 2)) > 128).sum()) for frame in shown]
    assert widths[:10] == widths[20:] == [160] * 10
    assert all(abs(width - 58) <= 2 for width in widths[10:20]), widths


def test_high_dynamic_range_that_begins_in_the_middle_is_brought_to_standard_from_there_on(tmp_path: Path) -> None:
    levels = "log-level=none:pools=1:keyint=5:bframes=0"
    standard = part(
        tmp_path / "sdr.hevc", "color=0x808080:s=160x96",
        f"-pix_fmt yuv420p10le -c:v libx265 -x265-params {levels}:transfer=bt709:colorprim=bt709:colormatrix=bt709",
    )  # fmt: skip
    # PQ's code of diffuse white.
    high = part(
        tmp_path / "hdr.hevc", "color=0x949494:s=160x96",
        f"-pix_fmt yuv420p10le -c:v libx265 -x265-params {levels}:transfer=smpte2084:colorprim=bt2020:"
        "colormatrix=bt2020nc",
    )  # fmt: skip
    for parts, wanted in (((standard, high), (128, 225)), ((high, standard), (225, 128))):
        shown = joined(tmp_path, "light.hevc", *parts)
        means = [float(frame.mean()) for frame in shown]
        assert all(abs(mean - wanted[0]) < 8 for mean in means[:10]), means
        assert all(abs(mean - wanted[1]) < 8 for mean in means[10:]), means
