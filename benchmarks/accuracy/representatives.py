"""The ten frames that stand for a whole video: measured on their pixels, not on what the stages said of them."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.clips import data_folder
from benchmarks.accuracy.clips_scenes import BOTTLES, Clip, Reel, drawn, footage, make_clip, real_clips
from benchmarks.accuracy.stages import process
from benchmarks.accuracy.table import Part, Verdict
from lambdas.cluster.representatives import choose_representatives, weigh_frames
from lambdas.contracts import OPEN_END, FrameRef, Plan, Selection, Settings, StagedFrame, frames_key
from lambdas.split.plan import Border, choose_borders, make_chunks
from lambdas.staging import DirectoryStaging

WANTED = 10
QUICK = ("fades", "strobes")
GENERATED = (
    "hard_cuts",
    "fades",
    "dissolves",
    "flashes",
    "strobes",
    "whip_pans",
    "handheld",
    "no_changes",
    "everything",
)
BLACK_LEVEL = 12.0
FLAT_DEVIATION = 6.0
"""Grey levels: darker on average, or more uniform, and there is nothing to see."""
ALIKE_DIFFERENCE = 6.0
"""Mean difference in grey levels of two pictures, 32 across, that look the same."""
BLURRED = 0.25
NEARBY_S = 0.6
"""Share of the detail (variance of the Laplacian, 320 wide) of the sharper quarter of the same shot's frames nearby."""


@dataclass(frozen=True)
class Shown:
    """How one video's ten came out."""

    name: str
    frames: int
    wanted: int
    black: int
    flat: int
    mixed: int
    """Within a true transition."""
    blurred: int
    alike: int
    """Pairs that look the same."""
    repeated: int
    """Those of them within one true shot."""
    parts: int
    """Tenths of the video with a frame."""
    longest: int
    """Of the ten longest shots, or others about as long, those with a frame."""
    shots: int


def pictures_of(selection: Selection, plan: Plan, staging: DirectoryStaging) -> list[NDArray[np.uint8]]:
    """The representative frames as they were staged."""

    def read(frame: FrameRef) -> NDArray[np.uint8]:
        tar = staging.get(frames_key(plan.run_id, frame.chunk))
        jpeg = np.frombuffer(tar[frame.offset : frame.offset + frame.length], np.uint8)
        return np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)

    return [read(one.frame) for one in selection.representative]


def detail(picture: NDArray[np.uint8]) -> float:
    """Variance of the Laplacian at 320 wide."""
    height = max(2, round(320 * picture.shape[0] / picture.shape[1]))
    gray = cv2.cvtColor(cv2.resize(picture, (320, height), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    return float(cv2.Laplacian(gray, cv2.CV_64F).var())


def _details(clip: Clip) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Seconds from the first frame and detail of every third frame of a clip."""
    times, details = [], []
    with av.open(str(clip.path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % 3 == 0:
                height = max(2, round(320 * frame.height / frame.width))
                times.append(float(frame.time))
                details.append(detail(np.asarray(frame.reformat(320, height, format="bgr24").to_ndarray(), np.uint8)))
    return np.array(times) - times[0], np.array(details)


def inspect(clip: Clip, folder: Path) -> Shown:
    """Runs the stages on a clip and looks at its ten."""
    plan, selection, staging = process(clip.path, folder / f"{clip.name}-ten", Settings(representative=WANTED))
    pictures = pictures_of(selection, plan, staging)
    t_s = np.array([one.frame.t_s for one in selection.representative])
    grays = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in pictures]
    small = [cv2.resize(gray, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32) for gray in grays]
    cuts = [change.middle_s for change in clip.changes]
    edges = np.array([0.0, *cuts, selection.duration_s])
    lengths = np.diff(edges)
    # Shots about as long as the tenth are as good; where in a fade a shot ends is a matter of taste.
    least = np.sort(lengths)[-WANTED] - 0.6 if len(lengths) > WANTED else 0.6
    longest = np.flatnonzero(lengths >= least).tolist()
    shot_of = np.searchsorted(cuts, t_s, side="right")
    times, details = _details(clip)
    shot_of_times = np.searchsorted(cuts, times, side="right")
    alike = [
        (a, b)
        for a, b in combinations(range(len(small)), 2)
        if float(np.abs(small[a] - small[b]).mean()) < ALIKE_DIFFERENCE
    ]
    blurred = 0
    for picture, shot, t in zip(pictures, shot_of, t_s, strict=True):
        here = details[(shot_of_times == shot) & (np.abs(times - t) <= NEARBY_S)]
        blurred += bool(len(here)) and detail(picture) < BLURRED * float(np.percentile(here, 75))
    return Shown(
        name=clip.name,
        frames=len(pictures),
        wanted=min(WANTED, selection.frame_count),
        black=sum(float(gray.mean()) < BLACK_LEVEL for gray in grays),
        flat=sum(float(gray.std()) < FLAT_DEVIATION for gray in grays),
        mixed=sum(any(change.start_s < t < change.end_s for change in clip.changes) for t in t_s),
        blurred=blurred,
        alike=len(alike),
        repeated=sum(bool(shot_of[a] == shot_of[b]) for a, b in alike),
        parts=len(set(np.minimum(WANTED - 1, (t_s / selection.duration_s * WANTED).astype(int)).tolist())),
        longest=min(WANTED, len(set(longest) & set(shot_of.tolist()))),
        shots=min(WANTED, len(longest)),
    )


# clips of their own


def still_with_a_lively_tenth(videos: Path, folder: Path) -> Clip:
    """Half a minute of which three seconds move: hands come and take bottles away."""
    reel = Reel(folder / "lively_tenth.mp4")
    lively = footage(videos, BOTTLES, 15.8, 3.0)
    still = lively[:1]
    reel.cut(np.concatenate([np.repeat(still, 400, axis=0), lively, np.repeat(lively[-1:], 275, axis=0)]))
    return reel.close()


def mostly_black(videos: Path, folder: Path) -> Clip:
    """Twenty seconds of black with one second of picture."""
    reel = Reel(folder / "mostly_black.mp4")
    black = np.zeros((1, *footage(videos, BOTTLES, 2.0, 0.04).shape[1:]), np.uint8)
    seen = footage(videos, BOTTLES, 5.6, 1.0)
    reel.cut(np.concatenate([np.repeat(black, 300, axis=0), seen, np.repeat(black, 200, axis=0)]))
    return reel.close()


def of_frames(folder: Path, count: int) -> Clip:
    """A video of so many frames."""
    reel = Reel(folder / f"frames_{count}.mp4")
    reel.cut(drawn(17, max(1, count) / 25)[:count])
    return reel.close()


# ten hours


def ten_hours() -> tuple[int, int, float, float]:
    """Of ten hours with a scene every 7 s on average: presentable frames chosen, how many of the ten longest scenes
    they show, seconds taken by cluster's choice, and the share of windows that the plan hands to exactly one chunk.
    """
    hours_s, ticks = 36_000.0, 90_000
    keyframes = list(range(0, round(hours_s) * ticks, 2 * ticks))
    borders: list[Border] = choose_borders(keyframes, 0, round(hours_s) * ticks, 60 * ticks)
    chunks = make_chunks(borders, 0, round(hours_s) * ticks, Settings(representative=WANTED))
    assert chunks[0].start_pts == -OPEN_END
    windows = [window for chunk in chunks for window in chunk.representative_windows]
    rng = np.random.default_rng(0)
    cuts = np.sort(rng.uniform(0, hours_s, 5000))
    middles = (np.r_[0.0, cuts] + np.r_[cuts, hours_s]) / 2
    t_s = np.sort(np.r_[middles, rng.uniform(0, hours_s, 7000)])
    staged = [
        StagedFrame(
            pts=round(t * ticks),
            t_s=float(t),
            offset=0,
            length=1,
            width=1920,
            height=1080,
            luma=float(rng.uniform(0, 1)),
            contrast=float(rng.uniform(0, 0.6)),
            sharpness=float(rng.uniform(0.1, 0.6)),
            in_transition=bool(rng.random() < 0.1),
        )
        for t in t_s
    ]
    small = rng.integers(0, 255, (len(staged), 16, 16, 3)).astype(np.uint8)
    transition = np.array([frame.in_transition for frame in staged])
    started = time.process_time()
    candidates = weigh_frames(staged, small, np.zeros(len(staged)), transition, cuts.tolist(), hours_s)
    chosen = choose_representatives(candidates, WANTED, hours_s)
    taken_s = time.process_time() - started
    fit = sum(not candidates.unfit[index] for index in chosen)
    longest = np.argsort(-np.diff(np.r_[0.0, cuts, hours_s]))[:WANTED]
    shown = len(set(longest.tolist()) & set(candidates.shot[chosen].tolist()))
    return fit, shown, taken_s, len(set(windows)) / WANTED if len(windows) == WANTED else 0.0


def run(quick: bool) -> Part:
    """The part on representative frames; `quick` takes two clips with scenes and the small ones."""
    videos = data_folder() / "videos"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [make_clip(videos, folder, clip) for clip in (QUICK if quick else GENERATED)]
        short = [clip for clip in real_clips(videos) if not quick or clip.name in ("bunny", "walkpause")]
        scenes = [inspect(clip, folder) for clip in [*clips, *short]]
        lively = inspect(still_with_a_lively_tenth(videos, folder), folder)
        black = inspect(mostly_black(videos, folder), folder)
        counts = [inspect(of_frames(folder, count), folder) for count in (1, 2, 9, 10, 11)]
    fit, longest_shown, taken_s, planned = ten_hours()
    every = [*scenes, lively, black, *counts]
    normal = [one for one in scenes if one.shots]
    rows = [
        [
            one.name,
            f"{one.frames}/{one.wanted}",
            str(one.black + one.flat),
            str(one.mixed),
            str(one.blurred),
            str(one.alike),
            f"{one.parts}/{WANTED}",
            f"{one.longest}/{one.shots}",
        ]
        for one in every
    ]
    bare = sum(one.black + one.flat for one in [*scenes, lively, black])
    mixed, blurred = sum(one.mixed for one in scenes), sum(one.blurred for one in scenes)
    longest, shots = sum(one.longest for one in normal), sum(one.shots for one in normal)
    varied = [one for one in scenes if one.shots >= WANTED]
    alike = sum(one.repeated for one in varied)
    verdicts = [
        Verdict(
            "Ten frames, or all of a shorter video: " + ", ".join(f"{one.frames} of {one.wanted}" for one in counts),
            all(one.frames == one.wanted for one in every),
        ),
        Verdict(f"None black or near-uniform where there is anything else: {bare}", bare == 0),
        Verdict(f"None in a transition: {mixed}", mixed == 0),
        Verdict(f"None blurred against its own shot around it: {blurred}", blurred == 0),
        Verdict(f"A frame from each of the ten longest shots: {longest} of {shots}", longest == shots),
        Verdict(f"Videos of ten shots and more without near-duplicates from one shot: {alike} pairs", alike == 0),
        Verdict(
            f"A still video with one lively tenth is shown throughout: {lively.parts} of {WANTED} parts, "
            f"{lively.alike} of 45 pairs alike",
            lively.parts >= 4 and lively.alike <= 21,
        ),
        Verdict(
            f"Ten hours: {fit} presentable frames, {longest_shown} of the longest shots, in {taken_s:.1f} s of "
            f"cluster's time, {planned:.0%} of the windows planned once",
            fit == WANTED and longest_shown >= WANTED - 1 and planned == 1.0,
        ),
    ]
    return Part(
        title="Representative frames",
        header=["video", "frames", "bare", "in transition", "blurred", "alike pairs", "tenths", "longest shots"],
        rows=rows,
        verdicts=verdicts,
        how=HOW,
        numbers={
            "bare": float(bare),
            "mixed": float(mixed),
            "blurred": float(blurred),
            "alike": float(alike),
            "longest_missed": float(shots - longest),
            "lively_parts": float(lively.parts),
            "lively_alike": float(lively.alike),
            "black_parts": float(black.frames),
        },
    )


HOW = f"""
The staged pictures themselves are measured. Bare: mean below {BLACK_LEVEL:g} or deviation below {FLAT_DEVIATION:g} of
255 grey levels. In transition: inside a true fade or dissolve. Blurred: less than {BLURRED:.0%} of the detail (variance
of the Laplacian) of the sharper quarter of the same shot's frames within {NEARBY_S:g} s. Alike: two pictures of 32 x 18
that differ by less than {ALIKE_DIFFERENCE:g} grey levels on average; single-shot videos of a still camera have nothing
but such pairs, and two long shots of one place are both shown. Longest shots: different true shots shown, each at most
0.6 s shorter than the tenth longest. Ten hours are simulated: the plan as split makes it and cluster's choice among
12,000 staged frames.
"""
