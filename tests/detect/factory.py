"""What parts of a chunk's work are given in tests: facts of a video, a chunk's context, frames, features and faces."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import OPEN_END, QUALITY_PARTS, Chunk, Distances, ScanTier, Settings, SourceFacts
from lambdas.detect.context import ChunkContext
from lambdas.detect.decode.frame import Frame
from lambdas.detect.faces.attributes import Expression
from lambdas.detect.shots.feature_track import ComparedFrame
from lambdas.detect.shots.features import FrameFeatures
from lambdas.detect.tracking.detection import FaceDetection
from lambdas.detect.tracking.embeddings import Embeddings
from lambdas.shots.columns import LAYOUT_CELLS

DISTANCES = Distances(same=0.5, strict=0.35, attach=0.55, suggest=0.65, name=0.6)
PEOPLE = np.eye(8, dtype=np.float32)
"""Embedding of each person by number."""
OPEN_EYES = Expression(openings=(0.28, 0.28), in_view=50.0)
NARROW_EYES = Expression(openings=(0.2, 0.2), in_view=50.0)
CLOSED_EYES = Expression(openings=(0.05, 0.05), in_view=50.0)


def source_of(fps: int = 25, **changes: object) -> SourceFacts:
    """A video whose PTS are the numbers of its frames."""
    known: dict[str, object] = {
        "uri": "clip.mp4", "identity": "x", "size_bytes": 1, "container": "mp4", "codec": "h264", "width": 1280,
        "height": 720, "rotation": 0, "sample_aspect_ratio": 1.0, "interlaced": False, "hdr": "", "fps": float(fps),
        "duration_s": 60.0, "start_pts": 0, "time_base_num": 1, "time_base_den": fps, "video_stream": 0,
        "segmented": False,
    }  # fmt: skip
    return SourceFacts.model_validate(known | changes)


def chunk_of(index: int = 0, **changes: object) -> Chunk:
    """The whole video as one chunk."""
    known = {"index": index, "start_pts": -OPEN_END, "end_pts": OPEN_END, "decode_from_pts": -OPEN_END}
    return Chunk.model_validate(known | changes)


def context_of(
    source: SourceFacts | None = None,
    chunk: Chunk | None = None,
    *,
    is_last: bool = True,
    tier: ScanTier | None = None,
    settings: dict[str, object] | None = None,
) -> ChunkContext:
    """A chunk, by default the whole video in the usual tier."""
    return ChunkContext(
        source=source or source_of(),
        chunk=chunk or chunk_of(),
        is_last=is_last,
        settings=Settings.model_validate(settings or {}),
        tier=tier or ScanTier(),
        distances=DISTANCES,
    )


def place(number: int) -> NDArray[np.uint8]:
    """The layout of a picture, another one for each number."""
    return np.random.default_rng(number).integers(0, 255, (LAYOUT_CELLS, LAYOUT_CELLS, 3)).astype(np.uint8)


def features_at(
    number: int,
    fps: int = 25,
    *,
    content: float = 2.0,
    luma: float = 0.5,
    contrast: float = 0.4,
    shot: int = 0,
) -> FrameFeatures:
    """Of the frame of this number."""
    thumbnail = np.full((27, 48), 40 + 60 * (shot % 3), np.uint8)
    return FrameFeatures(number, number / fps, content, luma, contrast, 0.5, place(shot), thumbnail)


def frame_at(number: int, *, keyframe: bool = False) -> Frame:
    """A decoded frame; its picture tells its number."""

    def bgr(width: int = 64, height: int = 36) -> NDArray[np.uint8]:
        return np.full((height, width, 3), number % 256, np.uint8)

    return cast(Frame, SimpleNamespace(pts=number, keyframe=keyframe, corrupt=False, bgr=bgr))


def compared(number: int, fps: int = 25, *, is_cut: bool = False, content: float = 2.0, shot: int = 0) -> ComparedFrame:
    """A frame with its features."""
    small = np.full((144, 256, 3), 90, np.uint8)
    return ComparedFrame(frame_at(number), features_at(number, fps, content=content, shot=shot), small, is_cut)


def face_at(
    number: int,
    fps: int = 25,
    *,
    x: float = 100,
    side: float = 200,
    person: int = 0,
    score: float = 0.8,
    expression: Expression = OPEN_EYES,
    dense: bool = False,
    **parts: float,
) -> FaceDetection:
    """A face; `parts` are parts of its quality, `score` is the others'. Crops of one person in one light are alike."""
    quality = np.full(len(QUALITY_PARTS), score, np.float32)
    for name, value in parts.items():
        quality[QUALITY_PARTS.index(name)] = value
    box = np.array([x, 100, x + side, 100 + side], np.float32)
    crop = np.random.default_rng(person).integers(0, 255, (48, 48, 3), np.uint8)
    crop[0, 0, 0] = person
    landmarks = np.zeros((5, 2), np.float32)
    return FaceDetection(number, number / fps, box, landmarks, quality, crop, expression=expression, dense=dense)


def embed(crops: object) -> NDArray[np.float32]:
    """The person's number stands in the crop's first pixel."""
    return np.stack([PEOPLE[crop[0, 0, 0]] for crop in crops])  # type: ignore[attr-defined]


def embeddings() -> Embeddings:
    """Of people told by their number."""
    return Embeddings(embed, DISTANCES)
