"""Runs a clip up to who is who, by the product's own stages, and says what the truth is for each sighting."""

from __future__ import annotations

import atexit
import glob
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
from lambdas.cluster.footage import Footage, read_footage
from lambdas.cluster.scenes import find_cuts, join_columns
from lambdas.cluster.selection import select
from lambdas.cluster.who_is_who import who_is_who
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
    people: list[int]
    """The identity of each of the selection's people; the others are not sure enough to be people."""

    @property
    def reported(self) -> set[int]:
        """Identities that are people."""
        return set(self.people)

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
    plan, staging = detected(video, pack_dir, work, settings)
    return grouped(plan, read_footage(plan, staging))


def detected(
    video: Path, pack_dir: Path, work: Path, settings: Settings | None = None, *, any_source: bool = False
) -> tuple[Plan, DirectoryStaging]:
    """The video after split and detect, with the pack's distances of today.

    The staging of each video, pack, settings and source of these two stages is kept in `work`. `any_source` takes the
    newest one there is, whatever the source was, and so measures a change to cluster alone; without any it detects.
    """
    settings = settings or Settings()
    options = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()[:8]
    name = f"{video.stem}-{pack_at(pack_dir).facts.sha256[:8]}-{options}-"
    kept = [path.parent for path in work.glob(f"{glob.escape(name)}*/done")]
    newest = max(kept, key=lambda folder: (folder / "done").stat().st_mtime, default=None)
    staging = DirectoryStaging(newest if newest and any_source else work / f"{name}{source_of(DETECTING)}")
    marker = staging.root / "run_id"
    if marker.is_file():
        run_id = marker.read_text()
    else:
        request = SplitRequest(uri=str(video), settings=settings, pack=pack_at(pack_dir).facts)
        run_id = split.run(request, staging).run_id
        marker.write_text(run_id)
    plan = get_document(staging, plan_key(run_id), Plan)
    if not (staging.root / "done").is_file():
        for chunk in plan.chunks:
            detect.run(DetectRequest(run_id=run_id, chunk=chunk.index), staging, pack_dir)
        (staging.root / "done").touch()
    return plan.model_copy(update={"pack": pack_at(pack_dir).facts}), staging


DETECTING = ("*.py", "contracts/*.py", "shots/*.py", "split/*.py", "detect/**/*.py")
"""Source of split, detect and what they share with the others."""
LOOKING = (
    *("detect/detectors.py", "detect/embedders.py", "detect/insightface_models.py"),
    *("detect/faces/detections.py", "detect/faces/alignment.py"),
)
"""Source of what a pack sees in one picture."""


@lru_cache(maxsize=4)
def source_of(patterns: tuple[str, ...]) -> str:
    """Eight characters that change with these files of lambdas/."""
    digest = hashlib.sha256()
    lambdas = Path(detect.__file__).parent.parent
    for path in sorted(path for pattern in patterns for path in lambdas.glob(pattern)):
        digest.update(path.relative_to(lambdas).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:8]


def grouped(plan: Plan, footage: Footage) -> Watched:
    """The cluster stage, and which identity each sighting was given."""
    cuts = find_cuts(join_columns(footage.detections, footage.border_scores, plan.source), plan.settings)
    tracks, identities = who_is_who(plan, footage, cuts)
    selection = select(plan, footage, None)
    chunk, row, found = [], [], []
    identity_of: dict[tuple[int, int], int] = {}
    for track in range(len(tracks)):
        identity = int(identities.of_track[track])
        for one in tracks.rows[track].tolist():
            chunk.append(int(tracks.chunk[track]))
            row.append(one)
            found.append(identity)
            identity_of[(int(tracks.chunk[track]), one)] = identity
    people = []
    for person in selection.people:
        best = person.best
        chunk_at = footage.indices.index(best.frame.chunk)
        columns = footage.detections[chunk_at]
        here = np.flatnonzero(columns.pts == best.frame.pts)
        nearest = here[np.abs(columns.boxes[here] - np.array(best.box)).sum(axis=1).argmin()]
        people.append(identity_of[(chunk_at, int(nearest))])
    assert len(set(people)) == len(selection.people)
    return Watched(
        plan,
        footage,
        selection,
        np.array(chunk, np.int64),
        np.array(row, np.int64),
        np.array(found, np.int64),
        people,
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
