"""Facts of small clips, and which containers ranges can serve."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.contracts import SourceFacts
from lambdas.split.containers import matroska_has_cues, readable_by_range
from lambdas.split.probe import probe_video
from tests.clips import ffmpeg, make_clip, picture


def facts(clip: Path) -> SourceFacts:
    return probe_video(str(clip), clip.name, str(clip), "x", clip.stat().st_size).facts


def test_facts_of_an_ordinary_clip(tmp_path: Path) -> None:
    known = facts(make_clip("mp4_moov_last", tmp_path))
    assert (known.width, known.height, known.rotation, known.sample_aspect_ratio) == (160, 96, 0, 1.0)
    assert (known.codec, known.fps, known.interlaced, known.hdr) == ("h264", 25.0, False, "")
    assert known.duration_s == pytest.approx(6, abs=0.05)
    assert (known.start_pts, known.video_stream, known.segmented) == (0, 0, False)


def test_pixels_that_are_not_square_widen_the_picture(tmp_path: Path) -> None:
    known = facts(make_clip("wide_pixels", tmp_path))
    assert (known.width, known.height) == (171, 96)
    assert known.sample_aspect_ratio == pytest.approx(16 / 15)


@pytest.mark.parametrize(
    ("turn", "rotation", "size"), [(90, 90, (96, 160)), (180, 180, (160, 96)), (270, 270, (96, 160))]
)
def test_a_turned_clip_is_measured_upright(turn: int, rotation: int, size: tuple[int, int], tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_first", tmp_path)
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", str(turn), "-i", str(clip), "-c", "copy", str(turned))
    known = facts(turned)
    assert (known.rotation, (known.width, known.height)) == (rotation, size)


def test_interlacing_is_seen(tmp_path: Path) -> None:
    assert facts(make_clip("interlaced", tmp_path)).interlaced


@pytest.mark.parametrize(("transfer", "hdr"), [("smpte2084", "pq"), ("arib-std-b67", "hlg"), ("bt709", "")])
def test_the_transfer_function_tells_high_dynamic_range(transfer: str, hdr: str, tmp_path: Path) -> None:
    clip = tmp_path / "hdr.mp4"
    colours = f"log-level=none:pools=1:transfer={transfer}:colorprim=bt2020:colormatrix=bt2020nc"
    ffmpeg(*picture(0.2), "-c:v", "libx265", "-x265-params", colours, "-pix_fmt", "yuv420p10le", str(clip))
    assert facts(clip).hdr == hdr


def test_transport_streams_start_where_their_first_picture_is(tmp_path: Path) -> None:
    known = facts(make_clip("ts", tmp_path))
    assert float(known.start_pts * known.time_base) > 1
    assert known.seconds(known.start_pts) == 0
    assert known.duration_s == pytest.approx(6, abs=0.1)


def test_cover_art_is_not_the_video(tmp_path: Path) -> None:
    clip = tmp_path / "art_first.mp4"
    art = tmp_path / "art.png"
    ffmpeg(*picture(0.04, "320x240"), "-frames:v", "1", str(art))
    ffmpeg(*picture(1), "-i", str(art), "-map", "1", "-map", "0", "-c:v:0", "copy", "-disposition:v:0", "attached_pic",
           "-c:v:1", "mpeg4", str(clip))  # fmt: skip
    known = facts(clip)
    assert (known.codec, known.width) == ("mpeg4", 160)


@pytest.mark.parametrize(
    ("kind", "served"),
    [
        ("mp4_moov_last", True),
        ("mkv", True),
        ("mkv_without_cues", False),
        ("webm_vp9", True),
        ("fragmented_with_sidx", True),
        ("fragmented_with_mfra", True),
        ("fragmented_without_index", False),
    ],
)
def test_ranges_serve_containers_with_an_index(kind: str, served: bool, tmp_path: Path) -> None:
    data = make_clip(kind, tmp_path).read_bytes()
    name = "matroska,webm" if data.startswith(b"\x1aE\xdf\xa3") else "mov,mp4,m4a,3gp,3g2,mj2"
    assert readable_by_range(name, lambda offset, length: data[offset : offset + length], len(data)) == served


@pytest.mark.parametrize("keep", [0, 1, 40, 200, 2000])
def test_cues_lost_with_the_end_of_the_file_are_no_cues(keep: int, tmp_path: Path) -> None:
    data = make_clip("mkv", tmp_path).read_bytes()[:keep]
    assert not matroska_has_cues(lambda offset, length: data[offset : offset + length], len(data))
