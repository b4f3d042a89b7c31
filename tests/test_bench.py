"""The benchmark beside the usual way: its arithmetic, that it goes on where it was, and each way on a few seconds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import imageio_ffmpeg
import pytest

from benchmarks import bench, bench_clips, limits, reference
from benchmarks.bench_films import FILMS, Film
from benchmarks.bench_page import (
    MOVING,
    QUIET,
    ROOT_PAGE,
    SPEED_BARS,
    breakdown,
    judge,
    show_wall,
    verdicts,
    write_page,
)
from benchmarks.bench_results import WAYS, Clip, Floor, Limit, Results, Run, Stages, StageSpent, Way, read_results
from benchmarks.processes import Spent, run_measured
from tests.clips import ffmpeg

WALLS: list[dict[Way, float]] = [
    {"all": 10.0, "people": 5.0, "seek": 60.0, "linear": 30.0},
    {"all": 12.0, "people": 6.0, "seek": 60.0, "linear": 24.0},
    {"all": 11.0, "people": 4.0, "seek": 88.0, "linear": 33.0},
]


@pytest.mark.parametrize("module", ["bench", "stage_times"])
def test_what_is_measured_alone_can_choose_its_threads(module: str) -> None:
    """Processes that are spawned import the main module first; numpy reads how many threads to use when it loads."""
    program = f"import sys; import benchmarks.{module}; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def run_of(wall_s: float, people: int = 17) -> Run:
    spent = Spent(wall_s=wall_s, cpu_s=2 * wall_s, largest_mib=400, together_mib=700, others_cpu_s=0.5)
    return Run(spent=spent, people=people)


def stage(cpu_s: float) -> StageSpent:
    return StageSpent(starts_cpu_s=0.5, cpu_s=cpu_s, wall_s=cpu_s, peak_mib=500, bytes_read=1_000_000)


def measured_clip() -> Clip:
    return Clip(
        code="c0de",
        made_on="2025-06-01",
        kind="gop250",
        what="1080p",
        video_s=180.0,
        bytes=90_000_000,
        pairs=[{way: run_of(walls[way]) for way in WAYS} for walls in WALLS],
        limits={"sha256": Limit(wall_s=0.1, cpu_s=0.1)},
        stages=Stages(
            spent={"split": stage(0.1), "detect": stage(18.0), "cluster": stage(0.1), "publish": stage(1.0)},
            steps={"decode": 0.5, "detect": 0.25, "embed": 0.05, "other": 0.2},
            chunks=3,
            looked_frames=200,
            embedded_faces=100,
        ),
        floor=Floor(decode_s=6.0, decode_bytes=70_000_000, one_detection_s=0.015, one_embedding_s=0.005),
    )


def test_numbers_are_medians_of_pairs_and_ratios_medians_of_ratios() -> None:
    one = measured_clip()
    assert one.wall_s("all") == 11.0
    assert one.times_faster("all", "seek") == 6.0
    assert one.times_faster("people", "linear") == 6.0
    assert one.others_share() == 0.5 / 4.0


def test_an_unfinished_pair_does_not_count() -> None:
    one = measured_clip()
    one.pairs.append({"all": run_of(1000.0)})
    assert len(one.whole_pairs) == 3
    assert one.wall_s("all") == 11.0


def test_the_parts_of_cpu_add_up_to_the_run_and_to_the_floor() -> None:
    one = measured_clip()
    parts = breakdown(one)
    assert sum(ours for _, ours, _ in parts) == pytest.approx(one.cpu_s("all"))
    assert one.floor_s == 6.0 + 200 * 0.015 + 100 * 0.005
    assert sum(floor for _, _, floor in parts) == pytest.approx(one.floor_s)


def test_a_bar_is_judged_by_goal_and_least() -> None:
    assert [judge(x, 7, 5) for x in (7.0, 6.9, 4.9)] == ["goal met", "least met, goal missed", "missed"]
    found = {one.bar: one.verdict for one in verdicts(Results(clips={"gop250_180s": measured_clip()}))}
    assert found["long GOPs of H.264, quiet pictures: ours, everything, against seek: least 6x"] == "met"
    assert found["long GOPs of H.264, quiet pictures: ours, people only, against seek: least 9x"] == "met"
    assert found["gop60: ours, people only, against seek: goal 8x, least 5x"] == "not measured"
    assert found["every kind: ours, everything, against linear: least 1.8x"] == "met"
    assert found["CPU at most 1.6x of the floor"] == "missed"


def test_fewer_people_than_the_usual_way_finds_miss_the_bar() -> None:
    one = measured_clip()
    one.pairs[1]["people"] = run_of(6.0, people=16)
    assert any(v.verdict == "missed" for v in verdicts(Results(clips={"x": one})) if v.bar.startswith("people found"))


@pytest.mark.parametrize("clips", [{}, {"gop250_180s": measured_clip()}], ids=["nothing measured", "one clip"])
def test_the_page_is_written_with_small_drawings(tmp_path: Path, clips: dict[str, Clip]) -> None:
    page = tmp_path / "performance.md"
    page.write_text(ROOT_PAGE.read_text())
    write_page(Results(machine="two cores", software="Python", clips=clips), tmp_path)
    assert ("**6.0**, **12.0**" in page.read_text()) == bool(clips)
    for name in ("performance-wall.svg", "performance-cpu.svg"):
        svg = (tmp_path / name).read_text()
        assert svg.startswith("<svg")
        assert svg.rstrip().endswith("</svg>")
        assert len(svg) < 20_000


def test_an_interrupted_bench_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "bench.json"
    asked: list[Way] = []

    def answer(way: Way, video: Path, pack: Path) -> Run:
        if len(asked) == 6:
            raise KeyboardInterrupt
        asked.append(way)
        return run_of(1.0)

    monkeypatch.setattr(bench, "run_way", answer)
    monkeypatch.setattr(bench, "_seconds", lambda path: 20.0)
    video = tmp_path / "gop250_20s.mp4"
    video.write_bytes(b"video")

    def measure() -> Clip:
        one = bench.Bench(tmp_path, ["pairs"], pairs=2, long_pairs=1, keep=False, kept=kept)
        one.measure_clip("gop250", "1080p", video, whole=True)
        return one.results.clips["gop250_20s"]

    with pytest.raises(KeyboardInterrupt):
        measure()
    assert len(read_results(kept).clips["gop250_20s"].whole_pairs) == 1
    asked.clear()
    found = measure()
    assert len(asked) == 2
    assert len(found.whole_pairs) == len(found.pairs) == 2
    asked.clear()
    measure()
    assert asked == []


def test_a_commands_time_and_memory_include_its_children(tmp_path: Path) -> None:
    child = "x = bytearray(60_000_000); import time; [sum(range(1000)) for _ in range(8000)]; time.sleep(1.5)"
    program = (
        "import subprocess, sys; "
        f"both = [subprocess.Popen([sys.executable, '-c', {child!r}]) for _ in range(2)]; "
        "[one.wait() for one in both]; print('told')"
    )
    spent, told = run_measured([sys.executable, "-c", program], tmp_path, {})
    assert told == "told\n"
    assert spent.largest_mib < 120 < spent.together_mib
    assert spent.cpu_s > 0.05
    assert spent.wall_s > 0.5
    with pytest.raises(RuntimeError, match="ended with 3"):
        run_measured([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, {})


def test_ours_and_the_usual_way_find_who_is_there_for_a_few_seconds(
    videos: Path, test_pack: Path, tmp_path: Path
) -> None:
    short = tmp_path / "short.mp4"
    source = videos / "people17_cuts_720p.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-i", str(source), "-an", "-t", "3", "-vf"]
    subprocess.run([*command, "scale=640:360", "-c:v", "libx264", "-g", "60", str(short)], check=True)
    ours, usual = (bench.run_way(way, short, test_pack) for way in ("all", "seek"))
    assert ours.people == usual.people == 1
    assert min(ours.spent.wall_s, ours.spent.cpu_s, usual.spent.wall_s, usual.spent.cpu_s) > 0.2
    assert min(ours.spent.largest_mib, usual.spent.largest_mib) > 50

    sought, read = list(reference.seek(short)), list(reference.linear(short))
    assert len(sought) == len(read) == 3
    assert all((one == other).all() for one, other in zip(sought, read, strict=True))

    assert limits.decode_all(str(short), 1)["frames"] == 75
    # All that the first frame needs is less than what all frames do.
    everything = limits.decode_needed(str(short), range(10**6), [])["bytes"]
    assert 0 < limits.decode_needed(str(short), [], [0])["bytes"] < everything <= short.stat().st_size


def test_bars_and_long_kinds_name_clips() -> None:
    assert {*MOVING, *QUIET, *SPEED_BARS, *bench.LONG_KINDS, bench.CHIEF_KIND} <= bench_clips.CLIPS.keys()
    assert not set(MOVING) & set(QUIET)


def test_the_kind_that_gains_least_comes_first() -> None:
    slow = measured_clip().model_copy(update={"kind": "grain", "pairs": [{way: run_of(10.0) for way in WAYS}]})
    rows = show_wall(Results(clips={"gop250_180s": measured_clip(), "grain_180s": slow})).splitlines()[2:]
    assert [row.split(",")[0] for row in rows] == ["| grain", "| gop250"]


def test_a_clip_repeats_its_film_and_is_encoded_anew_when_its_recipe_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x36:rate=25:duration=1", str(tmp_path / "source.mp4"))
    monkeypatch.setenv("TALENT_FRAMES_TEST_DATA", str(tmp_path))
    monkeypatch.setenv("TALENT_FRAMES_BENCH", str(tmp_path / "clips"))
    monkeypatch.setitem(FILMS, "tiny", Film("[0:v]null[film]", 1.0, (0, 0), ("source.mp4",)))

    def made(filters: str) -> tuple[int, int]:
        """Width of the clip, and its frames."""
        tiny = bench_clips.Clip(filters, "-c:v libx264 -g 5 -bf 0", "mp4", "tiny", film="tiny")
        monkeypatch.setitem(bench_clips.CLIPS, "tiny", tiny)
        path = bench_clips.clip("tiny", 3)
        assert path == bench_clips.clip("tiny", 3)
        with av.open(str(path)) as container:
            return container.streams.video[0].width, sum(1 for _ in container.decode(video=0))

    (tmp_path / "clips").mkdir()
    other = tmp_path / "clips" / "tiny_other_loop.mp4"
    other.write_bytes(b"of another kind")
    assert made("null") == (64, 75)
    assert made("scale=32:18") == (32, 75)
    assert other.exists()
