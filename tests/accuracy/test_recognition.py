"""The open-set protocol: by hand on drawn vectors, and on the gallery against committed numbers."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import recognition
from benchmarks.accuracy.recognition import open_set, spread
from benchmarks.accuracy.table import Part
from lambdas.contracts import Gallery

MARGIN = 0.01


def six_people(noise: float) -> Gallery:
    generator = np.random.default_rng(2)
    vectors = np.repeat(np.eye(32)[:6], 10, axis=0) + generator.normal(0, noise, (60, 32))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Gallery(list("abcdef"), vectors.astype(np.float32), np.repeat(np.arange(6, dtype=np.int32), 10), "0" * 64)


def strangers(count: int) -> np.ndarray:
    vectors = np.random.default_rng(3).normal(size=(count, 32))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def test_every_choice_is_tried_both_ways() -> None:
    trials = open_set(six_people(0.01), strangers(7))
    assert int(trials.known.sum()) == 15 * 2 * 4 * 5
    assert int((~trials.known).sum()) == 15 * 2 * (2 * 5 + 7)
    assert trials.comparisons == 15 * 2 * 4 * (6 * 5 + 7)


def test_clear_people_are_all_identified_and_strangers_are_not() -> None:
    trials = open_set(six_people(0.01), strangers(50))
    assert trials.identified(0.9).all()
    assert trials.falsely_named(0.9) == 0
    assert spread(trials, 0.9) == (1.0, 1.0)


def test_at_its_threshold_the_false_share_is_kept() -> None:
    trials = open_set(six_people(0.3), strangers(200))
    assert trials.falsely_named(trials.threshold_for_names(0.01)) <= 0.01
    assert trials.false_matches(trials.threshold_for_matches(0.01)) <= 0.01
    low, high = spread(trials, None)
    assert low < trials.identified(trials.threshold_for_names(0.01)).mean() < high


@pytest.fixture(scope="module")
def part(videos: Path, gallery_pictures: Path, test_pack: Path) -> Part:
    return recognition.run(quick=True)


def test_the_known_are_identified_and_strangers_are_not_named(part: Part) -> None:
    assert part.numbers["test pack.comparisons"] >= 1000
    assert part.numbers["test pack.at_fpir"] >= 1.0 - MARGIN
    assert part.numbers["test pack.own"] >= 1.0 - MARGIN
    assert part.numbers["test pack.own_fmr"] <= 0.001
