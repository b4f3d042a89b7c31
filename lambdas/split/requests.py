"""What a request to the cloud means: which object exactly, with which settings, published where."""

from __future__ import annotations

import json
import re
import string
from typing import Any

from pydantic import JsonValue, ValidationError
from pydantic_core import from_json

from lambdas.contracts import KeyTemplates, Settings, SourceObject, first_problem
from lambdas.errors import InvalidSettings, KeyTooLong
from lambdas.staging import describe_object

PER_VIDEO = frozenset(
    {
        "adaptive_ratio",
        "alternatives",
        "fade_level",
        "fit",
        "hash_distance",
        "histogram_difference",
        "jpeg_quality",
        "max_lost_chunks",
        "min_confidence",
        "min_face_px",
        "min_presence_s",
        "min_scene_s",
        "min_scenes",
        "min_sightings",
        "name_similarity",
        "representative",
        "same_person_distance",
        "scene_detector",
        "scene_threshold",
        "scenes",
        "size",
        "thorough",
    }
)
"""Settings a request or a sidecar may choose: none that names keys, nor that moves the limits of what a run costs."""

SIDECAR_SUFFIX = ".settings.json"
"""Settings of `a/video.mp4` lie beside it in `a/video.mp4.settings.json`."""
SIDECAR_BYTES = 65_536

DEFAULT_PREFIX = "{key}/{run_id}/"

LONGEST_KEY_BYTES = 1024
"""Of a key in S3 (Amazon S3 user guide, "Naming Amazon S3 objects")."""
LONGEST_NAME_BYTES = 150
"""Publish cuts a person's name, a stem and each folder to so many bytes."""
LONGEST_NUMBER_BYTES = 9


def pin(client: Any, source: SourceObject) -> tuple[SourceObject, str]:
    """The object as one version, or, where no versions are kept, as its ETag now; and when it was uploaded.

    An announced ETag that is gone by now gives way to the present one: that upload is announced as well, and both
    announcements then mean one run. Raises SourceMissing.
    """
    found = describe_object(client, source.bucket, source.key, source.version_id)
    pinned = source.model_copy(update={"version_id": source.version_id or found.version_id, "etag": found.etag})
    return pinned, found.uploaded_at


def read_sidecar(client: Any, source: SourceObject) -> dict[str, JsonValue]:
    """The settings beside the video, empty without any. Raises InvalidSettings for what is no JSON object."""
    key = source.key + SIDECAR_SUFFIX
    try:
        answer = client.get_object(Bucket=source.bucket, Key=key)
    except client.exceptions.NoSuchKey:
        return {}
    text = answer["Body"].read(SIDECAR_BYTES + 1)
    try:
        if len(text) > SIDECAR_BYTES:
            raise ValueError(f"more than {SIDECAR_BYTES} bytes")
        chosen = from_json(text)
        if not isinstance(chosen, dict):
            raise ValueError("no JSON object")
    except ValueError as error:
        raise InvalidSettings(f"{key}: {error}") from None
    return chosen


def choose_settings(stack: Settings, sidecar: dict[str, JsonValue], request: dict[str, JsonValue]) -> Settings:
    """Request over sidecar over stack. Raises InvalidSettings for what a video may not choose or is out of range."""
    for where, chosen in (("sidecar", sidecar), ("request", request)):
        refused = sorted(chosen.keys() - PER_VIDEO)
        if refused:
            raise InvalidSettings(
                f"{where}: {refused[0]} can't be chosen per video; {', '.join(sorted(PER_VIDEO))} can"
            )
    try:
        return Settings.model_validate_json(json.dumps({**stack.model_dump(mode="json"), **sidecar, **request}))
    except ValidationError as error:
        raise InvalidSettings(first_problem(error)) from None


def published_prefix(template: str, key: str, run_id: str) -> str:
    """The folder a run is published in; empty or ending in a slash.

    `template` may hold `{key}` and `{run_id}`; `/` alone is the top of the bucket, for key templates that tell videos
    apart themselves. Parts of the key that are no names (empty, `.`, `..`) fall away.
    """
    clean = re.sub(r"[\x00-\x1f\x7f\\]", "_", key)
    filled = template.replace("{key}", clean).replace("{run_id}", run_id)
    parts = [part for part in filled.split("/") if part not in ("", ".", "..")]
    return "".join(f"{part}/" for part in parts)


def check_room(prefix: str, templates: KeyTemplates, key: str) -> None:
    """Nothing, if every file of a run may have a key under the prefix, and the sidecar one of its own.

    Raises KeyTooLong otherwise: publish would fail after all the work.
    """
    folders = key.rpartition("/")[0].encode()
    longest = {"name": LONGEST_NAME_BYTES, "stem": LONGEST_NAME_BYTES, "dirname": len(folders)}
    for template in templates.model_dump().values():
        parts = list(string.Formatter().parse(template))
        needed = len(prefix.encode()) + sum(
            len(text.encode()) + (0 if field is None else longest.get(field, LONGEST_NUMBER_BYTES))
            for text, field, _, _ in parts
        )
        if needed > LONGEST_KEY_BYTES:
            raise KeyTooLong(
                f"the video's key has {len(key.encode())} bytes: {prefix[:40]}... and {template} may take {needed}, "
                f"a key holds {LONGEST_KEY_BYTES}"
            )
    if len((key + SIDECAR_SUFFIX).encode()) > LONGEST_KEY_BYTES:
        raise KeyTooLong(f"the video's key has {len(key.encode())} bytes: no room for {SIDECAR_SUFFIX} behind it")
