"""Enrolment on real pictures."""

from __future__ import annotations

import shutil
import struct
import zlib
from pathlib import Path

import cv2
import insightface
import numpy as np
import pytest
import skimage

from lambdas.contracts import Gallery
from lambdas.detect.faces.detections import FaceDetections
from lambdas.detect.packs import load_pack
from lambdas.errors import InvalidGallery, UnknownPack
from talent_frames.api import read_gallery
from talent_frames.enroll import _chosen, enroll
from talent_frames.packs import resolve_pack
from talent_frames.progress import Silent

ASTRONAUT = Path(skimage.__file__).parent / "data" / "astronaut.png"
COFFEE = Path(skimage.__file__).parent / "data" / "coffee.png"
PEOPLE = Path(insightface.__file__).parent / "data" / "images"


@pytest.fixture(scope="module")
def pack() -> Path:
    return resolve_pack("open")


def test_a_file_or_a_folder_each_is_a_person(tmp_path: Path, pack: Path) -> None:
    shutil.copy(ASTRONAUT, tmp_path / "Eileen_Collins.png")
    (tmp_path / "Tom Hanks").mkdir()
    shutil.copy(PEOPLE / "Tom_Hanks_54745.png", tmp_path / "Tom Hanks" / "1.PNG")
    picture = cv2.imread(str(PEOPLE / "Tom_Hanks_54745.png"))
    assert picture is not None
    cv2.imwrite(str(tmp_path / "Tom Hanks" / "2.jpg"), picture[:, ::-1])
    gallery, warnings = enroll(tmp_path, pack)
    assert gallery.names == ["Eileen Collins", "Tom Hanks"]
    assert gallery.identity.tolist() == [0, 1, 1]
    assert gallery.pack_sha256 == load_pack(pack).facts.sha256
    assert warnings == []
    distances = 1 - gallery.embeddings @ gallery.embeddings.T
    assert distances[1, 2] < load_pack(pack).facts.distances.name < distances[0, 1:].min()
    assert Gallery.from_bytes(gallery.to_bytes()).names == gallery.names


def test_pictures_that_give_nothing_are_reported_and_passed_over(tmp_path: Path, pack: Path) -> None:
    (tmp_path / "Eileen").mkdir()
    shutil.copy(ASTRONAUT, tmp_path / "Eileen" / "a.png")
    shutil.copy(COFFEE, tmp_path / "Eileen" / "b.png")
    (tmp_path / "Eileen" / "c.jpg").write_bytes(b"not a picture")
    (tmp_path / "Eileen" / "d.jpg").write_bytes(b"")
    (tmp_path / "Nobody").mkdir()
    (tmp_path / "notes.txt").write_text("passed over")
    (tmp_path / ".hidden").mkdir()
    gallery, warnings = enroll(tmp_path, pack)
    assert gallery.names == ["Eileen"]
    assert len(gallery.embeddings) == 1
    assert warnings == [
        "Eileen/b.png: no face",
        "Eileen/c.jpg: not a picture that can be read",
        "Eileen/d.jpg: not a picture that can be read",
        "Nobody: not enrolled, 0 pictures and no usable face",
    ]


def test_nobody_enrolled_is_an_invalid_gallery(tmp_path: Path, pack: Path) -> None:
    with pytest.raises(InvalidGallery, match="0 pictures"):
        enroll(tmp_path, pack)
    shutil.copy(COFFEE, tmp_path / "Cup.png")
    with pytest.raises(InvalidGallery, match=r"1 pictures \(Cup\.png: no face\)"):
        enroll(tmp_path, pack)
    with pytest.raises(InvalidGallery, match="no such folder"):
        enroll(tmp_path / "nowhere", pack)


def test_an_unknown_pack_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(UnknownPack):
        enroll(tmp_path, tmp_path / "nowhere")


def test_the_largest_most_central_face_counts() -> None:
    boxes = np.array([[0, 0, 110, 110], [450, 450, 550, 550], [600, 600, 615, 700]], np.float32)
    faces = FaceDetections(boxes, np.zeros((3, 5, 2), np.float32), np.ones(3, np.float32))
    assert _chosen(faces, 1000, 1000) == 1
    assert _chosen(faces.taken(np.array([2])), 1000, 1000) is None
    assert _chosen(FaceDetections.empty(), 1000, 1000) is None


def test_ten_pictures_of_six_people_are_all_enrolled_and_nearest_their_own(gallery_pictures: Path, pack: Path) -> None:
    gallery, warnings = enroll(gallery_pictures, pack)
    assert (len(gallery.names), len(gallery.embeddings), warnings) == (6, 60, [])
    distances = 1 - gallery.embeddings @ gallery.embeddings.T
    np.fill_diagonal(distances, 2)
    nearest = gallery.identity[distances.argmin(axis=1)]
    np.testing.assert_array_equal(nearest, gallery.identity)


def test_pictures_of_kinds_that_can_not_be_read_are_named_in_one_line(tmp_path: Path, pack: Path) -> None:
    (tmp_path / "Ada").mkdir()
    (tmp_path / "Ada" / "1.HEIC").write_bytes(b"x")
    (tmp_path / "Bob.avif").write_bytes(b"x")
    with pytest.raises(InvalidGallery, match=r"0 pictures \(Ada/1\.HEIC, Bob\.avif: HEIC and AVIF can't be read"):
        enroll(tmp_path, pack)
    shutil.copy(ASTRONAUT, tmp_path / "Eileen.png")
    for number in range(20):
        (tmp_path / "Ada" / f"x{number:02}.heif").write_bytes(b"x")
    gallery, warnings = enroll(tmp_path, pack)
    assert gallery.names == ["Eileen"]
    assert warnings == [
        "Ada: not enrolled, 0 pictures and no usable face",
        "Ada/1.HEIC, Ada/x00.heif, Ada/x01.heif, Ada/x02.heif, Ada/x03.heif, Ada/x04.heif, Ada/x05.heif, Ada/x06.heif "
        "and 14 more: HEIC and AVIF can't be read; save them as JPEG",
    ]


def test_one_face_under_two_names_gets_a_sentence(tmp_path: Path, pack: Path) -> None:
    for name in ("Eileen", "E. Collins"):
        (tmp_path / name).mkdir()
        shutil.copy(ASTRONAUT, tmp_path / name / "1.png")
    shutil.copy(PEOPLE / "Tom_Hanks_54745.png", tmp_path / "Tom.png")
    gallery, warnings = enroll(tmp_path, pack)
    assert len(gallery.names) == 3
    assert warnings == ["E. Collins and Eileen look like one person under two names"]


def test_a_picture_in_place_of_a_folder_gets_a_sentence(pack: Path) -> None:
    with pytest.raises(InvalidGallery, match=r"astronaut\.png: a file; give the folder it is in"):
        enroll(ASTRONAUT, pack)
    with pytest.raises(InvalidGallery, match=r"astronaut\.png: a picture \(PNG\); give the folder it is in"):
        read_gallery(ASTRONAUT, pack, Silent())


@pytest.mark.parametrize("name", ["Ada\nLovelace", "\x1b[31mAda", "a\u202eb", "A" * 201])
def test_a_folder_whose_name_can_not_be_printed_is_named_and_nobody_is_enrolled(
    name: str, tmp_path: Path, pack: Path
) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(InvalidGallery, match="can't be a person's name") as caught:
        enroll(tmp_path, pack)
    assert str(caught.value).isprintable()


def test_a_picture_whose_name_can_not_be_printed_is_shown_without_what_can_not(tmp_path: Path, pack: Path) -> None:
    (tmp_path / "Eileen").mkdir()
    shutil.copy(ASTRONAUT, tmp_path / "Eileen" / "a.png")
    (tmp_path / "Eileen" / "b\n\x1b[2J.jpg").write_bytes(b"x")
    assert enroll(tmp_path, pack)[1] == ["Eileen/b??[2J.jpg: not a picture that can be read"]


def png_of(side: int) -> bytes:
    """A black picture of one bit a pixel: megabytes of memory in kilobytes of file."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(side * (1 + -(-side // 8))), 1)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", rows) + part(b"IEND", b"")


def test_a_picture_of_more_pixels_than_any_needs_is_passed_over(tmp_path: Path, pack: Path) -> None:
    (tmp_path / "Bomb.png").write_bytes(png_of(17_000))
    assert (tmp_path / "Bomb.png").stat().st_size < 3_000_000
    shutil.copy(ASTRONAUT, tmp_path / "Eileen.png")
    gallery, warnings = enroll(tmp_path, pack)
    assert gallery.names == ["Eileen"]
    assert warnings[0] == "Bomb.png: more pixels than any picture of a face needs, or damaged"
