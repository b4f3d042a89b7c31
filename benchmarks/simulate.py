"""What a video would take and cost in the cloud: measured stage times, AWS' prices and limits, reckoned together.

    python -m benchmarks.simulate                 all tables
    python -m benchmarks.simulate --docs          and docs/cost.md's tables and plots anew

Nothing here calls AWS. Stage times come from benchmarks/stage_times.json (made by benchmarks.stage_times and, on a GPU,
benchmarks.gpu), prices from lambdas/publish/cost.py; what is neither measured nor a price is a field of `Cloud`, each
with its source.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.stage_times import PackTimes, Times, read_times
from lambdas.contracts import Deployment
from lambdas.publish.cost import DEPLOYMENT, PRICES, Stage, Work, estimate, gpu_hour

WHOLE_VCPU_MIB = 1769
"""Where a function has one whole vCPU (AWS Lambda developer guide, "Configure Lambda function memory")."""
ROOT = Path(__file__).parent.parent


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
    gpu_machine: str = "g4dn.xlarge"
    gpu_vcpus: int = 4
    gpu_disk_gib: int = 60
    gpu_decode_fps: float = 700.0
    """1080p H.264 frames a second of a T4's two NVDEC engines, below NVIDIA's 1,000 and more: every frame is copied."""
    gpu_models_speed: float = 10.0
    """A T4 against one core, for networks run in batches of a few frames. An assumption until benchmarks.gpu ran."""
    gpu_machines: int = 4
    """Machines at once: gpu_max_vcpus 16 of infra/settings.py, four vCPUs each."""


@dataclass(frozen=True)
class Choice:
    """What a deployment may choose."""

    chunk_s: float = 60.0
    memory_mib: dict[str, int] = field(default_factory=lambda: dict(DEPLOYMENT.memory_mib))
    at_once: int = 8
    """Chunks of one run at once: map_concurrency of infra/settings.py."""
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
BUFFALO = "buffalo_l's size"
REACH = 1.15
"""Chunks end at keyframes and at the video's end, so there are a few more than length / chunk."""
MOST_PEOPLE = 40
"""Of a long video, as assumed here: people come again."""


def share(memory_mib: int, threads: int = 1) -> float:
    """Whole vCPUs' worth that a function with so many busy threads gets."""
    return min(memory_mib / WHOLE_VCPU_MIB, float(threads))


def lambda_route(
    times: PackTimes, video_s: float, choice: Choice, cloud: Cloud, *, warm: bool, seed: int = 0
) -> Outcome:
    """One video through the map of functions."""
    random_ = random.Random(seed)
    chunks = max(1, math.ceil(video_s / choice.chunk_s * (REACH if video_s > choice.chunk_s else 1.0)))
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
    latency = cloud.announce_s + 17 * cloud.state_s + cloud.map_s + end_s + rest_s
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


def price(times: PackTimes, video_s: float, chunks: int, seconds: dict[Stage, float], choice: Choice) -> float:
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
    return sum(line.usd for line in estimate(work, choice.deployment))


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
    latency = cloud.announce_s + 17 * cloud.state_s + start_s + busy_s + rest_s
    return Outcome(latency, usd + paid_s * gpu_usd_per_s(cloud, spot=spot), paid_s)


def gpu_usd_per_s(cloud: Cloud, *, spot: bool) -> float:
    return gpu_hour(cloud.gpu_machine, spot, cloud.gpu_disk_gib) / 3600


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


LONGER_CHUNK_S = 90.0
"""Beside the default: fewer chunks cost less and take longer."""
LENGTHS_S = (60, 180, 600, 1800, 3600, 7200, 18_000, 36_000)
REFERENCES = {180: ("T4 reference", 0.006, 15.0), 1800: ("T4 reference", 0.040, 120.0)}
"""What the same job is said to take on a T4 that already runs."""
API_USD_PER_MINUTE = 0.10
"""A managed face API."""


def told(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def dollars(usd: float) -> str:
    return f"{usd:.4f}" if usd < 0.1 else f"{usd:.2f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def show_measured(all_times: Times) -> str:
    rows = []
    for name, one in all_times.packs.items():
        steps = ", ".join(f"{step} {part:.0%}" for step, part in sorted(one.steps.items(), key=lambda s: -s[1]))
        rows.append(
            [
                name,
                one.video,
                f"{one.detect_s / one.video_s * 60:.1f}",
                steps,
                f"{one.detector_starts_s:.1f}, {one.cluster_starts_s:.1f}, {one.publish_starts_s:.1f}",
                f"{one.cluster_s:.1f}, {one.publish_s:.1f}",
                f"{one.detect_peak_mib}",
                one.made_on,
            ]
        )
    head = ["pack", "video", "detect, CPU s a minute", "of which", "starts of detect, cluster, publish, s",
            "cluster, publish, s", "detect's peak MiB", "measured on"]  # fmt: skip
    return table(head, rows)


def show_routes(all_times: Times, name: str, choice: Choice, cloud: Cloud) -> str:
    times = all_times.packs[name]
    wide = replace(choice, at_once=cloud.concurrency)
    rows = []
    for video_s in LENGTHS_S:
        cold = lambda_route(times, video_s, choice, cloud, warm=False)
        warm = lambda_route(times, video_s, choice, cloud, warm=True)
        fast = lambda_route(times, video_s, wide, cloud, warm=True)
        gpu = gpu_route(times, all_times, name, video_s, choice, cloud, warm=False)
        ready = gpu_route(times, all_times, name, video_s, choice, cloud, warm=True)
        label, usd, latency = REFERENCES.get(video_s, ("", 0.0, 0.0))
        rows.append(
            [
                told(video_s),
                f"{told(cold.latency_s)}, {told(warm.latency_s)}",
                told(fast.latency_s),
                dollars(cold.usd),
                dollars(warm.usd * 3600 / video_s),
                f"{told(gpu.latency_s)}, {told(ready.latency_s)}",
                f"{dollars(gpu.usd)}, {dollars(ready.usd)}",
                f"{label}: {dollars(usd)}, {told(latency)}" if label else "",
                dollars(API_USD_PER_MINUTE * video_s / 60),
            ]
        )
    head = ["video", f"Lambda, {choice.at_once} at once: cold, warm", f"{cloud.concurrency:,} at once, warm",
            "USD cold", "USD a video hour, warm", "GPU: from zero, machine up", "USD spot: from zero, machine up",
            "said of others", "managed API, USD"]  # fmt: skip
    return table(head, rows)


def show_chunks(all_times: Times, name: str, choice: Choice, cloud: Cloud) -> str:
    times = all_times.packs[name]
    rows = []
    for chunk_s in (15, 30, 45, 60, 90, 120, 180, 300):
        own = replace(choice, chunk_s=float(chunk_s))
        wide = replace(own, at_once=cloud.concurrency)
        cells = [f"{chunk_s} s"]
        for video_s in (180, 1800, 7200):
            cold = lambda_route(times, video_s, own, cloud, warm=False)
            fast = lambda_route(times, video_s, wide, cloud, warm=True)
            cells.append(f"{told(cold.latency_s)}, {told(fast.latency_s)}")
        hour = lambda_route(times, 3600, own, cloud, warm=True)
        longest = times.detect_s / times.video_s * chunk_s / share(own.memory_mib["detect"]) * 2
        rows.append([*cells, dollars(hour.usd), f"{longest:.0f} s"])
    head = ["chunk", f"3 min: {choice.at_once} at once cold, {cloud.concurrency:,} warm", "30 min", "2 h",
            "USD a video hour", "a worker's longest, twice the mean"]  # fmt: skip
    return table(head, rows)


def show_memory(all_times: Times, name: str, choice: Choice, cloud: Cloud) -> str:
    times = all_times.packs[name]
    rows = []
    for arm in (False, True):
        for memory in (1024, 1769, 2048, 3008):
            cells = ["arm64" if arm else "x86_64", f"{memory:,}"]
            for chunk_s in (choice.chunk_s, LONGER_CHUNK_S):
                own = replace(choice, memory_mib={**choice.memory_mib, "detect": memory}, arm=arm, chunk_s=chunk_s)
                hour = lambda_route(times, 3600, own, cloud, warm=True)
                wide = lambda_route(times, 1800, replace(own, at_once=cloud.concurrency), cloud, warm=True)
                cells += [dollars(hour.usd), told(wide.latency_s)]
            rows.append(cells)
    longer = f"with chunks of {LONGER_CHUNK_S:.0f} s"
    head = ["architecture", "detect's MiB", "USD a video hour", "30 min, warm"]
    return table([*head, *(f"{one} {longer}" for one in head[2:])], rows)


def show_bill(all_times: Times, name: str, choice: Choice, cloud: Cloud) -> str:
    times = all_times.packs[name]
    got = lambda_route(times, 3600, choice, cloud, warm=True)
    _, billed = other_stages(times, 3600, choice, cloud, warm=True)
    chunks = math.ceil(3600 / choice.chunk_s * REACH)
    work = Work(
        seconds=billed | {"detect": got.worker_s},
        chunks=chunks,
        segments=0,
        segment_bytes=0,
        video_s=3600,
        staged_frame_bytes=times.staged_bytes / times.staged_frames,
        frames_read=round(times.frames_read * 3600 / times.video_s),
        files_published=round(files_of(times, 3600)),
    )
    lines = estimate(work, choice.deployment)
    rows = [[line.name, f"{line.quantity:,.1f}", line.unit, dollars(line.usd)] for line in lines if line.usd >= 0.00005]
    rows.append(["**together**", "", "", f"**{dollars(sum(line.usd for line in lines))}**"])
    return table(["one video hour", "quantity", "", "USD"], rows)


def gpu_threshold_s(all_times: Times, name: str, choice: Choice, cloud: Cloud, *, no_later: bool = True) -> int | None:
    """The shortest length that costs less on a GPU machine started for it alone (and ends no later), None if none."""
    times = all_times.packs[name]
    for video_s in range(300, 36_001, 300):
        functions = lambda_route(times, video_s, choice, cloud, warm=False)
        machine = gpu_route(times, all_times, name, video_s, choice, cloud, warm=False)
        if machine.usd < functions.usd and (not no_later or machine.latency_s <= functions.latency_s):
            return video_s
    return None


def show_threshold(all_times: Times, choice: Choice, cloud: Cloud) -> str:
    rows = []
    for name, times in all_times.packs.items():
        _, measured = gpu_seconds(times, all_times, name, 60, cloud)
        for at_once in (8, 100, cloud.concurrency):
            own = replace(choice, at_once=at_once)
            cells = [name, f"{at_once:,}"]
            for no_later in (False, True):
                found = gpu_threshold_s(all_times, name, own, cloud, no_later=no_later)
                cells.append("never, up to 10 h" if found is None else told(found))
            rows.append([*cells, "measured" if measured else "assumed"])
    return table(["pack", "chunks at once", "cheaper from", "cheaper and no later from", "GPU times"], rows)


def show_backlog(all_times: Times, choice: Choice, cloud: Cloud) -> str:
    rows = []
    for name in all_times.packs:
        for video_s in (180, 1800):
            for route, hours, usd in backlog(all_times.packs[name], all_times, name, 10_000, video_s, choice, cloud):
                rows.append([name, told(video_s), route, told(hours * 3600), f"{usd:,.0f}"])
    return table(["pack", "each of 10,000", "route", "all done after", "USD"], rows)


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


# plots


def plot(title: str, unit: str, lines: dict[str, list[tuple[float, float]]], told_y: Callable[[float], str]) -> str:
    """A small SVG with both axes logarithmic: video length against `unit`."""
    width, height, left, right, top, bottom = 640, 360, 64, 150, 34, 40
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    low, high = 10 ** math.floor(math.log10(min(ys))), 10 ** math.ceil(math.log10(max(ys)))

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log(x) - math.log(min(xs))) / (math.log(max(xs)) - math.log(min(xs)))
        up = (math.log(y) - math.log(low)) / (math.log(high) - math.log(low))
        return left + across * (width - left - right), height - bottom - up * (height - top - bottom)

    colours = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94", "#8a8a8a")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="11" fill="#333">',
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="{left}" y="18" font-size="13">{title}</text>',
    ]
    tick = low
    while tick <= high * 1.001:
        _, y = at(min(xs), tick)
        parts.append(f'<path d="M{left} {y:.1f}H{width - right}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{told_y(tick)}</text>')
        tick *= 10
    for x in LENGTHS_S:
        across, _ = at(x, low)
        parts.append(f'<text x="{across:.1f}" y="{height - bottom + 16}" text-anchor="middle">{short(x)}</text>')
    parts.append(f'<text x="{left}" y="{height - 6}">length of the video</text>')
    taken: list[float] = []
    for colour, (name, points) in zip(colours, lines.items(), strict=False):
        places = [at(x, y) for x, y in points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = places[-1][1] + 4
        while any(abs(y - other) < 13 for other in taken):
            y += 13
        taken.append(y)
        parts.append(f'<text x="{places[-1][0] + 6:.1f}" y="{y:.1f}" fill="{colour}">{name}</text>')
    return "\n".join([*parts, "</svg>", ""])


def short(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.0f} h"


def plots(all_times: Times, name: str, choice: Choice, cloud: Cloud) -> dict[str, str]:
    times = all_times.packs[name]
    wide = replace(choice, at_once=cloud.concurrency)

    def line(of: Callable[[float], float]) -> list[tuple[float, float]]:
        return [(float(x), of(float(x))) for x in LENGTHS_S]

    latency = {
        f"Lambda, {choice.at_once} at once": line(
            lambda s: lambda_route(times, s, choice, cloud, warm=False).latency_s
        ),
        f"Lambda, {cloud.concurrency:,}": line(lambda s: lambda_route(times, s, wide, cloud, warm=False).latency_s),
        "GPU from zero": line(lambda s: gpu_route(times, all_times, name, s, choice, cloud, warm=False).latency_s),
        "GPU, machine up": line(lambda s: gpu_route(times, all_times, name, s, choice, cloud, warm=True).latency_s),
        "the video itself": line(lambda s: s),
    }
    usd = {
        "Lambda": line(lambda s: lambda_route(times, s, choice, cloud, warm=False).usd),
        "GPU spot, from zero": line(lambda s: gpu_route(times, all_times, name, s, choice, cloud, warm=False).usd),
        "GPU spot, machine up": line(lambda s: gpu_route(times, all_times, name, s, choice, cloud, warm=True).usd),
        "managed API": line(lambda s: API_USD_PER_MINUTE * s / 60),
    }
    return {
        "cost-latency.svg": plot(f"Until the manifest stands ({name})", "s", latency, told),
        "cost-usd.svg": plot(f"USD a video ({name}, us-east-1, {PRICES.as_of})", "USD", usd, lambda y: f"{y:g}"),
    }


def sections(all_times: Times, choice: Choice, cloud: Cloud) -> dict[str, str]:
    """Each table under its name in docs/cost.md."""
    found = {"measured": show_measured(all_times), "threshold": show_threshold(all_times, choice, cloud)}
    for name in all_times.packs:
        found[f"routes {name}"] = show_routes(all_times, name, choice, cloud)
    first = next(iter(all_times.packs))
    found["bill"] = show_bill(all_times, first, choice, cloud)
    found["chunks"] = show_chunks(all_times, first, choice, cloud)
    found["memory"] = show_memory(all_times, first, choice, cloud)
    found["backlog"] = show_backlog(all_times, choice, cloud)
    return found


def write_docs(found: Mapping[str, str], drawn: Mapping[str, str], page: Path = ROOT / "docs" / "cost.md") -> None:
    """Puts each table between its markers on the page, and each drawing beside it."""
    text = page.read_text()
    for name, body in found.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if begin not in text or end not in text:
            raise SystemExit(f"{page.name} has no place for {name!r}")
        text = text[: text.index(begin) + len(begin)] + body + "\n" + text[text.index(end) :]
    page.write_text(text)
    for name, svg in drawn.items():
        (page.parent / name).write_text(svg)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", action="store_true")
    parser.add_argument("--chunk-s", type=float, default=60.0)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--concurrency", type=int, default=1000)
    parser.add_argument("--detect-mib", type=int, default=DEPLOYMENT.memory_mib["detect"])
    parser.add_argument("--vcpu-speed", type=float, default=1.0)
    parser.add_argument("--arm", action="store_true")
    given = parser.parse_args()
    all_times = read_times()
    if not all_times.packs:
        raise SystemExit("no stage times: run python -m benchmarks.stage_times VIDEO --pack DIRECTORY")
    if "test_pack" in all_times.packs:
        all_times.packs[BUFFALO] = buffalo(all_times.packs["test_pack"])
    memory = {**DEPLOYMENT.memory_mib, "detect": given.detect_mib}
    choice = Choice(given.chunk_s, memory, given.at_once, given.arm)
    cloud = Cloud(concurrency=given.concurrency, vcpu_speed=given.vcpu_speed)
    found = sections(all_times, choice, cloud)
    for name, body in found.items():
        print(f"\n{name}\n\n{body}")
    if given.docs:
        write_docs(found, plots(all_times, next(iter(all_times.packs)), choice, cloud))


if __name__ == "__main__":
    main()
