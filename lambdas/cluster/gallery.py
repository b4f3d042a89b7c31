"""Names for people, from an enrolled gallery. Pure: no files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import Gallery, PackFacts
from lambdas.errors import GalleryPackMismatch


@dataclass(frozen=True)
class Naming:
    """What the gallery says of one person."""

    name: str | None
    similarity: float | None
    """Cosine similarity to the nearest identity, -1 to 1; None for a gallery without pictures."""


def check_gallery(gallery: Gallery, pack: PackFacts) -> None:
    """Raises GalleryPackMismatch where the gallery's embeddings can't be compared with the run's."""
    if gallery.pack_sha256 != pack.sha256:
        raise GalleryPackMismatch(
            f"the gallery was enrolled with the pack {gallery.pack_sha256[:12]}, this run uses {pack.name} "
            f"({pack.sha256[:12]}): enroll it again with {pack.name}"
        )
    if len(gallery.embeddings) and gallery.embeddings.shape[1] != pack.embedding_size:
        raise GalleryPackMismatch(
            f"the gallery's embeddings have {gallery.embeddings.shape[1]} numbers, those of {pack.name} "
            f"{pack.embedding_size}"
        )


def similarities(people: NDArray[np.float32], gallery: Gallery) -> NDArray[np.float32]:
    """(people, names) cosine similarity to each identity's mean picture; -1 for a name without pictures.

    The mean rather than the best picture: see `name_people`.
    """
    means = np.zeros((len(gallery.names), people.shape[1]), np.float32)
    np.add.at(means, gallery.identity, gallery.embeddings)
    length = np.linalg.norm(means, axis=1)
    result = people @ (means / np.where(length > 0, length, 1)[:, None]).T
    result[:, length == 0] = -1
    return np.asarray(result, np.float32)


def name_people(
    people: NDArray[np.float32], gallery: Gallery, threshold: float, conflicts: set[tuple[int, int]]
) -> list[Naming]:
    """Per person (row of L2-normed mean embeddings) the nearest identity's name if its similarity is above `threshold`.

    Two people may bear one name (one person found in two parts), but never two that were seen in one frame
    (`conflicts`, pairs of rows): there the nearer keeps it.
    """
    if not len(gallery.embeddings) or not len(people):
        return [Naming(None, None) for _ in people]
    table = similarities(people, gallery)
    nearest = table.argmax(axis=1)
    similarity = table[np.arange(len(people)), nearest]
    named: dict[int, list[int]] = {}
    names: list[str | None] = [None] * len(people)
    for person in np.argsort(-similarity, kind="stable").tolist():
        if not similarity[person] > threshold:
            break
        bearers = named.setdefault(int(nearest[person]), [])
        if any((min(person, other), max(person, other)) in conflicts for other in bearers):
            continue
        bearers.append(person)
        names[person] = gallery.names[nearest[person]]
    return [Naming(name, round(float(value), 4)) for name, value in zip(names, similarity, strict=True)]
