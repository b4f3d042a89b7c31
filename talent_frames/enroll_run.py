"""The named people of a run, added to a gallery: the next video knows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lambdas.cluster.clarity import clarity_of
from lambdas.cluster.scores import score_people
from lambdas.contracts import Gallery
from lambdas.errors import GalleryPackMismatch, InvalidGallery
from talent_frames.corrections import Run, sightings
from talent_frames.recognized import Recognized
from talent_frames.whole_file import write_whole

MOST_FACES = 8
"""Of a person, the best ones: more of one video tell little that is new."""
SAME_PICTURE = 0.9999
"""Cosine similarity from which two faces are one picture: a run enrolled twice adds nothing."""


def enroll_run(run: Run, file: Path) -> list[str]:
    """Adds everybody in the run who has a name to the gallery in `file`, made if it is not there; their names.

    Who is in the gallery already gets more faces. Raises InvalidGallery, and GalleryPackMismatch for another pack.
    """
    plan = run.plan
    names, embeddings, identity = [], np.zeros((0, plan.pack.embedding_size), np.float32), np.zeros(0, np.int32)
    if file.exists():
        try:
            known = Gallery.from_bytes(file.read_bytes())
        except InvalidGallery as error:
            raise InvalidGallery(f"{file}: {error}") from None
        if known.pack_sha256 != plan.pack.sha256:
            raise GalleryPackMismatch(
                f"{file}: enrolled with another model pack than the run's, {plan.pack.name}; give another file"
            )
        names, embeddings, identity = list(known.names), known.embeddings, known.identity
    seen = Recognized.of(run)
    footage = score_people(seen.footage, seen.tracks, seen.identities)
    clarity = clarity_of(footage.detections, footage.scores)
    added: list[str] = []
    for person in run.manifest.people:
        if person.name is None:
            continue
        clear = [
            (-float(footage.scores[chunk].numbers[row]), chunk, row, face)
            for chunk, row in seen.rows(sightings(run.manifest, str(person.id)))
            if clarity[chunk].front[row] and (face := seen.embedding(chunk, row)) is not None
        ]
        best = [face for *_, face in sorted(clear, key=lambda one: one[:3])[:MOST_FACES]]
        faces = [face for face in best if not len(embeddings) or float((embeddings @ face).max()) < SAME_PICTURE]
        if clear:
            added.append(person.name)
        if not faces:
            continue
        if person.name not in names:
            names.append(person.name)
        embeddings = np.concatenate([embeddings, np.stack(faces)])
        identity = np.concatenate([identity, np.full(len(faces), names.index(person.name), np.int32)])
    if added:
        write_whole(file, Gallery(names, embeddings, identity, plan.pack.sha256).to_bytes())
    return added
