"""Runs the real stages on a clip without looking for faces: what scenes and representative frames need."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.footage import read_footage
from lambdas.cluster.scenes import join_columns
from lambdas.cluster.selection import select
from lambdas.contracts import (
    Distances,
    PackFacts,
    Plan,
    Selection,
    Settings,
    SplitRequest,
    chunk_document_key,
    detections_key,
    frames_key,
    plan_key,
)
from lambdas.detect.faces.detections import Detector, Embedder, FaceDetections
from lambdas.detect.handler import process as process_chunk
from lambdas.detect.packs import Pack
from lambdas.shots.change import Change
from lambdas.shots.scene_changes import find_changes
from lambdas.split import handler as split
from lambdas.staging import DirectoryStaging, get_document

FACTS = PackFacts(
    name="none",
    licence="none",
    commercial_use=True,
    detector="none",
    embedder="none",
    embedding_size=1,
    sha256="0" * 64,
    distances=Distances(same=0.5, strict=0.3, attach=0.5, suggest=0.5, name=0.5),
)


class _SeesNobody:
    size = 1
    sure = 1.0

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        return 64, 64

    def detect(self, image: NDArray[np.uint8], min_confidence: float) -> FaceDetections:
        return FaceDetections(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))

    def align(
        self, image: NDArray[np.uint8], landmarks: NDArray[np.float32], box: NDArray[np.float32]
    ) -> NDArray[np.uint8]:
        raise AssertionError("there is no face to align")

    def embed(self, crops: object) -> NDArray[np.float32]:
        return np.zeros((0, 1), np.float32)


class NoFaces(Pack):
    """A pack that finds nobody, in no time."""

    def __init__(self) -> None:
        self.facts = FACTS

    @cached_property
    def detector(self) -> Detector:
        return _SeesNobody()

    @cached_property
    def embedder(self) -> Embedder:
        return _SeesNobody()


def process(video: Path, folder: Path, settings: Settings) -> tuple[Plan, Selection, DirectoryStaging]:
    """Split, detect and cluster of one video; `folder` takes the staging."""
    staging = DirectoryStaging(folder)
    answer = split.run(SplitRequest(uri=str(video), settings=settings, pack=FACTS), staging)
    plan = get_document(staging, plan_key(answer.run_id), Plan)
    for chunk in plan.chunks:
        result = process_chunk(plan, chunk.index, staging, NoFaces())
        staging.put(frames_key(plan.run_id, chunk.index), result.frames)
        staging.put(detections_key(plan.run_id, chunk.index), result.detections.to_bytes())
        staging.put(chunk_document_key(plan.run_id, chunk.index), result.document.model_dump_json().encode())
    return plan, select(plan, read_footage(plan, staging), None), staging


def changes_of(plan: Plan, staging: DirectoryStaging) -> list[Change]:
    """The scene changes that a run found."""
    footage = read_footage(plan, staging)
    return find_changes(join_columns(footage.detections, footage.border_scores, plan.source), plan.settings)
