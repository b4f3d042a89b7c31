"""A feature film's results, drawn: as many people, scenes and tracks as it has, pictures with its detail and grain."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import pairwise

import cv2
import numpy as np

from lambdas.contracts import QUALITY_PARTS, FaceFlag, Settings
from lambdas.publish import cost, report
from lambdas.publish.images import Image
from lambdas.publish.keys import Keys
from lambdas.publish.manifest import (
    Cost,
    FaceFrame,
    Manifest,
    Merge,
    Models,
    Person,
    Quality,
    RepresentativeFrame,
    Scene,
    Source,
    Timings,
    Track,
    Unclear,
    UnclearPicture,
)

NAMES = ("Ada Lovelace", "Bartholomew Featherstonehaugh-Cholmondeley", "Ōe Kenzaburō", "Chloé", None)
FLAGS: tuple[tuple[FaceFlag, ...], ...] = ((), (), ("side_face",), ("blurry", "too_dark"), ())


def drawn_face(seed: int, side: int = 256) -> Image:
    """A drawn face on a background of its own, with a film's grain, (side, side, 3) BGR."""
    rng = np.random.default_rng(seed)
    backdrop, skin, hair, cloth = (rng.integers(30, 220, 3).tolist() for _ in range(4))
    skin = [int(90 + 0.4 * skin[0]), int(120 + 0.4 * skin[1]), int(160 + 0.35 * skin[2])]
    scale = side / 256
    canvas = np.empty((side, side, 3), np.float32)
    canvas[:] = np.linspace(1.15, 0.7, side)[:, None, None] * np.array(backdrop, np.float32)
    image = np.clip(canvas, 0, 255).astype(np.uint8)

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * scale), round(y * scale)

    def oval(x: float, y: float, width: float, height: float, colour: list[int]) -> None:
        cv2.ellipse(image, at(x, y), at(width, height), 0, 0, 360, colour, -1, cv2.LINE_AA)

    oval(128, 262, 104, 70, cloth)
    oval(128, 100, 74, 84, hair)
    oval(128, 190, 26, 40, [round(0.85 * part) for part in skin])
    oval(128, 128, 58, 74, skin)
    cv2.ellipse(image, at(128, 92), at(60, 44), 0, 180, 360, hair, -1, cv2.LINE_AA)
    for x in (104, 152):
        oval(x, 122, 11, 7, [245, 245, 245])
        oval(x, 122, 5, 6, [40, 30, 30])
        cv2.ellipse(image, at(x, 108), at(14, 5), 0, 190, 350, hair, max(1, round(4 * scale)), cv2.LINE_AA)
    cv2.ellipse(image, at(128, 146), at(8, 8), 0, 20, 160, [round(0.7 * part) for part in skin], 2, cv2.LINE_AA)
    smile = int(rng.integers(6, 18))
    cv2.ellipse(image, at(128, 166), at(22, smile), 0, 10, 170, [70, 60, 150], max(1, round(4 * scale)), cv2.LINE_AA)
    return _grain(image, rng)


def drawn_scene(seed: int, width: int = 480, height: int = 270) -> Image:
    """A drawn frame: ground, sky, blocks, perhaps a face, with a film's grain, (height, width, 3) BGR."""
    rng = np.random.default_rng(10_000 + seed)
    sky, ground = rng.integers(20, 230, (2, 3))
    image = np.empty((height, width, 3), np.uint8)
    image[:] = (np.linspace(1, 0.55, height)[:, None, None] * sky).astype(np.uint8)
    horizon = int(rng.integers(height // 3, height - 20))
    image[horizon:] = ground
    for _ in range(int(rng.integers(6, 16))):
        x, y = int(rng.integers(width)), int(rng.integers(height))
        size = int(rng.integers(8, 90))
        cv2.rectangle(image, (x, y), (x + size, y + size * 2), rng.integers(0, 255, 3).tolist(), -1)
    if seed % 3 == 0:
        side = height * 2 // 3
        left = width // 4
        image[height - side :, left : left + side] = drawn_face(seed % 60, side)
    return _grain(image, rng)


def _grain(image: Image, rng: np.random.Generator) -> Image:
    noise = cv2.GaussianBlur(rng.normal(0, 9, image.shape[:2]).astype(np.float32), (0, 0), 0.7)
    return np.asarray(np.clip(image + noise[:, :, None] * 2, 0, 255), np.uint8)


def film(people: int = 60, scenes: int = 1800, hours: float = 2.0, unclear: int = 200) -> Manifest:
    """The manifest of a film with so many of each."""
    rng = np.random.default_rng(1)
    duration_s = hours * 3600
    keys = Keys.of(Settings().keys, "film.mp4")
    borders = [0.0, *sorted(rng.uniform(0, duration_s, scenes - 1).round(2).tolist()), duration_s]

    def frame(file: str, t_s: float, number: int) -> FaceFrame:
        flags = list(FLAGS[number % len(FLAGS)])
        weak = {"side_face": "frontal", "blurry": "sharpness", "too_dark": "exposure"}
        low = {weak[flag] for flag in flags}
        quality = Quality(**{part: 0.2 if part in low else 0.9 for part in QUALITY_PARTS})
        box = (160.0, 134.0, 242.0, 236.0)
        return FaceFrame(file=file, t_s=t_s, pts=round(t_s * 90000), box=box, score=0.8, quality=quality, flags=flags,
                         landmarks=[(1.0, 1.0)] * 5)  # fmt: skip

    def tracks(count: int) -> list[Track]:
        starts = sorted(rng.uniform(0, duration_s * 0.75, count).round(2).tolist())
        lasts = rng.uniform(1, min(9, duration_s / 5), count).round(2).tolist()
        return [Track(start_s=start, end_s=round(start + last, 2), best_s=start)
                for start, last in zip(starts, lasts, strict=True)]  # fmt: skip

    them = []
    for index in range(people):
        name = NAMES[index % len(NAMES)]
        theirs = tracks(max(1, round(210 * hours) // (index + 1)))
        best = theirs[0].start_s
        them.append(
            Person(
                id=index,
                name=name and f"{name} {index // len(NAMES) + 1}",
                name_similarity=0.7 if name else None,
                confidence=0.9,
                best_frame=frame(keys.person(index, None), best, index),
                alternatives=[frame(keys.alternative(index, None, number), best + number, 0) for number in range(3)],
                thumbnail=keys.thumbnail(index, None),
                screen_time_s=round(sum(track.end_s - track.start_s for track in theirs), 2),
                tracks=theirs,
            )
        )
    whole = [RepresentativeFrame(file=keys.representative(index), t_s=duration_s * (index + 0.5) / 10, score=0.5)
             for index in range(10)]  # fmt: skip
    cut = [Scene(index=index, start_s=start, end_s=end, t_s=(start + end) / 2, file=keys.scene(index))
           for index, (start, end) in enumerate(pairwise(borders))]  # fmt: skip
    others = []
    for index in range(unclear):
        seen = tracks(1 + index % 5)
        quality = Quality(**dict.fromkeys(QUALITY_PARTS, 0.3))
        picture = UnclearPicture(
            file=keys.unclear(index), t_s=seen[0].start_s, pts=1, score=0.1, quality=quality, flags=[]
        )
        reason = tuple(report.UNCLEAR)[index % len(report.UNCLEAR)]
        others.append(Unclear(reason=reason, sightings=2, screen_time_s=2.0, tracks=seen, best=picture))
    files = [keys.names, keys.report, keys.contact_sheet, *(scene.file for scene in cut), *(one.file for one in whole)]
    for person in them:
        files += [person.thumbnail, person.best_frame.file, *(other.file for other in person.alternatives)]
    files += [one.best.file for one in others if one.best and one.best.file]
    return Manifest(
        run_id="0123456789abcdef",
        source=Source(uri="A long film (director’s cut).mp4", container="mov,mp4,m4a", codec="h264", width=1920,
                      height=1080, rotation=0, fps=24.0, duration_s=duration_s, frame_count=round(duration_s * 24)),
        models=Models(pack="open", licence="MIT, Apache-2.0", detector="CenterFace", embedder="SFace",
                      commercial_use=True, sha256="0" * 64),
        settings=Settings(),
        people=them,
        suggested_merges=[Merge(people=(index, index + 2), distance=0.55,
                                thumbnails=(them[index].thumbnail, them[index + 2].thumbnail))
                          for index in range(min(6, people - 2))],
        representative_frames=whole,
        scenes=cut,
        timings=Timings(split=4.0, detect=900.0, cluster=8.0, publish=60.0),
        cost=Cost(total_usd=0.03, parts=[], region="us-east-1", architecture="x86_64",
                  prices_as_of=cost.PRICES.as_of, prices_source=cost.PRICES.source),
        scenes_are_even=False,
        unclear=others,
        missing=[],
        notes=["12 damaged frames were passed over."],
        looked_frames=9000,
        corrupt_frames=12,
        detect_steps={"total": 900.0},
        pipeline_version="1",
        created_at="2026-01-01T00:00:00Z",
        names_file=keys.names,
        report_file=keys.report,
        contact_sheet_file=keys.contact_sheet,
        files=sorted(files),
    )  # fmt: skip


def pictures(manifest: Manifest) -> Iterator[tuple[str, report.Shown]]:
    """Every picture of the report by file, at the size the report shows it at; drawings come again after a hundred."""
    sizes = report.shown_sizes(len(manifest.people), len(manifest.representative_frames), len(manifest.scenes))
    for person in manifest.people:
        yield person.thumbnail, _shown_face(person.id, sizes.face)
        yield person.best_frame.file, _shown_scene(3 * person.id, sizes.still)
        for number, other in enumerate(person.alternatives):
            yield other.file, _shown_scene(3 * ((person.id + 7 * number) % 60), sizes.alternative)
    for number, frame in enumerate(manifest.representative_frames):
        yield frame.file, _shown_scene(5000 + number, sizes.representative)
    for scene in manifest.scenes:
        yield scene.file, _shown_scene(scene.index % 100, sizes.scene)
    for number, seen in enumerate(manifest.unclear):
        if seen.best is not None and seen.best.file is not None:
            yield seen.best.file, _shown_face(7000 + number % 100, sizes.unclear)


@functools.cache
def _shown_face(seed: int, longest: int) -> report.Shown:
    return report.Shown.of(drawn_face(seed), longest)


@functools.cache
def _shown_scene(seed: int, longest: int) -> report.Shown:
    return report.Shown.of(drawn_scene(seed), longest)
