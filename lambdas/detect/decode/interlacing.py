"""Interlaced pictures: whether both fields show one moment, and one field as a picture of its own."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame

COMBED_RATIO = 1.0
"""A frame is taken apart where neighbouring lines differ more than this times lines of one field. Keyframes of thirteen
real films that are not interlaced, at their size and at 480 and 576 lines, came to 0.58 at most."""

TELEVISION_LINES = (480, 486, 576)
"""Heights of pictures that are looked at though they are not flagged."""


class FieldFilter:
    """Takes the upper field out of interlaced pictures; keeps FFmpeg's filter from one picture to the next."""

    def __init__(self) -> None:
        self._graph: tuple[tuple[int, int, str], Graph] | None = None

    def one_moment(self, picture: VideoFrame) -> VideoFrame:
        """The picture as it is, or half its lines where the other half shows another moment."""
        if not _may_be_combed(picture) or not combed(picture):
            return picture
        shape = (picture.width, picture.height, picture.format.name)
        if self._graph is None or self._graph[0] != shape:
            graph = Graph()
            source = graph.add_buffer(
                width=picture.width, height=picture.height, format=picture.format, time_base=Fraction(1, 1000)
            )
            graph.link_nodes(source, graph.add("field", "top"), graph.add("buffersink")).configure()
            self._graph = (shape, graph)
        graph = self._graph[1]
        graph.vpush(picture)
        return graph.vpull()


def _may_be_combed(picture: VideoFrame) -> bool:
    """Whether it is flagged interlaced, or of a size of television: film woven into fields is often coded as if it were
    not, and two of five frames of it are combed."""
    if picture.interlaced_frame:
        return True
    return picture.height in TELEVISION_LINES and not picture.format.is_rgb and picture.format.components[0].bits == 8


def combed(picture: VideoFrame) -> bool:
    """Whether the two fields show different moments: neighbouring lines then differ more than those of one field."""
    plane = picture.planes[0]
    deep = picture.format.components[0].bits > 8
    rows = np.frombuffer(memoryview(plane), np.uint16 if deep else np.uint8).reshape(plane.height, -1)
    lines = rows[:, : plane.width]
    across = cv2.norm(lines[1:-1], lines[2:], cv2.NORM_L1)
    within = cv2.norm(lines[:-2], lines[2:], cv2.NORM_L1)
    return across > COMBED_RATIO * within
