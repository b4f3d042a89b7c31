"""The `Video Processed` event of a run, and the pointer to a video's latest results. Pure: no files, no environment."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from lambdas.publish.manifest import Manifest

SCHEMA_VERSION = "1.0"
"""Of the detail, docs/event-processed.schema.json: a new minor number for a new field, a new major one for a change."""
DETAIL_BYTES = 180_000
"""Of an event's detail at most: an event with everything around it, and a state of the machine, hold 256 KiB."""
VIDEO_FACTS = {"duration_s", "frame_count", "width", "height", "fps", "container", "codec"}
"""What the event says of the video, as the manifest's `source` does."""


@dataclass(frozen=True)
class Published:
    """Where a run's results lie."""

    bucket: str
    prefix: str
    """Of all their keys; ends with a slash unless it is empty."""
    manifest_key: str

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"


def event_detail(
    manifest: Manifest,
    published: Published,
    *,
    execution_arn: str,
    most_uris: int,
    sign: Callable[[str], str] | None = None,
    urls_expire_in_s: int = 0,
) -> dict[str, Any]:
    """What a consumer needs without reading the manifest: counts, the video, and where the frames are.

    At most `most_uris` frames are listed, people first, then representative frames, then scenes; `complete` says
    whether that is all of them. `sign` makes a key's URL, which works for `urls_expire_in_s` at most.
    """
    source = manifest.source
    detail: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "run_id": manifest.run_id,
        "execution_arn": execution_arn,
        "source": source.uri,
        "manifest_uri": published.uri(published.manifest_key),
        "report_uri": published.uri(published.prefix + manifest.report_file),
        "video": source.model_dump(include=VIDEO_FACTS),
        "metrics": {
            "people": len(manifest.people),
            "representative": len(manifest.representative_frames),
            "scenes": len(manifest.scenes),
            "cost_usd": manifest.cost.total_usd,
            "seconds": manifest.timings.model_dump(),
        },
        "talent_frames": [],
        "representative_frames": [],
        "scene_frames": [],
        "complete": True,
    }
    if sign is not None:
        detail["urls_expire_in_s"] = urls_expire_in_s
    size = len(json.dumps(detail))
    for number, (kind, facts, file) in enumerate(_frames(manifest)):
        key = published.prefix + file
        entry = {**facts, "uri": published.uri(key)}
        if sign is not None and number < most_uris:
            entry["url"] = sign(key)
        size += len(json.dumps(entry)) + 2
        if number >= most_uris or size > DETAIL_BYTES:
            detail["complete"] = False
            break
        detail[kind].append(entry)
    return detail


def _frames(manifest: Manifest) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each published frame: the list of the detail it stands in, what is said of it, and its file."""
    for person in manifest.people:
        best = person.best_frame
        yield "talent_frames", {"id": person.id, "name": person.name, "t_s": best.t_s, "score": best.score}, best.file
    for frame in manifest.representative_frames:
        yield "representative_frames", {"t_s": frame.t_s, "score": frame.score}, frame.file
    for scene in manifest.scenes:
        yield "scene_frames", {"index": scene.index, "t_s": scene.t_s}, scene.file


def latest_key(prefix: str, run_id: str) -> str | None:
    """Where the pointer to a video's latest results lies: beside its runs' folders; None where runs have no folder."""
    folder, _, run = prefix.rstrip("/").rpartition("/")
    if not run.startswith(run_id):
        return None
    return f"{folder}/latest.json" if folder else "latest.json"


def latest_document(manifest: Manifest, published: Published, uploaded_at: str | None = None) -> bytes:
    """The pointer: which run, its manifest, and when its video was uploaded."""
    pointer = {
        "run_id": manifest.run_id,
        "prefix": published.prefix,
        "manifest_uri": published.uri(published.manifest_key),
        "created_at": manifest.created_at,
        "uploaded_at": uploaded_at,
    }
    return json.dumps(pointer, indent=1).encode()


def points_to_newer(standing: bytes, than: bytes) -> bool:
    """Whether the pointer that stands is of a later upload than another, or of the same and was planned later.

    What can't be read, or says nothing of an upload, is the older.
    """
    try:
        here, there = from_json(standing), from_json(than)
        return (here["uploaded_at"] or "", here["created_at"]) > (there["uploaded_at"] or "", there["created_at"])
    except (ValueError, KeyError, TypeError):
        return False
