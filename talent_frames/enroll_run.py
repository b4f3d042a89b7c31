"""The named people of a run, added to a gallery: the next video knows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lambdas.cluster.clarity import clarity_of
from lambdas.cluster.corrections import rows_of
from lambdas.cluster.footage import read_footage
from lambdas.cluster.scores import score_people
from lambdas.cluster.who_is_who import cuts_of, who_is_who_corrected
from lambdas.contracts import Gallery
from lambdas.errors import GalleryPackMismatch, InvalidGallery
from talent_frames.corrections import Run, sightings

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
    footage = read_footage(plan, run.staging)
    tracks, corrected = who_is_who_corrected(plan, footage, cuts_of(plan, footage), run.corrections)
    footage = score_people(footage, tracks, corrected.identities)
    clarity = clarity_of(footage.detections, footage.scores)
    added: list[str] = []
    for person in run.manifest.people:
        if person.name is None:
            continue
        rows = rows_of(footage, tracks, corrected.identities, sightings(run.manifest, str(person.id)))
        clear = [
            (-float(footage.scores[chunk].numbers[row]), chunk, row)
            for chunk, row in rows
            if clarity[chunk].front[row] and row in footage.detections[chunk].embedded
        ]
        faces = []
        for _, chunk, row in sorted(clear)[:MOST_FACES]:
            columns = footage.detections[chunk]
            face = columns.embeddings[int(np.searchsorted(columns.embedded, row))]
            if not len(embeddings) or float((embeddings @ face).max()) < SAME_PICTURE:
                faces.append(face)
        if clear:
            added.append(person.name)
        if not faces:
            continue
        if person.name not in names:
            names.append(person.name)
        embeddings = np.concatenate([embeddings, np.stack(faces)])
        identity = np.concatenate([identity, np.full(len(faces), names.index(person.name), np.int32)])
    if added:
        data = Gallery(names, embeddings, identity, plan.pack.sha256).to_bytes()
        file.parent.mkdir(parents=True, exist_ok=True)
        written = file.with_name(f".{file.name}.writing")
        written.write_bytes(data)
        written.replace(file)
    return added
