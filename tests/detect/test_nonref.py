"""Packets that hold a picture nothing refers to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest

from lambdas.detect.decode.nonref import HEAD_BYTES, disposable_test
from tests.clips import ffmpeg, make_clip, picture
from tests.detect.test_chunk_reader import pixels, whole


def test_hevc_without_its_disposable_packets_decodes_to_the_same_pictures(tmp_path: Path) -> None:
    clip = make_clip("hevc", tmp_path)
    with whole(clip) as reader:
        everything = dict(pixels(reader))
        some = [(frame.pts, frame.bgr(40, 24).tobytes()) for frame in reader.frames(every=False)]
        assert reader.frame_count == len(everything) == 150
    assert 30 < len(some) < 100
    assert all(everything[pts] == seen for pts, seen in some)


class _Counting:
    """A decoder that notes what it is handed."""

    def __init__(self, decoder: Any) -> None:
        self.__dict__.update(decoder=decoder, handed=[])

    def decode(self, packet: Any) -> Any:
        self.handed.append(packet)
        return self.decoder.decode(packet)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.decoder, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.decoder, name, value)


def test_disposable_packets_never_reach_the_decoder(tmp_path: Path) -> None:
    clip = make_clip("hevc", tmp_path)
    with whole(clip) as reader:
        counting = _Counting(reader.packets.decoder)
        reader.packets.decoder = counting  # type: ignore[assignment]
        given = [frame.pts for gop in reader.gops(exact_cuts=False) for frame in gop.frames()]
    handed = [packet for packet in counting.handed if packet is not None]
    assert 30 < len(given) <= len(handed) < 100


def test_half_of_a_stream_with_unreferenced_pictures_is_disposable(tmp_path: Path) -> None:
    with av.open(str(make_clip("hevc", tmp_path))) as container:
        stream = container.streams.video[0]
        is_disposable = disposable_test(stream.codec_context.name, stream.codec_context.extradata)
        assert is_disposable is not None
        packets = [packet for packet in container.demux(stream) if packet.size]
        told = [is_disposable(bytes(memoryview(packet)[:HEAD_BYTES])) for packet in packets]
    assert not any(told for packet, told in zip(packets, told, strict=True) if packet.is_keyframe)
    assert 0.4 < sum(told) / len(told) < 0.8


@pytest.mark.parametrize("kind", ["mp4_moov_first", "webm_vp9", "ts_hevc"])
def test_what_can_not_be_told_is_left_to_the_decoder(kind: str, tmp_path: Path) -> None:
    with av.open(str(make_clip(kind, tmp_path))) as container:
        context = container.streams.video[0].codec_context
        assert disposable_test(context.name, context.extradata) is None


def test_with_temporal_layers_only_the_highest_is_disposable(tmp_path: Path) -> None:
    clip = tmp_path / "layers.mp4"
    x265 = "keyint=50:bframes=3:temporal-layers=3:log-level=none:pools=1"
    ffmpeg(
        *picture(), "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265, "-pix_fmt", "yuv420p", str(clip)
    )
    with whole(clip) as reader:
        everything = dict(pixels(reader))
        some = [(frame.pts, frame.bgr(40, 24).tobytes()) for frame in reader.frames(every=False)]
    assert all(everything[pts] == seen for pts, seen in some)


@pytest.mark.parametrize("extradata", [None, b"", b"\x01" * 5, b"\x00" * 40])
def test_a_configuration_that_says_nothing_is_no_error(extradata: bytes | None) -> None:
    assert disposable_test("hevc", extradata) is None


@pytest.mark.parametrize("packet", [b"", b"\x00\x00", b"\x00\x00\x00\xff\x02", b"\xff" * 64])
def test_broken_packets_are_not_disposable(packet: bytes, tmp_path: Path) -> None:
    is_disposable = disposable_test("hevc", b"\x01" + b"\x00" * 20 + bytes([0b00001111]) + b"\x00" * 4)
    assert is_disposable is not None
    assert not is_disposable(packet)
