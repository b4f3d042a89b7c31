"""What a user may choose about a run, and what a video may ask of the machine."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lambdas.contracts.contract import Contract


class ScanTier(Contract):
    """How closely videos of one length class are looked at."""

    period_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Seconds between looked-at frames while nobody calls for more."""
    dense_radius_s: Annotated[float, Field(ge=0, le=5)] = 0.5
    """Seconds before and after a good sighting that are looked at densely."""
    dense_step_s: Annotated[float, Field(gt=0, le=5)] = 0.12
    """Seconds between frames of the dense look."""
    dense_looks: Annotated[int, Field(ge=0, le=20)] = 3
    """Moments of each track in each chunk that get a dense look."""


class KeyTemplates(Contract):
    """Names of the published files, relative to the output folder or prefix.

    Python's format syntax fills in `{id}` (person), `{index}` (from 0), `{number}` (from 1), `{name}`, and `{stem}`
    and `{dirname}` of the source.
    """

    person: str = "people/person_{id:03d}.jpg"
    alternative: str = "people/person_{id:03d}_alt{number}.jpg"
    thumbnail: str = "people/person_{id:03d}_face.jpg"
    representative: str = "representative/{number:02d}.jpg"
    scene: str = "scenes/{index:03d}.jpg"
    unclear: str = "unclear/{index:03d}.jpg"
    names: str = "names.txt"
    report: str = "report.html"
    contact_sheet: str = "contact_sheet.jpg"
    manifest: str = "manifest.json"


LEAST_STAGED_QUALITY = 92
"""Least JPEG quality of staged frames: what is cut out of them or encoded once more shows nothing of it."""


class Limits(Contract):
    """What a video may ask of the machine; beyond a limit it is refused with a sentence that names the limit."""

    max_pixels: Annotated[int, Field(ge=64 * 64, le=2**30)] = 36_000_000
    """Of one frame: 8192x4320 fits. Decoding takes up to twenty frames of memory, 1.1 GB at this size."""
    max_bytes: Annotated[int, Field(gt=0)] = 2**40
    """Of the file."""
    max_duration_s: Annotated[float, Field(gt=0)] = 7 * 86_400.0
    max_streams: Annotated[int, Field(ge=1, le=1000)] = 100
    """Of the container: a thousand take a gigabyte before anything is decoded."""
    max_people: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Who is on screen longest is published; how many were left out is noted."""


class Settings(Contract):
    """Everything a user may choose about a run and that changes its results."""

    representative: Annotated[int, Field(ge=0, le=100)] = 10
    """How many representative frames."""
    scenes: bool = True
    """Whether scenes are published. Without them and without representative frames less of the video is decoded."""
    min_scenes: Annotated[int, Field(ge=0, le=1000)] = 3
    """With fewer scenes than this, evenly spaced frames are published instead."""
    size: Literal["1080p", "source"] = "source"
    """The frame as it is, or 1920x1080 or 1080x1920 by orientation."""
    fit: Literal["pad", "crop"] = "pad"
    """How a frame of another shape is brought to 1080p; crop keeps faces inside."""
    jpeg_quality: Annotated[int, Field(ge=50, le=100)] = 92
    """Of published images; from 92 on those that need no resizing are the staged ones."""
    thorough: bool = False
    """Look twice as often."""
    short: ScanTier = ScanTier()
    """Tier of videos shorter than `short_below_s`."""
    long: ScanTier = ScanTier(dense_looks=2)
    """Tier of the others."""
    short_below_s: Annotated[float, Field(ge=0)] = 300.0
    chunk_s: Annotated[float, Field(ge=2, le=3600)] = 60.0
    """Chunks start at keyframes about this many seconds apart."""
    scene_detector: Literal["layout", "content", "adaptive", "hash", "histogram", "threshold"] = "layout"
    """`layout` finds cuts, fades, dissolves, wipes and slides by what the picture shows where; the others are
    PySceneDetect's."""
    scene_threshold: Annotated[float, Field(gt=0, le=255)] = 27.0
    """PySceneDetect's ContentDetector threshold on the mean HSV difference; `layout` asks for a tenth of it at least,
    and for a lesser change of layout where it is reached."""
    adaptive_ratio: Annotated[float, Field(gt=0, le=100)] = 3.0
    """PySceneDetect's AdaptiveDetector threshold on score over its neighbours' mean."""
    hash_distance: Annotated[float, Field(gt=0, le=1)] = 0.35
    """PySceneDetect's HashDetector threshold: share of a perceptual hash that changes."""
    histogram_difference: Annotated[float, Field(gt=0, le=1)] = 0.2
    """PySceneDetect's HistogramDetector threshold: 1 less the correlation of luma histograms."""
    fade_level: Annotated[float, Field(ge=0, le=255)] = 12.0
    """PySceneDetect's ThresholdDetector threshold: mean below which a frame is faded out."""
    min_scene_s: Annotated[float, Field(ge=0, le=60)] = 0.6
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Detections below this are not faces."""
    min_face_px: Annotated[int, Field(ge=8, le=1000)] = 20
    """Faces whose shorter side is smaller are passed over."""
    min_sightings: Annotated[int, Field(ge=1, le=1000)] = 2
    """A person needs at least this many clear detections; whoever has fewer is listed under `unclear`."""
    min_presence_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """A person needs to be on screen at least this long."""
    same_person_distance: Annotated[float | None, Field(gt=0, lt=2)] = None
    """DBSCAN's eps, cosine distance; None takes the pack's."""
    name_similarity: Annotated[float | None, Field(gt=-1, lt=1)] = None
    """Cosine similarity to a gallery identity above which a person is named; None takes the pack's."""
    alternatives: Annotated[int, Field(ge=0, le=10)] = 3
    """Further frames of each person, from other moments."""
    max_lost_chunks: Annotated[int, Field(ge=0, le=10_000)] = 0
    """So many chunks may fail for good, and the run goes on without them: the manifest says what is missing."""
    keys: KeyTemplates = KeyTemplates()
    limits: Limits = Limits()
    xmp: Literal["none", "facts", "names"] = "none"
    """What pictures tell of themselves, as XMP: nothing; their video, time, run and person's number; the name too."""
    publish_path: bool = False
    """Whether the manifest holds the whole path of a file on this machine, which tells of its user; else its name."""

    @property
    def people_only(self) -> bool:
        """Whether neither scenes nor representative frames are wanted."""
        return not self.scenes and self.representative == 0

    def published_as_staged(self, width: int, height: int) -> bool:
        """Whether whole frames of a video of this size are published as they are staged, byte for byte."""
        same_size = self.size == "source" or (width, height) in ((1920, 1080), (1080, 1920))
        return same_size and self.jpeg_quality >= LEAST_STAGED_QUALITY

    def tier(self, duration_s: float) -> ScanTier:
        """The tier a video of this length is scanned with, `thorough` applied."""
        tier = self.short if duration_s < self.short_below_s else self.long
        if not self.thorough:
            return tier
        return tier.model_copy(
            update={
                "period_s": tier.period_s / 2,
                "dense_step_s": tier.dense_step_s / 2,
                "dense_looks": tier.dense_looks * 2,
            }
        )
