"""What a video would take and cost in the cloud: measured stage times, AWS' prices and limits, reckoned together.

Pure: no files, and nothing calls AWS. Prices come from lambdas/publish/cost.py; what is neither measured nor a price
is a field of `Cloud`, each with its source.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, field

from benchmarks.stage_times import PackTimes, Times
from infra.settings import from_context
from lambdas.contracts import Deployment
from lambdas.publish.cost import PRICES, TRANSITIONS_PER_RUN, Line, Stage, Work, estimate, gpu_hour

STACK = from_context({})
"""A deployment that sets nothing."""
WHOLE_VCPU_MIB = 1769
"""Where a function has one whole vCPU (AWS Lambda developer guide, "Configure Lambda function memory")."""


@dataclass(frozen=True)
class Cloud:
    """What is assumed of AWS. None of it is measured by us: set it to what your account shows."""

    vcpu_speed: float = 1.0
    """A Lambda vCPU against the core that stage times were measured on."""
    state_s: float = 0.05
    """A step from one state to the next: Step Functions' usual latency."""
    announce_s: float = 1.0
    """From the end of the upload to the first state: S3 to EventBridge to Step Functions, usually about a second."""
    map_s: float = 1.5
    """Start and end of a distributed map: a child execution each, results collected."""
    environment_s: float = 1.5
    """A cold function before its own first line: microVM and image, fetched in parts as they are touched. On Demand
    Container Loading in AWS Lambda (Brooker et al., USENIX ATC 2023) has median image starts below a second; large
    libraries touch much of the image."""
    new_per_s: int = 100
    """New environments a function gets: 1,000 every 10 s (AWS Lambda developer guide, "Understanding scaling")."""
    concurrency: int = 1000
    """Functions at once in one account and region; a new account starts with 10."""
    s3_bytes_per_s: float = 60e6
    """One function reading from S3: Lambda's network gives about 75 MB/s."""
    chunk_requests_s: float = 0.4
    """A chunk's other requests: plan, document, three writes, first bytes of the video."""
    spread: float = 0.25
    """Chunks differ: standard deviation of their seconds, as a share."""
    batch_start_s: float = 240.0
    """From a submitted job to its first line when no machine runs: Batch's look at the queue, EC2's start, the agent,
    an image of several GB. Three to five minutes are usual."""
    batch_warm_s: float = 15.0
    """The same while a machine still runs."""
    batch_idle_s: float = 120.0
    """What Batch keeps an idle machine before it ends it, and the machine's own end; paid for."""
    gpu_machine: str = STACK.deployment().gpu_machine
    gpu_vcpus: int = STACK.gpu_vcpus
    gpu_disk_gib: int = STACK.deployment().gpu_disk_gib
    gpu_decode_fps: float = 700.0
    """1080p H.264 frames a second of a T4's two NVDEC engines, below NVIDIA's 1,000 and more: every frame is copied."""
    gpu_models_speed: float = 10.0
    """A T4 against one core, for networks run in batches of a few frames. An assumption until benchmarks.gpu ran."""
    gpu_machines: int = STACK.gpu_max_vcpus // STACK.gpu_vcpus
    """Machines at once, each with the vCPUs of one job."""


@dataclass(frozen=True)
class Choice:
    """What a deployment may choose."""

    chunk_s: float = STACK.run.chunk_s
    memory_mib: dict[str, int] = field(default_factory=lambda: dict(STACK.deployment().memory_mib))
    at_once: int = STACK.map_concurrency
    """Chunks of one run at once."""
    arm: bool = False

    @property
    def deployment(self) -> Deployment:
        return Deployment(architecture="arm64" if self.arm else "x86_64", memory_mib=self.memory_mib)


@dataclass(frozen=True)
class Outcome:
    """What one video takes."""

    latency_s: float
    usd: float
    worker_s: float
    """Detect's billed seconds, or the machine's."""


GPU_STEPS = ("detect", "embed", "read")
"""detect's steps that are networks."""
DECODE_STEPS = ("decode",)
STATES_UP_TO_MANIFEST = TRANSITIONS_PER_RUN - 2
"""Of an upload's states all but the last two, which come after the manifest."""
REACH = 1.15
"""Chunks end at keyframes and at the video's end, so there are a few more than length / chunk."""
MOST_PEOPLE = 40
"""Of a long video, as assumed here: people come again."""


def share(memory_mib: int, threads: int = 1) -> float:
    """Whole vCPUs' worth that a function with so many busy threads gets."""
    return min(memory_mib / WHOLE_VCPU_MIB, float(threads))


def chunk_count(video_s: float, choice: Choice) -> int:
    return max(1, math.ceil(video_s / choice.chunk_s * (REACH if video_s > choice.chunk_s else 1.0)))


def lambda_route(
    times: PackTimes, video_s: float, choice: Choice, cloud: Cloud, *, warm: bool, seed: int = 0
) -> Outcome:
    """One video through the map of functions."""
    random_ = random.Random(seed)
    chunks = chunk_count(video_s, choice)
    detect_speed = share(choice.memory_mib["detect"]) * cloud.vcpu_speed
    starts_s = 0.0 if warm else cloud.environment_s
    own_start_s = 0.0 if warm else times.detector_starts_s / detect_speed
    each_s = (
        times.detect_s / times.video_s * video_s / chunks / detect_speed
        + times.bytes / times.video_s * video_s / chunks / cloud.s3_bytes_per_s
        + cloud.chunk_requests_s
    )
    at_once = min(choice.at_once, cloud.concurrency, chunks)
    # When each worker is free; new environments come a few at a time.
    free = [(number / cloud.new_per_s, False) for number in range(at_once)]
    heapq.heapify(free)
    end_s = billed_s = 0.0
    for _ in range(chunks):
        at, started = heapq.heappop(free)
        work_s = each_s * max(0.3, random_.gauss(1.0, cloud.spread))
        busy_s = work_s + (0.0 if started else own_start_s)
        done = at + busy_s + (0.0 if started else starts_s)
        billed_s += busy_s
        end_s = max(end_s, done)
        heapq.heappush(free, (done, True))
    rest_s, rest_billed = other_stages(times, video_s, choice, cloud, warm=warm)
    latency = cloud.announce_s + STATES_UP_TO_MANIFEST * cloud.state_s + cloud.map_s + end_s + rest_s
    return Outcome(latency, price(times, video_s, chunks, rest_billed | {"detect": billed_s}, choice), billed_s)


def other_stages(
    times: PackTimes, video_s: float, choice: Choice, cloud: Cloud, *, warm: bool
) -> tuple[float, dict[Stage, float]]:
    """Seconds of split, cluster and publish one after the other, and what each is billed for."""
    longer = video_s / times.video_s
    files = files_of(times, video_s)
    work: dict[Stage, tuple[float, float, int]] = {
        "split": (0.3, times.split_s + 0.2, 1),
        "cluster": (times.cluster_starts_s, times.cluster_s * max(1.0, longer), 1),
        # publish works on several pictures at once.
        "publish": (times.publish_starts_s, times.publish_s * files / times.files, 8),
    }
    latency = 0.0
    billed: dict[Stage, float] = {}
    for stage, (start_s, work_s, threads) in work.items():
        speed = cloud.vcpu_speed
        busy = work_s / (share(choice.memory_mib[stage], threads) * speed)
        if not warm:
            busy += start_s / (share(choice.memory_mib[stage]) * speed)
            latency += cloud.environment_s
        billed[stage] = busy
        latency += busy
    return latency, billed


def files_of(times: PackTimes, video_s: float) -> float:
    """Files published: scenes grow with the video, people up to MOST_PEOPLE, the rest is fixed."""
    longer = video_s / times.video_s
    people = max(times.people, min(MOST_PEOPLE, times.people * longer))
    each = max(0.0, times.files - times.scenes - 13) / max(1, times.people)
    return 13 + times.scenes * longer + people * each


def bill(times: PackTimes, video_s: float, chunks: int, seconds: dict[Stage, float], choice: Choice) -> list[Line]:
    """What one video is charged for, largest first; `seconds` are the functions' own."""
    longer = video_s / times.video_s
    work = Work(
        seconds=seconds,
        chunks=chunks,
        segments=0,
        segment_bytes=0,
        video_s=video_s,
        staged_frame_bytes=times.staged_bytes / times.staged_frames,
        frames_read=round(times.frames_read * longer),
        files_published=round(files_of(times, video_s)),
    )
    return estimate(work, choice.deployment)


def price(times: PackTimes, video_s: float, chunks: int, seconds: dict[Stage, float], choice: Choice) -> float:
    return sum(line.usd for line in bill(times, video_s, chunks, seconds, choice))


def gpu_seconds(times: PackTimes, all_times: Times, name: str, video_s: float, cloud: Cloud) -> tuple[float, bool]:
    """A GPU machine's seconds for the detect stage, and whether they are measured."""
    measured = all_times.gpu.get(name)
    if measured is not None:
        return measured.wall_s * video_s / measured.video_s, True
    per_s = times.detect_s / times.video_s
    models = sum(times.steps.get(step, 0.0) for step in GPU_STEPS) * per_s / cloud.gpu_models_speed
    decode = 30.0 / cloud.gpu_decode_fps
    host = (1 - sum(times.steps.get(step, 0.0) for step in (*GPU_STEPS, *DECODE_STEPS))) * per_s / cloud.gpu_vcpus
    return max(models, decode, host) * video_s, False


def gpu_route(
    times: PackTimes,
    all_times: Times,
    name: str,
    video_s: float,
    choice: Choice,
    cloud: Cloud,
    *,
    warm: bool,
    spot: bool = True,
) -> Outcome:
    """One video through one Batch job. A warm machine's idle time is the next job's."""
    busy_s, _ = gpu_seconds(times, all_times, name, video_s, cloud)
    busy_s += times.detector_starts_s + 3.0
    start_s = cloud.batch_warm_s if warm else cloud.batch_start_s
    paid_s = busy_s + (0.0 if warm else start_s + cloud.batch_idle_s)
    rest_s, billed = other_stages(times, video_s, choice, cloud, warm=warm)
    chunks = max(1, math.ceil(video_s / choice.chunk_s))
    usd = price(times, video_s, chunks, billed, choice) - 2 * chunks * PRICES.state_transition
    latency = cloud.announce_s + STATES_UP_TO_MANIFEST * cloud.state_s + start_s + busy_s + rest_s
    return Outcome(latency, usd + paid_s * gpu_usd_per_s(cloud, spot=spot), paid_s)


def gpu_usd_per_s(cloud: Cloud, *, spot: bool) -> float:
    return gpu_hour(cloud.gpu_machine, spot, cloud.gpu_disk_gib) / 3600


def gpu_threshold_s(all_times: Times, name: str, choice: Choice, cloud: Cloud, *, no_later: bool = True) -> int | None:
    """The shortest length that costs less on a GPU machine started for it alone (and ends no later), None if none."""
    times = all_times.packs[name]
    for video_s in range(300, 36_001, 300):
        functions = lambda_route(times, video_s, choice, cloud, warm=False)
        machine = gpu_route(times, all_times, name, video_s, choice, cloud, warm=False)
        if machine.usd < functions.usd and (not no_later or machine.latency_s <= functions.latency_s):
            return video_s
    return None


def backlog(
    times: PackTimes, all_times: Times, name: str, videos: int, video_s: float, choice: Choice, cloud: Cloud
) -> list[tuple[str, float, float]]:
    """Route, hours until the last is done, USD: everything warm but the first minutes."""
    one = lambda_route(times, video_s, choice, cloud, warm=True)
    lambda_h = (videos * one.worker_s / cloud.concurrency + one.latency_s) / 3600
    gpu = gpu_route(times, all_times, name, video_s, choice, cloud, warm=True)
    rows = [(f"Lambda, {cloud.concurrency:,} at once", lambda_h, videos * one.usd)]
    for machines in (cloud.gpu_machines, 50):
        hours = (videos * gpu.worker_s / machines + cloud.batch_start_s) / 3600
        rows.append((f"{machines} x {cloud.gpu_machine}, spot", hours, videos * gpu.usd))
    return rows


def buffalo(times: PackTimes) -> PackTimes:
    """The same video with networks of buffalo_l's size: SCRFD-10G for SCRFD-500M, ResNet-50 for MobileFaceNet.

    By multiply-adds: 10 against 0.5 GFLOPs at 640x480, 6.3 against 0.44 a face; larger layers run about twice as
    efficiently, as SCRFD-2.5G does (88 ms for five times the work of 21).
    """
    factor = {"detect": 20 / 2, "embed": 14 / 1.2}
    seconds = {step: part * times.detect_s * factor.get(step, 1.0) for step, part in times.steps.items()}
    total = sum(seconds.values())
    return times.model_copy(
        update={
            "detect_s": total,
            "steps": {step: spent / total for step, spent in seconds.items()},
            "detect_peak_mib": times.detect_peak_mib + 350,
            "detector_starts_s": times.detector_starts_s + 1.0,
        }
    )
