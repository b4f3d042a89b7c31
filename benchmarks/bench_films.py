"""What the bench's clips show: films put together from the test videos, before anything is encoded.

A film is ffmpeg's inputs and a filter graph. Takes of few seconds run forth and back, so that they last without a cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RATE = 30
"""Frames a second of takes, slides and of every clip that says nothing else."""

Encode = Callable[[Sequence[str], Path], None]
"""Runs ffmpeg with these arguments; the result is written to the path."""


@dataclass(frozen=True)
class Take:
    """Seconds of a test video without a cut."""

    video: str
    """Path below TALENT_FRAMES_TEST_DATA."""
    start_s: float
    seconds: float
    framing: str
    """Filters from the video's picture to 1920x1080."""


_WHOLE = "scale=1920:1080:flags=bicubic"
_SQUARE = (
    "crop=720:720,split[ground][face];[ground]scale=1920:1920,crop=1920:1080,boxblur=40[ground];"
    "[face]scale=1080:1080:flags=bicubic[face];[ground][face]overlay=420:0"
)
"""A square picture before an enlarged, blurred copy of itself."""
_CUT = "videos/people17_cuts_720p.mp4"

TAKES = {
    "speaker": Take("real/speaker_and_drawings.mp4", 4.6, 2.8, _WHOLE),
    "guest": Take(_CUT, 0.1, 2.8, _WHOLE),
    "panel1": Take(_CUT, 11.1, 3.8, _SQUARE),
    "panel2": Take(_CUT, 21.2, 3.8, _SQUARE),
    "panel3": Take(_CUT, 29.2, 3.8, _SQUARE),
    "panel4": Take(_CUT, 33.2, 3.8, _SQUARE),
    "panel5": Take(_CUT, 56.2, 3.8, _SQUARE),
    "panel6": Take(_CUT, 64.2, 3.8, _SQUARE),
}


@dataclass(frozen=True)
class Film:
    """Pictures before they are encoded."""

    graph: str
    """Filters from the inputs to `[film]`."""
    seconds: float
    """After which it begins again."""
    people: tuple[int, int]
    """Fewest and most that are right for a clip of its whole length."""
    inputs: tuple[str, ...] = ()
    """Of ffmpeg, below TALENT_FRAMES_TEST_DATA; the graph's first ones."""
    takes: tuple[str, ...] = ()
    """The next inputs: some of TAKES, without end."""
    slides: tuple[float, ...] = ()
    """The last inputs: so many slides, and for how long each is shown, seconds."""


def _one_after_another(lengths_s: Sequence[tuple[int, float]], made: str = "") -> str:
    """A graph that cuts from input to input: number and seconds of each shot. `made` makes what `[wide]` shows."""
    uses = sorted({number for number, _ in lengths_s})
    parts = [made] if made else []
    shown: dict[int, int] = dict.fromkeys(uses, 0)
    for number in uses:
        count = sum(1 for other, _ in lengths_s if other == number)
        source = "[wide]" if number < 0 else f"[{number}:v]"
        parts.append(f"{source}split={count}" + "".join(f"[in{number}_{copy}]" for copy in range(count)))
    for place, (number, seconds) in enumerate(lengths_s):
        parts.append(f"[in{number}_{shown[number]}]trim=duration={seconds},setpts=PTS-STARTPTS[shot{place}]")
        shown[number] += 1
    shots = "".join(f"[shot{place}]" for place in range(len(lengths_s)))
    return ";".join([*parts, f"{shots}concat=n={len(lengths_s)}[film]"])


_INTERVIEW = [(0, 9.0), (1, 6.0), (0, 14.0), (1, 3.0), (0, 5.0), (1, 11.0), (0, 2.5), (1, 4.5), (0, 5.0)]
_PANEL = [(-1, 12.0), (7, 6.0), (-1, 8.0), (9, 5.0), (11, 3.0), (-1, 15.0), (6, 4.0), (8, 7.0)]
_WIDE = (
    ";".join(f"[{seat}:v]crop=640:1080,scale=320:540[seat{seat}]" for seat in range(6))
    + ";"
    + "".join(f"[seat{seat}]" for seat in range(6))
    + "hstack=inputs=6,pad=1920:1080:0:260:color=0x3a3f4a[wide]"
)
"""Six people side by side at a table's height."""
_PANEL_TAKES = tuple(f"panel{seat}" for seat in range(1, 7))
_SLIDES_S = (14.0, 21.0, 9.0, 33.0, 12.0, 26.0, 18.0, 47.0)

FILMS = {
    "cuts": Film("[0:v]null[film]", 80.12, (17, 17), (_CUT,)),
    "talking": Film("[0:v]null[film]", 60.0, (1, 1), takes=("speaker",)),
    "interview": Film(_one_after_another(_INTERVIEW), 60.0, (2, 2), takes=("speaker", "guest")),
    "panel": Film(
        _one_after_another(_PANEL, _WIDE), 60.0, (6, 6), takes=(*_PANEL_TAKES, *_PANEL_TAKES)
    ),
    "slides": Film(
        _one_after_another([(number + 1, length_s) for number, length_s in enumerate(_SLIDES_S)]).replace(
            "[film]", "[deck]"
        )
        + ";[0:v]scale=480:270[camera];[deck][camera]overlay=1410:790:shortest=1[film]",
        180.0,
        (1, 1),
        takes=("speaker",),
        slides=_SLIDES_S,
    ),
    "animation": Film("[0:v]null[film]", 30.0, (0, 0), ("videos/mp_bbb_0_30.webm",)),
}  # fmt: skip


def inputs(film: Film, data: Path, work: Path, encode: Encode) -> list[str]:
    """ffmpeg's arguments for the film's inputs, takes and slides made in folder `work` if they are not there yet."""
    arguments = [part for video in film.inputs for part in ("-i", str(data / video))]
    for name in film.takes:
        take = work / f"take_{name}.mkv"
        if not take.exists():
            encode(_forth_and_back(TAKES[name], data), take)
        arguments += ["-stream_loop", "-1", "-i", str(take)]
    for number, seconds in enumerate(film.slides):
        slide = work / f"slide_{number}.png"
        if not slide.exists():
            import cv2

            cv2.imwrite(str(slide), draw_slide(number))
        arguments += ["-loop", "1", "-framerate", str(RATE), "-t", str(seconds), "-i", str(slide)]
    return arguments


def _forth_and_back(take: Take, data: Path) -> list[str]:
    graph = f"[0:v]fps={RATE},{take.framing},split[forth][back];[back]reverse[back];[forth][back]concat[take]"
    span = ["-ss", str(take.start_s), "-t", str(take.seconds), "-i", str(data / take.video)]
    return [
        *span,
        "-an",
        "-filter_complex",
        graph,
        "-map",
        "[take]",
        *["-c:v", "libx264", "-preset", "veryfast", "-crf", "8"],
    ]


def draw_slide(number: int) -> NDArray[np.uint8]:
    """A slide of a lecture, or a window full of text as on a screen that is recorded: (1080, 1920, 3) BGR."""
    import cv2
    import numpy as np

    random = np.random.default_rng(number)
    slide = np.full((1080, 1920, 3), 250, np.uint8)
    if number % 3 == 2:
        slide[:] = (40, 36, 30)
        for row in range(34):
            text = "".join(chr(random.integers(97, 123)) if random.random() > 0.18 else " " for _ in range(80))
            _write(slide, text[: random.integers(10, 80)], (60, 60 + 28 * row), 0.6, (170, 220, 190))
        return slide
    cv2.rectangle(slide, (0, 0), (1919, 130), (120, 60, 20), -1)
    _write(slide, f"Part {number + 1}: what was measured", (70, 90), 2.0, (255, 255, 255))
    for row in range(5):
        words = " ".join("x" * random.integers(3, 11) for _ in range(random.integers(4, 9)))
        _write(slide, f"- {words}", (90, 240 + 95 * row), 1.3, (40, 40, 40))
    heights = random.integers(40, 300, 8)
    for column, height in enumerate(heights):
        left = 120 + 130 * column
        cv2.rectangle(slide, (left, 1040 - int(height)), (left + 90, 1040), (200, 120, 40), -1)
    return slide


def _write(
    picture: NDArray[np.uint8], text: str, at: tuple[int, int], size: float, colour: tuple[int, int, int]
) -> None:
    import cv2

    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 2, cv2.LINE_AA)
