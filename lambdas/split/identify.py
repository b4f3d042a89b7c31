"""Who a run is: the identity of an upload, and from it and everything that changes results, the run's id."""

from __future__ import annotations

import hashlib

from lambdas.contracts import PackFacts, Settings
from lambdas.video import reader_of, size_bytes

PIPELINE_VERSION = "0.1.0"
"""Part of every run id, so that an upgrade is a new run. The package's version (images hold no package metadata)."""
END_BYTES = 2**20
"""Of the beginning and of the end of the source that are hashed."""
ID_DIGITS = 16
"""Hexadecimal digits of an identity or run id: 64 bits."""


def identify(location: str, name: str) -> tuple[str, int]:
    """The identity of the bytes at `location` (hash of their size, first and last MiB) and their size in bytes.

    Raises SourceMissing and EmptySource.
    """
    size = size_bytes(location, name)
    digest = hashlib.sha256(f"{size}\n".encode())
    read = reader_of(location, name)
    digest.update(read(0, END_BYTES))
    if size > END_BYTES:
        rest = min(END_BYTES, size - END_BYTES)
        digest.update(read(size - rest, rest))
    return digest.hexdigest()[:ID_DIGITS], size


def identify_object(bucket: str, key: str, version_id: str | None, etag: str | None) -> str:
    """The identity of an upload into a bucket: where it is and its version, or its ETag where no versions are kept."""
    parts = (bucket, key, version_id or etag or "")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:ID_DIGITS]


def run_id(identity: str, settings: Settings, pack: PackFacts, *, gallery: bytes = b"", force: str = "") -> str:
    """Short hexadecimal id of a run: the same for the same video, settings, pack, gallery, version and `force`."""
    parts = (
        identity,
        settings.model_dump_json(),
        pack.sha256,
        hashlib.sha256(gallery).hexdigest() if gallery else "",
        PIPELINE_VERSION,
        force,
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:ID_DIGITS]
