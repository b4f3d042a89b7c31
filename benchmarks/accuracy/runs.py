"""Runs a clip up to who is who, by the product's own stages, and says what the truth is for each sighting."""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.clips import Truth, models_folder
from benchmarks.accuracy.scoring import Score, score
from lambdas.cluster import handler as cluster
from lambdas.cluster.footage import Footage, read_footage
from lambdas.cluster.scenes import find_cuts, join_columns
from lambdas.contracts import DetectRequest, Plan, Selection, Settings, SplitRequest, plan_key
from lambdas.detect import handler as detect
from lambdas.detect.packs import Pack, load_pack
from lambdas.split import handler as split
from lambdas.staging import DirectoryStaging, get_document
from talent_frames.packs import resolve_pack


@dataclass(frozen=True)
class Watched:
    """A video after split, detect and cluster."""

    plan: Plan
    footage: Footage
    selection: Selection
    chunk: NDArray[np.int64]
    """(n,) chunk of each sighting."""
    row: NDArray[np.int64]
    """(n,) its row in the chunk."""
    found: NDArray[np.int64]
    """(n,) the identity it was given."""
    reported: set[int]
    """Identities that are people; the others are brief appearances."""

    @property
    def pts(self) -> NDArray[np.int64]:
        return np.array(
            [self.footage.detections[c].pts[r] for c, r in zip(self.chunk, self.row, strict=True)], np.int64
        )

    @property
    def boxes(self) -> NDArray[np.float32]:
        """(n, 4) xyxy."""
        return np.array(
            [self.footage.detections[c].boxes[r] for c, r in zip(self.chunk, self.row, strict=True)], np.float32
        ).reshape(-1, 4)

    def who(self, truth: Truth) -> list[str | None]:
        """Who each sighting is in truth."""
        return [
            truth.person_at(self.plan.source.seconds(int(pts)), float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)
            for pts, box in zip(self.pts, self.boxes, strict=True)
        ]

    def score(self, truth: Truth) -> Score:
        return score(self.who(truth), self.found.tolist(), self.reported, len(truth.people))


@lru_cache(maxsize=4)
def pack_at(directory: Path) -> Pack:
    return load_pack(directory)


def watch(video: Path, pack_dir: Path, work: Path, settings: Settings | None = None) -> Watched:
    """Runs the stages; what an earlier call with the same work folder detected is not detected again."""
    settings = settings or Settings()
    name = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:8]
    staging = DirectoryStaging(work / f"{video.stem}-{pack_at(pack_dir).facts.sha256[:8]}-{name}")
    marker = staging.root / "run_id"
    if marker.is_file():
        run_id = marker.read_text()
    else:
        request = SplitRequest(uri=str(video), settings=settings, pack=pack_at(pack_dir).facts)
        run_id = split.run(request, staging).run_id
        marker.write_text(run_id)
    plan = get_document(staging, plan_key(run_id), Plan)
    for chunk in plan.chunks:
        detect.run(DetectRequest(run_id=run_id, chunk=chunk.index), staging, pack_dir)
    # The distances of today, whatever they were when the clip was detected.
    plan = plan.model_copy(update={"pack": pack_at(pack_dir).facts})
    return grouped(plan, read_footage(plan, staging))


def grouped(plan: Plan, footage: Footage) -> Watched:
    """The cluster stage, and which identity each sighting was given."""
    cuts = find_cuts(join_columns(footage.detections, footage.border_scores, plan.source), plan.settings)
    tracks, identities = cluster.who_is_who(plan, footage, cuts)
    selection = cluster.select(plan, footage, None)
    chunk, row, found = [], [], []
    identity_of: dict[tuple[int, int], int] = {}
    for track in range(len(tracks)):
        identity = int(identities.of_track[track])
        for one in tracks.rows[track].tolist():
            chunk.append(int(tracks.chunk[track]))
            row.append(one)
            found.append(identity)
            identity_of[(int(tracks.chunk[track]), one)] = identity
    reported = set()
    for person in selection.people:
        best = person.best
        chunk_at = footage.indices.index(best.frame.chunk)
        columns = footage.detections[chunk_at]
        here = np.flatnonzero(columns.pts == best.frame.pts)
        nearest = here[np.abs(columns.boxes[here] - np.array(best.box)).sum(axis=1).argmin()]
        reported.add(identity_of[(chunk_at, int(nearest))])
    assert len(reported) == len(selection.people)
    return Watched(
        plan,
        footage,
        selection,
        np.array(chunk, np.int64),
        np.array(row, np.int64),
        np.array(found, np.int64),
        reported,
    )


def packs() -> dict[str, Path]:
    """The packs at hand by name: the test pack where it is given, and `open`."""
    found = {}
    test_pack = models_folder()
    if test_pack is not None:
        found["test pack"] = test_pack
    return {**found, "open": resolve_pack("open")}


@lru_cache(maxsize=1)
def work_folder() -> Path:
    """Where clips and detections of this process lie; TALENT_FRAMES_ACCURACY_WORK keeps them for the next."""
    kept = os.environ.get("TALENT_FRAMES_ACCURACY_WORK", "")
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        return Path(kept)
    folder = Path(tempfile.mkdtemp(prefix="talent-frames-accuracy-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
