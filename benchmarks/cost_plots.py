"""docs/cost.md's drawings: length of the video against seconds and dollars, as SVG."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from benchmarks.cloud import Choice, Cloud, gpu_route, lambda_route
from benchmarks.cost_tables import API_USD_PER_MINUTE, LENGTHS_S, told
from benchmarks.stage_times import Times
from lambdas.publish.cost import PRICES


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
