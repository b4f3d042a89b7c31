"""Who is who: people found against people there, on labelled videos and on clips made to be difficult."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.accuracy.baselines import METHODS, apart, faces_each_second
from benchmarks.accuracy.clips import data_folder
from benchmarks.accuracy.identity_clips import Labelled, labelled_videos, made_clips
from benchmarks.accuracy.runs import Watched, pack_at, packs, watch, work_folder
from benchmarks.accuracy.scoring import Score, relabelled, score
from benchmarks.accuracy.table import Part, Table, Verdict
from lambdas.cluster.identities import gather_tracks, overlap
from lambdas.contracts import Settings
from talent_frames.machine import default_workers

CHUNK_LENGTHS_S = (10.0, 60.0, 3600.0)
CHUNKED = ("people17_cuts", "many shots", "together", "minutes later", "border in a face", "cut on every border")
"""Clips run with each chunk length."""
QUICK_CLIPS, QUICK_SHOTS = ("together", "cut on every border"), 4
GRID = np.arange(0.14, 0.72, 0.02)
"""Distances tried for the other methods."""
F_BARS = {"test pack": 0.99, "open": 0.97}


@dataclass(frozen=True)
class Row:
    """One clip with one pack."""

    clip: str
    pack: str
    score: Score
    suggested: int
    brief: int


@dataclass(frozen=True)
class Rival:
    """Another method on one clip at one distance."""

    method: str
    what: str
    """`faces` (one frame a second) or `tracks` (ours)."""
    clip: str
    pack: str
    distance: float
    score: Score


@dataclass(frozen=True)
class Chunked:
    """One clip with one pack, cut into chunks of several lengths."""

    clip: str
    pack: str
    people: tuple[int, ...]
    """People reported, by CHUNK_LENGTHS_S."""
    chunks: tuple[int, ...]
    moved: tuple[int, ...]
    """Sightings that belong to somebody else than with the last length."""
    compared: tuple[int, ...]
    """Sightings that both have."""


@dataclass(frozen=True)
class _Task:
    clip: Labelled
    pack: str
    pack_dir: Path
    work: Path


def run(quick: bool) -> Part:
    """Everything; `quick` takes the small videos with both packs, two made clips with the first, no other methods."""
    data, work = data_folder(), work_folder()
    hands = packs()
    labelled = labelled_videos(data)
    made = made_clips(work / "clips", data, *((QUICK_CLIPS, QUICK_SHOTS) if quick else ()))
    first = next(iter(hands))
    tasks = [
        _Task(clip, name, pack_dir, work)
        for name, pack_dir in hands.items()
        for clip in [*(labelled[1:3] if quick else labelled), *made]
        if not quick or name == first or clip in labelled
    ]
    with ProcessPoolExecutor(default_workers(), mp_context=get_context("spawn")) as pool:
        rows = [_told(row) for row in pool.map(_measure, tasks)]
        rivals = [] if quick else [one for found in pool.map(_rivals, tasks) for one in found]
        chunked = [] if quick else list(pool.map(_by_chunk_length, [t for t in tasks if t.clip.name in CHUNKED]))
    return _report(rows, rivals, chunked, {clip.name for clip in labelled})


def _told(row: Row) -> Row:
    """The row, printed on the way: the whole takes long."""
    one = row.score
    found = f"{one.people} of {one.true_people} people, F {one.f:.3f}, {one.wrong_merges} wrong merges"
    print(f"identity: {row.pack}: {row.clip}: {found}", file=sys.stderr, flush=True)
    return row


def _measure(task: _Task) -> Row:
    watched = watch(task.clip.video, task.pack_dir, task.work, Settings(chunk_s=task.clip.chunk_s))
    selection = watched.selection
    return Row(
        task.clip.name,
        task.pack,
        watched.score(task.clip.truth),
        len(selection.suggested_merges),
        len(selection.brief_appearances),
    )


def _rivals(task: _Task) -> list[Rival]:
    """Every other method at every distance of the grid, on single faces and on our tracks."""
    truth = task.clip.truth
    times, boxes, faces = faces_each_second(task.clip.video, task.pack_dir, task.work)
    who = [
        truth.person_at(float(t_s), float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)
        for t_s, box in zip(times, boxes, strict=True)
    ]
    watched = watch(task.clip.video, task.pack_dir, task.work, Settings(chunk_s=task.clip.chunk_s))
    tracks = gather_tracks(watched.footage.detections)
    embedded = np.flatnonzero(tracks.weight > 0)
    position = {
        (int(tracks.chunk[track]), row): place for place, track in enumerate(embedded) for row in tracks.rows[track]
    }
    track_of = np.array(
        [position.get((int(c), int(r)), -1) for c, r in zip(watched.chunk, watched.row, strict=True)], np.int64
    )
    who_of_row = watched.who(truth)
    found = []
    same = pack_at(task.pack_dir).facts.distances.same
    for method, cluster in METHODS.items():
        for distance in (*GRID.round(2).tolist(), same):
            labels, people = apart(cluster(faces, distance))
            result = score(who, labels.tolist(), people, len(truth.people))
            found.append(Rival(method, "faces", task.clip.name, task.pack, distance, result))
            if method == "HDBSCAN" or method == "DBSCAN":
                continue
            by_track = cluster(tracks.embedding[embedded], distance)
            rows_label, people = apart(np.where(track_of >= 0, by_track[track_of] if len(by_track) else -1, -1))
            result = score(who_of_row, rows_label.tolist(), people, len(truth.people))
            found.append(Rival(method, "tracks", task.clip.name, task.pack, distance, result))
    return found


def _by_chunk_length(task: _Task) -> Chunked:
    several = [
        watch(task.clip.video, task.pack_dir, task.work, Settings(chunk_s=chunk_s)) for chunk_s in CHUNK_LENGTHS_S
    ]
    pairs = [_matched(one, several[-1]) for one in several]
    return Chunked(
        task.clip.name,
        task.pack,
        tuple(len(one.reported) for one in several),
        tuple(len(one.plan.chunks) for one in several),
        tuple(_moved(*pair) for pair in pairs),
        tuple(len(first) for first, _ in pairs),
    )


def _matched(one: Watched, other: Watched) -> tuple[list[int], list[int]]:
    """The identities that both gave to the sightings they share: same moment, same place."""
    at: dict[int, list[int]] = {}
    other_pts, other_boxes = other.pts, other.boxes
    for index, pts in enumerate(other_pts.tolist()):
        at.setdefault(pts, []).append(index)
    first, second = [], []
    for pts, box, identity in zip(one.pts.tolist(), one.boxes, one.found.tolist(), strict=True):
        for index in at.get(pts, []):
            if overlap(box, other_boxes[index]) > 0.5:
                first.append(identity)
                second.append(int(other.found[index]))
                break
    return first, second


def _moved(first: Sequence[int], second: Sequence[int]) -> int:
    """How many would have to change their group for both groupings to be one: 0 if they are equal."""
    if (relabelled(first) == relabelled(second)).all():
        return 0
    a, b = relabelled(first), relabelled(second)
    table = np.zeros((int(a.max()) + 1, int(b.max()) + 1), np.int64)
    np.add.at(table, (a, b), 1)
    rows, columns = linear_sum_assignment(-table)
    return int(len(a) - table[rows, columns].sum())


def _report(rows: list[Row], rivals: list[Rival], chunked: list[Chunked], labelled: set[str]) -> Part:
    numbers: dict[str, float] = {}
    for row in rows:
        numbers[f"{row.pack}.{row.clip}.f"] = row.score.f
        numbers[f"{row.pack}.{row.clip}.people"] = row.score.people
        numbers[f"{row.pack}.{row.clip}.wrong_merges"] = row.score.wrong_merges
    return Part(
        title="Who is who",
        header=(
            "clip",
            "pack",
            "people found / there",
            "B-cubed P",
            "R",
            "F",
            "purity",
            "wrong merges",
            "wrong splits",
            "brief",
            "merges suggested",
            "sightings",
        ),
        rows=[_cells(row) for row in rows],
        verdicts=[*_verdicts(rows, labelled), *_chunk_verdicts(chunked)],
        how=HOW,
        tables=[*_rival_tables(rows, rivals), *_chunk_tables(chunked)],
        numbers=numbers,
    )


def _cells(row: Row) -> tuple[str, ...]:
    one = row.score
    return (
        row.clip,
        row.pack,
        f"{one.people} / {one.true_people}",
        f"{one.precision:.3f}",
        f"{one.recall:.3f}",
        f"{one.f:.3f}",
        f"{one.purity:.3f}",
        str(one.wrong_merges),
        str(one.wrong_splits),
        str(row.brief),
        str(row.suggested),
        str(one.sightings),
    )


def _verdicts(rows: list[Row], labelled: set[str]) -> list[Verdict]:
    found = []
    for pack in dict.fromkeys(row.pack for row in rows):
        bar = F_BARS.get(pack, 0.97)
        for kind, ones in (
            ("labelled videos", [row for row in rows if row.pack == pack and row.clip in labelled]),
            ("made clips", [row for row in rows if row.pack == pack and row.clip not in labelled]),
        ):
            if not ones:
                continue
            exact = sum(row.score.people == row.score.true_people for row in ones)
            least = min(row.score.f for row in ones)
            allowed = 1 if pack == "open" else 0
            found.append(
                Verdict(
                    f"{pack}, {kind}: people counted exactly on {exact} of {len(ones)} "
                    f"({'all but one' if allowed else 'all'} wanted), least F {least:.3f} (at least {bar} wanted)",
                    exact >= len(ones) - allowed and least >= bar,
                )
            )
            merges = sum(row.score.wrong_merges for row in ones)
            found.append(Verdict(f"{pack}, {kind}: {merges} wrong merges, none wanted", merges == 0))
    return found


def _rival_tables(rows: list[Row], rivals: list[Rival]) -> list[Table]:
    """All methods over all clips: at one distance for all, the pack's and the best that could be chosen."""
    if not rivals:
        return []
    cells: list[tuple[str, ...]] = []
    for pack in dict.fromkeys(row.pack for row in rows):
        ours = [row.score for row in rows if row.pack == pack]
        cells.append((pack, "Talent Frames", "", "the pack's", *_summary(ours)))
        mine = [one for one in rivals if one.pack == pack]
        same = next(one.distance for one in mine[len(GRID) :])
        for method, what in dict.fromkeys((one.method, one.what) for one in mine):
            by_distance: dict[float, list[Score]] = {}
            for one in mine:
                if (one.method, one.what) == (method, what):
                    by_distance.setdefault(one.distance, []).append(one.score)
            best = max(
                by_distance, key=lambda distance: (float(np.mean([s.f for s in by_distance[distance]])), -distance)
            )
            cells.append((pack, method, what, f"{same:.2f} (the pack's)", *_summary(by_distance[same])))
            cells.append((pack, method, what, f"{best:.2f} (best here)", *_summary(by_distance[best])))
    return [
        Table(
            "Other ways to group, over the same clips: single faces at one frame a second (the usual way), and the "
            "means of our own tracks without constraints.",
            ("pack", "method", "of", "distance", "count exact", "mean F", "least F", "wrong merges", "wrong splits"),
            cells,
        )
    ]


def _summary(scores: Sequence[Score]) -> tuple[str, ...]:
    return (
        f"{sum(one.people == one.true_people for one in scores)} of {len(scores)}",
        f"{np.mean([one.f for one in scores]):.3f}",
        f"{min(one.f for one in scores):.3f}",
        str(sum(one.wrong_merges for one in scores)),
        str(sum(one.wrong_splits for one in scores)),
    )


def _chunk_verdicts(chunked: list[Chunked]) -> list[Verdict]:
    if not chunked:
        return []
    changed = [f"{one.clip} with {one.pack}" for one in chunked if any(one.moved) or len(set(one.people)) > 1]
    return [
        Verdict(
            f"chunks of {_lengths()} give the same people on {len(chunked) - len(changed)} of {len(chunked)} clips"
            + (f" (not {', '.join(changed)})" if changed else ""),
            not changed,
        )
    ]


def _lengths() -> str:
    return f"{', '.join(f'{one:.0f} s' for one in CHUNK_LENGTHS_S[:-1])} and the whole video"


def _chunk_tables(chunked: list[Chunked]) -> list[Table]:
    if not chunked:
        return []
    return [
        Table(
            f"Chunks of {_lengths()}: their number, the people found, and the sightings that belong to somebody else "
            "than in the whole video (of those that both have).",
            ("clip", "pack", "chunks", "people", "moved"),
            [
                (
                    one.clip,
                    one.pack,
                    ", ".join(map(str, one.chunks)),
                    ", ".join(map(str, one.people)),
                    ", ".join(f"{moved} of {of}" for moved, of in zip(one.moved, one.compared, strict=True)),
                )
                for one in chunked
            ],
        )
    ]


HOW = """
Sightings are all faces the detect stage kept, those of the dense look included; each belongs to whoever the truth puts
at its place and time, false alarms to nobody. B-cubed precision and recall (Bagga & Baldwin, 1998) are averages over
sightings. A wrong merge is a person too many in one reported person, counted even for a single sighting; a wrong split
is a reported person too many for a true one.

The labelled videos have a truth by hand. The made clips show the same 21 filmed people and six of LFW, cut together:
what is shown, and where, is known for every frame. "turned" bends a face over an egg by 25 and 40 degrees, which leaves
artefacts at the ears; real turns are in `intel_headpose`, "minutes later" and the film. "look-alikes" are the pairs
nearest to one another in one pack or the other.
"""
