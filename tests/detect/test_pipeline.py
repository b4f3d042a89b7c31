"""One chunk from packets to what is handed on: little is decoded, nobody and no cut is lost."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.accuracy.clips import write
from lambdas.contracts import Plan, Settings, SplitRequest, plan_key
from lambdas.detect.context import ChunkContext
from lambdas.detect.packs import load_pack
from lambdas.detect.pipeline import ChunkResult, _counts, process_chunk
from lambdas.detect.tracking.detection import Track
from lambdas.split import handler as split
from lambdas.staging import DirectoryStaging, get_document
from talent_frames.packs import resolve_pack
from tests.detect.factory import face_at

Image = NDArray[np.uint8]


def processed(clip: Path, folder: Path, **settings: object) -> tuple[Plan, ChunkResult]:
    """The clip's only chunk with the default pack."""
    staging, pack = DirectoryStaging(folder / "staging"), load_pack(resolve_pack("open"))
    chosen = Settings.model_validate({"min_scenes": 0} | settings)
    run_id = split.run(SplitRequest(uri=str(clip), settings=chosen, pack=pack.facts), staging).run_id
    plan = get_document(staging, plan_key(run_id), Plan)
    return plan, process_chunk(ChunkContext.of(plan, 0), str(clip), clip.name, pack)


def two_people(six_people: Image) -> Image:
    return six_people[40:400, 150:790].copy()


def elsewhere(picture: Image) -> Image:
    """The same two people in other surroundings."""
    other = picture.copy()
    for columns in (slice(0, 100), slice(440, 640)):
        other[:, columns] = 255 - picture[:, columns]
    return other


def cut_numbers(plan: Plan, result: ChunkResult) -> list[float]:
    columns = result.detections
    return [plan.source.seconds(int(pts)) * 25 for pts in columns.scene_pts[columns.scene_scores >= 27]]


@pytest.mark.parametrize("at_keyframe", [True, False])
def test_of_two_still_shots_little_is_decoded_and_neither_people_nor_the_cut_are_lost(
    six_people: Image, at_keyframe: bool, tmp_path: Path
) -> None:
    first, cut = two_people(six_people), 125
    second = elsewhere(first)
    clip = tmp_path / "two.mp4"
    images: Iterator[Image] = (first if number < cut else second for number in range(350))
    write(clip, images, 25, gop=50, keyframes={cut} if at_keyframe else None)
    plan, result = processed(clip, tmp_path)
    columns, document = result.detections, result.document
    assert document.frame_count == 350
    assert len(columns.scene_pts) < 110  # others refer to 175
    assert cut_numbers(plan, result) == [pytest.approx(cut)]
    before = columns.pts < plan.source.pts(cut / 25)
    assert (len(set(columns.tracks[before])), len(set(columns.tracks[~before]))) == (2, 2)
    assert not set(columns.tracks[before]) & set(columns.tracks[~before])
    # Moments carried over stand for the seconds that nobody decoded.
    seconds = {int(plan.source.seconds(int(pts)) + 0.01) for pts in columns.pts}
    assert seconds == set(range(14))
    assert document.looked_frames < len(set(columns.pts.tolist()))


def test_every_frame_staged_can_be_read_from_the_tar(six_people: Image, tmp_path: Path) -> None:
    clip = tmp_path / "still.mp4"
    picture = two_people(six_people)
    write(clip, (picture for _ in range(100)), 25, gop=50)
    _, result = processed(clip, tmp_path)
    assert result.document.staged
    for frame in result.document.staged:
        data = np.frombuffer(result.frames[frame.offset : frame.offset + frame.length], np.uint8)
        shown = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert shown is not None
        assert np.abs(shown.astype(int) - picture).mean() < 12
    with tarfile.open(fileobj=io.BytesIO(result.frames)) as archive:
        assert len(archive.getnames()) == len(result.document.staged)
    staged = result.detections.staged
    assert set(staged.tolist()) <= {-1, *range(len(result.document.staged))}
    assert (staged >= 0).any()


def test_a_face_that_refinement_alone_met_counts_from_three_detections_on_or_two_without_a_flaw() -> None:
    clean = [face_at(number, dense=True) for number in (0, 3, 6)]
    flawed = [face_at(number, dense=True, sharpness=0.1) for number in (0, 3, 6)]
    assert [_counts(Track(tuple(clean[:count]))) for count in (1, 2, 3)] == [False, True, True]
    assert [_counts(Track(tuple(flawed[:count]))) for count in (1, 2, 3)] == [False, False, True]
    # One that was sampled counts always.
    assert _counts(Track((face_at(0, sharpness=0.1),)))
    assert _counts(Track((face_at(0, sharpness=0.1), flawed[1])))


@pytest.mark.parametrize(("quarters", "at"), [(0, None), (3, 0), (2, 1), (1, 2)])
def test_a_picture_that_lies_is_looked_at_turned_and_an_upright_one_is_not(
    six_people: Image, quarters: int, at: int | None, tmp_path: Path
) -> None:
    """`quarters` counter-clockwise; `at` is the turn, from 90 degrees on, that sets it upright."""
    clip = tmp_path / "lying.mp4"
    picture = np.ascontiguousarray(np.rot90(two_people(six_people), quarters))
    write(clip, (picture for _ in range(100)), 25, gop=50)
    _, result = processed(clip, tmp_path)
    document, columns = result.document, result.detections
    down = columns.landmarks[:, 3:].mean(axis=1) - columns.landmarks[:, :2].mean(axis=1)
    lying = len(down) > 0 and bool((np.abs(down[:, 0]) > down[:, 1]).mean() > 0.5)
    if at is None:
        assert (document.turned_looks, document.turned_faces, lying) == (0, (0, 0, 0), False)
    else:
        # Either they are found lying, or in turned pictures alone.
        assert lying or document.turned_faces[at] == max(document.turned_faces) >= 2
