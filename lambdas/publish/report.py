"""report.html: one file that shows a run to people, openable anywhere. Pure: no environment, and no files but its own.

The template holds everything as plain HTML, so that the page works without its script. What a film has too much of
(people's own pages, most scenes) lies in <noscript>: the script makes elements of it when it is wanted.
"""

from __future__ import annotations

import base64
import hashlib
import html
import math
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

import jinja2
from markupsafe import Markup

from lambdas.contracts import FACE_FLAGS, QUALITY, FaceFlag, UnclearReason
from lambdas.publish import images
from lambdas.publish.keys import Keys
from lambdas.publish.manifest import FaceFrame, Manifest, Person, Scene, Track

PICTURE_QUALITY = 74
"""JPEG, of the larger pictures."""
SMALL_PX, SMALL_QUALITY = 160, 62
"""Pictures up to this size are WebP: less than half of JPEG's bytes, whose tables alone take 600. Larger ones stay
JPEG, which is written ten times as fast (5 ms for 480 pixels, not 50)."""
PAGE_BYTES = 4_800_000
"""Of a report; what its words leave is for its pictures, of which base64 makes a third more."""
SMALLER, LEAST_PX, LEAST_QUALITY = 0.8, 64, 45
"""Where pictures don't fit, those of one kind are made smaller by this factor, down to these."""
SCENES_IN_REEL = 60
"""Of the film strip, built at a time as it comes into view."""
MOMENTS = 24
"""Of a person that are listed; the others are folded away."""

PARTS = {part.name: part.label for part in QUALITY}
"""What the bar of each quality part says."""
_FLAGGED_BY = {flag: part.name for part in QUALITY for flag in part.flags}
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


STRONG = 0.7
"""A part from here on is worth a word."""
_GOOD = {part.name: part.praise for part in sorted(QUALITY, key=lambda part: part.telling) if part.praise}
"""What a strong part is called, the most telling first."""
_BAD: dict[FaceFlag, str] = {flag: words for part in QUALITY for flag, words in part.flags.items()}
"""What a flag is called after the good points."""


@dataclass(frozen=True)
class Shown:
    """A picture small enough to stand inside the report."""

    data: bytes
    kind: Literal["jpeg", "webp"]
    width: int
    height: int
    full_width: int
    """Of the picture it was made from."""
    full_height: int

    @classmethod
    def of(cls, image: images.Image, longest: int) -> Shown:
        """The picture with neither side above `longest` pixels."""
        small = images.shrink(image, longest)
        return cls._written(small, SMALL_QUALITY, image.shape[1], image.shape[0])

    @classmethod
    def _written(cls, small: images.Image, small_quality: int, full_width: int, full_height: int) -> Shown:
        height, width = small.shape[:2]
        if max(height, width) <= SMALL_PX:
            return cls(images.encode_webp(small, small_quality), "webp", width, height, full_width, full_height)
        data = images.encode(small, PICTURE_QUALITY, small=True)
        return cls(data, "jpeg", width, height, full_width, full_height)

    def smaller(self) -> Shown:
        """The same with fewer bytes; itself where it is as small as it gets."""
        longest = max(round(max(self.width, self.height) * SMALLER), LEAST_PX)
        image = images.decode(self.data)
        if image is None or longest >= max(self.width, self.height):
            return self
        return self._written(images.shrink(image, longest), LEAST_QUALITY, self.full_width, self.full_height)

    @property
    def uri(self) -> str:
        """As a data URI."""
        return f"data:image/{self.kind};base64," + base64.b64encode(self.data).decode()


@dataclass(frozen=True)
class ShownSizes:
    """Longest sides, pixels, of the report's pictures."""

    face: int
    still: int
    alternative: int
    representative: int
    scene: int
    unclear: int


def shown_sizes(people: int, representative: int, scenes: int) -> ShownSizes:
    """Sizes at which a report of so many pictures stays small."""
    return ShownSizes(
        face=256 if people <= 24 else 200 if people <= 60 else 160 if people <= 150 else 96,
        still=720 if people <= 6 else 640 if people <= 24 else 480 if people <= 60 else 300 if people <= 150 else 160,
        alternative=240 if people <= 24 else 160 if people <= 60 else 128 if people <= 150 else 96,
        representative=420 if representative <= 20 else 280,
        scene=280 if scenes <= 60 else 160 if scenes <= 400 else 112,
        unclear=96,
    )


def render(manifest: Manifest, keys: Keys, shown: Mapping[str, Shown], video: str = "") -> str:
    """The page. `shown` holds its pictures by file, `video` says where the page finds the video it is about: a URL, or
    a path relative to the page; empty where only who looks at the page knows."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lambdas.publish", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(clock=clock, span=span, percent=percent, usd=usd)
    folder = posixpath.dirname(keys.report)
    duration_s = max(manifest.source.duration_s, 0.001)

    def link(file: str) -> str:
        # "./" keeps a name with a colon from reading as a URL's scheme.
        return "./" + quote(posixpath.relpath(file, folder or "."))

    style, script = _own("report.css"), _own("report.js")
    stills = posixpath.dirname(manifest.people[0].best_frame.file) if manifest.people else ""
    page = environment.get_template("report.html.j2").render(
        manifest=manifest,
        title=title(manifest),
        container=container(manifest.source.container, manifest.source.uri),
        pictures=fitting((PAGE_BYTES - _words(manifest)) * 3 // 4, _by_kind(manifest, shown)),
        policy=policy(style, script, manifest.source.uri, video),
        style=Markup(style),
        script=Markup(script),
        video=video,
        link=link,
        label=label,
        by_id={person.id: person for person in manifest.people},
        hue=hue,
        parts=PARTS,
        weak_parts=weak_parts,
        why=why,
        flags=[flag for flag in FACE_FLAGS if any(flag in person.best_frame.flags for person in manifest.people)],
        spans=spans,
        bars=lambda tracks: bars(tracks, duration_s),
        mark=lambda t_s: f"M{_place(t_s, duration_s)} 0h3v20h-3z",
        cuts="" if manifest.scenes_are_even else cuts(manifest.scenes, duration_s),
        reels=[manifest.scenes[at : at + SCENES_IN_REEL] for at in range(0, len(manifest.scenes), SCENES_IN_REEL)],
        most_in_reel=SCENES_IN_REEL,
        moments=MOMENTS,
        spoken=spoken_tracks,
        unclear_reasons=UNCLEAR,
        stills=link(stills or ".") + "/",
        manifest_link=link(keys.manifest),
    )
    return _tight(page)


def video_of(page: str) -> str:
    """Where a page that was rendered before finds its video, as `render` was told; empty where it was not."""
    found = re.search(r'<body [^>]*data-video="([^"]*)"', page)
    return html.unescape(found[1]) if found else ""


def policy(style: str, script: str, uri: str, video: str) -> str:
    """The page's Content-Security-Policy: its one style and one script by their hashes, pictures inside it, and the
    video from where it may lie. Only where the run's own video came from the network may the page ask the network."""
    media = ["'self'", "blob:", "file:"]
    linked = urlsplit(video)
    if linked.scheme in ("http", "https"):
        media.append(f"{linked.scheme}://{linked.netloc}")
    elif urlsplit(uri).scheme in ("http", "https", "s3"):
        media.append("https:")
    return (
        f"default-src 'none'; img-src data:; media-src {' '.join(media)}; style-src '{_hash(style)}'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )


def _own(file: str) -> str:
    return _tight(Path(__file__).with_name(file).read_text())


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _tight(page: str) -> str:
    """Without the line breaks between tags, each of which would be a node."""
    return re.sub(r">\s*\n\s*<", "><", page)


def title(manifest: Manifest) -> str:
    """What the page is about: the video's file name."""
    return unquote(PurePosixPath(manifest.source.uri).name) or manifest.source.uri


def facts(manifest: Manifest) -> str:
    """How long the video is and what was found, in a line: `28.0 s, 7 people, 10 frames, 11 scenes`."""
    counts = (
        (len(manifest.people), "person", "people"),
        (len(manifest.representative_frames), "frame", "frames"),
        (0 if manifest.scenes_are_even else len(manifest.scenes), "scene", "scenes"),
    )
    words = [f"{count:,} {one if count == 1 else many}" for count, one, many in counts if count]
    return ", ".join([span(manifest.source.duration_s), *words])


def container(demuxer: str, uri: str) -> str:
    """One name of a container: FFmpeg's demuxers name a family (`mov,mp4,m4a,...`), the video's ending picks of it."""
    family = demuxer.split(",")
    ending = PurePosixPath(uri).suffix.lstrip(".").lower()
    return ending if ending in family else family[0]


def label(person: Person) -> str:
    """What the report calls a person; people count from 1."""
    return person.name or f"Person {person.id + 1}"


def hue(person: int) -> int:
    """A person's colour, degrees; neighbours differ most by going round in golden angles."""
    return round(205 + person * 137.508) % 360


def clock(seconds: float) -> str:
    """`0:07.4`, `12:03.0`, `1:02:03.5`."""
    # Halves go up, as in the page's script.
    tenths = math.floor(max(seconds, 0.0) * 10 + 0.5)
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


def why(frame: FaceFrame) -> str:
    """Why a frame is the best there is, in words: `Sharp, eyes open, facing you.`, `Sharp, but turned aside.`"""
    weak = weak_parts(frame)
    quality = frame.quality.model_dump()
    good = [word for part, word in _GOOD.items() if part not in weak and quality[part] >= STRONG][:4]
    bad = [_BAD[flag] for flag in frame.flags]
    if good and bad:
        text = f"{', '.join(good)}, but {' and '.join(bad)}"
    elif bad:
        text = f"the best there is, though {' and '.join(bad)}"
    else:
        text = ", ".join(good) or "the best there is"
    return text[0].upper() + text[1:] + "."


def spans(tracks: Sequence[Track]) -> str:
    """When somebody is on screen, for the page's script: `0.0-4.2 12.5-13.0`."""
    return " ".join(f"{track.start_s:.1f}-{track.end_s:.1f}" for track in tracks)


def bars(tracks: Sequence[Track], duration_s: float) -> str:
    """The tracks as one SVG path on a timeline of 1000 by 20, each wide enough to be seen."""
    return "".join(
        f"M{_place(track.start_s, duration_s)} 3h{max(1000 * (track.end_s - track.start_s) / duration_s, 2.5):.1f}v14"
        f"H{_place(track.start_s, duration_s)}z"
        for track in tracks
    )


def cuts(scenes: Sequence[Scene], duration_s: float) -> str:
    """Where scenes begin, as one SVG path on a timeline of 1000 by 8."""
    return "".join(f"M{_place(scene.start_s, duration_s)} 0v8" for scene in scenes[1:])


def _place(t_s: float, duration_s: float) -> str:
    return f"{1000 * t_s / duration_s:.1f}"


def spoken_tracks(tracks: Sequence[Track], most: int = 12) -> str:
    """When somebody is on screen, in words; of more than `most` tracks the first are told and the others counted."""
    told = [f"{clock(track.start_s)} to {clock(track.end_s)}" for track in tracks[:most]]
    more = len(tracks) - len(told)
    return ", ".join(told) + (f" and {more} more time{'' if more == 1 else 's'}" if more else "")


def weak_parts(frame: FaceFrame) -> set[str]:
    """The parts of its quality that the picture is flagged for."""
    return {_FLAGGED_BY[flag] for flag in frame.flags}


def fitting(limit: int, kinds: Sequence[Mapping[str, Shown]]) -> dict[str, Shown]:
    """The pictures, the most important kind first, made smaller until they have `limit` bytes together.

    What there is most of is made smaller first. Pictures are left out only where all are as small as they get, those of
    the least important kind first.
    """
    kept = [dict(kind) for kind in kinds]

    def size(kind: Mapping[str, Shown]) -> int:
        return sum(len(picture.data) for picture in kind.values())

    done: set[int] = set()
    while (sum(map(size, kept)) > limit) and len(done) < len(kept):
        most = max((index for index in range(len(kept)) if index not in done), key=lambda index: size(kept[index]))
        smaller = {file: picture.smaller() for file, picture in kept[most].items()}
        if size(smaller) > 0.97 * size(kept[most]):
            done.add(most)
        kept[most] = smaller
    return dict(_within(limit, (item for kind in kept for item in kind.items())))


def _words(manifest: Manifest) -> int:
    """About the bytes of the page without its pictures."""
    tracks = [len(person.tracks) for person in manifest.people]
    return 50_000 + 150 * len(manifest.scenes) + 4000 * len(tracks) + 180 * sum(tracks) + 500 * len(manifest.unclear)


def _by_kind(manifest: Manifest, shown: Mapping[str, Shown]) -> list[dict[str, Shown]]:
    """The report's pictures by kind, the kind it can least do without first."""
    people = manifest.people
    kinds = (
        [person.thumbnail for person in people],
        [person.best_frame.file for person in people],
        [frame.file for frame in manifest.representative_frames],
        [scene.file for scene in manifest.scenes],
        [other.file for person in people for other in person.alternatives],
        [seen.best.file for seen in manifest.unclear if seen.best is not None and seen.best.file is not None],
    )
    return [{file: shown[file] for file in files if file in shown} for files in kinds]


def _within(limit: int, pictures: Iterator[tuple[str, Shown]]) -> Iterator[tuple[str, Shown]]:
    for file, picture in pictures:
        limit -= len(picture.data)
        if limit < 0:
            return
        yield file, picture
