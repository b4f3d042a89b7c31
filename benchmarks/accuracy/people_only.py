"""A run for people alone, which looks less: who is who on the same clips, and how clean the chosen frames are."""

from __future__ import annotations

import numpy as np

from benchmarks.accuracy import best_frame, identity
from benchmarks.accuracy.clips import data_folder
from benchmarks.accuracy.identity_clips import labelled_videos, made_clips
from benchmarks.accuracy.runs import work_folder
from benchmarks.accuracy.table import Part, Verdict
from lambdas.contracts import Settings

SETTINGS = Settings(representative=0, scenes=False)
LEAST_CLEAN, LEAST_PERCENTILE = 0.98, 75
HOW = """The clips of "Who is who" and the trials of "Best frame", with `--representative 0 --no-scenes`. Such a run
takes one look a shot where nobody could look better, and passes over more of the video
([decision 0012](decisions/0012-one-look-where-nobody-could-look-better.md))."""


def run(quick: bool) -> Part:
    """Everything; `quick` takes two labelled videos and one trial of each kind."""
    data = data_folder()
    labelled = labelled_videos(data)
    clips = labelled[1:3] if quick else [*labelled, *made_clips(work_folder() / "clips", data)]
    rows = identity.rows_of(clips, SETTINGS)
    takes = best_frame.cast(data, best_frame.TAKES_QUICK if quick else None)
    found = best_frame.outcomes(takes, best_frame.PER_KIND_QUICK if quick else best_frame.PER_KIND, SETTINGS)
    clean = sum(one.clean for one in found) / len(found)
    percentile = float(np.mean([one.percentile for one in found if one.clean and one.kind != best_frame.FADED]))
    exact = sum(row.score.people == row.score.true_people for row in rows)
    merges = sum(row.score.wrong_merges for row in rows)
    by_pack = {
        name: [row.score for row in rows if row.pack == name] for name in dict.fromkeys(row.pack for row in rows)
    }
    return Part(
        title="People alone",
        header=("pack", "clips", "found / there", "count exact", "F", "least F", "wrong merges", "wrong splits"),
        rows=[
            (
                name,
                str(len(scores)),
                f"{sum(one.people for one in scores)} / {sum(one.true_people for one in scores)}",
                f"{sum(one.people == one.true_people for one in scores)} of {len(scores)}",
                f"{np.mean([one.f for one in scores]):.3f}",
                f"{min(one.f for one in scores):.3f}",
                str(sum(one.wrong_merges for one in scores)),
                str(sum(one.wrong_splits for one in scores)),
            )
            for name, scores in by_pack.items()
        ],
        verdicts=[
            Verdict(
                f"the count of people is exact on every clip with every pack: {exact} of {len(rows)}",
                exact == len(rows),
            ),
            Verdict(f"no two people are merged: {merges} wrong merges", merges == 0),
            Verdict(
                f"the chosen frame is a clean one in at least {LEAST_CLEAN:.0%} of {len(found)} trials: {clean:.1%}",
                clean >= LEAST_CLEAN,
            ),
            Verdict(
                f"among clean ones above the {LEAST_PERCENTILE}th percentile: {percentile:.0f} on average",
                percentile >= LEAST_PERCENTILE,
            ),
        ],
        how=HOW,
        numbers={"exact": exact / len(rows), "wrong merges": float(merges), "clean": clean, "percentile": percentile},
    )
