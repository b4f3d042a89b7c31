"""`make smoke` after a deployment: a video of known people goes in, and what comes out is looked at.

Needs only what a user of the stack may do: put into the source bucket, read the published one, look at executions.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

STAGES = ("Split", "Detect", "Cluster", "Publish")
STARTED_WITHIN_S = 60.0
"""EventBridge tells of an upload within a second or two."""
ENDED_WITHIN_S = 1800.0


class Trouble(Exception):
    """The deployment does not do what it should; the text is one sentence."""


@dataclass(frozen=True)
class Clients:
    """boto3's clients of what a smoke test touches."""

    s3: Any
    states: Any


def smoke(
    outputs: Mapping[str, str],
    video: Path,
    people: int,
    folder: Path,
    clients: Clients,
    say: Callable[[str], None] = print,
    pause_s: float = 2.0,
) -> dict[str, Any]:
    """Sends the video through the stack with these outputs; the manifest. Report and manifest come into `folder`.

    Raises Trouble where nothing starts, the run fails, or other than `people` people are found.
    """
    source, machine = outputs["SourceBucketName"], outputs["PipelineArn"]
    # As the key template of a status database has it, a folder for each video.
    key = f"{outputs.get('SourcePrefix', '')}smoke/{uuid.uuid4()}/video.mp4"
    began = time.monotonic()
    clients.s3.upload_file(str(video), source, key)
    say(f"put s3://{source}/{key} ({video.stat().st_size / 1e6:.1f} MB)")
    arn = _started(machine, key, clients.states, pause_s)
    say(f"started {arn.rpartition(':')[2]} after {time.monotonic() - began:.0f} s")
    ended = _ended(arn, clients.states, pause_s)
    if ended["status"] != "SUCCEEDED":
        raise Trouble(f"the run ended as {ended['status']}: {ended.get('error')}: {ended.get('cause')}")
    output = json.loads(ended.get("output") or "{}")
    if "manifest_uri" not in output:
        last = list(_times(arn, clients.states))[-1]
        raise Trouble(f"the run ended well, but as {last}: nothing was published")
    for stage, seconds in _times(arn, clients.states).items():
        if stage.startswith(STAGES):
            say(f"  {stage:<16}{seconds:7.1f} s")
    bucket, _, manifest_key = output["manifest_uri"].removeprefix("s3://").partition("/")
    folder.mkdir(parents=True, exist_ok=True)
    manifest: dict[str, Any] = json.loads(_fetch(bucket, manifest_key, folder / "manifest.json", clients.s3))
    _, _, report_key = output["event"]["report_uri"].removeprefix("s3://").partition("/")
    _fetch(bucket, report_key, folder / "report.html", clients.s3)
    clients.s3.delete_object(Bucket=source, Key=key)
    cost = manifest["cost"]
    found = {kind: len(manifest[kind]) for kind in ("people", "representative_frames", "scenes")}
    say(", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in found.items()))
    say(f"${cost['total_usd']:.4f}, reckoned by prices of {cost['prices_as_of']}")
    say(f"{time.monotonic() - began:.0f} s from upload to report: {folder / 'report.html'}")
    if len(manifest["people"]) != people:
        raise Trouble(f"{len(manifest['people'])} people were found, {people} are in the video")
    return manifest


def _started(machine: str, key: str, states: Any, pause_s: float) -> str:
    """ARN of the execution that the upload started."""
    give_up = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < give_up:
        for found in states.list_executions(stateMachineArn=machine, maxResults=20)["executions"]:
            arn: str = found["executionArn"]
            if key in (states.describe_execution(executionArn=arn).get("input") or ""):
                return arn
        time.sleep(pause_s)
    raise Trouble(
        f"{STARTED_WITHIN_S:.0f} s after the upload nothing has started: is on_upload set, and does the bucket tell "
        "EventBridge (make source-events)?"
    )


def _ended(arn: str, states: Any, pause_s: float) -> dict[str, Any]:
    give_up = time.monotonic() + ENDED_WITHIN_S
    while time.monotonic() < give_up:
        found: dict[str, Any] = states.describe_execution(executionArn=arn)
        if found["status"] != "RUNNING":
            return found
        time.sleep(pause_s)
    raise Trouble(f"the run has not ended after {ENDED_WITHIN_S:.0f} s: {arn}")


def _times(arn: str, states: Any) -> dict[str, float]:
    """Seconds of each state, in the order they were entered."""
    entered: dict[str, float] = {}
    times: dict[str, float] = {}
    for page in states.get_paginator("get_execution_history").paginate(executionArn=arn):
        for event in page["events"]:
            at = event["timestamp"].timestamp()
            if name := event.get("stateEnteredEventDetails", {}).get("name"):
                entered[name] = at
                times.setdefault(name, 0.0)
            elif name := event.get("stateExitedEventDetails", {}).get("name"):
                times[name] += at - entered[name]
    return times


def _fetch(bucket: str, key: str, target: Path, s3: Any) -> bytes:
    data: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    target.write_bytes(data)
    return data


def outputs_of(stack: str, file: Path | None) -> dict[str, str]:
    """The stack's outputs, from the file `make deploy` wrote or from CloudFormation."""
    if file is not None:
        found: dict[str, str] = json.loads(file.read_text())[stack]
        return found
    import boto3

    (described,) = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {one["OutputKey"]: one["OutputValue"] for one in described["Outputs"]}


def main(arguments: list[str]) -> None:
    import boto3

    parser = argparse.ArgumentParser(prog="make smoke ARGS=...")
    parser.add_argument("--stack", default="TalentFrames")
    parser.add_argument("--outputs", type=Path, help="the file of `make deploy OUTPUTS=...`, instead of asking AWS")
    parser.add_argument("--video", type=Path, help="instead of the demo clip of known people")
    parser.add_argument("--people", type=int, help="how many are in --video")
    parser.add_argument("--out", type=Path, default=Path("out/smoke"))
    given = parser.parse_args(arguments)
    if (given.video is None) != (given.people is None):
        parser.error("--video and --people belong together")
    with tempfile.TemporaryDirectory(prefix="talent-frames-smoke-") as name:
        video, people = given.video, given.people
        if video is None:
            from talent_frames import demo

            video, people = Path(name) / "demo.mp4", len(demo.PEOPLE)
            demo.make_clip(video)
        try:
            clients = Clients(boto3.client("s3"), boto3.client("stepfunctions"))
            smoke(outputs_of(given.stack, given.outputs), video, people, given.out, clients)
        except Trouble as trouble:
            sys.exit(f"smoke: {trouble}")


if __name__ == "__main__":
    main(sys.argv[1:])
