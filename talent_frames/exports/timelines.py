"""Scenes as clips and people as markers on them, for editing programs; OpenTimelineIO writes the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from lambdas.publish.manifest import Manifest
from talent_frames.exports.labels import label

RATES = (24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 48.0, 50.0, 60000 / 1001, 60.0)
"""Frames a second that editing programs count in."""
NEAR_RATE = 0.005
"""Share by which a video's average may differ from the rate it was made with."""
COLOURS = ("CYAN", "MAGENTA", "YELLOW", "BLUE", "ORANGE", "PINK", "PURPLE", "WHITE")
"""Of people's markers in turn; Final Cut Pro takes red and green ones for tasks."""
ADAPTERS = {"edl": "cmx_3600", "fcpxml": "fcpx_xml", "otio": "otio_json"}

Kind = Literal["edl", "otio", "fcpxml"]


def timeline(manifest: Manifest, kind: Kind, media: str) -> str:
    """The file's text. `media` is the video's path or URL, to be linked to."""
    rate = frame_rate(manifest.source.fps)
    made = _timeline(manifest, rate, media)
    options = {"rate": rate} if kind == "edl" else {}
    text: str = otio.adapters.write_to_string(made, ADAPTERS[kind], **options)
    return text


def frame_rate(fps: float) -> float:
    """The rate to count frames in: the nearest usual one, the video's own rounded where none is near, 25 if unknown."""
    nearest = min(RATES, key=lambda rate: abs(rate - fps))
    if abs(nearest - fps) <= NEAR_RATE * nearest:
        return nearest
    return float(round(fps)) if round(fps) > 0 else 25.0


def _timeline(manifest: Manifest, rate: float, media: str) -> Any:
    name = Path(manifest.source.uri).name
    whole = TimeRange(RationalTime(0, rate), RationalTime(max(1, round(manifest.source.duration_s * rate)), rate))
    url = media if "://" in media else Path(media).absolute().as_uri()
    spans = [(scene.start_s, scene.end_s, f"Scene {scene.index + 1}") for scene in manifest.scenes]
    track = otio.schema.Track("Scenes", kind=otio.schema.TrackKind.Video)
    for start_s, end_s, called in spans or [(0.0, manifest.source.duration_s, name)]:
        first, last = round(start_s * rate), round(end_s * rate)
        if last <= first:
            continue
        reference = otio.schema.ExternalReference(target_url=url, available_range=whole)
        reference.name = name
        clip = otio.schema.Clip(
            name=called,
            media_reference=reference,
            source_range=TimeRange(RationalTime(first, rate), RationalTime(last - first, rate)),
        )
        clip.markers.extend(_markers(manifest, first, last, rate))
        track.append(clip)
    made = otio.schema.Timeline(name)
    made.global_start_time = RationalTime(0, rate)
    made.metadata["talent_frames"] = {"run_id": manifest.run_id, "pipeline_version": manifest.pipeline_version}
    made.tracks.append(track)
    return made


def _markers(manifest: Manifest, first: int, last: int, rate: float) -> list[Any]:
    """Of everybody who is on screen in these frames, in time order: from when, for how long."""
    found = []
    for person in manifest.people:
        for track in person.tracks:
            start, end = max(first, round(track.start_s * rate)), min(last, round(track.end_s * rate))
            if end <= start:
                continue
            marker = otio.schema.Marker(
                name=label(person),
                marked_range=TimeRange(RationalTime(start, rate), RationalTime(end - start, rate)),
                color=COLOURS[person.id % len(COLOURS)],
            )
            marker.metadata["talent_frames"] = {"person": person.id, "best_s": track.best_s}
            found.append((start, person.id, marker))
    return [marker for _, _, marker in sorted(found, key=lambda one: one[:2])]
