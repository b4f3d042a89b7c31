"""contact_sheet.jpg: people's faces and the frames for the whole, as one picture. Pure: no files, no environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np

from lambdas.publish import report
from lambdas.publish.images import Image, decode, resize
from lambdas.publish.manifest import Manifest

WIDTH = 1920
EDGE, GAP = 56, 20
"""Pixels around everything, and between pictures."""
MOST_PEOPLE = 100
"""On the sheet."""
GROUND, INK, SOFT = (240, 245, 247), (37, 33, 29), (107, 100, 93)
"""BGR."""
TITLE_PX, HEADING_PX, NAME_PX, NOTE_PX = 44, 26, 19, 16


@dataclass(frozen=True)
class Letters:
    """What a line is written with."""

    size: int
    """Pixels."""
    colour: tuple[int, int, int]
    """BGR."""
    weight: int = 400

    def width(self, text: str) -> int:
        """Pixels that a line of them takes."""
        box = cv2.getTextSize((8 * WIDTH, 8 * self.size), text, (0, 4 * self.size), _font(), self.size, self.weight)
        return int(box[2])


@dataclass(frozen=True)
class Cell:
    """A picture with a line or two below it."""

    picture: Image
    title: str
    note: str = ""


def sheet_of(manifest: Manifest, faces: Mapping[str, bytes], shown: Mapping[str, report.Shown]) -> Image:
    """The sheet of a run, by its published pictures of faces and its report's pictures."""
    people = [
        Cell(picture, report.label(person), report.span(person.screen_time_s))
        for person in manifest.people[:MOST_PEOPLE]
        if (picture := decode(faces[person.thumbnail])) is not None
    ]
    frames = [
        Cell(picture, report.clock(frame.t_s))
        for frame in manifest.representative_frames
        if (picture := decode(shown[frame.file].data)) is not None
    ]
    return contact_sheet(
        report.title(manifest), report.facts(manifest), people, frames, len(manifest.people) - len(people)
    )


def contact_sheet(title: str, facts: str, people: Sequence[Cell], frames: Sequence[Cell], more: int = 0) -> Image:
    """The sheet, 1920 pixels wide and as high as it needs, (h, 1920, 3) BGR. `people` are shown square, `frames` in
    their own shape; either may be empty. `more` people are told of, not shown."""
    columns = next((count for most, count in ((5, 5), (12, 6), (24, 8)) if len(people) <= most), 10)
    parts = [_heading(title, TITLE_PX, facts)]
    parts += _grid(people, columns, 1.0)
    if more:
        parts.append(_heading(f"and {more:,} more people", NOTE_PX))
    if frames:
        height, width = frames[0].picture.shape[:2]
        word = "frame" if len(frames) == 1 else "frames"
        parts.append(_heading(f"The whole in {len(frames)} {word}", HEADING_PX))
        parts += _grid(frames, 5 if width >= height else 10, height / width)
    return np.vstack([_ground(EDGE - GAP), *parts, _ground(EDGE - GAP)])


def _grid(cells: Sequence[Cell], columns: int, shape: float) -> list[Image]:
    """Rows of cells; `shape` is a picture's height over its width."""
    width = (WIDTH - 2 * EDGE - (columns - 1) * GAP) // columns
    height = max(round(width * shape), 1)
    lines = [cell.note for cell in cells if cell.note]
    rows = []
    for at in range(0, len(cells), columns):
        row = _ground(height + 34 + (24 if lines else 0) + GAP)
        for place, cell in enumerate(cells[at : at + columns]):
            left = EDGE + place * (width + GAP)
            row[:height, left : left + width] = resize(cell.picture, width, height)
            _write(row, cell.title, left, height + 26, Letters(NAME_PX, INK, 600), width)
            _write(row, cell.note, left, height + 50, Letters(NOTE_PX, SOFT), width)
        rows.append(row)
    return rows


def _heading(text: str, size: int, facts: str = "") -> Image:
    part = _ground(size * 2 + (NAME_PX * 2 if facts else 0))
    _write(part, text, EDGE, round(size * 1.3), Letters(size, INK, 700), WIDTH - 2 * EDGE)
    _write(part, facts, EDGE, round(size * 1.3) + NAME_PX * 2 - 4, Letters(NAME_PX, SOFT), WIDTH - 2 * EDGE)
    return part


def _ground(height: int) -> Image:
    return np.full((height, WIDTH, 3), GROUND, np.uint8)


def _write(image: Image, text: str, x: int, y: int, letters: Letters, most: int) -> None:
    """Writes one line into the image, shortened to `most` pixels."""
    # No letter is narrower than this.
    text = " ".join(text.split())[: most // 3]
    if not text:
        return
    if letters.width(text) > most:
        while text and letters.width(text + "…") > most:
            text = text[:-1].rstrip()
        text += "…"
    # OpenCV's own fonts know Latin, Greek, Cyrillic, Arabic, Chinese, Japanese and Korean letters.
    cv2.putText(image, text, (x, y), letters.colour, _font(), letters.size, letters.weight)


@cache
def _font() -> Any:
    return cv2.FontFace("sans")
