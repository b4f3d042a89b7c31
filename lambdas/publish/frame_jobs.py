"""Which pictures are made of each staged frame: every frame is read and decoded once. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lambdas.contracts import FrameRef, Plan, SelectedPerson, Selection
from lambdas.publish import images, report
from lambdas.publish.keys import Keys

MOST_UNCLEAR_PICTURES = 200
"""Published of those never seen clearly: each costs one more frame read and decoded, and a crowd has hundreds."""


@dataclass(frozen=True)
class Picture:
    """A frame to publish."""

    file: str
    faces: tuple[images.Box, ...]
    """Kept inside when cropping, the main one first."""
    shown_px: int
    """Longest side in the report."""
    person: SelectedPerson | None = None
    """Whose frame it is."""


@dataclass(frozen=True)
class Face:
    """A square picture of a face to publish."""

    file: str
    box: images.Box
    shown_px: int
    """Side in the report."""
    person: SelectedPerson | None = None


@dataclass
class FrameJob:
    """All that one staged frame is needed for."""

    ref: FrameRef
    pictures: list[Picture] = field(default_factory=list)
    faces: list[Face] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """Those made of it."""
        return [picture.file for picture in self.pictures] + [face.file for face in self.faces]


def frame_jobs(plan: Plan, selection: Selection, keys: Keys) -> list[FrameJob]:
    """What is to be made of each staged frame, in the order they lie in staging."""
    jobs: dict[tuple[int, int], FrameJob] = {}

    def job(ref: FrameRef) -> FrameJob:
        return jobs.setdefault((ref.chunk, ref.offset), FrameJob(ref))

    sizes = report.shown_sizes(len(selection.people), len(selection.representative), len(selection.scenes))
    for person in selection.people:
        best = person.best
        job(best.frame).pictures.append(Picture(keys.person(person.id, person.name), (best.box,), sizes.still, person))
        job(best.frame).faces.append(Face(keys.thumbnail(person.id, person.name), best.box, sizes.face, person))
        for index, other in enumerate(person.alternatives):
            file = keys.alternative(person.id, person.name, index)
            job(other.frame).pictures.append(Picture(file, (other.box,), sizes.alternative, person))
    for index, chosen in enumerate(selection.representative):
        file = keys.representative(index)
        job(chosen.frame).pictures.append(Picture(file, _largest_first(chosen.faces), sizes.representative))
    for scene in selection.scenes:
        file = keys.scene(scene.index)
        job(scene.frame).pictures.append(Picture(file, _largest_first(scene.faces), sizes.scene))
    for appearance, unclear_file in zip(selection.unclear, unclear_files(selection, keys), strict=True):
        if appearance.face is not None and unclear_file is not None:
            job(appearance.face.frame).faces.append(Face(unclear_file, appearance.face.box, sizes.unclear))
    return [jobs[place] for place in sorted(jobs)]


def unclear_files(selection: Selection, keys: Keys) -> list[str | None]:
    """The picture's file of each of `selection.unclear`; None without a staged frame and beyond the first 200 that
    have one, who are the longest on screen."""
    files: list[str | None] = []
    left = MOST_UNCLEAR_PICTURES
    for index, appearance in enumerate(selection.unclear):
        pictured = appearance.face is not None and left > 0
        files.append(keys.unclear(index) if pictured else None)
        left -= pictured
    return files


def _largest_first(faces: Sequence[images.Box]) -> tuple[images.Box, ...]:
    return tuple(sorted(faces, key=lambda box: (box[0] - box[2]) * (box[3] - box[1])))
