"""Clips whose scene changes are known: real footage and drawn pictures joined by cuts, fades and dissolves.

Between the joins lies what detectors take for joins: flashes, strobing, whip pans, shaking hands, objects passing close
to the camera, changing exposure, slow zooms, titles. Seeded: the same clips every time, down to the encoder's rounding.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
"""(n, HEIGHT, WIDTH, 3) BGR."""
WIDTH, HEIGHT = 320, 180
SCALE = WIDTH / 480
"""Lengths in pixels below are meant for 480 wide."""
FPS = 25

PEOPLE = "people17_cuts_720p.mp4"
BUNNY = "mp_bbb_0_30.webm"
BOTTLES = "intel_bottle-detection.mp4"
PORTRAIT = "portrait_rotated.mp4"
WALK = "intel_walkpause.mp4"
HEADS = "intel_headpose_fm.mp4"


@dataclass(frozen=True)
class Change:
    """One true scene change."""

    kind: Literal["cut", "fade", "dissolve", "wipe", "slide"]
    start_s: float
    """A cut's first frame of the new scene; a transition's first mixed frame."""
    end_s: float
    """The same for a cut; a transition's first clean frame."""

    @property
    def middle_s(self) -> float:
        return (self.start_s + self.end_s) / 2


@dataclass(frozen=True)
class Clip:
    """A video with its truth."""

    name: str
    path: Path
    changes: list[Change]
    frame_s: float
    """Seconds between frames; the shortest where the rate varies."""
    about: str = ""


# footage


@lru_cache(maxsize=12)
def footage(videos: Path, name: str, start_s: float, seconds: float) -> Frames:
    """Frames of a real clip from `start_s` on, filling the picture."""
    frames: list[NDArray[np.uint8]] = []
    repeat = 2 if name in (WALK, HEADS) else 1  # filmed at 12 frames a second
    wanted = math.ceil(seconds * FPS / repeat)
    with av.open(str(videos / name)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        container.seek(int(start_s / stream.time_base), stream=stream)
        for decoded in container.decode(stream):
            if decoded.time < start_s - 1e-3:
                continue
            turned = np.rot90(decoded.to_ndarray(format="bgr24"), (decoded.rotation or 0) // 90)
            picture = turned.astype(np.uint8, copy=False)
            frames += [_fill(picture, portrait=name == PEOPLE)] * repeat
            if len(frames) >= wanted * repeat:
                break
    return np.stack(frames)


def _fill(picture: NDArray[np.uint8], portrait: bool) -> NDArray[np.uint8]:
    """Scaled to fill the clip's picture; of a `portrait` between black bars, before a blurred copy as on television."""
    height, width = picture.shape[:2]
    if portrait:
        picture = np.ascontiguousarray(picture[:, round(width * 0.345) : round(width * 0.655)])
        behind = cv2.blur(cv2.resize(picture, (WIDTH // 8, HEIGHT // 8), interpolation=cv2.INTER_AREA), (5, 5))
        behind = cv2.resize(behind, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        front = cv2.resize(picture, (WIDTH // 2, round(WIDTH / 2 * height / picture.shape[1])))
        top = (len(front) - HEIGHT) // 4
        behind[:, WIDTH // 4 : WIDTH // 4 * 3] = front[top : top + HEIGHT]
        return np.asarray(behind, np.uint8)
    scale = max(WIDTH / width, HEIGHT / height)
    size = (max(WIDTH, round(width * scale)), max(HEIGHT, round(height * scale)))
    picture = cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA)
    top = (size[1] - HEIGHT) // 4
    left = (size[0] - WIDTH) // 2
    return np.ascontiguousarray(picture[top : top + HEIGHT, left : left + WIDTH])


def drawn(seed: int, seconds: float, *, speed: float = 1.0, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Frames:
    """A drawn shot: a shaded background with shapes that drift over it at about `speed` x 30 pixels a second."""
    rng = np.random.default_rng(seed)
    width, height = size
    noise = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    background = cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    grain = cv2.resize(rng.normal(0, 1, (height // 2, width // 2)).astype(np.float32), size)[..., None]
    background = np.clip(0.6 * background + rng.integers(0, 100) + 9 * grain, 0, 255).astype(np.uint8)
    shapes = [
        (
            rng.uniform(0, 1, 2) * size,
            rng.normal(0, 30 * SCALE * speed, 2),
            int(SCALE * rng.integers(12, 50)),
            tuple(int(v) for v in rng.integers(0, 256, 3)),
        )
        for _ in range(9)
    ]
    frames = []
    for number in range(round(seconds * FPS)):
        picture = background.copy()
        for at, velocity, radius, colour in shapes:
            x, y = (at + velocity * number / FPS) % size
            cv2.circle(picture, (int(x), int(y)), radius, colour, -1, cv2.LINE_AA)
        frames.append(picture)
    return np.stack(frames)


def panned(wide: NDArray[np.uint8], x: NDArray[np.float64], y: NDArray[np.float64]) -> Frames:
    """A camera's view of a wide picture: (n,) left and top edge in pixels; motion between frames blurs."""
    frames = []
    width, height = WIDTH, HEIGHT
    x, y = SCALE * x, SCALE * y
    for number in range(len(x)):
        before = max(0, number - 1)
        steps = max(1, min(16, round(abs(x[number] - x[before]) / 6)))
        shutter = np.linspace(0.5, 1, steps)  # half a frame's time
        mixed = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        for share in shutter:
            left = float(np.clip(x[before] + share * (x[number] - x[before]), 0, wide.shape[1] - width - 1))
            top = float(np.clip(y[before] + share * (y[number] - y[before]), 0, wide.shape[0] - height - 1))
            view = cv2.getRectSubPix(wide, (width, height), (left + (width - 1) / 2, top + (height - 1) / 2))
            mixed += view.astype(np.float32)
        frames.append((mixed / steps).astype(np.uint8))
    return np.stack(frames)


def panorama(videos: Path, seed: int) -> NDArray[np.uint8]:
    """A wide still (240, 1200, 3): a place one can pan over."""
    if seed % 2:
        picture = drawn(seed, 0.04, size=(1200, 240))[0]
    else:
        at = {0: (BUNNY, 9.0), 2: (BUNNY, 13.5), 4: (BUNNY, 24.0)}[seed % 6]
        tile = cv2.resize(footage(videos, at[0], at[1], 0.08)[0], (427, 240), interpolation=cv2.INTER_CUBIC)
        picture = np.hstack([tile, tile[:, ::-1], tile])[:, :1200]
    return np.ascontiguousarray(picture)


# what happens within shots


def toned(frames: Frames, contrast: float, level: float, *, grey: bool = False) -> Frames:
    """With less contrast, about a grey level."""
    values = frames.astype(np.float32)
    if grey:
        values = np.repeat(values.mean(axis=3, keepdims=True), 3, axis=3)
    return np.asarray(np.clip((values - 128) * contrast + level, 0, 255), np.uint8)


def lit(frames: Frames, gains: NDArray[np.float64], lift: float = 0.0) -> Frames:
    """Each frame times its gain, plus `lift` grey levels per unit of gain above 1."""
    shape = (len(frames), 1, 1, 1)
    values = frames.astype(np.float32) * gains.astype(np.float32).reshape(shape)
    values += lift * np.maximum(gains - 1, 0).astype(np.float32).reshape(shape)
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def flashed(frames: Frames, starts_s: list[float], lengths: list[int], strength: float = 2.2) -> Frames:
    """Photographers' flashes of some frames each."""
    gains = np.ones(len(frames))
    for start_s, length in zip(starts_s, lengths, strict=True):
        first = round(start_s * FPS)
        gains[first : first + length] = strength * 0.75 ** np.arange(len(gains[first : first + length]))
    return lit(frames, np.maximum(gains, 1.0), lift=70)


def strobed(frames: Frames, start_s: float, end_s: float, period: int, low: float = 0.25) -> Frames:
    """Light that goes on and off, `period` frames each."""
    gains = np.ones(len(frames))
    number = np.arange(len(frames))
    off = (number >= start_s * FPS) & (number < end_s * FPS) & ((number // period) % 2 == 0)
    gains[off] = low
    return lit(frames, gains)


def discoed(frames: Frames, start_s: float, end_s: float, period: int, seed: int) -> Frames:
    """Light of changing colour."""
    rng = np.random.default_rng(seed)
    values = frames.astype(np.float32)
    tint = np.ones(3)
    for number in range(round(start_s * FPS), min(len(frames), round(end_s * FPS))):
        if number % period == 0:
            tint = rng.uniform(0.25, 1.3, 3)
        values[number] *= tint.astype(np.float32)
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def shaken(frames: Frames, seed: int, pixels: float) -> Frames:
    """As from an unsteady hand."""
    rng = np.random.default_rng(seed)
    number = np.arange(len(frames)) / FPS
    paths = []
    for _ in range(3):
        rate, phase = rng.uniform(0.8, 4.5, 4), rng.uniform(0, 2 * math.pi, 4)
        waves = np.sin(2 * math.pi * rate[:, None] * number + phase[:, None])
        paths.append((waves / rate[:, None] ** 0.5).sum(axis=0) / 2)
    taken = []
    for index, frame in enumerate(frames):
        turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 1.2 * paths[2][index], 1.15)
        turn[:, 2] += SCALE * pixels * np.array([paths[0][index], paths[1][index]])
        taken.append(cv2.warpAffine(frame, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT))
    return np.stack(taken)


def crossed(frames: Frames, start_s: float, seconds: float, seed: int) -> Frames:
    """Somebody dark and blurred passes close to the camera."""
    rng = np.random.default_rng(seed)
    colour = rng.integers(20, 110, 3).astype(np.float32)
    result = frames.copy()
    for number in range(round(start_s * FPS), min(len(frames), round((start_s + seconds) * FPS))):
        centre = WIDTH * (1.6 * (number / FPS - start_s) / seconds - 0.3)
        cover = np.clip((0.3 * WIDTH - np.abs(np.arange(WIDTH) - centre)) / 20, 0, 1)[None, :, None]
        result[number] = (result[number] * (1 - cover) + colour * cover).astype(np.uint8)
    return result


def zoomed(frames: Frames, most: float) -> Frames:
    """A slow zoom in, up to `most` times."""
    taken = []
    for index, frame in enumerate(frames):
        scale = 1 + (most - 1) * index / max(1, len(frames) - 1)
        turn = cv2.getRotationMatrix2D((WIDTH * 0.45, HEIGHT * 0.4), 0, scale)
        taken.append(cv2.warpAffine(frame, turn, (WIDTH, HEIGHT)))
    return np.stack(taken)


def titled(frames: Frames, start_s: float, end_s: float, text: str) -> Frames:
    """A title that fades in and out over half a second."""
    layer = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cv2.putText(layer, text, (20, 100), cv2.FONT_HERSHEY_DUPLEX, 1.45, (255, 255, 255), 6, cv2.LINE_AA)
    t_s = np.arange(len(frames)) / FPS
    share = np.clip(np.minimum(t_s - start_s, end_s - t_s) / 0.5, 0, 1)
    mask = layer.astype(np.float32) / 255
    result = frames.copy()
    for number in np.flatnonzero(share):
        cover = share[number] * mask
        result[number] = (frames[number] * (1 - cover) + 255 * cover).astype(np.uint8)
    return result


# joining


@dataclass
class Reel:
    """A clip in the making: shots are appended, what is certain is encoded at once."""

    path: Path
    fps: int = FPS
    keyframes: int = 250
    scenecut: bool = False
    """Whether the encoder puts keyframes on cuts."""
    stamps: Callable[[int], int] | None = None
    """PTS in milliseconds of a frame's number, for a variable rate."""
    changes: list[Change] = field(default_factory=list)
    _waiting: Frames | None = None
    _written: int = 0

    def __post_init__(self) -> None:
        self._container = av.open(str(self.path), "w")
        options = {"preset": "veryfast", "crf": "21", "threads": "1", "bf": "3", "b-pyramid": "normal"}
        options |= {"sc_threshold": "40" if self.scenecut else "0", "g": str(self.keyframes)}
        self._stream: VideoStream = self._container.add_stream("libx264", rate=self.fps, options=options)
        self._stream.width, self._stream.height, self._stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        self._base = Fraction(1, self.fps) if self.stamps is None else Fraction(1, 1000)
        self._stream.codec_context.time_base = self._base

    def _s(self, number: int) -> float:
        return float((number if self.stamps is None else self.stamps(number)) * self._base)

    def cut(self, shot: Frames) -> None:
        """Appends a shot; the very first makes no change."""
        if self._waiting is not None:
            self._write(self._waiting)
            self.changes.append(Change("cut", self._s(self._written), self._s(self._written)))
        self._waiting = shot

    def dissolve(self, shot: Frames, seconds: float) -> None:
        """Appends a shot whose first seconds are mixed with the last ones of the shot before."""
        self.blend(
            "dissolve",
            shot,
            seconds,
            lambda before, after, share: np.asarray(before * (1 - share) + after * share + 0.5, np.float32),
        )

    def blend(
        self,
        kind: Literal["dissolve", "wipe", "slide"],
        shot: Frames,
        seconds: float,
        mixed: Callable[[NDArray[np.uint8], NDArray[np.uint8], np.float32], NDArray[np.float32] | NDArray[np.uint8]],
    ) -> None:
        """Appends a shot whose first seconds are shown together with the last ones of the shot before, as `mixed` of
        both pictures and the share that is over says."""
        assert self._waiting is not None
        length = round(seconds * self.fps)
        before, tail = self._waiting[:-length], self._waiting[-length:]
        self._write(before)
        start = self._written
        shares = ((np.arange(length) + 1) / (length + 1)).astype(np.float32)
        both = zip(tail, shot[:length], shares, strict=True)
        self._write(np.stack([np.asarray(mixed(*one)).astype(np.uint8) for one in both]))
        self.changes.append(Change(kind, self._s(start), self._s(self._written)))
        self._waiting = shot[length:]

    def fade(self, shot: Frames, out_s: float, hold_s: float, in_s: float, level: int = 0, inside: int = WIDTH) -> None:
        """Appends a shot after the one before went to black (`level` 0) or white (255) and it comes from there.

        Of a shot only the middle, `inside` pixels wide, is seen then, between bars that stay black.
        """
        assert self._waiting is not None
        out, hold, into = (round(seconds * self.fps) for seconds in (out_s, hold_s, in_s))
        self._write(self._waiting[: len(self._waiting) - out])
        start = self._written
        down = (1 - (np.arange(out) + 1) / (out + 1)).astype(np.float32).reshape(-1, 1, 1, 1)
        up = ((np.arange(into) + 1) / (into + 1)).astype(np.float32).reshape(-1, 1, 1, 1)
        within = np.abs(np.arange(WIDTH) + 0.5 - WIDTH / 2) < inside / 2
        shown = within.astype(np.float32)[:, None]
        self._write(((self._waiting[len(self._waiting) - out :] * down + level * (1 - down)) * shown).astype(np.uint8))
        self._write((np.full((hold, HEIGHT, WIDTH, 3), level) * shown).astype(np.uint8))
        self._write(((shot[:into] * up + level * (1 - up)) * shown).astype(np.uint8))
        self.changes.append(Change("fade", self._s(start), self._s(self._written)))
        self._waiting = shot[into:]

    def close(self) -> Clip:
        """Ends the file."""
        if self._waiting is not None:
            self._write(self._waiting)
        self._container.mux(self._stream.encode())
        self._container.close()
        return Clip(self.path.stem, self.path, self.changes, 1 / self.fps)

    def _write(self, frames: Frames) -> None:
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts = self._written if self.stamps is None else self.stamps(self._written)
            frame.time_base = self._base
            self._container.mux(self._stream.encode(frame))
            self._written += 1


# the clips


def people(videos: Path, number: int, seconds: float) -> Frames:
    """A shot of one of the people, at most 3.8 s."""
    starts = (3.0, 7.0, 11.04, 21.08, 25.08, 33.08, 37.08, 41.08, 45.08, 49.08, 56.08, 60.08, 64.08, 68.08)
    return footage(videos, PEOPLE, starts[number % len(starts)] + 0.1, seconds)


def mixture(videos: Path, seed: int, seconds: float) -> Iterator[Frames]:
    """Shots without end, all kinds by turns."""
    rng = np.random.default_rng(seed)
    number = int(rng.integers(0, 16))
    while True:
        number += 1
        yield people(videos, number * 5, seconds)
        yield footage(videos, BUNNY, float(rng.choice([2.5, 6.0, 12.1, 16.2, 18.5, 23.2])), seconds)
        yield people(videos, number * 7 + 3, seconds)
        yield footage(videos, BOTTLES, float(rng.uniform(1, 35)), seconds)
        yield drawn(seed * 100 + number, seconds, speed=float(rng.uniform(0.3, 3)))
        yield footage(videos, PORTRAIT, float(rng.uniform(0, 11 - seconds)), seconds)


def hard_cuts(videos: Path, path: Path) -> Clip:
    """Cuts alone, none on a keyframe."""
    reel, rng = Reel(path), np.random.default_rng(1)
    for _, shot in zip(range(18), mixture(videos, 1, 2.4), strict=False):
        reel.cut(shot[: int(rng.integers(22, 60))])
    return reel.close()


def scenecut_keyframes(videos: Path, path: Path) -> Clip:
    """Keyframes on every cut, as encoders do: chunk borders lie on cuts."""
    reel, rng = Reel(path, scenecut=True), np.random.default_rng(2)
    for _, shot in zip(range(16), mixture(videos, 2, 3.0), strict=False):
        reel.cut(shot[: int(rng.integers(30, 75))])
    return reel.close()


def variable_rate(videos: Path, path: Path) -> Clip:
    """Frames 20 to 100 ms apart, now and then half a second."""
    rng = np.random.default_rng(3)
    steps = rng.choice([20, 33, 40, 67, 100], 2000, p=[0.2, 0.25, 0.25, 0.2, 0.1])
    steps[rng.integers(0, 2000, 25)] = 500
    stamps = np.cumsum(steps) - steps[0]
    reel = Reel(path, stamps=lambda number: int(stamps[number]))
    for _, shot in zip(range(14), mixture(videos, 3, 2.4), strict=False):
        reel.cut(shot[: int(rng.integers(25, 60))])
    clip = reel.close()
    return replace(clip, frame_s=0.02)


def low_contrast(videos: Path, path: Path) -> Clip:
    """Pale, dark and grey shots that differ little."""
    reel, rng = Reel(path), np.random.default_rng(4)
    tones = [(0.3, 128, False), (0.25, 60, False), (0.35, 110, True), (0.22, 170, True)]
    for contrast, level, grey in tones:
        for _, shot in zip(range(5), mixture(videos, int(level), 2.4), strict=False):
            reel.cut(toned(shot[: int(rng.integers(30, 60))], contrast, level, grey=grey))
    return reel.close()


def fades(videos: Path, path: Path) -> Clip:
    """Through black and white, long and short, with and without a pause."""
    reel = Reel(path)
    plan = [(0.4, 0.0, 0.4, 0), (1.0, 0.3, 1.0, 0), (0.2, 0.2, 0.6, 0), (0.8, 0.0, 0.3, 0), (0.5, 0.1, 0.5, 255)]
    plan += [(1.2, 0.6, 0.2, 0), (0.0, 0.5, 0.8, 0), (0.6, 0.4, 0.0, 0), (0.6, 0.0, 0.6, 255), (0.3, 0.08, 0.3, 0)]
    shots = mixture(videos, 5, 3.4)
    reel.cut(next(shots))
    for out_s, hold_s, in_s, level in plan:
        reel.fade(next(shots), out_s, hold_s, in_s, level)
    return reel.close()


def dissolves(videos: Path, path: Path) -> Clip:
    """From 0.4 to 2 s."""
    reel = Reel(path)
    shots = mixture(videos, 6, 3.4)
    reel.cut(next(shots))
    for seconds in (0.4, 1.0, 0.6, 1.6, 0.8, 2.0, 0.5, 1.2, 1.0, 0.7, 1.5):
        reel.dissolve(next(shots), seconds)
    return reel.close()


def dissolves_in_motion(videos: Path, path: Path) -> Clip:
    """Dissolves between moving cameras and objects, pale ones among them."""
    reel = Reel(path)
    shots = mixture(videos, 7, 3.0)
    wide = panorama(videos, 2)
    drift = panned(wide, np.linspace(100, 700, 75), np.full(75, 40.0))
    reel.cut(shaken(next(shots), 70, 9))
    reel.dissolve(drift, 0.8)
    reel.dissolve(shaken(next(shots), 71, 9), 0.6)
    reel.dissolve(drawn(72, 3.0, speed=5), 1.0)
    reel.dissolve(zoomed(next(shots), 1.5), 1.2)
    reel.dissolve(toned(next(shots), 0.4, 128), 0.8)
    reel.dissolve(toned(next(shots), 0.4, 120), 0.8)
    reel.cut(next(shots))
    reel.dissolve(panned(panorama(videos, 4), np.linspace(900, 100, 75), np.full(75, 20.0)), 1.0)
    return reel.close()


def flashes(videos: Path, path: Path) -> Clip:
    """Photographers, two or three flashes a shot."""
    reel, rng = Reel(path), np.random.default_rng(8)
    for _, shot in zip(range(10), mixture(videos, 8, 3.0), strict=False):
        shot = shot[: int(rng.integers(50, 75))]
        reel.cut(flashed(shot, [0.6, 1.5], [int(v) for v in rng.integers(1, 6, 2)], float(rng.uniform(1.6, 3))))
    return reel.close()


def strobes(videos: Path, path: Path) -> Clip:
    """Light going on and off and changing its colour."""
    reel = Reel(path)
    shots = mixture(videos, 9, 3.2)
    reel.cut(strobed(next(shots), 0.8, 2.6, 2))
    reel.cut(strobed(next(shots), 0.8, 2.6, 1))
    reel.cut(discoed(next(shots), 0.8, 2.6, 3, 90))
    reel.cut(next(shots))
    reel.cut(strobed(next(shots), 0.8, 2.6, 4, 0.1))
    reel.cut(discoed(next(shots), 0.8, 2.8, 5, 91))
    reel.cut(strobed(next(shots), 0.8, 2.6, 3, 0.0))
    reel.cut(next(shots))
    return reel.close()


def whip_pans(videos: Path, path: Path) -> Clip:
    """Cameras thrown about within one place, then cuts to the next."""
    reel = Reel(path)
    for number, frames_of_whip in enumerate((7, 9, 14, 8, 10, 12)):
        wide = panorama(videos, number)
        move = (1 - np.cos(np.linspace(0, math.pi, frames_of_whip))) / 2
        x = np.concatenate([np.full(30, 60.0), 60 + 1000 * move, np.full(24, 1060.0), 1060 - 600 * move])
        reel.cut(panned(wide, np.concatenate([x, np.full(18, x[-1])]), np.full(len(x) + 18, 45.0)))
        if number % 2:
            reel.cut(people(videos, number, 1.6))
    return reel.close()


def handheld(videos: Path, path: Path) -> Clip:
    """Unsteady hands."""
    reel, rng = Reel(path), np.random.default_rng(11)
    for number, shot in zip(range(12), mixture(videos, 11, 2.8), strict=False):
        reel.cut(shaken(shot[: int(rng.integers(40, 70))], number, float(rng.uniform(8, 26))))
    return reel.close()


def passers_by(videos: Path, path: Path) -> Clip:
    """Things that cover most of the picture, quick drawn objects, and cuts amid it."""
    reel = Reel(path)
    for number, shot in zip(range(9), mixture(videos, 12, 3.0), strict=False):
        if number % 3 == 2:
            reel.cut(drawn(120 + number, 2.6, speed=14))
        else:
            reel.cut(crossed(shot, 0.9, 0.4 + 0.1 * number, number))
    return reel.close()


def no_changes(videos: Path, path: Path) -> Clip:
    """One place for 24 s: exposure, zoom, titles, walking, colour cast; nothing is a scene change."""
    reel = Reel(path)
    still = footage(videos, BOTTLES, 2.0, 3.0)
    base = np.concatenate([still, still[::-1]] * 4)
    t_s = np.arange(len(base)) / FPS
    gains = 1 + 0.45 * np.clip((t_s - 3) / 0.6, 0, 1) - 0.75 * np.clip((t_s - 7) / 1.0, 0, 1)
    gains += 0.5 * np.clip((t_s - 11) / 2.0, 0, 1)
    base = titled(lit(base, gains), 5.0, 6.8, "THE BOTTLES")
    base[350:450] = crossed(base[350:450], 0.5, 1.5, 3)
    base[450:] = zoomed(base[450:], 1.8)
    reel.cut(base)
    return reel.close()


def slow_and_fast(videos: Path, path: Path) -> Clip:
    """Cuts at 12 frames a second, where every step is large."""
    reel, rng = Reel(path, fps=12), np.random.default_rng(14)
    for number, shot in zip(range(14), mixture(videos, 14, 3.4), strict=False):
        shot = shot[::2][: int(rng.integers(16, 36))]
        reel.cut(shaken(shot, number, 10.0) if number % 4 == 3 else shot)
    return reel.close()


def everything(videos: Path, path: Path, seed: int = 15) -> Clip:
    """All of it by chance, over a minute, with keyframes every two seconds."""
    reel, rng = Reel(path, keyframes=50), np.random.default_rng(seed)
    for number, shot in zip(range(30), mixture(videos, seed, 3.4), strict=False):
        shot = shot[: int(rng.integers(55, 85))]
        spoil = int(rng.integers(0, 7))
        if spoil == 0:
            shot = flashed(shot, [1.0], [int(rng.integers(1, 5))])
        elif spoil == 1:
            shot = shaken(shot, number, 14.0)
        elif spoil == 2:
            shot = crossed(shot, 0.9, 0.7, number)
        elif spoil == 3:
            shot = toned(shot, 0.45, float(rng.integers(70, 170)))
        way = int(rng.integers(0, 5)) if number else 0
        if way == 3:
            reel.dissolve(shot, float(rng.uniform(0.4, 1.0)))
        elif way == 4:
            reel.fade(shot, float(rng.uniform(0.2, 0.8)), float(rng.uniform(0, 0.3)), float(rng.uniform(0.2, 0.8)))
        else:
            reel.cut(shot)
    return reel.close()


def unseen(videos: Path, path: Path) -> Clip:
    """Another throw of the same dice, made after every threshold was settled."""
    return everything(videos, path, seed=1016)


MAKERS: dict[str, Callable[[Path, Path], Clip]] = {
    maker.__name__: maker
    for maker in (
        hard_cuts, scenecut_keyframes, variable_rate, low_contrast, fades, dissolves, dissolves_in_motion, flashes,
        strobes, whip_pans, handheld, passers_by, no_changes, slow_and_fast, everything, unseen,
    )
}  # fmt: skip


def make_clip(videos: Path, folder: Path, name: str) -> Clip:
    """One of MAKERS' clips, written into `folder`."""
    maker = MAKERS[name]
    clip = maker(videos, folder / f"{name}.{'mkv' if name == 'variable_rate' else 'mp4'}")
    return replace(clip, about=(maker.__doc__ or "").splitlines()[0])


def real_clips(videos: Path) -> list[Clip]:
    """The test videos themselves: the joins that people17's list names; changes read off the others' frames."""
    with (videos / PEOPLE.replace(".mp4", ".gt.csv")).open() as rows:
        starts = [float(row["start"]) for row in csv.DictReader(rows)]
    bunny = [11.792, 15.667, 22.958]
    return [
        _real(videos / PEOPLE, "people17", starts[1:], 1 / 25, "22 shots of people between black bars"),
        _real(videos / BUNNY, "bunny", bunny, 1 / 24, "a fade from black, three cuts, titles that fade in and out"),
        _real(videos / BOTTLES, "bottles", [], 1 / 29.8, "one shot: hands and bottles"),
        _real(videos / PORTRAIT, "portrait", [], 1 / 30, "one shot, handheld, rotated"),
        _real(videos / WALK, "walkpause", [], 1 / 12, "one shot: people walking"),
        _real(videos / HEADS, "headpose", [], 1 / 12, "one shot: turning heads"),
    ]


def _real(path: Path, name: str, cuts_s: list[float], frame_s: float, about: str) -> Clip:
    return Clip(name, path, [Change("cut", cut_s, cut_s) for cut_s in cuts_s], frame_s, about)
