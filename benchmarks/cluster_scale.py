"""How the stages that see the whole video grow with it: plan, cluster and publish, up to 10 h and 100,000 tracks.

    python -m benchmarks.cluster_scale            all tables, about 10 minutes
    python -m benchmarks.cluster_scale tracks     100,000 tracks, and 20,000 against the direct way
    python -m benchmarks.cluster_scale hours      1 to 10 h through plan, cluster and publish
    python -m benchmarks.cluster_scale payloads   what the state machine carries for 10,000 chunks

Every line is measured in a process of its own: its peak memory is what a function of its own would need.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import resource
import shutil
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import (
    OPEN_END,
    QUALITY_PARTS,
    ChunkDocument,
    ClusterRequest,
    ClusterResponse,
    Detections,
    DetectRequest,
    DetectResponse,
    Distances,
    PackFacts,
    Plan,
    PublishRequest,
    PublishResponse,
    Settings,
    SourceFacts,
    SplitResponse,
    StagedFrame,
    chunk_document_key,
    detections_key,
    frames_key,
    plan_key,
)
from lambdas.staging import DirectoryStaging, put_document

MEASURED = Distances(same=0.48, strict=0.35, attach=0.52, suggest=0.62, name=0.52)
"""Of the packs in InsightFace's format up to 128-D (docs/models.md)."""
RUN = "scale"
CHUNK_S = 60
TICKS = 90_000
STAGED_EVERY_S = 3
GLANCES_PER_S = 15
GOP_TICKS = 8 * TICKS
CUT_EVERY_S = 20
STATE_BYTES = 262_144
"""Most a state of Step Functions may take or give."""


# vectors


def crowd(
    count: int, people: int, passers: float, distance: float, dimension: int, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(count, d) L2-normed faces and (count,) whose each is; a share of `passers` is met once.

    Faces of one person are `distance` apart on average, strangers about 1, as trained embedders have them.
    """
    rng = np.random.default_rng(seed)
    who = rng.integers(people, size=count)
    centres = rng.standard_normal((people, dimension), np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = rng.standard_normal((count, dimension), np.float32)
    once = rng.random(count) < passers
    vectors[~once] *= np.float32(np.sqrt(distance / (1 - distance) / dimension))
    vectors[~once] += centres[who[~once]]
    who[once] = people + np.arange(int(once.sum()))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors, who


def identify_crowd(
    count: int, people: int, passers: float, distance: float, dimension: int, chunks: int, direct: bool = False
) -> dict[str, Any]:
    """One call of cluster's `identify`; `direct` compares everybody with everybody at once."""
    from lambdas.cluster import clustering
    from lambdas.cluster.identities import identify
    from lambdas.cluster.tracks import Tracks

    if direct:
        clustering.LARGEST_TABLE = sys.maxsize
    vectors, who = crowd(count, people, passers, distance, dimension)
    neighbours = np.arange(0, count - 1, 3)
    together = np.stack([neighbours, neighbours + 1], axis=1)[who[neighbours] != who[neighbours + 1]]
    tracks = Tracks(
        chunk=np.arange(count) * chunks // count,
        number=np.arange(count),
        rows=[],
        embedding=vectors,
        faces=np.full(count, 3),
        face_sum=vectors * 3,
        clear=np.full(count, 3),
        clear_side=np.zeros(count, np.int64),
        conflicts=together,
    )
    spent = measured(lambda: identify(tracks, [], MEASURED))
    labels = spent.pop("result").of_track
    return spent | {"found": int(labels.max()) + 1, "true": len(np.unique(who)), "labels": labels}


def dbscan_crowd(count: int, people: int, passers: float, distance: float, dimension: int) -> dict[str, Any]:
    """Plain DBSCAN over the same faces."""
    from sklearn.cluster import DBSCAN

    vectors, who = crowd(count, people, passers, distance, dimension)
    spent = measured(lambda: DBSCAN(eps=MEASURED.same, min_samples=1, metric="cosine").fit(vectors).labels_)
    labels = spent.pop("result")
    return spent | {"found": int(labels.max()) + 1, "true": len(np.unique(who)), "labels": labels}


def show_tracks(count: int) -> None:
    chunks = 600
    print(f"cluster of {count:,} tracks in {chunks} chunks ({cores()} cores)\n")
    print("| people, passers-by | faces of one apart | dimensions | wall s | CPU s | peak MiB | identities, true |")
    print("|---|---|---|---|---|---|---|")
    for people, passers, distance in ((500, 0.05, 0.14), (500, 0.1, 0.30), (500, 0.1, 0.42), (1, 0.0, 0.30)):
        for dimension in (128, 512):
            got = alone(identify_crowd, count, people, passers, distance, dimension, chunks)
            print(f"| {people}, {passers:.0%} | {distance} | {dimension} | {told(got)} |", flush=True)


def show_equality(count: int) -> None:
    print(f"\n{count:,} tracks: reduced per chunk, the direct way, and DBSCAN alone\n")
    print("| faces of one apart | dimensions | | wall s | CPU s | peak MiB | identities, true | pairs unlike direct |")
    print("|---|---|---|---|---|---|---|---|")
    for distance in (0.14, 0.30, 0.42):
        for dimension in (128, 512):
            case = (count, 200, 0.1, distance, dimension)
            direct = alone(identify_crowd, *case, 120, True)
            reduced = alone(identify_crowd, *case, 120)
            for name, got in (("direct", direct), ("reduced", reduced), ("DBSCAN", alone(dbscan_crowd, *case))):
                unlike = pairs_unlike(got["labels"], direct["labels"])
                print(f"| {distance} | {dimension} | {name} | {told(got)} | {unlike:,} |", flush=True)


def pairs_unlike(one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    """Pairs that one partition joins and the other keeps apart."""

    def pairs(labels: NDArray[np.int64]) -> int:
        sizes = np.bincount(labels)
        return int((sizes * (sizes - 1) // 2).sum())

    both = pairs(np.unique(np.stack([one, other]), axis=1, return_inverse=True)[1].reshape(-1))
    return pairs(one) + pairs(other) - 2 * both


# whole stages


def write_film(staging: DirectoryStaging, hours: float, tracks_per_chunk: int, people: int, dimension: int) -> Plan:
    """The documents that detect would have left of so long a film in which `tracks_per_chunk` faces come and go.

    Each track has four sightings a second apart, the middle two embedded; every chunk's tar is one and the same file.
    """
    chunks = round(hours * 3600 / CHUNK_S)
    plan = plan_film(hours)
    put_document(staging, plan_key(RUN), plan)
    rng = np.random.default_rng(1)
    per_chunk = CHUNK_S // STAGED_EVERY_S
    jpegs, tar = draw_frames(per_chunk)
    first_tar = staging.path(frames_key(RUN, 0))
    faces, _ = crowd(chunks * tracks_per_chunk, people, 0.01, 0.3, dimension)
    glance_s = np.arange(CHUNK_S * GLANCES_PER_S) / GLANCES_PER_S
    scenes = rng.integers(0, 255, (97, 16, 16, 3)).astype(np.uint8)
    pattern = rng.integers(40, 215, (1, 16, 16, 3))
    for index in range(chunks):
        start = np.sort(rng.integers(0, CHUNK_S - 4, tracks_per_chunk))
        seen_s = (start[:, None] + np.arange(4)).ravel()
        track = np.repeat(np.arange(tracks_per_chunk), 4)
        order = np.argsort(seen_s, kind="stable")
        seen_s, track = seen_s[order], track[order]
        left = 115.0 * (track % 11)
        boxes = np.stack([left, 0 * left + 200, left + 90, 0 * left + 300], axis=1).astype(np.float32)
        place = np.empty(len(track), np.int64)
        place[order] = np.arange(len(track))
        embedded = np.sort(place.reshape(-1, 4)[:, 1:3].ravel())
        own = faces[index * tracks_per_chunk : (index + 1) * tracks_per_chunk][track[embedded]]
        own = own + 0.2 * rng.standard_normal(own.shape, np.float32) / np.sqrt(dimension)
        own /= np.linalg.norm(own, axis=1, keepdims=True)
        origin = index * CHUNK_S
        small = np.clip(pattern + rng.integers(-40, 40, (per_chunk, 16, 16, 3)), 0, 255).astype(np.uint8)
        cut = (glance_s % CUT_EVERY_S < 0.5 / GLANCES_PER_S) & (glance_s > 0)
        border = rng.integers(0, 255, (144, 256, 3)).astype(np.uint8)
        columns = Detections(
            pts=(origin + seen_s) * TICKS,
            boxes=boxes,
            landmarks=np.repeat(boxes[:, None, :2] + 40, 5, axis=1),
            quality=rng.uniform(0.4, 0.9, (len(track), len(QUALITY_PARTS))).astype(np.float32),
            openings=rng.uniform(0.1, 0.4, (len(track), 2)).astype(np.float32),
            in_view=rng.uniform(20, 60, len(track)).astype(np.float32),
            confidence=rng.uniform(0.6, 0.9, len(track)).astype(np.float32),
            brightness=np.full(len(track), 0.5, np.float32),
            confirmed=np.ones(len(track), bool),
            tracks=track.astype(np.int32),
            staged=np.where(seen_s % STAGED_EVERY_S == 0, seen_s // STAGED_EVERY_S, -1).astype(np.int32),
            dense=np.zeros(len(track), bool),
            embedded=embedded.astype(np.int32),
            embeddings=own.astype(np.float32),
            scene_pts=np.round((origin + glance_s) * TICKS).astype(np.int64),
            scene_scores=np.where(cut, 60.0, 1.5).astype(np.float32),
            scene_features=np.zeros((len(glance_s), 0), np.float32),
            scene_luma=np.full(len(glance_s), 0.5, np.float32),
            # A scene's picture, unlike the next one's.
            scene_layout=scenes[((origin + glance_s) // CUT_EVERY_S).astype(np.int64) % len(scenes)],
            staged_small=small,
            first_frame=border,
            last_frame=border,
        )
        document = ChunkDocument(
            index=index,
            frame_count=CHUNK_S * 30,
            first_pts=origin * TICKS,
            last_pts=round((origin + CHUNK_S - 1 / 30) * TICKS),
            end_pts=(origin + CHUNK_S) * TICKS,
            looked_frames=CHUNK_S,
            corrupt_frames=0,
            staged=[
                StagedFrame(
                    pts=round((origin + number * STAGED_EVERY_S) * TICKS),
                    t_s=float(origin + number * STAGED_EVERY_S),
                    offset=offset,
                    length=length,
                    width=1280,
                    height=720,
                    luma=0.5,
                    contrast=0.4,
                    sharpness=float(rng.uniform(0.3, 0.7)),
                    in_transition=False,
                )
                for number, (offset, length) in enumerate(jpegs)
            ],
            seconds={"total": 10.0},
        )
        staging.put(detections_key(RUN, index), columns.to_bytes())
        put_document(staging, chunk_document_key(RUN, index), document)
        if index:
            staging.path(frames_key(RUN, index)).hardlink_to(first_tar)
        else:
            staging.put(frames_key(RUN, 0), tar)
    return plan


def draw_frames(count: int) -> tuple[list[tuple[int, int]], bytes]:
    """Offset and length of each JPEG, and the tar: noise, so about the size of real ones."""
    import cv2

    buffer = io.BytesIO()
    places = []
    rng = np.random.default_rng(2)
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number in range(count):
            coarse = rng.integers(40, 215, (90, 160, 3)).astype(np.uint8)
            jpeg = cv2.imencode(".jpg", cv2.resize(coarse, (1280, 720)), [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
            member = tarfile.TarInfo(f"{number:05d}.jpg")
            member.size = len(jpeg)
            places.append((tar.offset + tarfile.BLOCKSIZE, len(jpeg)))
            tar.addfile(member, io.BytesIO(jpeg))
    return places, buffer.getvalue()


def plan_film(hours: float) -> Plan:
    """The plan by split's own rules, from the keyframes its index would give."""
    from lambdas.split.plan import choose_borders, make_chunks

    end = round(hours * 3600) * TICKS
    keyframes = range(0, end, GOP_TICKS)
    settings = Settings(chunk_s=CHUNK_S)
    # Keyframes are 8 s apart: borders lie where a multiple of the chunk's length is nearest.
    borders = choose_borders(keyframes, 0, end, CHUNK_S * TICKS)
    chunks = make_chunks(borders, 0, end, settings)
    if hours * 3600 / CHUNK_S > len(chunks) * 1.1:
        raise RuntimeError(f"{len(chunks)} chunks planned for {hours} h")
    # The film's own chunks are exactly a minute each.
    bounds = [-OPEN_END, *range(CHUNK_S * TICKS, end, CHUNK_S * TICKS), OPEN_END]
    exact = [
        chunks[0].model_copy(
            update={
                "index": i,
                "start_pts": bounds[i],
                "end_pts": bounds[i + 1],
                "decode_from_pts": bounds[i],
                "representative_windows": [],
                "fallback_pts": [],
            }
        )
        for i in range(len(bounds) - 1)
    ]
    return Plan(
        pipeline_version="scale",
        run_id=RUN,
        source=SourceFacts(
            uri="film.mp4",
            identity="0",
            size_bytes=round(hours * 3600 * 500_000),
            container="mp4",
            codec="h264",
            width=1280,
            height=720,
            rotation=0,
            sample_aspect_ratio=1.0,
            interlaced=False,
            hdr="",
            fps=30.0,
            duration_s=hours * 3600.0,
            start_pts=0,
            time_base_num=1,
            time_base_den=TICKS,
            video_stream=0,
            segmented=False,
        ),
        settings=settings,
        pack=PackFacts(
            name="none",
            licence="none",
            commercial_use=True,
            detector="none",
            embedder="none",
            embedding_size=128,
            sha256="0" * 64,
            distances=MEASURED,
        ),
        gallery_key=None,
        chunks=exact,
        created_at="2025-06-01T00:00:00Z",
        split_s=0.0,
    )


def run_plan(hours: float) -> dict[str, Any]:
    from lambdas.split.plan import choose_borders, make_chunks

    end = round(hours * 3600) * TICKS
    keyframes = list(range(0, end, 2 * TICKS))

    def plan() -> int:
        return len(make_chunks(choose_borders(keyframes, 0, end, CHUNK_S * TICKS), 0, end, Settings()))

    return measured(plan)


def run_cluster(root: Path) -> dict[str, Any]:
    from lambdas.cluster.handler import run

    return measured(lambda: run(ClusterRequest(run_id=RUN), DirectoryStaging(root)))


def run_publish(root: Path) -> dict[str, Any]:
    from lambdas.publish.handler import run

    published = DirectoryStaging(root / "published")
    return measured(lambda: run(PublishRequest(run_id=RUN), DirectoryStaging(root), published))


def show_hours(films: list[tuple[float, int, int, int]]) -> None:
    """Films as (hours, tracks a minute, people, dimensions)."""
    print("\nwhole stages on a synthetic film: wall s, CPU s, peak MiB\n")
    print("| hours | tracks | dimensions | plan | cluster | publish | people, scenes |")
    print("|---|---|---|---|---|---|---|")
    for hours, per_minute, people, dimension in films:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            alone(write_only, root, hours, per_minute, people, dimension)
            planned = alone(run_plan, hours)
            clustered = alone(run_cluster, root)
            published = alone(run_publish, root)
            found = published["result"]
            shutil.rmtree(root / "published")
            spent = (planned, clustered, published)
            cells = " | ".join(f"{one['wall_s']:.2f}, {one['cpu_s']:.2f}, {one['peak_mib']}" for one in spent)
            tracks = round(hours * 60) * per_minute
            print(f"| {hours:g} | {tracks:,} | {dimension} | {cells} | {found.people}, {found.scenes} |", flush=True)


def write_only(root: Path, hours: float, per_minute: int, people: int, dimension: int) -> dict[str, Any]:
    write_film(DirectoryStaging(root), hours, per_minute, people, dimension)
    return {}


# payloads


def payloads(chunks: int) -> dict[str, int]:
    """Bytes of everything that the state machine carries for a video of so many chunks, the largest of each kind."""
    from lambdas.split.plan import Border, make_chunks

    run_id = "f" * 64
    borders = [Border(i * CHUNK_S * TICKS, i * CHUNK_S * TICKS) for i in range(1, chunks)]
    planned = make_chunks(borders, 0, chunks * CHUNK_S * TICKS, Settings(representative=100, min_scenes=1000))
    if len(planned) != chunks:
        raise RuntimeError(f"{len(planned)} chunks, not {chunks}")
    carried: dict[str, list[str]] = {
        "split's answer": [SplitResponse(run_id=run_id, chunk_count=chunks, duration_s=6e5).model_dump_json()],
        "one chunk of the map": [chunk.model_dump_json() for chunk in planned],
        "detect's request": [DetectRequest(run_id=run_id, chunk=chunks - 1).model_dump_json()],
        "detect's answer": [DetectResponse(run_id=run_id, chunk=chunks - 1, skipped=False).model_dump_json()],
        "all answers of the map, empty objects": [json.dumps([{}] * chunks)],
        "cluster's answer": [
            ClusterResponse(run_id=run_id, people=10**5, scenes=10**5, representative=100).model_dump_json()
        ],
        "publish's answer": [
            PublishResponse(
                run_id=run_id, manifest_key="k" * 1024, people=10**5, representative=100, scenes=10**5
            ).model_dump_json()
        ],
    }
    return {what: max(len(text.encode()) for text in texts) for what, texts in carried.items()}


def show_payloads(chunks: int) -> None:
    print(f"\nstate payloads for {chunks:,} chunks; {STATE_BYTES:,} bytes are allowed\n")
    print("| | bytes |")
    print("|---|---|")
    for what, size in payloads(chunks).items():
        print(f"| {what} | {size:,} |")


# measuring


def measured(work: Callable[[], Any]) -> dict[str, Any]:
    """Wall and CPU seconds of `work`, the process' peak memory after it, and its result."""
    wall, cpu = time.monotonic(), time.process_time()
    result = work()
    return {
        "wall_s": time.monotonic() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "result": result,
    }


def alone(work: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """`work(*arguments)` in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def told(got: dict[str, Any]) -> str:
    return f"{got['wall_s']:.1f} | {got['cpu_s']:.1f} | {got['peak_mib']} | {got['found']:,}, {got['true']:,}"


def cores() -> int:
    return multiprocessing.cpu_count()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["tracks", "hours", "payloads"])
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--direct", type=int, default=20_000)
    given = parser.parse_args()
    if given.part in (None, "tracks"):
        show_tracks(given.tracks)
        show_equality(given.direct)
    if given.part in (None, "hours"):
        show_hours([(1, 20, 40, 128), (2.5, 20, 40, 128), (5, 20, 40, 128), (10, 20, 40, 128)])
        show_hours([(10, 167, 500, 128), (10, 167, 500, 512)])
    if given.part in (None, "payloads"):
        show_payloads(10_000)


if __name__ == "__main__":
    main()
