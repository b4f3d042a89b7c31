"""A deployed stack from outside: videos that lie in a bucket already are sent through it, runs are asked for."""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from pydantic_core import from_json

from lambdas.contracts import KeyTemplates
from lambdas.errors import BadInput, TalentFramesError
from lambdas.publish.keys import Keys
from lambdas.staging import presign, s3_client, split_s3_uri
from talent_frames.folders import SUFFIXES

USD_A_RUN, USD_A_VIDEO_HOUR = 0.0006, 0.025
SECONDS_A_RUN, SECONDS_A_VIDEO_HOUR = 12.0, 57.0
"""Lines through what docs/cost.md measured with the pack `open` on Lambda, eight chunks at once, warm."""
SAMPLE = 20
"""Videos whose length is looked up; the others are taken to be as long by their bytes."""
POLL_S = 5.0
ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


class NoStack(BadInput):
    """There is no such stack, or it is none of this pipeline."""


class NoSuchRun(BadInput):
    """The stack's ledger knows no such run or execution."""


class NotPublished(TalentFramesError):
    """The run has published nothing, or not yet."""


@dataclass(frozen=True)
class Video:
    """An object that is taken for a video."""

    bucket: str
    key: str
    size_bytes: int
    etag: str
    """Without quotes."""

    @property
    def execution_name(self) -> str:
        """The same for the same upload: what was submitted once is not started again."""
        digest = hashlib.sha256(f"{self.bucket}\n{self.key}\n{self.etag}".encode()).hexdigest()
        stem = re.sub(r"[^A-Za-z0-9_-]", "-", PurePosixPath(self.key).stem)[:40]
        return f"backfill-{digest[:16]}-{stem}"


@dataclass(frozen=True)
class Estimate:
    """What sending videos through will take, by measured rates."""

    videos: int
    size_bytes: int
    hours: float
    sampled: int
    """Of how many the length was looked up."""
    usd: float
    seconds: float
    """With so many runs at once as asked for."""

    @classmethod
    def of(cls, videos: Sequence[Video], durations_s: Sequence[float], at_once: int) -> Estimate:
        """`durations_s` are those of the first videos of `sample`, 0 where one could not be read."""
        size = sum(video.size_bytes for video in videos)
        looked_up = [
            (video.size_bytes, duration_s)
            for video, duration_s in zip(sample(videos), durations_s, strict=True)
            if duration_s > 0
        ]
        sampled = sum(size_bytes for size_bytes, _ in looked_up)
        hours = size * sum(duration_s for _, duration_s in looked_up) / sampled / 3600 if sampled else 0.0
        work_s = SECONDS_A_RUN * len(videos) + SECONDS_A_VIDEO_HOUR * hours
        return cls(
            videos=len(videos),
            size_bytes=size,
            hours=hours,
            sampled=len(looked_up),
            usd=USD_A_RUN * len(videos) + USD_A_VIDEO_HOUR * hours,
            seconds=work_s / max(1, min(at_once, len(videos))),
        )


@dataclass(frozen=True)
class Submitted:
    """How a video fares."""

    video: Video
    state: str
    """`submitted before`, or one of Step Functions' states."""


class Stack:
    """What a deployment's outputs name, and its clients."""

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Raises NoStack."""
        import boto3
        from botocore.exceptions import ClientError

        try:
            (found,) = boto3.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        except ClientError as error:
            raise NoStack(f"stack {self.name}: {error.response['Error']['Message']}") from None
        outputs = {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])}
        if not {"PipelineArn", "LedgerName"} <= outputs.keys():
            raise NoStack(f"stack {self.name}: is no deployment of Talent Frames")
        return outputs

    @cached_property
    def states(self) -> Any:
        import boto3

        return boto3.client("stepfunctions")

    def row(self, key: str) -> dict[str, str]:
        """The ledger's item as texts; empty where there is none."""
        import boto3

        answer = boto3.client("dynamodb").get_item(
            TableName=self.outputs["LedgerName"], Key={"run_id": {"S": key}}, ConsistentRead=True
        )
        return {name: str(next(iter(value.values()))) for name, value in answer.get("Item", {}).items()}

    def run(self, run: str) -> dict[str, str]:
        """The ledger's item of a run, by its id or by an execution's name. Raises NoSuchRun."""
        if row := self.row(run):
            return row
        execution = self.row(f"execution#{run}")
        if not execution:
            raise NoSuchRun(f"{run}: stack {self.name} knows no such run or execution")
        # One that had nothing to do points to the run that did.
        return {**self.row(execution.get("run", "")), **execution} if "run" in execution else execution

    def recent(self, most: int) -> list[dict[str, str]]:
        """The executions started last, newest first: `name`, `status`, `started_at`."""
        listed = self.states.list_executions(stateMachineArn=self.outputs["PipelineArn"], maxResults=most)
        return [
            {
                "name": one["name"],
                "status": one["status"],
                "started_at": one["startDate"].isoformat(timespec="seconds"),
            }
            for one in listed["executions"]
        ]

    def report_url(self, run: str, expires_s: int = 3600) -> str:
        """A signed URL of a run's report. Raises NoSuchRun and NotPublished."""
        row = self.run(run)
        uri = row.get("manifest_uri")
        if uri is None:
            why = row.get("error", "") and f" ({row['error']})"
            raise NotPublished(f"{run}: nothing is published; its status is {row.get('status', 'unknown')}{why}")
        bucket, key = split_s3_uri(uri)
        text = s3_client().get_object(Bucket=bucket, Key=key)["Body"].read()
        # All files are relative to what stands before the manifest's own name, which its templates tell.
        try:
            manifest = from_json(text)
            templates = KeyTemplates.model_validate(manifest["settings"]["keys"])
        except (ValueError, KeyError, TypeError):
            raise NotPublished(f"{run}: what is published as its manifest is none") from None
        prefix = key.removesuffix(Keys.of(templates, manifest["source"]["uri"]).manifest)
        return presign(s3_client(), bucket, prefix + manifest["report_file"], expires_s=expires_s)


def videos_under(uri: str) -> list[Video]:
    """Objects under `s3://bucket/prefix` that end like videos, by key. Raises BadInput."""
    if not uri.startswith("s3://"):
        raise BadInput(f"{uri}: written as s3://bucket/prefix")
    from botocore.exceptions import ClientError

    bucket, prefix = split_s3_uri(uri)
    found: list[Video] = []
    try:
        for page in s3_client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            found += [
                Video(bucket, one["Key"], one["Size"], one["ETag"].strip('"'))
                for one in page.get("Contents", [])
                if PurePosixPath(one["Key"]).suffix.lower() in SUFFIXES and one["Size"]
            ]
    except ClientError as error:
        raise BadInput(f"{uri}: {error.response['Error']['Message']}") from None
    return found


def sample(videos: Sequence[Video]) -> list[Video]:
    """Some of the videos, evenly spread."""
    if len(videos) <= SAMPLE:
        return list(videos)
    return [videos[number * len(videos) // SAMPLE] for number in range(SAMPLE)]


def duration_s(video: Video) -> float:
    """A video's length as its container tells it; 0 where it can't be read."""
    from lambdas.video import open_video

    location = presign(s3_client(), video.bucket, video.key)
    try:
        with open_video(location, PurePosixPath(video.key).name) as container:
            return (container.duration or 0) / 1e6
    except (TalentFramesError, OSError):
        return 0.0


def submit(
    stack: Stack, videos: Iterable[Video], at_once: int, *, again: bool = False, poll_s: float = POLL_S
) -> Iterator[Submitted]:
    """Starts a run for each video, no more than `at_once` at a time, and tells how each ends.

    What was submitted before is passed over, so that it can be called again after an interruption; `again` starts
    those whose run failed once more.
    """
    running: dict[str, Video] = {}
    for video in videos:
        while len(running) >= at_once:
            yield from _ended(stack, running)
            if len(running) >= at_once:
                time.sleep(poll_s)
        name = video.execution_name
        state = _state(stack, name)
        if state in ("FAILED", "TIMED_OUT", "ABORTED") and again:
            name, state = f"{name[:64]}-{int(time.time())}", ""
        if state in ENDED:
            yield Submitted(video, "submitted before")
            continue
        arn = _arn(stack, name)
        if not state:
            arn = stack.states.start_execution(
                stateMachineArn=stack.outputs["PipelineArn"],
                name=name,
                input=json.dumps({"bucket": video.bucket, "key": video.key}),
            )["executionArn"]
        running[arn] = video
    while running:
        yield from _ended(stack, running)
        if running:
            time.sleep(poll_s)


def _ended(stack: Stack, running: dict[str, Video]) -> Iterator[Submitted]:
    for arn in list(running):
        state = stack.states.describe_execution(executionArn=arn)["status"]
        if state in ENDED:
            yield Submitted(running.pop(arn), state)


def _arn(stack: Stack, name: str) -> str:
    return f"{stack.outputs['PipelineArn'].replace(':stateMachine:', ':execution:')}:{name}"


def _state(stack: Stack, name: str) -> str:
    """The state of an execution; empty where there is none."""
    try:
        found: str = stack.states.describe_execution(executionArn=_arn(stack, name))["status"]
    except stack.states.exceptions.ExecutionDoesNotExist:
        return ""
    return found


def counted(states: Iterable[Submitted], tell: Callable[[Submitted], None]) -> dict[str, int]:
    """How many ended as what; `tell` hears of each."""
    counts: dict[str, int] = {}
    for one in states:
        counts[one.state] = counts.get(one.state, 0) + 1
        tell(one)
    return counts
