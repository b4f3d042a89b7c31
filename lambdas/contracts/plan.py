"""split's document: the source, the settings and the chunks of a run."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lambdas.contracts.contract import Contract
from lambdas.contracts.pack import PackFacts
from lambdas.contracts.settings import Settings

OPEN_END = 2**53 - 1
"""A PTS after every frame; the first chunk starts at -OPEN_END, the last ends here. Exact in a JSON number."""


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
    coded_aspect_ratio: Annotated[float, Field(ge=0)] = 0.0
    """Of pixels by the coded stream at its start, whatever the container says; 0 where it does not say. Another value
    in mid-stream counts from there on."""
    stereo: Literal["", "side_by_side", "top_bottom"] = ""
    """How a coded frame holds two eyes' pictures, of which the left or upper one is the picture; empty for one."""
    interlaced: bool
    hdr: Literal["", "pq", "hlg", "ipt"]
    """Transfer function of high dynamic range video, empty for standard range; "ipt" is PQ in the colours of Dolby
    Vision's profile 5. A frame that says otherwise counts as what it says."""
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
    uploaded_at: str | None = None
    """Of an object in a bucket: when this version was uploaded, ISO 8601, UTC."""
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
