"""What benchmarks.bench measures, as benchmarks/bench.json keeps it: raw numbers only."""

from __future__ import annotations

import hashlib
from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict

from benchmarks.processes import Spent

ROOT = Path(__file__).parent.parent
KEPT = Path(__file__).with_name("bench.json")

Way = Literal["all", "people", "seek", "linear"]
WAYS: tuple[Way, ...] = ("all", "people", "seek", "linear")
"""Ours with everything on, ours for people alone, and the usual way in its two variants."""


REFERENCED = "decode, referenced frames, no loop filter, 1 thread"
"""The name of that limit, which decoding is held against."""


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Run(_Kept):
    """One run of one way, from the command line."""

    spent: Spent
    people: int


class StageSpent(_Kept):
    """One stage in a fresh process, on one core."""

    starts_cpu_s: float
    """Imports and models."""
    cpu_s: float
    """The stage itself; so are `wall_s` and `bytes_read`."""
    wall_s: float
    peak_mib: int
    """Of the whole process."""
    bytes_read: int
    """From files, those in the page cache included."""


class Stages(_Kept):
    """All of them, one after the other."""

    spent: dict[str, StageSpent]
    steps: dict[str, float]
    """Shares of detect's time."""
    chunks: int
    looked_frames: int
    embedded_faces: int


class Limit(_Kept):
    """Something that can't be done faster, on its own."""

    wall_s: float
    cpu_s: float
    frames: int = 0


class Floor(_Kept):
    """The least work of the plan that `Stages` carried out, CPU seconds of one core."""

    decode_s: float
    """What the looked-at and kept frames can't be decoded without."""
    decode_bytes: int
    """Of the packets that hold it."""
    one_detection_s: float
    one_embedding_s: float


class Clip(_Kept):
    """One clip's results, all by one state of the code."""

    code: str
    made_on: str
    kind: str
    what: str
    video_s: float
    bytes: int
    pairs: list[dict[Way, Run]] = []
    """One run of each way, in turn; the last may be unfinished."""
    limits: dict[str, Limit] = {}
    stages: Stages | None = None
    floor: Floor | None = None

    @property
    def whole_pairs(self) -> list[dict[Way, Run]]:
        return [pair for pair in self.pairs if len(pair) == len(WAYS)]

    def wall_s(self, way: Way) -> float:
        """Median of the pairs; so are the others."""
        return median(pair[way].spent.wall_s for pair in self.whole_pairs)

    def cpu_s(self, way: Way) -> float:
        return median(pair[way].spent.cpu_s for pair in self.whole_pairs)

    def people(self, way: Way) -> list[int]:
        """Each count that came out, ascending."""
        return sorted({pair[way].people for pair in self.whole_pairs})

    def times_faster(self, way: Way, than: Way) -> float:
        """Median over the pairs of the ratio within each."""
        return median(pair[than].spent.wall_s / pair[way].spent.wall_s for pair in self.whole_pairs)

    def others_share(self) -> float:
        """CPU that other processes took, per second of wall, in the worst run."""
        runs = [run.spent for pair in self.whole_pairs for run in pair.values()]
        return max((run.others_cpu_s / run.wall_s for run in runs), default=0.0)

    @property
    def floor_s(self) -> float | None:
        """CPU seconds of all the floor's parts; None where they were not measured."""
        if self.floor is None or self.stages is None:
            return None
        return (
            self.floor.decode_s
            + self.stages.looked_frames * self.floor.one_detection_s
            + self.stages.embedded_faces * self.floor.one_embedding_s
        )


class Ranges(_Kept):
    """A clip read from a server on loopback."""

    code: str
    what: str
    file_bytes: int
    split_bytes: int
    split_requests: int
    chunk_bytes: list[int]
    chunk_requests: list[int]
    chunk_openings: list[int]
    needed_bytes: int
    """Of the packets that looked-at and kept frames need."""
    people_only: bool

    @property
    def share(self) -> float:
        """Bytes of all chunks together over the file's."""
        return sum(self.chunk_bytes) / self.file_bytes


class LongOpening(_Kept):
    """The middle of a very long MP4 opened by range."""

    video_s: float
    index_bytes: int
    bytes: int
    requests: int


class Start(_Kept):
    """Cold starts of a detect worker, files in the page cache."""

    code: str
    seconds: list[float]
    """From the first import to the first looked-at frame."""
    process_s: list[float]
    """Wall of the whole process, Python's own start and end included."""


class Results(_Kept):
    machine: str = ""
    software: str = ""
    clips: dict[str, Clip] = {}
    """By kind and length, as the file's stem."""
    ranges: dict[str, Ranges] = {}
    long_opening: LongOpening | None = None
    start: Start | None = None


def read_results(path: Path = KEPT) -> Results:
    return Results.model_validate_json(path.read_bytes()) if path.is_file() else Results()


def write_results(results: Results, path: Path = KEPT) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(results.model_dump_json(indent=1, exclude_none=True) + "\n")
    part.replace(path)


def code_state() -> str:
    """Changes with the code that is measured."""
    whole = hashlib.sha256()
    files = [path for folder in ("lambdas", "talent_frames") for path in (ROOT / folder).rglob("*.py")]
    for path in sorted([*files, ROOT / "benchmarks" / "reference.py"]):
        whole.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:12]
