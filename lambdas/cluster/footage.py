"""What detect found in the whole video: every chunk's document and columns side by side."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.scenes import border_score
from lambdas.contracts import (
    ChunkDocument,
    Detections,
    FrameRef,
    Plan,
    SourceFacts,
    StagedFrame,
    chunk_document_key,
    detections_key,
)
from lambdas.errors import IncompleteRun
from lambdas.scoring import Measures, Scores, score
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
    """Everything detect wrote for the plan's chunks. Raises IncompleteRun naming the chunks that are missing."""
    missing: list[int] = []
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
            missing.append(chunk.index)
            continue
        borders.append(border_score(before, columns.first_frame))
        # A chunk without frames changes nothing: the border is then between its neighbours.
        before = columns.last_frame if columns.last_frame.size else before
        documents.append(document)
        detections.append(
            dataclasses.replace(
                columns, first_frame=np.zeros((0, 256, 3), np.uint8), last_frame=np.zeros((0, 256, 3), np.uint8)
            )
        )
    if missing:
        named = ", ".join(str(index) for index in missing[:10]) + (", ..." if len(missing) > 10 else "")
        raise IncompleteRun(f"run {plan.run_id}: {len(missing)} of {len(chunks)} chunks are missing ({named})")
    return Footage(
        plan.source,
        [chunk.index for chunk in chunks],
        documents,
        detections,
        borders,
        scores=[score(Measures.of(columns)) for columns in detections],
    )
