from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.contracts import PublishRequest
from lambdas.publish import handler, images
from lambdas.publish.contact_sheet import EDGE, GROUND, WIDTH, Cell, contact_sheet
from lambdas.publish.images import Image
from lambdas.publish.manifest import Manifest
from lambdas.staging import DirectoryStaging
from tests.publish.drawn_runs import RUN, DrawnRun, astronaut, drawn_frame

RED = (20, 20, 220)


def square(colour: tuple[int, int, int] = RED, width: int = 40, height: int = 40) -> Image:
    return np.full((height, width, 3), colour, np.uint8)


def inked(image: Image) -> NDArray[np.bool_]:
    """Where the sheet is not its ground, (h, w)."""
    return np.asarray(np.any(image != np.array(GROUND, np.uint8), axis=2), np.bool_)


@pytest.mark.parametrize("people", [0, 1, 5, 6, 24, 25, 100])
@pytest.mark.parametrize("frames", [0, 1, 10])
def test_everybody_and_every_frame_is_on_the_sheet_and_nothing_runs_over_its_edge(people: int, frames: int) -> None:
    blue = (220, 20, 20)
    faces = [Cell(square(), "W" * 90, "4.0 s")] * people
    whole = [Cell(square(blue, 160, 90), "0:01.0")] * frames
    sheet = contact_sheet("W" * 300, "10 s", faces, whole)
    assert sheet.shape[1] == WIDTH
    assert not inked(sheet)[:, : EDGE - 2].any()
    assert not inked(sheet)[:, WIDTH - EDGE + 2 :].any()
    for colour, count in ((RED, people), (blue, frames)):
        shown = np.all(sheet == np.array(colour, np.uint8), axis=2).astype(np.uint8)
        assert cv2.connectedComponents(shown)[0] - 1 == count


@pytest.mark.parametrize("name", ["", "\n\t", "Ōe Kenzaburō", "Жанна", "東京", "عمر", "🎬🎬", "a\x00b", "W" * 5000])
def test_any_name_can_be_written(name: str) -> None:
    sheet = contact_sheet(name, name, [Cell(square(), name, name)], [])
    assert bool(inked(sheet)[:80].any()) == bool(name.strip())


def test_people_beyond_the_sheet_are_told_of() -> None:
    few, more = (contact_sheet("film", "", [Cell(square(), "")], [], more=more) for more in (0, 900))
    assert more.shape[0] > few.shape[0]


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (720, 1280)])
def test_a_run_publishes_its_contact_sheet_and_lists_it(width: int, height: int, tmp_path: Path) -> None:
    run = DrawnRun(width, height)
    frame, face = astronaut(width, height)
    run.person(run.face(frame, face), name="Eileen Collins")
    run.stand_for_it(drawn_frame(width, height))
    staging, published = DirectoryStaging(tmp_path / "staging"), DirectoryStaging(tmp_path / "published")
    run.write(staging)
    handler.run(PublishRequest(run_id=RUN), staging, published)
    sheet = images.decode(published.get("contact_sheet.jpg"))
    assert sheet is not None and sheet.shape[1] == WIDTH
    manifest = Manifest.model_validate_json(published.get("manifest.json"))
    assert manifest.contact_sheet_file == "contact_sheet.jpg"
    assert "contact_sheet.jpg" in manifest.files
