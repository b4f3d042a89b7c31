"""Is the frame chosen of a person a clean one, and among the clean ones one of the best?

A trial is a clip of a real person most of whose frames are spoilt in a known way; the frames left clean carry a light
blemish of known strength, which ranks them. Clips go through the product's own stages.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy import spoil
from benchmarks.accuracy.clips import FILM, Image, data_folder, film_takes, models_folder, write
from benchmarks.accuracy.table import Part, Verdict
from lambdas.cluster import handler as cluster
from lambdas.contracts import (
    ClusterRequest,
    DetectRequest,
    Plan,
    SelectedPerson,
    Selection,
    Settings,
    SplitRequest,
    plan_key,
    selection_key,
)
from lambdas.detect import handler as detect
from lambdas.detect.packs import Pack, load_pack
from lambdas.split import handler as split
from lambdas.staging import DirectoryStaging, get_document
from talent_frames.packs import resolve_pack

WIDTH, HEIGHT, FPS = 480, 270, 12.5
"""Of the trials' clips: faces are 70 to 200 pixels wide."""
FRAMES = 40
"""Of a trial, 3.2 s."""
FADE = (5, 13)
"""Frames of a cross-fade, 0.4 to 1 s."""
_ALONE = 5
"""Frames at either end of a clip with cross-fades that show one picture alone."""

EYES_SHUT = {
    "0": ((2.64, 2.72),),
    "7.0": ((10.72, 10.84),),
    "21.08": ((24.24, 24.32),),
    "25.08": ((26.32, 26.52),),
    "33.08": ((33.5, 33.54), (34.7, 34.84), (35.5, 35.54)),
    "37.08": ((40.56, 41.0),),
    "41.08": ((41.6, 41.84),),
    "64.08": ((65.42, 65.54),),
    "68.08": ((68.3, 68.56),),
}
"""Seconds of the film in which the person of the take that begins there has both eyes shut, written down by looking at
every second frame."""
POOR = {
    "0": ((2.56, 2.84),),
    "7.0": ((10.64, 10.96),),
    "15.04": ((16.2, 17.3), (17.85, 18.1)),
    "21.08": ((24.16, 24.44),),
    "25.08": ((25.96, 26.64),),
    "33.08": ((33.44, 33.6), (34.64, 34.96), (35.44, 35.6)),
    "37.08": ((38.72, 39.12), (39.6, 41.08)),
    "41.08": ((41.36, 41.96),),
    "49.08": ((50.4, 50.8), (52.2, 52.5)),
    "64.08": ((65.36, 65.68),),
    "68.08": ((68.24, 68.64), (71.68, 72.08)),
}
"""The same for all that nobody would publish: eyes closed, half closed or cast down, smears; never used as clean."""
LEFT_OUT = ("11.04", "77.12")
"""Takes of a woman who keeps her eyes down or shut nearly all the time."""

CLOSED, FADED, MIXED, MANY = "real closed eyes", "cross-fade", "double exposure", "all of these in turn"
HARD = (*spoil.HARD_KINDS, MIXED)
"""Measured and shown, but apart from the bar: painted so, some of them hardly show at this size."""
KINDS = (*spoil.KINDS, CLOSED, FADED, MANY, *HARD)
"""A kind's place tells which trials are drawn: new ones are put at the end."""
SETTINGS = Settings(representative=0)
PER_KIND = 25
"""Trials of each kind: 325 in all, and 75 of the hard ones."""
PER_KIND_QUICK, TAKES_QUICK = 1, 8


@dataclass(frozen=True)
class Take:
    """The pictures of one person's stretch of the film, at the trials' size and rate."""

    name: str
    """Second of the film at which it begins, as its ground truth writes it, or nearly."""
    person: str
    images: list[Image]
    faces: list[spoil.Face]
    shut: list[Image]
    """Those of the stretch in which the eyes are closed; none of them is among `images`."""


@dataclass(frozen=True)
class Trial:
    """A clip to be made and its truth."""

    kind: str
    images: list[Image]
    clean: NDArray[np.bool_]
    """(n,)"""
    about: NDArray[np.bool_]
    """(n,) the frames that show the person the trial is about, and clean."""
    blemish: NDArray[np.float64]
    """(n,) 0 to 1, of the clean frames."""


@dataclass(frozen=True)
class Outcome:
    """What was chosen in a trial."""

    kind: str
    clean: bool
    percentile: float
    """Of the clean frames, by blemish, those that are no better than the chosen one; 0 for a spoilt one."""
    reference_clean: bool
    reference_percentile: float
    alternatives: int
    alternatives_clean: int
    nearest_s: float
    """Least seconds between any two of the best frame and its alternatives; infinite where there are none."""


@lru_cache(maxsize=2)
def pack_in_use() -> Pack:
    """The test pack where it is mounted, else the default one."""
    models = models_folder()
    return load_pack(models if models is not None else resolve_pack("open"))


@lru_cache(maxsize=1)
def cast(data: Path, most: int | None = None) -> list[Take]:
    """Everybody of the film, or of its first takes, with the faces the detector sees."""
    wanted = [take for take in film_takes(data) if _written(take.start_s) not in LEFT_OUT][:most]
    takes: list[Take] = []
    pictures: dict[float, list[tuple[float, Image]]] = {take.start_s: [] for take in wanted}
    with av.open(str(data / FILM)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if frame.time >= wanted[-1].end_s:
                break
            take = next((one for one in wanted if one.start_s <= frame.time < one.end_s), None)
            if take is not None and number % 2 == 0:
                image = frame.reformat(WIDTH, HEIGHT, "bgr24", interpolation="AREA").to_ndarray()
                pictures[take.start_s].append((frame.time, np.asarray(image, np.uint8)))
    for take in wanted:
        name = _written(take.start_s)
        times = np.array([time for time, _ in pictures[take.start_s]])
        poor, closed = _within(times, POOR.get(name, ())), _within(times, EYES_SHUT.get(name, ()))
        images = [image for _, image in pictures[take.start_s]]
        faces = _faces(images)
        takes.append(
            Take(
                name,
                take.person,
                [image for image, bad in zip(images, poor, strict=True) if not bad],
                [face for face, bad in zip(faces, poor, strict=True) if not bad],
                [image for image, shut in zip(images, closed, strict=True) if shut],
            )
        )
    return takes


def _faces(images: Sequence[Image]) -> list[spoil.Face]:
    """The largest face of each picture; where none is found, it moves evenly from before to after.

    Every picture is looked at: heads move by an eye's height in a tenth of a second, and lids painted beside the eyes
    would leave them open.
    """
    rows, boxes, landmarks = [], [], []
    for row, image in enumerate(images):
        found = pack_in_use().detector.detect(image, 0.5)
        if len(found):
            best = int(np.argmax(np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1)))
            rows.append(row)
            boxes.append(found.boxes[best])
            landmarks.append(found.landmarks[best].ravel())
    every = np.arange(len(images))

    def between(known: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        return np.stack([np.interp(every, rows, column) for column in np.array(known).T], axis=1).astype(np.float32)

    return [
        spoil.Face(box, points.reshape(5, 2)) for box, points in zip(between(boxes), between(landmarks), strict=True)
    ]


def _written(start_s: float) -> str:
    names = EYES_SHUT.keys() | POOR.keys() | set(LEFT_OUT)
    return next((name for name in names if 0 <= start_s - float(name) < 0.5), f"{start_s:.2f}")


def _within(times: NDArray[np.float64], spans: Sequence[tuple[float, float]]) -> NDArray[np.bool_]:
    inside = np.zeros(len(times), np.bool_)
    for low, high in spans:
        inside |= (times >= low - 0.01) & (times < high + 0.01)
    return inside


def make_trial(takes: Sequence[Take], kind: str, number: int) -> Trial:
    """The trial of this kind and number; the same every time."""
    rng = np.random.default_rng((KINDS.index(kind), number))
    able = [take for take in takes if take.shut] if kind == CLOSED else list(takes)
    take = able[(number * 5 + KINDS.index(kind)) % len(able)]
    length, count = FRAMES, len(take.images)
    # A short take runs back and forth.
    first = int(rng.integers(0, max(0, count - length) + 1))
    rows = [min(row % (2 * count - 1), -row % (2 * count - 1)) for row in range(first, first + length)]
    spans = spoil.windows(rng, length, round(rng.uniform(0.22, 0.4) * length), int(rng.integers(1, 3)))
    if kind == FADED:
        spans = [_between_fades(rng, length)]
    clean = np.zeros(length, np.bool_)
    for low, high in spans:
        clean[low:high] = True
    best = float(rng.choice(np.flatnonzero(clean)))
    blemish = np.minimum(1.0, np.abs(np.arange(length) - best) / 9.0)
    images = [take.images[row] for row in rows]
    faces = [take.faces[row] for row in rows]
    if kind != FADED:
        images = [
            spoil.slight(image, face, float(strength)) if ok else image
            for image, face, strength, ok in zip(images, faces, blemish, clean, strict=True)
        ]
    if kind == FADED:
        others = [one for one in takes if one.person != take.person]
        _fade(images, spans[0], [others[int(one)] for one in rng.choice(len(others), 2, replace=False)])
        blemish[:] = 0
        about = clean.copy()
        clean[:_ALONE], clean[-_ALONE:] = True, True
    elif kind == CLOSED:
        round_trip = [*take.shut, *take.shut[::-1]]
        for step, row in enumerate(np.flatnonzero(~clean).tolist()):
            images[row] = round_trip[step % len(round_trip)]
    elif kind == MIXED:
        others = [one for one in takes if one.person != take.person]
        for low, high in spoil.blocks(rng, length, spans, 8):
            other = others[int(rng.integers(0, len(others)))].images
            for row in range(low, high):
                images[row] = spoil.mixed(images[row], other[row % len(other)], 0.5)
    else:
        for low, high in spoil.blocks(rng, length, spans, 14):
            chosen = str(rng.choice(list(spoil.KINDS))) if kind == MANY else kind
            effect = (spoil.KINDS | spoil.HARD_KINDS)[chosen](rng)
            for row in range(low, high):
                images[row] = effect(images[row], faces[row])
    return Trial(kind, images, clean, about if kind == FADED else clean, blemish)


def _between_fades(rng: np.random.Generator, length: int) -> tuple[int, int]:
    before = _ALONE + int(rng.integers(*FADE))
    after = _ALONE + int(rng.integers(*FADE))
    return before, length - min(after, length - before - 8)


def _fade(images: list[Image], span: tuple[int, int], others: Sequence[Take]) -> None:
    """From one other take into these pictures and out into the next one, the pictures of `span` left alone."""
    low, high = span
    for row in range(low):
        share = min(1.0, (low - row) / (low + 1 - _ALONE))
        images[row] = spoil.mixed(images[row], others[0].images[row % len(others[0].images)], share)
    for row in range(high, len(images)):
        share = min(1.0, (row - high + 1) / (len(images) + 1 - _ALONE - high))
        images[row] = spoil.mixed(images[row], others[1].images[row % len(others[1].images)], share)


def judge(trial: Trial, folder: Path, settings: Settings = SETTINGS) -> Outcome:
    """Runs the stages over the trial's clip and looks where the chosen frames lie."""
    video = folder / "trial.mp4"
    write(video, iter(trial.images), FPS, gop=25, crf=18)
    _, selection = _run(video, folder / "staging", settings)
    person = _person(selection, np.flatnonzero(trial.about) / FPS, trial.kind)
    times = [] if person is None else [one.frame.t_s for one in (person.best, *person.alternatives)]
    numbers = [min(len(trial.images) - 1, round(time * FPS)) for time in times]
    reference = reference_choice(trial.images)
    gaps = [abs(one - other) for place, one in enumerate(times) for other in times[:place]]
    return Outcome(
        kind=trial.kind,
        clean=bool(numbers) and bool(trial.clean[numbers[0]]),
        percentile=_percentile(trial, numbers[0]) if numbers else 0.0,
        reference_clean=reference is not None and bool(trial.clean[reference]),
        reference_percentile=_percentile(trial, reference) if reference is not None else 0.0,
        alternatives=max(0, len(numbers) - 1),
        alternatives_clean=sum(bool(trial.clean[number]) for number in numbers[1:]),
        nearest_s=min(gaps, default=float("inf")),
    )


def _run(video: Path, root: Path, settings: Settings) -> tuple[Plan, Selection]:
    staging, pack = DirectoryStaging(root), pack_in_use()
    request = SplitRequest(uri=str(video), settings=settings, pack=pack.facts)
    response = split.run(request, staging)
    for chunk in range(response.chunk_count):
        detect.run(DetectRequest(run_id=response.run_id, chunk=chunk), staging, pack.directory)
    cluster.run(ClusterRequest(run_id=response.run_id), staging)
    plan = get_document(staging, plan_key(response.run_id), Plan)
    return plan, get_document(staging, selection_key(response.run_id), Selection)


def _person(selection: Selection, times: NDArray[np.float64], kind: str) -> SelectedPerson | None:
    """Whom the trial is about.

    Cross-fades and double exposures show others: of those on screen at these moments it is the one least seen besides.
    Otherwise there is one person alone, and where what is spoilt passed for somebody else, the one whose face came out
    best.
    """
    if kind not in (FADED, MIXED):
        return max(selection.people, key=lambda person: person.best.score, default=None)

    def met(person: SelectedPerson) -> float:
        return float(np.mean([any(track.start_s <= t < track.end_s for track in person.tracks) for t in times]))

    there = [person for person in selection.people if met(person) >= 0.6] or selection.people
    return max(there, key=lambda person: met(person) / max(person.screen_time_s, 0.1), default=None)


def _percentile(trial: Trial, number: int) -> float:
    if not trial.clean[number]:
        return 0.0
    worse = trial.blemish[trial.clean] >= trial.blemish[number] - 1e-9
    return 100 * float(worse.mean())


def reference_choice(images: Sequence[Image]) -> int | None:
    """The frame that the usual way takes: one look a second, confidence times pose times size."""
    detector = pack_in_use().detector
    best, chosen = 0.0, None
    for number in range(0, len(images), round(FPS)):
        found = detector.detect(images[number], 0.5)
        for box, landmarks, confidence in zip(found.boxes, found.landmarks, found.confidence, strict=True):
            left, right, nose = landmarks[0], landmarks[1], landmarks[2]
            half = max(1.0, abs(float(right[0] - left[0])) / 2)
            pose = 1 - min(1.0, abs(float((left + right)[0] / 2 - nose[0])) / half)
            worth = float(confidence) * pose * float(np.prod(box[2:] - box[:2])) ** 0.5
            if worth > best:
                best, chosen = worth, number
    return chosen


def outcomes(takes: Sequence[Take], per_kind: int, settings: Settings = SETTINGS) -> list[Outcome]:
    found = []
    for kind in KINDS:
        for number in range(per_kind):
            with tempfile.TemporaryDirectory() as folder:
                found.append(judge(make_trial(takes, kind, number), Path(folder), settings))
    return found


def run(quick: bool) -> Part:
    """The part's tables and verdicts; `quick` makes one trial of each kind from the film's first half."""
    takes = cast(data_folder(), TAKES_QUICK if quick else None)
    found = outcomes(takes, PER_KIND_QUICK if quick else PER_KIND)
    rows = [_row(kind, [one for one in found if one.kind == kind]) for kind in KINDS]
    hard = [one for one in found if one.kind in HARD]
    ranked = [one for one in found if one.kind not in (FADED, *HARD)]
    usual = [one for one in found if one.kind not in HARD]
    clean = sum(one.clean for one in usual) / len(usual)
    percentile = float(np.mean([one.percentile for one in ranked if one.clean])) if ranked else 0.0
    high = sum(one.percentile >= 80 for one in ranked) / max(1, len(ranked))
    apart = min((one.nearest_s for one in found), default=float("inf"))
    numbers = {
        "trials": float(len(found)),
        "clean": clean,
        "percentile": percentile,
        "above 80th percentile": high,
        "reference clean": sum(one.reference_clean for one in found) / len(found),
        "reference percentile": float(np.mean([one.reference_percentile for one in ranked if one.reference_clean])),
        "alternatives apart": apart,
        "alternatives": float(sum(one.alternatives for one in found)),
        "alternatives clean": float(sum(one.alternatives_clean for one in found)),
    }
    return Part(
        title="Best frame",
        header=(
            "spoilt by",
            "trials",
            "clean chosen",
            "percentile",
            "from the 80th on",
            "alternatives clean",
            "1 frame/s: clean",
            "percentile",
        ),
        rows=[*rows, _row("all but these three: " + ", ".join(HARD), usual), _row("these three", hard)],
        verdicts=[
            Verdict(f"the chosen frame is a clean one in at least 99% of the trials: {clean:.1%}", clean >= 0.99),
            Verdict(
                f"among clean ones above the 80th percentile: {percentile:.0f} on average, {high:.0%} of the trials "
                "from the 80th on",
                percentile >= 80,
            ),
            Verdict(f"alternatives are other moments, at least 0.8 s apart: {apart:.2f} s", apart >= 0.8),
        ],
        how=HOW.format(count=len(found), takes=len(takes)),
        numbers=numbers,
    )


def _row(kind: str, found: Sequence[Outcome]) -> tuple[str, ...]:
    def mean(values: Sequence[float]) -> str:
        return f"{np.mean(values):.0f}" if values and kind != FADED else "–"

    ranked = [one.percentile for one in found if one.clean and one.kind != FADED]
    return (
        kind,
        str(len(found)),
        str(sum(one.clean for one in found)),
        mean(ranked),
        f"{np.mean(np.array(ranked) >= 80):.0%}" if ranked else "–",
        f"{sum(one.alternatives_clean for one in found)} of {sum(one.alternatives for one in found)}",
        str(sum(one.reference_clean for one in found)),
        mean([one.reference_percentile for one in found if one.reference_clean and one.kind != FADED]),
    )


HOW = """
{count} clips of 3.2 s at 480 x 270 from {takes} takes of the film, H.264, each through split, detect and cluster. In
each, 60 to 78% of the frames are spoilt in blocks of up to 1.1 s, with a strength drawn per block; one or two windows
stay clean. *Real closed eyes* puts the person's own closed-eye frames there; which frames of the film those are was
written down by eye, and they stand in no clean window. A *double exposure* mixes half of somebody else's picture into
each for up to 0.64 s at a time. Clean frames carry a light blemish (soft focus) that grows with
the distance from one of them: its strength is the ranking that the percentile is taken from (the share of the clean
frames that are no better). Cross-fades, without blemish, run from one other person over this one to a third; only
frames of two pictures count as spoilt. Where spoilt faces passed for another person, the person with the best face is
judged. Where the eyes and the mouth are to be spoilt is found in every frame anew.

Alternatives are at least 0.8 s from the best frame and from one another; in clips this short there is often no second
clean moment so far away, and then none is wanted: every one shown that is not clean is a mistake.
The usual way beside it: a look once a second, the frame with the largest confidence x pose x size.
"""
