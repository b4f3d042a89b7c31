"""Whether two published runs are the same: every picture byte for byte, every fact of the manifest but its times."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

DIFFERING = ("timings", "cost", "detect_steps", "created_at", "run_id")
"""Fields of a manifest that two runs of the same video do not share; a run that was planned for a file under another
name or URL has another id."""


def facts(manifest: bytes) -> dict[str, Any]:
    """The manifest's fields that every run of the same video with the same settings agrees on."""
    document: dict[str, Any] = json.loads(manifest)
    for name in DIFFERING:
        document.pop(name)
    document["source"].pop("uri")
    # Of a file and of an object other facts tell the content.
    document["source"].pop("identity")
    return document


def differences(one: Callable[[str], bytes], other: Callable[[str], bytes]) -> list[str]:
    """In what two runs differ, given how to read a file of each; empty where they are the same."""
    here, there = facts(one("manifest.json")), facts(other("manifest.json"))
    found = [f"manifest: {name}" for name in here.keys() | there.keys() if here.get(name) != there.get(name)]
    if found:
        return sorted(found)
    return [file for file in here["files"] if is_frame(file) and one(file) != other(file)]


def is_frame(file: str) -> bool:
    """The contact sheet names the video, which lies elsewhere."""
    return file.endswith(".jpg") and file != "contact_sheet.jpg"
