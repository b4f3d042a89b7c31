"""Names from a gallery."""

from __future__ import annotations

import numpy as np
import pytest

from lambdas.cluster.gallery import check_gallery, name_people
from lambdas.contracts import Gallery
from lambdas.errors import GalleryPackMismatch
from tests.cluster.factory import faces_of, near, pack


def gallery_of(*faces: np.ndarray, pictures: int = 3) -> Gallery:
    return Gallery(
        names=[f"Person {i}" for i in range(len(faces))],
        embeddings=np.array([near(face, 0.2, 50 + k) for face in faces for k in range(pictures)], np.float32),
        identity=np.repeat(np.arange(len(faces)), pictures).astype(np.int32),
        pack_sha256="f" * 64,
    )


def test_the_nearest_identity_names_a_person_and_a_stranger_stays_unknown() -> None:
    a, b, stranger = faces_of(0, 3)
    names = name_people(np.array([near(b, 0.1, 1), stranger, near(a, 0.1, 2)]), gallery_of(a, b), 0.4, set())
    assert [naming.name for naming in names] == ["Person 1", None, "Person 0"]
    assert names[1].similarity is not None
    assert names[1].similarity < 0.4


def test_the_threshold_itself_does_not_name() -> None:
    (a,) = faces_of(1, 1)
    gallery = gallery_of(a, pictures=1)
    similarity = float(gallery.embeddings[0] @ a)
    assert name_people(np.array([a]), gallery, similarity - 1e-4, set())[0].name == "Person 0"
    assert name_people(np.array([a]), gallery, similarity + 1e-4, set())[0].name is None


def test_two_people_may_bear_one_name_unless_seen_together() -> None:
    (a,) = faces_of(2, 1)
    people = np.array([near(a, 0.3, 1), near(a, 0.1, 2)])
    assert [n.name for n in name_people(people, gallery_of(a), 0.4, set())] == ["Person 0", "Person 0"]
    assert [n.name for n in name_people(people, gallery_of(a), 0.4, {(0, 1)})] == [None, "Person 0"]


def test_without_people_there_are_no_names() -> None:
    assert name_people(np.zeros((0, 128), np.float32), gallery_of(*faces_of(3, 1)), 0.4, set()) == []


def test_a_gallery_of_another_pack_is_refused() -> None:
    gallery = gallery_of(*faces_of(4, 1))
    check_gallery(gallery, pack())
    other = Gallery(gallery.names, gallery.embeddings, gallery.identity, "0" * 64)
    with pytest.raises(GalleryPackMismatch, match="000000000000"):
        check_gallery(other, pack())
    with pytest.raises(GalleryPackMismatch, match="128"):
        check_gallery(gallery, pack(512))
