"""Reads files as a run does, up to every picture of every chunk but without models, and says how that ended.

A process of its own, since what it reads may take it down: one path a line on stdin, one line of JSON each on stdout.
With `--people` each file is run whole, by the default pack.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

import av

from lambdas.contracts import Plan, Settings, SplitRequest, plan_key
from lambdas.detect.decode.chunk_reader import ChunkReader
from lambdas.detect.decode.memory import give_memory_back
from lambdas.errors import BadInput, TalentFramesError
from lambdas.publish.notes import losses
from lambdas.split import handler as split
from lambdas.staging import DirectoryStaging, get_document
from tests.cluster.factory import pack

CHUNK_S = 2.0
MOST_PLAIN = 2000
"""Frames counted when a file is read the plain way."""


def read(path: Path, *, people: bool = False) -> dict[str, Any]:
    """How reading `path` ended: `frames` met, `refused`, `failed` or `unnamed`, and what there is to say of it."""
    told: dict[str, Any] = {"plain": 0 if people else plain_frames(path)}
    began = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix="talent-frames-fuzz-") as folder:
            if people:
                told |= _found(path, Path(folder) / "out")
            else:
                staging = DirectoryStaging(Path(folder))
                settings = Settings(chunk_s=CHUNK_S)
                answer = split.run(SplitRequest(uri=str(path), settings=settings, pack=pack(1)), staging)
                told |= _met(get_document(staging, plan_key(answer.run_id), Plan), staging)
        told["end"] = "frames"
    except BadInput as error:
        told |= {"end": "refused", "error": type(error).__name__, "text": str(error)}
    except TalentFramesError as error:
        told |= {"end": "failed", "error": type(error).__name__, "text": str(error)}
    except Exception as error:
        told |= {"end": "unnamed", "error": type(error).__name__, "text": str(error)}
    told["seconds"] = round(time.perf_counter() - began, 3)
    return told


def _met(plan: Plan, staging: DirectoryStaging) -> dict[str, Any]:
    frames = given = corrupt = 0
    end = plan.source.start_pts
    for chunk in plan.chunks:
        location = staging.location(chunk.segment_key) if chunk.segment_key else plan.source.uri
        with ChunkReader(location, Path(plan.source.uri).name, plan.source, chunk) as reader:
            for frame in reader.frames(every=True):
                given += 1
                corrupt += frame.corrupt
                if given % 10 == 1:
                    zlib.crc32(frame.bgr(32, 32).tobytes())
            frames += reader.frame_count or 0
            end = max(end, reader.end_pts or end)
    give_memory_back()
    duration_s = plan.source.seconds(end)
    return {
        "packets": frames,
        "given": given,
        "corrupt": corrupt,
        "chunks": len(plan.chunks),
        "size": [plan.source.width, plan.source.height],
        "duration_s": round(duration_s, 3),
        "notes": [*plan.notes, *losses(plan.source, duration_s, frames)],
    }


def _found(path: Path, out: Path) -> dict[str, Any]:
    import talent_frames

    manifest = talent_frames.run(path, out=out, workers=1)
    return {
        "given": manifest.source.frame_count,
        "duration_s": manifest.source.duration_s,
        "size": [manifest.source.width, manifest.source.height],
        "people": [person.screen_time_s for person in manifest.people],
        "scenes": [scene.start_s for scene in manifest.scenes],
        "notes": manifest.notes,
    }


def plain_frames(path: Path) -> int:
    """Frames that PyAV decodes from the file, read from its beginning to its end; 0 where it can't be opened."""
    count = 0
    try:
        with av.open(str(path), metadata_errors="replace", timeout=10) as container:
            streams = [stream for stream in container.streams.video if stream.codec_context is not None]
            if not streams:
                return 0
            stream = container.streams.best("video") or streams[0]
            for packet in container.demux(stream):
                try:
                    count += len(packet.decode())
                except (av.error.FFmpegError, IndexError, ValueError):
                    continue
                if count >= MOST_PLAIN:
                    break
    except Exception:
        return count
    return count


def main() -> None:
    logging.disable(logging.CRITICAL)
    av.logging.set_level(None)
    people = "--people" in sys.argv
    for line in sys.stdin:
        print(json.dumps(read(Path(line.rstrip("\n")), people=people)), flush=True)


if __name__ == "__main__":
    main()
