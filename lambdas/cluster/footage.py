"""What detect found in the whole video: every chunk's document and columns side by side."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.scenes import border_score
from lambdas.contracts import (
    QUALITY_PARTS,
    Chunk,
    ChunkDocument,
    Detections,
    Failure,
    FrameRef,
    LostChunk,
    Moment,
    Moments,
    Plan,
    SourceFacts,
    StagedFrame,
    chunk_document_key,
    detections_key,
    failure_key,
    moments_key,
)
from lambdas.errors import IncompleteRun
from lambdas.scoring import Measures, Scores, score
from lambdas.shots.columns import LAYOUT_CELLS
from lambdas.staging import Store, get_document

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Footage:
    """The chunks in order of time. A staged frame is named by its position in `staged`, over all chunks."""

    source: SourceFacts
    indices: list[int]
    """The plan's index of each chunk."""
    documents: list[ChunkDocument]
    detections: list[Detections]
    """Without border frames, which are big and needed only once."""
    border_scores: list[float]
    """Content value of each chunk's first frame against the last frame before it; 0 for the first."""
    scores: list[Scores]
    """Of each chunk's detections: by the picture alone until it is known who is who, see `score_people`."""
    lost: list[LostChunk] = dataclasses.field(default_factory=list)
    """Chunks nobody could work through; they stand among the others as chunks without frames."""

    @cached_property
    def staged(self) -> list[StagedFrame]:
        return [frame for document in self.documents for frame in document.staged]

    @cached_property
    def first_staged(self) -> NDArray[np.int64]:
        """(chunks + 1,) position in `staged` of each chunk's first frame."""
        return np.cumsum([0, *(len(document.staged) for document in self.documents)])

    @cached_property
    def small(self) -> NDArray[np.uint8]:
        """(staged, 16, 16, 3) BGR thumbnails."""
        parts = [detections.staged_small for detections in self.detections]
        return np.concatenate(parts) if parts else np.zeros((0, 16, 16, 3), np.uint8)

    @cached_property
    def rows_of_staged(self) -> list[list[tuple[int, int]]]:
        """Per staged frame the sightings it shows: position of the chunk, row."""
        rows: list[list[tuple[int, int]]] = [[] for _ in self.staged]
        for chunk, detections in enumerate(self.detections):
            for row in np.flatnonzero(detections.staged >= 0).tolist():
                rows[int(self.first_staged[chunk] + detections.staged[row])].append((chunk, row))
        return rows

    @cached_property
    def duration_s(self) -> float:
        """From the first picture to the end of the last one; 0 without frames."""
        ends = [document.end_pts for document in self.documents if document.end_pts is not None]
        return max(0.0, self.source.seconds(max(ends))) if ends else 0.0

    def seconds(self, chunk: int) -> NDArray[np.float64]:
        """(n,) when each of a chunk's sightings was."""
        ticks = self.detections[chunk].pts - self.source.start_pts
        return np.asarray(ticks * float(self.source.time_base), np.float64)

    def chunk_of_staged(self, staged: int) -> int:
        return int(np.searchsorted(self.first_staged, staged, side="right")) - 1

    def frame_ref(self, staged: int) -> FrameRef:
        frame = self.staged[staged]
        return FrameRef(
            chunk=self.indices[self.chunk_of_staged(staged)],
            offset=frame.offset,
            length=frame.length,
            width=frame.width,
            height=frame.height,
            pts=frame.pts,
            t_s=frame.t_s,
        )

    def scale(self, staged: int) -> tuple[float, float]:
        """By what x and y of the full-resolution frame become pixels of the staged one."""
        frame = self.staged[staged]
        return frame.width / self.source.width, frame.height / self.source.height

    def box(self, chunk: int, row: int, staged: int) -> Box:
        """A sighting's box in a staged frame's pixels."""
        across, down = self.scale(staged)
        x1, y1, x2, y2 = (float(v) for v in self.detections[chunk].boxes[row])
        return (
            round(x1 * across, 2),
            round(y1 * down, 2),
            round(x2 * across, 2),
            round(y2 * down, 2),
        )

    def boxes(self, staged: int) -> list[Box]:
        """All faces that a staged frame shows."""
        return [self.box(chunk, row, staged) for chunk, row in self.rows_of_staged[staged]]


def read_footage(plan: Plan, staging: Store) -> Footage:
    """Everything detect wrote for the plan's chunks.

    Raises IncompleteRun naming the chunks that are missing, if they are more than may be, or all.
    """
    missing: list[Chunk] = []
    documents: list[ChunkDocument] = []
    detections: list[Detections] = []
    borders: list[float] = []
    before = np.zeros((0, 256, 3), np.uint8)
    chunks = sorted(plan.chunks, key=lambda chunk: chunk.index)
    for chunk in chunks:
        try:
            document = get_document(staging, chunk_document_key(plan.run_id, chunk.index), ChunkDocument)
            columns = Detections.from_bytes(staging.get(detections_key(plan.run_id, chunk.index)))
        except KeyError:
            missing.append(chunk)
            document, columns = _without_frames(chunk, plan)
        borders.append(border_score(before, columns.first_frame))
        # A chunk without frames changes nothing: the border is then between its neighbours.
        before = columns.last_frame if columns.last_frame.size else before
        documents.append(document)
        detections.append(
            dataclasses.replace(
                columns, first_frame=np.zeros((0, 256, 3), np.uint8), last_frame=np.zeros((0, 256, 3), np.uint8)
            )
        )
    if len(missing) > plan.settings.max_lost_chunks or len(missing) == len(chunks):
        named = ", ".join(str(chunk.index) for chunk in missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise IncompleteRun(f"run {plan.run_id}: {len(missing)} of {len(chunks)} chunks are missing ({named})")
    return Footage(
        plan.source,
        [chunk.index for chunk in chunks],
        documents,
        detections,
        borders,
        scores=[score(Measures.of(columns)) for columns in detections],
        lost=[_lost(chunk, plan, staging) for chunk in missing],
    )


def read_moments(plan: Plan, staging: Store) -> list[Moment]:
    """The frames taken from the video after the run; none where nobody asked for any."""
    try:
        return get_document(staging, moments_key(plan.run_id), Moments).moments
    except KeyError:
        return []


def _without_frames(chunk: Chunk, plan: Plan) -> tuple[ChunkDocument, Detections]:
    """What detect writes of a chunk in which it met no frame."""

    def floats(*shape: int) -> NDArray[np.float32]:
        return np.zeros(shape, np.float32)

    document = ChunkDocument(
        index=chunk.index,
        frame_count=0,
        first_pts=None,
        last_pts=None,
        end_pts=None,
        looked_frames=0,
        corrupt_frames=0,
        staged=[],
        seconds={},
    )
    return document, Detections(
        pts=np.zeros(0, np.int64),
        boxes=floats(0, 4),
        landmarks=floats(0, 5, 2),
        quality=floats(0, len(QUALITY_PARTS)),
        openings=floats(0, 2),
        in_view=floats(0),
        confidence=floats(0),
        brightness=floats(0),
        confirmed=np.zeros(0, np.bool_),
        tracks=np.zeros(0, np.int32),
        staged=np.zeros(0, np.int32),
        dense=np.zeros(0, np.bool_),
        embedded=np.zeros(0, np.int32),
        embeddings=floats(0, plan.pack.embedding_size),
        scene_pts=np.zeros(0, np.int64),
        scene_scores=floats(0),
        scene_luma=floats(0),
        scene_features=floats(0, 0),
        scene_layout=np.zeros((0, LAYOUT_CELLS, LAYOUT_CELLS, 3), np.uint8),
        staged_small=np.zeros((0, LAYOUT_CELLS, LAYOUT_CELLS, 3), np.uint8),
        first_frame=np.zeros((0, 256, 3), np.uint8),
        last_frame=np.zeros((0, 256, 3), np.uint8),
    )


def _lost(chunk: Chunk, plan: Plan, staging: Store) -> LostChunk:
    """Where a lost chunk is, by the plan, and the error its worker noted."""
    try:
        error = get_document(staging, failure_key(plan.run_id, chunk.index), Failure).error
    except KeyError:
        error = ""
    source = plan.source
    return LostChunk(
        index=chunk.index,
        start_s=max(0.0, source.seconds(chunk.start_pts)),
        end_s=min(source.duration_s, source.seconds(chunk.end_pts)),
        error=error,
    )
