"""What the stages hand one another: requests, responses and the documents in staging.

Strict throughout: an unknown or missing field is refused. Pure: no files, no environment.
"""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, model_validator

from lambdas.errors import InvalidGallery

if TYPE_CHECKING:
    # 0.2 s to import; the command starts its workers before it needs it.
    import numpy as np
    from numpy.typing import NDArray

OPEN_END = 2**53 - 1
"""A PTS after every frame; the first chunk starts at -OPEN_END, the last ends here. Exact in a JSON number."""


class Contract(BaseModel):
    """Base of everything written to staging or handed to a stage."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


# settings


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
    size: Literal["1080p", "source"] = "1080p"
    """1920x1080 or 1080x1920 by orientation, or the frame as it is."""
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
    scene_detector: Literal["layout", "content", "adaptive"] = "layout"
    """`layout` finds cuts, fades, dissolves, wipes and slides by what the picture shows where; the others are
    PySceneDetect's."""
    scene_threshold: Annotated[float, Field(gt=0, le=255)] = 27.0
    """PySceneDetect's ContentDetector threshold on the mean HSV difference; `layout` asks for a tenth of it at least,
    and for a lesser change of layout where it is reached."""
    adaptive_ratio: Annotated[float, Field(gt=0, le=100)] = 3.0
    """PySceneDetect's AdaptiveDetector threshold on score over its neighbours' mean."""
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
    keys: KeyTemplates = KeyTemplates()
    limits: Limits = Limits()
    publish_path: bool = False
    """Whether the manifest holds the whole path of a file on this machine, which tells of its user; else its name."""

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


# model pack


class Distances(Contract):
    """A pack's cosine distances (0 to 2) between L2-normed embeddings."""

    same: Annotated[float, Field(gt=0, lt=2)]
    """DBSCAN's eps between tracks."""
    strict: Annotated[float, Field(gt=0, lt=2)]
    """Below it two tracks on either side of a chunk border are surely one person."""
    attach: Annotated[float, Field(gt=0, lt=2)]
    """A weak track joins its nearest person below it."""
    suggest: Annotated[float, Field(gt=0, lt=2)]
    """Two people below it are suggested as a merge."""
    name: Annotated[float, Field(gt=0, lt=2)]
    """A person takes a gallery identity's name below it."""


class PackFacts(Contract):
    """What a run records about its models."""

    name: str
    licence: str
    commercial_use: bool
    detector: str
    embedder: str
    embedding_size: Annotated[int, Field(gt=0)]
    sha256: str
    """Of the pack's files: sha256 over the sorted `name sha256` lines."""
    distances: Distances


# source and plan


class SourceFacts(Contract):
    """What is known of a video before any frame is decoded."""

    uri: str
    identity: str
    """Hash that two announcements of the same upload share."""
    size_bytes: Annotated[int, Field(gt=0)]
    container: str
    codec: str
    width: Annotated[int, Field(gt=0)]
    """Pixels as displayed: rotation and sample aspect ratio applied."""
    height: Annotated[int, Field(gt=0)]
    rotation: Literal[0, 90, 180, 270]
    """Degrees counter-clockwise by which a coded frame is turned for display, as PyAV's `frame.rotation`."""
    mirrored: bool = False
    """Whether a coded frame is mirrored left to right before it is turned."""
    sample_aspect_ratio: Annotated[float, Field(gt=0)]
    interlaced: bool
    hdr: Literal["", "pq", "hlg"]
    """Transfer function of high dynamic range video, empty for standard range."""
    fps: Annotated[float, Field(ge=0)]
    """Average; 0 if unknown. Never used to compute a time."""
    cut_keyframes_within: Annotated[int, Field(ge=0)] = 0
    """Frames after which the encoder puts a keyframe in any case; sooner ones stand at cuts. 0 where it is unknown."""
    duration_s: Annotated[float, Field(ge=0)]
    """From the container, 0 if unknown; the manifest's comes from the frames met."""
    promised_s: Annotated[float, Field(ge=0)] = 0.0
    """Duration of the video by the container's header, 0 where it says nothing of its own."""
    begins_s: Annotated[float, Field(ge=0)] = 0.0
    """On a player's clock, which starts with sound or picture, whichever is first: when the first picture is shown."""
    indexed: Annotated[int, Field(ge=0)] = 0
    """Frames in the container's index as it is opened."""
    reordered: bool = False
    """Whether frames are decoded in another order than they are shown."""
    packets: Annotated[int, Field(ge=0)] = 0
    """Video packets in the file, 0 where they were not all read."""
    start_pts: int
    """PTS of the first picture, time 0 of the manifest."""
    time_base_num: Annotated[int, Field(gt=0)]
    time_base_den: Annotated[int, Field(gt=0)]
    video_stream: Annotated[int, Field(ge=0)]
    """Index of the video stream within the container."""
    segmented: bool
    """Whether chunks were stream-copied because ranges can't serve this container."""
    version_id: str | None = None
    """Of an object in a versioned bucket: it is this version that is read."""
    etag: str | None = None
    """Of an object in a bucket: nothing else is read. Without quotes."""
    mark: str = ""
    """Of a file or URL, what tells its content from another one that comes to stand there in mid-run."""

    @property
    def time_base(self) -> Fraction:
        """Seconds per PTS tick."""
        return Fraction(self.time_base_num, self.time_base_den)

    @property
    def frame_bytes(self) -> int:
        """Memory of one decoded frame, at least one: 4:2:0, of high dynamic range in 16 bits."""
        return max(1, self.width * self.height * 3 // 2 * (2 if self.hdr else 1))

    def seconds(self, pts: int) -> float:
        """Seconds from the first picture to `pts`."""
        return float((pts - self.start_pts) * self.time_base)

    def pts(self, seconds: float) -> int:
        """The PTS nearest to so many seconds after the first picture."""
        return self.start_pts + round(Fraction(seconds) / self.time_base)


class Chunk(Contract):
    """A half-open span of the video that one worker looks at. Together the chunks hold every frame exactly once."""

    index: Annotated[int, Field(ge=0)]
    start_pts: int
    end_pts: int
    decode_from_pts: int
    """PTS of the keyframe to decode from: `start_pts`, or earlier where the chunk starts inside a GOP."""
    segment_key: str | None = None
    """Staging key of the stream-copied chunk (same PTS), where ranges can't serve the container."""
    representative_windows: list[tuple[int, int]] = []
    """Half-open PTS windows whose middle falls into this chunk, one per wanted representative frame of the whole."""
    fallback_pts: list[int] = []
    """Evenly spaced moments of the whole video that fall into this chunk; a frame is staged at each."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.start_pts < self.end_pts:
            raise ValueError(f"chunk {self.index}: start {self.start_pts} is not before end {self.end_pts}")
        return self


class Plan(Contract):
    """split's document, `runs/<run_id>/plan.json`."""

    pipeline_version: str
    run_id: str
    source: SourceFacts
    settings: Settings
    pack: PackFacts
    gallery_key: str | None
    """Where the gallery lies in staging, None without one."""
    chunks: list[Chunk]
    mid_gop_decode_s: float = 0.0
    """Seconds of video decoded twice because chunks start inside long GOPs."""
    created_at: str
    """ISO 8601, UTC."""
    split_s: float
    """Seconds split took up to here."""
    notes: list[str] = []
    """What a reader of the results should know of the video, in English."""


# requests and responses


class SplitRequest(Contract):
    """Starts a run."""

    uri: str
    """A path, or an http(s) or s3 URL."""
    settings: Settings = Settings()
    pack: PackFacts
    gallery_key: str | None = None
    force: str = ""
    """Any text; a new one gives a new run of the same video with the same settings."""
    version_id: str | None = None
    etag: str | None = None
    """Of an s3 URL: the object is read and identified as this version, or as long as it has this ETag."""


class SplitResponse(Contract):
    run_id: str
    chunk_count: int
    duration_s: float


class DetectRequest(Contract):
    run_id: str
    chunk: Annotated[int, Field(ge=0)]


class DetectResponse(Contract):
    run_id: str
    chunk: int
    skipped: bool
    """Whether the chunk's document stood already."""


class ClusterRequest(Contract):
    run_id: str


class ClusterResponse(Contract):
    run_id: str
    people: int
    scenes: int
    representative: int


class PublishRequest(Contract):
    run_id: str
    prefix: str = ""
    """Put before every published key; empty or ending in a slash."""
    video_link: str = ""
    """Where the report finds the video to play moments of: a URL, or a path relative to the report. Empty: it asks."""


class PublishResponse(Contract):
    run_id: str
    manifest_key: str
    people: int
    representative: int
    scenes: int


# cloud: what the state machine hands the functions and gets back (detect and cluster take what they take anywhere)


Given = Annotated[str | None, BeforeValidator(lambda text: text or None)]
"""A text that may be left out; the state machine and input transformers write an absent one as "" or null."""


class SourceObject(Contract):
    """A video in a bucket."""

    bucket: Annotated[str, Field(min_length=3)]
    key: Annotated[str, Field(min_length=1)]
    """As it is, not URL-encoded."""
    version_id: Given = None
    etag: Given = None

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Execution(Contract):
    """The state machine's execution that asks."""

    arn: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(min_length=1)]
    started_at: str
    """ISO 8601, UTC."""


class StartRequest(Contract):
    """What the state machine asks of split."""

    source: SourceObject | None = None
    """Not needed with `resume`."""
    execution: Execution
    settings: dict[str, JsonValue] | None = None
    """Over those of the sidecar and of the stack; only what a request may set."""
    force: Given = None
    resume: Annotated[Literal["cluster"] | None, BeforeValidator(lambda text: text or None)] = None
    """Plans nothing, so that cluster and publish work again on `run_id`."""
    run_id: Given = None
    revision: Given = None
    """With `resume`: tells this repetition from others, and its results from theirs."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.resume is None and self.source is None:
            raise ValueError("needs source, or resume with run_id and revision")
        if self.resume is not None and (self.run_id is None or self.revision is None):
            raise ValueError("resume needs run_id and revision")
        if self.resume is not None and (self.settings or self.force):
            raise ValueError("resume takes neither settings nor force: the plan holds them")
        if self.resume is None and (self.run_id or self.revision):
            raise ValueError("run_id and revision go with resume only")
        if self.revision is not None and not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", self.revision):
            raise ValueError("revision must be 1 to 64 of A-Z a-z 0-9 . _ -")
        return self


class StartResponse(Contract):
    outcome: Literal["started", "AlreadyRunning", "AlreadyDone"]
    """Whether this execution holds the run now; else it has nothing to do."""
    run_id: str
    attempt: int
    chunk_count: int
    """This and `duration_s` are 0 unless started."""
    duration_s: float
    prefix: str
    """Under which the run is published."""
    video: str
    """`bucket/key`."""


class PublishOrder(Contract):
    """What the state machine asks of publish."""

    run_id: str
    prefix: str
    execution_arn: str


class PublishAnswer(Contract):
    manifest_uri: str
    people: int
    representative: int
    scenes: int
    event: dict[str, JsonValue]
    """Detail of the `Video Processed` event."""


class Deployment(Contract):
    """What a deployment runs on, as far as it decides what a run costs; the defaults are the stack's."""

    architecture: Literal["x86_64", "arm64"] = "x86_64"
    memory_mib: dict[str, int] = {"split": 1024, "detect": 1769, "cluster": 2048, "publish": 1769}
    """Of each stage's function. 1769 MiB is where a function has one whole vCPU (AWS Lambda developer guide)."""
    tmp_mib: dict[str, int] = {"split": 10_240, "detect": 512, "cluster": 512, "publish": 512}
    """Disk of each stage's function; 512 MiB are free."""
    staging_days: int = 7
    """Staging expires after so many days."""
    gpu_machine: str = "g4dn.xlarge"
    """EC2 type that a job is taken to run on: Batch chooses among the families allowed, the first is the cheapest."""
    gpu_spot: bool = True
    gpu_disk_gib: int = 60


class JobReport(Contract):
    """What the Batch job of a run did, `runs/<run_id>/job.json`; a job that was started again adds to it."""

    chunks: int
    """Done by it; the map did the others."""
    detect_s: float
    """Sum of those chunks' seconds, as detect counts them."""
    job_s: float
    """For which it held its machine, without the machine's start."""


class Failure(Contract):
    """Why a worker gave up: `runs/<run_id>/failures/<index>.json`, and `batch_error.json` for a whole job."""

    error: str
    """Class name."""
    cause: str


# staging keys


def plan_key(run_id: str) -> str:
    return f"runs/{run_id}/plan.json"


def chunks_key(run_id: str) -> str:
    """A top-level JSON array of the plan's chunks, for the map's item reader."""
    return f"runs/{run_id}/chunks.json"


def segment_key(run_id: str, chunk: int) -> str:
    return f"runs/{run_id}/segments/{chunk:05d}.mkv"


def frames_key(run_id: str, chunk: int) -> str:
    return f"runs/{run_id}/frames/{chunk:05d}.tar"


def detections_key(run_id: str, chunk: int) -> str:
    return f"runs/{run_id}/detections/{chunk:05d}.npz"


def chunk_document_key(run_id: str, chunk: int) -> str:
    return f"runs/{run_id}/chunks/{chunk:05d}.json"


def selection_key(run_id: str) -> str:
    return f"runs/{run_id}/selection.json"


def failure_key(run_id: str, chunk: int) -> str:
    return f"runs/{run_id}/failures/{chunk:05d}.json"


def job_report_key(run_id: str) -> str:
    return f"runs/{run_id}/job.json"


def batch_error_key(run_id: str) -> str:
    return f"runs/{run_id}/batch_error.json"


# detect's documents


QUALITY_PARTS = (
    "confidence",
    "frontal",
    "size",
    "sharpness",
    "exposure",
    "eyes_open",
    "inside",
    "unobstructed",
    "steady",
)
"""Parts of a face's score, each from 0 (worst) to 1 (best)."""

FaceFlag = Literal[
    "side_face",
    "blurry",
    "too_dark",
    "too_bright",
    "eyes_closed",
    "cut_off",
    "too_small",
    "covered",
    "in_transition",
]
"""What a person would say is wrong with the picture of a face."""
FACE_FLAGS: tuple[FaceFlag, ...] = get_args(FaceFlag)


class StagedFrame(Contract):
    """A full-resolution frame kept in the chunk's tar; its place in the list is its number in `Detections.staged`."""

    pts: int
    t_s: float
    offset: Annotated[int, Field(ge=0)]
    """First byte of the JPEG within the tar."""
    length: Annotated[int, Field(gt=0)]
    width: int
    height: int
    luma: Annotated[float, Field(ge=0, le=1)]
    """Mean brightness."""
    contrast: Annotated[float, Field(ge=0, le=1)]
    """Standard deviation of brightness over half the range; near 0 for uniform pictures."""
    sharpness: Annotated[float, Field(ge=0, le=1)]
    """Share of fine detail, 0 for blurred or uniform pictures, comparable between frames of any size."""
    in_transition: bool
    """Whether a cut or fade is within a few frames."""


class ChunkDocument(Contract):
    """detect's document, `runs/<run_id>/chunks/<index>.json`; its presence means the chunk is done."""

    index: int
    frame_count: int
    """Frames of the chunk by its packets."""
    first_pts: int | None
    """PTS of the first and last frame; None in a chunk without frames."""
    last_pts: int | None
    end_pts: int | None
    """PTS where the last frame stops being shown."""
    looked_frames: int
    """Frames a face detector saw."""
    corrupt_frames: int
    staged: list[StagedFrame]
    seconds: dict[str, float]
    """Wall seconds by step; `total` is the whole stage."""


@dataclass(frozen=True)
class Detections:
    """detect's columns, `runs/<run_id>/detections/<index>.npz`. Sightings (n) are ordered by PTS."""

    pts: NDArray[np.int64]
    """(n,) when each face was seen."""
    boxes: NDArray[np.float32]
    """(n, 4) xyxy, pixels of the upright full-resolution frame; may reach outside it."""
    landmarks: NDArray[np.float32]
    """(n, 5, 2) left eye, right eye, nose, left and right mouth corner as seen in the picture, pixels."""
    quality: NDArray[np.float32]
    """(n, len(QUALITY_PARTS)) each 0 to 1, by the picture and its shot alone, whoever the person is."""
    openings: NDArray[np.float32]
    """(n, 2) height over width of the eye on the picture's left and of the other; NaN in faces too small to read."""
    in_view: NDArray[np.float32]
    """(n,) logit of a face being there, lower with something in front of it; NaN in faces too small to read."""
    confidence: NDArray[np.float32]
    """(n,) the detector's, 0 to 1."""
    brightness: NDArray[np.float32]
    """(n,) median of the face, 0 to 1."""
    confirmed: NDArray[np.bool_]
    """(n,) whether a second look saw a face too: the mesh network or, in doubt, the detector in the enlarged crop."""
    tracks: NDArray[np.int32]
    """(n,) track number within the chunk, from 0."""
    staged: NDArray[np.int32]
    """(n,) which of the chunk's staged frames shows this sighting, -1 none."""
    dense: NDArray[np.bool_]
    """(n,) True where the sighting comes from the dense look, False for the regular scan (these measure presence)."""
    embedded: NDArray[np.int32]
    """(m,) rows that were embedded, ascending."""
    embeddings: NDArray[np.float32]
    """(m, d) L2-normed, for the rows in `embedded`."""
    scene_pts: NDArray[np.int64]
    """(k,) frames compared for scene changes, ascending; the first of the chunk has no predecessor and score 0."""
    scene_scores: NDArray[np.float32]
    """(k,) PySceneDetect content value (0 to 255) between this frame and the one before it in display order."""
    scene_luma: NDArray[np.float32]
    """(k,) mean brightness, 0 to 1."""
    scene_layout: NDArray[np.uint8]
    """(k, 16, 16, 3) BGR, the picture averaged down: tells cuts from flashes, finds dissolves, wipes and slides, across
    chunks too."""
    staged_small: NDArray[np.uint8]
    """(number of staged frames, 16, 16, 3) BGR thumbnails to tell near-duplicates."""
    first_frame: NDArray[np.uint8]
    """(h, 256, 3) BGR, the chunk's first frame; (0, 256, 3) if there is none."""
    last_frame: NDArray[np.uint8]
    """(h, 256, 3) BGR, the chunk's last frame; (0, 256, 3) if there is none."""

    def to_bytes(self) -> bytes:
        """As a compressed npz."""
        import numpy as np

        buffer = io.BytesIO()
        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        np.savez_compressed(buffer, allow_pickle=False, **columns)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Detections:
        """Reads what `to_bytes` wrote; a missing column raises KeyError."""
        import numpy as np

        with np.load(io.BytesIO(data), allow_pickle=False) as columns:
            return cls(**{field.name: columns[field.name] for field in fields(cls)})


# the gallery


@dataclass(frozen=True)
class Gallery:
    """Known people's faces, `gallery.npz`: written when people are enrolled, read when a run names its people."""

    names: list[str]
    """One for each person."""
    embeddings: NDArray[np.float32]
    """(m, d) L2-normed, one for each enrolled picture."""
    identity: NDArray[np.int32]
    """(m,) the person in `names` each embedding is of."""
    pack_sha256: str
    """`PackFacts.sha256` of the pack the embeddings come from."""

    def __post_init__(self) -> None:
        """Raises InvalidGallery if the parts don't fit together or nobody is enrolled."""
        import numpy as np

        problem = ""
        if not self.names or len(set(self.names)) != len(self.names):
            problem = f"{len(self.names)} names, {len(set(self.names))} different ones"
        elif self.embeddings.ndim != 2 or self.embeddings.dtype != np.float32 or not self.embeddings.shape[1]:
            problem = f"embeddings are {self.embeddings.dtype}{list(self.embeddings.shape)}, not float32[m, d]"
        elif self.identity.shape != (len(self.embeddings),) or self.identity.dtype != np.int32:
            problem = f"{len(self.embeddings)} embeddings, identity {self.identity.dtype}{list(self.identity.shape)}"
        elif set(self.identity.tolist()) != set(range(len(self.names))):
            problem = f"embeddings of people {sorted(set(self.identity.tolist()))} for {len(self.names)} names"
        elif not np.allclose(np.linalg.norm(self.embeddings, axis=1), 1, atol=1e-3):
            problem = "embeddings are not L2-normed"
        elif any(not name.strip() or len(name) > LONGEST_NAME or not name.isprintable() for name in self.names):
            problem = f"a name is empty, longer than {LONGEST_NAME} letters or holds what can't be printed"
        elif len(self.pack_sha256) != 64:
            problem = f"pack checksum of {len(self.pack_sha256)} characters"
        if problem:
            raise InvalidGallery(f"gallery: {problem}")

    def to_bytes(self) -> bytes:
        """As an npz."""
        import numpy as np

        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            allow_pickle=False,
            version=np.int32(GALLERY_VERSION),
            names=np.array(self.names, np.str_),
            embeddings=self.embeddings,
            identity=self.identity,
            pack_sha256=np.str_(self.pack_sha256),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Gallery:
        """Reads what `to_bytes` wrote. Raises InvalidGallery for anything else."""
        import numpy as np

        _check_members(data)
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as columns:
                version = int(columns["version"])
                names = [str(name) for name in columns["names"]]
                embeddings, identity = columns["embeddings"], columns["identity"]
                pack_sha256 = str(columns["pack_sha256"])
        except Exception as error:
            # numpy, zipfile and zlib each have their own; to load it unsafely, as some say, is no advice to give.
            raise InvalidGallery(
                f"gallery: {len(data)} bytes that are no gallery.npz ({type(error).__name__})"
            ) from error
        if version != GALLERY_VERSION:
            raise InvalidGallery(f"gallery: version {version}, this release reads {GALLERY_VERSION}")
        return cls(names, embeddings, identity, pack_sha256)


def _no_gallery(data: bytes, error: Exception) -> str:
    return f"gallery: {len(data)} bytes that are no gallery.npz ({type(error).__name__})"


def _check_members(data: bytes) -> None:
    """Raises InvalidGallery where unpacking these bytes would take more memory than any gallery needs."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except Exception as error:
        raise InvalidGallery(_no_gallery(data, error)) from error
    if any(member.flag_bits & 1 for member in members):
        raise InvalidGallery("gallery: it is encrypted")
    size = sum(member.file_size for member in members)
    if len(members) > 16 or size > MOST_GALLERY_BYTES:
        raise InvalidGallery(
            f"gallery: unpacks to {len(members)} parts of {size:,} bytes, more than the limit of {MOST_GALLERY_BYTES:,}"
        )


GALLERY_VERSION = 1
MOST_GALLERY_BYTES = 256 * 2**20
"""Unpacked: half a million pictures of 128 numbers."""
LONGEST_NAME = 200


# cluster's document


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
    looked_frames: int
    corrupt_frames: int
    detect_seconds: dict[str, float]
    """Sum over chunks, by step; `total` is what the workers were busy."""
    cluster_s: float
