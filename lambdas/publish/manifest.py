"""manifest.json: what a run found, for other programs. Pure: no files, no environment.

`python -m lambdas.publish.manifest` prints its JSON Schema.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator
from pydantic_core import from_json

from lambdas.contracts import QUALITY, FaceFlag, Settings, UnclearReason

if TYPE_CHECKING:
    import pandas

SCHEMA_VERSION: Literal["2.1"] = "2.1"

Seconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Entry(BaseModel):
    """Base of everything in the manifest."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @classmethod
    def of(cls, document: object, **given: object) -> Self:
        """The entry with the fields `given`, and the others as the document has them under the same names."""
        copied = (name for name in cls.model_fields if name not in given and hasattr(document, name))
        return cls.model_validate({name: getattr(document, name) for name in copied} | given)


class Source(Entry):
    """The video."""

    uri: str
    """Where it was read from, without credentials, query and fragment; of a file on this machine its name alone, unless
    the settings ask for its path."""
    container: str
    codec: str
    width: Annotated[int, Field(gt=0)]
    """Pixels as displayed, rotation and sample aspect ratio applied."""
    height: Annotated[int, Field(gt=0)]
    """Pixels as displayed, rotation and sample aspect ratio applied."""
    rotation: Literal[0, 90, 180, 270]
    """Degrees counter-clockwise by which coded frames were turned upright; every published picture is upright."""
    fps: Annotated[float, Field(ge=0)]
    """Average frames per second, 0 if unknown; times come from PTS, never from it."""
    duration_s: Seconds
    """Seconds from the first frame to the end of the last one met."""
    frame_count: Annotated[int, Field(ge=0)]
    """Frames in the video."""
    begins_s: Seconds = 0.0
    """When players show the first picture, which is second 0 here: later than 0 where sound begins before it."""
    mirrored: bool = False
    """Whether coded frames were mirrored left to right before they were turned, as players show them."""
    identity: str = ""
    """The same for every run of the same upload or file; corrections name their video by it."""


class Models(Entry):
    """The model pack the run used."""

    pack: str
    licence: str
    """Of the weights; what you may do with the results follows from it."""
    detector: str
    embedder: str
    commercial_use: bool
    """Whether the licence allows it."""
    sha256: str
    """Of the pack's files."""


if TYPE_CHECKING:

    class Quality(Entry):
        """A field for each of the contracts' QUALITY_PARTS."""

        def __init__(self, **parts: float) -> None: ...
        def __getattr__(self, part: str) -> float: ...

else:
    Quality = create_model(
        "Quality",
        __base__=Entry,
        __doc__="Parts of a face's score, each from 0 (worst) to 1 (best).",
        **{part.name: (Share, Field(description=part.meaning)) for part in QUALITY},
    )


class FaceFrame(Entry):
    """A published frame and the face it was chosen for."""

    file: str
    """Relative to the manifest's prefix, like every `file`."""
    t_s: float
    """Seconds after the first picture."""
    pts: int
    """Presentation time stamp in the stream's own time base."""
    box: tuple[float, float, float, float]
    """The face: left, top, right, bottom in pixels of `file`, clipped to the picture."""
    score: Share
    """How good a picture of this face it is."""
    quality: Quality
    flags: list[FaceFlag]
    """What is wrong with it in a person's words; empty for a clean picture."""
    landmarks: list[tuple[float, float]]
    """Left eye, right eye, nose, left and right mouth corner as seen in the picture; x, y in pixels of `file`."""


class Track(Entry):
    """One uninterrupted presence on screen."""

    start_s: float
    end_s: float
    best_s: float
    """When the face is seen best."""
    best_pts: int | None = None
    """Presentation time stamp of that moment in the stream's own time base."""
    best_box: tuple[float, float, float, float] | None = None
    """The face then: left, top, right, bottom in pixels of the upright full-resolution frame. Corrections name
    a presence by it and by `best_s`."""


class Person(Entry):
    id: Annotated[int, Field(ge=0)]
    """From 0, longest screen time first; counts within this run only."""
    name: str | None
    """From a correction or the gallery; null if there is none or nobody in it is close enough."""
    name_similarity: Annotated[float, Field(ge=-1, le=1)] | None
    """Cosine similarity to the gallery's nearest identity, whether or not its name was taken; null without one."""
    confidence: Share
    """How surely all of it is one person."""
    best_frame: FaceFrame
    alternatives: list[FaceFrame]
    """Further good frames from other moments, best first; may be empty."""
    thumbnail: str
    """Square picture of the face, 256 x 256."""
    screen_time_s: Seconds
    tracks: list[Track]
    """In time order."""


class Merge(Entry):
    """Two people who may be one; for a human to decide."""

    people: tuple[int, int]
    """Their ids."""
    distance: float
    """Cosine distance between them; smaller is more alike."""
    thumbnails: tuple[str, str]
    """Their thumbnails, in the order of `people`."""


class RepresentativeFrame(Entry):
    """One of the frames that stand for the whole video."""

    file: str
    t_s: float
    """Seconds after the first picture."""
    score: float
    """Higher is better; compares frames of this run."""


class Scene(Entry):
    """A stretch between two cuts and its frame."""

    index: Annotated[int, Field(ge=0)]
    """From 0, in time order."""
    start_s: float
    end_s: float
    t_s: float
    """Of the published frame, near the scene's middle."""
    file: str


class UnclearPicture(Entry):
    """The best that was seen of somebody who was never seen clearly."""

    file: str | None
    """Square picture of the face, 256 x 256; null beyond the 200 longest on screen."""
    t_s: float
    """Seconds after the first picture."""
    pts: int
    """Presentation time stamp in the stream's own time base."""
    score: Share
    """How good a picture of this face it is."""
    quality: Quality
    flags: list[FaceFlag]
    """What is wrong with it in a person's words; empty for a clean picture."""


class Unclear(Entry):
    """Somebody who was never seen clearly, or not often or long enough to count as a person; perhaps no face."""

    reason: UnclearReason
    """Why they are not among the people, in one word."""
    sightings: Annotated[int, Field(ge=0)]
    """In how many frames they were detected."""
    screen_time_s: Seconds
    tracks: list[Track]
    """In time order."""
    best: UnclearPicture | None
    """Null where no frame of them was kept."""


class Unmatched(Entry):
    """A correction that no longer fits what was detected, wholly or in part."""

    number: Annotated[int, Field(ge=0)]
    """Its place in the corrections' file, from 0."""
    do: Literal["name", "merge", "split", "drop", "hide", "best"]
    applied: bool
    """Whether the rest of it was applied."""
    reason: str
    """In English."""
    at_s: list[float]
    """Seconds at which nobody was detected where it says."""


class Missing(Entry):
    """A stretch nobody could work through."""

    start_s: Seconds
    end_s: Seconds
    error: str
    """What was met there, by name; empty where that is not known."""


class Timings(Entry):
    """Seconds of work by stage."""

    split: Seconds
    detect: Seconds
    """Sum over the workers, which may have run side by side."""
    cluster: Seconds
    publish: Seconds
    """Up to the report."""


class CostPart(Entry):
    name: str
    quantity: float
    unit: str
    usd_per_unit: float
    usd: float


class Cost(Entry):
    """Estimate of what the same run costs on AWS Lambda, from the measured seconds; free tier not counted."""

    total_usd: Annotated[float, Field(ge=0)]
    """Sum of the parts."""
    parts: list[CostPart]
    """Largest first."""
    region: str
    architecture: Literal["x86_64", "arm64"]
    prices_as_of: str
    """ISO date of the price table."""
    prices_source: str


class Manifest(Entry):
    """What a run of Talent Frames found in a video."""

    schema_version: Literal["2.1"] = SCHEMA_VERSION
    """A field is added with a new minor number; renamed, removed or given another meaning with a new major one."""
    run_id: str
    """Same video, settings, models and pipeline version: same id."""
    source: Source
    models: Models
    settings: Settings
    """The settings the run used, defaults included."""
    people: list[Person]
    """Longest screen time first; empty if nobody was found."""
    suggested_merges: list[Merge]
    """Closest first."""
    representative_frames: list[RepresentativeFrame]
    """In time order; fewer than `settings.representative` only if the video has fewer frames."""
    scenes: list[Scene]
    """In time order."""
    timings: Timings
    cost: Cost
    scenes_are_even: bool
    """True if the video has fewer than `settings.min_scenes` scenes, so that evenly spaced frames stand in for them."""
    unclear: list[Unclear]
    """Seen, but never clearly, or too seldom to count as people; longest screen time first."""
    missing: list[Missing]
    """Stretches of the video that are not in these results, in time order; empty unless `settings.max_lost_chunks`
    allows for some."""
    notes: list[str]
    """What a reader should know, in English; may be empty."""
    looked_frames: Annotated[int, Field(ge=0)]
    """Frames in which faces were looked for."""
    corrupt_frames: Annotated[int, Field(ge=0)]
    """Frames that could not be decoded and were passed over."""
    detect_steps: dict[str, Seconds]
    """Seconds of detect's steps, summed over its workers."""
    pipeline_version: str
    created_at: str
    """When the run was planned, ISO 8601, UTC."""
    names_file: str
    report_file: str
    contact_sheet_file: str
    """Everybody's face and the representative frames as one JPEG."""
    files: list[str]
    """Every file of the run but the manifest itself, sorted."""
    corrections: Annotated[int, Field(ge=0)] = 0
    """How many of a person's corrections were applied."""
    unmatched_corrections: list[Unmatched] = []
    """Those that no longer fit what was detected."""
    corrections_file: str | None = None
    """The corrections, to be applied again when the video is run again; null without any."""

    def _repr_html_(self) -> str:
        """The people, for a notebook."""
        from lambdas.publish.notebook import people_html

        return people_html(self)

    def to_pandas(self) -> dict[str, pandas.DataFrame]:
        """Data frames `people`, `tracks` and `scenes`. Raises ImportError where pandas isn't installed."""
        from lambdas.publish.notebook import data_frames

        return data_frames(self)

    @model_validator(mode="after")
    def _refers_to_its_own(self) -> Self:
        files = set(self.files)
        named = [self.names_file, self.report_file, self.contact_sheet_file]
        named += [self.corrections_file] if self.corrections_file is not None else []
        for person in self.people:
            named += [person.thumbnail, person.best_frame.file, *(frame.file for frame in person.alternatives)]
        named += [frame.file for frame in self.representative_frames] + [scene.file for scene in self.scenes]
        named += [seen.best.file for seen in self.unclear if seen.best is not None and seen.best.file is not None]
        for file in named:
            if file not in files:
                raise ValueError(f"{file} is not among the files")
        people = {person.id for person in self.people}
        for merge in self.suggested_merges:
            if not people.issuperset(merge.people):
                raise ValueError(f"merge of {merge.people}: no such people")
        return self


def schema_text() -> str:
    """The manifest's JSON Schema (draft 2020-12) as it stands in docs/."""
    dialect = "https://json-schema.org/draft/2020-12/schema"
    schema = {"$schema": dialect, **Manifest.model_json_schema(mode="serialization")}
    return json.dumps(schema, indent=2) + "\n"


def listed_files(manifest: bytes) -> list[str]:
    """The files an earlier manifest lists, of whatever version; none where these bytes are no manifest."""
    try:
        document = from_json(manifest)
    except ValueError:
        return []
    files = document.get("files") if isinstance(document, dict) else None
    return [file for file in files if isinstance(file, str)] if isinstance(files, list) else []


if __name__ == "__main__":
    print(schema_text(), end="")
