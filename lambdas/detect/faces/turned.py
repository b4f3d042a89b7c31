"""Pictures that lie on their side: where hardly a face is found, a few frames are looked at turned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lambdas.detect.decode.frame import Frame
from lambdas.detect.faces.detections import Detector

FRAMES_TURNED = 2
"""Looked at of a chunk in which hardly a face was found: 6 pictures, a fifth of a second."""
SURE = 0.7
"""Confidence of a face that is found in a turned picture."""
_FEW = 0.1
"""Share of the frames looked at in which faces may be found so that the others are looked at turned."""


@dataclass(frozen=True)
class TurnedLooks:
    """What was found."""

    frames: int = 0
    """Frames looked at."""
    faces: tuple[int, int, int] = (0, 0, 0)
    """Faces in them turned by 90, 180 and 270 degrees counter-clockwise."""


def hardly_any(with_faces: int, looked: int) -> bool:
    """Whether so few of the frames looked at hold faces that they may lie on their side."""
    return looked > 0 and with_faces <= _FEW * looked


def look_turned(frames: Sequence[Frame], detector: Detector, width: int, height: int, least_px: int) -> TurnedLooks:
    """Looks at up to FRAMES_TURNED of the frames, evenly taken, in the three other positions.

    `width` and `height` are the video's; faces whose shorter side is below `least_px` of its pixels don't count.
    """
    step = len(frames) / FRAMES_TURNED
    chosen = frames if len(frames) <= FRAMES_TURNED else [frames[int(step * (n + 0.5))] for n in range(FRAMES_TURNED)]
    found = [0, 0, 0]
    across, down = detector.input_size(width, height)
    for frame in chosen:
        picture = frame.bgr(across, down)
        for turns in (1, 2, 3):
            faces = detector.detect(np.ascontiguousarray(np.rot90(picture, turns)), SURE)
            sides = np.minimum(faces.boxes[:, 2] - faces.boxes[:, 0], faces.boxes[:, 3] - faces.boxes[:, 1])
            found[turns - 1] += int((sides * width / across >= least_px).sum())
    return TurnedLooks(len(chosen), (found[0], found[1], found[2]))
