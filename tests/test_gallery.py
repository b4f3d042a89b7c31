"""gallery.npz."""

import io
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest

from lambdas.contracts import MOST_GALLERY_BYTES, Gallery
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


def packed(**members: bytes) -> bytes:
    """A zip of these members, each compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def test_a_gallery_that_unpacks_to_gigabytes_is_refused_before_it_does() -> None:
    bomb = packed(embeddings=bytes(MOST_GALLERY_BYTES + 1))
    assert len(bomb) < 2_000_000
    with pytest.raises(InvalidGallery, match="more than the limit"):
        Gallery.from_bytes(bomb)
    with pytest.raises(InvalidGallery, match="17 parts"):
        Gallery.from_bytes(packed(**{f"a{number}": b"" for number in range(17)}))


@pytest.mark.parametrize("part", ["names", "embeddings", "identity"])
def test_a_gallery_of_millions_of_small_parts_is_refused_before_each_is_an_object(part: str) -> None:
    """A few kilobytes that fit the limit of bytes and would take gigabytes of memory as Python's own objects."""
    whole = gallery()
    parts: dict[str, Any] = {
        "version": np.int32(1),
        "names": np.array(whole.names),
        "embeddings": whole.embeddings,
        "identity": whole.identity,
        "pack_sha256": np.str_(whole.pack_sha256),
    }
    many = {
        "names": np.zeros(20_000_000, "U1"),
        "embeddings": np.zeros((30_000_000, 1), np.float32),
        "identity": np.zeros(30_000_000, np.int32),
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{**parts, part: many[part]})
    assert len(buffer.getvalue()) < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(InvalidGallery, match="more than the limit"):
            Gallery.from_bytes(buffer.getvalue())
        assert tracemalloc.get_traced_memory()[1] < MOST_GALLERY_BYTES
    finally:
        tracemalloc.stop()


def test_an_encrypted_gallery_is_refused_by_name() -> None:
    data = bytearray(packed(names=b"x" * 100))
    for head, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(head) + place] |= 1
    with pytest.raises(InvalidGallery, match="encrypted"):
        Gallery.from_bytes(bytes(data))


@pytest.mark.parametrize("name", ["a\nb", "", " ", "x" * 201, "\x1b[31m", "\u202e"])
def test_a_name_that_can_not_be_printed_is_refused(name: str) -> None:
    with pytest.raises(InvalidGallery, match="a name"):
        Gallery([name], np.eye(1, 4, dtype=np.float32), np.zeros(1, np.int32), "0" * 64)


@pytest.mark.parametrize("damage", [b"", b"PK\3\4", b"\x93NUMPY", packed(names=b"\x93NUMPY\1\0v\0{'descr': '|O'}")])
def test_no_damage_of_a_gallery_is_answered_with_advice_to_load_it_unsafely(damage: bytes) -> None:
    with pytest.raises(InvalidGallery) as caught:
        Gallery.from_bytes(damage)
    assert "safe" not in str(caught.value) and "pickle" not in str(caught.value)
