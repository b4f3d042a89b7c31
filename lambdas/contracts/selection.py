"""cluster's document: who is in the video and which frames show it best."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lambdas.contracts.contract import Contract
from lambdas.contracts.quality import FaceFlag


class FrameRef(Contract):
    """One staged frame, wherever it lies."""

    chunk: int
    offset: int
    length: int
    """Bytes of the JPEG within the chunk's tar."""
    width: int
    height: int
    pts: int
    t_s: float


class FaceInFrame(Contract):
    """A face in a staged frame."""

    frame: FrameRef
    box: tuple[float, float, float, float]
    """xyxy, pixels of the staged frame."""
    landmarks: list[tuple[float, float]]
    """Five points, pixels of the staged frame."""
    score: float
    quality: dict[str, float]
    """Each of QUALITY_PARTS."""
    flags: list[FaceFlag]
    """Those of FACE_FLAGS that hold; empty for a clean face."""


class PersonTrack(Contract):
    """One uninterrupted presence on screen."""

    start_s: float
    end_s: float
    best_s: float
    best_pts: int | None = None
    """PTS of the best detection; with `best_box` it names this presence to whoever corrects a run."""
    best_box: tuple[float, float, float, float] | None = None
    """xyxy, pixels of the upright full-resolution frame."""


class SelectedPerson(Contract):
    id: Annotated[int, Field(ge=0)]
    """From 0, longest screen time first."""
    name: str | None
    name_similarity: float | None
    """Cosine similarity to the gallery's nearest identity, None without a gallery."""
    confidence: Annotated[float, Field(ge=0, le=1)]
    """How surely this is one person: closeness of the tracks joined, against the pack's distance."""
    best: FaceInFrame
    alternatives: list[FaceInFrame]
    screen_time_s: float
    tracks: list[PersonTrack]


class SuggestedMerge(Contract):
    """Two people who may be one."""

    people: tuple[int, int]
    distance: float


UnclearReason = Literal[
    "brief", "doubtful", "small", "dark", "bright", "blurry", "covered", "cut_off", "turned", "mixed", "eyes"
]
"""Why somebody is not among the people: met clearly too seldom (`brief`), perhaps no face (`doubtful`), turned away so
that it may be one of the people, in a cut or dissolve each time (`mixed`), or what else spoils the best picture."""


class UnclearAppearance(Contract):
    """Faces of one group that was never seen clearly, or not often enough to count as a person."""

    reason: UnclearReason
    face: FaceInFrame | None
    """The best there is; None when no frame of it was staged."""
    sightings: int
    """In how many frames it was seen."""
    screen_time_s: float
    tracks: list[PersonTrack]


class SelectedFrame(Contract):
    frame: FrameRef
    score: float
    faces: list[tuple[float, float, float, float]]
    """Boxes to keep inside when cropping, xyxy, pixels of the staged frame."""


class SelectedScene(Contract):
    index: int
    start_s: float
    end_s: float
    frame: FrameRef
    faces: list[tuple[float, float, float, float]]


class LostChunk(Contract):
    """A chunk nobody could work through."""

    index: int
    start_s: float
    end_s: float
    error: str
    """What its worker met, by name; empty where it left no word."""


class UnmatchedCorrection(Contract):
    """A correction that no longer fits what was detected."""

    number: Annotated[int, Field(ge=0)]
    """Its place in `Corrections.corrections`."""
    do: Literal["name", "merge", "split", "drop", "hide", "best"]
    applied: bool
    """Whether the rest of it was applied."""
    reason: str
    """In English."""
    at_s: list[float]
    """Its sightings at which nobody was detected where the box is, seconds."""


class Selection(Contract):
    """cluster's document, `runs/<run_id>/selection.json`."""

    run_id: str
    duration_s: float
    """From the first frame to the end of the last one met."""
    frame_count: int
    people: list[SelectedPerson]
    unclear: list[UnclearAppearance]
    """Longest screen time first."""
    suggested_merges: list[SuggestedMerge]
    representative: list[SelectedFrame]
    """In time order; fewer than asked for only where the video has fewer frames."""
    scenes: list[SelectedScene]
    scenes_are_even: bool
    """True where evenly spaced frames stand in for too few scenes."""
    notes: list[str] = []
    """What the whole makes likely and should not go unsaid, in English."""
    lost: list[LostChunk] = []
    """In time order; no more than `Settings.max_lost_chunks`."""
    looked_frames: int
    corrupt_frames: int
    detect_seconds: dict[str, float]
    """Sum over chunks, by step; `total` is what the workers were busy."""
    cluster_s: float
    corrections: Annotated[int, Field(ge=0)] = 0
    """How many corrections were applied."""
    unmatched: list[UnmatchedCorrection] = []
    """Those that no longer fit what was detected, wholly or in part."""
