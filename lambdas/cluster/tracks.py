"""The tracks of all chunks: their detections, mean faces, and which two were seen in one frame. Pure: no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.clarity import Clarity
from lambdas.contracts import Detections

BORDER_OVERLAP = 0.3
"""IoU above which boxes on either side of a chunk border can be one face; heads move little within a scan period."""
BORDER_PERIODS = 1.5
"""Scan periods within which a face must be seen again across a chunk border: one, and slack for uneven frame times."""
FOUND_TWICE_OVERLAP = 0.6
"""IoU above which two boxes of one frame are one face found twice, so that they don't forbid a merge."""
LEAST_WEIGHT = 0.05
"""Of a face in its track's mean: one of score 0 is still a face, and a track of such faces needs a direction."""


@dataclass(frozen=True)
class Tracks:
    """The tracks (t) of all chunks, in order of chunk and number."""

    chunk: NDArray[np.int64]
    """(t,) position of the chunk in the list given to `gather_tracks`."""
    number: NDArray[np.int64]
    """(t,) track number within the chunk."""
    rows: list[NDArray[np.int64]]
    """Per track its detections: rows of the chunk's Detections, by PTS."""
    embedding: NDArray[np.float32]
    """(t, d) score-weighted mean of the embedded faces, L2-normed; zeros without any."""
    faces: NDArray[np.int64]
    """(t,) how many faces were embedded."""
    face_sum: NDArray[np.float32]
    """(t, d) plain sum of the embedded faces, from which their mean distance follows."""
    clear: NDArray[np.int64]
    """(t,) how many detections are clear and from the front, see `Clarity.front`."""
    clear_side: NDArray[np.int64]
    """(t,) how many are clear profiles, see `Clarity.side`."""
    conflicts: NDArray[np.int64]
    """(p, 2) tracks seen in one frame: two people. Each pair once, smaller first."""

    def __len__(self) -> int:
        return len(self.chunk)


def gather_tracks(chunks: Sequence[Detections], clarity: Sequence[Clarity]) -> Tracks:
    """All tracks that have detections; `clarity` says of each chunk's detections which are clear."""
    size = next((c.embeddings.shape[1] for c in chunks if c.embeddings.size), 1)
    chunk_of: list[int] = []
    numbers: list[int] = []
    rows: list[NDArray[np.int64]] = []
    sums: list[NDArray[np.float32]] = []
    face_sums: list[NDArray[np.float32]] = []
    counts: list[NDArray[np.int64]] = []
    conflicts: list[NDArray[np.int64]] = []
    for position, (chunk, seen) in enumerate(zip(chunks, clarity, strict=True)):
        if not len(chunk.pts):
            continue
        present, local = np.unique(chunk.tracks, return_inverse=True)
        local = local.reshape(-1)
        first = len(numbers)
        order = np.argsort(local, kind="stable")
        rows.extend(np.split(order, np.cumsum(np.bincount(local))[:-1]))
        chunk_of.extend([position] * len(present))
        numbers.extend(int(n) for n in present)
        owner = local[chunk.embedded]
        weight = np.maximum(seen.score[chunk.embedded], LEAST_WEIGHT).astype(np.float32)
        total = np.zeros((len(present), size), np.float32)
        plain = np.zeros((len(present), size), np.float32)
        if len(owner):
            np.add.at(total, owner, chunk.embeddings * weight[:, None])
            np.add.at(plain, owner, chunk.embeddings)
        sums.append(total)
        face_sums.append(plain)
        of_owner = (owner, local[seen.front], local[seen.side])
        counts.append(np.stack([np.bincount(these, minlength=len(present)) for these in of_owner]))
        conflicts.append(_seen_together(chunk, local) + first)
    if not numbers:
        nothing = np.zeros(0, np.int64)
        none = np.zeros((0, size), np.float32)
        return Tracks(nothing, nothing, [], none, nothing, none, nothing, nothing, nothing.reshape(0, 2))
    faces, clear, clear_side = np.concatenate(counts, axis=1).astype(np.int64)
    return Tracks(
        chunk=np.array(chunk_of, np.int64),
        number=np.array(numbers, np.int64),
        rows=rows,
        embedding=normed(np.concatenate(sums)),
        faces=faces,
        face_sum=np.concatenate(face_sums),
        clear=clear,
        clear_side=clear_side,
        conflicts=np.concatenate(conflicts),
    )


def _seen_together(chunk: Detections, local: NDArray[np.int64]) -> NDArray[np.int64]:
    """(p, 2) pairs of a chunk's tracks with detections at one PTS, except a face found twice."""
    pairs: set[tuple[int, int]] = set()
    _, starts, counts = np.unique(chunk.pts, return_index=True, return_counts=True)
    for start, count in zip(starts[counts > 1], counts[counts > 1], strict=True):
        for i in range(start, start + count):
            for j in range(i + 1, start + count):
                pair = (int(min(local[i], local[j])), int(max(local[i], local[j])))
                if pair[0] == pair[1] or pair in pairs:
                    continue
                if overlap(chunk.boxes[i], chunk.boxes[j]) <= FOUND_TWICE_OVERLAP:
                    pairs.add(pair)
    return np.array(sorted(pairs), np.int64).reshape(-1, 2)


def overlap(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Intersection over union of two xyxy boxes, 0 to 1."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = float(width * height)
    return shared / (float((a[2] - a[0]) * (a[3] - a[1])) + float((b[2] - b[0]) * (b[3] - b[1])) - shared)


def link_across_borders(
    tracks: Tracks,
    chunks: Sequence[Detections],
    border_is_cut: Sequence[bool],
    period_ticks: float,
    strict: float,
) -> list[tuple[int, int]]:
    """Pairs of tracks that are one track cut by a chunk border; each track at most once on each side.

    `border_is_cut[i]` says whether a cut lies between chunk i and i + 1; `period_ticks` is the scan period in PTS.
    """
    links: list[tuple[int, int]] = []
    starts = np.searchsorted(tracks.chunk, np.arange(len(chunks) + 1))
    for border, is_cut in enumerate(border_is_cut):
        if is_cut:
            continue
        before, after = chunks[border], chunks[border + 1]
        candidates: list[tuple[float, int, int]] = []
        enders = [t for t in range(starts[border], starts[border + 1]) if tracks.faces[t]]
        starters = [t for t in range(starts[border + 1], starts[border + 2]) if tracks.faces[t]]
        for a in enders:
            last = tracks.rows[a][-1]
            for b in starters:
                first = tracks.rows[b][0]
                if after.pts[first] - before.pts[last] > BORDER_PERIODS * period_ticks:
                    continue
                if overlap(before.boxes[last], after.boxes[first]) < BORDER_OVERLAP:
                    continue
                distance = 1 - float(tracks.embedding[a] @ tracks.embedding[b])
                if distance < strict:
                    candidates.append((distance, a, b))
        taken: set[int] = set()
        for _, a, b in sorted(candidates):
            if a not in taken and b not in taken:
                taken |= {a, b}
                links.append((a, b))
    return links


def normed(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, d) L2-normed rows; zeros stay zeros."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1), np.float32)
