"""One decoded frame, and how it becomes an upright BGR picture of any size.

Rotation, sample aspect ratio, interlacing and high dynamic range are dealt with here, once.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from lambdas.contracts import SourceFacts
from lambdas.detect.decode.interlacing import FieldFilter
from lambdas.detect.decode.stereo import EyeFilter
from lambdas.detect.decode.tone_mapping import tone_mapped
from lambdas.video import Transfer, transfer_of

_USUAL_RANGE = 1
"""FFmpeg's AVCOL_RANGE_MPEG: luma from 16 to 235."""
SAME_SHAPE = 0.02
"""Frames of another size whose shape differs by less fill the picture: adaptive streams round their sizes to even."""


class Lies(NamedTuple):
    """How a frame lies where it is said of it in mid-stream."""

    ratio: float = 0.0
    """The shape of its pixels, 0 for the source's."""
    turn: tuple[bool, Literal[0, 90, 180, 270]] | None = None
    """As `display_turn`'s; None for the source's."""


USUAL = Lies()


class Frame:
    """One decoded frame."""

    def __init__(self, decoded: VideoFrame, pts: int, pictures: PictureMaker, lies: Lies = USUAL) -> None:
        self.pts = pts
        """In the source's time base."""
        self.corrupt = bool(decoded.is_corrupt)
        """Whether the decoder met errors in it."""
        self.keyframe = bool(decoded.key_frame)
        self._decoded = decoded
        self._moment: VideoFrame | None = None
        """The frame, or of an interlaced one the field that shows one moment; made once."""
        self._pictures = pictures
        self._lies = lies

    def bgr(self, width: int | None = None, height: int | None = None) -> NDArray[np.uint8]:
        """The upright picture, BGR uint8 (height, width, 3), scaled straight to that size; None is the full size."""
        if self._moment is None:
            self._moment = self._pictures.one_moment(self._decoded)
        return self._pictures.bgr(self._decoded, self._moment, self._lies, width, height)


class PictureMaker:
    """Makes upright pictures of one video's frames; keeps FFmpeg's scalers and filters from one to the next."""

    def __init__(self, source: SourceFacts) -> None:
        self._source = source
        self._coded_size = _coded_size(source)
        self._scalers: dict[tuple[int, int, int, int, str, int, Transfer], VideoReformatter] = {}
        self._fields = FieldFilter()
        self._eye = EyeFilter(source.stereo)

    def one_moment(self, decoded: VideoFrame) -> VideoFrame:
        """What of a frame is shown: one field where two show different moments, one eye's picture of stereo film."""
        moment = self._fields.one_moment(_by_its_range(decoded))
        return self._eye.picture(moment) if self._source.stereo else moment

    def bgr(
        self, decoded: VideoFrame, moment: VideoFrame, lies: Lies, width: int | None, height: int | None
    ) -> NDArray[np.uint8]:
        """See `Frame.bgr`; `moment` is what of `decoded` is shown."""
        width = self._source.width if width is None else width
        height = self._source.height if height is None else height
        mirrored, rotation = lies.turn or (self._source.mirrored, self._source.rotation)
        ratio = lies.ratio or self._source.sample_aspect_ratio
        turns = rotation // 90
        into_width, into_height = self._place(decoded, width, height, rotation, ratio)
        coded_width, coded_height = (into_height, into_width) if turns % 2 else (into_width, into_height)
        picture = self._scaled(moment, coded_width, coded_height, transfer_of(decoded, self._source.hdr))
        if mirrored:
            picture = picture[:, ::-1]
        if turns:
            picture = np.rot90(picture, turns)
        if (into_width, into_height) != (width, height):
            left, top = (width - into_width) // 2, (height - into_height) // 2
            whole = np.zeros((height, width, 3), np.uint8)
            whole[top : top + into_height, left : left + into_width] = picture
            return whole
        return np.ascontiguousarray(picture)

    def _scaled(self, picture: VideoFrame, width: int, height: int, transfer: Transfer) -> NDArray[np.uint8]:
        """`picture` as BGR uint8 (height, width, 3), high dynamic range brought to standard, not yet turned."""
        # A scaler keeps the levels that it began with.
        key = (picture.width, picture.height, width, height, picture.format.name, picture.color_range, transfer)
        scaler = self._scalers.get(key)
        if scaler is None:
            scaler = self._scalers[key] = VideoReformatter()
        if transfer == "ipt":
            # The intensity is luma, of the whole range.
            grey = scaler.reformat(
                picture, width, height, format="gray16le", interpolation=Interpolation.AREA, threads=1
            )
            codes = np.asarray(grey.to_ndarray(), dtype=np.uint16)
            return tone_mapped(np.repeat(codes[..., None], 3, axis=2), transfer)
        if transfer:
            deep = scaler.reformat(
                picture, width, height, format="rgb48le", interpolation=Interpolation.AREA, threads=1
            )
            return tone_mapped(np.asarray(deep.to_ndarray(), dtype=np.uint16), transfer)
        bgr = scaler.reformat(picture, width, height, format="bgr24", interpolation=Interpolation.AREA, threads=1)
        plane = bgr.planes[0]
        # The picture's own memory, where its lines follow one another without gaps.
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        return np.ascontiguousarray(lines[:, : 3 * width]).reshape(height, width, 3)

    def _place(self, picture: VideoFrame, width: int, height: int, rotation: int, ratio: float) -> tuple[int, int]:
        """The size at which a picture goes into (width, height): all of it, but for one of another shape than the
        video's first, of which a stream may change in its middle; that one keeps its shape."""
        coded_width, coded_height = picture.width, picture.height
        if self._source.stereo == "side_by_side":
            coded_width = max(1, coded_width // 2)
        elif self._source.stereo == "top_bottom":
            coded_height = max(1, coded_height // 2)
        as_usual = (rotation, ratio) == (self._source.rotation, self._source.sample_aspect_ratio)
        if (coded_width, coded_height) == self._coded_size and as_usual:
            return width, height
        shown_width, shown_height = coded_width * max(ratio, 1.0), coded_height / min(ratio, 1.0)
        if rotation % 180:
            shown_width, shown_height = shown_height, shown_width
        # In the video's own pixels first, which `width` and `height` may have stretched.
        across, down = self._source.width / shown_width, self._source.height / shown_height
        if abs(across / down - 1) < SAME_SHAPE:
            return width, height
        fit = min(across, down)
        return (
            min(width, max(1, round(width * fit / across))),
            min(height, max(1, round(height * fit / down))),
        )


def _by_its_range(picture: VideoFrame) -> VideoFrame:
    """The picture under a pixel format of its levels: where a stream changes from the whole range to the usual one,
    FFmpeg's H.264 decoder goes on to call its format one of the whole range, and scalers believe the format."""
    name = picture.format.name
    if not name.startswith("yuvj") or picture.color_range != _USUAL_RANGE:
        return picture
    plain = VideoFrame(picture.width, picture.height, f"yuv{name[4:]}")
    for source, target in zip(picture.planes, plain.planes, strict=True):
        lines = np.frombuffer(memoryview(source), np.uint8).reshape(source.height, source.line_size)
        copy = np.frombuffer(memoryview(target), np.uint8).reshape(target.height, target.line_size)
        copy[:, : source.width] = lines[:, : source.width]
    plain.color_range, plain.colorspace, plain.pts = picture.color_range, picture.colorspace, picture.pts
    return plain


def _coded_size(source: SourceFacts) -> tuple[int, int]:
    """(width, height) of the frames as they are coded, by what they are shown as."""
    width, height = (source.height, source.width) if source.rotation % 180 else (source.width, source.height)
    ratio = source.sample_aspect_ratio
    return round(width / max(ratio, 1.0)), round(height * min(ratio, 1.0))
