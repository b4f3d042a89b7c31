"""Clips of what real film holds and plain footage lacks: black and white, bars, title cards, wipes, slides, damage.

Made as those of `clips_scenes` are, of the same footage, every change known to the frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from benchmarks.accuracy.clips_scenes import (
    BOTTLES,
    FPS,
    HEIGHT,
    WIDTH,
    Clip,
    Frames,
    Reel,
    footage,
    mixture,
    panned,
    panorama,
    people,
    shaken,
    toned,
)

Cover = Callable[[float], NDArray[np.float32]]
"""How much of the new picture is seen where, (HEIGHT, WIDTH, 1) from 0 to 1, when so much of a wipe is over."""
ACROSS, DOWN = np.meshgrid(np.linspace(0, 1, WIDTH, dtype=np.float32), np.linspace(0, 1, HEIGHT, dtype=np.float32))


# looks


def gray(frames: Frames) -> Frames:
    """Black and white."""
    return np.stack([cv2.cvtColor(cv2.cvtColor(one, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR) for one in frames])


def sepia(frames: Frames) -> Frames:
    """Brown on cream, as old prints are."""
    return np.asarray(np.clip(gray(frames) * np.array([0.62, 0.86, 1.0], np.float32) + 12, 0, 255), np.uint8)


def faded(frames: Frames) -> Frames:
    """Colours and contrast gone pale."""
    return toned((0.7 * gray(frames) + 0.3 * frames).astype(np.uint8), 0.35, 135)


def barred(frames: Frames, width: int, height: int = HEIGHT, level: int = 0) -> Frames:
    """The middle of each picture, so large, between bars."""
    left, top = (WIDTH - width) // 2, (HEIGHT - height) // 2
    result = np.full_like(frames, level)
    scale = max(width / WIDTH, height / HEIGHT)
    for picture, frame in zip(result, frames, strict=True):
        small = cv2.resize(frame, (round(WIDTH * scale), round(HEIGHT * scale)), interpolation=cv2.INTER_AREA)
        y, x = (small.shape[0] - height) // 2, (small.shape[1] - width) // 2
        picture[top : top + height, left : left + width] = small[y : y + height, x : x + width]
    return result


def on_blur(frames: Frames, width: int) -> Frames:
    """The middle of each picture, so wide, over an enlarged, blurred copy of itself."""
    front = barred(frames, width)
    left = (WIDTH - width) // 2
    for picture in front:
        own = picture[:, left : left + width].copy()
        picture[:] = cv2.resize(cv2.blur(cv2.resize(own, (32, 18)), (5, 5)), (WIDTH, HEIGHT))
        picture[:, left : left + width] = own
    return front


def card(seconds: float, lines: tuple[str, ...]) -> Frames:
    """White writing on black."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for number, line in enumerate(lines):
        cv2.putText(picture, line, (110, 70 + 18 * number), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (235,) * 3, 1, cv2.LINE_AA)
    return np.repeat(picture[None], round(seconds * FPS), axis=0)


# transitions


def ramp(at: NDArray[np.float32], soft: float) -> Cover:
    """A front that moves over `at`, which says for every pixel how late it comes to it, 0 to 1."""

    def cover(share: float) -> NDArray[np.float32]:
        place = share * (1 + soft) - soft
        return np.asarray(np.clip((place + soft - at) / max(soft, 1e-3), 0, 1)[..., None], np.float32)

    return cover


def wipes() -> list[Cover]:
    """In from all sides, aslant, as an iris and as a clock's hand, with hard and with soft edges."""
    away = np.hypot(ACROSS - 0.5, DOWN - 0.5) / np.hypot(0.5, 0.5)
    hand = ((np.arctan2(DOWN - 0.5, ACROSS - 0.5) / np.pi + 1) / 2).astype(np.float32)
    fronts = [ACROSS, 1 - ACROSS, DOWN, 1 - DOWN, (ACROSS + DOWN) / 2, (1 - ACROSS + DOWN) / 2, away, 1 - away, hand]
    return [ramp(front.astype(np.float32), soft) for front in fronts for soft in (0.0, 0.3)]


def wipe(reel: Reel, shot: Frames, seconds: float, cover: Cover) -> None:
    """Appends a shot that covers the one before."""

    def mixed(before: NDArray[np.uint8], after: NDArray[np.uint8], share: np.float32) -> NDArray[np.float32]:
        shown = cover(float(share))
        return np.asarray(before * (1 - shown) + after * shown, np.float32)

    reel.blend("wipe", shot, seconds, mixed)


def slide(reel: Reel, shot: Frames, seconds: float, way: str, side: str) -> None:
    """Appends a shot that comes in from a `side`, pushing the one before out, over it (`cover`), or from behind it."""

    def mixed(before: NDArray[np.uint8], after: NDArray[np.uint8], share: np.float32) -> NDArray[np.uint8]:
        turns = {"left": 0, "top": 1, "right": 2, "bottom": 3}[side]
        one, two = (np.rot90(picture, turns) for picture in (before, after))
        width = one.shape[1]
        at = round(share * width)
        result = one.copy()
        result[:, :at] = two[:, :at] if way == "reveal" else two[:, width - at :]
        if way != "cover":
            result[:, at:] = one[:, : width - at]
        return np.rot90(result, -turns)

    reel.blend("slide", shot, seconds, mixed)


# the clips


def unlike(videos: Path, seed: int, seconds: float) -> Iterator[Frames]:
    """Shots without end, two of three of them of people, none of what the one before it shows."""
    others, number, before = mixture(videos, seed, seconds), seed, None
    while True:
        number += 1
        shot = next(others) if number % 3 == 0 else people(videos, number * 3, seconds)
        if before is None or np.abs(shot[0].astype(int) - before).mean() > 12:
            before = shot[0].astype(int)
            yield shot


def looks(look: Callable[[Frames], Frames], videos: Path, path: Path, seed: int) -> Clip:
    """Hard cuts of footage that looks like that, people after people among it."""
    reel, rng = Reel(path), np.random.default_rng(seed)
    shots = unlike(videos, seed, 2.4)
    for _ in range(20):
        shot = next(shots)
        reel.cut(look(shot[: int(rng.integers(25, 60))]))
    return reel.close()


def black_and_white(videos: Path, path: Path) -> Clip:
    """Hard cuts in black and white."""
    return looks(gray, videos, path, 31)


def old_prints(videos: Path, path: Path) -> Clip:
    """Hard cuts in sepia."""
    return looks(sepia, videos, path, 32)


def faded_prints(videos: Path, path: Path) -> Clip:
    """Hard cuts in pale colours."""
    return looks(faded, videos, path, 33)


def gray_in_bars(videos: Path, path: Path) -> Clip:
    """Black and white, 4:3, between black bars."""
    return looks(lambda shot: barred(gray(shot), HEIGHT * 4 // 3), videos, path, 34)


def square_in_bars(videos: Path, path: Path) -> Clip:
    """Cuts and dissolves of square pictures between black bars."""
    reel, rng = Reel(path), np.random.default_rng(35)
    shots = unlike(videos, 35, 2.8)
    reel.cut(barred(next(shots), HEIGHT))
    for number in range(14):
        shot = barred(next(shots), HEIGHT)
        if number % 3 == 2:
            reel.cut(shot)
        else:
            reel.dissolve(shot, float(rng.uniform(0.4, 1.2)))
    return reel.close()


def window_boxes(videos: Path, path: Path) -> Clip:
    """Pictures with bars on all sides, black or grey ones, joined by cuts, dissolves and fades."""
    reel, rng = Reel(path), np.random.default_rng(36)
    shots = unlike(videos, 36, 2.8)
    sizes = [(240, 120, 0), (200, 112, 0), (180, 140, 16), (320, 120, 0), (102, 180, 0)]
    for number in range(15):
        shot = barred(next(shots), *sizes[number // 3])
        if number % 3 == 0:
            reel.cut(shot)
        elif number % 3 == 1:
            reel.dissolve(shot, float(rng.uniform(0.4, 1.2)))
        else:
            reel.fade(shot, 0.4, 0.1, 0.4)
    return reel.close()


def blurred_copies(videos: Path, path: Path) -> Clip:
    """Upright and square pictures over a blurred copy of themselves, joined by cuts and dissolves."""
    reel, rng = Reel(path), np.random.default_rng(37)
    shots = unlike(videos, 37, 2.8)
    for number in range(13):
        shot = on_blur(next(shots), (100, 180)[number % 2])
        if number % 2 == 0:
            reel.cut(shot)
        else:
            reel.dissolve(shot, float(rng.uniform(0.5, 1.1)))
    return reel.close()


def title_cards(videos: Path, path: Path) -> Clip:
    """Cuts to and from white writing on black, one of them at the end; shots that are dark."""
    reel = Reel(path)
    shots = unlike(videos, 38, 2.4)
    words = [("A FILM", "BY NOBODY"), ("STARRING", "A BOTTLE"), ("THE END",)]
    for number in range(9):
        shot = next(shots)
        reel.cut(card(1.8, words[number // 3]) if number % 3 == 2 else toned(shot, 0.35, 45) if number % 2 else shot)
    return reel.close()


def many_wipes(videos: Path, path: Path) -> Clip:
    """Wipes from all sides, irises and clock's hands, hard and soft, 0.4 to 1.6 s, some of them in bars."""
    reel, rng = Reel(path), np.random.default_rng(39)
    shots = unlike(videos, 39, 3.4)
    reel.cut(next(shots))
    for number, cover in enumerate(wipes()):
        shot = next(shots)
        shot = barred(shot, HEIGHT) if number in (6, 7, 11) else gray(shot) if number in (4, 12) else shot
        wipe(reel, shot, float(rng.uniform(0.4, 1.6)), cover)
    return reel.close()


def slides(videos: Path, path: Path) -> Clip:
    """New pictures that push the old ones out, cover them or come out from behind them, 0.3 to 1.2 s."""
    reel, rng = Reel(path), np.random.default_rng(40)
    shots = unlike(videos, 40, 2.8)
    reel.cut(next(shots))
    for way in ("push", "cover", "reveal"):
        for side in ("left", "top", "right", "bottom"):
            shot = next(shots)
            shot = barred(shot, HEIGHT) if side == "top" else shot
            slide(reel, shot, float(rng.uniform(0.3, 1.2)), way, side)
    return reel.close()


def fades_in_bars(videos: Path, path: Path) -> Clip:
    """Fades to black, white and grey of pictures in bars, the bars fading with them or staying black."""
    reel = Reel(path)
    shots = unlike(videos, 41, 3.0)
    plan = [(0.4, 0.0, 0.4, 255), (0.3, 0.2, 0.6, 255), (0.8, 0.1, 0.3, 0), (0.5, 0.0, 0.5, 120), (0.2, 0.1, 0.7, 255)]
    reel.cut(barred(next(shots), HEIGHT))
    for out_s, hold_s, in_s, level in plan:
        reel.fade(barred(next(shots), HEIGHT), out_s, hold_s, in_s, level)
    for out_s, hold_s, in_s, level in plan:
        reel.fade(barred(next(shots), HEIGHT), out_s, hold_s, in_s, level, inside=HEIGHT)
    return reel.close()


def one_handheld_shot(videos: Path, path: Path) -> Clip:
    """Shots from a hand that shakes and pans, each longer than ten seconds: hardly a change."""
    reel = Reel(path)
    bottles = footage(videos, BOTTLES, 4.0, 10.0)
    reel.cut(shaken(bottles, 420, 45))
    rng = np.random.default_rng(42)
    for number in range(3):
        wide = panorama(videos, number * 2)
        at = np.cumsum(np.cumsum(rng.normal(0, 1.6, 250)) * np.exp(-np.arange(250) / 400))
        x = 100 + 700 * (at - at.min()) / max(1.0, float(np.ptp(at)))
        reel.cut(shaken(panned(wide, x, np.full(250, 45.0)), 421 + number, 35))
    return reel.close()


def damaged(videos: Path, path: Path) -> Clip:
    """Cuts at keyframes, and keyframes spoilt in the middle of shots: what is smeared for two seconds is no change."""
    reel = Reel(path, keyframes=50)
    for _, shot in zip(range(8), unlike(videos, 43, 2.0), strict=False):
        reel.cut(np.concatenate([shot, shot[::-1], shot])[:150])
    clip = reel.close()
    spoil_keyframes(path, every=3)
    return clip


def spoil_keyframes(path: Path, every: int) -> None:
    """Overwrites most of the second of so many keyframes, of all that follow as well."""
    whole = path.with_suffix(".whole.mp4")
    path.rename(whole)
    with av.open(str(whole)) as source, av.open(str(path), "w") as copy:
        stream = copy.add_stream_from_template(source.streams.video[0])
        keyframe = 0
        for packet in source.demux(video=0):
            if packet.dts is None:
                continue
            keyframe += packet.is_keyframe
            bad = packet.is_keyframe and keyframe % every == 2 % every
            copy.mux(spoilt(packet, stream) if bad else _moved(packet, stream))
    whole.unlink()


def spoilt(packet: Packet[VideoStream], stream: VideoStream) -> Packet[VideoStream]:
    """The packet with its last two thirds overwritten, as by a bad sector."""
    data = bytearray(bytes(packet))
    noise = np.random.default_rng(len(data)).integers(0, 256, len(data), dtype=np.uint8)
    data[len(data) // 3 :] = noise[len(data) // 3 :].tobytes()
    copy = cast("Packet[VideoStream]", Packet(bytes(data)))
    copy.pts, copy.dts, copy.duration, copy.time_base = packet.pts, packet.dts, packet.duration, packet.time_base
    copy.is_keyframe = packet.is_keyframe
    return _moved(copy, stream)


def _moved(packet: Packet[VideoStream], stream: VideoStream) -> Packet[VideoStream]:
    packet.stream = stream
    return packet


def another_throw(videos: Path, path: Path) -> Clip:
    """All of it by chance; made after every threshold was settled."""
    reel, rng = Reel(path, keyframes=60), np.random.default_rng(1044)
    shots = unlike(videos, 1044, 3.6)
    dress: list[Callable[[Frames], Frames]] = [
        lambda shot: shot,
        gray,
        sepia,
        faded,
        lambda shot: barred(shot, HEIGHT),
        lambda shot: on_blur(shot, 100),
    ]
    dress += [lambda shot: barred(gray(shot), HEIGHT * 4 // 3), lambda shot: shaken(shot, 1044, 14)]
    fronts = wipes()
    for number in range(36):
        shot = dress[(number // 3) % len(dress)](next(shots)[: int(rng.integers(60, 88))])
        way, seconds = int(rng.integers(0, 6)) if number else 0, float(rng.uniform(0.4, 1.1))
        if way == 2:
            reel.dissolve(shot, seconds)
        elif way == 3:
            wipe(reel, shot, seconds, fronts[int(rng.integers(0, len(fronts)))])
        elif way == 4:
            side = str(rng.choice(["left", "top", "right", "bottom"]))
            slide(reel, shot, seconds, str(rng.choice(["push", "cover", "reveal"])), side)
        elif way == 5:
            reel.fade(shot, seconds / 2, float(rng.uniform(0, 0.2)), seconds / 2, int(rng.choice([0, 255])))
        else:
            reel.cut(shot)
    return reel.close()


MAKERS: dict[str, Callable[[Path, Path], Clip]] = {
    maker.__name__: maker
    for maker in (
        black_and_white, old_prints, faded_prints, gray_in_bars, square_in_bars, window_boxes, blurred_copies,
        title_cards, many_wipes, slides, fades_in_bars, one_handheld_shot, damaged, another_throw,
    )
}  # fmt: skip


def make_clip(videos: Path, folder: Path, name: str) -> Clip:
    """One of MAKERS' clips, written into `folder`."""
    maker = MAKERS[name]
    return replace(maker(videos, folder / f"{name}.mp4"), about=(maker.__doc__ or "").splitlines()[0])
