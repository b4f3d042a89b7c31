"""The detect stage on a GPU beside the same on the CPU: time by step, and whether both find the same.

    python -m benchmarks.gpu VIDEO --pack DIRECTORY                     models on CUDA, decoding on NVDEC
    python -m benchmarks.gpu VIDEO --pack DIRECTORY --decoder cpu       models alone
    python -m benchmarks.gpu VIDEO --pack DIRECTORY --write             and keeps the times for benchmarks.simulate

Needs onnxruntime-gpu in place of onnxruntime (lambdas/detect/requirements-batch.txt) and NVIDIA's driver with `video`.
Ends with 1 where the GPU is absent or finds something else than the CPU.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.stage_times import GpuTimes, read_times, write_times
from lambdas.cluster.tracks import overlap
from lambdas.contracts import (
    ChunkDocument,
    Detections,
    DetectRequest,
    Plan,
    SplitRequest,
    chunk_document_key,
    detections_key,
    plan_key,
)
from lambdas.errors import GpuMissing
from lambdas.staging import DirectoryStaging, get_document

FOUND_BY_BOTH = 0.99
"""Share of sightings that must be on both sides: a face on the threshold of detection may fall to either."""
BOX_PX = 2.0
"""Most that boxes of one sighting may differ, at 99%: decoders round colours differently, and CUDA sums in TF32."""
FACE_DISTANCE = 0.02
"""Most that embeddings of one face may differ, cosine, at 99%; one person's faces are 0.14 apart (docs/models.md)."""


@dataclass
class Side:
    """One run of all chunks."""

    wall_s: float
    steps: dict[str, float]
    columns: list[Detections]


def run_side(video: str, pack: Path, device: str, decoder: str, workers: int) -> Side:
    """Splits, then works through all chunks, `workers` at a time; imports and models are loaded before the clock."""
    from lambdas.detect.packs import load_pack
    from lambdas.split import handler as split

    with tempfile.TemporaryDirectory() as folder:
        staging = DirectoryStaging(Path(folder))
        run_id = split.run(SplitRequest(uri=video, pack=load_pack(pack).facts), staging).run_id
        plan = get_document(staging, plan_key(run_id), Plan)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context, _begin, (device, decoder, pack)) as pool:
            for ready in [pool.submit(_ready) for _ in range(workers)]:
                ready.result()
            started = time.monotonic()
            jobs = [pool.submit(_work, folder, run_id, chunk.index, pack) for chunk in plan.chunks]
            for job in jobs:
                job.result()
            wall_s = time.monotonic() - started
        steps: dict[str, float] = {}
        for chunk in plan.chunks:
            document = get_document(staging, chunk_document_key(run_id, chunk.index), ChunkDocument)
            for step, spent in document.seconds.items():
                steps[step] = steps.get(step, 0.0) + spent
        columns = [Detections.from_bytes(staging.get(detections_key(run_id, chunk.index))) for chunk in plan.chunks]
        return Side(wall_s, steps, columns)


def _begin(device: Any, decoder: Any, pack: Path) -> None:
    from lambdas.detect import device as devices
    from lambdas.detect import handler  # noqa: F401 - loaded before the clock runs
    from lambdas.detect.packs import load_pack

    devices.use(device, decoder)
    loaded = load_pack(pack)
    _ = loaded.detector, loaded.embedder


def _ready() -> None:
    time.sleep(0.1)


def _work(folder: str, run_id: str, chunk: int, pack: Path) -> None:
    from lambdas.detect import handler

    handler.run(DetectRequest(run_id=run_id, chunk=chunk), DirectoryStaging(Path(folder)), pack)


@dataclass
class Likeness:
    """How alike two sides' sightings are; differences at 99%."""

    sightings: int
    found_by_both: float
    box_px: float
    face_distance: float

    @property
    def within_tolerance(self) -> bool:
        return self.found_by_both >= FOUND_BY_BOTH and self.box_px <= BOX_PX and self.face_distance <= FACE_DISTANCE


def likeness(ones: list[Detections], others: list[Detections]) -> Likeness:
    """Sightings of the regular scan paired by time and place. The dense look goes where the best faces are, so there a
    hair's difference may look at other frames."""
    total = paired = 0
    boxes: list[float] = []
    faces: list[float] = []
    for one, other in zip(ones, others, strict=True):
        a_rows, b_rows = np.flatnonzero(~one.dense), np.flatnonzero(~other.dense)
        total += max(len(a_rows), len(b_rows))
        vector_a = dict(zip(one.embedded.tolist(), one.embeddings, strict=True))
        vector_b = dict(zip(other.embedded.tolist(), other.embeddings, strict=True))
        for a in a_rows.tolist():
            at = [b for b in b_rows.tolist() if other.pts[b] == one.pts[a]]
            best = max(at, key=lambda b: overlap(one.boxes[a], other.boxes[b]), default=None)
            if best is None or overlap(one.boxes[a], other.boxes[best]) < 0.5:
                continue
            paired += 1
            boxes.append(float(np.abs(one.boxes[a] - other.boxes[best]).max()))
            if a in vector_a and best in vector_b:
                faces.append(1 - float(vector_a[a] @ vector_b[best]))
    return Likeness(
        sightings=total,
        found_by_both=paired / total if total else 1.0,
        box_px=float(np.percentile(boxes, 99)) if boxes else 0.0,
        face_distance=float(np.percentile(faces, 99)) if faces else 0.0,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda")
    parser.add_argument("--decoder", choices=["cpu", "nvdec"], default="nvdec")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--write", action="store_true", help="keep the times in benchmarks/stage_times.json")
    parser.add_argument("--machine", default="", help="what it is called there, such as g4dn.xlarge")
    given = parser.parse_args()
    from lambdas.detect import device
    from lambdas.detect.packs import load_pack
    from lambdas.video import open_video

    try:
        device.use(given.device, given.decoder)
    except GpuMissing as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    gpu = run_side(given.video, given.pack, given.device, given.decoder, given.workers)
    cpu = run_side(given.video, given.pack, "cpu", "cpu", given.workers)
    with open_video(given.video, given.video) as container:
        seconds = (container.duration or 0) / 1_000_000
    print(f"{seconds:.1f} s of video, {given.workers} workers; seconds by step, all workers together\n")
    print(f"| | cpu | {given.device}, {given.decoder} |\n|---|---|---|")
    for step in sorted(set(cpu.steps) | set(gpu.steps)):
        print(f"| {step} | {cpu.steps.get(step, 0):.2f} | {gpu.steps.get(step, 0):.2f} |")
    print(f"| wall | {cpu.wall_s:.2f} | {gpu.wall_s:.2f} |")
    alike = likeness(cpu.columns, gpu.columns)
    print(
        f"\n{alike.sightings} sightings of the scan, {alike.found_by_both:.2%} on both sides; at 99% boxes differ by "
        f"{alike.box_px:.2f} px and faces by {alike.face_distance:.4f}"
    )
    if not alike.within_tolerance:
        print(f"beyond {FOUND_BY_BOTH:.0%}, {BOX_PX} px, {FACE_DISTANCE}", file=sys.stderr)
        return 1
    if given.write:
        name = load_pack(given.pack).facts.name
        times = read_times()
        times.gpu[name] = GpuTimes(
            machine=given.machine, video_s=seconds, wall_s=gpu.wall_s, made_on=time.strftime("%Y-%m-%d")
        )
        write_times(times)
    return 0


if __name__ == "__main__":
    sys.exit(main())
