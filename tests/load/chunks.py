"""Many chunks in one warm worker: how much memory, how many handles and threads it holds after each."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lambdas.contracts import Settings, SplitRequest
from lambdas.detect.packs import load_pack
from lambdas.split import handler as split
from lambdas.staging import DirectoryStaging
from tests.clips import ffmpeg
from tests.faults.clips import SETTINGS
from tests.known_people import make_clip

ROOT = Path(__file__).parents[2]
SHOTS_S = (2.4, 2.0, 3.6)
CHUNK_S = 2


@dataclass(frozen=True)
class Held:
    """By a worker's process, after a chunk."""

    memory_kib: int
    """Resident."""
    handles: int
    threads: int


@dataclass(frozen=True)
class Outcome:
    """What a worker held in the first round of chunks after it was warm, and in the last."""

    chunks: int
    first_mib: float
    last_mib: float
    """Medians over a round."""
    most_mib: float
    handles: tuple[int, int]
    """Fewest and most, once it was warm."""
    threads: tuple[int, int]

    @property
    def growth(self) -> float:
        """Of memory, as a share."""
        return self.last_mib / self.first_mib - 1


def work_off(chunks: int, in_a_round: int, folder: Path, pack: Path) -> Outcome:
    """Has one process work through so many chunks: a video of `in_a_round` chunks, over and over.

    Raises CalledProcessError if the worker fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clip = _clip(folder, in_a_round)
    staging = DirectoryStaging(folder / "staging")
    settings = Settings.model_validate({**SETTINGS, "chunk_s": CHUNK_S})
    planned = split.run(SplitRequest(uri=str(clip), settings=settings, pack=load_pack(pack).facts), staging)
    command = [sys.executable, "-m", "tests.load.worker", str(staging.root), planned.run_id, str(pack), str(chunks)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return outcome((Held(**json.loads(line)) for line in done.stdout.splitlines()), planned.chunk_count)


def outcome(held: Iterable[Held], in_a_round: int) -> Outcome:
    """Compares the last round with the second: in the first, everything is loaded. Needs three rounds or more."""
    known = list(held)
    warm = known[in_a_round:]
    first, last = warm[:in_a_round], warm[-in_a_round:]
    assert len(warm) >= 2 * in_a_round
    return Outcome(
        len(known),
        statistics.median(one.memory_kib for one in first) / 1024,
        statistics.median(one.memory_kib for one in last) / 1024,
        max(one.memory_kib for one in warm) / 1024,
        (min(one.handles for one in warm), max(one.handles for one in warm)),
        (min(one.threads for one in warm), max(one.threads for one in warm)),
    )


def _clip(folder: Path, chunks: int) -> Path:
    """Known people, a small picture, a keyframe in two seconds."""
    seconds = chunks * CHUNK_S
    shots = SHOTS_S * -(-seconds // int(sum(SHOTS_S)))
    large, small = make_clip(folder / "large.mp4", *shots), folder / "clip.mp4"
    ffmpeg(
        "-i", str(large), "-t", str(seconds), "-vf", "scale=320:180", "-r", "12.5", "-c:v", "libx264", "-preset",
        "veryfast", "-g", "25", "-x264-params", "threads=1:scenecut=0", "-bitexact", str(small),
    )  # fmt: skip
    return small
