"""One decoded frame, and how it becomes an upright BGR picture of any size.

Rotation, sample aspect ratio, interlacing and high dynamic range are dealt with here, once.
"""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from lambdas.contracts import SourceFacts
from lambdas.detect.decode.interlacing import FieldFilter
from lambdas.detect.decode.tone_mapping import tone_mapped
from lambdas.video import display_turn

SAME_SHAPE = 0.02
"""Frames of another size whose shape differs by less fill the picture: adaptive streams round their sizes to even."""


class Frame:
    """One decoded frame."""

    def __init__(self, decoded: VideoFrame, pts: int, pictures: PictureMaker) -> None:
        self.pts = pts
        """In the source's time base."""
        self.corrupt = bool(decoded.is_corrupt)
        """Whether the decoder met errors in it."""
        self.keyframe = bool(decoded.key_frame)
        self._decoded = decoded
        self._moment: VideoFrame | None = None
        """The frame, or of an interlaced one the field that shows one moment; made once."""
        self._pictures = pictures

    def bgr(self, width: int | None = None, height: int | None = None) -> NDArray[np.uint8]:
        """The upright picture, BGR uint8 (height, width, 3), scaled straight to that size; None is the full size."""
        if self._moment is None:
            self._moment = self._pictures.one_moment(self._decoded)
        return self._pictures.bgr(self._decoded, self._moment, width, height)


class PictureMaker:
    """Makes upright pictures of one video's frames; keeps FFmpeg's scalers and filters from one to the next."""

    def __init__(self, source: SourceFacts) -> None:
        self._source = source
        self._coded_size = _coded_size(source)
        self._scalers: dict[tuple[int, int, int, int], VideoReformatter] = {}
        self._fields = FieldFilter()

    def one_moment(self, decoded: VideoFrame) -> VideoFrame:
        """See `FieldFilter.one_moment`."""
        return self._fields.one_moment(decoded)

    def bgr(self, decoded: VideoFrame, moment: VideoFrame, width: int | None, height: int | None) -> NDArray[np.uint8]:
        """See `Frame.bgr`; `moment` is what of `decoded` is shown."""
        width = self._source.width if width is None else width
        height = self._source.height if height is None else height
        mirrored, rotation = display_turn(decoded) or (self._source.mirrored, self._source.rotation)
        turns = rotation // 90
        into_width, into_height = self._place(decoded, width, height, rotation)
        coded_width, coded_height = (into_height, into_width) if turns % 2 else (into_width, into_height)
        picture = self._scaled(moment, coded_width, coded_height)
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

    def _scaled(self, picture: VideoFrame, width: int, height: int) -> NDArray[np.uint8]:
        """`picture` as BGR uint8 (height, width, 3), high dynamic range brought to standard, not yet turned."""
        key = (picture.width, picture.height, width, height)
        scaler = self._scalers.get(key)
        if scaler is None:
            scaler = self._scalers[key] = VideoReformatter()
        if self._source.hdr:
            deep = scaler.reformat(
                picture, width, height, format="rgb48le", interpolation=Interpolation.AREA, threads=1
            )
            return tone_mapped(np.asarray(deep.to_ndarray(), dtype=np.uint16), self._source.hdr)
        bgr = scaler.reformat(picture, width, height, format="bgr24", interpolation=Interpolation.AREA, threads=1)
        plane = bgr.planes[0]
        # The picture's own memory, where its lines follow one another without gaps.
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(height, plane.line_size)
        return np.ascontiguousarray(lines[:, : 3 * width]).reshape(height, width, 3)

    def _place(self, picture: VideoFrame, width: int, height: int, rotation: int) -> tuple[int, int]:
        """The size at which a picture goes into (width, height): all of it, but for one of another shape than the
        video's first, of which a stream may change in its middle; that one keeps its shape."""
        if (picture.width, picture.height) == self._coded_size and rotation == self._source.rotation:
            return width, height
        ratio = self._source.sample_aspect_ratio
        shown_width, shown_height = picture.width * max(ratio, 1.0), picture.height / min(ratio, 1.0)
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


def _coded_size(source: SourceFacts) -> tuple[int, int]:
    """(width, height) of the frames as they are coded, by what they are shown as."""
    width, height = (source.height, source.width) if source.rotation % 180 else (source.width, source.height)
    ratio = source.sample_aspect_ratio
    return round(width / max(ratio, 1.0)), round(height * min(ratio, 1.0))
