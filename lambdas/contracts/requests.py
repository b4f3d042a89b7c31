"""What each stage is asked and answers, the same on a laptop and in the cloud."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lambdas.contracts.contract import Contract
from lambdas.contracts.pack import PackFacts
from lambdas.contracts.settings import Settings


class SplitRequest(Contract):
    """Starts a run."""

    uri: str
    """A path, or an http(s) or s3 URL."""
    settings: Settings = Settings()
    pack: PackFacts
    gallery_key: str | None = None
    force: str = ""
    """Any text; a new one gives a new run of the same video with the same settings."""
    version_id: str | None = None
    etag: str | None = None
    """Of an s3 URL: the object is read and identified as this version, or as long as it has this ETag."""
    uploaded_at: str | None = None


class SplitResponse(Contract):
    run_id: str
    chunk_count: int
    duration_s: float


class DetectRequest(Contract):
    run_id: str
    chunk: Annotated[int, Field(ge=0)]


class DetectResponse(Contract):
    run_id: str
    chunk: int
    skipped: bool
    """Whether the chunk's document stood already."""


class ClusterRequest(Contract):
    run_id: str


class ClusterResponse(Contract):
    run_id: str
    people: int
    scenes: int
    representative: int


class PublishRequest(Contract):
    run_id: str
    prefix: str = ""
    """Put before every published key; empty or ending in a slash."""
    video_link: str = ""
    """Where the report finds the video to play moments of: a URL, or a path relative to the report. Empty: it asks."""


class PublishResponse(Contract):
    run_id: str
    manifest_key: str
    people: int
    representative: int
    scenes: int
