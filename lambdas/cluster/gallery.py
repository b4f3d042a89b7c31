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
    """Cosine similarity to the nearest identity, -1 to 1; None without a gallery."""


def check_gallery(gallery: Gallery, pack: PackFacts) -> None:
    """Raises GalleryPackMismatch where the gallery's embeddings can't be compared with the run's."""
    if gallery.pack_sha256 != pack.sha256:
        raise GalleryPackMismatch(
            f"the gallery was enrolled with the pack {gallery.pack_sha256[:12]}, this run uses {pack.name} "
            f"({pack.sha256[:12]}): enroll it again with {pack.name}"
        )
    if gallery.embeddings.shape[1] != pack.embedding_size:
        raise GalleryPackMismatch(
            f"the gallery's embeddings have {gallery.embeddings.shape[1]} numbers, those of {pack.name} "
            f"{pack.embedding_size}"
        )


def similarities(people: NDArray[np.float32], gallery: Gallery) -> NDArray[np.float32]:
    """(people, names) cosine similarity to the mean of each identity's pictures.

    The mean and not the nearest picture: on six LFW people with five pictures each, against one another and 54 averages
    of other faces, the least similarity of the right name was 0.76 by the mean, 0.71 by the nearest picture and 0.75 by
    half of each; the greatest of a wrong one 0.36 by all three.
    """
    means = np.zeros((len(gallery.names), people.shape[1]), np.float32)
    np.add.at(means, gallery.identity, gallery.embeddings)
    return np.asarray(people @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T, np.float32)


def name_people(
    people: NDArray[np.float32], gallery: Gallery, threshold: float, conflicts: set[tuple[int, int]]
) -> list[Naming]:
    """Per person (row of L2-normed mean embeddings) the nearest identity's name if its similarity is above `threshold`.

    Two people may bear one name (one person found in two parts), but never two that were seen in one frame
    (`conflicts`, pairs of rows): there the nearer keeps it.
    """
    if not len(people):
        return []
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
