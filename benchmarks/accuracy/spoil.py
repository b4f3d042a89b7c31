"""Ways to spoil a face in a picture, and clips of real people of which known frames are spoilt.

Everything random comes from the generator handed in. Pure but for reading the test videos.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Rng = np.random.Generator


@dataclass(frozen=True)
class Face:
    """Where a face is in a picture."""

    box: NDArray[np.float32]
    """(4,) xyxy, pixels."""
    landmarks: NDArray[np.float32]
    """(5, 2) eyes, nose, mouth corners, pixels."""

    @property
    def width(self) -> float:
        return float(self.box[2] - self.box[0])

    @property
    def height(self) -> float:
        return float(self.box[3] - self.box[1])

    @property
    def eye_distance(self) -> float:
        return max(4.0, float(np.hypot(*(self.landmarks[1] - self.landmarks[0]))))

    @property
    def tilt_degrees(self) -> float:
        across = self.landmarks[1] - self.landmarks[0]
        return float(np.degrees(np.arctan2(across[1], across[0])))

    def skin(self, image: Image) -> NDArray[np.float64]:
        """BGR of the cheeks."""
        x, y = self.landmarks[2]
        reach = 0.25 * self.width
        patch = image[max(0, int(y - reach / 3)) : int(y + reach / 3) + 1, max(0, int(x - reach)) : int(x + reach) + 1]
        return np.median(patch.reshape(-1, 3), axis=0) if patch.size else np.full(3, 120.0)


Spoil = Callable[[Image, Face], Image]
"""A picture and the face in it -> the picture spoilt; the same strength every time it is called."""


def gaussian_blur(rng: Rng) -> Spoil:
    share = rng.uniform(0.035, 0.08)

    def spoil(image: Image, face: Face) -> Image:
        return _image(cv2.GaussianBlur(image, (0, 0), share * face.width))

    return spoil


def motion_blur(rng: Rng) -> Spoil:
    share, angle = rng.uniform(0.12, 0.3), rng.uniform(0, 180)

    def spoil(image: Image, face: Face) -> Image:
        length = max(5, round(share * face.width) | 1)
        kernel = np.zeros((length, length), np.float32)
        kernel[length // 2] = 1
        turn = cv2.getRotationMatrix2D(((length - 1) / 2, (length - 1) / 2), angle, 1)
        kernel = cv2.warpAffine(kernel, turn, (length, length))
        return _image(cv2.filter2D(image, -1, kernel / max(float(kernel.sum()), 1e-6), borderType=cv2.BORDER_REPLICATE))

    return spoil


def darkness(rng: Rng) -> Spoil:
    # By the face's own light: dark takes are made as dark as bright ones.
    target, noise, seed = rng.uniform(8, 18), rng.uniform(1, 3), int(rng.integers(1 << 31))

    def spoil(image: Image, face: Face) -> Image:
        gain = min(0.35, target / max(1.0, float(face.skin(image).mean())))
        grain = np.random.default_rng(seed).normal(0, noise, image.shape)
        return _clipped(image * gain + grain)

    return spoil


def overexposure(rng: Rng) -> Spoil:
    target = rng.uniform(290, 420)

    def spoil(image: Image, face: Face) -> Image:
        return _clipped(image.astype(np.float64) * max(1.8, target / max(1.0, float(face.skin(image).mean()))) + 20)

    return spoil


def closed_eyes(rng: Rng) -> Spoil:
    """Lids in the colours around the eyes, a line of lashes at their lower edge."""
    shade, lashes_at = rng.uniform(0.4, 0.65), rng.uniform(0.05, 0.09)
    return lambda image, face: _with_lids(image, face, (0, 1), shade, lashes_at)


def wink(rng: Rng) -> Spoil:
    """One eye closed, the other one as it was."""
    eye, shade, lashes_at = int(rng.integers(0, 2)), rng.uniform(0.4, 0.65), rng.uniform(0.05, 0.09)
    return lambda image, face: _with_lids(image, face, (eye,), shade, lashes_at)


def half_closed_eyes(rng: Rng) -> Spoil:
    """The skin above the eyes drawn down, lashes and all, over the upper half of each or a little more."""
    brow, lid, lowered = -0.3, -0.075, rng.uniform(0.025, 0.05)

    def spoil(image: Image, face: Face) -> Image:
        height, width = image.shape[:2]
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        tilt = np.radians(face.tilt_degrees)
        moved = np.zeros_like(ys)
        for eye in face.landmarks[:2]:
            across, down = _from(eye, xs, ys, face)
            reach = np.clip(1 - (across / 0.33) ** 4, 0, 1)
            # What lies between brow and lid is stretched, so that the lid comes to lie lower.
            to = lid + reach * (lowered - lid)
            above = (down > brow) & (down < to)
            moved += np.where(above, (down - brow) * (1 - (lid - brow) / (to - brow)), 0)
        moved = cv2.GaussianBlur(moved * face.eye_distance, (0, 0), 0.6)
        x, y = xs + np.sin(tilt) * moved, ys - np.cos(tilt) * moved
        return _image(cv2.remap(image, np.float32(x), np.float32(y), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))

    return spoil


def _with_lids(image: Image, face: Face, eyes: Sequence[int], shade: float, lashes_at: float) -> Image:
    """Skin over these eyes, and lashes of this shade, so many eye distances below their middle."""
    reach, tilt = face.eye_distance, np.radians(face.tilt_degrees)
    down_side = np.array([-np.sin(tilt), np.cos(tilt)], np.float32)
    mask = np.zeros(image.shape[:2], np.uint8)
    for eye in eyes:
        cv2.ellipse(
            mask, _point(face.landmarks[eye] - 0.01 * reach * down_side),
            (round(0.3 * reach), max(2, round(0.15 * reach))), face.tilt_degrees, 0, 360, 255, -1,
        )  # fmt: skip
    result = cv2.inpaint(image, mask, 3, cv2.INPAINT_TELEA).astype(np.float32)
    ys, xs = np.mgrid[0 : image.shape[0], 0 : image.shape[1]].astype(np.float32)
    for eye in eyes:
        across, down = _from(face.landmarks[eye], xs, ys, face)
        across = across / 0.27
        line = np.exp(-(((down - lashes_at + 0.05 * across**2) / 0.022) ** 2))
        result *= 1 - shade * (line * np.clip(1.05 - np.abs(across), 0, 1))[..., None]
    return _clipped(result)


def _from(
    eye: NDArray[np.float32], xs: NDArray[np.float32], ys: NDArray[np.float32], face: Face
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """How far pixels lie across and below an eye's middle, in eye distances and along the face."""
    tilt, reach = np.radians(face.tilt_degrees), face.eye_distance
    across = ((xs - eye[0]) * np.cos(tilt) + (ys - eye[1]) * np.sin(tilt)) / reach
    down = (-(xs - eye[0]) * np.sin(tilt) + (ys - eye[1]) * np.cos(tilt)) / reach
    return across.astype(np.float32), down.astype(np.float32)


def painted_eyes(rng: Rng) -> Spoil:
    """A bar over both eyes, black, grey or of the skin's colour."""
    colour, tall = rng.integers(0, 3), rng.uniform(0.2, 0.32)

    def spoil(image: Image, face: Face) -> Image:
        mask = np.zeros(image.shape[:2], np.uint8)
        centre = face.landmarks[:2].mean(axis=0)
        reach = face.eye_distance
        corners = cv2.boxPoints((tuple(map(float, centre)), (1.8 * reach, 2 * tall * reach), face.tilt_degrees))
        cv2.fillConvexPoly(mask, np.round(corners).astype(np.int32), 255)
        paint = (np.full(3, 12.0), np.full(3, 128.0), face.skin(image))[int(colour)]
        return _painted(image, mask, paint, face)

    return spoil


def turned(rng: Rng) -> Spoil:
    """The head turned by 45 to 65 degrees, as if it were a cylinder."""
    angle = np.radians(rng.uniform(45, 65)) * rng.choice((-1, 1))

    def spoil(image: Image, face: Face) -> Image:
        height, width = image.shape[:2]
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        centre = float(face.box[0] + face.box[2]) / 2
        radius = 0.62 * face.width
        share = (xs - centre) / radius
        around = np.arcsin(np.clip(share, -1, 1)) - angle
        source = centre + radius * np.sin(np.clip(around, -np.pi / 2, np.pi / 2))
        top, bottom = float(face.box[1]) - 0.35 * face.height, float(face.box[3]) + 0.05 * face.height
        inside = np.clip((1 - np.abs(share)) * radius / 4, 0, 1)
        inside *= np.clip((ys - top) / 6, 0, 1) * np.clip((bottom - ys) / 6, 0, 1)
        seen = cv2.remap(image, source.astype(np.float32), ys, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return _clipped(image * (1 - inside[..., None]) + seen * inside[..., None])

    return spoil


def covered(rng: Rng) -> Spoil:
    """A hand, a mug, a microphone close to the mouth, a book before the lower half or something passing by."""
    kind = str(rng.choice(("hand", "mug", "microphone", "book", "passer-by")))
    lean, paint = rng.uniform(-25, 25), rng.uniform(20, 200, 3)
    side = rng.choice((-1, 1))

    def spoil(image: Image, face: Face) -> Image:
        mask = np.zeros(image.shape[:2], np.uint8)
        mouth, nose, reach = face.landmarks[3:].mean(axis=0), face.landmarks[2], face.eye_distance
        colour = paint
        if kind == "hand":
            colour = face.skin(image) * 0.88
            for finger in range(4):
                _ellipse(mask, mouth + reach * np.array([-0.6 + 0.4 * finger, 0.1]), reach * 0.19, reach * 0.8, lean)
        elif kind == "mug":
            low, high = mouth + reach * np.array([-0.6, -0.5]), mouth + reach * np.array([0.6, 1.1])
            cv2.rectangle(mask, _point(low), _point(high), 255, -1)
        elif kind == "microphone":
            colour = np.full(3, 30.0)
            _ellipse(mask, mouth + reach * np.array([0, 0.3]), reach * 0.45, reach * 0.6, lean)
            _ellipse(mask, mouth + reach * np.array([0, 1.4]), reach * 0.2, reach * 1.0, 0)
        elif kind == "book":
            low = np.array([face.box[0] - 0.2 * face.width, nose[1]])
            high = np.array([face.box[2] + 0.2 * face.width, face.box[3] + 0.3 * face.height])
            cv2.rectangle(mask, _point(low), _point(high), 255, -1)
        else:
            edge = float(nose[0])
            low = np.array([edge if side > 0 else face.box[0] - 0.3 * face.width, 0])
            high = np.array([face.box[2] + 0.3 * face.width if side > 0 else edge, image.shape[0]])
            cv2.rectangle(mask, _point(low), _point(high), 255, -1)
        return _painted(image, mask, colour, face)

    return spoil


def cut_off(rng: Rng) -> Spoil:
    """The camera elsewhere: a third to two thirds of the face beyond the border."""
    share, border = rng.uniform(0.33, 0.6), str(rng.choice(("left", "right", "top")))

    def spoil(image: Image, face: Face) -> Image:
        height, width = image.shape[:2]
        x = y = 0.0
        if border == "left":
            x = -float(face.box[0]) - share * face.width
        elif border == "right":
            x = width - float(face.box[2]) + share * face.width
        else:
            y = -float(face.box[1]) - share * face.height
        move = np.array([[1, 0, x], [0, 1, y]])
        room = cv2.resize(cv2.resize(image, (6, 4), interpolation=cv2.INTER_AREA), (width, height))
        shifted = cv2.warpAffine(image, move, (width, height), dst=_image(room), borderMode=cv2.BORDER_TRANSPARENT)
        return _image(shifted)

    return spoil


def compression(rng: Rng) -> Spoil:
    quality, shrink = int(rng.integers(2, 6)), rng.uniform(0.45, 0.8)

    def spoil(image: Image, face: Face) -> Image:
        height, width = image.shape[:2]
        small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return _image(
            cv2.resize(cv2.imdecode(data, cv2.IMREAD_COLOR), (width, height), interpolation=cv2.INTER_NEAREST)
        )

    return spoil


KINDS: dict[str, Callable[[Rng], Spoil]] = {
    "gaussian blur": gaussian_blur,
    "motion blur": motion_blur,
    "darkness": darkness,
    "overexposure": overexposure,
    "closed eyes": closed_eyes,
    "eyes painted over": painted_eyes,
    "turned head": turned,
    "something in front": covered,
    "cut off at the border": cut_off,
    "heavy compression": compression,
}
"""What one frame alone can suffer; cross-fades, double exposures and real closed eyes need others beside it."""
HARD_KINDS: dict[str, Callable[[Rng], Spoil]] = {"a wink": wink, "half closed eyes": half_closed_eyes}
"""What hardly shows where a face is small."""


def slight(image: Image, face: Face, strength: float) -> Image:
    """A light blemish, none at 0: at 1 somewhat soft, but still fit to be shown.

    Light is left as it is: dimmed more and more, pictures would be a fade.
    """
    if strength <= 0:
        return image
    return _image(cv2.GaussianBlur(image, (0, 0), 0.2 + 0.013 * strength * face.width))


def mixed(first: Image, second: Image, share: float) -> Image:
    """A moment of a cross-fade, `share` of it the second picture."""
    return _image(cv2.addWeighted(first, 1 - share, second, share, 0))


def windows(rng: Rng, length: int, clean: int, count: int) -> list[tuple[int, int]]:
    """`count` half-open spans in `length` frames, `clean` frames in all, spoilt frames around each, ascending."""
    spans = [clean // count + (number < clean % count) for number in range(count)]
    free = length - clean - (count - 1)
    gaps = np.sort(rng.integers(0, free + 1, count))
    found, start = [], 0
    for number, span in enumerate(spans):
        begin = start + int(gaps[number] - (gaps[number - 1] if number else 0)) + (1 if number else 0)
        found.append((begin, begin + span))
        start = begin + span
    return found


def blocks(rng: Rng, length: int, clean: Sequence[tuple[int, int]], longest: int) -> list[tuple[int, int]]:
    """The frames outside `clean` in half-open blocks of at most `longest`, ascending."""
    found = []
    edges = [0, *(edge for span in clean for edge in span), length]
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        while low < high:
            step = int(rng.integers(max(2, longest // 2), longest + 1))
            found.append((low, min(high, low + step)))
            low += step
    return found


def _painted(image: Image, mask: NDArray[np.uint8], colour: NDArray[np.float64], face: Face) -> Image:
    """The colour with some grain and light from above, soft at its edge."""
    soft = cv2.GaussianBlur(mask, (0, 0), max(0.6, 0.006 * face.width))[..., None] / 255.0
    height, width = mask.shape
    shade = np.linspace(1.08, 0.88, height)[:, None, None]
    grain = cv2.GaussianBlur(np.random.default_rng(7).normal(0, 9, (height, width)), (0, 0), 1.2)[..., None]
    return _clipped(image * (1 - soft) + (colour * shade + grain) * soft)


def _ellipse(
    mask: NDArray[np.uint8], centre: NDArray[np.float32], half_width: float, half_height: float, lean: float
) -> None:
    cv2.ellipse(mask, _point(centre), (max(1, round(half_width)), max(1, round(half_height))), lean, 0, 360, 255, -1)


def _point(place: NDArray[np.floating]) -> tuple[int, int]:
    return round(float(place[0])), round(float(place[1]))


def _image(array: NDArray[np.generic]) -> Image:
    return np.asarray(array, np.uint8)


def _clipped(array: NDArray[np.floating]) -> Image:
    return np.clip(np.round(array), 0, 255).astype(np.uint8)
