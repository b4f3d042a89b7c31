"""docs/cost.md's tables, and how they are put into the page."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.cloud import (
    Choice,
    Cloud,
    backlog,
    bill,
    chunk_count,
    gpu_route,
    gpu_seconds,
    gpu_threshold_s,
    lambda_route,
    other_stages,
    share,
)
from benchmarks.pages import table
from benchmarks.stage_times import Times
from lambdas.publish.cost import PRICES

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
    lines = bill(times, 3600, chunk_count(3600, choice), billed | {"detect": got.worker_s}, choice)
    rows = [[line.name, f"{line.quantity:,.1f}", line.unit, dollars(line.usd)] for line in lines if line.usd >= 0.00005]
    rows.append(["**together**", "", "", f"**{dollars(sum(line.usd for line in lines))}**"])
    return table(["one video hour", "quantity", "", "USD"], rows)


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


def show_prices() -> str:
    rows = [[one.prices, one.copy, one.dated] for one in (*PRICES.readings, PRICES.older)]
    return table(["prices", "read in", "of"], rows)


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
    found["prices"] = show_prices()
    return found
