"""Passing over the rest of a GOP: what allows it, what forbids it, and that nobody and no cut is lost."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from lambdas.detect.expression import Expression
from lambdas.detect.frames import ChunkReader, Frame, Outlook
from lambdas.detect.quiet import Quiet, Verdict
from lambdas.detect.tracks import Sighting
from numpy.typing import NDArray

from benchmarks.accuracy.clips import write
from lambdas.contracts import OPEN_END, QUALITY_PARTS, Plan, Settings, SplitRequest, plan_key
from lambdas.detect.handler import work_through
from lambdas.detect.packs import load_pack
from lambdas.split import handler as split
from lambdas.staging import DirectoryStaging, get_document
from talent_frames.packs import resolve_pack
from tests.clips import make_clip
from tests.detect.test_frames import facts

SMALL = np.full((144, 256, 3), 90, np.uint8)
OPEN_EYES = Expression(openings=(0.28, 0.28), in_view=50.0)
NARROW_EYES = Expression(openings=(0.2, 0.2), in_view=50.0)


class Packets:
    """A reader of packets alone: a keyframe a second and 24 packets of 100 bytes after each, 25 a second."""

    def __init__(
        self, *, large_at: tuple[int, ...] = (), busy_from: int = 10_000, gop: int = 25, doubled: tuple[range, ...] = ()
    ) -> None:
        """Packets of the numbers in `doubled` have 250 bytes, as in a dissolve."""
        self.chunk = SimpleNamespace(end_pts=OPEN_END)
        self._large_at, self._busy_from, self._gop = large_at, busy_from, gop
        self._doubled = [number for numbers in doubled for number in numbers]

    def outlook(self, pts: int, reach: int) -> Outlook:
        number = pts // 512
        key = (number // self._gop + 1) * self._gop
        times = np.arange(max(0, number - 75), key)
        sizes = 100 + 7 * (times % 3) + 900 * np.isin(times, self._large_at) + 300 * (times >= self._busy_from)
        sizes += 150 * np.isin(times, self._doubled)
        return Outlook(times * 512, sizes.astype(np.int64), times % self._gop == 0, key * 512)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip("mp4_moov_first", tmp_path_factory.mktemp("quiet"))


def quiet(
    clip: Path, packets: Packets, *, cuts_known: bool = False, same_face: bool = True, **settings: object
) -> Quiet:
    known = facts(
        clip, cut_keyframes_within=250 if cuts_known else 0, time_base_num=1, time_base_den=12800, start_pts=0
    )
    followed = Quiet(
        cast(ChunkReader, packets),
        known,
        Settings.model_validate({"scenes": False} | settings),
        lambda before, now: same_face,
    )
    followed.cut(0.0, SMALL)
    return followed


def face(
    expression: Expression = OPEN_EYES, *, x: float = 100, eyes_open: float | None = None, score: float = 0.8
) -> Sighting:
    parts = np.full(len(QUALITY_PARTS), score, np.float32)
    if eyes_open is not None:
        parts[QUALITY_PARTS.index("eyes_open")] = eyes_open
    box = np.array([x, 100, x + 200, 300], np.float32)
    crop = np.zeros((4, 4, 3), np.uint8)
    return Sighting(0, 0.0, box, np.zeros((5, 2), np.float32), parts, crop, expression=expression)


def look(followed: Quiet, number: int, *faces: Sighting) -> str:
    verdict = followed.after_look(cast(Frame, SimpleNamespace(pts=number * 512)), number / 25, SMALL, list(faces))
    if verdict.passed_over is not None:
        return "trust" if verdict.on_trust else "pass"
    return "again" if verdict.again_s is not None else "go on"


def test_two_looks_at_the_same_clean_faces_are_enough(clip: Path) -> None:
    followed = quiet(clip, Packets(gop=100))
    assert [look(followed, 30, face()), look(followed, 40, face())] == ["again", "pass"]


def test_a_keyframe_soon_stands_in_for_the_second_look(clip: Path) -> None:
    assert look(quiet(clip, Packets()), 5, face()) == "trust"
    assert look(quiet(clip, Packets()), 5, face(NARROW_EYES)) == "again"


def test_nobody_in_view_is_as_good_as_clean_faces(clip: Path) -> None:
    followed = quiet(clip, Packets(gop=100))
    assert [look(followed, 30), look(followed, 40)] == ["again", "pass"]


def test_a_dissolve_after_a_dissolve_is_not_passed_over(clip: Path) -> None:
    first, second = range(45), range(130, 145)
    one = quiet(clip, Packets(gop=200, doubled=(first,)), cuts_known=True)
    assert [look(one, 30, face()), look(one, 40, face())] == ["again", "pass"]
    two = quiet(clip, Packets(gop=200, doubled=(first, second)), cuts_known=True)
    assert [look(two, 30, face()), look(two, 40, face())] == ["go on", "go on"]


def test_closed_eyes_are_waited_out(clip: Path) -> None:
    # With scenes from the middle of the shot on.
    followed = quiet(clip, Packets(gop=100), scenes=True)
    looks = [face(), face(eyes_open=0.1), face(), face()]
    assert [look(followed, 45 + 8 * place, one) for place, one in enumerate(looks)] == [
        "again",
        "go on",
        "go on",
        "pass",
    ]
    # Once a shot's faces were clean, a blink costs nothing more.
    assert look(followed, 75, face(eyes_open=0.1)) == "pass"


def test_where_only_people_are_wanted_three_looks_are_enough_if_each_was_clean_once(clip: Path) -> None:
    followed = quiet(clip, Packets(gop=100))
    looks = [face(), face(eyes_open=0.1), face(eyes_open=0.1)]
    assert [look(followed, 30 + 10 * place, one) for place, one in enumerate(looks)] == ["again", "go on", "pass"]
    never_clean = quiet(clip, Packets(gop=100))
    assert [look(never_clean, 30 + 10 * place, face(eyes_open=0.1)) for place in range(4)][1:] == ["go on"] * 3


def test_one_look_is_enough_where_only_people_are_wanted_and_could_hardly_look_better(clip: Path) -> None:
    best = face(score=0.95)
    assert look(quiet(clip, Packets(gop=100)), 5, best) == "pass"
    assert look(quiet(clip, Packets(gop=100)), 5, best, face(x=600)) == "again"
    assert look(quiet(clip, Packets(gop=100), scenes=True), 5, best) == "again"
    # The shot began with another picture: this may be a dissolve on its way.
    dissolving = quiet(clip, Packets(gop=100))
    dissolving.cut(0.0, SMALL + 60)
    assert look(dissolving, 5, best) == "again"


def resume(followed: Quiet, *faces: Sighting, value: float, dimmed: bool = False) -> str:
    """What is said of a keyframe at 4 s after a clean look at 1.2 s and a stretch passed over."""
    frame = cast(Frame, SimpleNamespace(pts=100 * 512))
    assert look(followed, 30, face(score=0.95)) in ("pass", "again")
    shown = followed.resume(
        frame, 4.0, SMALL, value, Verdict(), 2.8, lambda: list(faces), dimmed=dimmed, may_go_unseen=False
    )
    return shown.shows + (", often" if shown.look_often else "")


@pytest.mark.parametrize(
    "value, dimmed, same_face, scenes, expected",
    [
        (5.0, False, True, True, "same shot"),
        (22.0, False, True, True, "same shot"),
        (22.0, False, False, True, "change"),
        (22.0, True, True, True, "change"),
        (35.0, False, True, True, "change"),
        (35.0, False, True, False, "same shot"),
        (35.0, True, True, False, "same shot"),
        (35.0, False, False, False, "change"),
    ],
)
def test_the_same_people_in_their_places_tell_that_a_shot_went_on(
    value: float, dimmed: bool, same_face: bool, scenes: bool, expected: str, clip: Path
) -> None:
    followed = quiet(clip, Packets(gop=100), same_face=same_face, scenes=scenes)
    assert resume(followed, face(), value=value, dimmed=dimmed) == expected


def test_somebody_else_at_a_keyframe_where_the_encoder_puts_cuts_is_another_shot(clip: Path) -> None:
    for scenes, expected in ((False, "cut"), (True, "change")):
        followed = quiet(clip, Packets(gop=100), cuts_known=True, same_face=False, scenes=scenes)
        assert resume(followed, face(), value=22.0) == expected


def test_who_turned_away_meanwhile_is_followed_unless_the_face_is_known_again(clip: Path) -> None:
    away = face(Expression(openings=(0.28, 0.28), in_view=20.0))
    assert resume(quiet(clip, Packets(gop=100), same_face=False), away, value=5.0) == "change, often"
    assert resume(quiet(clip, Packets(gop=100)), away, value=5.0) == "same shot"


def test_nobody_before_and_nobody_now_is_the_same_unless_there_is_a_cut(clip: Path) -> None:
    for value, expected in ((22.0, "same shot"), (35.0, "change")):
        followed = quiet(clip, Packets(gop=100))
        look(followed, 30)
        frame = cast(Frame, SimpleNamespace(pts=100 * 512))
        shown = followed.resume(frame, 4.0, SMALL, value, Verdict(), 2.8, list, dimmed=False, may_go_unseen=False)
        assert shown.shows == expected


def test_eyes_that_are_always_narrow_are_known_after_three_looks(clip: Path) -> None:
    followed = quiet(clip, Packets(gop=100))
    looks = [look(followed, 30 + 10 * place, face(NARROW_EYES)) for place in range(3)]
    assert looks == ["again", "again", "pass"]


def test_who_comes_in_must_be_seen_clean_too(clip: Path) -> None:
    followed = quiet(clip, Packets(gop=100))
    assert [look(followed, 30, face()), look(followed, 40, face())] == ["again", "pass"]
    newcomer = face(x=600, eyes_open=0.1)
    assert [look(followed, 50, face(), newcomer), look(followed, 60, face(), newcomer)] == ["go on", "go on"]
    assert look(followed, 70, face(), face(x=600)) == "pass"


def test_another_picture_is_not_passed_over(clip: Path) -> None:
    followed = quiet(clip, Packets(gop=100))
    look(followed, 30, face())
    bright = Quiet.after_look(followed, cast(Frame, SimpleNamespace(pts=40 * 512)), 1.6, SMALL + 120, [face()])
    assert bright.passed_over is None


def test_packets_that_grow_forbid_it(clip: Path) -> None:
    followed = quiet(clip, Packets(gop=100, busy_from=80))
    assert [look(followed, 30, face()), look(followed, 60, face())] == ["go on", "go on"]


def test_a_large_packet_may_be_a_cut_unless_the_encoder_puts_keyframes_there(clip: Path) -> None:
    for cuts_known, expected in ((False, ["go on", "go on"]), (True, ["again", "pass"])):
        followed = quiet(clip, Packets(gop=100, large_at=(80,)), cuts_known=cuts_known)
        assert [look(followed, 30, face()), look(followed, 40, face())] == expected
    # One that the next keyframe would tell of is no matter.
    near = quiet(clip, Packets(large_at=(40,)))
    assert [look(near, 25, face()), look(near, 35, face())] == ["trust", "pass"]
    # Two may be a cut away and back.
    twice = quiet(clip, Packets(large_at=(38, 47)))
    assert look(twice, 25, face()) == "go on"


def test_a_packet_larger_than_its_keyframe_is_a_cut_where_the_encoder_could_put_no_keyframe(clip: Path) -> None:
    class Costly(Packets):
        """Keyframes as small as all others: a packet of 180 bytes is no peak, but above its keyframe's 100."""

        def outlook(self, pts: int, reach: int) -> Outlook:
            usual = super().outlook(pts, reach)
            sizes = np.where(usual.times // 512 % 3 == 1, 115, 100)
            return dataclasses.replace(usual, sizes=np.where(np.isin(usual.times // 512, self._large_at), 180, sizes))

    for large_at, expected in (((), "pass"), ((110,), "go on"), ((140,), "pass")):
        followed = quiet(clip, Costly(gop=100, large_at=large_at), cuts_known=True)
        followed.key(100 * 512)
        assert look(followed, 105, face(score=0.95)) == expected


def test_a_scene_s_middle_is_looked_at_before_the_rest_is_passed_over(clip: Path) -> None:
    followed = quiet(clip, Packets(gop=100), scenes=True)
    verdict = followed.after_look(cast(Frame, SimpleNamespace(pts=5 * 512)), 0.2, SMALL, [face()])
    # The shot of 4 s may end with the GOP: within 0.45 s of its middle at 2 s.
    assert verdict.again_s == pytest.approx(1.57, abs=0.01)
    assert look(followed, 41, face()) == "pass"


@pytest.mark.parametrize("setting", [{"thorough": True}, {"scene_detector": "adaptive"}])
def test_every_frame_is_read_where_that_is_asked_for(clip: Path, setting: dict[str, Any]) -> None:
    followed = quiet(clip, Packets(gop=100), **setting)
    assert [look(followed, 30, face()), look(followed, 40, face())] == ["go on", "go on"]


@pytest.mark.parametrize("at_keyframe", [True, False])
def test_of_two_still_shots_little_is_decoded_and_neither_people_nor_the_cut_are_lost(
    six_people: NDArray[np.uint8], at_keyframe: bool, tmp_path: Path
) -> None:
    # Two people, and after the cut other surroundings.
    first = six_people[40:400, 150:790].copy()
    second = first.copy()
    for side in (slice(0, 100), slice(440, 640)):
        second[:, side] = 255 - first[:, side]
    cut = 125
    clip = tmp_path / "two.mp4"
    images = (first if number < cut else second for number in range(350))
    write(clip, images, 25, gop=50, keyframes={cut} if at_keyframe else None)
    staging, pack = DirectoryStaging(tmp_path / "staging"), load_pack(resolve_pack("open"))
    request = SplitRequest(uri=str(clip), settings=Settings(min_scenes=0), pack=pack.facts)
    run_id = split.run(request, staging).run_id
    plan = get_document(staging, plan_key(run_id), Plan)
    _, columns, document = work_through(plan, 0, staging, pack)
    assert document.frame_count == 350
    assert len(columns.scene_pts) < 100  # about 85; others refer to 175
    cuts = [plan.source.seconds(int(pts)) * 25 for pts in columns.scene_pts[columns.scene_scores >= 27]]
    assert cuts == [pytest.approx(cut)]
    before = columns.pts < plan.source.pts(cut / 25)
    assert (len(set(columns.tracks[before])), len(set(columns.tracks[~before]))) == (2, 2)
    assert not set(columns.tracks[before]) & set(columns.tracks[~before])
