"""Clips of what real film has and clean clips have not: copies, blends, pictures of faces, halves of them, no faces.

Made from the test videos' people, the gallery's pictures and drawn shapes; nothing random that isn't
seeded. Heads from behind and hands are drawn, for no video here shows them: they are rougher than real ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from benchmarks.accuracy.clips import (
    Box,
    Image,
    Panel,
    Reel,
    Seen,
    Spoil,
    Take,
    alone,
    both,
    darker,
    paste,
    stills,
    takes,
    turned,
    write,
)
from benchmarks.accuracy.counting import People
from benchmarks.accuracy.identity_clips import EVERYWHERE

WIDTH, HEIGHT, FPS = 960, 540, 25.0
SEED = 11

Paint = Callable[[float], Image]
"""Seconds into its part -> the picture; never one that is used again."""


@dataclass(frozen=True)
class Part:
    """What is seen for some seconds, and who."""

    seconds: float
    paint: Paint
    seen: tuple[tuple[Box, str], ...] = ()
    """Places as shares of the picture, and who is there; empty where that is no fair question (in a transition)."""


@dataclass(frozen=True)
class HardClip:
    """A clip and how many people it shows."""

    name: str
    people: People
    what: str
    build: Callable[[Props], list[Part]]


@dataclass(frozen=True)
class Made:
    """A hard clip as a video."""

    clip: HardClip
    video: Path
    seen: list[Seen]
    """Who is seen when and where, places as shares of the picture."""


class Props:
    """The people, and where their pictures come from."""

    def __init__(self, data: Path) -> None:
        self.reel = Reel(data)
        self._filmed = takes(data)
        self._pictured = stills(data)
        self.posters = [ones[0] for ones in self._pictured.values()]
        """A picture of each of the gallery's people."""

    def filmed(self, person: str, number: int = 0) -> Take:
        ones = self._filmed[person]
        return ones[number % len(ones)]


def make_hard(folder: Path, data: Path, clips: Sequence[HardClip] | None = None) -> list[Made]:
    """Each of these clips, or all of CLIPS, written into the folder unless it is there."""
    source = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    props = Props(data)
    found = []
    for clip in CLIPS if clips is None else clips:
        parts = clip.build(props)
        path = folder / f"{clip.name}-{source}.mp4"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write(path, _frames(parts), FPS, gop=50, crf=20)
        found.append(Made(clip, path, seen_in(parts)))
    return found


def _frames(parts: Sequence[Part]) -> Iterator[Image]:
    for part in parts:
        for step in range(round(part.seconds * FPS)):
            yield part.paint(step / FPS)


def seen_in(parts: Sequence[Part]) -> list[Seen]:
    """Who is seen when and where."""
    found, at = [], 0
    for part in parts:
        end = at + round(part.seconds * FPS)
        found += [Seen(at / FPS, end / FPS, place, person) for place, person in part.seen]
        at = end
    return found


# ways to paint


def _room() -> Image:
    """An empty wall, lighter above."""
    shade = np.linspace(1.0, 0.7, HEIGHT)[:, None, None] * np.array((70, 78, 84), np.float64)
    return np.asarray(np.broadcast_to(shade, (HEIGHT, WIDTH, 3)), np.uint8).copy()


def _panels(props: Props, *panels: Panel, behind: Paint | None = None) -> Paint:
    def paint(t_s: float) -> Image:
        image = behind(t_s) if behind else _room()
        for panel in panels:
            paste(image, panel, props.reel.picture(panel, t_s))
        return image

    return paint


def _solo(props: Props, take: Take, seconds: float, from_s: float = 0.0, spoil: Spoil | None = None) -> Part:
    """The person alone, as large as the frame allows."""
    return Part(seconds, _panels(props, alone(take, from_s=from_s, spoil=spoil)), ((EVERYWHERE, take.person),))


def _sized(take: Take, pixels: float, middle: tuple[float, float], from_s: float = 0.0) -> Panel:
    """The person with a face of so many pixels whose middle lies at `middle`, be that outside the frame."""
    scale = pixels / min(take.face[2] - take.face[0], take.face[3] - take.face[1])
    left = middle[0] - scale * ((take.face[0] + take.face[2]) / 2 - take.view[0])
    top = middle[1] - scale * ((take.face[1] + take.face[3]) / 2 - take.view[1])
    width, height = scale * (take.view[2] - take.view[0]), scale * (take.view[3] - take.view[1])
    place = (round(left), round(top), round(left) + round(width), round(top) + round(height))
    return Panel(take, place, from_s)


def _on_blur(props: Props, take: Take, height: int = HEIGHT, from_s: float = 0.0) -> Paint:
    """The picture, upright and `height` high, over an enlarged, blurred and darker copy of itself."""
    view_width, view_height = take.view[2] - take.view[0], take.view[3] - take.view[1]
    width = min(round(height * 9 / 16), round(height * view_width / view_height))

    def paint(t_s: float) -> Image:
        whole = props.reel.frame(take, from_s + t_s, (round(height * view_width / view_height), height))
        left = (whole.shape[1] - width) // 2
        shown = whole[:, left : left + width]
        scale = WIDTH / width
        large = cv2.resize(shown, (WIDTH, round(height * scale)), interpolation=cv2.INTER_LINEAR)
        top = (large.shape[0] - HEIGHT) // 2
        image = cv2.convertScaleAbs(cv2.GaussianBlur(large[top : top + HEIGHT], (0, 0), 14), alpha=0.8)
        y, x = (HEIGHT - height) // 2, (WIDTH - width) // 2
        image[y : y + height, x : x + width] = shown
        return np.asarray(image, np.uint8)

    return paint


def _mixed(first: Paint, second: Paint, seconds: float, first_from_s: float) -> Part:
    """A dissolve: the first goes on from `first_from_s`, the second begins."""

    def paint(t_s: float) -> Image:
        share = t_s / seconds
        return np.asarray(cv2.addWeighted(first(first_from_s + t_s), 1 - share, second(t_s), share, 0), np.uint8)

    return Part(seconds, paint)


def _wiped(first: Paint, second: Paint, seconds: float, first_from_s: float, *, slides: bool) -> Part:
    """The second comes in from the right: over the first, or pushing it out."""

    def paint(t_s: float) -> Image:
        edge = WIDTH - round(WIDTH * t_s / seconds)
        before, after = first(first_from_s + t_s), second(t_s)
        if slides:
            return np.ascontiguousarray(np.hstack([before, after])[:, WIDTH - edge : 2 * WIDTH - edge])
        before[:, edge:] = after[:, edge:]
        return before

    return Part(seconds, paint)


def _through_white(first: Paint, second: Paint, seconds: float, first_from_s: float) -> Part:
    def paint(t_s: float) -> Image:
        share = t_s / seconds
        shown = first(first_from_s + t_s) if share < 0.5 else second(t_s)
        white = 1 - abs(2 * share - 1)
        return np.asarray(cv2.addWeighted(shown, 1 - white, np.full_like(shown, 255), white, 0), np.uint8)

    return Part(seconds, paint)


def _joined(
    shown: Sequence[tuple[Paint, str]], seconds: float, between: Sequence[Callable[[Paint, Paint, float], Part]]
) -> list[Part]:
    """One person after the other for `seconds` each, with these transitions in turn."""
    parts: list[Part] = []
    gone_s = 0.0
    for number, (paint, person) in enumerate(shown):
        start_s = gone_s
        parts.append(Part(seconds, _later(paint, start_s), ((EVERYWHERE, person),)))
        if number + 1 < len(shown):
            transition = between[number % len(between)](paint, shown[number + 1][0], start_s + seconds)
            parts.append(transition)
            gone_s = transition.seconds
    return parts


def _later(paint: Paint, start_s: float) -> Paint:
    return lambda t_s: paint(start_s + t_s)


# drawn things


def _drawn_face(image: Image, middle: tuple[int, int], size: int, colour: tuple[int, int, int], t_s: float) -> None:
    """A cartoon's face: an oval, eyes that blink, a nose, a mouth that opens."""
    x, y = middle[0], middle[1] + round(4 * np.sin(2 * t_s))
    ink = (30, 30, 40)

    def oval(cx: float, cy: float, rx: float, ry: float, fill: tuple[int, int, int], line: int = cv2.FILLED) -> None:
        at, axes = (round(x + cx * size), round(y + cy * size)), (max(1, round(rx * size)), max(1, round(ry * size)))
        cv2.ellipse(image, at, axes, 0, 0, 360, fill, line, cv2.LINE_AA)

    oval(0, -0.12, 0.5, 0.52, (40, 50, 90))
    oval(0, 0, 0.44, 0.55, colour)
    open_eyes = 0.08 if t_s % 2.5 > 0.2 else 0.01
    for side in (-0.18, 0.18):
        oval(side, -0.1, 0.09, open_eyes, (250, 250, 250))
        oval(side, -0.1, 0.035, min(0.04, open_eyes), ink)
        oval(side, -0.24, 0.1, 0.015, ink)
    oval(0, 0.06, 0.05, 0.09, tuple(round(0.85 * c) for c in colour))  # type: ignore[arg-type]
    oval(0, 0.29, 0.15, 0.03 + 0.03 * abs(np.sin(4 * t_s)), (60, 60, 170))


def _drawn_hand(
    image: Image, middle: tuple[float, float], size: float, turn: float, colour: tuple[int, int, int]
) -> None:
    """A palm, five fingers and the forearm, softly shaded."""
    layer, mask = np.zeros_like(image), np.zeros(image.shape[:2], np.uint8)

    def at(angle: float, length: float) -> tuple[int, int]:
        return round(middle[0] + size * length * np.sin(turn + angle)), round(
            middle[1] - size * length * np.cos(turn + angle)
        )

    for drawn, fill in ((layer, colour), (mask, 255)):
        cv2.line(drawn, at(np.pi, 0.3), at(np.pi, 2.6), fill, round(0.55 * size), cv2.LINE_AA)
        cv2.ellipse(
            drawn,
            (round(middle[0]), round(middle[1])),
            (round(0.42 * size), round(0.5 * size)),
            np.degrees(turn),
            0,
            360,
            fill,
            cv2.FILLED,
            cv2.LINE_AA,
        )
        for finger, angle in enumerate((-0.9, -0.32, -0.08, 0.16, 0.4)):
            reach = 0.95 if finger == 0 else (1.15, 1.25, 1.2, 1.02)[finger - 1]
            cv2.line(drawn, at(angle, 0.3), at(angle, reach), fill, round(0.17 * size), cv2.LINE_AA)
    eighth = cv2.resize(mask, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
    light = cv2.resize(cv2.GaussianBlur(eighth, (0, 0), 0.18 * size / 8), mask.shape[::-1]).astype(np.float32) / 255
    shaded = layer.astype(np.float32) * (0.55 + 0.45 * light)[..., None]
    soft = cv2.GaussianBlur(mask, (0, 0), 1.2).astype(np.float32)[..., None] / 255
    image[:] = np.clip(image * (1 - soft) + shaded * soft, 0, 255).astype(np.uint8)


def _drawn_nape(size: int, seed: int) -> tuple[Image, Image]:
    """A head and shoulders from behind, (h, w, 3) BGR, and how much of each pixel it covers."""
    height, width = round(2.2 * size), 2 * size
    generator = np.random.default_rng(seed)
    strands = (
        generator.normal(0, 1, (1, width, 1)) * 9
        + cv2.GaussianBlur(generator.normal(0, 14, (height, width)), (0, 0), 2.5)[..., None]
    )
    image = np.full((height, width, 3), (52, 60, 66), np.float64)
    mask = np.zeros((height, width), np.uint8)
    middle = width // 2
    skin, shirt = (110, 140, 190), (95, 70, 50)
    cv2.ellipse(image, (middle, height), (round(0.95 * size), round(0.65 * size)), 0, 0, 360, shirt, cv2.FILLED)
    cv2.ellipse(mask, (middle, height), (round(0.95 * size), round(0.65 * size)), 0, 0, 360, 255, cv2.FILLED)
    cv2.rectangle(
        image, (middle - round(0.22 * size), size), (middle + round(0.22 * size), round(1.7 * size)), skin, -1
    )
    cv2.rectangle(mask, (middle - round(0.22 * size), size), (middle + round(0.22 * size), round(1.7 * size)), 255, -1)
    for side in (-1, 1):
        ear = (middle + side * round(0.46 * size), round(0.78 * size))
        cv2.ellipse(image, ear, (round(0.07 * size), round(0.14 * size)), 0, 0, 360, skin, cv2.FILLED)
        cv2.ellipse(mask, ear, (round(0.07 * size), round(0.14 * size)), 0, 0, 360, 255, cv2.FILLED)
    hair = np.zeros((height, width), np.uint8)
    cv2.ellipse(hair, (middle, round(0.68 * size)), (round(0.46 * size), round(0.6 * size)), 0, 0, 360, 255, cv2.FILLED)
    tone = np.array([(40, 45, 55), (50, 80, 120), (35, 35, 38)][seed % 3], np.float64)
    image[hair > 0] = (tone + strands)[hair > 0]
    mask |= hair
    soft = cv2.GaussianBlur(mask, (0, 0), 2).astype(np.float64)[..., None] / 255
    return np.asarray(np.clip(image, 0, 255), np.uint8), np.asarray(255 * soft, np.uint8)


def _lay_over(image: Image, picture: Image, cover: Image, left: int, top: int) -> None:
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(image.shape[1], left + picture.shape[1]), min(image.shape[0], top + picture.shape[0])
    if x1 <= x0 or y1 <= y0:
        return
    part = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
    share = cover[part].astype(np.float32).reshape(y1 - y0, x1 - x0, 1) / 255
    under = image[y0:y1, x0:x1]
    under[:] = np.clip(under * (1 - share) + picture[part] * share, 0, 255).astype(np.uint8)


def _street() -> Image:
    """Lights and trees, three frames wide, to be reflected in glass."""
    generator = np.random.default_rng(SEED)
    image = np.zeros((HEIGHT, 3 * WIDTH, 3), np.uint8)
    for _ in range(90):
        x, y = int(generator.integers(0, 3 * WIDTH)), int(generator.integers(0, HEIGHT))
        colour = tuple(int(c) for c in generator.integers(60, 255, 3))
        if generator.random() < 0.5:
            cv2.circle(image, (x, y), int(generator.integers(6, 40)), colour, cv2.FILLED)
        else:
            cv2.line(
                image, (x, HEIGHT), (x + int(generator.integers(-60, 60)), y), colour, int(generator.integers(3, 26))
            )
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 4), np.uint8)


# the clips


_SIX = ("lp_d0", "lp_d10", "vr_1", "lp_d3", "lp_d18", "vr_5")
_FOUR = ("lp_d14", "lp_d11", "lp_d19", "vr_2")


def _blurred_copy(props: Props) -> list[Part]:
    shown = [(person, number, HEIGHT if number == 0 else 380) for number in (0, 1) for person in _SIX]
    return [
        Part(1.7, _on_blur(props, props.filmed(person, number), height), ((EVERYWHERE, person),))
        for person, number, height in shown
    ]


def _inset(props: Props) -> list[Part]:
    place = (WIDTH - 300, 30, WIDTH - 30, 230)
    corner = (place[0] / WIDTH, place[1] / HEIGHT, place[2] / WIDTH, place[3] / HEIGHT)
    parts = []
    for number, (main, other) in enumerate(zip(_FOUR, (*_FOUR[1:], _FOUR[0]), strict=True)):
        panels = alone(props.filmed(main)), Panel(props.filmed(other, number), place)
        parts.append(Part(3.2, _panels(props, *panels), ((EVERYWHERE, main), (corner, other))))
    return parts


def _double_exposure(props: Props) -> list[Part]:
    parts = []
    for first, second in (("lp_d0", "vr_5"), ("lp_d10", "lp_d14"), ("vr_5", "lp_d10")):
        one, other = _panels(props, alone(props.filmed(first))), _panels(props, alone(props.filmed(second)))

        def blend(t_s: float, one: Paint = one, other: Paint = other) -> Image:
            return np.asarray(cv2.addWeighted(one(2.2 + t_s), 0.5, other(t_s), 0.5, 0), np.uint8)

        parts += [
            Part(2.2, one, ((EVERYWHERE, first),)),
            Part(1.8, blend),
            Part(2.2, _later(other, 1.8), ((EVERYWHERE, second),)),
        ]
    return parts


def _square(props: Props, person: str, number: int) -> tuple[Paint, str]:
    """The person in a square between black bars."""

    def black(t_s: float) -> Image:
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    panel = Panel(props.filmed(person, number), (210, 0, 750, 540), from_s=0.4 * number)
    return _panels(props, panel, behind=black), person


def _dissolves(props: Props) -> list[Part]:
    order = [(person, 0) for person in _SIX] + [(person, 1) for person in (*_SIX[3:], *_SIX[:3])]
    shown = [_square(props, person, number) for person, number in order]
    between = [
        lambda one, other, at_s, seconds=seconds: _mixed(one, other, seconds, at_s) for seconds in (0.6, 0.4, 1.0)
    ]
    return _joined(shown, 1.6, between)


def _wipes(props: Props) -> list[Part]:
    people = (*_FOUR, *_SIX[:2])
    order = [(person, 0) for person in people] + [(person, 1) for person in (*people[3:], *people[:3])]
    shown = [(_panels(props, alone(props.filmed(person, number))), person) for person, number in order]
    between: list[Callable[[Paint, Paint, float], Part]] = [
        lambda one, other, at_s: _wiped(one, other, 0.6, at_s, slides=False),
        lambda one, other, at_s: _wiped(one, other, 0.6, at_s, slides=True),
        lambda one, other, at_s: _through_white(one, other, 0.8, at_s),
    ]
    return _joined(shown, 1.7, between)


def _cut_off(props: Props) -> list[Part]:
    """Four people whole, and halves of their faces drifting along a border, in other takes where there are any."""
    parts = []
    for number, person in enumerate(_FOUR):
        take = props.filmed(person, 1)

        def drift(t_s: float, take: Take = take, number: int = number) -> Image:
            over = 25 * np.sin(1.5 * t_s)
            middle = ((over, 270.0), (WIDTH + over, 270.0), (480.0, 20 + over), (480.0, HEIGHT - over))[number]
            panel = _sized(take, 240, middle)
            image = _room()
            paste(image, panel, props.reel.picture(panel, t_s))
            return image

        parts += [_solo(props, props.filmed(person), 2.0), Part(2.2, drift, ((EVERYWHERE, person),))]
    return parts


def _posters(props: Props) -> list[Part]:
    """A pan along a wall of pictures, and one man before it."""
    wall = np.full((HEIGHT, 2 * WIDTH, 3), (120, 130, 140), np.uint8)
    for number, take in enumerate(props.posters[:4]):
        picture = props.reel.frame(take, 0.0, (166, 190))
        left, top = 120 + 450 * number, 150
        wall[top - 12 : top + 202, left - 12 : left + 178] = (40, 50, 60)
        wall[top : top + 190, left : left + 166] = picture

    def pan(t_s: float) -> Image:
        left = round(WIDTH * min(1.0, t_s / 7.0))
        return wall[:, left : left + WIDTH].copy()

    man = Panel(props.filmed("vr_2"), (280, 60, 680, HEIGHT))
    return [
        Part(7.0, pan),
        Part(4.0, _panels(props, man, behind=lambda t_s: wall[:, 380 : 380 + WIDTH].copy())),
        Part(5.0, lambda t_s: pan(7.0 - t_s)),
    ]


def _drawings(props: Props) -> list[Part]:
    colours = ((150, 190, 240), (90, 140, 200), (120, 220, 250))

    def drawn(t_s: float) -> Image:
        image = np.full((HEIGHT, WIDTH, 3), (225, 215, 190), np.uint8)
        for number, colour in enumerate(colours):
            _drawn_face(image, (180 + 300 * number, 260), 220 + 30 * number, colour, t_s + number)
        return image

    def beside(t_s: float) -> Image:
        image = drawn(t_s)
        panel = Panel(props.filmed("lp_d13"), (600, 60, 940, HEIGHT))
        paste(image, panel, props.reel.picture(panel, t_s))
        return image

    speaker = props.filmed("lp_d13")
    return [Part(4.0, drawn), _solo(props, speaker, 3.0), Part(4.0, beside), Part(3.0, drawn)]


def _glass(props: Props) -> list[Part]:
    street = _street()
    parts = []
    for number, person in enumerate((*_FOUR, *_FOUR[:2])):
        clear = _panels(props, alone(props.filmed(person, number // 4)))

        def behind(t_s: float, clear: Paint = clear, number: int = number) -> Image:
            left = round((200 * number + 90 * t_s) % (2 * WIDTH))
            return np.asarray(cv2.addWeighted(clear(t_s), 0.75, street[:, left : left + WIDTH], 0.4, 0), np.uint8)

        parts.append(Part(2.4, behind, ((EVERYWHERE, person),)))
    return parts


def _dark_profiles(props: Props) -> list[Part]:
    dark = [both(turned(degrees), darker(0.22, 6.0)) for degrees in (40, -40)]
    parts = [_solo(props, props.filmed(person), 2.0) for person in _SIX[:3]]
    parts += [
        _solo(props, props.filmed(person, 1), 2.4, spoil=dark[number % 2]) for number, person in enumerate(_SIX[:5])
    ]
    return parts


def _hands(props: Props) -> list[Part]:
    def paint(t_s: float) -> Image:
        image = _room()
        cv2.rectangle(image, (0, 400), (WIDTH, HEIGHT), (60, 85, 120), cv2.FILLED)
        _drawn_hand(image, (300 + 60 * np.sin(t_s), 330.0), 120, 0.3 * np.sin(1.7 * t_s), (120, 150, 205))
        _drawn_hand(image, (660 - 50 * np.sin(0.8 * t_s), 350.0), 100, 0.5 + 0.3 * np.sin(t_s), (90, 120, 170))
        return image

    return [Part(8.0, paint)]


def _napes(props: Props) -> list[Part]:
    """Shot and countershot over a shoulder."""
    parts = []
    heads = {person: _drawn_nape(250, number) for number, person in enumerate(("lp_d0", "vr_2"))}
    for number in range(4):
        person, other = ("lp_d0", "vr_2") if number % 2 == 0 else ("vr_2", "lp_d0")
        x = 700 if number % 2 == 0 else 260

        def paint(
            t_s: float, person: str = person, other: str = other, x: int = x, start_s: float = 2.0 * (number // 2)
        ) -> Image:
            panel = _sized(props.filmed(person), 170, (x, 230), start_s)
            image = _room()
            paste(image, panel, props.reel.picture(panel, t_s))
            left = 960 - x - 250 + round(6 * np.sin(1.3 * t_s))
            _lay_over(image, *heads[other], left, 90 + round(3 * np.sin(2.1 * t_s)))
            return image

        parts.append(Part(2.4, paint, ((EVERYWHERE, person),)))
    return parts


def _other_scale(props: Props) -> list[Part]:
    parts = [_solo(props, props.filmed(person), 1.8) for person in _SIX]
    for number, person in enumerate((*_SIX[2:], *_SIX[:2])):
        panel = _sized(props.filmed(person, 1), 46, (250 + 80 * number, 220), 0.8)
        parts.append(Part(1.8, _panels(props, panel), ((EVERYWHERE, person),)))
    return parts


CLIPS = (
    HardClip("blurred copy", People(6, 6), "upright film over an enlarged, blurred copy of itself", _blurred_copy),
    HardClip("inset", People(4, 4), "a picture in the picture", _inset),
    HardClip("double exposure", People(4, 4), "two people, then both in one, then the other", _double_exposure),
    HardClip("dissolves", People(6, 6), "squares in black bars, one dissolving into the next", _dissolves),
    HardClip("wipes", People(6, 6), "wipes, slides and fades through white between people", _wipes),
    HardClip("cut off", People(4, 4), "people, and halves of their faces at each border", _cut_off),
    HardClip(
        "posters", People(1, 5), "four pictures on a wall, panned over, and one man; pictures may count", _posters
    ),
    HardClip("drawings", People(1, 1), "drawn faces, which are nobody, and a speaker", _drawings),
    HardClip("glass", People(4, 4), "faces behind a pane that reflects a street", _glass),
    HardClip(
        "dark profiles", People(3, 5), "three in the light, they and two more turned away in the dark", _dark_profiles
    ),
    HardClip("hands", People(0, 0), "drawn hands alone", _hands),
    HardClip("over the shoulder", People(2, 2), "shot and countershot past a drawn head from behind", _napes),
    HardClip("other scale", People(6, 6), "six people, each again at a face of 46 pixels", _other_scale),
)
