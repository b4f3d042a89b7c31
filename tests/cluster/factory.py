"""Seeded synthetic videos as detect would hand them to cluster: people with a face each, shots, staged frames."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lambdas.contracts import (
    OPEN_END,
    QUALITY_PARTS,
    Chunk,
    ChunkDocument,
    Detections,
    Distances,
    PackFacts,
    Plan,
    Settings,
    SourceFacts,
    StagedFrame,
    chunk_document_key,
    detections_key,
    plan_key,
)
from lambdas.staging import DirectoryStaging, put_document

DISTANCES = Distances(same=0.5, strict=0.35, attach=0.6, suggest=0.65, name=0.6)
RUN = "run-1"
FPS = 25
TICKS = 1000
"""PTS ticks a second."""
START_PTS = 1467
"""Transport streams start at 1.467 s: time 0 of everything that comes out."""


def pack(dimension: int = 128) -> PackFacts:
    return PackFacts(
        name="synthetic",
        licence="none",
        commercial_use=True,
        detector="none",
        embedder="none",
        embedding_size=dimension,
        sha256="f" * 64,
        distances=DISTANCES,
    )


def faces_of(seed: int, people: int, dimension: int = 128) -> NDArray[np.float32]:
    """(people, d) L2-normed identities, about orthogonal as trained embedders make strangers."""
    vectors = np.random.default_rng(seed).normal(size=(people, dimension))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def near(vector: NDArray[np.float32], distance: float, seed: int) -> NDArray[np.float32]:
    """An L2-normed vector at that cosine distance, in a random direction."""
    other = np.random.default_rng(seed).normal(size=len(vector))
    other -= vector * (other @ vector)
    other /= np.linalg.norm(other)
    cosine = 1 - distance
    return np.asarray(cosine * vector + np.sqrt(1 - cosine**2) * other, np.float32)


@dataclass
class Appearance:
    """One face on screen over a half-open span of seconds."""

    face: NDArray[np.float32]
    start_s: float
    end_s: float
    left: float = 100.0
    """x of the 200 pixel wide box."""
    drift: float = 0.0
    """Pixels a second."""
    score: float = 0.8
    confirmed: bool = True
    """Whether a second look sees a face too; without, it is never clear."""
    turned: bool = False
    """In profile."""
    staged: bool = True
    noise: float = 0.15
    """Length of the random part of each embedding against 1 for the face."""


@dataclass
class Video:
    """A synthetic video; `write` chops it into chunks as detect would."""

    duration_s: float
    appearances: list[Appearance] = field(default_factory=list)
    cuts: list[float] = field(default_factory=list)
    luma: dict[tuple[float, float], float] = field(default_factory=dict)
    """Mean brightness in half-open spans, 0.5 elsewhere."""
    flashes: list[float] = field(default_factory=list)
    """Moments of one bright frame."""
    staged_every_s: float = 1.0
    dense_step_s: float = 0.12
    dimension: int = 128

    def write(self, staging: DirectoryStaging, chunk_s: float = 60.0, **changes: object) -> Plan:
        settings = Settings(**changes.pop("settings", {}))  # type: ignore[arg-type]
        count = max(1, int(np.ceil(self.duration_s / chunk_s - 1e-9)))
        borders = [-OPEN_END, *(self.pts(chunk_s * i) for i in range(1, count)), OPEN_END]
        plan = Plan(
            pipeline_version="test",
            run_id=RUN,
            source=SourceFacts(
                uri="clip.mp4",
                identity="0",
                size_bytes=1,
                container="mp4",
                codec="h264",
                width=1280,
                height=720,
                rotation=0,
                sample_aspect_ratio=1.0,
                interlaced=False,
                hdr="",
                fps=float(FPS),
                duration_s=self.duration_s,
                start_pts=START_PTS,
                time_base_num=1,
                time_base_den=TICKS,
                video_stream=0,
                segmented=False,
            ),
            settings=settings,
            pack=pack(self.dimension),
            gallery_key=None,
            chunks=[
                Chunk(index=i, start_pts=borders[i], end_pts=borders[i + 1], decode_from_pts=borders[i])
                for i in range(count)
            ],
            created_at="2026-01-01T00:00:00Z",
            split_s=0.1,
        ).model_copy(update=changes)
        put_document(staging, plan_key(RUN), plan)
        for chunk in plan.chunks:
            document, detections = self.detect(chunk)
            staging.put(detections_key(RUN, chunk.index), detections.to_bytes())
            put_document(staging, chunk_document_key(RUN, chunk.index), document)
        return plan

    @staticmethod
    def pts(t_s: float) -> int:
        return START_PTS + round(t_s * TICKS)

    def frame_times(self) -> NDArray[np.float64]:
        return np.arange(round(self.duration_s * FPS)) / FPS

    def luma_at(self, t_s: float) -> float:
        if any(abs(t_s - flash) < 0.5 / FPS for flash in self.flashes):
            return 0.95
        return next((value for (start, end), value in self.luma.items() if start <= t_s < end), 0.5)

    def shot(self, t_s: float) -> int:
        return int(np.searchsorted(np.array(self.cuts), t_s + 1e-9, side="right"))

    def picture(self, t_s: float) -> NDArray[np.uint8]:
        """The frame at 16 x 16: a random pattern per shot that moves a little every second."""
        pattern = np.random.default_rng([self.shot(t_s), 7]).integers(0, 255, (16, 16, 3))
        moved = np.random.default_rng([int(t_s), 9]).integers(-20, 20, (16, 16, 3))
        return np.asarray(np.clip((pattern + moved) * self.luma_at(t_s) * 2, 0, 255), np.uint8)

    def detect(self, chunk: Chunk) -> tuple[ChunkDocument, Detections]:
        times = [t for t in self.frame_times().tolist() if chunk.start_pts <= self.pts(t) < chunk.end_pts]
        step = max(1, round(self.staged_every_s * FPS))
        staged_times = [t for t in times if round(t * FPS) % step == step // 2]
        staged_at = {t: i for i, t in enumerate(staged_times)}
        rows: list[tuple[float, int, bool, Appearance]] = []
        tracks = 0
        for appearance in self.appearances:
            seen = [t for t in times if appearance.start_s - 1e-9 <= t < appearance.end_s - 1e-9]
            scan = {t for t in seen if round(t * FPS) % FPS == 0}
            middle = round((appearance.start_s + appearance.end_s) / 2 * FPS) / FPS
            dense = {t for t in seen if abs(t - middle) <= 0.5 and round((t - middle) * FPS) % 3 == 0}
            picked = sorted(scan | dense | {t for t in seen if t in staged_at})
            if not picked:
                continue
            rows.extend((t, tracks, t not in scan, appearance) for t in picked)
            tracks += 1
        rows.sort(key=lambda row: (row[0], row[1]))
        n = len(rows)
        embeddings = np.zeros((n, self.dimension), np.float32)
        for i, (t, _, _, appearance) in enumerate(rows):
            # By time alone, so that another chunking meets the same faces.
            noise = np.random.default_rng([round(t * FPS), round(appearance.left)]).normal(size=self.dimension)
            vector = appearance.face + appearance.noise * noise / np.linalg.norm(noise)
            embeddings[i] = vector / np.linalg.norm(vector)
        boxes = np.array([[a.left + a.drift * (t - a.start_s), 100, 0, 300] for t, _, _, a in rows], np.float32)
        boxes = boxes.reshape(-1, 4)
        boxes[:, 2] = boxes[:, 0] + 200
        scores = np.array([a.score + 0.1 * np.sin(7 * t) for t, _, _, a in rows], np.float32)
        # Of equal parts, from 0.4 on, the score is as high as each.
        quality = np.repeat(scores[:, None], len(QUALITY_PARTS), axis=1)
        quality[[a.turned for *_, a in rows], QUALITY_PARTS.index("frontal")] = 0.1
        frames = [
            StagedFrame(
                pts=self.pts(t),
                t_s=round(t, 6),
                offset=512 + 1000 * i,
                length=900,
                width=1280,
                height=720,
                luma=self.luma_at(t),
                contrast=0.4 if self.luma_at(t) > 0.1 else 0.0,
                sharpness=0.5 if self.luma_at(t) > 0.1 else 0.0,
                in_transition=any(abs(t - cut) < 0.1 for cut in self.cuts),
            )
            for i, t in enumerate(staged_times)
        ]
        luma = [self.luma_at(t) for t in times]
        big = [np.repeat(np.repeat(self.picture(t), 9, axis=0), 16, axis=1) for t in times[:1] + times[-1:]]
        nothing = np.zeros((0, 256, 3), np.uint8)
        detections = Detections(
            pts=np.array([self.pts(t) for t, *_ in rows], np.int64),
            boxes=boxes,
            landmarks=np.zeros((n, 5, 2), np.float32),
            quality=quality,
            openings=np.full((n, 2), np.nan, np.float32),
            in_view=np.full(n, np.nan, np.float32),
            confidence=np.full(n, 0.9, np.float32),
            brightness=np.full(n, 0.5, np.float32),
            confirmed=np.array([a.confirmed for *_, a in rows], bool),
            tracks=np.array([track for _, track, *_ in rows], np.int32),
            staged=np.array([staged_at.get(t, -1) if a.staged else -1 for t, _, _, a in rows], np.int32),
            dense=np.array([dense for *_, dense, _ in rows], bool),
            embedded=np.arange(n, dtype=np.int32),
            embeddings=embeddings,
            scene_pts=np.array([self.pts(t) for t in times], np.int64),
            scene_scores=np.array([self.content(times, i) for i in range(len(times))], np.float32),
            scene_features=np.zeros((len(times), 0), np.float32),
            scene_luma=np.array(luma, np.float32),
            scene_layout=np.array([self.picture(t) for t in times], np.uint8).reshape(-1, 16, 16, 3),
            staged_small=np.array([self.picture(t) for t in staged_times], np.uint8).reshape(-1, 16, 16, 3),
            first_frame=big[0] if big else nothing,
            last_frame=big[1] if big else nothing,
        )
        document = ChunkDocument(
            index=chunk.index,
            frame_count=len(times),
            first_pts=self.pts(times[0]) if times else None,
            last_pts=self.pts(times[-1]) if times else None,
            end_pts=self.pts(times[-1] + 1 / FPS) if times else None,
            looked_frames=len({t for t, *_ in rows}),
            corrupt_frames=0,
            staged=frames,
            seconds={"decode": 1.0, "total": 2.0},
        )
        return document, detections

    def content(self, times: list[float], i: int) -> float:
        """The content value detect would give: 0 for its first frame, high over a cut or a jump of brightness."""
        if i == 0:
            return 0.0
        if self.shot(times[i]) != self.shot(times[i - 1]):
            return 60.0
        return 1.0 + 85.0 * abs(self.luma_at(times[i]) - self.luma_at(times[i - 1]))


ADA, BOB, EVE = faces_of(3, 3)
"""Faces of the people in `three_people`."""


def three_people() -> list[Appearance]:
    """Ada twice, Bob twice, and Eve beside Bob's first time; shots of ten seconds."""
    return [
        Appearance(ADA, 0.0, 9.0),
        Appearance(BOB, 10.0, 18.0, left=300),
        Appearance(EVE, 12.5, 16.0, left=700),
        Appearance(ADA, 20.0, 25.0, left=100),
        Appearance(BOB, 22.0, 29.0, left=600),
    ]
