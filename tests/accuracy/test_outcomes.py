"""What the page says of runs: bars, sums, claims and sheets, on made-up outcomes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.clips import Seen
from benchmarks.accuracy.counting import Judgement, People, Stay
from benchmarks.accuracy.outcomes import Found, Outcome, Picture, Unclear, Video, bars, claim, draw_sheets, table
from lambdas.contracts import FrameRef, frames_key
from lambdas.publish.images import encode

EVERYWHERE = (-1.0, -1.0, 2.0, 2.0)


def picture(t_s: float, score: float) -> Picture:
    frame = FrameRef(chunk=0, offset=0, length=0, width=200, height=100, pts=0, t_s=t_s)
    return Picture(frame, (80, 30, 120, 70), score)


def person(t_s: float, score: float = 0.9, seconds: float = 1.0) -> Found:
    return Found(picture(t_s, score), (Stay(t_s, t_s + seconds, 0.5, 0.5),), ())


def outcome(*people: Found, there: People = People(2, 2), naive: int = 2, name: str = "clip") -> Outcome:  # noqa: B008
    video = Video(name, Path("clip.mp4"), there)
    return Outcome(video, "open", people, (), naive, Path("none"), "run")


RIGHT = outcome(person(0), person(2))
WRONG = outcome(person(0), person(2), person(4, 0.1))


def met(outcomes: list[Outcome], judged: dict[str, list[Judgement]] | None = None) -> list[bool]:
    return [one.met for one in bars(outcomes, judged or {}, right=len(outcomes), off=0)]


def test_all_bars_are_met_where_everything_is_right() -> None:
    assert met([RIGHT, RIGHT]) == [True] * 4


def test_one_person_too_many_below_the_floor_misses_all_bars() -> None:
    assert met([RIGHT, WRONG]) == [False] * 4


def test_the_naive_way_is_no_better_where_both_are_as_wrong() -> None:
    assert not replace(WRONG, naive=1).naive_is_better
    assert WRONG.naive_is_better


def test_people_nobody_looked_at_miss_the_bar_of_the_eye() -> None:
    fine = [Judgement(0, 0.5, 0.5, ""), Judgement(2, 0.5, 0.5, "")]
    assert met([RIGHT], {"clip": fine}) == [True] * 5
    assert met([RIGHT], {"clip": fine[:1]}) == [True, True, True, False, True]
    assert met([RIGHT], {"clip": [fine[0], Judgement(2, 0.5, 0.5, "hand")]}) == [True, True, True, False, True]


def test_a_wrong_merge_misses_its_bar_though_the_count_is_right() -> None:
    labelled = (Seen(0, 2, EVERYWHERE, "a"), Seen(2, 4, EVERYWHERE, "b"), Seen(4, 6, EVERYWHERE, "a"))
    merged = replace(RIGHT, video=replace(RIGHT.video, labelled=labelled), people=(person(0, seconds=4), person(4)))
    assert met([merged]) == [True, True, True, False, True]
    assert table([merged], {}).rows[0][-4:] == ("1", "1", "0", "0")


def test_wrong_counts_are_bold_and_sums_stand_last() -> None:
    rows = table([RIGHT, WRONG], {}).rows
    assert [row[3] for row in rows] == ["2", "**3**", "1 of 2; 1"]
    assert [row[5] for row in rows] == ["0 of 2", "1 of 3", "1 of 5"]
    assert rows[0][6] == "not looked at"


def test_a_claim_gives_both_ways_and_the_eye_only_where_it_looked_at_all() -> None:
    told = claim([RIGHT, WRONG], {})
    assert "right in 1 of 2 runs, 1 off in all; by a frame a second and DBSCAN over every face in 2, 0 off." in told
    assert told.endswith("Of 5 best frames 1 score below 0.25.")
    fine = [Judgement(t_s, 0.5, 0.5, "hand" if t_s == 4 else "") for t_s in (0, 2, 4)]
    assert claim([RIGHT, WRONG], {"clip": fine}).endswith("would not have published 1.")


def test_a_claim_owns_up_to_wrong_merges() -> None:
    labelled = (Seen(0, 2, EVERYWHERE, "a"), Seen(2, 4, EVERYWHERE, "b"))
    merged = replace(RIGHT, video=replace(RIGHT.video, labelled=labelled), people=(person(0, seconds=4),))
    assert claim([RIGHT, merged], {}).endswith("In 1 of these runs it is known who is seen when: 1 wrong merges.")


@pytest.mark.parametrize("count", [0, 1, 7])
def test_sheets_show_everybody_and_number_a_picture_once(count: int, tmp_path: Path) -> None:
    data = encode(np.full((100, 200, 3), 120, np.uint8), 90)
    staging = tmp_path / "staging"
    file = staging / frames_key("run", 0)
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    people = tuple(person(float(at)) for at in range(count))
    people = tuple(
        replace(one, best=replace(one.best, frame=one.best.frame.model_copy(update={"length": len(data)})))
        for one in people
    )
    nobody = Unclear(1.0, 2, "dark", None)
    one = replace(RIGHT, people=people, staging=staging, unclear=(nobody,))
    written = draw_sheets([one, replace(one, pack="other")], tmp_path / "sheets", {})
    assert len(written) == 2 * (2 + (count > 6))
    assert all(path.is_file() for path in written)
    assert (tmp_path / "sheets/pictures.json").read_text().count('"number"') == count
