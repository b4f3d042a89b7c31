"""The clips on which telling people apart is measured: labelled videos, and clips made for one difficulty each."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.accuracy.clips import (
    FILM,
    Clip,
    Panel,
    Seen,
    Shot,
    Take,
    Truth,
    alone,
    both,
    covered,
    darker,
    make,
    side_by_side,
    stills,
    takes,
    truth_of,
    turned,
    with_face_of,
)

EVERYWHERE = (-1e6, -1e6, 1e6, 1e6)


@dataclass(frozen=True)
class Labelled:
    """A video and who is in it."""

    name: str
    video: Path
    truth: Truth
    chunk_s: float = 60.0
    """As the clip is meant to be cut into chunks."""


def labelled_videos(data: Path) -> list[Labelled]:
    """The test videos as they are."""
    videos = data / "videos"
    film = data / FILM
    with film.with_suffix(".gt.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["person"]]
    left, middle, right = (-1e6, -1e6, 165, 1e6), (165, -1e6, 285, 1e6), (285, -1e6, 1e6, 1e6)
    half = [Seen(0, 1e6, (-1e6, -1e6, 220, 1e6), "intel_woman"), Seen(0, 1e6, (220, -1e6, 1e6, 1e6), "tilt_right")]
    return [
        Labelled(
            "people17_cuts",
            film,
            Truth([Seen(float(r["start"]) - 0.02, float(r["end"]) - 0.02, EVERYWHERE, r["person"]) for r in rows]),
        ),
        Labelled(
            "intel_walkpause",
            videos / "intel_walkpause.mp4",
            Truth(
                [
                    Seen(0, 1e6, left, "intel_woman"),
                    Seen(0, 1e6, middle, "walk_middle"),
                    Seen(0, 1e6, right, "walk_right"),
                ]
            ),
        ),
        Labelled("intel_headpose", videos / "intel_headpose_fm.mp4", Truth(half)),
        Labelled("portrait_rotated", videos / "portrait_rotated.mp4", Truth([Seen(0, 1e6, EVERYWHERE, "lp_d13")])),
        Labelled("bottles (nobody)", videos / "intel_bottle-detection.mp4", Truth()),
        Labelled("cartoon (nobody)", videos / "mp_bbb_0_30.webm", Truth()),
    ]


def made_clips(
    folder: Path, data: Path, names: Sequence[str] | None = None, shots: int | None = None
) -> list[Labelled]:
    """The made clips of these names, or all, or the first `shots` shots of them; each is written into the folder unless
    it is there."""
    cast = _Cast(takes(data), stills(data))
    found = []
    for name, (build, chunk_s) in CLIPS.items():
        if names is None or name in names:
            clip = build(name, cast)
            if shots is not None:
                clip = replace(clip, name=f"{name}, {shots} shots", shots=clip.shots[:shots])
            found.append(Labelled(clip.name, make(clip, folder, data), truth_of(clip), chunk_s))
    return found


@dataclass(frozen=True)
class _Cast:
    filmed: dict[str, list[Take]]
    pictured: dict[str, list[Take]]

    def one(self, person: str, number: int = 0) -> Take:
        """One of the person's takes or pictures."""
        ones = self.filmed.get(person) or self.pictured[person]
        return ones[number % len(ones)]


Build = Callable[[str, _Cast], Clip]
_EIGHT = ("lp_d0", "lp_d10", "vr_1", "lp_d3", "lp_d18", "st_katiehill", "vr_5", "lp_d20")
_SIX = ("lp_d14", "lp_d11", "lp_d19", "vr_2", "lp_s20", "lp_d9")


def _many_shots(name: str, cast: _Cast, fps: float = 25.0) -> Clip:
    """Eight people, three shots each of 1.2 to 2.2 s, in changing order and size."""
    order = [person for start in (0, 3, 6) for person in _EIGHT[start:] + _EIGHT[:start]]
    shots = []
    for number, person in enumerate(order):
        take = cast.one(person, number)
        panel = alone(take) if number % 3 else with_face_of(take, 90, (300 + 60 * (number % 7), 270))
        shots.append(Shot((_from(panel, 0.5 * (number % 4)),), (1.2, 1.7, 2.2)[number % 3]))
    return Clip(name, tuple(shots), fps=fps)


def _from(panel: Panel, from_s: float) -> Panel:
    return Panel(panel.take, panel.place, from_s, panel.mirror, panel.spoil)


def _rate(fps: float) -> Build:
    def build(name: str, cast: _Cast) -> Clip:
        whole = _many_shots(name, cast, fps)
        return Clip(name, whole.shots[:14], fps=fps)

    return build


def _together(name: str, cast: _Cast) -> Clip:
    """Two and three people in one frame, changing sides at every cut, and each by themselves."""
    a, b, c, d, e = (cast.one(person) for person in ("lp_d0", "lp_d10", "walk_middle", "lp_d11", "vr_2"))
    groups: list[tuple[Take, ...]] = [(a, b), (b, a), (c, d, e), (e, c), (a,), (d, b), (b, d, a), (e,), (c, e, b), (d,)]
    return Clip(name, tuple(Shot(side_by_side(group), 2.4) for group in groups))


def _crowd(name: str, cast: _Cast) -> Clip:
    """Twelve people at once, then the same ones elsewhere in the frame."""
    people = (*_EIGHT, "lp_d14", "lp_d11", "vr_2", "walk_middle")
    shots = []
    for shift in (0, 5):
        panels = []
        for index, person in enumerate(people):
            column, row = (index + shift) % 12 % 4, (index + shift) % 12 // 4
            panels.append(Panel(cast.one(person), (320 * column, 240 * row, 320 * column + 320, 240 * row + 240)))
        shots.append(Shot(tuple(panels), 3.0))
    return Clip(name, tuple(shots), width=1280, height=720)


def _minutes_later(name: str, cast: _Cast) -> Clip:
    """Five people, three minutes of an empty room with two others in between, then the five again."""
    five = ("lp_d3", "lp_d10", "vr_1", "lp_d13", "intel_woman")
    before = [Shot((alone(cast.one(person), 640, 360),), 2.6) for person in five]
    between = [
        shot
        for person in ("lp_d18", "vr_5", "lp_d18")
        for shot in (Shot((), 57.0), Shot((alone(cast.one(person), 640, 360),), 3.0))
    ]
    after = [Shot((alone(cast.one(person, 1), 640, 360, spoil=darker(0.6)),), 2.6) for person in reversed(five)]
    return Clip(name, (*before, *between, *after), width=640, height=360, fps=12.0, gop=60)


_ALIKE = (("lp_d13", "lp_d12"), ("lp_d13", "lp_d0"), ("lp_d11", "lp_d14"), ("Colin_Powell", "vr_2"), ("lp_d20", "vr_1"))
"""Pairs of different people whose mean faces lie nearest to one another, in one pack or the other."""


def _look_alikes(name: str, cast: _Cast) -> Clip:
    """Pairs of people that look alike: one after the other, twice."""
    shots = []
    for number in (0, 1):
        for pair in _ALIKE:
            shots += [Shot((_from(alone(cast.one(person, number)), number),), 1.8) for person in pair]
    return Clip(name, tuple(shots))


def _look_alikes_together(name: str, cast: _Cast) -> Clip:
    """The same pairs side by side."""
    shots = []
    for number in (0, 1):
        for pair in _ALIKE:
            ones = [cast.one(person, number) for person in pair]
            shots.append(Shot(side_by_side(ones if number == 0 else ones[::-1]), 2.2))
    return Clip(name, tuple(shots))


def _variants(people: Sequence[str], *ways: Callable[[Take], Panel], seconds: float = 2.2) -> Build:
    """Every person in every way, one way after the other."""

    def build(name: str, cast: _Cast) -> Clip:
        return Clip(name, tuple(Shot((way(cast.one(person, 1)),), seconds) for way in ways for person in people))

    return build


def _small(pixels: Sequence[float]) -> Build:
    """Six people at these face sizes, two at a time."""

    def build(name: str, cast: _Cast) -> Clip:
        people = (*_SIX[:4], "walk_right", "lp_d10")
        shots = []
        for number, size in enumerate(pixels):
            for first, second in zip(people[::2], people[1::2], strict=True):
                ones = (first, second) if number % 2 == 0 else (second, first)
                panels = tuple(
                    with_face_of(cast.one(person), size, (320 + 320 * place, 200 + 60 * place))
                    for place, person in enumerate(ones)
                )
                shots.append(Shot(panels, 2.6))
        return Clip(name, tuple(shots), crf=18)

    return build


def _border_in_face(name: str, cast: _Cast) -> Clip:
    """Long shots with a keyframe every second: chunk borders fall into the middle of faces."""
    people = ("lp_d13", "lp_d10", "tilt_right", "lp_d3")
    shots = [Shot((alone(cast.one(person)),), 9.3) for person in people]
    shots.insert(2, Shot(side_by_side([cast.one("lp_d11"), cast.one("lp_d19")]), 9.3))
    return Clip(name, tuple(shots), gop=25)


def _cut_on_border(name: str, cast: _Cast) -> Clip:
    """A cut every four seconds and nowhere else a keyframe: every chunk border is a cut between two centred faces."""
    order = ("lp_d13", "lp_d12", "lp_d0", "vr_1", "lp_d20", "lp_d9", "lp_d13", "lp_d0")
    return Clip(name, tuple(Shot((with_face_of(cast.one(p), 200, (480, 270)),), 4.0) for p in order), gop=1000)


def _pictures(name: str, cast: _Cast) -> Clip:
    """Six people, six pictures each, taken years apart, under a slow camera move."""
    shots = [Shot((alone(cast.one(person, number)),), 1.4) for number in range(6) for person in sorted(cast.pictured)]
    return Clip(name, tuple(shots))


def _pictures_together(name: str, cast: _Cast) -> Clip:
    """The other pictures of the same six, two and three at a time."""
    people = sorted(cast.pictured)
    shots = []
    for number in range(6, 10):
        turn = people[number % 6 :] + people[: number % 6]
        for group in (turn[:3], turn[3:5], turn[5:] + turn[:1]):
            shots.append(Shot(side_by_side([cast.one(person, number) for person in group]), 1.8))
    return Clip(name, tuple(shots))


def _mirrored(take: Take) -> Panel:
    return alone(take, mirror=True)


CLIPS: dict[str, tuple[Build, float]] = {
    "many shots": (_many_shots, 60),
    "together": (_together, 60),
    "crowd of 12": (_crowd, 60),
    "minutes later": (_minutes_later, 60),
    "look-alikes": (_look_alikes, 60),
    "look-alikes together": (_look_alikes_together, 60),
    "mirrored": (_variants((*_SIX[:4], "lp_d12", "lp_d18"), alone, _mirrored), 60),
    "dark": (
        _variants(
            (*_SIX[:4], "vr_1", "lp_d18"),
            alone,
            lambda take: alone(take, spoil=darker(0.35)),
            lambda take: alone(take, spoil=darker(0.18)),
        ),
        60,
    ),
    "small, 32 and 40 px": (_small((32, 40)), 60),
    "small and large, 24 to 120 px": (_small((24, 120, 28)), 60),
    "turned": (
        _variants(
            ("lp_d0", "lp_d14", "lp_d18", "vr_5", "lp_s18", "intel_woman"),
            alone,
            lambda take: alone(take, spoil=turned(25)),
            lambda take: alone(take, spoil=turned(-40)),
        ),
        60,
    ),
    "covered": (
        _variants(
            (*_SIX[:4], "lp_s18", "lp_d0"),
            alone,
            lambda take: alone(take, spoil=covered((0.1, 0.62, 0.9, 1.05))),
            lambda take: alone(take, spoil=covered((-0.1, -0.1, 0.35, 1.1), (40, 40, 40))),
        ),
        60,
    ),
    "dark, mirrored and turned": (
        _variants(
            ("lp_d10", "lp_d3", "lp_d11", "walk_middle", "vr_1"),
            alone,
            lambda take: alone(take, mirror=True, spoil=both(darker(0.4), turned(25))),
        ),
        60,
    ),
    "15 fps": (_rate(15), 60),
    "30 fps": (_rate(30), 60),
    "60 fps": (_rate(60), 60),
    "border in a face": (_border_in_face, 10),
    "cut on every border": (_cut_on_border, 4),
    "pictures": (_pictures, 60),
    "pictures together": (_pictures_together, 60),
}
"""How each made clip is built, and the chunk length it is run with."""
