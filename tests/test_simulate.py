"""The reckoning of what the cloud would take."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from benchmarks.cloud import Choice, Cloud, buffalo, gpu_route, gpu_threshold_s, lambda_route, share
from benchmarks.cost_plots import plots
from benchmarks.cost_tables import sections
from benchmarks.pages import ROOT
from benchmarks.simulate import all_times
from benchmarks.stage_times import GpuTimes, PackTimes, Times
from lambdas.publish.cost import PRICES

TIMES = PackTimes(
    made_on="2025-06-01",
    video="a minute",
    video_s=60.0,
    bytes=30_000_000,
    detector_starts_s=1.0,
    cluster_starts_s=1.0,
    publish_starts_s=0.5,
    split_s=0.1,
    detect_s=12.0,
    steps={"decode": 0.5, "detect": 0.25, "embed": 0.05, "measure": 0.2},
    detect_peak_mib=500,
    cluster_s=0.1,
    publish_s=1.5,
    people=10,
    scenes=10,
    files=60,
    frames_read=40,
    staged_frames=40,
    staged_bytes=8_000_000,
)
ALL = Times(packs={"one": TIMES})
CALM = Cloud(spread=0.0)


def test_a_functions_share_of_a_vcpu_grows_with_memory_up_to_its_threads() -> None:
    assert share(1769) == 1.0
    assert share(3008) == 1.0
    assert share(3538, threads=2) == 2.0
    assert share(884) == pytest.approx(0.5, abs=0.01)


def test_a_longer_video_takes_longer_and_costs_more() -> None:
    lengths = [10, 60, 600, 3600, 36_000]
    found = [lambda_route(TIMES, s, Choice(), CALM, warm=True) for s in lengths]
    assert [one.usd for one in found] == sorted(one.usd for one in found)
    assert [one.latency_s for one in found] == sorted(one.latency_s for one in found)


def test_cost_is_linear_in_hours() -> None:
    one = lambda_route(TIMES, 3600, Choice(), CALM, warm=True).usd
    ten = lambda_route(TIMES, 36_000, Choice(), CALM, warm=True).usd
    assert ten == pytest.approx(10 * one, rel=0.05)


def test_more_at_once_is_faster_and_costs_the_same_when_warm() -> None:
    few = lambda_route(TIMES, 1800, Choice(at_once=4), CALM, warm=True)
    many = lambda_route(TIMES, 1800, Choice(at_once=400), CALM, warm=True)
    assert many.latency_s < few.latency_s / 3
    assert many.usd == pytest.approx(few.usd)


def test_the_accounts_concurrency_bounds_a_run() -> None:
    bound = replace(CALM, concurrency=10)
    asked = lambda_route(TIMES, 1800, Choice(at_once=400), bound, warm=True)
    assert asked.latency_s == lambda_route(TIMES, 1800, Choice(at_once=10), bound, warm=True).latency_s


def test_a_cold_run_takes_longer_and_costs_more() -> None:
    cold = lambda_route(TIMES, 180, Choice(), CALM, warm=False)
    warm = lambda_route(TIMES, 180, Choice(), CALM, warm=True)
    assert cold.latency_s > warm.latency_s + 2
    assert cold.usd > warm.usd


def test_measured_gpu_times_take_the_place_of_assumed_ones() -> None:
    measured = Times(packs={"one": TIMES}, gpu={"one": GpuTimes(machine="m", video_s=60, wall_s=6, made_on="2025")})
    slow = gpu_route(TIMES, measured, "one", 3600, Choice(), CALM, warm=True)
    assert slow.worker_s == pytest.approx(360, abs=10)


def test_a_gpu_pays_from_some_length_on_or_never() -> None:
    heavy = buffalo(TIMES)
    assert heavy.detect_s > 3 * TIMES.detect_s
    packs = Times(packs={"light": TIMES, "heavy": heavy})
    late = gpu_threshold_s(packs, "light", Choice(), CALM)
    early = gpu_threshold_s(packs, "heavy", Choice(), CALM)
    assert early is not None
    assert late is None or early <= late
    dear = replace(CALM, gpu_models_speed=0.1)
    assert gpu_threshold_s(packs, "heavy", Choice(at_once=1000), dear) is None


def test_plots_are_small_svg() -> None:
    for name, svg in plots(ALL, "one", Choice(), CALM).items():
        assert name.endswith(".svg")
        assert svg.startswith("<svg")
        assert svg.rstrip().endswith("</svg>")
        assert len(svg) < 12_000


def test_the_page_shows_what_is_reckoned() -> None:
    page = (ROOT / "docs" / "cost.md").read_text()
    for name, body in sections(all_times(), Choice(), Cloud()).items():
        assert f"<!-- {name} -->\n{body}\n<!-- end of {name} -->" in page, (
            f"{name}: python -m benchmarks.simulate --docs"
        )


def test_prices_were_read_in_copies_no_older_than_a_year() -> None:
    searched = date.fromisoformat(PRICES.searched)
    for reading in PRICES.readings:
        assert (searched - date.fromisoformat(reading.dated)).days <= 365, reading.prices
        assert reading.copy in PRICES.source
    assert PRICES.as_of <= min(reading.dated for reading in PRICES.readings)
    assert PRICES.older.dated in PRICES.source
