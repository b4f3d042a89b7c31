"""gallery.npz."""

import io

import numpy as np
import pytest

from lambdas.contracts import Gallery
from lambdas.errors import InvalidGallery


def gallery() -> Gallery:
    vectors = np.random.default_rng(5).normal(size=(3, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Gallery(["Ada", "Žofie"], vectors, np.array([0, 1, 1], np.int32), "a" * 64)


def test_a_gallery_survives_its_file() -> None:
    read = Gallery.from_bytes(gallery().to_bytes())
    assert read.names == ["Ada", "Žofie"]
    assert read.pack_sha256 == "a" * 64
    np.testing.assert_array_equal(gallery().embeddings, read.embeddings)
    np.testing.assert_array_equal([0, 1, 1], read.identity)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 not a zip", b"text", b"\x93NUMPY\x01\x00"], ids=repr)
def test_garbage_is_an_invalid_gallery(data: bytes) -> None:
    with pytest.raises(InvalidGallery):
        Gallery.from_bytes(data)


def test_a_cut_off_gallery_is_invalid() -> None:
    whole = gallery().to_bytes()
    with pytest.raises(InvalidGallery):
        Gallery.from_bytes(whole[: len(whole) // 2])


def test_an_npz_of_something_else_is_an_invalid_gallery() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, names=np.array(["Ada"]))
    with pytest.raises(InvalidGallery):
        Gallery.from_bytes(buffer.getvalue())


def test_pickled_objects_in_a_gallery_are_refused() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, version=np.int32(1), names=np.array([object()], dtype=object))
    with pytest.raises(InvalidGallery):
        Gallery.from_bytes(buffer.getvalue())


def test_a_gallery_of_another_version_is_refused() -> None:
    buffer = io.BytesIO()
    with np.load(io.BytesIO(gallery().to_bytes())) as columns:
        np.savez(buffer, **{**columns, "version": np.int32(2)})
    with pytest.raises(InvalidGallery, match="version 2"):
        Gallery.from_bytes(buffer.getvalue())


def test_a_gallery_of_nobody_is_invalid() -> None:
    with pytest.raises(InvalidGallery):
        Gallery([], np.zeros((0, 8), np.float32), np.zeros(0, np.int32), "a" * 64)


def test_every_name_needs_an_embedding() -> None:
    whole = gallery()
    with pytest.raises(InvalidGallery):
        Gallery(whole.names, whole.embeddings, np.zeros(3, np.int32), whole.pack_sha256)
