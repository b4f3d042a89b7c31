"""Runs videos whose people are counted with every pack, beside the usual way, and draws everybody found on sheets."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.clips import Seen
from benchmarks.accuracy.counting import LEAST_SCORE, Judgement, People, Stay, Wrong, compare, judgement_of
from benchmarks.accuracy.naive import people_by_dbscan
from benchmarks.accuracy.runs import Watched, detected, grouped, packs
from benchmarks.accuracy.table import Part, Table, Verdict
from lambdas.cluster.footage import read_footage
from lambdas.contracts import FaceInFrame, FrameRef, SelectedPerson, Selection, frames_key
from lambdas.publish import images
from lambdas.staging import DirectoryStaging

ROOT = Path(__file__).parent.parent.parent
KEPT = ROOT / "out/accuracy/staging"
"""What was detected, for the next time."""
SHEETS = ROOT / "out/accuracy"
JUDGED = Path(__file__).parent / "judged.json"
"""What somebody said who looked at the sheets."""
WORKERS = 2
"""Videos at a time; each takes a core and up to 1.5 GB."""
ROWS = 6
"""People on one page of a sheet."""
MOST_TRACKS = 10
"""Faces shown of one person beside the best."""


@dataclass(frozen=True)
class Video:
    """A video whose people are counted."""

    name: str
    path: Path
    people: People
    labelled: Sequence[Seen] = ()
    """Who is seen when and where (shares of width and height), where that is known; empty where it isn't."""
    what: str = ""


@dataclass(frozen=True)
class Picture:
    """A face in a staged frame."""

    frame: FrameRef
    box: images.Box
    """xyxy, pixels of the staged frame."""
    score: float
    flags: tuple[str, ...] = ()

    @property
    def at(self) -> tuple[float, float, float]:
        """Seconds, and the face's middle as shares of width and height: what a judgement is found by."""
        x = (self.box[0] + self.box[2]) / 2 / self.frame.width
        y = (self.box[1] + self.box[3]) / 2 / self.frame.height
        return round(self.frame.t_s, 3), round(x, 3), round(y, 3)


@dataclass(frozen=True)
class Found:
    """A published person."""

    best: Picture
    stays: tuple[Stay, ...]
    others: tuple[Picture, ...]
    """Their best staged face in each of their tracks, by time."""


@dataclass(frozen=True)
class Unclear:
    """Somebody seen who is not published."""

    t_s: float
    sightings: int
    why: str
    face: Picture | None


@dataclass(frozen=True)
class Outcome:
    """One video with one pack."""

    video: Video
    pack: str
    people: tuple[Found, ...]
    unclear: tuple[Unclear, ...]
    naive: int
    staging: Path
    run_id: str

    @property
    def off(self) -> int:
        return self.video.people.off(len(self.people))

    @property
    def naive_is_better(self) -> bool:
        return self.video.people.off(self.naive) < self.off

    @property
    def below(self) -> int:
        """Published people whose best frame scores below LEAST_SCORE."""
        return sum(one.best.score < LEAST_SCORE for one in self.people)

    @property
    def wrong(self) -> Wrong | None:
        """None where nobody has labelled who is seen when."""
        labelled = self.video.labelled
        return compare([one.stays for one in self.people], labelled) if labelled else None

    def judgements(self, judged: Mapping[str, Sequence[Judgement]]) -> list[Judgement | None]:
        """Of each published person's best frame."""
        return [judgement_of(judged.get(self.video.name, ()), *one.best.at) for one in self.people]


def measure(videos: Sequence[Video], kept: Path, *, regroup: bool = False) -> list[Outcome]:
    """Every video with every pack at hand. What was detected is kept in the folder `kept`; `regroup` takes what is
    there though detect's source has changed.
    """
    kept.mkdir(parents=True, exist_ok=True)
    tasks = [(video, pack, directory, kept, regroup) for pack, directory in packs().items() for video in videos]
    # Long ones first, so that no worker is left with one at the end.
    tasks.sort(key=lambda task: -task[0].path.stat().st_size)
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        outcomes = list(pool.map(_measured, tasks))
    place = {video.name: number for number, video in enumerate(videos)}
    order = {pack: number for number, pack in enumerate(packs())}
    return sorted(outcomes, key=lambda one: (place[one.video.name], order[one.pack]))


def _measured(task: tuple[Video, str, Path, Path, bool]) -> Outcome:
    video, pack, directory, kept, regroup = task
    cv2.setNumThreads(1)
    plan, staging = detected(video.path, directory, kept, any_source=regroup)
    watched = grouped(plan, read_footage(plan, staging))
    selection = watched.selection
    people = tuple(
        _found(watched, identity, person) for person, identity in zip(selection.people, watched.people, strict=True)
    )
    naive = people_by_dbscan(video.path, directory, kept)
    return Outcome(video, pack, people, unclear_in(selection), naive, staging.root, plan.run_id)


def unclear_in(selection: Selection) -> tuple[Unclear, ...]:
    """Who was seen and is not published. The one place that knows what cluster calls them."""
    return tuple(
        Unclear(
            one.face.frame.t_s if one.face else one.tracks[0].start_s,
            one.sightings,
            one.reason,
            _picture(one.face) if one.face else None,
        )
        for one in selection.unclear
    )


def _picture(face: FaceInFrame) -> Picture:
    return Picture(face.frame, face.box, face.score, tuple(face.flags))


def _found(watched: Watched, identity: int, person: SelectedPerson) -> Found:
    footage = watched.footage
    size = np.array([footage.source.width, footage.source.height])
    middles: list[list[NDArray[np.float64]]] = [[] for _ in person.tracks]
    best: dict[int, Picture] = {}
    for index in np.flatnonzero(watched.found == identity).tolist():
        chunk, row = int(watched.chunk[index]), int(watched.row[index])
        columns = footage.detections[chunk]
        t_s = footage.source.seconds(int(columns.pts[row]))
        stay = next((n for n, one in enumerate(person.tracks) if one.start_s - 1e-3 <= t_s <= one.end_s + 1e-3), -1)
        if stay < 0:
            continue
        middles[stay].append(columns.boxes[row].reshape(2, 2).mean(axis=0) / size)
        if columns.staged[row] >= 0:
            staged = int(footage.first_staged[chunk] + columns.staged[row])
            face = Picture(
                footage.frame_ref(staged), footage.box(chunk, row, staged), float(footage.scores[chunk].numbers[row])
            )
            if stay not in best or face.score > best[stay].score:
                best[stay] = face
    stays = [
        Stay(track.start_s, track.end_s, *(float(v) for v in np.median(ones, axis=0)))
        for track, ones in zip(person.tracks, middles, strict=True)
        if ones
    ]
    return Found(_picture(person.best), tuple(stays), tuple(best[stay] for stay in sorted(best)))


RIGHT_SHARE = 0.95
"""Of the runs, to be counted right: 19 of 20."""
OFF_SHARE = 0.1
"""People off in all over the number of runs, at most: 2 in 20."""


def part(
    title: str,
    outcomes: Sequence[Outcome],
    judged: Mapping[str, Sequence[Judgement]],
    how: str,
    tables: Sequence[Table] = (),
    summary: str = "",
) -> Part:
    """The section of the document, and the numbers by pack and video."""
    main, runs = table(outcomes, judged), len(outcomes)
    numbers: dict[str, float] = {}
    for one in outcomes:
        facts = {"people": len(one.people), "off": one.off, "below": one.below, "naive": one.naive}
        numbers |= {f"{one.pack}.{one.video.name}.{name}": float(value) for name, value in facts.items()}
    verdicts = bars(outcomes, judged, right=math.ceil(RIGHT_SHARE * runs), off=math.floor(OFF_SHARE * runs))
    return Part(title, main.header, main.rows, verdicts, how, tables, numbers, summary)


def bars(
    outcomes: Sequence[Outcome], judged: Mapping[str, Sequence[Judgement]], *, right: int, off: int
) -> list[Verdict]:
    """`right` runs of all must be counted right, and all together be at most `off` people off."""
    exact = sum(one.off == 0 for one in outcomes)
    people_off = sum(one.off for one in outcomes)
    below = sum(one.below for one in outcomes)
    published = sum(len(one.people) for one in outcomes)
    looked = [one for outcome in outcomes for one in outcome.judgements(judged)]
    bad = [one for one in looked if one is not None and one.why]
    unseen = sum(one is None for one in looked)
    wrong = [one.wrong for one in outcomes if one.wrong is not None]
    merges = sum(one.merges for one in wrong)
    better = [f"{one.video.name} with {one.pack}" for one in outcomes if one.naive_is_better]
    verdicts = [
        Verdict(f"counts right on {exact} of {len(outcomes)} (at least {right} wanted)", exact >= right),
        Verdict(f"{people_off} people off in all (at most {off} wanted)", people_off <= off),
        Verdict(
            f"{below} of {published} people published with a best frame below {LEAST_SCORE}, none wanted", not below
        ),
    ]
    if any(outcome.video.name in judged for outcome in outcomes):
        verdicts.append(
            Verdict(
                f"{len(bad)} of {published} best frames are such that one would not publish them, by eye, none wanted"
                + (f"; {unseen} not looked at" if unseen else ""),
                not bad and not unseen,
            )
        )
    if wrong:
        verdicts.append(Verdict(f"{merges} wrong merges where it is known who is seen when, none wanted", not merges))
    verdicts.append(
        Verdict(
            f"the naive way is better on {len(better)} of {len(outcomes)}, none wanted"
            + (f" ({', '.join(better)})" if better else ""),
            not better,
        )
    )
    return verdicts


def claim(outcomes: Sequence[Outcome], judged: Mapping[str, Sequence[Judgement]]) -> str:
    """What may be said of these videos to people who read nothing else."""
    videos, packs_there = len({one.video.name for one in outcomes}), len({one.pack for one in outcomes})
    runs, right, off = len(outcomes), sum(one.off == 0 for one in outcomes), sum(one.off for one in outcomes)
    naive = [one.video.people.off(one.naive) for one in outcomes]
    published = sum(len(one.people) for one in outcomes)
    looked = [one for outcome in outcomes for one in outcome.judgements(judged)]
    bad = sum(one is not None and bool(one.why) for one in looked)
    told = [
        f"On {videos} videos that we did not film, with {packs_there} model {'pack' if packs_there == 1 else 'packs'}, "
        f"people are counted right in {right} of {runs} runs, {off} off in all; by a frame a second and DBSCAN over "
        f"every face in {sum(one == 0 for one in naive)}, {sum(naive)} off.",
        f"Of {published} best frames {sum(one.below for one in outcomes)} score below {LEAST_SCORE}"
        + (f", and somebody who looked at them all would not have published {bad}" if None not in looked else "")
        + ".",
    ]
    wrong = [one.wrong.merges for one in outcomes if one.wrong is not None]
    if wrong:
        told.append(f"In {len(wrong)} of these runs it is known who is seen when: {sum(wrong)} wrong merges.")
    return " ".join(told)


def table(outcomes: Sequence[Outcome], judged: Mapping[str, Sequence[Judgement]]) -> Table:
    """A line for each video and pack, and one for each pack's sums; wrong counts are bold."""
    header = ("video", "true", "pack", "ours", "naive", f"below {LEAST_SCORE}", "bad by eye", *WRONG, "unclear")
    rows = [
        (
            one.video.name,
            str(one.video.people),
            one.pack,
            _bold_if(one.off, len(one.people)),
            _bold_if(one.video.people.off(one.naive), one.naive),
            f"{one.below} of {len(one.people)}",
            _by_eye(one.judgements(judged)),
            *_wrong([one.wrong]),
            str(len(one.unclear)),
        )
        for one in outcomes
    ]
    for pack in dict.fromkeys(one.pack for one in outcomes):
        mine = [one for one in outcomes if one.pack == pack]
        naive = [one.video.people.off(one.naive) for one in mine]
        rows.append(
            (
                "right; people off",
                "",
                pack,
                f"{sum(one.off == 0 for one in mine)} of {len(mine)}; {sum(one.off for one in mine)}",
                f"{sum(off == 0 for off in naive)} of {len(mine)}; {sum(naive)}",
                f"{sum(one.below for one in mine)} of {sum(len(one.people) for one in mine)}",
                _by_eye([found for one in mine for found in one.judgements(judged)]),
                *_wrong([one.wrong for one in mine]),
                str(sum(len(one.unclear) for one in mine)),
            )
        )
    return Table("", header, rows)


WRONG = ("merges", "splits", "missing")


def _bold_if(wrong: int, count: int) -> str:
    return f"**{count}**" if wrong else str(count)


def _by_eye(found: Sequence[Judgement | None]) -> str:
    bad = sum(one is not None and bool(one.why) for one in found)
    unseen = sum(one is None for one in found)
    if found and unseen == len(found):
        return "not looked at"
    return str(bad) + (f" ({unseen} not looked at)" if unseen else "")


def _wrong(found: Sequence[Wrong | None]) -> tuple[str, str, str]:
    known = [one for one in found if one is not None]
    if not known:
        return "–", "–", "–"
    return tuple(str(sum(getattr(one, name) for one in known)) for name in WRONG)  # type: ignore[return-value]


# the sheets


_TILE, _FRAME, _SMALL, _TEXT = 220, 390, 110, 46
_INK, _PAPER = (20, 20, 20), (245, 245, 245)


def draw_sheets(outcomes: Sequence[Outcome], folder: Path, judged: Mapping[str, Sequence[Judgement]]) -> list[Path]:
    """A picture of everybody published and one of everybody not, for each video and pack; and `pictures.json`, which
    says which video, moment and place each number on them stands for. One picture has one number on all sheets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    numbers: dict[tuple[str, tuple[float, float, float]], int] = {}
    for outcome in outcomes:
        for person in outcome.people:
            numbers.setdefault((outcome.video.name, person.best.at), len(numbers) + 1)
    written = []
    for outcome in outcomes:
        store = DirectoryStaging(outcome.staging)
        name = f"{outcome.video.name}-{outcome.pack.replace(' ', '-')}"
        rows = [
            _row(outcome, store, numbers[(outcome.video.name, one.best.at)], one, judged.get(outcome.video.name, ()))
            for one in outcome.people
        ]
        title = (
            f"{outcome.video.name}, {outcome.pack}: {len(outcome.people)} published, "
            f"{outcome.video.people} there, {outcome.naive} the naive way"
        )
        written += _written(folder, name, title, rows)
        tiles = [_unclear_tile(outcome, store, one) for one in outcome.unclear]
        lines = [np.hstack(tiles[at : at + 6]) for at in range(0, len(tiles), 6)]
        title = f"{outcome.video.name}, {outcome.pack}: seen, but not published ({len(tiles)})"
        if lines:
            written += _written(folder, f"{name}-unclear", title, lines)
    pictures = [
        {"number": number, "video": video, "t_s": t_s, "x": x, "y": y}
        for (video, (t_s, x, y)), number in numbers.items()
    ]
    (folder / "pictures.json").write_text(json.dumps(pictures, indent=1))
    return written


def _row(
    outcome: Outcome, store: DirectoryStaging, number: int, person: Found, judged: Sequence[Judgement]
) -> NDArray[np.uint8]:
    """One published person: the best face, its whole frame, and the best of every track."""
    best, seen = person.best, judgement_of(judged, *person.best.at)
    face, frame = _face_and_frame(outcome, store, best)
    side = min(best.box[2] - best.box[0], best.box[3] - best.box[1])
    told = f"{best.score:.2f} at {best.frame.t_s:.2f} s, {side:.0f} px"
    verdict = "not looked at" if seen is None else seen.why or "fine"
    tile = _captioned(face, f"#{number} {verdict}", told)
    whole = _captioned(frame, " ".join(best.flags) or "no flags", f"{len(person.stays)} stays")
    small = [
        _captioned(_face_and_frame(outcome, store, one, _SMALL)[0], f"{one.frame.t_s:.1f}", f"{one.score:.2f}", 0.4)
        for one in person.others[:MOST_TRACKS]
    ]
    parts = [tile, whole, *small]
    height = max(part.shape[0] for part in parts)
    return np.hstack([_padded(part, height, part.shape[1]) for part in parts])


def _unclear_tile(outcome: Outcome, store: DirectoryStaging, one: Unclear) -> NDArray[np.uint8]:
    told = f"{one.t_s:.2f} s, {one.sightings} seen"
    if one.face is None:
        return _captioned(np.full((_TILE, _TILE, 3), 200, np.uint8), f"{one.why}, no picture", told)
    face, _ = _face_and_frame(outcome, store, one.face)
    return _captioned(face, f"{one.why} {one.face.score:.2f}", told)


def _face_and_frame(
    outcome: Outcome, store: DirectoryStaging, face: Picture, side: int = _TILE
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The face with its surroundings, square, and the whole frame with a box around it."""
    ref = face.frame
    frame = images.decode(store.get_range(frames_key(outcome.run_id, ref.chunk), ref.offset, ref.length))
    assert frame is not None
    square = images.thumbnail(frame, face.box, side)
    left, top, right, bottom = (round(v) for v in face.box)
    marked = cv2.rectangle(frame.copy(), (left, top), (right, bottom), (0, 220, 255), max(2, frame.shape[1] // 300))
    return square, _padded(images.shrink(marked, _FRAME), _TILE, _FRAME)


def _captioned(picture: NDArray[np.uint8], first: str, second: str, size: float = 0.48) -> NDArray[np.uint8]:
    label = np.full((_TEXT, picture.shape[1], 3), _PAPER, np.uint8)
    for line, text in enumerate((first, second)):
        cv2.putText(label, text, (3, 17 + 20 * line), cv2.FONT_HERSHEY_SIMPLEX, size, _INK, 1, cv2.LINE_AA)
    return np.vstack([picture, label])


def _padded(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Cut or filled to this size, at the top left."""
    canvas = np.full((height, width, 3), _PAPER, np.uint8)
    part = picture[:height, :width]
    canvas[: part.shape[0], : part.shape[1]] = part
    return canvas


def _written(folder: Path, name: str, title: str, rows: Sequence[NDArray[np.uint8]]) -> list[Path]:
    """Pages of at most ROWS rows, one even without any."""
    pages = [rows[at : at + ROWS] for at in range(0, len(rows), ROWS)] or [[]]
    paths = []
    for number, page in enumerate(pages, 1):
        path = folder / (f"{name}.png" if len(pages) == 1 else f"{name}-{number}.png")
        width = max([900, *(row.shape[1] for row in page)])
        head = np.full((34, width, 3), _PAPER, np.uint8)
        cv2.putText(head, title, (6, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.65, _INK, 1, cv2.LINE_AA)
        cv2.imwrite(str(path), np.vstack([head, *(_padded(row, row.shape[0], width) for row in page)]))
        paths.append(path)
    return paths
