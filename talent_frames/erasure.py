"""What this machine holds of a run, of a video, or of a person, removed, with a receipt of what was."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic_core import from_json

from lambdas.contracts import Gallery, Plan, Sighting, plan_key
from lambdas.errors import BadInput, InvalidGallery
from lambdas.publish import images
from lambdas.staging import get_document
from talent_frames import kept
from talent_frames.corrections import Leave, NoRun, Run, Who, correct, manifest_path, sightings
from talent_frames.enroll import face_in
from talent_frames.machine import cache_folder
from talent_frames.whole_file import write_whole

if TYPE_CHECKING:
    from lambdas.detect.packs import Pack
    from lambdas.publish.manifest import Manifest


SAME_FRAME_S = 0.002
"""Frames so little outside a presence belong to it; the manifest rounds times."""


class NothingToErase(BadInput):
    """Nothing here is what was to be erased."""


@dataclass
class Receipt:
    """What was erased, when; it names neither faces nor people."""

    what: str
    erased: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, place: Path | str, files: int, size_bytes: int, **more: Any) -> None:
        self.erased.append({"kind": kind, "place": str(place), "files": files, "bytes": size_bytes, **more})

    def text(self) -> str:
        """As JSON, with a checksum over the rest by which a change shows."""
        document: dict[str, Any] = {
            "what": self.what,
            "erased_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "erased": self.erased,
        }
        document["sha256"] = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
        return json.dumps(document, indent=1) + "\n"


def erase_run(out: Path) -> Receipt:
    """Removes a run's folder and what is kept of it. Raises NoRun."""
    run_id = _run_id(out)
    receipt = Receipt(f"run {run_id}")
    files, size = _measured(out)
    shutil.rmtree(out)
    receipt.add("run", out, files, size, run_id=run_id)
    _erase_kept(run_id, receipt)
    return receipt


def erase_source(identity: str, folders: Sequence[Path]) -> Receipt:
    """Removes every run of a video, by its identity, in these folders and among what is kept or was interrupted.

    Runs of versions whose manifests told no identity are not found. Raises NothingToErase.
    """
    receipt = Receipt(f"source {identity}")
    for run_id in kept.kept_run_ids():
        staging, _ = kept.kept_run(run_id)
        if get_document(staging, plan_key(run_id), Plan).source.identity == identity:
            _erase_kept(run_id, receipt)
    for out in _runs_in(folders):
        manifest = from_json(manifest_path(out).read_bytes())
        if manifest.get("source", {}).get("identity") == identity:
            files, size = _measured(out)
            shutil.rmtree(out)
            receipt.add("run", out, files, size, run_id=manifest["run_id"])
    for work in _interrupted():
        plans = [Plan.model_validate_json(path.read_bytes()) for path in work.glob(plan_key("*"))]
        if any(plan.source.identity == identity for plan in plans):
            files, size = _measured(work)
            shutil.rmtree(work)
            receipt.add("interrupted run", work, files, size)
    if not receipt.erased:
        raise NothingToErase(f"source {identity}: there is no run of it here")
    return receipt


def erase_person(picture: Path, folders: Sequence[Path], galleries: Sequence[Path], pack_dir: Path) -> Receipt:
    """Takes the person in a picture out of the runs in these folders, and out of these galleries.

    Runs are published anew without them. What is kept of those runs goes, since it holds their face as numbers. A run
    of which nothing is kept is searched by its published pictures, one of another model pack can't be and is listed as
    such. Raises NothingToErase where they are nowhere.
    """
    from lambdas.detect.packs import load_pack

    models = load_pack(pack_dir)
    crop = face_in(picture, models)
    face = models.embedder.embed([crop])[0]
    limit = models.facts.distances.name
    receipt = Receipt(f"person in {picture.name}")
    for out in _runs_in(folders):
        try:
            run = Run.open(out)
        except BadInput as error:
            receipt.add("not searched", out, 0, 0, why=str(error))
            continue
        if run.manifest.models.sha256 != models.facts.sha256:
            receipt.add("not searched", out, 0, 0, why=f"run with another model pack, {run.manifest.models.pack}")
            continue
        found = _found_in(run, face, limit) if run.staged else _found_in_pictures(run, models, face, limit)
        if not found:
            continue
        left = correct(run, [Leave(who, "hide") for who in found])
        # Frames of others and of scenes may show them, too: about those somebody has to decide.
        shown = _showing(left.manifest, [seen for who in found for seen in sightings(run.manifest, who)])
        files = len(run.manifest.people) - len(left.manifest.people)
        receipt.add("person", out, files, 0, people=len(found), still_shown_in=shown)
        _erase_kept(run.manifest.run_id, receipt)
    for file in galleries:
        _erase_from_gallery(file, face, limit, models.facts.sha256, receipt)
    if not any(one["kind"] != "not searched" for one in receipt.erased):
        why = "; ".join(f"{one['place']}: {one['why']}" for one in receipt.erased)
        raise NothingToErase(
            f"{picture.name}: nobody here looks like that" + (f" (not searched: {why})" if why else "")
        )
    return receipt


def _showing(manifest: Manifest, seen: Sequence[Sighting]) -> list[str]:
    """Files of a run whose frame is from one of these presences."""
    frames = [(frame.file, frame.t_s) for frame in (*manifest.representative_frames,)]
    frames += [(scene.file, scene.t_s) for scene in manifest.scenes]
    for person in manifest.people:
        frames += [(frame.file, frame.t_s) for frame in (person.best_frame, *person.alternatives)]
    return sorted(
        file
        for file, t_s in frames
        if any(one.start_s - SAME_FRAME_S <= t_s <= one.end_s + SAME_FRAME_S for one in seen)
    )


def _found_in_pictures(run: Run, models: Pack, face: NDArray[np.float32], limit: float) -> list[Who]:
    """Who of a run has a face nearer than `limit` in most of their published pictures."""
    pictures = {str(person.id): [person.best_frame, *person.alternatives] for person in run.manifest.people}
    found = []
    for who, frames in pictures.items():
        crops = []
        for frame in frames:
            image = images.decode((run.out / frame.file).read_bytes())
            if image is not None:
                points, box = np.array(frame.landmarks, np.float32), np.array(frame.box, np.float32)
                crops.append(models.embedder.align(image, points, box))
        if crops and float(np.median(1 - models.embedder.embed(crops) @ face)) < limit:
            found.append(who)
    for place, seen in enumerate(run.manifest.unclear):
        if seen.best is None or seen.best.file is None:
            continue
        # Faces that the detector finds no more in so small a picture tell nobody who they are, either.
        with contextlib.suppress(InvalidGallery):
            crop = face_in(run.out / seen.best.file, models)
            if float(1 - models.embedder.embed([crop])[0] @ face) < limit:
                found.append(f"u{place}")
    return found


def _found_in(run: Run, face: NDArray[np.float32], limit: float) -> list[Who]:
    """Who of a run, those seen unclearly too, has a face nearer than `limit`."""
    from talent_frames.recognized import Recognized

    seen = Recognized.of(run)
    found = []
    everybody = [str(person.id) for person in run.manifest.people] + [f"u{n}" for n in range(len(run.manifest.unclear))]
    for who in everybody:
        faces = [seen.embedding(chunk, row) for chunk, row in seen.rows(sightings(run.manifest, who))]
        near = [1 - float(one @ face) for one in faces if one is not None]
        if near and float(np.median(near)) < limit:
            found.append(who)
    return found


def _erase_from_gallery(
    file: Path, face: NDArray[np.float32], limit: float, pack_sha256: str, receipt: Receipt
) -> None:
    try:
        gallery = Gallery.from_bytes(file.read_bytes())
    except OSError as error:
        raise InvalidGallery(f"{file}: {error.strerror}") from None
    if gallery.pack_sha256 != pack_sha256:
        receipt.add("not searched", file, 0, 0, why="enrolled with another model pack")
        return
    means = np.stack([gallery.embeddings[gallery.identity == n].mean(axis=0) for n in range(len(gallery.names))])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    gone = {n for n in range(len(gallery.names)) if 1 - float(means[n] @ face) < limit}
    if not gone:
        return
    stays = [n for n in range(len(gallery.names)) if n not in gone]
    rows = np.isin(gallery.identity, stays)
    removed = int((~rows).sum())
    if not stays:
        size = file.stat().st_size
        file.unlink()
        receipt.add("gallery", file, 1, size, faces=removed)
        return
    number = {old: new for new, old in enumerate(stays)}
    identity = np.array([number[int(n)] for n in gallery.identity[rows]], np.int32)
    left = Gallery([gallery.names[n] for n in stays], gallery.embeddings[rows], identity, gallery.pack_sha256)
    write_whole(file, left.to_bytes())
    receipt.add("gallery entry", file, 0, 0, faces=removed)


def _erase_kept(run_id: str, receipt: Receipt) -> None:
    size = kept.drop(run_id)
    if size:
        receipt.add("kept staging", run_id, 0, size, run_id=run_id)


def _run_id(out: Path) -> str:
    run_id: str = from_json(manifest_path(out).read_bytes())["run_id"]
    return run_id


def _runs_in(folders: Sequence[Path]) -> Iterator[Path]:
    """The folders that are runs, and runs in them."""
    for folder in folders:
        inside = sorted(path for path in folder.rglob("*") if path.is_dir()) if folder.is_dir() else []
        taken: list[Path] = []
        for path in (folder, *inside):
            if any(path.is_relative_to(run) for run in taken) or not path.is_dir():
                continue
            try:
                manifest_path(path)
            except NoRun:
                continue
            taken.append(path)
            yield path


def _interrupted() -> list[Path]:
    root = cache_folder() / "staging"
    return [work for work in root.iterdir() if work.is_dir()] if root.is_dir() else []


def _measured(folder: Path) -> tuple[int, int]:
    """How many files are in a folder, and their bytes."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)
