"""Scene changes against clips whose changes are known, beside PySceneDetect on every frame."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import scenedetect

from benchmarks.accuracy.clips import data_folder
from benchmarks.accuracy.clips_scenes import MAKERS, Change, Clip, make_clip, real_clips
from benchmarks.accuracy.stages import changes_of, process
from benchmarks.accuracy.table import Part, Table, Verdict
from lambdas.contracts import Plan, Selection, Settings
from lambdas.shots.change import Change as FoundChange

QUICK_CLIPS = ("variable_rate", "dissolves", "flashes")
QUICK_PEERS = ("adaptive", "hash")
CHUNK_LENGTHS_S = (10.0, 60.0, 3600.0)
MARGIN = 0.01
"""What the F1 may fall behind for the frames that are not decoded."""

PEERS: dict[str, tuple[type[scenedetect.SceneDetector], ...]] = {
    "content": (scenedetect.ContentDetector,),
    "adaptive": (scenedetect.AdaptiveDetector,),
    "hash": (scenedetect.HashDetector,),
    "histogram": (scenedetect.HistogramDetector,),
    "threshold": (scenedetect.ThresholdDetector,),
    "content + threshold": (scenedetect.ContentDetector, scenedetect.ThresholdDetector),
    "adaptive + threshold": (scenedetect.AdaptiveDetector, scenedetect.ThresholdDetector),
}
"""PySceneDetect's detectors as its command runs them by default, alone and with the one that finds fades."""


@dataclass(frozen=True)
class Matched:
    """Found changes against true ones."""

    pairs: list[tuple[Change, float]]
    """True changes and where they were found, seconds."""
    missed: list[Change]
    false: list[float]

    @property
    def counts(self) -> tuple[int, int, int]:
        return len(self.pairs), len(self.missed), len(self.false)


def match(found: Sequence[float], clip: Clip) -> Matched:
    """Each true change with the found one nearest to its middle, within its span and two frames on either side."""
    reach = 2.01 * clip.frame_s
    left = sorted(found)
    pairs, missed = [], []
    for change in clip.changes:
        near = [at for at in left if change.start_s - reach <= at <= change.end_s + reach]
        if near:
            at = min(near, key=lambda one: abs(one - change.middle_s))
            left.remove(at)
            pairs.append((change, at))
        else:
            missed.append(change)
    return Matched(pairs, missed, left)


def f1(counts: tuple[int, int, int]) -> float:
    """Of (found, missed, false); 1 where there is nothing to find and nothing was found."""
    found, missed, false = counts
    return 2 * found / (2 * found + missed + false) if any(counts) else 1.0


def total(counts: Sequence[tuple[int, int, int]]) -> tuple[int, int, int]:
    found, missed, false = (sum(column) for column in zip(*counts, strict=True))
    return found, missed, false


def by_pyscenedetect(clip: Clip, peer: str) -> list[float]:
    """Seconds at which PySceneDetect's own manager, decoding every frame, starts a new scene."""
    manager = scenedetect.SceneManager()
    for detector in PEERS[peer]:
        manager.add_detector(detector())
    manager.detect_scenes(scenedetect.open_video(str(clip.path)))
    return [start.seconds for start, _ in manager.get_scene_list()[1:]]


def by_us(clip: Clip, folder: Path, chunk_s: float) -> tuple[list[FoundChange], Selection, Plan]:
    """Ours, by split, detect and cluster; `folder` takes the staging."""
    plan, selection, staging = process(clip.path, folder / f"{clip.name}-{chunk_s:g}", Settings(chunk_s=chunk_s))
    return changes_of(plan, staging), selection, plan


def badly_shown(selection: Selection, clip: Clip) -> list[str]:
    """Scenes whose frame is too far from their middle or lies in a true transition."""
    found = []
    for scene in selection.scenes:
        t_s = scene.frame.t_s
        away_s = abs(t_s - (scene.start_s + scene.end_s) / 2)
        if away_s > max(0.5, 0.1 * (scene.end_s - scene.start_s)) + 1e-3:
            found.append(f"{clip.name} at {scene.start_s:.2f}: {away_s:.2f} s from its middle")
        if any(change.start_s < t_s < change.end_s for change in clip.changes):
            found.append(f"{clip.name} at {scene.start_s:.2f}: its frame lies in a transition")
    return found


def same_changes(one: Sequence[FoundChange], other: Sequence[FoundChange], frame_s: float) -> bool:
    """Whether cuts are the same to the frame and transitions to two."""
    if len(one) != len(other):
        return False
    for a, b in zip(one, other, strict=True):
        slack = 1e-6 if a.start_s == a.end_s and b.start_s == b.end_s else 2.01 * frame_s
        if abs(a.start_s - b.start_s) > slack or abs(a.end_s - b.end_s) > slack:
            return False
    return True


def run(quick: bool) -> Part:
    """The part on scenes; `quick` takes three clips and two of PySceneDetect's detectors."""
    videos = data_folder() / "videos"
    peers = QUICK_PEERS if quick else tuple(PEERS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [make_clip(videos, folder, clip) for clip in (QUICK_CLIPS if quick else MAKERS)]
        if not quick:
            clips += real_clips(videos)
        return _part(clips, folder, peers, (4.0, 3600.0) if quick else CHUNK_LENGTHS_S)


def _part(clips: Sequence[Clip], folder: Path, peers: Sequence[str], lengths: Sequence[float]) -> Part:
    rows: list[list[str]] = []
    ours: list[tuple[int, int, int]] = []
    theirs: dict[str, list[tuple[int, int, int]]] = {peer: [] for peer in peers}
    unlike: list[str] = []
    bad: list[str] = []
    off_frame, cuts, chunked = 0, 0, 0
    middles: list[float] = []
    shown = 0
    for clip in clips:
        found, selection, _ = by_us(clip, folder, lengths[-1])
        for length in lengths[:-1]:
            again, _, plan = by_us(clip, folder, length)
            chunked += len(plan.chunks) > 1
            if not same_changes(found, again, clip.frame_s):
                unlike.append(f"{clip.name} at {length:g} s")
        matched = match([change.at_s for change in found], clip)
        ours.append(matched.counts)
        for change, at_s in matched.pairs:
            if change.kind == "cut":
                cuts += 1
                off_frame += abs(at_s - change.start_s) > 0.5 * clip.frame_s
            else:
                middles.append(abs(at_s - change.middle_s) / (change.end_s - change.start_s))
        bad += badly_shown(selection, clip)
        shown += len(selection.scenes)
        for peer in peers:
            theirs[peer].append(match(by_pyscenedetect(clip, peer), clip).counts)
        kinds = [sum(change.kind == kind for change in clip.changes) for kind in ("cut", "fade", "dissolve")]
        rows.append(
            [clip.name, "/".join(str(kind) for kind in kinds), f"{f1(ours[-1]):.3f}"]
            + [f"{matched.counts[1]}/{matched.counts[2]}"]
            + [f"{f1(theirs[peer][-1]):.3f}" for peer in peers]
        )
    sums = total(ours)
    best = max(peers, key=lambda peer: f1(total(theirs[peer])))
    rows.append(
        ["all", str(sum(len(clip.changes) for clip in clips)), f"{f1(sums):.3f}", f"{sums[1]}/{sums[2]}"]
        + [f"{f1(total(theirs[peer])):.3f}" for peer in peers]
    )
    per_clip = [
        clip.name
        for number, clip in enumerate(clips)
        if f1(ours[number]) < max(f1(theirs[peer][number]) for peer in peers) - MARGIN
    ]
    mean_middle = sum(middles) / len(middles) if middles else 0.0
    verdicts = [
        Verdict(
            f"F1 at least that of PySceneDetect's best detector on every frame, less {MARGIN}: {f1(sums):.3f}, "
            f"{best} {f1(total(theirs[best])):.3f}",
            f1(sums) >= f1(total(theirs[best])) - MARGIN,
        ),
        Verdict(f"Hard cuts found to the frame: {cuts - off_frame} of {cuts}", off_frame == 0),
        Verdict(
            "The same changes whatever the chunk length"
            + (f": not {', '.join(unlike)}" if unlike else f": {chunked} runs in several chunks"),
            not unlike,
        ),
        Verdict(
            "Every scene's frame within 0.5 s or a tenth of its middle and in no transition"
            + (f": {len(bad)} of {shown} not ({'; '.join(bad[:5])})" if bad else f": {shown} of {shown}"),
            not bad,
        ),
    ]
    return Part(
        title="Scenes",
        header=["clip", "cuts/fades/dissolves", "ours", "missed/false", *peers],
        rows=rows,
        verdicts=verdicts,
        how=HOW
        + f"\nFades and dissolves are found {100 * mean_middle:.0f}% of their length from their middle on average. "
        + (f"Clips on which one of PySceneDetect's detectors is better: {', '.join(per_clip)}." if per_clip else ""),
        numbers={
            "f1": f1(sums),
            "best_peer_f1": f1(total(theirs[best])),
            "false": float(sums[2]),
            "missed": float(sums[1]),
            "off_frame": float(off_frame),
            "unlike": float(len(unlike)),
            "badly_shown": float(len(bad)),
            "from_middle": mean_middle,
        },
        tables=[
            Table(
                "What the clips hold",
                ["clip", "what"],
                [[clip.name, clip.about] for clip in clips if clip.about],
            )
        ],
    )


HOW = """
Numbers in the columns of detectors are F1. The clips are made while the benchmark runs, from the real test videos and
drawn pictures (`benchmarks/accuracy/clips_scenes.py`), so every change is known to the frame; `people17` has its joins
in a list, the changes of the other real videos were read off their frames. A change counts as found within its span and
two frames on either side, each found one counts once. Ours comes from the product's own stages, which decode a part of
the frames; PySceneDetect's detectors run through its own manager with their defaults on every frame. `unseen` was made
after every threshold was settled. What is missed are dissolves between pictures that both move quickly: no frame within
is a mixture of those before and after, and asking for less finds dissolves in motion where there are none.
"""
