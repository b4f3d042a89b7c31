"""How long each stage takes, measured: what benchmarks.simulate reckons with.

    python -m benchmarks.stage_times VIDEO --pack DIRECTORY     measures one pack on one core and keeps it

CPU seconds, so that other work on the machine counts little. Kept in benchmarks/stage_times.json.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from benchmarks.processes import read_bytes_of_this_process

KEPT = Path(__file__).with_name("stage_times.json")


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PackTimes(_Kept):
    """One pack, one video; CPU seconds of one core."""

    made_on: str
    video: str
    """What it is, in words."""
    video_s: float
    bytes: int
    detector_starts_s: float
    """From a fresh process to loaded models: a cold start's own part."""
    cluster_starts_s: float
    publish_starts_s: float
    split_s: float
    detect_s: float
    """All chunks."""
    steps: dict[str, float]
    """detect's steps, as shares of `detect_s`."""
    detect_peak_mib: int
    cluster_s: float
    publish_s: float
    people: int
    scenes: int
    files: int
    """Published."""
    frames_read: int
    staged_frames: int
    staged_bytes: int


class GpuTimes(_Kept):
    """One pack on a GPU machine, the whole detect stage by benchmarks.gpu."""

    machine: str
    video_s: float
    wall_s: float
    made_on: str


class Times(_Kept):
    packs: dict[str, PackTimes] = {}
    gpu: dict[str, GpuTimes] = {}


def read_times() -> Times:
    return Times.model_validate_json(KEPT.read_bytes()) if KEPT.is_file() else Times()


def write_times(times: Times) -> None:
    KEPT.write_text(times.model_dump_json(indent=1) + "\n")


def measure(video: str, words: str, pack: Path) -> PackTimes:
    """Runs the pipeline once, each stage in a fresh process."""
    found = run_stages(video, pack)
    split, detect, cluster, publish = found["split"], found["detect"], found["cluster"], found["publish"]
    return PackTimes(
        made_on=time.strftime("%Y-%m-%d"),
        video=words,
        video_s=split["video_s"],
        bytes=Path(video).stat().st_size,
        detector_starts_s=round(detect["starts_s"], 2),
        cluster_starts_s=round(cluster["starts_s"], 2),
        publish_starts_s=round(publish["starts_s"], 2),
        split_s=round(split["work_s"], 3),
        detect_s=round(detect["work_s"], 2),
        steps=detect["steps"],
        detect_peak_mib=detect["peak_mib"],
        cluster_s=round(cluster["work_s"], 3),
        publish_s=round(publish["work_s"], 2),
        people=publish["people"],
        scenes=publish["scenes"],
        files=publish["files"],
        frames_read=publish["frames_read"],
        staged_frames=detect["staged_frames"],
        staged_bytes=detect["staged_bytes"],
    )


def run_stages(video: str, pack: Path, settings: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """What each stage took and found, each in a fresh process on one core, one after the other.

    Every stage has `starts_s` (CPU of imports and models, before the rest), `work_s` (CPU), `wall_s`, `peak_mib` of the
    whole process and `bytes_read` from files.
    """
    with tempfile.TemporaryDirectory() as folder:
        split = alone(_split, folder, video, pack, settings or {})
        run_id = split["run_id"]
        return {
            "split": split,
            "detect": alone(_detect, folder, run_id, pack),
            "cluster": alone(_cluster, folder, run_id),
            "publish": alone(_publish, folder, run_id),
        }


def alone(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """What `work` answers in a fresh process whose numerical libraries use one thread.

    Raises BrokenProcessPool where such a process does not begin.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _use_one_thread) as pool:
        return pool.submit(work, *arguments).result()


def _use_one_thread() -> None:
    """Read when the libraries load, so none may be there yet."""
    if "numpy" in sys.modules:
        raise RuntimeError("numpy is loaded before its threads are set: the main module imports it")
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", OPENCV_FOR_THREADS_NUM="1")


class _Clock:
    """Of this process' work from here on."""

    def __init__(self) -> None:
        self._read = read_bytes_of_this_process()
        self._wall = time.perf_counter()
        self._cpu = time.process_time()

    def spent(self) -> dict[str, Any]:
        return {
            "work_s": time.process_time() - self._cpu,
            "wall_s": time.perf_counter() - self._wall,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "bytes_read": read_bytes_of_this_process() - self._read,
        }


def _split(folder: str, video: str, pack: Path, settings: dict[str, Any]) -> dict[str, Any]:
    started = time.process_time()
    from lambdas.contracts import Settings, SplitRequest
    from lambdas.detect.packs import load_pack
    from lambdas.split import handler
    from lambdas.staging import DirectoryStaging

    facts = load_pack(pack).facts
    starts_s = time.process_time() - started
    clock = _Clock()
    request = SplitRequest(uri=video, pack=facts, settings=Settings.model_validate(settings))
    answer = handler.run(request, DirectoryStaging(Path(folder)))
    return {"starts_s": starts_s, **clock.spent(), "run_id": answer.run_id, "video_s": answer.duration_s}


def _detect(folder: str, run_id: str, pack: Path) -> dict[str, Any]:
    started = time.process_time()
    from lambdas.contracts import (
        ChunkDocument,
        Detections,
        DetectRequest,
        Plan,
        chunk_document_key,
        detections_key,
        plan_key,
    )
    from lambdas.detect import handler
    from lambdas.detect.packs import load_pack
    from lambdas.staging import DirectoryStaging, get_document

    looked = note_looks()
    loaded = load_pack(pack)
    _ = loaded.detector, loaded.embedder
    starts_s = time.process_time() - started
    staging = DirectoryStaging(Path(folder))
    plan = get_document(staging, plan_key(run_id), Plan)
    clock = _Clock()
    for chunk in plan.chunks:
        handler.run(DetectRequest(run_id=run_id, chunk=chunk.index), staging, pack)
    spent = clock.spent()
    steps: dict[str, float] = {}
    frames = size = looks_count = embedded = 0
    staged: list[int] = []
    for chunk in plan.chunks:
        document = get_document(staging, chunk_document_key(run_id, chunk.index), ChunkDocument)
        frames += len(document.staged)
        size += sum(frame.length for frame in document.staged)
        staged += [frame.pts for frame in document.staged]
        looks_count += document.looked_frames
        embedded += len(Detections.from_bytes(staging.get(detections_key(run_id, chunk.index))).embedded)
        for step, seconds in document.seconds.items():
            steps[step] = steps.get(step, 0.0) + seconds
    # Eyes are read while a face is measured: that step's seconds hold the other's.
    steps["measure"] = max(0.0, steps.get("measure", 0.0) - steps.get("read", 0.0))
    stage_s = steps.pop("total")
    steps.pop("models", None)
    steps["other"] = max(0.0, stage_s - sum(steps.values()))
    return {
        "starts_s": starts_s,
        **spent,
        "steps": {step: round(seconds / sum(steps.values()), 4) for step, seconds in sorted(steps.items())},
        "chunks": len(plan.chunks),
        "staged_frames": frames,
        "staged_bytes": size,
        "looked_frames": looks_count,
        "embedded_faces": embedded,
        "looked_pts": sorted(looked),
        "staged_pts": sorted(staged),
    }


def note_looks() -> set[int]:
    """PTS of all frames that a detector will see in this process from here on; documents only count them."""
    from lambdas.detect.faces.analyzer import FaceAnalyzer

    looked: set[int] = set()
    detect = FaceAnalyzer.detect

    def noted(analyzer: Any, frame: Any, **how: Any) -> Any:
        looked.add(frame.pts)
        return detect(analyzer, frame, **how)

    FaceAnalyzer.detect = noted  # type: ignore[assignment, method-assign]
    return looked


def _cluster(folder: str, run_id: str) -> dict[str, Any]:
    started = time.process_time()
    from lambdas.cluster import handler
    from lambdas.contracts import ClusterRequest
    from lambdas.staging import DirectoryStaging

    starts_s = time.process_time() - started
    clock = _Clock()
    handler.run(ClusterRequest(run_id=run_id), DirectoryStaging(Path(folder)))
    return {"starts_s": starts_s, **clock.spent()}


def _publish(folder: str, run_id: str) -> dict[str, Any]:
    started = time.process_time()
    from lambdas.contracts import PublishRequest, Selection, selection_key
    from lambdas.publish import handler
    from lambdas.staging import DirectoryStaging, get_document

    starts_s = time.process_time() - started
    staging, published = DirectoryStaging(Path(folder)), DirectoryStaging(Path(folder) / "published")
    clock = _Clock()
    answer = handler.run(PublishRequest(run_id=run_id), staging, published)
    spent = clock.spent()
    selection = get_document(staging, selection_key(run_id), Selection)
    shown = [frame.frame for frame in selection.representative] + [scene.frame for scene in selection.scenes]
    for person in selection.people:
        shown += [person.best.frame, *(other.frame for other in person.alternatives)]
    return {
        "starts_s": starts_s,
        **spent,
        "people": answer.people,
        "scenes": answer.scenes,
        "files": sum(path.is_file() for path in published.root.rglob("*")),
        "frames_read": len({(ref.chunk, ref.offset) for ref in shown}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--name", help="under which it is kept; the pack's own without it")
    parser.add_argument("--words", default="", help="what the video is")
    given = parser.parse_args()
    from lambdas.detect.packs import load_pack

    found = measure(given.video, given.words or Path(given.video).name, given.pack)
    times = read_times()
    times.packs[given.name or load_pack(given.pack).facts.name] = found
    write_times(times)
    print(found.model_dump_json(indent=1))


if __name__ == "__main__":
    main()
