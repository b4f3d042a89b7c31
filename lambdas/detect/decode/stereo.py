"""Stereo film: one eye's picture cut out of a frame that holds two."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

from av.filter import Graph
from av.video.frame import VideoFrame

_CUT = {"side_by_side": "w=iw/2:h=ih:x=0:y=0", "top_bottom": "w=iw:h=ih/2:x=0:y=0"}


class EyeFilter:
    """Cuts the left or upper half out of pictures; keeps FFmpeg's filter from one picture to the next."""

    def __init__(self, stereo: Literal["", "side_by_side", "top_bottom"]) -> None:
        self._stereo = stereo
        self._graph: tuple[tuple[int, int, str], Graph] | None = None

    def picture(self, frame: VideoFrame) -> VideoFrame:
        """One eye's picture; the frame itself where there is but one, or where half of it would be nothing."""
        if not self._stereo or min(frame.width, frame.height) < 2:
            return frame
        shape = (frame.width, frame.height, frame.format.name)
        if self._graph is None or self._graph[0] != shape:
            graph = Graph()
            source = graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1, 1000)
            )
            graph.link_nodes(source, graph.add("crop", _CUT[self._stereo]), graph.add("buffersink")).configure()
            self._graph = (shape, graph)
        graph = self._graph[1]
        graph.vpush(frame)
        return graph.vpull()
