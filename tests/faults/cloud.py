"""Schedules of faults through the pipeline in the emulated account: an upload meets one, then it is started again.

A schedule is right if each execution publishes what an undisturbed one does, once told of, or fails and says why in
the ledger and in its event, and if the start after the fault is over has published it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import resource
import signal
import threading
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.aws.conftest import MAIN, deploy, emulated
from tests.aws.emulator import SOON_S, Cloud, Fault, Stack, wait_for
from tests.aws.runtime import Worker
from tests.faults.clips import SETTINGS, make_videos
from tests.faults.end import End
from tests.faults.likeness import differences

STACK: dict[str, Any] = {**MAIN, "stack": "Faults", "run": SETTINGS}
MIB = 2**20
STEP_S = 1.2
"""A warm function is done with a small clip by then."""

KINDS: dict[str, int] = {
    "function killed": 40, "S3 busy": 25, "S3 answer lost": 20, "S3 slow": 10, "ledger throttled": 12,
    "ledger answer lost": 12, "state machine's own calls": 20, "URL expired": 15, "source deleted": 15,
    "source overwritten": 10, "near its time": 15, "few handles": 8, "little memory": 8, "files may not grow": 8,
    "announced again": 12, "older upload last": 8, "two at once": 8, "stopped": 12,
}  # fmt: skip
"""Of 258 schedules, how many are of each kind."""

BUSY = r"ServiceUnavailable|SourceUnreachable|DynamoDB\.|EventBridge\.|States\.ItemReaderFailed|S3\."
CAUSES: dict[str, str] = {
    "function killed": r"Runtime\.ExitError", "S3 busy": BUSY, "S3 answer lost": BUSY, "S3 slow": BUSY,
    "ledger throttled": BUSY, "ledger answer lost": BUSY, "state machine's own calls": rf"{BUSY}|States\.Runtime",
    "URL expired": r"SourceRefused|SourceUnreachable", "source deleted": r"SourceMissing", "source overwritten": r"$.^",
    "near its time": r"Sandbox\.Timedout", "few handles": r"OSError|ServiceUnavailable|Runtime\.ExitError|SSLError",
    "little memory": r"Runtime\.|MemoryError|Fatal|ServiceUnavailable|RuntimeError|[Ee]xception",
    "files may not grow": r"NoSpace",
    "announced again": r"$.^", "older upload last": r"$.^", "two at once": r"$.^",
    "stopped": r"Aborted|States\.Runtime",
}  # fmt: skip
"""The error that ledger and event may tell, by the fault. What a failing call of the state machine is called is the
service's own error at AWS and `States.Runtime` in the emulated account, which also stumbles
over some that are stopped."""
PUTS = (
        r"/plan\.json", r"/chunks\.json", r"/detections/", r"/frames/", r"/chunks/0", r"/selection\.json",
        r"/segments/",
        r"\.jpg", r"/manifest\.json", r"/report\.html", r"/latest\.json", r"/failures/",
)  # fmt: skip
GETS = (
    r"\.mp4$|\.mkv$",
    r"/plan\.json",
    r"/detections/",
    r"/frames/",
    r"/chunks/0",
    r"/selection\.json",
    r"/segments/",
)


@dataclass(frozen=True)
class Schedule:
    number: int
    kind: str
    container: str
    stage: str
    times: int
    """How many invocations or requests meet the fault."""
    at_s: float
    """Into an invocation, or after an upload."""
    size: int
    what: tuple[str, str]
    """Method and path of requests, or service and operation."""


def schedules(seed: int, count: int) -> Iterator[Schedule]:
    """The schedules of a seed."""
    for number in range(count):
        chosen = random.Random(f"cloud {seed} {number}")
        kind = chosen.choices([*KINDS], [*KINDS.values()])[0]
        stage = chosen.choice(["Split", "Detect", "Detect", "Cluster", "Publish"])
        puts = chosen.random() < 0.5
        what = ("PUT", chosen.choice(PUTS)) if puts else ("GET", chosen.choice(GETS))
        if kind.startswith("ledger"):
            what = ("POST", chosen.choice(["UpdateItem", "UpdateItem", "PutItem", "GetItem"]))
        elif kind == "state machine's own calls":
            operations = ("UpdateItem", "UpdateItem", "PutEvents", "PutMetricData", "GetObject")
            what = chosen.choice(operations), chosen.choice(["busy", "lost"])
        sizes = {
            "few handles": chosen.randrange(6, 40),
            "little memory": chosen.randrange(1, 200) * MIB,
            "files may not grow": chosen.randrange(0, 200_000),
        }
        yield Schedule(
            number=number,
            kind=kind,
            container="mkv" if kind == "files may not grow" else chosen.choice(["mp4", "mp4", "mkv"]),
            stage="Split" if kind == "files may not grow" else stage,
            times=chosen.choice([1, 1, 1, 2, 3, 4, 10]),
            at_s=chosen.uniform(0, STEP_S),
            size=sizes.get(kind, 0),
            what=what,
        )


class Bench:
    """An account with one stack, and the undisturbed runs of it; `with` ends it."""

    def __init__(self, folder: Path, pack: Path) -> None:
        (folder / "cloud").mkdir(parents=True)
        self.videos = make_videos(folder)
        self._ending = contextlib.ExitStack()
        self.cloud: Cloud = self._ending.enter_context(emulated(folder / "cloud", pack))
        self.calls = _OwnCalls(self._ending)
        self.stack: Stack = deploy(self.cloud, STACK, pack, folder / "stack")
        self.undisturbed: dict[str, str] = {}
        """Published folder by container."""
        for name, path in self.videos.items():
            arn, ended = self.run(path, f"undisturbed/{path.name}")
            assert ended["status"] == "SUCCEEDED", ended
            self.undisturbed[name] = self.stack.folder_of(arn)

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def run(self, video: Path, key: str) -> tuple[str, dict[str, Any]]:
        before = self.stack.arns()
        self.stack.upload(video, key)
        (arn,) = self.stack.started(before)
        return arn, self.stack.ended(arn)

    def row(self, arn: str) -> dict[str, Any]:
        return self.stack.execution_row(arn)

    def unlike(self, arn: str, container: str) -> list[str]:
        """In what an execution's results differ from the undisturbed ones."""

        def read(place: str) -> Callable[[str], bytes]:
            return lambda file: self.stack.read("Published", place + file)

        try:
            return differences(read(self.undisturbed[container]), read(self.stack.folder_of(arn)))
        except Exception as error:
            return [f"{error!r}; the ledger holds {self.row(arn)}"]

    def told_of_failures(self, mention: str) -> list[dict[str, Any]]:
        """The same, `Video Failed` alone: an event whose answer was lost may have told before that all is well."""
        return [one for one in self.told(mention) if one["detail-type"] == "Video Failed"]

    def told(self, mention: str) -> list[dict[str, Any]]:
        """Events about a run or an execution."""
        return [one.body for one in list(self.cloud.receiver.received) if mention in json.dumps(one.body)]

    def calm(self) -> None:
        """Takes every fault away; functions that had less than they need are ended."""
        self.cloud.faults.clear()
        self.cloud.functions.before = None
        self.calls.ordered.clear()

    def work_off(self, schedule: Schedule) -> End[Schedule]:
        """Carries out a schedule and looks at how it ended; nothing of it is left in the account then."""
        attempt = _Attempt(self, schedule)
        end = attempt.carry_out()
        self.stack.forget(attempt.key)
        return end


class _OwnCalls:
    """Faults of the calls the state machine makes itself, which do not go through the server."""

    def __init__(self, ending: contextlib.ExitStack) -> None:
        from botocore.client import BaseClient
        from botocore.exceptions import ClientError

        self.ordered: list[list[Any]] = []
        """Operation, `busy` or `lost`, and how many times."""
        call = BaseClient._make_api_call
        ours = self

        def make_api_call(client: Any, operation: str, arguments: Any) -> Any:
            # The interpreter's clients have this key.
            its_own = client._request_signer._credentials.access_key == "ak"
            for fault in ours.ordered if its_own else []:
                if fault[0] == operation and fault[2]:
                    fault[2] -= 1
                    if fault[1] == "lost":
                        call(client, operation, arguments)
                    code = "InternalServerErrorException" if operation == "UpdateItem" else "InternalException"
                    if operation == "PutMetricData":
                        code = "InternalServiceFaultException"
                    facts = {"HTTPStatusCode": 500, "RequestId": "none"}
                    raise ClientError(
                        {"Error": {"Code": code, "Message": "ordered"}, "ResponseMetadata": facts}, operation
                    )
            return call(client, operation, arguments)

        patch = ending.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(BaseClient, "_make_api_call", make_api_call)


class _Attempt:
    """One schedule at work."""

    def __init__(self, bench: Bench, schedule: Schedule) -> None:
        self.bench, self.schedule, self.stack = bench, schedule, bench.stack
        self.key = f"faults/{schedule.number:04d}/clip.{schedule.container}"
        self.left = schedule.times
        self.starved: list[Worker] = []
        self.lock = threading.Lock()

    def carry_out(self) -> End[Schedule]:
        schedule, bench, stack = self.schedule, self.bench, self.stack
        end = End(schedule, "")
        video = bench.videos[schedule.container]
        self._order()
        before = stack.arns()
        uploaded = stack.upload(video, self.key)
        (arn,) = stack.started(before)
        more = self._while_it_runs(arn, uploaded, before)
        try:
            end.first = self._judge(arn, end.wrong)
            for another, container in more:
                self._judge(another, end.wrong, container)
        except TimeoutError as error:
            end.first = "hang"
            end.wrong.append(f"hangs: {error}")
        bench.calm()
        for worker in self.starved:
            worker.end()
        self._again(uploaded, end)
        return end

    # the faults

    def _order(self) -> None:
        schedule, faults = self.schedule, self.bench.cloud.faults
        by_request: dict[str, Fault] = {
            "S3 busy": "busy", "S3 answer lost": "lost", "S3 slow": "slow", "ledger throttled": "busy",
            "ledger answer lost": "lost", "URL expired": "expired",
        }  # fmt: skip
        if schedule.kind == "URL expired":
            faults.order("GET", rf"{self.key}|/segments/", schedule.times, "expired")
        elif schedule.kind in by_request:
            faults.order(*schedule.what, schedule.times, by_request[schedule.kind])
        elif schedule.kind == "state machine's own calls":
            self.bench.calls.ordered.append([*schedule.what, schedule.times])
        elif schedule.kind in (
            "function killed",
            "near its time",
            "few handles",
            "little memory",
            "files may not grow",
        ):
            self.bench.cloud.functions.before = self._before

    def _before(self, name: str, worker: Worker) -> float | None:
        """What an invocation of the schedule's stage meets."""
        schedule = self.schedule
        if f"-{schedule.stage}Function" not in name:
            return None
        with self.lock:
            if not self.left:
                return None
            self.left -= 1
        if schedule.kind == "near its time":
            return 0.05 + schedule.at_s / 2
        if schedule.kind == "function killed":
            threading.Timer(schedule.at_s, lambda: _kill(worker)).start()
            return None
        kind = {"few handles": resource.RLIMIT_NOFILE, "little memory": resource.RLIMIT_AS}.get(
            schedule.kind, resource.RLIMIT_FSIZE
        )
        size = schedule.size
        if schedule.kind == "little memory":
            # More than it holds already.
            size += int(Path(f"/proc/{worker.process.pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(worker.process.pid, kind, (size, resource.prlimit(worker.process.pid, kind)[1]))
        self.starved.append(worker)
        return None

    def _while_it_runs(self, arn: str, uploaded: dict[str, Any], before: list[str]) -> list[tuple[str, str]]:
        """Does what comes while the execution runs; further executions of it, each with the container it was of."""
        schedule, stack, bench = self.schedule, self.stack, self.bench
        s3, bucket = bench.cloud.client("s3"), stack.outputs["SourceBucketName"]
        if schedule.kind in ("source deleted", "source overwritten", "stopped", "announced again"):
            time.sleep(schedule.at_s * 2)
        if schedule.kind == "source deleted":
            s3.delete_object(Bucket=bucket, Key=self.key, VersionId=uploaded["VersionId"])
        elif schedule.kind == "stopped":
            with contextlib.suppress(Exception):
                bench.cloud.client("stepfunctions").stop_execution(executionArn=arn)
        elif schedule.kind == "source overwritten":
            known = stack.arns()
            stack.upload(bench.videos["other"], self.key)
            return [(stack.started(known)[0], "other")]
        elif schedule.kind == "two at once":
            other = stack.start({"bucket": bucket, "key": self.key, "settings": {"representative": 1}})
            stack.ended(other)
        elif schedule.kind == "announced again":
            for _ in range(2):
                stack.start(self._announcement(uploaded))
            return [(one, schedule.container) for one in stack.started(before, 3)]
        elif schedule.kind == "older upload last":
            # The first upload's event comes again after the second upload's run has ended.
            stack.ended(arn)
            known = stack.arns()
            second = stack.upload(bench.videos["other"], self.key)
            (newer,) = stack.started(known)
            stack.ended(newer)
            late = stack.start(self._announcement(uploaded) | {"force": "late"})
            stack.ended(late)
            assert second["VersionId"] != uploaded["VersionId"]
            return [(newer, "other")]
        return []

    def _announcement(self, uploaded: dict[str, Any]) -> dict[str, Any]:
        thing = {"key": self.key, "etag": uploaded["ETag"].strip('"'), "version-id": uploaded["VersionId"]}
        return {
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": self.stack.outputs["SourceBucketName"]}, "object": thing},
        }

    # the ends

    def _judge(self, arn: str, wrong: list[str], container: str = "") -> str:
        """In a word how an execution ended; what is wrong with it is added."""
        bench, stack, kind = self.bench, self.stack, self.schedule.kind
        ended = stack.ended(arn)
        if ended["status"] == "SUCCEEDED":
            row = bench.row(arn)
            if row.get("status") in ("AlreadyDone", "AlreadyRunning"):
                return str(row["status"])
            if found := bench.unlike(arn, container or self.schedule.container):
                wrong.append(f"published something else: {found[:3]}")
            run = row["run"]
            if (row["status"], stack.row(run)["status"]) != ("DONE", "DONE"):
                wrong.append(f"the ledger holds {row['status']} and {stack.row(run)['status']}")
            told = wait_for(lambda: bench.told(run), lambda seen: len(seen) >= 1, SOON_S)
            # A call whose answer was lost is made again: consumers know a run by its id.
            most = 1 + (self.schedule.times if self.schedule.what == ("PutEvents", "lost") else 0)
            if [one["detail-type"] for one in told].count("Video Processed") > most:
                wrong.append(f"told {len(told)} times")
            return "published"
        try:
            row = wait_for(lambda: bench.row(arn), lambda found: found.get("status") == "FAILED", SOON_S)
            events = wait_for(lambda: bench.told_of_failures(arn), lambda seen: len(seen) >= 1, SOON_S)
        except TimeoutError as error:
            wrong.append(f"a failure nobody is told of: {ended.get('error')} {ended.get('cause')} {error}")
            return "failed"
        detail = next(one["detail"] for one in events)
        # One that is stopped as it begins is in no state yet.
        if detail["error"] != row["error"] or not (detail["stage"] or kind == "stopped"):
            wrong.append(f"ledger says {row['error']}, event {detail['error']} in {detail['stage']!r}")
        if not re.match(CAUSES[kind], row["error"]) or not (row.get("cause") or kind == "stopped"):
            wrong.append(f"failed by another cause: {row['error']}: {row.get('cause')}")
        return f"{row['error']}: {str(row.get('cause'))[:80]}"

    def _again(self, uploaded: dict[str, Any], end: End[Schedule]) -> None:
        """Starts the video again, as a user would once the fault is over."""
        bench, stack, schedule = self.bench, self.stack, self.schedule
        if schedule.kind == "source deleted":
            arn, ended = bench.run(bench.videos[schedule.container], self.key)
        else:
            arn = stack.start(self._announcement(uploaded))
            ended = stack.ended(arn)
        if ended["status"] != "SUCCEEDED":
            end.wrong.append(f"again: {ended.get('error')}: {ended.get('cause')}")
            return
        if found := bench.unlike(arn, schedule.container):
            end.wrong.append(f"again: published something else: {found[:3]}")
        row = stack.row(bench.row(arn)["run"])
        if row["status"] != "DONE":
            end.wrong.append(f"again: the ledger holds {row}")
        latest = json.loads(stack.read("Published", f"{self.key}/latest.json"))
        newest = "other" if schedule.kind in ("source overwritten", "older upload last") else schedule.container
        manifest = stack.read("Published", latest["prefix"] + "manifest.json")
        of_other = types.SimpleNamespace(frames=json.loads(manifest)["source"]["frame_count"])
        whole = json.loads(stack.read("Published", bench.undisturbed[newest] + "manifest.json"))
        if of_other.frames != whole["source"]["frame_count"]:
            end.wrong.append(f"latest.json points to an older upload: {latest}")


def _kill(worker: Worker) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker.process.pid, signal.SIGKILL)
