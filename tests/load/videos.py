"""Many videos at once through the pipeline in the emulated account, each announced twice: uploaded and on the queue.

Nothing may be lost or doubled: every video is published once, as one alone would be, and told of once.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from tests.aws.conftest import MAIN, deploy, emulated
from tests.aws.emulator import Stack, wait_for
from tests.clips import ffmpeg
from tests.faults.clips import SETTINGS, make_videos
from tests.faults.likeness import differences

STACK: dict[str, Any] = {**MAIN, "stack": "Load", "run": SETTINGS}
VIDEO_S = 240.0
"""How long the videos may take, for each of them, on a machine that is busy with other work."""


@dataclass
class Outcome:
    """What came of it."""

    videos: int
    executions: dict[str, int] = field(default_factory=dict)
    """How many ended how: DONE, AlreadyRunning, AlreadyDone or the error."""
    at_once: int = 0
    """The most executions that were seen running together."""
    seconds: float = 0.0
    """From the first upload to the end of the last execution."""
    wrong: list[str] = field(default_factory=list)
    """What should have been otherwise; empty where all is well."""


def work_off(count: int, seed: int, folder: Path, pack: Path) -> Outcome:
    """Uploads so many videos at once and puts a message for each on the queue, in an order of the seed."""
    (folder / "cloud").mkdir(parents=True)
    clip = make_videos(folder)["mp4"]
    with emulated(folder / "cloud", pack) as cloud:
        stack = deploy(cloud, STACK, pack, folder / "stack")
        stack.upload(clip, "alone/video.mp4")
        (alone,) = stack.started([])
        assert stack.ended(alone)["status"] == "SUCCEEDED", stack.ended(alone)
        whole = stack.folder_of(alone)

        found = Outcome(count)
        known = {alone}
        keys = [f"tok/{number:04d}/video.mp4" for number in range(count)]
        announced = [(key, by) for key in keys for by in ("upload", "message")]
        random.Random(f"load {seed}").shuffle(announced)
        # A message may be there before its video is: it is sent after, as whoever sends it has uploaded the video.
        announced.sort(key=lambda one: one[1] == "message")
        began = time.monotonic()
        uploads = [
            threading.Thread(target=_upload, args=(stack, clip, folder, key)) for key, by in announced if by == "upload"
        ]
        for upload in uploads:
            upload.start()
        for upload in uploads:
            upload.join()
        for key, by in announced:
            if by == "message":
                _send(stack, key)
        arns = _all_ended(stack, known, 2 * count, found)
        found.seconds = time.monotonic() - began
        _judge(stack, arns, keys, whole, [one.body for one in list(cloud.receiver.received)], found)
    return found


def _upload(stack: Stack, clip: Path, folder: Path, key: str) -> None:
    """The clip with a title of its own, so that no two objects are the same."""
    own = folder / f"{key.replace('/', '-')}"
    ffmpeg("-i", str(clip), "-c", "copy", "-bitexact", "-metadata", f"title={key}", str(own))
    stack.upload(own, key)


def _send(stack: Stack, key: str) -> None:
    body = json.dumps({"platform": "tok", "shortcode": key.split("/")[1]})
    boto3.client("sqs").send_message(QueueUrl=stack.outputs["QueueUrl"], MessageBody=body)


def _all_ended(stack: Stack, known: set[str], count: int, found: Outcome) -> list[str]:
    """ARNs of the executions started since, once there are so many and none runs."""

    def look() -> list[dict[str, Any]]:
        new = [one for one in stack.executions() if one["executionArn"] not in known]
        found.at_once = max(found.at_once, sum(one["status"] == "RUNNING" for one in new))
        return new

    def enough(new: list[dict[str, Any]]) -> bool:
        return len(new) >= count and all(one["status"] != "RUNNING" for one in new)

    try:
        ended = wait_for(look, enough, VIDEO_S * count)
    except TimeoutError as error:
        found.wrong.append(f"not drained: {error}")
        ended = look()
    return [one["executionArn"] for one in ended]


def _judge(
    stack: Stack, arns: list[str], keys: list[str], whole: str, told: list[dict[str, Any]], found: Outcome
) -> None:
    """Adds what is wrong: an execution too many or too few, a video lost, doubled, unlike the one alone, or untold."""
    if len(arns) != 2 * len(keys):
        found.wrong.append(f"{len(arns)} executions for {2 * len(keys)} announcements")
    rows = [stack.execution_row(arn) for arn in arns]
    found.executions = dict(Counter(str(row.get("status", "without a row")) for row in rows))
    for row in rows:
        if row.get("status") not in ("DONE", "AlreadyRunning", "AlreadyDone"):
            found.wrong.append(f"an execution ended with {row}")
    runs = Counter(row["run"] for row in rows if row.get("status") == "DONE")
    if len(runs) != len(keys) or set(runs.values()) != {1}:
        found.wrong.append(f"{len(runs)} runs of {len(keys)} videos were done, {sum(runs.values())} times in all")
    events = Counter(run for run in runs for one in told if run in json.dumps(one))
    if set(events.values()) != {1} or len(events) != len(runs):
        found.wrong.append(f"events by run: {events.most_common(3)}, {len(events)} of {len(runs)} told")
    for key in keys:
        place = f"{key}/"
        folders = {name.removeprefix(place).partition("/")[0] for name in stack.keys("Published", place)}
        if len(folders) != 2 or "latest.json" not in folders:
            found.wrong.append(f"{key}: published {sorted(folders)}")
            continue
        run = next(iter(folders - {"latest.json"}))
        unlike = differences(
            lambda file: stack.read("Published", whole + file),
            lambda file, where=f"{place}{run}/": stack.read("Published", where + file),  # type: ignore[misc]
        )
        if unlike:
            found.wrong.append(f"{key}: unlike the video alone in {unlike[:3]}")
    attributes = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    for queue in boto3.client("sqs").list_queues().get("QueueUrls", []):
        left = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=attributes)["Attributes"]
        if any(int(value) for value in left.values()):
            found.wrong.append(f"left in {queue.rpartition('/')[2]}: {left}")
