"""Skipping the rest of a GOP: what allows it, what forbids it, and what is looked for at the next keyframe."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.contracts import OPEN_END, Settings
from lambdas.detect.decode.chunk_reader import Gop
from lambdas.detect.decode.frame import Frame
from lambdas.detect.decode.packet_buffer import Lookahead
from lambdas.detect.faces.attributes import Expression
from lambdas.detect.shots.static_gops import Answer, StaticGops
from lambdas.detect.tracking.detection import FaceDetection
from tests.detect.factory import CLOSED_EYES, NARROW_EYES, face_at, frame_at, source_of

SMALL = np.full((144, 256, 3), 120, np.uint8)
CHECKS = np.indices((144, 256)).sum(axis=0)[..., None] % 2 * 2 - 1
BUSY, STATIC, CUT, AGAIN = "decode", "skip", "skip to a cut", "sample again"


def picture(value: float, *, dimmer: int = 0) -> NDArray[np.uint8]:
    """A picture whose content value against SMALL is `value`, as bright unless dimmed."""
    return np.asarray(np.clip(SMALL - dimmer + 3 * value * CHECKS, 0, 255), np.uint8)


class Packets:
    """A GOP of 24 packets of 100 bytes after each keyframe, 25 a second, one of which is a keyframe in `gop`."""

    def __init__(
        self,
        *,
        large_at: tuple[int, ...] = (),
        busy_from: int = 10_000,
        gop: int = 100,
        doubled: tuple[range, ...] = (),
        next_picture: NDArray[np.uint8] | None = SMALL,
    ) -> None:
        """Packets of the numbers in `doubled` have 250 bytes, as in a dissolve. The next keyframe can't be had where
        it has no picture."""
        self._large_at, self._busy_from, self._gop = large_at, busy_from, gop
        self._doubled = [number for numbers in doubled for number in numbers]
        self._next_picture = next_picture
        self.peeked: list[int] = []

    def lookahead(self, pts: int, reach: int) -> Lookahead | None:
        key = (pts // self._gop + 1) * self._gop
        times = np.arange(max(0, pts - 75), key)
        sizes = 100 + 7 * (times % 3) + 900 * np.isin(times, self._large_at) + 300 * (times >= self._busy_from)
        sizes += 150 * np.isin(times, self._doubled)
        return Lookahead(times, sizes.astype(np.int64), times % self._gop == 0, key)

    def next_keyframe(self, pts: int) -> Frame | None:
        self.peeked.append(pts)
        if self._next_picture is None:
            return None
        shown = self._next_picture
        return cast(Frame, SimpleNamespace(pts=pts, bgr=lambda width, height: shown))


class Shot:
    """One shot that begins with SMALL at 0, and what is found in it."""

    def __init__(
        self,
        packets: Packets,
        *,
        cuts_known: bool = False,
        same_face: bool = True,
        next_faces: list[FaceDetection] | None = None,
        **settings: object,
    ) -> None:
        self.packets = packets
        self.detected: list[int] = []
        self._next_faces = [face()] if next_faces is None else next_faces
        self.static = StaticGops(
            source_of(cut_keyframes_within=250 if cuts_known else 0),
            Settings.model_validate({"scenes": False} | settings),
            OPEN_END,
            self._detect,
            lambda before, now: same_face,
        )
        self.static.cut(0.0, SMALL)

    def _detect(self, frame: Frame) -> list[FaceDetection]:
        self.detected.append(frame.pts)
        return self._next_faces

    def answer(self, number: int, faces: list[FaceDetection], small: NDArray[np.uint8] = SMALL) -> Answer:
        return self.static.after_sample(cast(Gop, self.packets), frame_at(number), number / 25, small, faces)

    def sample(self, number: int, *faces: FaceDetection, small: NDArray[np.uint8] = SMALL) -> str:
        return told(self.answer(number, list(faces), small))

    def unchanged(self, number: int, *, may_go_unseen: bool) -> str:
        return told(
            self.static.unchanged(
                cast(Gop, self.packets), frame_at(number), number / 25, SMALL, may_go_unseen=may_go_unseen
            )
        )

    def assured(self) -> str:
        """Two samples of a clean face, and what is said after the second of them."""
        assert self.sample(42, face(score=0.8)) == AGAIN
        return self.sample(52, face(score=0.8))


def told(answer: Answer) -> str:
    if answer.skip is not None:
        return CUT if answer.skip.is_cut else STATIC
    return AGAIN if answer.again_s is not None else BUSY


def face(
    expression: Expression | None = None, *, x: float = 100, eyes_open: float | None = None, score: float = 0.8
) -> FaceDetection:
    parts = {} if eyes_open is None else {"eyes_open": eyes_open}
    read = {} if expression is None else {"expression": expression}
    return face_at(0, x=x, score=score, **read, **parts)  # type: ignore[arg-type]


def test_two_samples_of_the_same_clean_faces_are_enough() -> None:
    shot = Shot(Packets())
    assert [shot.sample(30, face()), shot.sample(40, face())] == [AGAIN, STATIC]
    # The next keyframe was decoded, and showed the same picture: nobody needs to be looked for in it.
    assert (shot.packets.peeked, shot.detected) == ([100], [])


def test_what_is_skipped_is_told_exactly() -> None:
    shot = Shot(Packets())
    shot.answer(30, [face()])
    skip = shot.answer(40, [face()]).skip
    assert skip is not None
    assert (skip.next_key_pts, skip.is_cut, skip.next_faces) == (100, False, None)
    assert skip.times[-1] == 99


def test_a_keyframe_soon_stands_in_for_the_second_sample() -> None:
    shot = Shot(Packets(gop=25))
    skip = shot.answer(5, [face()]).skip
    assert skip is not None
    assert skip.next_faces is not None
    assert shot.detected == [25]
    assert Shot(Packets(gop=25)).sample(5, face(NARROW_EYES)) == AGAIN


@pytest.mark.parametrize("met", [[], [face(eyes_open=0.1)], [face(x=600)]], ids=["nobody", "a blink", "elsewhere"])
def test_the_keyframe_that_stands_in_must_confirm_the_sample(met: list[FaceDetection]) -> None:
    assert Shot(Packets(gop=25), next_faces=met).sample(5, face()) == BUSY


def test_nobody_in_view_is_as_good_as_clean_faces() -> None:
    shot = Shot(Packets())
    assert [shot.sample(30), shot.sample(40)] == [AGAIN, STATIC]


def test_a_dissolve_after_a_dissolve_is_not_skipped() -> None:
    first, second = range(45), range(130, 145)
    one = Shot(Packets(gop=200, doubled=(first,)), cuts_known=True)
    assert [one.sample(30, face()), one.sample(40, face())] == [AGAIN, STATIC]
    two = Shot(Packets(gop=200, doubled=(first, second)), cuts_known=True)
    assert [two.sample(30, face()), two.sample(40, face())] == [BUSY, BUSY]


def test_closed_eyes_are_waited_out() -> None:
    # With scenes from the middle of the shot on.
    shot = Shot(Packets(), scenes=True)
    samples = [face(), face(eyes_open=0.1), face(), face()]
    told_after = [shot.sample(45 + 8 * place, one) for place, one in enumerate(samples)]
    assert told_after == [AGAIN, BUSY, BUSY, STATIC]
    # Once a shot's faces were clean, a blink costs nothing more.
    assert shot.sample(75, face(eyes_open=0.1)) == STATIC


def test_where_only_people_are_wanted_three_samples_are_enough_if_each_face_was_clean_once() -> None:
    shot = Shot(Packets())
    samples = [face(), face(eyes_open=0.1), face(eyes_open=0.1)]
    assert [shot.sample(30 + 10 * place, one) for place, one in enumerate(samples)] == [AGAIN, BUSY, STATIC]
    never_clean = Shot(Packets())
    assert [never_clean.sample(30 + 10 * place, face(eyes_open=0.1)) for place in range(4)][1:] == [BUSY] * 3


def test_one_sample_is_enough_where_only_people_are_wanted_and_could_hardly_look_better() -> None:
    best = face(score=0.95)
    assert Shot(Packets()).sample(5, best) == STATIC
    assert Shot(Packets()).sample(5, best, face(x=600)) == AGAIN
    assert Shot(Packets(), scenes=True).sample(5, best) == AGAIN
    # The shot began with another picture: this may be a dissolve on its way.
    dissolving = Shot(Packets())
    dissolving.static.cut(0.0, picture(0, dimmer=60))
    assert dissolving.sample(5, best) == AGAIN


@pytest.mark.parametrize(
    ("value", "dimmer", "same_face", "scenes", "expected"),
    [
        (5.0, 0, True, True, STATIC),
        (22.0, 0, True, True, STATIC),
        (22.0, 0, False, True, BUSY),
        (22.0, 10, True, True, BUSY),
        (35.0, 0, True, True, BUSY),
        (35.0, 0, True, False, STATIC),
        (30.0, 10, True, False, STATIC),
        (35.0, 0, False, False, BUSY),
    ],
)
def test_the_same_people_in_their_places_at_the_next_keyframe_tell_that_the_shot_goes_on(
    value: float, dimmer: int, same_face: bool, scenes: bool, expected: str
) -> None:
    shot = Shot(Packets(next_picture=picture(value, dimmer=dimmer)), same_face=same_face, scenes=scenes)
    assert shot.assured() == expected


def test_another_number_of_people_at_the_next_keyframe_is_something_new() -> None:
    for met in ([], [face(), face(x=600)]):
        assert Shot(Packets(next_picture=picture(22.0)), next_faces=met).assured() == BUSY


def test_somebody_else_at_a_keyframe_where_the_encoder_puts_cuts_is_another_shot() -> None:
    for scenes, expected in ((False, CUT), (True, BUSY)):
        shot = Shot(Packets(next_picture=picture(22.0)), cuts_known=True, same_face=False, scenes=scenes)
        assert shot.assured() == expected


def test_another_picture_at_a_keyframe_sooner_than_the_encoder_s_longest_gop_is_a_cut_there() -> None:
    for picture_there in (picture(35.0), picture(22.0)):
        shot = Shot(Packets(next_picture=picture_there), cuts_known=True, same_face=False, scenes=True)
        shot.static.key(0)
        assert shot.assured() == CUT


def test_who_turned_away_meanwhile_is_followed_unless_the_face_is_known_again() -> None:
    away = [face(Expression(openings=(0.28, 0.28), in_view=20.0))]
    packets = Packets(next_picture=picture(12.0))
    assert Shot(packets, same_face=False, next_faces=away).assured() == BUSY
    assert Shot(packets, next_faces=away).assured() == STATIC


def test_nobody_before_and_nobody_at_the_keyframe_is_the_same_unless_there_is_a_cut() -> None:
    for value, expected in ((22.0, STATIC), (35.0, BUSY)):
        shot = Shot(Packets(next_picture=picture(value)), next_faces=[])
        assert [shot.sample(30), shot.sample(40)] == [AGAIN, expected]


def test_a_keyframe_that_can_not_be_had_forbids_it() -> None:
    assert Shot(Packets(next_picture=None)).assured() == BUSY


def test_a_keyframe_that_showed_something_new_is_not_asked_for_again() -> None:
    shot = Shot(Packets(next_picture=picture(35.0)), same_face=False)
    assert [shot.assured(), shot.sample(62, face())] == [BUSY, BUSY]
    assert shot.packets.peeked == [100]


def test_after_keyframes_in_vain_a_chunk_asks_no_more() -> None:
    shot = Shot(Packets(gop=50, next_picture=picture(35.0)), scenes=True)
    for number in range(30, 330, 25):
        shot.sample(number, face())
    assert shot.packets.peeked == [50, 100]


def test_a_picture_long_unseen_is_searched_for_faces() -> None:
    shot = Shot(Packets())
    assert shot.assured() == STATIC
    assert shot.unchanged(100, may_go_unseen=True) == STATIC
    assert shot.detected == []
    assert shot.unchanged(200, may_go_unseen=False) == STATIC
    assert shot.detected == [300]


@pytest.mark.parametrize("scenes", [True, False])
def test_eyes_that_are_always_narrow_are_known_after_three_samples(scenes: bool) -> None:
    shot = Shot(Packets(), scenes=scenes)
    # With scenes from the middle of the shot on.
    assert [shot.sample(45 + 10 * place, face(NARROW_EYES)) for place in range(3)] == [AGAIN, AGAIN, STATIC]


def test_closed_eyes_never_assure_of_a_shot() -> None:
    shot = Shot(Packets())
    assert STATIC not in [shot.sample(30 + 10 * place, face(CLOSED_EYES, eyes_open=0.1)) for place in range(6)]


def test_who_comes_in_must_be_seen_clean_too() -> None:
    shot = Shot(Packets())
    assert [shot.sample(30, face()), shot.sample(40, face())] == [AGAIN, STATIC]
    newcomer = face(x=600, eyes_open=0.1)
    assert [shot.sample(50, face(), newcomer), shot.sample(60, face(), newcomer)] == [BUSY, BUSY]
    assert shot.sample(70, face(), face(x=600)) == STATIC


def test_another_picture_is_not_skipped() -> None:
    shot = Shot(Packets())
    shot.sample(30, face())
    assert shot.sample(40, face(), small=SMALL + np.uint8(100)) == BUSY


def test_packets_that_grow_forbid_it() -> None:
    shot = Shot(Packets(busy_from=80))
    assert [shot.sample(30, face()), shot.sample(60, face())] == [BUSY, BUSY]
    assert shot.packets.peeked == []
    # So do some that are twice as large, each of them nothing special: somebody comes in.
    coming_in = Shot(Packets(doubled=(range(80, 100),)))
    assert [coming_in.sample(70, face()), coming_in.sample(75, face())] == [BUSY, BUSY]


def test_a_large_packet_may_be_a_cut_unless_the_encoder_puts_keyframes_there() -> None:
    for cuts_known, expected in ((False, [BUSY, BUSY]), (True, [AGAIN, STATIC])):
        shot = Shot(Packets(large_at=(80,)), cuts_known=cuts_known)
        shot.static.key(0)
        assert [shot.sample(30, face()), shot.sample(40, face())] == expected
    # One that the next keyframe would tell of is no matter.
    near = Shot(Packets(gop=25, large_at=(40,)))
    assert [near.sample(25, face()), near.sample(35, face())] == [STATIC, STATIC]
    # Two may be a cut away and back.
    assert Shot(Packets(gop=25, large_at=(38, 47))).sample(25, face()) == BUSY


def test_a_packet_larger_than_its_keyframe_is_a_cut_where_the_encoder_could_put_no_keyframe() -> None:
    class Costly(Packets):
        """Keyframes as small as all others: a packet of 180 bytes is no peak, but above its keyframe's 100."""

        def lookahead(self, pts: int, reach: int) -> Lookahead | None:
            usual = super().lookahead(pts, reach)
            assert usual is not None
            sizes = np.where(usual.times % 3 == 1, 115, 100)
            return dataclasses.replace(usual, sizes=np.where(np.isin(usual.times, self._large_at), 180, sizes))

    for large_at, expected in (((), STATIC), ((110,), BUSY), ((140,), STATIC)):
        shot = Shot(Costly(large_at=large_at), cuts_known=True)
        shot.static.key(100)
        assert shot.sample(105, face(score=0.95)) == expected


def test_a_scene_s_middle_is_sampled_before_the_rest_is_skipped() -> None:
    shot = Shot(Packets(), scenes=True)
    # The shot of 4 s may end with the GOP: within 0.45 s of its middle at 2 s.
    assert shot.answer(5, [face()]).again_s == pytest.approx(1.57, abs=0.01)
    assert shot.sample(41, face()) == STATIC


@pytest.mark.parametrize("setting", [{"thorough": True}, {"scene_detector": "adaptive"}])
def test_every_frame_is_read_where_that_is_asked_for(setting: dict[str, Any]) -> None:
    shot = Shot(Packets(), **setting)
    assert [shot.sample(30, face()), shot.sample(40, face())] == [BUSY, BUSY]
    assert shot.packets.peeked == []
