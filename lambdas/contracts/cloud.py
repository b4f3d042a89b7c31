"""What the state machine hands split and publish and gets back, and what a deployment adds to a run."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from lambdas.contracts.contract import Contract

Given = Annotated[str | None, BeforeValidator(lambda text: text or None)]
"""A text that may be left out; the state machine and input transformers write an absent one as "" or null."""


class SourceObject(Contract):
    """A video in a bucket."""

    bucket: Annotated[str, Field(min_length=3)]
    key: Annotated[str, Field(min_length=1)]
    """As it is, not URL-encoded."""
    version_id: Given = None
    etag: Given = None

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Execution(Contract):
    """The state machine's execution that asks."""

    arn: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    started_at: str
    """ISO 8601, UTC."""


class StartRequest(Contract):
    """What the state machine asks of split."""

    source: SourceObject | None = None
    """Not needed with `resume`."""
    execution: Execution
    settings: dict[str, JsonValue] | None = None
    """Over those of the sidecar and of the stack; only what a request may set."""
    force: Given = None
    resume: Annotated[Literal["cluster"] | None, BeforeValidator(lambda text: text or None)] = None
    """Plans nothing, so that cluster and publish work again on `run_id`."""
    run_id: Given = None
    revision: Given = None
    """With `resume`: tells this repetition from others, and its results from theirs."""
    corrections: Annotated[dict[str, JsonValue] | None, BeforeValidator(lambda given: given or None)] = None
    """With `resume`: corrections.json itself, or `bucket` and `key` of where it lies."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.resume is None and self.source is None:
            raise ValueError("needs source, or resume with run_id and revision")
        if self.resume is not None and (self.run_id is None or self.revision is None):
            raise ValueError("resume needs run_id and revision")
        if self.resume is not None and (self.settings or self.force):
            raise ValueError("resume takes neither settings nor force: the plan holds them")
        if self.resume is None and (self.run_id or self.revision or self.corrections):
            raise ValueError("run_id, revision and corrections go with resume only")
        if self.revision is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", self.revision):
            raise ValueError("revision must be 1 to 64 of A-Z a-z 0-9 . _ -")
        return self


class StartResponse(Contract):
    outcome: Literal["started", "AlreadyRunning", "AlreadyDone"]
    """Whether this execution holds the run now; else it has nothing to do."""
    run_id: str
    attempt: int
    chunk_count: int
    """This and `duration_s` are 0 unless started."""
    duration_s: float
    prefix: str
    """Under which the run is published."""
    max_lost_chunks: int
    """So many chunks may fail."""
    video: str
    """`bucket/key`."""


class PublishOrder(Contract):
    """What the state machine asks of publish."""

    run_id: str
    prefix: str
    execution_arn: str


class PublishAnswer(Contract):
    manifest_uri: str
    people: int
    representative: int
    scenes: int
    event: dict[str, JsonValue]
    """Detail of the `Video Processed` event."""


class Deployment(Contract):
    """What a deployment runs on, as far as it decides what a run costs; the defaults are the stack's."""

    architecture: Literal["x86_64", "arm64"] = "x86_64"
    memory_mib: dict[str, int] = {"split": 1024, "detect": 1769, "cluster": 2048, "publish": 1769}
    """Of each stage's function. 1769 MiB is where a function has one whole vCPU (AWS Lambda developer guide)."""
    tmp_mib: dict[str, int] = {"split": 10_240, "detect": 512, "cluster": 512, "publish": 512}
    """Disk of each stage's function; 512 MiB are free."""
    staging_days: int = 7
    """Staging expires after so many days."""
    gpu_machine: str = "g4dn.xlarge"
    """EC2 type that a job is taken to run on: Batch chooses among the families allowed, the first is the cheapest."""
    gpu_spot: bool = True
    gpu_disk_gib: int = 60


class JobReport(Contract):
    """What the Batch job of a run did, `runs/<run_id>/job.json`; a job that was started again adds to it."""

    chunks: int
    """Done by it; the map did the others."""
    detect_s: float
    """Sum of those chunks' seconds, as detect counts them."""
    job_s: float
    """For which it held its machine, without the machine's start."""


class Failure(Contract):
    """Why a worker gave up: `runs/<run_id>/failures/<index>.json`, and `batch_error.json` for a whole job."""

    error: str
    """Class name."""
    cause: str
