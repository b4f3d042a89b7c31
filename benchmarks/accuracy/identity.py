"""Who is who: people found against people there, on labelled videos and on clips made to be difficult."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.accuracy.baselines import METHODS, Labels, Vectors, apart, faces_each_second
from benchmarks.accuracy.clips import data_folder
from benchmarks.accuracy.identity_clips import Labelled, labelled_videos, made_clips
from benchmarks.accuracy.runs import Watched, grouped, pack_at, packs, watch, work_folder
from benchmarks.accuracy.scoring import Score, relabelled, score
from benchmarks.accuracy.table import Part, Table, Verdict
from lambdas.cluster.clarity import clarity_of
from lambdas.cluster.footage import Footage
from lambdas.cluster.identities import identify
from lambdas.cluster.tracks import Tracks, gather_tracks, overlap
from lambdas.contracts import Settings
from talent_frames.machine import default_workers

CHUNK_LENGTHS_S = (10.0, 60.0, 3600.0)
CHUNKED = ("people17_cuts", "many shots", "together", "minutes later", "border in a face", "cut on every border")
"""Clips run with each chunk length."""
QUICK_CLIPS, QUICK_SHOTS = ("together", "cut on every border"), 3
GRID = np.arange(0.14, 0.72, 0.02)
"""Distances tried for the other methods."""
SCALES = (0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3)
"""Shares of the pack's distance that ours is tried with."""
EVERYTHING = "all clips as one"
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
    settings: Settings


def rows_of(clips: Sequence[Labelled], settings: Settings) -> list[Row]:
    """Every clip with every pack, as these settings have it."""
    tasks = [
        _Task(clip, name, pack_dir, work_folder(), settings) for name, pack_dir in packs().items() for clip in clips
    ]
    with ProcessPoolExecutor(default_workers(), mp_context=get_context("spawn")) as pool:
        return [_told(row) for row in pool.map(_measure, tasks)]


def run(quick: bool) -> Part:
    """Everything; `quick` takes the small videos with both packs, two made clips with the first, no other methods."""
    data, work = data_folder(), work_folder()
    hands = packs()
    labelled = labelled_videos(data)
    made = made_clips(work / "clips", data, *((QUICK_CLIPS, QUICK_SHOTS) if quick else ()))
    first = next(iter(hands))
    tasks = [
        _Task(clip, name, pack_dir, work, Settings())
        for name, pack_dir in hands.items()
        for clip in [*(labelled[1:3] if quick else labelled), *made]
        if not quick or name == first or clip in labelled
    ]
    by_pack = {name: [task for task in tasks if task.pack == name] for name in hands}
    with ProcessPoolExecutor(default_workers(), mp_context=get_context("spawn")) as pool:
        rows = [_told(row) for row in pool.map(_measure, tasks)]
        if quick:
            return _report(rows, {clip.name for clip in labelled}, [])
        rivals = [one for found in pool.map(_rivals, tasks) for one in found]
        chunked = list(pool.map(_by_chunk_length, [task for task in tasks if task.clip.name in CHUNKED]))
        scaled = list(pool.map(_by_distance, tasks))
        together = dict(zip(by_pack, pool.map(_everything, by_pack.values()), strict=True))
    own_distance = {name: _same(ones[0]) for name, ones in by_pack.items()}
    tables = []
    for name in hands:
        mine = [scores for task, scores in zip(tasks, scaled, strict=True) if task.pack == name]
        tables.append(_distance_table(name, own_distance[name], mine, together[name][0]))
    tables.append(_rival_table(rows, rivals, together, own_distance))
    return _report(rows, {clip.name for clip in labelled}, [*tables, *_chunk_tables(chunked)], chunked)


def _told(row: Row) -> Row:
    """The row, printed on the way: the whole takes long."""
    one = row.score
    found = f"{one.people} of {one.true_people} people, F {one.f:.3f}, {one.wrong_merges} wrong merges"
    print(f"identity: {row.pack}: {row.clip}: {found}", file=sys.stderr, flush=True)
    return row


def _measure(task: _Task) -> Row:
    watched = _watched(task)
    selection = watched.selection
    return Row(
        task.clip.name,
        task.pack,
        watched.score(task.clip.truth),
        len(selection.suggested_merges),
        len(selection.unclear),
    )


def _rivals(task: _Task) -> list[Rival]:
    """Every other method at every distance of the grid, on single faces and on our tracks."""
    return _tried(task.clip.name, task.pack, _same(task), [_material(task)])


@dataclass(frozen=True)
class _Material:
    """What there is to group in one clip, and the truth of it."""

    people: set[str]
    faces: Vectors
    who_of_face: list[str | None]
    tracks: Tracks
    who: list[str | None]
    """Per sighting, track by track."""


def _material(task: _Task) -> _Material:
    truth = task.clip.truth
    times, boxes, faces = faces_each_second(task.clip.video, task.pack_dir, task.work)
    who = [
        truth.person_at(float(t_s), float(box[0] + box[2]) / 2, float(box[1] + box[3]) / 2)
        for t_s, box in zip(times, boxes, strict=True)
    ]
    watched = _watched(task)
    return _Material(truth.people, faces, who, _tracks([watched.footage]), watched.who(truth))


def _tracks(several: Sequence[Footage]) -> Tracks:
    """Of these videos as if they were one."""
    chunks = [columns for footage in several for columns in footage.detections]
    return gather_tracks(chunks, clarity_of(chunks, [scores for footage in several for scores in footage.scores]))


def _watched(task: _Task, same: float | None = None) -> Watched:
    """The clip with the pack's distance or another."""
    watched = watch(task.clip.video, task.pack_dir, task.work, _settings(task))
    if same is None:
        return watched
    settings = watched.plan.settings.model_copy(update={"same_person_distance": same})
    return grouped(watched.plan.model_copy(update={"settings": settings}), watched.footage)


def _settings(task: _Task) -> Settings:
    return task.settings.model_copy(update={"chunk_s": task.clip.chunk_s})


def _same(task: _Task) -> float:
    return pack_at(task.pack_dir).facts.distances.same


def _tried(clip: str, pack: str, same: float, materials: Sequence[_Material]) -> list[Rival]:
    """Every other method at every distance and the pack's own, on the materials put together."""
    people = len({person for one in materials for person in one.people})
    faces = np.concatenate([one.faces for one in materials if len(one.faces)] or [materials[0].faces])
    who_of_face = [who for one in materials for who in one.who_of_face]
    means = np.concatenate([one.tracks.embedding for one in materials if len(one.tracks)] or [faces[:0]])
    sightings = np.array([len(rows) for one in materials for rows in one.tracks.rows], np.int64)
    seen = np.concatenate([one.tracks.faces for one in materials]) > 0
    who = [person for one in materials for person in one.who]
    found = []
    for method, cluster in METHODS.items():
        for distance in sorted({*GRID.round(2).tolist(), same}):
            labels, groups = apart(cluster(faces, distance))
            result = score(who_of_face, labels.tolist(), groups, people)
            found.append(Rival(method, "faces", clip, pack, distance, result))
            if method == "HDBSCAN":
                # Most people of a short clip have one or two tracks: no density to speak of.
                continue
            labels, groups = _spread(cluster(means[seen], distance), seen, sightings)
            result = score(who, labels.tolist(), groups, people)
            found.append(Rival(method, "tracks", clip, pack, distance, result))
    return found


def _spread(by_track: Labels, seen: NDArray[np.bool_], sightings: NDArray[np.int64]) -> tuple[Labels, set[int]]:
    """The groups of the sightings of tracks, those without an embedding alone; and which are of two sightings."""
    labels = np.full(len(seen), -1, np.int64)
    labels[seen], _ = apart(by_track)
    labels, _ = apart(labels)
    return apart(np.repeat(labels, sightings))


def _by_distance(task: _Task) -> list[Score]:
    """Ours with each of SCALES."""
    return [_watched(task, scale * _same(task)).score(task.clip.truth) for scale in SCALES]


def _everything(tasks: Sequence[_Task]) -> tuple[list[Score], list[Rival]]:
    """Ours with each of SCALES, and the others, on all clips as if they were one video: no link across its chunks."""
    materials = [_material(task) for task in tasks]
    first = tasks[0]
    distances, minimum = pack_at(first.pack_dir).facts.distances, Settings().min_sightings
    tracks = _tracks([_watched(task).footage for task in tasks])
    who = [person for one in materials for person in one.who]
    people = len({person for one in materials for person in one.people})
    sightings = [len(rows) for rows in tracks.rows]
    scores = []
    for scale in SCALES:
        identities = identify(tracks, [], distances, same=scale * distances.same, least=minimum)
        found = np.repeat(identities.of_track, sightings)
        scores.append(score(who, found.tolist(), set(np.flatnonzero(identities.is_person).tolist()), people))
    return scores, _tried(EVERYTHING, first.pack, distances.same, materials)


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


def _report(rows: list[Row], labelled: set[str], tables: list[Table], chunked: Sequence[Chunked] = ()) -> Part:
    numbers: dict[str, float] = {}
    for row in rows:
        numbers[f"{row.pack}.{row.clip}.f"] = row.score.f
        numbers[f"{row.pack}.{row.clip}.people"] = row.score.people
        numbers[f"{row.pack}.{row.clip}.wrong_merges"] = row.score.wrong_merges
    return Part(
        title="Who is who",
        header=(
            "pack",
            "clips",
            "count exact",
            "found / there",
            "P",
            "R",
            "F",
            "least F",
            "purity",
            *WRONG,
            "sightings",
        ),
        rows=[
            _summed(
                f"{pack}", kind, [row.score for row in rows if row.pack == pack and (row.clip in labelled) == by_hand]
            )
            for pack in dict.fromkeys(row.pack for row in rows)
            for kind, by_hand in (("labelled", True), ("made", False))
            if any(row.pack == pack and (row.clip in labelled) == by_hand for row in rows)
        ],
        verdicts=[*_verdicts(rows, labelled), *_chunk_verdicts(chunked)],
        how=HOW,
        tables=[_clip_table(rows), *tables],
        numbers=numbers,
    )


WRONG = ("wrong merges", "wrong splits")


def _summed(pack: str, kind: str, scores: Sequence[Score]) -> tuple[str, ...]:
    """Means over clips; counts are sums."""
    return (
        pack,
        f"{len(scores)} {kind}",
        f"{sum(one.people == one.true_people for one in scores)}",
        f"{sum(one.people for one in scores)} / {sum(one.true_people for one in scores)}",
        *(
            f"{np.mean(values):.3f}"
            for values in ([s.precision for s in scores], [s.recall for s in scores], [s.f for s in scores])
        ),
        f"{min(one.f for one in scores):.3f}",
        f"{np.mean([one.purity for one in scores]):.3f}",
        str(sum(one.wrong_merges for one in scores)),
        str(sum(one.wrong_splits for one in scores)),
        str(sum(one.sightings for one in scores)),
    )


def _clip_table(rows: list[Row]) -> Table:
    """One line a clip, the packs side by side."""
    packs_there = list(dict.fromkeys(row.pack for row in rows))
    by_clip: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_clip.setdefault(row.clip, {})[row.pack] = row
    header = ["clip", "people"]
    for pack in packs_there:
        header += [f"{pack}: found", "P / R / F", "wrong merges / splits", "brief / merges suggested"]
    cells = []
    for clip, ones in by_clip.items():
        cell = [clip, str(next(iter(ones.values())).score.true_people)]
        for pack in packs_there:
            cell += _cells(ones[pack]) if pack in ones else ["", "", "", ""]
        cells.append(cell)
    return Table("Clip by clip.", header, cells)


def _cells(row: Row) -> list[str]:
    one = row.score
    return [
        str(one.people),
        f"{one.precision:.3f} / {one.recall:.3f} / {one.f:.3f}",
        f"{one.wrong_merges} / {one.wrong_splits}",
        f"{row.brief} / {row.suggested}",
    ]


def _distance_table(pack: str, same: float, by_clip: Sequence[Sequence[Score]], together: Sequence[Score]) -> Table:
    return Table(
        f"Other distances with {pack}, whose own is {same:.2f}: over the clips one by one, and over all clips as one "
        f"video of {together[0].true_people} people.",
        ("distance", "count exact", "mean F", "least F", *WRONG, "as one: people", "F", *WRONG),
        [
            (
                f"{scale * same:.3f}",
                *_summary([scores[index] for scores in by_clip]),
                str(together[index].people),
                f"{together[index].f:.3f}",
                str(together[index].wrong_merges),
                str(together[index].wrong_splits),
            )
            for index, scale in enumerate(SCALES)
        ],
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


def _rival_table(
    rows: list[Row],
    rivals: list[Rival],
    together: dict[str, tuple[list[Score], list[Rival]]],
    own_distance: dict[str, float],
) -> Table:
    """All methods over all clips, each at one distance for all: ours the pack's, theirs the best there is."""
    cells: list[tuple[str, ...]] = []
    own = SCALES.index(1.0)
    for pack in dict.fromkeys(row.pack for row in rows):
        ours, pooled = [row.score for row in rows if row.pack == pack], together[pack][0][own]
        mine = [one for one in rivals if one.pack == pack]
        same = own_distance[pack]
        cells.append((pack, "Talent Frames", "tracks", f"{same:.2f}", *_summary(ours), *_as_one(pooled)))
        for method, what in dict.fromkeys((one.method, one.what) for one in mine):
            by_distance: dict[float, list[Score]] = {}
            for one in mine:
                if (one.method, one.what) == (method, what):
                    by_distance.setdefault(one.distance, []).append(one.score)
            mean = {
                distance: round(float(np.mean([s.f for s in scores])), 6) for distance, scores in by_distance.items()
            }
            # In the middle of those that are equally good.
            ties = [distance for distance in sorted(mean) if mean[distance] == max(mean.values())]
            best = ties[len(ties) // 2]
            pooled = next(
                one.score for one in together[pack][1] if (one.method, one.what, one.distance) == (method, what, best)
            )
            cells.append((pack, method, what, f"{best:.2f}", *_summary(by_distance[best]), *_as_one(pooled)))
    return Table(
        "Other ways to group, each at the distance with its best mean F, ours at the pack's: single faces at one frame "
        "a second (the usual way), and our own tracks' means without links and constraints.",
        (
            "pack",
            "method",
            "of",
            "distance",
            "count exact",
            "mean F",
            "least F",
            *WRONG,
            "as one: people",
            "F",
            "wrong merges",
        ),
        cells,
    )


def _as_one(pooled: Score) -> tuple[str, str, str]:
    return f"{pooled.people} / {pooled.true_people}", f"{pooled.f:.3f}", str(pooled.wrong_merges)


def _summary(scores: Sequence[Score]) -> tuple[str, ...]:
    return (
        f"{sum(one.people == one.true_people for one in scores)} of {len(scores)}",
        f"{np.mean([one.f for one in scores]):.3f}",
        f"{min(one.f for one in scores):.3f}",
        str(sum(one.wrong_merges for one in scores)),
        str(sum(one.wrong_splits for one in scores)),
    )


def _chunk_verdicts(chunked: Sequence[Chunked]) -> list[Verdict]:
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
nearest to one another in one pack or the other. "As one" groups what was found in all clips as if it were one video:
every person of every clip may then be taken for any other.

The other methods are scikit-learn's DBSCAN (`min_samples` 2), HDBSCAN (`min_cluster_size` 2, the distance as
`cluster_selection_epsilon`) and average linkage, and Chinese Whispers (Biemann, 2006). Fewer than two sightings are
nobody with any of them. Their best distance is chosen on these very clips, which flatters them; ours was too.
"""
