"""The distances at which a pack's embedder tells people apart: `python -m benchmarks.distances [PACK ...]`.

On people who are in no video that anything is measured on: eight people of a television series with five pictures each
and pairs of pictures (`stills/` of the folder that TALENT_FRAMES_TEST_DATA names), and six people of LFW with ten each
(`gallery/`). As they are, and as film shows faces: small, dark, out of focus. Prints tables for docs/models.md;
who reads them chooses.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.clips import data_folder, models_folder
from lambdas.detect.faces.detections import Floats, Image, normed
from lambdas.detect.packs import Pack, load_pack
from talent_frames.packs import resolve_pack

MARGIN = 0.5
"""Black rim put about a picture, in its sides: crops of the series are all face, and a detector wants more."""
SMALL_PX, DARK, BLUR = 32, 0.18, 0.03
"""Shorter side of a face made small; share of its light left; blur's sigma in sides of the face."""

FILMED: dict[str, Callable[[Image, float], Image]] = {
    "as it is": lambda image, side: image,
    "small": lambda image, side: _resized(image, min(1.0, SMALL_PX / side)),
    "dark": lambda image, side: np.asarray(cv2.convertScaleAbs(image, alpha=DARK), np.uint8),
    "out of focus": lambda image, side: np.asarray(cv2.GaussianBlur(image, (0, 0), BLUR * side), np.uint8),
}
"""What is done to a picture whose face has this shorter side, pixels."""
PLAIN = next(iter(FILMED))
ENROLLED = 5
"""Pictures of a person that a gallery's mean is made of."""
LIMITS = (0.40, 0.44, 0.48, 0.50, 0.52, 0.54, 0.56, 0.58, 0.60, 0.64)


@dataclass(frozen=True)
class Face:
    """One picture's face, ways of filming it by name."""

    person: str
    """Pictures of the pairs: the group that pairs of one person join."""
    picture: str
    embeddings: dict[str, Floats]
    """(d,) each; a way in which the face is not found is left out."""


@dataclass(frozen=True)
class Distances:
    """Between single faces."""

    same: Floats
    different: Floats
    names: list[str]
    """Of the different pairs."""


def people(data: Path) -> Iterator[tuple[str, Path]]:
    """Every picture with its person; pictures of the pairs that no pair calls one person are people of their own."""
    for folder in sorted([*(data / "stills/people").iterdir(), *(data / "gallery").iterdir()]):
        for picture in sorted(folder.iterdir()):
            yield folder.name, picture
    for number, group in enumerate(_groups(_pairs(data))):
        for name in sorted(group):
            yield f"pairs {number}", data / "stills/pairs" / name


def _pairs(data: Path) -> dict[tuple[str, str], bool]:
    """Whether the two pictures show one person."""
    with (data / "stills/pairs.csv").open() as file:
        return {(row["file_x"], row["file_y"]): row["Decision"] == "Yes" for row in csv.DictReader(file)}


def _groups(pairs: dict[tuple[str, str], bool]) -> list[set[str]]:
    groups: list[set[str]] = []
    for pair, one in sorted(pairs.items()):
        for names in [set(pair)] if one else [{name} for name in pair]:
            touched = [group for group in groups if group & names]
            groups = [group for group in groups if not group & names] + [names.union(*touched)]
    return sorted(groups, key=min)


def faces(pack: Pack, data: Path) -> list[Face]:
    """One for each picture in which a face is found: the largest."""
    found = []
    for person, path in people(data):
        image = np.asarray(cv2.imread(str(path)), np.uint8)
        rim = round(MARGIN * max(image.shape[:2]))
        framed = np.asarray(cv2.copyMakeBorder(image, rim, rim, rim, rim, cv2.BORDER_CONSTANT), np.uint8)
        side = _largest(pack, framed)[1]
        ways = {}
        for way, change in FILMED.items():
            embedding = _largest(pack, change(framed, side))[0] if side else None
            if embedding is not None:
                ways[way] = embedding
        found.append(Face(person, path.name, ways))
    return found


def _largest(pack: Pack, image: Image) -> tuple[Floats | None, float]:
    """Embedding and shorter side, pixels, of the largest face; None and 0 without any."""
    height, width = image.shape[:2]
    size = pack.detector.input_size(width, height)
    scaled = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    found = pack.detector.detect(scaled, 0.5).scaled(width / size[0], height / size[1])
    if not len(found):
        return None, 0.0
    sides = (found.boxes[:, 2:] - found.boxes[:, :2]).min(axis=1)
    best = int(sides.argmax())
    crop = pack.embedder.align(image, found.landmarks[best], found.boxes[best])
    return pack.embedder.embed([crop])[0], float(sides[best])


def _resized(image: Image, scale: float) -> Image:
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def distances(found: list[Face], data: Path, ways: tuple[str, str]) -> Distances:
    """Between every two pictures, the one filmed the first way, the other the second (and the other way round).

    Two people of the pairs are compared only where a pair says so: others might be one person.
    """
    pairs = _pairs(data)
    same, different, names = [], [], []
    for a, b in itertools.permutations(found, 2) if ways[0] != ways[1] else itertools.combinations(found, 2):
        first, second = a.embeddings.get(ways[0]), b.embeddings.get(ways[1])
        if first is None or second is None:
            continue
        distance = 1 - float(first @ second)
        if a.person == b.person:
            same.append(distance)
        elif not (a.person.startswith("pairs") and b.person.startswith("pairs")) or (
            pairs.get((a.picture, b.picture), pairs.get((b.picture, a.picture))) is False
        ):
            different.append(distance)
            names.append(f"{a.person} {a.picture}, {b.person} {b.picture}")
    return Distances(np.array(same, np.float32), np.array(different, np.float32), names)


def row(name: str, one: Distances) -> str:
    """A line of the table."""
    same, different = np.sort(one.same), np.sort(one.different)
    limit = float(np.quantile(different, 1e-3))
    return (
        f"| {name} | {len(same)}, {len(different)} | {100 * equal_error(same, different):.2f}% "
        f"| {float((same < limit).mean()):.3f} ({limit:.2f}) "
        f"| {np.median(same):.2f}, {np.quantile(same, 0.95):.2f}, {np.quantile(same, 0.99):.2f}, {same[-1]:.2f} "
        f"| {different[0]:.2f}, {np.quantile(different, 1e-3):.2f}, {np.quantile(different, 0.01):.2f} |"
    )


def equal_error(same: NDArray[np.float32], different: NDArray[np.float32]) -> float:
    """Share of wrong answers at the distance at which both kinds are equally frequent."""
    limits = np.concatenate([same, different])
    missed = 1 - np.searchsorted(np.sort(same), limits, side="right") / len(same)
    taken = np.searchsorted(np.sort(different), limits, side="right") / len(different)
    return float(np.maximum(missed, taken).min())


def to_means(found: list[Face]) -> Distances:
    """Of every picture to the mean of five others of a person: the names a gallery gives. People with fewer are left
    out."""
    same: list[float] = []
    different: list[float] = []
    names: list[str] = []
    for person in sorted({face.person for face in found}):
        enrolled = [face for face in found if face.person == person and PLAIN in face.embeddings]
        for probe in (face for face in found if PLAIN in face.embeddings):
            others = [face.embeddings[PLAIN] for face in enrolled if face is not probe][:ENROLLED]
            if len(others) < ENROLLED or (person.startswith("pairs") and probe.person.startswith("pairs")):
                continue
            distance = 1 - float(probe.embeddings[PLAIN] @ normed(np.mean(others, axis=0)[None])[0])
            (same if probe.person == person else different).append(distance)
            if probe.person != person:
                names.append(f"{probe.picture}, {person}")
    return Distances(np.array(same, np.float32), np.array(different, np.float32), names)


def joined_at(found: list[Face]) -> list[float]:
    """For each person with five pictures and more the distance at which they are one by single linkage."""
    limits = []
    for person in sorted({face.person for face in found}):
        rows = [face.embeddings[PLAIN] for face in found if face.person == person and PLAIN in face.embeddings]
        if len(rows) < ENROLLED:
            continue
        between = 1 - np.stack(rows) @ np.stack(rows).T
        inside, limit = [0], 0.0
        while len(inside) < len(rows):
            nearest = between[inside].min(axis=0)
            nearest[inside] = np.inf
            inside.append(int(nearest.argmin()))
            limit = max(limit, float(nearest.min()))
        limits.append(limit)
    return sorted(limits)


def shares(name: str, one: Distances) -> str:
    """A line of the table of chosen distances."""
    cells = [f"{float((one.same < at).mean()):.3f}, {int((one.different < at).sum())}" for at in LIMITS]
    return f"| {name} | {' | '.join(cells)} |"


def report(pack: Pack, data: Path) -> str:
    found = faces(pack, data)
    measured = {}
    for way in FILMED:
        measured[way if way == PLAIN else f"{way}, against {PLAIN}"] = distances(found, data, (PLAIN, way))
        if way != PLAIN:
            measured[f"both {way}"] = distances(found, data, (way, way))
    measured[f"{PLAIN}, against the mean of {ENROLLED}"] = to_means(found)
    clear = measured[PLAIN]
    seen, count = sum(bool(face.embeddings) for face in found), len({face.person for face in found})
    return "\n".join(
        [
            f"{pack.facts.name}: {seen} faces in {len(found)} pictures of {count} people",
            "",
            "| pairs | of one person, of two | EER | TAR at FAR 1e-3 (at) | one: median, 95%, 99%, most "
            "| two: least, 0.1%, 1% |",
            "|---|---|---|---|---|---|",
            *(row(name, one) for name, one in measured.items()),
            "",
            "Share of one person's pairs, number of two people's below a distance:",
            "",
            f"| pairs | {' | '.join(f'{at:.2f}' for at in LIMITS)} |",
            f"|---|{'---|' * len(LIMITS)}",
            *(shares(name, one) for name, one in measured.items()),
            "",
            f"People are one by single linkage at {', '.join(f'{limit:.2f}' for limit in joined_at(found))}.",
            "",
            "Nearest strangers:",
            *(f"- {clear.different[place]:.3f} {clear.names[place]}" for place in np.argsort(clear.different)[:5]),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distances", description=__doc__)
    parser.add_argument("packs", nargs="*", metavar="PACK", help="name or directory; by default open and the test pack")
    chosen = parser.parse_args().packs
    models = models_folder()
    for name in chosen or ["open", *([] if models is None else [str(models)])]:
        print(report(load_pack(resolve_pack(name)), data_folder()), end="\n\n")


if __name__ == "__main__":
    main()
