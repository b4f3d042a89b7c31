"""Side by side with the usual way and with the limits; writes docs/performance.md.

    make bench                                             everything: hours
    make bench ARGS="--kinds grain handheld --pairs 3"      some kinds, about a quarter of an hour each
    make bench ARGS=--page                                 the page again from the numbers kept

Needs the test videos and models (TALENT_FRAMES_TEST_DATA, TALENT_FRAMES_TEST_MODELS); clips are made once, into
TALENT_FRAMES_BENCH. Every number is written to benchmarks/bench.json as it comes: an interrupted bench goes on where it
was. Numbers of a clip made by other code than this are dropped when it is measured again, unless --keep is given.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks import limits, ranges
from benchmarks.bench_clips import CLIPS, clip, hours_long, remuxed
from benchmarks.bench_page import write_page
from benchmarks.bench_results import (
    KEPT,
    REFERENCED,
    ROOT,
    WAYS,
    Clip,
    Floor,
    Limit,
    LongOpening,
    Ranges,
    Run,
    Stages,
    StageSpent,
    Start,
    Way,
    code_state,
    read_results,
    write_results,
)
from benchmarks.processes import cores, machine, run_measured
from benchmarks.stage_times import alone, run_stages

PEOPLE_ONLY: dict[str, Any] = {"representative": 0, "scenes": False}
"""Settings of a run for people alone."""
LENGTHS_S = (180, 1800)
LONG_KINDS = ("grain", "gop250", "gop60", "phone")
"""Measured at both lengths; the others at the first."""
LONG_S = 600
"""Clips from this length on take few pairs, and no limits and stages of their own where a shorter one has them."""
PARTS = ("pairs", "limits", "stages", "ranges", "start", "long")
CHIEF_KIND = "gop250"
"""Whose bytes and cold starts are measured, where it is among those asked for; else those of the first."""
STARTS = 5
SCAN_PERIOD_S = 1.0


class Bench:
    """The measurements of one call."""

    def __init__(self, pack: Path, parts: Sequence[str], pairs: int, long_pairs: int, keep: bool, kept: Path) -> None:
        self.pack = pack
        self.parts = parts
        self.pairs = pairs
        self.long_pairs = long_pairs
        self.keep = keep
        self.kept = kept
        self.code = code_state()
        self.results = read_results(kept)
        self.results.machine = machine()
        self.results.software = software()

    def save(self) -> None:
        write_results(self.results, self.kept)

    def measure_clip(self, kind: str, what: str, path: Path, *, whole: bool) -> None:
        """All wanted parts of one clip; limits and stages only if `whole`."""
        found = self.results.clips.get(path.stem)
        if found is None or found.what != what or (found.code != self.code and not self.keep):
            found = Clip(
                code=self.code,
                made_on=time.strftime("%Y-%m-%d"),
                kind=kind,
                what=what,
                video_s=_seconds(path),
                bytes=path.stat().st_size,
            )
            self.results.clips[path.stem] = found
        if whole and "limits" in self.parts:
            self._limits(found, path)
        if "pairs" in self.parts:
            self._pairs(found, path)
        if whole and "stages" in self.parts and found.floor is None:
            self._stages(found, path)

    def _pairs(self, found: Clip, path: Path) -> None:
        wanted = self.pairs if found.video_s < LONG_S else self.long_pairs
        while len(found.whole_pairs) < wanted:
            if not found.pairs or len(found.pairs[-1]) == len(WAYS):
                found.pairs.append({})
            pair = found.pairs[-1]
            # Each way comes first in some pair, so that none is always the one after a rest.
            turn = len(found.pairs) % len(WAYS)
            for way in (*WAYS[turn:], *WAYS[:turn]):
                if way not in pair:
                    pair[way] = run_way(way, path, self.pack)
                    self.save()
                    spent = pair[way].spent
                    _say(f"{path.stem} {way}: {spent.wall_s:.1f} s, CPU {spent.cpu_s:.1f} s, {pair[way].people} people")

    def _limits(self, found: Clip, path: Path) -> None:
        threads = cores()
        for name, work, arguments in (
            ("sha256", limits.sha256, ()),
            ("keyframes", limits.decode_keyframes, ()),
            (REFERENCED, limits.decode_referenced, ()),
            ("decode, 1 thread", limits.decode_all, (1,)),
            (f"decode, {threads} threads", limits.decode_all, (threads,)),
            ("detector", limits.detect_alone, (self.pack, SCAN_PERIOD_S)),
        ):
            if name not in found.limits:
                _say(f"{path.stem} {name}")
                answer = alone(work, str(path), *arguments)
                found.limits[name] = Limit(
                    wall_s=round(answer["wall_s"], 4),
                    cpu_s=round(answer["cpu_s"], 4),
                    frames=answer.get("frames", 0),
                )
                self.save()

    def _stages(self, found: Clip, path: Path) -> None:
        _say(f"{path.stem} stages")
        answer = run_stages(str(path), self.pack)
        detect = answer["detect"]
        one = alone(limits.detect_alone, str(path), self.pack, SCAN_PERIOD_S)
        needed = alone(limits.decode_needed, str(path), detect["looked_pts"], detect["staged_pts"])
        found.stages = Stages(
            spent={
                stage: StageSpent(
                    starts_cpu_s=round(spent["starts_s"], 3),
                    cpu_s=round(spent["work_s"], 3),
                    wall_s=round(spent["wall_s"], 3),
                    peak_mib=spent["peak_mib"],
                    bytes_read=spent["bytes_read"],
                )
                for stage, spent in answer.items()
            },
            steps=detect["steps"],
            chunks=detect["chunks"],
            looked_frames=detect["looked_frames"],
            embedded_faces=detect["embedded_faces"],
        )
        found.floor = Floor(
            decode_s=round(needed["cpu_s"], 3),
            decode_bytes=needed["bytes"],
            one_detection_s=round(one["detect_s"], 6),
            one_embedding_s=round(one["embed_s"], 6),
        )
        self.save()

    def measure_ranges(self, what: str, path: Path) -> None:
        """Bytes over loopback; counts, so that several may run at once."""
        matroska = remuxed(path)
        jobs: list[tuple[str, Path, dict[str, Any]]] = [
            (f"{what}; MP4", path, {}),
            (f"{what}; MKV", matroska, {}),
            (f"{what}; MP4, people only", path, PEOPLE_ONLY),
        ]

        if not self.keep:
            for name in [name for name, one in self.results.ranges.items() if one.code != self.code]:
                del self.results.ranges[name]

        def count(job: tuple[str, Path, dict[str, Any]]) -> Ranges:
            name, video, settings = job
            _say(f"{name}: read by range")
            answer = alone(ranges.read_chunks, str(video), self.pack, settings)
            looked, kept = answer.pop("looked_pts"), answer.pop("staged_pts")
            needed = alone(limits.decode_needed, str(video), looked, kept)["bytes"]
            return Ranges(code=self.code, what=name, needed_bytes=needed, people_only=bool(settings), **answer)

        with ThreadPoolExecutor(max_workers=cores()) as pool:
            for one in pool.map(count, [job for job in jobs if job[0] not in self.results.ranges]):
                self.results.ranges[one.what] = one
                self.save()

    def measure_start(self, path: Path) -> None:
        """Cold starts; the first, which warms the disk, is not kept."""
        if self.results.start is not None and (self.keep or self.results.start.code == self.code):
            return
        _say("cold starts")
        seconds, whole = [], []
        with tempfile.TemporaryDirectory() as folder:
            run_id = alone(plan, folder, str(path), self.pack)["run_id"]
            program = (
                "import json, sys; from pathlib import Path; from benchmarks.limits import first_detection; "
                "print(json.dumps(first_detection(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))"
            )
            for _ in range(STARTS + 1):
                spent, told = run_measured([sys.executable, "-c", program, folder, run_id, str(self.pack)], ROOT, {})
                seconds.append(round(json.loads(told)["wall_s"], 3))
                whole.append(spent.wall_s)
        self.results.start = Start(code=self.code, seconds=seconds[1:], process_s=whole[1:])
        self.save()

    def measure_long(self) -> None:
        """Ten hours, opened in the middle."""
        if self.results.long_opening is None:
            _say("ten hours, opened by range")
            self.results.long_opening = LongOpening.model_validate(alone(ranges.open_long, str(hours_long(10))))
            self.save()


def plan(folder: str, video: str, pack: Path) -> dict[str, Any]:
    """Splits a video into staging `folder`."""
    from lambdas.contracts import SplitRequest
    from lambdas.detect.packs import load_pack
    from lambdas.split import handler
    from lambdas.staging import DirectoryStaging

    request = SplitRequest(uri=video, pack=load_pack(pack).facts)
    return {"run_id": handler.run(request, DirectoryStaging(Path(folder))).run_id}


def run_way(way: Way, video: Path, pack: Path) -> Run:
    """One run in a fresh process with a home of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        if way in ("seek", "linear"):
            command = ["-m", "benchmarks.reference", str(video), "--pack", str(pack), "--scan", way, "--out", str(out)]
        else:
            options = ["--representative", "0", "--no-scenes"] if way == "people" else []
            command = ["-m", "talent_frames", "run", str(video), "--models", str(pack), "--out", str(out), "--json"]
            command += options
        spent, told = run_measured([sys.executable, *command], ROOT, {"TALENT_FRAMES_HOME": folder})
        people = json.loads(told)["people"]
        return Run(spent=spent, people=people if isinstance(people, int) else len(people))


def software() -> str:
    """Versions of what does the work."""
    packages = ("av", "opencv-python-headless", "onnxruntime", "insightface", "numpy", "scikit-learn")
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return f"{platform.system()}, Python {platform.python_version()}, {found}"


def _seconds(path: Path) -> float:
    import av

    with av.open(str(path)) as container:
        return round((container.duration or 0) / 1_000_000, 2)


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} bench: {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=list(CLIPS), metavar="KIND", help=", ".join(CLIPS))
    parser.add_argument("--seconds", type=int, nargs="+", help="lengths; 180, and 1800 for some, without it")
    parser.add_argument("--pairs", type=int, default=5, help="runs of each way, in turn")
    parser.add_argument("--long-pairs", type=int, default=1, help=f"the same for clips from {LONG_S} s on")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--pack", type=Path, help="folder of a pack in InsightFace's format; the test pack without it")
    parser.add_argument("--keep", action="store_true", help="count numbers that other code made")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page")
    parser.add_argument("--kept", type=Path, default=KEPT, help="where numbers are kept")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of performance.md")
    given = parser.parse_args()
    if not given.page:
        models = os.environ.get("TALENT_FRAMES_TEST_MODELS")
        if given.pack is None and not models:
            raise SystemExit("bench: no models; give them as TALENT_FRAMES_TEST_MODELS=/path/to/it make bench")
        pack = given.pack or Path(models or "") / "insightface/models/test_pack"
        bench = Bench(pack.resolve(), given.parts, given.pairs, given.long_pairs, given.keep, given.kept)
        kinds: Sequence[str] = given.kinds or list(CLIPS)
        wanted = [
            (kind, seconds)
            for kind in kinds
            for seconds in given.seconds or (LENGTHS_S if kind in LONG_KINDS else LENGTHS_S[:1])
        ]
        shortest = {kind: min(seconds for other, seconds in wanted if other == kind) for kind in kinds}
        # Short ones first: an interrupted bench has the most to tell.
        for kind, seconds in sorted(wanted, key=lambda one: one[1]):
            bench.measure_clip(kind, CLIPS[kind].what, clip(kind, seconds), whole=seconds == shortest[kind])
        chief = CHIEF_KIND if CHIEF_KIND in kinds else kinds[0]
        first = clip(chief, shortest[chief])
        if "start" in given.parts:
            bench.measure_start(first)
        if "ranges" in given.parts and first.suffix == ".mp4":
            bench.measure_ranges(f"{CLIPS[chief].what}, {shortest[chief]} s", first)
        if "long" in given.parts:
            bench.measure_long()
        bench.save()
    results = read_results(given.kept)
    print(write_page(results, given.docs))


if __name__ == "__main__":
    main()
