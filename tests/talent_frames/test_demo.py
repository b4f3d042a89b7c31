"""The demo clip is what its ground truth says."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import av
import numpy as np

from talent_frames.demo import CUT_FRAMES, DURATION_S, FPS, HEIGHT, PEOPLE, SHOTS, WIDTH


def test_there_are_four_people_who_return_and_two_of_them_meet() -> None:
    appearances = [person for shot in SHOTS for person in shot.people]
    assert len(PEOPLE) == 4
    assert min(appearances.count(person) for person in PEOPLE) == 2
    assert {shot.picture.file for shot in SHOTS if "president" in shot.people} == {"obama.jpg", "obama_speech.mp4"}
    assert [len(shot.people) for shot in SHOTS].count(2) == 1
    assert [len(shot.people) for shot in SHOTS].count(0) == 2
    assert 20 <= DURATION_S <= 30


def test_the_clip_decodes_and_is_cut_exactly_where_it_should_be(demo_clip: Path) -> None:
    small = []
    with av.open(str(demo_clip)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", WIDTH, HEIGHT)
        assert stream.average_rate == FPS
        for frame in container.decode(stream):
            small.append(frame.reformat(32, 18, "bgr24").to_ndarray().astype(int))
    assert len(small) == round(DURATION_S * FPS)
    change = [np.abs(after - before).mean() for before, after in itertools.pairwise(small)]
    jumps = tuple(number + 1 for number, amount in enumerate(change) if amount > 20)
    assert jumps == CUT_FRAMES


def test_the_truth_beside_it_names_everyone_in_every_shot(demo_clip: Path) -> None:
    with demo_clip.with_suffix(".gt.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [float(line["end"]) for line in lines] == [*(cut / FPS for cut in CUT_FRAMES), DURATION_S]
    assert {name for line in lines for name in line["person"].split("+") if name} == set(PEOPLE)
    assert not list(demo_clip.parent.glob(".*"))
