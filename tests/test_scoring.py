"""From measures to scores: what a flaw costs, what the baseline is, and that only what was measured counts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.cluster.footage import read_footage
from lambdas.cluster.scores import score_people
from lambdas.cluster.who_is_who import who_is_who
from lambdas.contracts import FACE_FLAGS, QUALITY_PARTS, DetectRequest, Plan, Settings, SplitRequest, plan_key
from lambdas.detect import handler as detect
from lambdas.detect.packs import load_pack
from lambdas.scoring import (
    WEAK,
    Baseline,
    Measures,
    Score,
    baselines,
    eyes_open_part,
    eyes_seen,
    flags_of,
    named_flags,
    numbers_of,
    score,
)
from lambdas.split import handler as split
from lambdas.staging import DirectoryStaging, get_document


def measures(
    openings: list[float], in_view: list[float] | None = None, confidence: list[float] | None = None
) -> Measures:
    """Of faces without a flaw but for these; both eyes are as open."""
    n = len(openings)
    return Measures(
        np.ones((n, len(QUALITY_PARTS)), np.float32),
        np.repeat(np.array(openings, np.float32)[:, None], 2, axis=1),
        np.ones((n, 2), np.float32),
        np.array(in_view or [45.0] * n, np.float32),
        np.array(confidence or [0.88] * n, np.float32),
        np.full(n, 0.5, np.float32),
    )


def some(seed: int, n: int) -> Measures:
    """Faces of all kinds, some too small to be read."""
    rng = np.random.default_rng(seed)
    found = Measures(
        rng.uniform(0, 1, (n, len(QUALITY_PARTS))).astype(np.float32),
        rng.uniform(0.02, 0.45, (n, 2)).astype(np.float32),
        rng.uniform(0, 1, (n, 2)).astype(np.float32),
        rng.uniform(10, 60, n).astype(np.float32),
        rng.uniform(0.5, 0.95, n).astype(np.float32),
        rng.uniform(0, 1, n).astype(np.float32),
    )
    found.openings[::7], found.in_view[::7] = np.nan, np.nan
    return found


def rows(of: Measures, at: NDArray[np.int64]) -> Measures:
    return Measures(*(getattr(of, field.name)[at] for field in dataclasses.fields(Measures)))


def of_person(of: Measures) -> Baseline:
    return baselines(of, np.zeros(len(of), np.int64), 1)


def part(of: Measures, name: str, baseline: Baseline | None = None) -> list[float]:
    return [round(value, 4) for value in score(of, baseline).parts[:, QUALITY_PARTS.index(name)].tolist()]


def test_the_score_is_ruled_by_the_worst_part() -> None:
    good = np.full(len(QUALITY_PARTS), 0.95, np.float32)
    one_bad = good.copy()
    one_bad[QUALITY_PARTS.index("frontal")] = 0
    numbers = numbers_of(np.stack([good, one_bad, np.zeros_like(good)]))
    assert numbers[0] == pytest.approx(0.95)
    assert numbers[1] < 0.65
    assert numbers[2] < 0.001


def test_any_flaw_costs_more_than_a_far_smaller_and_softer_face() -> None:
    modest = np.full((1, len(QUALITY_PARTS)), 0.55, np.float32)
    for name in ("frontal", "sharpness", "exposure", "eyes_open", "inside", "unobstructed", "steady"):
        spoilt = np.ones_like(modest)
        spoilt[:, QUALITY_PARTS.index(name)] = 0
        assert numbers_of(spoilt) < numbers_of(modest)


def test_every_weak_part_has_its_flag() -> None:
    parts = np.stack([np.full(len(QUALITY_PARTS), value, np.float32) for value in (WEAK, 0, 0)])
    bits = flags_of(parts, np.array([0.5, 0.1, 0.9], np.float32)).tolist()
    assert named_flags(bits[0]) == []
    assert named_flags(bits[1]) == [flag for flag in FACE_FLAGS if flag != "too_bright"]
    assert named_flags(bits[2]) == [flag for flag in FACE_FLAGS if flag != "too_dark"]


def test_eyes_half_as_open_as_the_person_s_baseline_count_as_shut_whatever_their_size() -> None:
    assert eyes_open_part(
        np.array([[0.3, 0.3], [0.05, 0.05], [0.16, 0.16]], np.float32), np.ones((3, 2), np.float32)
    ).tolist() == pytest.approx([1.0, 0.0, WEAK])
    large, small = of_person(measures([0.32])), of_person(measures([0.17]))
    assert part(measures([0.16]), "eyes_open", large)[0] < WEAK
    assert part(measures([0.16]), "eyes_open", small)[0] == 1


def with_eyes(*openings: tuple[float, float], seen: tuple[float, float] = (1, 1)) -> Measures:
    """Of faces without a flaw but for their eyes."""
    return dataclasses.replace(
        measures([0.3] * len(openings)),
        openings=np.array(openings, np.float32),
        eyes_seen=np.array([seen] * len(openings), np.float32),
    )


def flagged(of: Measures, baseline: Baseline | None = None) -> list[list[str]]:
    return [[str(flag) for flag in named_flags(bits)] for bits in score(of, baseline).flags.tolist()]


def test_the_worse_eye_decides() -> None:
    person = of_person(with_eyes((0.3, 0.3), (0.3, 0.3), (0.1, 0.1)))
    winks = with_eyes((0.3, 0.1), (0.1, 0.3), (0.3, 0.17))
    assert flagged(winks, person) == [["eyes_closed"]] * 3
    assert score(winks, person).numbers[:2].max() < 0.5
    # By the picture alone too, where one eye is clearly shut.
    assert eyes_open_part(winks.openings, winks.eyes_seen).round(2).tolist()[:2] == pytest.approx([0.18, 0.18])


def test_each_eye_has_its_own_baseline() -> None:
    drooping = of_person(with_eyes((0.3, 0.16), (0.29, 0.16), (0.31, 0.15)))
    assert flagged(with_eyes((0.3, 0.15), (0.16, 0.16)), drooping) == [[], ["eyes_closed"]]


def test_lids_halfway_down_are_doubted_before_they_are_flagged() -> None:
    person = of_person(with_eyes((0.3, 0.3)))
    open_wide, lowered, half = part(with_eyes((0.28, 0.28), (0.23, 0.23), (0.17, 0.17)), "eyes_open", person)
    assert open_wide > 0.9
    assert WEAK < lowered < 0.7
    assert half < WEAK


def test_an_eye_turned_away_says_nothing_of_the_face_or_the_person() -> None:
    half_profile = with_eyes((0.3, 0.02), seen=(1, 0))
    assert part(half_profile, "eyes_open", of_person(with_eyes((0.3, 0.3)))) == [1.0]
    assert part(with_eyes((0.3, 0.02)), "eyes_open", of_person(with_eyes((0.3, 0.3)))) == [0.0]
    baseline = of_person(Measures.joined([with_eyes((0.3, 0.28)), *[with_eyes((0.3, 0.6), seen=(1, 0.2))] * 9]))
    assert baseline.openings[0].tolist() == pytest.approx([0.3, 0.28])


def test_the_eye_on_the_side_to_which_the_head_turns_is_seen_less_and_less() -> None:
    """A head as five points in space, turned about its vertical axis and projected."""
    head = np.array([[-1, 0, 0], [1, 0, 0], [0, 1.05, 0.9], [-0.75, 2, 0.2], [0.75, 2, 0.2]])

    def turned(degrees: float) -> NDArray[np.float32]:
        turn = np.radians(degrees)
        x = head[:, 0] * np.cos(turn) + head[:, 2] * np.sin(turn)
        return np.asarray(eyes_seen(np.stack([x, head[:, 1]], axis=1)[None].astype(np.float32))[0], np.float32)

    degrees = (0, 15, 30, 45, 60)
    assert [float(turned(one)[0]) for one in degrees] == [1] * 5
    seen = [float(turned(one)[1]) for one in degrees]
    assert seen == sorted(seen, reverse=True)
    assert (seen[0], seen[1]) == (1, 1)
    assert seen[3] < 0.5
    np.testing.assert_allclose(turned(-40), turned(40)[::-1], atol=1e-6)


def test_a_face_is_held_against_its_person_s_baseline() -> None:
    seen = measures([0.3] * 2 + [0.05] * 5, [45.0] * 2 + [20.0] * 5, [0.88] * 2 + [0.7] * 5)
    baseline = of_person(seen)
    assert baseline.openings[0].tolist() == pytest.approx([0.3, 0.3])
    assert [float(baseline.in_view[0]), float(baseline.confidence[0])] == pytest.approx([45, 0.88])
    as_ever_blinks_hidden = measures([0.28, 0.14, 0.28], [44, 44, 24], [0.87, 0.87, 0.78])
    found = score(as_ever_blinks_hidden, baseline)
    assert [named_flags(bits) for bits in found.flags.tolist()] == [[], ["eyes_closed"], ["covered"]]
    assert found.numbers[0] > found.numbers[1:].max() + 0.05
    assert not score(as_ever_blinks_hidden).flags.any()


def test_whoever_was_detected_once_is_the_own_baseline() -> None:
    alone = some(1, 1)
    np.testing.assert_array_equal(score(alone, of_person(alone)).numbers, score(alone).numbers)


def test_nobody_has_no_scores() -> None:
    nobody = some(0, 0)
    assert len(score(nobody)) == len(score(nobody, baselines(nobody, np.zeros(0, np.int64), 0))) == 0


def test_faces_too_small_to_be_read_say_nothing_about_the_baseline() -> None:
    read, unread = measures([0.3, 0.28]), measures([np.nan, np.nan], [np.nan, np.nan])
    both = of_person(Measures.joined([unread, read, unread]))
    np.testing.assert_array_equal(both.openings, of_person(read).openings)
    np.testing.assert_array_equal(score(unread, both).parts, score(unread).parts)
    assert np.isnan(of_person(unread).openings).all()


def test_the_baseline_is_a_percentile_of_each_person_s_faces() -> None:
    of, person = some(2, 200), np.random.default_rng(2).integers(0, 5, 200)
    found = baselines(of, person, 6)
    for number in range(5):
        expected = np.percentile(of.confidence[person == number], 85)
        assert found.confidence[number] == pytest.approx(expected, abs=1e-6)
        assert found.in_view[number] == pytest.approx(np.nanpercentile(of.in_view[person == number], 85), abs=1e-4)
    assert np.isnan([*found.openings[5], found.in_view[5], found.confidence[5]]).all()


def test_the_order_of_faces_and_of_people_makes_no_difference() -> None:
    rng = np.random.default_rng(3)
    of, person = some(3, 120), rng.integers(0, 4, 120)
    expected = score(of, baselines(of, person, 4).of_each(person))
    for _ in range(5):
        order, renamed = rng.permutation(120), rng.permutation(4)
        shuffled, names = rows(of, order), renamed[person[order]]
        found = score(shuffled, baselines(shuffled, names, 4).of_each(names))
        np.testing.assert_allclose(found.numbers, expected.numbers[order], rtol=1e-6)
        np.testing.assert_array_equal(found.flags, expected.flags[order])


def test_scores_of_a_smaller_group_before_leave_nothing_behind() -> None:
    """The same faces were scored as they came, a few at a time: what counts is who they belong to at last."""
    of = some(4, 20)
    expected = score(of, of_person(of))
    for end in range(1, 21):
        few = rows(of, np.arange(end))
        score(few, of_person(few))
        score(of, of_person(few))
    found = score(of, of_person(of))
    np.testing.assert_array_equal(found.parts, expected.parts)
    np.testing.assert_array_equal(found.flags, expected.flags)


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match=r"in_view: \(2,\) instead of \(3,\)"):
        dataclasses.replace(some(5, 3), in_view=np.zeros(2, np.float32))


def faces_of_film(video: Path, pack: Path, chunk_s: float, root: Path) -> dict[tuple[int, int, int], Score]:
    """Scores by PTS and the middle of the box, in steps of 4 pixels."""
    staging = DirectoryStaging(root)
    settings = Settings(chunk_s=chunk_s, scenes=False, representative=0)
    planned = split.run(SplitRequest(uri=str(video), settings=settings, pack=load_pack(pack).facts), staging)
    for chunk in range(planned.chunk_count):
        detect.run(DetectRequest(run_id=planned.run_id, chunk=chunk), staging, pack)
    plan = get_document(staging, plan_key(planned.run_id), Plan)
    footage = read_footage(plan, staging)
    footage = score_people(footage, *who_is_who(plan, footage, []))
    return {
        (int(pts), round(float(box[0] + box[2]) / 8), round(float(box[1] + box[3]) / 8)): one
        for columns, scores in zip(footage.detections, footage.scores, strict=True)
        for pts, box, one in zip(columns.pts, columns.boxes, scores, strict=True)
    }


def test_a_film_s_faces_score_the_same_however_it_is_cut_into_chunks(
    videos: Path, test_pack: Path, tmp_path: Path
) -> None:
    film = videos / "people17_cuts_720p.mp4"
    whole = faces_of_film(film, test_pack, 200, tmp_path / "whole")
    parts = faces_of_film(film, test_pack, 30, tmp_path / "parts")
    both = whole.keys() & parts.keys()
    assert len(both) > 0.9 * len(whole)
    # A chunk's border is looked at more closely: a face more or less moves a baseline a little.
    assert max(abs(whole[face].number - parts[face].number) for face in both) < 0.02
    assert all(whole[face].flags == parts[face].flags for face in both)
