"""What can't be done faster: reading, decoding and detecting alone, and the least work of a plan.

Each is meant to run in a process of its own (`benchmarks.stage_times.alone`); times begin after imports and models.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PICTURES = 24
"""Keyframes, spread over the video, that the detector is measured on."""
REPEATS = 40
"""Faces embedded to know what one takes."""


def timed(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` answers, with `wall_s` and `cpu_s` of this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = work()
    return {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu, **found}


def sha256(video: str) -> dict[str, Any]:
    """The whole file read and hashed."""

    def work() -> dict[str, Any]:
        with Path(video).open("rb") as file:
            hashlib.file_digest(file, "sha256")
        return {}

    return timed(work)


def decode_all(video: str, threads: int) -> dict[str, Any]:
    """Every frame decoded and dropped."""
    import av

    def work() -> dict[str, Any]:
        with av.open(video) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = threads
            stream.thread_type = "AUTO" if threads > 1 else "NONE"
            return {"frames": sum(1 for _ in container.decode(stream))}

    return timed(work)


def decode_referenced(video: str) -> dict[str, Any]:
    """The frames that others refer to, or all where the decoder skips none; no loop filter, one thread."""
    import av

    def work() -> dict[str, Any]:
        with av.open(video) as container:
            stream = container.streams.video[0]
            decoder = stream.codec_context
            decoder.thread_count = 1
            decoder.options = {"skip_loop_filter": "all"}
            decoder.skip_frame = "NONREF"
            return {"frames": sum(1 for _ in container.decode(stream))}

    return timed(work)


def decode_keyframes(video: str) -> dict[str, Any]:
    """Keyframes alone, on one thread."""
    import av

    def work() -> dict[str, Any]:
        frames = 0
        with av.open(video) as container:
            stream = container.streams.video[0]
            decoder = stream.codec_context
            decoder.thread_count = 1
            for packet in container.demux(stream):
                # Told by the packet: some decoders give all frames, whatever they are told to skip.
                if packet.size and packet.is_keyframe:
                    frames += len(decoder.decode(packet)) + len(decoder.decode(None))
                    decoder.flush_buffers()
        return {"frames": frames}

    return timed(work)


def detect_alone(video: str, pack: Path, period_s: float) -> dict[str, Any]:
    """The pack's detector on one frame a period, on one thread; pictures are at hand, in the detector's size.

    Beside it `detect_s` and `embed_s` of one frame and one face.
    """
    import av
    import numpy as np
    from av.video.reformatter import Interpolation

    from lambdas.detect.packs import load_pack

    models = load_pack(pack)
    detector, embedder = models.detector, models.embedder
    pictures, crops = [], []
    with av.open(video) as container:
        stream = container.streams.video[0]
        duration_s = float(container.duration or 0) / 1_000_000
        for number in range(PICTURES):
            container.seek(int(number * duration_s / PICTURES * 1_000_000))
            frame = next(container.decode(stream))
            width, height = detector.input_size(frame.width, frame.height)
            small = frame.reformat(width, height, format="bgr24", interpolation=Interpolation.AREA).to_ndarray()
            pictures.append(np.ascontiguousarray(small, np.uint8))
            found = detector.detect(pictures[-1], 0.5)
            crops += [
                embedder.align(pictures[-1], marks, box)
                for marks, box in zip(found.landmarks, found.boxes, strict=True)
            ]
    if not crops:
        points = np.array([[9, 9], [20, 9], [15, 15], [9, 20], [20, 20]], np.float32)
        crops = [embedder.align(pictures[0], points, np.zeros(4, np.float32))]
    looks = max(1, round(duration_s / period_s))

    def work() -> dict[str, Any]:
        for number in range(looks):
            detector.detect(pictures[number % len(pictures)], 0.5)
        return {"frames": looks}

    spent = timed(work)
    start = time.process_time()
    for number in range(REPEATS):
        embedder.embed([crops[number % len(crops)]])
    embed_s = (time.process_time() - start) / REPEATS
    return spent | {"detect_s": spent["cpu_s"] / looks, "embed_s": embed_s}


def decode_needed(video: str, looked: Sequence[int], kept: Sequence[int]) -> dict[str, Any]:
    """The decoding that these frames (PTS) can't do without, on one thread.

    Of each GOP what stands before its last wanted frame; frames that no other frame refers to only where they are
    wanted themselves; the loop filter only in GOPs with a frame that is `kept`. `bytes` are those of the packets up to
    there.
    """
    import av

    wanted, published = set(looked) | set(kept), set(kept)

    def work() -> dict[str, Any]:
        sent = decoded = 0
        # A decoder keeps its loop filter for life, so there are two, each with a way through the file of its own.
        for filtered in (False, True):
            with av.open(video) as container:
                stream = container.streams.video[0]
                decoder = stream.codec_context
                decoder.thread_count = 1
                if not filtered:
                    decoder.options = {"skip_loop_filter": "all"}
                group: list[Any] = []
                for packet in container.demux(stream):
                    if not packet.size or packet.is_keyframe:
                        rows = [row for row, one in enumerate(group) if one.pts in wanted]
                        if rows and filtered == any(one.pts in published for one in group):
                            for one in group[: rows[-1] + 1]:
                                decoder.skip_frame = "DEFAULT" if one.pts in wanted else "NONREF"
                                decoded += len(decoder.decode(one))
                                sent += one.size
                            decoded += len(decoder.decode(None))
                            decoder.flush_buffers()
                        group = []
                    if packet.size:
                        group.append(packet)
        return {"bytes": sent, "frames": decoded}

    return timed(work)


def first_detection(folder: str, run_id: str, pack: Path) -> dict[str, Any]:
    """What a cold start takes: `wall_s` from here, before any import of ours, until a worker has looked at one frame.

    The plan stands in staging `folder`. Begins in a process that has loaded Python alone.
    """
    import sys

    if "numpy" in sys.modules or "av" in sys.modules:
        raise RuntimeError("first_detection needs a fresh process")
    started = time.perf_counter()
    from lambdas.contracts import DetectRequest
    from lambdas.detect import handler
    from lambdas.detect.faces.analyzer import FaceAnalyzer
    from lambdas.staging import DirectoryStaging

    detect = FaceAnalyzer.detect

    def once(analyzer: Any, frame: Any, **how: Any) -> Any:
        detect(analyzer, frame, **how)
        raise _Seen(time.perf_counter() - started)

    FaceAnalyzer.detect = once  # type: ignore[assignment, method-assign]
    try:
        handler.run(DetectRequest(run_id=run_id, chunk=0), DirectoryStaging(Path(folder)), pack)
    except _Seen as seen:
        return {"wall_s": seen.seconds}
    raise RuntimeError("the detect stage looked at no frame")


class _Seen(Exception):
    """Ends a worker after its first look."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
