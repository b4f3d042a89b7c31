"""Copies of a run's pictures that tell where they come from, as XMP."""

from __future__ import annotations

from pathlib import Path

from lambdas.publish.manifest import Manifest
from lambdas.publish.xmp import Provenance, tagged


def write_pictures(manifest: Manifest, root: Path, target: Path, *, names: bool) -> list[Path]:
    """Every frame and face of the run under `target`, called as in the run; people's names only with `names`."""
    written = []
    for file, told in provenances(manifest, names=names).items():
        path = target / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(tagged((root / file).read_bytes(), told))
        written.append(path)
    return written


def provenances(manifest: Manifest, *, names: bool) -> dict[str, Provenance]:
    """What each picture tells, by file."""
    found: dict[str, Provenance] = {}

    def add(file: str, t_s: float, pts: int | None, person: int | None = None, name: str | None = None) -> None:
        found[file] = Provenance(
            source=manifest.source.uri, run_id=manifest.run_id, t_s=t_s, pts=pts, person=person,
            name=name if names else None,
        )  # fmt: skip

    for person in manifest.people:
        best = person.best_frame
        for frame in (best, *person.alternatives):
            add(frame.file, frame.t_s, frame.pts, person.id, person.name)
        add(person.thumbnail, best.t_s, best.pts, person.id, person.name)
    for still in manifest.representative_frames:
        add(still.file, still.t_s, None)
    for scene in manifest.scenes:
        add(scene.file, scene.t_s, None)
    for seen in manifest.unclear:
        if seen.best is not None and seen.best.file is not None:
            add(seen.best.file, seen.best.t_s, seen.best.pts)
    return found
