"""Clips with known truth, put together from real people: who is seen where in every frame.

The people come from the test videos and the gallery's stills (see `data_folder`). A clip is a list of shots, a shot a
list of panels: one person each, cut from its source, scaled to a place in the frame and, where wanted, mirrored,
darkened, turned or partly covered. Nothing random: the same clip has the same frames every time.
"""

from __future__ import annotations

import csv
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Box = tuple[float, float, float, float]

DATA, MODELS = "TALENT_FRAMES_TEST_DATA", "TALENT_FRAMES_TEST_MODELS"
FILM = "videos/people17_cuts_720p.mp4"
EDGE_S = 0.12
"""Left out at either end of a stretch of the film: three frames, for its compression smears there."""


class MissingData(Exception):
    """The folder of test videos and pictures is not given."""


def data_folder() -> Path:
    """The folder with videos/ and gallery/. Raises MissingData without it."""
    folder = os.environ.get(DATA, "")
    if not folder or not (Path(folder) / "videos").is_dir():
        raise MissingData(f"needs the folder with videos/ and gallery/: set {DATA}=/path/to/it")
    return Path(folder)


def models_folder() -> Path | None:
    """The folder of the test pack, None where it is not given."""
    folder = os.environ.get(MODELS, "")
    pack = Path(folder) / "insightface/models/test_pack"
    return pack if folder and pack.is_dir() else None


@dataclass(frozen=True)
class Take:
    """A stretch of a video, or a picture, that shows one person."""

    person: str
    source: str
    """Relative to the data folder."""
    start_s: float
    end_s: float
    """Both 0 for a picture."""
    view: Box
    """What is shown of it: xyxy, pixels of the upright picture. Nobody else is in it."""
    face: Box
    """Where the face is in the middle of the take, xyxy, same pixels."""

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s


_FACES: dict[str, Box] = {
    "0": (481, 176, 795, 606),
    "3.0": (485, 138, 787, 628),
    "7.0": (580, 105, 786, 394),
    "11.04": (465, 159, 862, 696),
    "15.04": (511, 164, 795, 557),
    "21.08": (483, 157, 812, 624),
    "25.08": (504, 123, 854, 620),
    "29.08": (644, 118, 863, 403),
    "33.08": (539, 180, 751, 477),
    "37.08": (426, 152, 795, 652),
    "41.08": (481, 200, 823, 644),
    "45.08": (484, 212, 818, 632),
    "49.08": (472, 149, 829, 616),
    "56.08": (492, 177, 776, 540),
    "60.08": (489, 178, 754, 537),
    "64.08": (540, 137, 668, 295),
    "68.08": (463, 120, 825, 601),
    "72.08": (475, 135, 779, 587),
    "75.08": (578, 104, 786, 388),
    "77.12": (468, 174, 863, 705),
}
"""The film's faces by the start of their stretch as the ground truth writes it: medians over the stretch."""
_NARROW: dict[str, tuple[int, int]] = {
    "29.08": (300, 1280),
    "33.08": (436, 840),
    "37.08": (364, 1000),
    "64.08": (448, 828),
    "68.08": (256, 1024),
}
"""Columns of the film that hold the picture, where they are not 280 to 1000: the rest is black."""
_PORTRAIT = Take("lp_d13", "videos/portrait_rotated.mp4", 0.2, 11.5, (0, 100, 720, 1180), (189, 337, 559, 848))
"""The film has four seconds of the same person."""
# The woman of both clips is the same one, in the same blouse.
_SMALL = (
    Take("intel_woman", "videos/intel_walkpause.mp4", 1.0, 3.3, (0, 20, 185, 240), (58, 80, 108, 148)),
    Take("walk_middle", "videos/intel_walkpause.mp4", 1.0, 3.3, (140, 20, 300, 200), (199, 67, 256, 136)),
    Take("walk_right", "videos/intel_walkpause.mp4", 1.0, 3.3, (280, 40, 480, 260), (346, 99, 399, 167)),
    Take("intel_woman", "videos/intel_headpose_fm.mp4", 0.1, 4.5, (0, 20, 230, 260), (32, 91, 102, 161)),
    Take("tilt_right", "videos/intel_headpose_fm.mp4", 0.1, 4.5, (240, 10, 480, 250), (297, 63, 369, 143)),
)


def film_takes(data: Path) -> list[Take]:
    """One for each stretch of the film that shows a person, in its order."""
    with (data / FILM).with_suffix(".gt.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    takes = []
    for row in rows:
        if not row["person"]:
            continue
        left, right = _NARROW.get(row["start"], (280, 1000))
        start, end = float(row["start"]) + EDGE_S, float(row["end"]) - EDGE_S
        takes.append(Take(row["person"], FILM, start, end, (left, 0, right, 720), _FACES[row["start"]]))
    return takes


def takes(data: Path) -> dict[str, list[Take]]:
    """Every filmed person's takes, longest first: 17 of the film and 4 others."""
    found: dict[str, list[Take]] = {}
    for take in (*film_takes(data), _PORTRAIT, *_SMALL):
        found.setdefault(take.person, []).append(take)
    return {person: sorted(ones, key=lambda take: -take.seconds) for person, ones in found.items()}


_IN_COMPANY = ("Vladimir_Putin_0007.jpg",)
"""Pictures with a second face near the first one's."""


def stills(data: Path) -> dict[str, list[Take]]:
    """The gallery's pictures by person, 250 x 250: the middle, for others stand beside some of them."""
    found: dict[str, list[Take]] = {}
    for path in sorted((data / "gallery").glob("*/*.jpg")):
        if path.name in _IN_COMPANY:
            continue
        source = path.relative_to(data).as_posix()
        take = Take(path.parent.name, source, 0, 0, (55, 45, 195, 205), (80, 75, 170, 185))
        found.setdefault(path.parent.name, []).append(take)
    return found


Spoil = Callable[[Image, Box], Image]
"""A panel's picture and where the face is in it -> the picture shown."""


@dataclass(frozen=True)
class Panel:
    """One person's place in a shot."""

    take: Take
    place: tuple[int, int, int, int]
    """xyxy in the clip's pixels; the take's view is fitted into it, centred, on black."""
    from_s: float = 0.0
    """Where in the take it begins; at its end a take runs backwards."""
    mirror: bool = False
    spoil: Spoil | None = None


@dataclass(frozen=True)
class Shot:
    """What is seen between two cuts."""

    panels: tuple[Panel, ...]
    """None gives an empty room: nobody."""
    seconds: float


@dataclass(frozen=True)
class Clip:
    """A video to be made."""

    name: str
    shots: tuple[Shot, ...]
    width: int = 960
    height: int = 540
    fps: float = 25.0
    gop: int = 50
    """Frames between keyframes, at most."""
    keyframes_at_cuts: bool = True
    crf: int = 20
    backdrop: tuple[int, int, int] = (60, 52, 48)
    """BGR where no panel is."""

    @property
    def seconds(self) -> float:
        return sum(shot.seconds for shot in self.shots)


@dataclass(frozen=True)
class Seen:
    """Half-open times and the place in which one person is seen."""

    start_s: float
    end_s: float
    place: Box
    person: str


@dataclass(frozen=True)
class Truth:
    """Who is where in a video."""

    seen: list[Seen] = field(default_factory=list)

    @property
    def people(self) -> set[str]:
        return {one.person for one in self.seen}

    def person_at(self, t_s: float, x: float, y: float) -> str | None:
        """Who is seen at this place, None where nobody is. Later entries lie in front of earlier ones."""
        for one in reversed(self.seen):
            left, top, right, bottom = one.place
            if one.start_s <= t_s < one.end_s and left <= x < right and top <= y < bottom:
                return one.person
        return None


def truth_of(clip: Clip) -> Truth:
    """Who is where in a made clip."""
    seen: list[Seen] = []
    start = 0
    for shot in clip.shots:
        end = start + round(shot.seconds * clip.fps)
        seen += [
            # Half a frame early: times read from a file are rounded to its time base.
            Seen((start - 0.5) / clip.fps, (end - 0.5) / clip.fps, _fitted(panel), panel.take.person)
            for panel in shot.panels
        ]
        start = end
    return Truth(seen)


def cut_frames(clip: Clip) -> list[int]:
    """Number of the first frame after each cut."""
    numbers = np.cumsum([round(shot.seconds * clip.fps) for shot in clip.shots])
    return [int(number) for number in numbers[:-1]]


def make(clip: Clip, folder: Path, data: Path) -> Path:
    """Writes `<name>.mp4` (H.264) into the folder, unless it is there, and returns its path."""
    path = folder / f"{clip.name}.mp4"
    if path.is_file():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    cuts = set(cut_frames(clip))
    write(
        path,
        frames(clip, data),
        clip.fps,
        gop=clip.gop,
        crf=clip.crf,
        keyframes=cuts if clip.keyframes_at_cuts else set(),
    )
    return path


def write(
    path: Path,
    images: Iterator[Image],
    fps: float,
    *,
    gop: int = 50,
    crf: int = 20,
    keyframes: set[int] | None = None,
) -> None:
    """Writes pictures of one size as H.264 with keyframes every `gop` frames and at the given numbers, nowhere else."""
    rate = Fraction(fps).limit_denominator(1001)
    written = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    # One encoder thread: with more, the bits depend on their number.
    options = {"crf": str(crf), "preset": "superfast", "threads": "1", "x264-params": f"keyint={gop}:scenecut=0"}
    try:
        with av.open(str(written), "w", options={"movflags": "+faststart", "fflags": "+bitexact"}) as container:
            stream = None
            for number, image in enumerate(images):
                if stream is None:
                    stream = container.add_stream("libx264", rate=rate, options=options)
                    stream.width, stream.height, stream.pix_fmt = image.shape[1], image.shape[0], "yuv420p"
                    stream.time_base = 1 / rate
                frame = av.VideoFrame.from_ndarray(image, format="bgr24")
                frame.pts, frame.time_base = number, 1 / rate
                if keyframes is not None and number in keyframes:
                    frame.pict_type = av.video.frame.PictureType.I
                container.mux(stream.encode(frame))
            if stream is not None:
                container.mux(stream.encode(None))
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)


def frames(clip: Clip, data: Path) -> Iterator[Image]:
    """The clip's pictures (height, width, 3), BGR."""
    reel = Reel(data)
    canvas = np.empty((clip.height, clip.width, 3), np.uint8)
    shade = np.linspace(1.0, 0.7, clip.height)[:, None, None] * np.array(clip.backdrop, np.float64)
    canvas[:] = shade.astype(np.uint8)
    for number, shot in enumerate(clip.shots):
        for step in range(round(shot.seconds * clip.fps)):
            image = np.roll(canvas, 3 * number, axis=0) if not shot.panels else canvas.copy()
            for panel in shot.panels:
                paste(image, panel, reel.picture(panel, step / clip.fps))
            yield image


class Reel:
    """Pictures of takes, decoded when asked for; those of the last few takes are kept."""

    KEPT_BYTES = 500_000_000

    def __init__(self, data: Path) -> None:
        self._data = data
        self._kept: OrderedDict[tuple[Take, tuple[int, int]], tuple[list[float], list[Image]]] = OrderedDict()

    def picture(self, panel: Panel, t_s: float) -> Image:
        """The panel's picture `t_s` seconds into its shot, in the size it is shown."""
        left, top, right, bottom = (round(side) for side in _fitted(panel))
        image = self.frame(panel.take, panel.from_s + t_s, (right - left, bottom - top))
        face = face_in(panel.take, image.shape[1], image.shape[0])
        if panel.mirror:
            image = np.ascontiguousarray(image[:, ::-1])
            face = (image.shape[1] - face[2], face[1], image.shape[1] - face[0], face[3])
        return panel.spoil(image, face) if panel.spoil else image

    def frame(self, take: Take, t_s: float, size: tuple[int, int]) -> Image:
        """The take's view `t_s` seconds into it, (height, width) as in `size` (width, height); not to be changed."""
        if take.seconds <= 0:
            return self._still(take, t_s, size)
        key = (take, size)
        if key not in self._kept:
            self._kept[key] = self._decode(take, size)
            while len(self._kept) > 1 and self._bytes() > self.KEPT_BYTES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        times, images = self._kept[key]
        length = times[-1] - times[0]
        phase = t_s % (2 * length) if length > 0 else 0.0
        at = times[0] + (phase if phase <= length else 2 * length - phase)
        index = int(np.searchsorted(times, at + 1e-6, side="right")) - 1
        return images[max(0, index)]

    def _bytes(self) -> int:
        return sum(image.nbytes for _, images in self._kept.values() for image in images)

    def _decode(self, take: Take, size: tuple[int, int]) -> tuple[list[float], list[Image]]:
        times: list[float] = []
        images: list[Image] = []
        with av.open(str(self._data / take.source)) as container:
            stream = container.streams.video[0]
            assert stream.time_base is not None
            origin = stream.start_time or 0
            container.seek(origin + int(take.start_s / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                assert frame.pts is not None
                t_s = float((frame.pts - origin) * stream.time_base)
                if t_s >= take.end_s:
                    break
                if t_s >= take.start_s:
                    image = np.asarray(np.rot90(frame.to_ndarray(format="bgr24"), frame.rotation // 90), np.uint8)
                    times.append(t_s)
                    images.append(_scaled(image, take.view, size))
        if not images:
            raise ValueError(f"{take.source}: no frames between {take.start_s} and {take.end_s} s")
        return times, images

    def _still(self, take: Take, t_s: float, size: tuple[int, int]) -> Image:
        """A picture under a slow camera move."""
        key = (replace(take, end_s=-1.0), (0, 0))
        if key not in self._kept:
            picture = cv2.imread(str(self._data / take.source))
            if picture is None:
                raise ValueError(f"{take.source}: not a picture")
            self._kept[key] = ([0.0], [np.asarray(picture, np.uint8)])
        picture = self._kept[key][1][0]
        left, top, right, bottom = take.view
        scale = size[0] / (right - left) * (1 + 0.02 * np.sin(t_s))
        shift = 3 * np.sin(1.3 * t_s)
        move = np.array(
            [
                [scale, 0, size[0] / 2 - scale * ((left + right) / 2 + shift)],
                [0, scale, size[1] / 2 - scale * (top + bottom) / 2],
            ]
        )
        shown = cv2.warpAffine(picture, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(shown, np.uint8)


def _scaled(image: Image, view: Box, size: tuple[int, int]) -> Image:
    left, top, right, bottom = (round(side) for side in view)
    part = np.ascontiguousarray(image[top:bottom, left:right])
    shrinks = size[0] < right - left
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC), np.uint8)


def _fitted(panel: Panel) -> Box:
    """Where the take's view lies in the clip: as large as the place allows, centred."""
    left, top, right, bottom = panel.place
    view = panel.take.view
    scale = min((right - left) / (view[2] - view[0]), (bottom - top) / (view[3] - view[1]))
    width, height = round(scale * (view[2] - view[0])), round(scale * (view[3] - view[1]))
    x, y = round((left + right - width) / 2), round((top + bottom - height) / 2)
    return (x, y, x + width, y + height)


def paste(image: Image, panel: Panel, picture: Image) -> None:
    """Puts the panel's picture into its place; what lies outside the frame is cut off."""
    left, top, _, _ = (round(side) for side in _fitted(panel))
    height, width = image.shape[:2]
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + picture.shape[1]), min(height, top + picture.shape[0])
    if x1 > x0 and y1 > y0:
        image[y0:y1, x0:x1] = picture[y0 - top : y1 - top, x0 - left : x1 - left]


def face_in(take: Take, width: int, height: int) -> Box:
    """The take's face in a picture of its view of this size."""
    left, top, right, bottom = take.view
    across, down = width / (right - left), height / (bottom - top)
    return (
        (take.face[0] - left) * across,
        (take.face[1] - top) * down,
        (take.face[2] - left) * across,
        (take.face[3] - top) * down,
    )


# ways to arrange


def alone(take: Take, width: int = 960, height: int = 540, **options: object) -> Panel:
    """The person by themselves, in the middle and as large as the frame allows."""
    return replace(Panel(take, (0, 0, width, height)), **options)  # type: ignore[arg-type]


def side_by_side(ones: Sequence[Take], width: int = 960, height: int = 540) -> tuple[Panel, ...]:
    """Several people in one frame, left to right."""
    step = width / len(ones)
    return tuple(
        Panel(take, (round(index * step), 0, round((index + 1) * step), height)) for index, take in enumerate(ones)
    )


def with_face_of(take: Take, pixels: float, centre: tuple[float, float]) -> Panel:
    """The person at such a size that the face's shorter side has so many pixels, the view's middle at `centre`."""
    scale = pixels / min(take.face[2] - take.face[0], take.face[3] - take.face[1])
    width, height = scale * (take.view[2] - take.view[0]), scale * (take.view[3] - take.view[1])
    left, top = round(centre[0] - width / 2), round(centre[1] - height / 2)
    return Panel(take, (left, top, left + round(width), top + round(height)))


# ways to make it hard


def darker(gain: float, noise: float = 3.0) -> Spoil:
    """Brightness times `gain`, with a sensor's noise (standard deviation in grey levels) that repeats every frame."""

    def spoil(image: Image, face: Box) -> Image:
        grain = np.random.default_rng(7).normal(0, noise, image.shape)
        return np.asarray(np.clip(image * gain + grain, 0, 255), np.uint8)

    return spoil


def covered(part: Box, colour: tuple[int, int, int] = (150, 140, 120)) -> Spoil:
    """A flat colour over part of the face: xyxy, as shares of the face's box."""

    def spoil(image: Image, face: Box) -> Image:
        across, down = face[2] - face[0], face[3] - face[1]
        hidden = image.copy()
        left, right = round(face[0] + part[0] * across), round(face[0] + part[2] * across)
        top, bottom = round(face[1] + part[1] * down), round(face[1] + part[3] * down)
        hidden[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = colour
        return hidden

    return spoil


def turned(degrees: float) -> Spoil:
    """The head turned sideways by bending the picture over an egg the size of the face; credible up to some 40 degrees.

    A point of the face at (x, y), in half face widths and heights from the middle, lies sqrt(1 - x^2 - y^2) half widths
    in front of the middle; turning moves it sideways accordingly. Around the head the move fades out.
    """

    def spoil(image: Image, face: Box) -> Image:
        height, width = image.shape[:2]
        middle_x, middle_y = (face[0] + face[2]) / 2, (face[1] + face[3]) / 2
        half_x, half_y = 0.62 * (face[2] - face[0]), 0.62 * (face[3] - face[1])
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        u, v = (x - middle_x) / half_x, (y - middle_y) / half_y
        radius = np.sqrt(u**2 + v**2)
        inside = radius < 1
        depth = np.sqrt(np.clip(1 - radius**2, 0, 1))
        angle = np.radians(degrees)
        # Where on the unturned egg the point lies that is now at (u, v): the egg turned back.
        source = np.where(inside, u * np.cos(angle) - depth * np.sin(angle), u)
        # Beyond the rim of the visible side the picture has nothing: keep to the rim.
        rim = np.sqrt(np.clip(1 - v**2, 0, 1))
        source = np.where(inside, np.clip(source, -rim, rim), u)
        # At the egg's own rim the move must vanish.
        fade = np.clip((1 - radius) / 0.25, 0, 1)
        shown = u + (source - u) * fade
        map_x = np.asarray(middle_x + shown * half_x, np.float32)
        return np.asarray(cv2.remap(image, map_x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)

    return spoil


def both(*steps: Spoil) -> Spoil:
    """One after the other."""

    def spoil(image: Image, face: Box) -> Image:
        for step in steps:
            image = step(image, face)
        return image

    return spoil
