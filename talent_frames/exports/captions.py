"""WebVTT (https://www.w3.org/TR/webvtt1/): scenes as chapters, people as metadata, thumbnails with a sprite.

Times are a player's, which may begin before the first picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from lambdas.publish.manifest import Manifest, Scene
from talent_frames.exports.labels import label
from talent_frames.exports.tables import people_in

THUMBNAIL_PX = 160
"""Width of a thumbnail."""
COLUMNS, ROWS = 10, 10
"""Of a sprite; more scenes take further sprites."""
SPRITE_QUALITY = 80


def chapters(manifest: Manifest) -> str:
    """A chapter for each scene, called by who is in it."""
    return _file(
        (
            scene.start_s + manifest.source.begins_s,
            scene.end_s + manifest.source.begins_s,
            f"Scene {scene.index + 1}" + (f": {', '.join(people)}" if people else ""),
        )
        for scene in manifest.scenes
        for people in (people_in(manifest, scene.start_s, scene.end_s),)
    )


def appearances(manifest: Manifest) -> str:
    """A cue for each time a person is on screen, in time order."""
    begins_s = manifest.source.begins_s
    return _file(
        sorted(
            (track.start_s + begins_s, track.end_s + begins_s, label(person))
            for person in manifest.people
            for track in person.tracks
        )
    )


@dataclass(frozen=True)
class Thumbnails:
    vtt: str
    sprites: dict[str, bytes]
    """JPEG by file name."""


def thumbnails(manifest: Manifest, root: Path, stem: str) -> Thumbnails:
    """Scenes' pictures in sprites, and which part of which belongs to a time. Raises FileNotFoundError."""
    cues: list[tuple[float, float, str]] = []
    sprites: dict[str, bytes] = {}
    a_sprite = COLUMNS * ROWS
    height = max(2, round(THUMBNAIL_PX * _shape(manifest, root)))
    for first in range(0, len(manifest.scenes), a_sprite):
        scenes = manifest.scenes[first : first + a_sprite]
        name = f"{stem}.thumbnails{first // a_sprite:03d}.jpg"
        rows = -(-len(scenes) // COLUMNS)
        sheet = np.zeros((rows * height, COLUMNS * THUMBNAIL_PX, 3), np.uint8)
        for place, scene in enumerate(scenes):
            x, y = place % COLUMNS * THUMBNAIL_PX, place // COLUMNS * height
            sheet[y : y + height, x : x + THUMBNAIL_PX] = cv2.resize(
                _picture(root, scene), (THUMBNAIL_PX, height), interpolation=cv2.INTER_AREA
            )
            begins_s = manifest.source.begins_s
            part = f"{name}#xywh={x},{y},{THUMBNAIL_PX},{height}"
            cues.append((scene.start_s + begins_s, scene.end_s + begins_s, part))
        sprites[name] = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, SPRITE_QUALITY])[1].tobytes()
    return Thumbnails(_file(cues), sprites)


def _shape(manifest: Manifest, root: Path) -> float:
    """Height over width of the scenes' pictures."""
    if not manifest.scenes:
        return 9 / 16
    height, width = _picture(root, manifest.scenes[0]).shape[:2]
    return height / width


def _picture(root: Path, scene: Scene) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    data = np.frombuffer((root / scene.file).read_bytes(), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _file(cues: Iterable[tuple[float, float, str]]) -> str:
    parts = ["WEBVTT\n"]
    for number, (start_s, end_s, text) in enumerate(cues, 1):
        # A cue without length is none; "-->" and line breaks would end its text.
        end_s = max(end_s, start_s + 0.001)
        shown = " ".join(text.replace("-->", "->").split()).replace("&", "&amp;").replace("<", "&lt;")
        parts.append(f"{number}\n{_time(start_s)} --> {_time(end_s)}\n{shown}\n")
    return "\n".join(parts)


def _time(seconds: float) -> str:
    thousandths = round(max(seconds, 0.0) * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{thousandths // 1000:02d}.{thousandths % 1000:03d}"
