"""Naming people from a gallery: open set, some of those met were never enrolled."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.clips import data_folder
from benchmarks.accuracy.identity_clips import labelled_videos
from benchmarks.accuracy.runs import pack_at, packs, watch, work_folder
from benchmarks.accuracy.scoring import wilson
from benchmarks.accuracy.table import Part, Table, Verdict
from lambdas.cluster.gallery import similarities
from lambdas.contracts import Gallery
from talent_frames.enroll import enroll

KNOWN, ENROLLED = 4, 5
"""People enrolled out of six, and pictures of each."""
FALSE_SHARE = 0.01
WANTED = 0.98
ROUNDS = 2000
SEED = 20240613


@dataclass(frozen=True)
class Trials:
    """Every probe of every choice against its gallery."""

    best: NDArray[np.float32]
    """(p,) similarity to the nearest enrolled person."""
    right: NDArray[np.bool_]
    """(p,) whether the nearest is who the picture shows."""
    known: NDArray[np.bool_]
    """(p,) whether the person was enrolled."""
    picture: NDArray[np.int64]
    """(p,) number of the picture or video face, the same in every choice."""
    strangers: NDArray[np.float32]
    """(c,) every similarity of a face to an enrolled person it does not show."""

    @property
    def comparisons(self) -> int:
        return len(self.strangers) + int(self.known.sum())

    def identified(self, threshold: float) -> NDArray[np.bool_]:
        """(known probes,) whether each was given its own name."""
        return (self.right & (self.best > threshold))[self.known]

    def falsely_named(self, threshold: float) -> float:
        """Share of the probes of unknown people that were given a name."""
        return float((self.best[~self.known] > threshold).mean())

    def false_matches(self, threshold: float) -> float:
        """Share of the comparisons with someone else that were above the threshold."""
        return float((self.strangers > threshold).mean())

    def threshold_for_names(self, share: float) -> float:
        """Similarity above which at most this share of the unknown probes is named."""
        return float(np.quantile(self.best[~self.known], 1 - share, method="higher"))

    def threshold_for_matches(self, share: float) -> float:
        return float(np.quantile(self.strangers, 1 - share, method="higher"))


def open_set(gallery: Gallery, others: NDArray[np.float32]) -> Trials:
    """Every choice of four known of the gallery's people, enrolled by five pictures, tested with the other five, and
    the other way round; the rest of the people and `others` (m, d), faces of people never enrolled, are strangers."""
    by_person = [np.flatnonzero(gallery.identity == person) for person in range(len(gallery.names))]
    best, right, known, picture, strangers = [], [], [], [], []
    for chosen in itertools.combinations(range(len(gallery.names)), KNOWN):
        for enrolled_half in (slice(None, ENROLLED), slice(ENROLLED, None)):
            tested_half = slice(ENROLLED, None) if enrolled_half.stop else slice(None, ENROLLED)
            enrolled = np.concatenate([by_person[person][enrolled_half] for person in chosen])
            identity = np.array([chosen.index(int(person)) for person in gallery.identity[enrolled]], np.int32)
            part = Gallery(
                [gallery.names[person] for person in chosen],
                gallery.embeddings[enrolled],
                identity,
                gallery.pack_sha256,
            )
            rows = np.concatenate([ones[tested_half] for ones in by_person])
            table = similarities(np.concatenate([gallery.embeddings[rows], others]), part)
            who = np.concatenate([gallery.identity[rows], np.full(len(others), -1)])
            own = np.array([chosen.index(int(one)) if one in chosen else -1 for one in who])
            best.append(table.max(axis=1))
            right.append(table.argmax(axis=1) == own)
            known.append(own >= 0)
            picture.append(np.concatenate([rows, len(gallery.embeddings) + np.arange(len(others))]))
            foreign = np.ones(table.shape, bool)
            foreign[own >= 0, own[own >= 0]] = False
            strangers.append(table[foreign])
    return Trials(*(np.concatenate(parts) for parts in (best, right, known, picture, strangers)))


def spread(trials: Trials, threshold: float | None) -> tuple[float, float]:
    """95% interval of the identification rate, pictures drawn anew with replacement (a picture's trials go together).

    Without a threshold it is found anew in every draw, so that its own uncertainty counts too.
    """
    generator = np.random.default_rng(SEED)
    pictures = int(trials.picture.max()) + 1
    rates = []
    hit = trials.right & trials.known
    for _ in range(ROUNDS):
        weight = np.bincount(generator.integers(0, pictures, pictures), minlength=pictures)[trials.picture]
        limit = threshold
        if limit is None:
            unknown = np.flatnonzero(~trials.known)
            order = unknown[np.argsort(-trials.best[unknown])]
            share = np.cumsum(weight[order]) / weight[order].sum()
            limit = float(trials.best[order[int(np.searchsorted(share, FALSE_SHARE))]])
        rates.append(weight[hit & (trials.best > limit)].sum() / weight[trials.known].sum())
    return float(np.quantile(rates, 0.025)), float(np.quantile(rates, 0.975))


def video_faces(pack_dir: Path, data: Path, work: Path, quick: bool) -> NDArray[np.float32]:
    """(m, d) every embedded face of the labelled videos, of the two small ones if `quick`; none of these people is in
    the gallery."""
    found = []
    for clip in labelled_videos(data)[1:3] if quick else labelled_videos(data)[:4]:
        watched = watch(clip.video, pack_dir, work)
        found += [columns.embeddings for columns in watched.footage.detections]
    return np.concatenate(found)


def run(quick: bool) -> Part:
    """The protocol with every pack at hand; `quick` takes the first pack alone."""
    data, work = data_folder(), work_folder()
    rows, verdicts, thresholds = [], [], []
    numbers: dict[str, float] = {}
    for name, pack_dir in list(packs().items())[: 1 if quick else None]:
        gallery, warnings = enroll(data / "gallery", pack_dir)
        trials = open_set(gallery, video_faces(pack_dir, data, work, quick))
        product = 1 - pack_at(pack_dir).facts.distances.name
        for label, threshold, free in (
            ("1% of comparisons", trials.threshold_for_matches(FALSE_SHARE), False),
            ("1% of strangers named", trials.threshold_for_names(FALSE_SHARE), True),
            ("the pack's own", product, False),
        ):
            hits = trials.identified(threshold)
            low, high = spread(trials, None if free else threshold)
            rows.append(
                (
                    name,
                    label,
                    f"{threshold:.3f}",
                    f"{hits.mean():.3f}",
                    f"{low:.3f} to {high:.3f}",
                    f"{trials.false_matches(threshold):.2%}",
                    f"{trials.falsely_named(threshold):.2%}",
                )
            )
            key = {"1% of comparisons": "at_fmr", "1% of strangers named": "at_fpir", "the pack's own": "own"}[label]
            numbers[f"{name}.{key}"] = float(hits.mean())
        numbers[f"{name}.own_fmr"] = trials.false_matches(product)
        numbers[f"{name}.comparisons"] = trials.comparisons
        at_names = trials.identified(trials.threshold_for_names(FALSE_SHARE))
        low, high = wilson(int(at_names.sum()), len(at_names))
        verdicts.append(
            Verdict(
                f"{name}: {at_names.mean():.3f} of the known are identified where 1% of the strangers are given a name "
                f"({len(at_names)} trials, as if independent {low:.3f} to {high:.3f}); at least {WANTED}",
                bool(at_names.mean() >= WANTED),
            )
        )
        thresholds.append(
            (
                name,
                f"{product:.2f}",
                f"{trials.comparisons:,}",
                f"{len(trials.best) - int(trials.known.sum()):,}",
                "; ".join(warnings) or "none",
            )
        )
    return Part(
        title="Recognition",
        header=(
            "pack",
            "threshold at",
            "similarity",
            "identified",
            "95% interval",
            "false matches",
            "strangers named",
        ),
        rows=rows,
        verdicts=verdicts,
        how=(
            "Six people of LFW, ten pictures each: every choice of four known and two unknown (15), five pictures "
            "enrolled and the other five tested, and the other way round. Strangers are the two unknown and every "
            "embedded face of the labelled videos. A probe is one picture: no averaging. Intervals by drawing the "
            f"pictures anew with replacement ({ROUNDS:,} times, seed {SEED}); where the threshold is at 1% of "
            "strangers named it is found anew in every draw. A pack's own threshold is 1 less its `name` distance, "
            "whose source is [models.md](models.md)."
        ),
        tables=[
            Table(
                "Comparisons made, and pictures that could not be enrolled.",
                ("pack", "own threshold", "comparisons", "probes of strangers", "not enrolled"),
                thresholds,
            )
        ],
        numbers=numbers,
    )
