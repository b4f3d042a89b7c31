"""A run in a folder and its staging, drawn instead of detected: what comes after a run is tried in a second."""

from __future__ import annotations

from pathlib import Path

from lambdas.cluster import handler as cluster
from lambdas.contracts import (
    ChunkDocument,
    ClusterRequest,
    Plan,
    PublishRequest,
    chunk_document_key,
    frames_key,
)
from lambdas.publish import handler as publish
from lambdas.publish import images
from lambdas.staging import DirectoryStaging, get_document, put_document
from talent_frames import kept
from tests.cluster.factory import Appearance, Video, faces_of, three_people
from tests.publish.drawn_runs import drawn_frame


def film() -> Video:
    """Three people and a shadow."""
    shadow = Appearance(faces_of(9, 1)[0], 3.0, 6.0, left=900, confirmed=False)
    return Video(30.0, [*three_people(), shadow], cuts=[10.0, 20.0], dimension=128)


def publish_drawn(
    out: Path, work: Path, run_id: str, video: Video | None = None, *, identity: str = "0", uri: str = "clip.mp4"
) -> Plan:
    """Puts a drawn run into folder `out`; its staging, made in `work`, is kept as after any run."""
    video = video or film()
    staging = DirectoryStaging(work)
    plan = video.write(staging, 12.0, settings={"representative": 3})
    source = plan.source.model_copy(update={"identity": identity, "uri": uri})
    (work / "runs" / plan.run_id).rename(work / "runs" / run_id)
    plan = plan.model_copy(update={"run_id": run_id, "source": source})
    put_document(staging, f"runs/{run_id}/plan.json", plan)
    for chunk in plan.chunks:
        document = get_document(staging, chunk_document_key(run_id, chunk.index), ChunkDocument)
        pictures, staged = b"", []
        for frame in document.staged:
            shade = 60 + round(frame.t_s * 4) % 120
            jpeg = images.encode(drawn_frame(frame.width, frame.height, [(100, 100, 300, 300)], shade), 60)
            staged.append(frame.model_copy(update={"offset": len(pictures), "length": len(jpeg)}))
            pictures += jpeg
        staging.put(frames_key(run_id, chunk.index), pictures)
        put_document(staging, chunk_document_key(run_id, chunk.index), document.model_copy(update={"staged": staged}))
    cluster.run(ClusterRequest(run_id=run_id), staging)
    out.mkdir(parents=True, exist_ok=True)
    publish.run(PublishRequest(run_id=run_id), staging, DirectoryStaging(out))
    kept.keep(work, run_id, work, 7)
    return plan
