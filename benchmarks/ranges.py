"""What detect reads of a video that lies behind a server: bytes, requests and openings of each chunk."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any


def read_chunks(video: str, pack: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Splits and works through every chunk of `video`, served on loopback; what the server sent and how it was asked.

    Runs in a process of its own (`benchmarks.stage_times.alone`).
    """
    import av

    from benchmarks.stage_times import note_looks
    from lambdas.contracts import (
        ChunkDocument,
        DetectRequest,
        Plan,
        Settings,
        SplitRequest,
        chunk_document_key,
        plan_key,
    )
    from lambdas.detect import handler as detect
    from lambdas.detect.packs import load_pack
    from lambdas.split import handler as split
    from lambdas.staging import DirectoryStaging, get_document
    from tests.split.range_server import serving

    openings: list[str] = []
    opened = av.open

    def noted(file: Any, *arguments: Any, **more: Any) -> Any:
        openings.append(str(file))
        return opened(file, *arguments, **more)

    av.open = noted
    looked = note_looks()
    staged: list[int] = []
    chunks = []
    path = Path(video)
    with tempfile.TemporaryDirectory() as folder, serving(path.parent) as server:
        staging = DirectoryStaging(Path(folder))
        request = SplitRequest(
            uri=server.url(path.name), pack=load_pack(pack).facts, settings=Settings.model_validate(settings)
        )
        run_id = split.run(request, staging).run_id
        split_bytes, split_requests = server.sent_bytes, len(server.requests)
        for chunk in get_document(staging, plan_key(run_id), Plan).chunks:
            sent, asked = server.sent_bytes, len(server.requests)
            openings.clear()
            detect.run(DetectRequest(run_id=run_id, chunk=chunk.index), staging, pack)
            document = get_document(staging, chunk_document_key(run_id, chunk.index), ChunkDocument)
            staged += [frame.pts for frame in document.staged]
            chunks.append(
                {
                    "bytes": server.sent_bytes - sent,
                    "requests": len(server.requests) - asked,
                    "openings": sum(one.startswith("http") for one in openings),
                }
            )
    return {
        "file_bytes": path.stat().st_size,
        "split_bytes": split_bytes,
        "split_requests": split_requests,
        "chunk_bytes": [one["bytes"] for one in chunks],
        "chunk_requests": [one["requests"] for one in chunks],
        "chunk_openings": [one["openings"] for one in chunks],
        "looked_pts": sorted(looked),
        "staged_pts": sorted(staged),
    }


def open_long(video: str) -> dict[str, Any]:
    """Bytes that opening a video and reading one packet from its middle takes, and the bytes of its index."""
    from lambdas.video import open_video
    from tests.split.range_server import serving

    path = Path(video)
    with serving(path.parent) as server:
        with open_video(server.url(path.name), path.name) as container:
            stream = container.streams.video[0]
            container.seek(int((container.duration or 0) / 2))
            next(container.demux(stream))
            duration_s = (container.duration or 0) / 1_000_000
        sent, requests = server.sent_bytes, len(server.requests)
    return {"bytes": sent, "requests": requests, "index_bytes": index_bytes(path), "video_s": duration_s}


def index_bytes(path: Path) -> int:
    """Size of an MP4's `moov`, 0 without one."""
    size = path.stat().st_size
    at = 0
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, name = int.from_bytes(head[:4], "big"), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            elif length == 0:
                length = size - at
            if name == b"moov":
                return length
            at += max(8, length)
    return 0
