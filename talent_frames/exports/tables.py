"""Appearances and scenes as CSV (RFC 4180, UTF-8)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from lambdas.publish.manifest import Manifest
from talent_frames.exports.labels import label, timecode

APPEARANCES = ("person", "name", "start_s", "end_s", "start", "end", "best_s", "best_frame", "thumbnail")
SCENES = ("scene", "start_s", "end_s", "start", "end", "people", "file")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is worked out by spreadsheets, whoever wrote it."""


def appearances(manifest: Manifest) -> str:
    """A line for each time a person is on screen, in time order; times in seconds after the first picture."""
    rows = sorted(
        (
            (
                person.id,
                _plain(person.name or ""),
                f"{track.start_s:.3f}",
                f"{track.end_s:.3f}",
                timecode(track.start_s),
                timecode(track.end_s),
                f"{track.best_s:.3f}",
                person.best_frame.file,
                person.thumbnail,
            )
            for person in manifest.people
            for track in person.tracks
        ),
        key=lambda row: (float(row[2]), row[0]),
    )
    return _table(APPEARANCES, rows)


def scenes(manifest: Manifest) -> str:
    """A line for each scene and who is in it."""
    return _table(
        SCENES,
        (
            (
                scene.index,
                f"{scene.start_s:.3f}",
                f"{scene.end_s:.3f}",
                timecode(scene.start_s),
                timecode(scene.end_s),
                _plain("; ".join(people_in(manifest, scene.start_s, scene.end_s))),
                scene.file,
            )
            for scene in manifest.scenes
        ),
    )


def people_in(manifest: Manifest, start_s: float, end_s: float) -> list[str]:
    """Who is on screen in a span."""
    return [
        label(person)
        for person in manifest.people
        if any(track.start_s < end_s and track.end_s > start_s for track in person.tracks)
    ]


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(head)
    lines.writerows(rows)
    return text.getvalue()
