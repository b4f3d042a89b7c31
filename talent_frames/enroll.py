"""Enrolment: a folder of pictures of known people becomes a gallery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import LONGEST_NAME, Gallery
from lambdas.detect.faces.detections import FaceDetections, Image
from lambdas.detect.packs import Pack, load_pack
from lambdas.errors import InvalidGallery

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
UNREAD = (".heic", ".heif", ".avif")
"""Pictures as telephones make them, which OpenCV's wheels can't read."""
MOST_NAMED = 8
"""Pictures that can't be read, by name; of others their number is told."""
MIN_CONFIDENCE = 0.5
MIN_FACE_PX = 24
"""Faces whose shorter side is smaller tell too little."""
CENTRE_WEIGHT = 0.5
"""How much of a face's area a place in the picture's corner costs when the largest, most central face is chosen."""


def enroll(directory: Path, pack: Path) -> tuple[Gallery, list[str]]:
    """The gallery of everyone in the folder, and a warning for each picture that gave nothing.

    One folder per person, or one picture per person directly in `directory`; its name (a file's without the ending,
    underscores read as spaces) is the person's. In a picture of several people the largest, most central face counts.

    Raises InvalidGallery if there is no such folder, a name in it can't be printed or nobody could be enrolled, and
    what `load_pack` raises.
    """
    if directory.is_file():
        raise InvalidGallery(
            f"{directory}: a file; give the folder it is in, with a picture or a folder for each person"
        )
    if not directory.is_dir():
        raise InvalidGallery(f"{directory}: no such folder")
    unread = _unread(directory)
    models = load_pack(pack)
    names: list[str] = []
    embeddings, identity, warnings = [], [], []
    seen = 0
    for name, pictures in _people(directory):
        crops = []
        for picture in pictures:
            seen += 1
            crop, problem = _face(picture, models)
            if crop is None:
                warnings.append(f"{_shown(picture, directory)}: {problem}")
            else:
                crops.append(crop)
        if not crops:
            warnings.append(f"{name}: not enrolled, {len(pictures)} pictures and no usable face")
            continue
        if name not in names:
            names.append(name)
        embeddings.append(models.embedder.embed(crops))
        identity += [names.index(name)] * len(crops)
    if not names:
        raise InvalidGallery(
            f"{directory}: nobody can be enrolled from {seen} pictures"
            + (
                f" ({[*unread, *warnings][0]})"
                if unread or warnings
                else "; it takes one folder or one picture per person"
            )
        )
    warnings += unread
    warnings += _alike(names, [rows.mean(axis=0) for rows in _by_name(embeddings, identity, len(names))],
                       models.facts.distances.strict)  # fmt: skip
    gallery = Gallery(names, np.concatenate(embeddings), np.array(identity, np.int32), models.facts.sha256)
    return gallery, warnings


def _by_name(embeddings: list[NDArray[np.float32]], identity: list[int], count: int) -> list[NDArray[np.float32]]:
    """The embeddings (n, d) of each name."""
    rows, owner = np.concatenate(embeddings), np.array(identity)
    return [rows[owner == number] for number in range(count)]


def _alike(names: list[str], means: list[NDArray[np.float32]], strict: float) -> list[str]:
    """A warning for each two names whose pictures show surely one person."""
    normed = np.stack(means) / np.linalg.norm(np.stack(means), axis=1, keepdims=True)
    close = np.argwhere(np.triu(1 - normed @ normed.T < strict, 1))
    return [f"{names[one]} and {names[other]} look like one person under two names" for one, other in close.tolist()]


def _unread(directory: Path) -> list[str]:
    """One line that names the pictures of kinds that can't be read; none where there are none."""
    found = [
        _shown(path, directory)
        for path in sorted([*directory.glob("*"), *directory.glob("*/*")])
        if path.suffix.lower() in UNREAD and not path.name.startswith(".")
    ]
    if not found:
        return []
    named = ", ".join(found[:MOST_NAMED]) + (f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else "")
    return [f"{named}: HEIC and AVIF can't be read; save them as JPEG"]


def _shown(picture: Path, directory: Path) -> str:
    """A picture's place in the folder, fit to be printed whatever its name."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(picture.relative_to(directory)))


def _people(directory: Path) -> Iterator[tuple[str, list[Path]]]:
    """Each person's name and pictures, by name; hidden files and folders are passed over."""
    for entry in sorted(path for path in directory.iterdir() if not path.name.startswith(".")):
        if (entry.is_dir() or _is_picture(entry)) and (not entry.name.isprintable() or len(entry.name) > LONGEST_NAME):
            raise InvalidGallery(
                f"{directory}: {entry.name[:50]!a} can't be a person's name: it holds what can't be printed or is "
                f"longer than {LONGEST_NAME} letters; rename it"
            )
        if entry.is_dir():
            pictures = sorted(path for path in entry.iterdir() if _is_picture(path))
            yield entry.name.replace("_", " "), pictures
        elif _is_picture(entry):
            yield entry.stem.replace("_", " "), [entry]


def _is_picture(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and path.suffix.lower() in PICTURES


def face_in(picture: Path, models: Pack) -> Image:
    """The aligned crop of the face that counts in a picture. Raises InvalidGallery where there is none."""
    try:
        crop, problem = _face(picture, models)
    except OSError as error:
        raise InvalidGallery(f"{picture}: {error.strerror}") from None
    if crop is None:
        raise InvalidGallery(f"{picture}: {problem}")
    return crop


def _face(path: Path, models: Pack) -> tuple[Image | None, str]:
    """The aligned crop of the face that counts, or None and why there is none."""
    # Not cv2.imread: it can't open every path Python can, and prints what it dislikes. EXIF rotation is applied.
    data = np.fromfile(path, np.uint8)
    try:
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:
        return None, "more pixels than any picture of a face needs, or damaged"
    if decoded is None:
        return None, "not a picture that can be read"
    image: Image = np.asarray(decoded, np.uint8)
    height, width = image.shape[:2]
    size = models.detector.input_size(width, height)
    small = image if size == (width, height) else np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    faces = models.detector.detect(small, MIN_CONFIDENCE).scaled(width / size[0], height / size[1])
    best = _chosen(faces, width, height)
    if best is None:
        return None, "no face" if not len(faces) else f"no face of {MIN_FACE_PX} pixels or more"
    return models.embedder.align(image, faces.landmarks[best], faces.boxes[best]), ""


def _chosen(faces: FaceDetections, width: int, height: int) -> int | None:
    """The largest, most central face; None without one that is large enough."""
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    usable = sides.min(axis=1, initial=np.inf) >= MIN_FACE_PX
    if not usable.any():
        return None
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    # 0 in the middle, 1 in a corner.
    off = np.linalg.norm(centres / (width, height) - 0.5, axis=1) / np.sqrt(0.5)
    weight = sides.prod(axis=1) * (1 - CENTRE_WEIGHT * np.minimum(off, 1))
    return int(np.argmax(np.where(usable, weight, -1)))
