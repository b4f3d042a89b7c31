"""report.html: one file that shows a run to people, openable anywhere. Pure: no files, no network."""

from __future__ import annotations

import base64
import math
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote, unquote

import jinja2

from lambdas.contracts import UnclearReason
from lambdas.publish import images
from lambdas.publish.keys import Keys
from lambdas.publish.manifest import FaceFrame, Manifest, Person, Track

FACE_PX = 144
"""Side of a face in the report; shown at half of it at most."""
PICTURE_QUALITY = 74
PICTURE_BYTES = 1_900_000
"""Of JPEG in a report; base64 makes 2.5 MB of it. Pictures beyond it are named, not shown."""
TICKS = 8
"""At most so many times are written under the timeline."""

PARTS = {
    "confidence": "Face certainty",
    "frontal": "Facing the camera",
    "size": "Size",
    "sharpness": "Sharpness",
    "exposure": "Exposure",
    "eyes_open": "Eyes open",
    "inside": "Inside the frame",
    "unobstructed": "Nothing in front",
    "steady": "Away from cuts",
}
"""What the bar of each of the contracts' quality parts says."""
_FLAGGED_BY = {
    "side_face": "frontal",
    "blurry": "sharpness",
    "too_dark": "exposure",
    "too_bright": "exposure",
    "eyes_closed": "eyes_open",
    "cut_off": "inside",
    "too_small": "size",
    "covered": "unobstructed",
    "in_transition": "steady",
}
"""The part whose bar is marked for each flag."""
UNCLEAR: dict[UnclearReason, str] = {
    "brief": "clear, but seen too briefly",
    "doubtful": "perhaps no face",
    "small": "too small",
    "dark": "too dark",
    "bright": "too bright",
    "blurry": "blurred",
    "covered": "covered",
    "cut_off": "cut off by the border",
    "turned": "turned away",
    "mixed": "in a cut or a dissolve",
    "eyes": "eyes closed",
}
"""What the page says of each reason."""


@dataclass(frozen=True)
class Shown:
    """A picture small enough to stand inside the report."""

    jpeg: bytes
    width: int
    height: int
    full_width: int
    """Of the picture it was made from."""
    full_height: int

    @classmethod
    def of(cls, image: images.Image, longest: int) -> Shown:
        """The picture with neither side above `longest` pixels."""
        small = images.shrink(image, longest)
        jpeg = images.encode(small, PICTURE_QUALITY, small=True)
        return cls(jpeg, small.shape[1], small.shape[0], image.shape[1], image.shape[0])

    @property
    def uri(self) -> str:
        """As a data URI."""
        return "data:image/jpeg;base64," + base64.b64encode(self.jpeg).decode()


@dataclass(frozen=True)
class ShownSizes:
    """Longest sides, pixels, of the report's pictures."""

    still: int
    alternative: int
    representative: int
    scene: int


def shown_sizes(people: int, representative: int, scenes: int) -> ShownSizes:
    """Sizes at which a report of so many pictures stays small."""
    return ShownSizes(
        still=720 if people <= 6 else 560 if people <= 24 else 400 if people <= 60 else 300,
        alternative=240 if people <= 24 else 160,
        representative=420 if representative <= 20 else 280,
        scene=280 if scenes <= 60 else 200,
    )


def render(manifest: Manifest, keys: Keys, shown: Mapping[str, Shown]) -> str:
    """The page. `shown` holds its pictures by file."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lambdas.publish", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(clock=clock, span=span, percent=percent, usd=usd)
    folder = posixpath.dirname(keys.report)

    def link(file: str) -> str:
        # "./" keeps a name with a colon from reading as a URL's scheme.
        return "./" + quote(posixpath.relpath(file, folder or "."))

    return environment.get_template("report.html.j2").render(
        manifest=manifest,
        title=unquote(PurePosixPath(manifest.source.uri).name) or manifest.source.uri,
        container=container(manifest.source.container, manifest.source.uri),
        pictures=_within(PICTURE_BYTES, _by_importance(manifest, shown)),
        link=link,
        label=label,
        hue=hue,
        parts=PARTS,
        weak_parts=weak_parts,
        ticks=ticks(manifest.source.duration_s),
        spoken=spoken_tracks,
        unclear_reasons=UNCLEAR,
        marker=marker,
        manifest_link=link(keys.manifest),
    )


def container(demuxer: str, uri: str) -> str:
    """One name of a container: FFmpeg's demuxers name a family (`mov,mp4,m4a,...`), the video's ending picks of it."""
    family = demuxer.split(",")
    ending = PurePosixPath(uri).suffix.lstrip(".").lower()
    return ending if ending in family else family[0]


def label(person: Person) -> str:
    """What the report calls a person."""
    return person.name or f"Person {person.id}"


def hue(person: int) -> int:
    """A person's colour, degrees; neighbours differ most by going round in golden angles."""
    return round(205 + person * 137.508) % 360


def clock(seconds: float) -> str:
    """`0:07.4`, `12:03.0`, `1:02:03.5`."""
    tenths = round(max(seconds, 0.0) * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{start}:{tenths // 10:02d}.{tenths % 10}"


def span(seconds: float) -> str:
    """`0.42 s`, `7.4 s`, `12 min 3 s`, `1 h 2 min`."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def percent(share: float) -> str:
    return f"{share * 100:.0f}"


def usd(amount: float) -> str:
    """With three figures that say something: `$0.00123`."""
    if amount == 0:
        return "$0"
    digits = max(2, 2 - math.floor(math.log10(amount)))
    return f"${amount:.{min(digits, 8)}f}"


def ticks(duration_s: float) -> list[float]:
    """Times to write under a timeline, from 0, in steps people count in."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
    step = next((step for step in steps if duration_s / step <= TICKS), 86400)
    return [float(second) for second in range(0, math.floor(duration_s) + 1, step)]


def spoken_tracks(tracks: Sequence[Track], most: int = 12) -> str:
    """When somebody is on screen, in words; of more than `most` tracks the first are told and the others counted."""
    told = [f"{clock(track.start_s)} to {clock(track.end_s)}" for track in tracks[:most]]
    more = len(tracks) - len(told)
    return ", ".join(told) + (f" and {more} more time{'' if more == 1 else 's'}" if more else "")


def weak_parts(frame: FaceFrame) -> set[str]:
    """The parts of its quality that the picture is flagged for."""
    return {_FLAGGED_BY[flag] for flag in frame.flags}


def marker(frame: FaceFrame, picture: Shown) -> str:
    """CSS that lays the face's box over its picture, whatever size that is shown at."""
    left, right = (100 * edge / picture.full_width for edge in frame.box[::2])
    top, bottom = (100 * edge / picture.full_height for edge in frame.box[1::2])
    return f"left:{left:.2f}%;top:{top:.2f}%;width:{right - left:.2f}%;height:{bottom - top:.2f}%"


def _by_importance(manifest: Manifest, shown: Mapping[str, Shown]) -> dict[str, Shown]:
    """The report's pictures, the ones it can least do without first."""
    people = manifest.people
    order = [person.thumbnail for person in people] + [person.best_frame.file for person in people]
    order += [frame.file for frame in manifest.representative_frames] + [scene.file for scene in manifest.scenes]
    order += [other.file for person in people for other in person.alternatives]
    order += [seen.best.file for seen in manifest.unclear if seen.best is not None and seen.best.file is not None]
    return {file: shown[file] for file in order if file in shown}


def _within(limit: int, pictures: Mapping[str, Shown]) -> dict[str, Shown]:
    kept: dict[str, Shown] = {}
    for file, picture in pictures.items():
        limit -= len(picture.jpeg)
        if limit < 0:
            break
        kept[file] = picture
    return kept
