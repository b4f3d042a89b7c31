"""The hard clips, made from our own material and tuned on: people published, the naive way beside it."""

from __future__ import annotations

import sys

from benchmarks.accuracy.clips import data_folder
from benchmarks.accuracy.counting import read_judged
from benchmarks.accuracy.hard_clips import CLIPS, make_hard
from benchmarks.accuracy.outcomes import JUDGED, KEPT, SHEETS, Video, draw_sheets, measure, part
from benchmarks.accuracy.runs import work_folder
from benchmarks.accuracy.table import Part, Table

FOLDER = SHEETS / "hard"
QUICK = ("drawings", "dissolves")


def run(quick: bool, *, regroup: bool = False) -> Part:
    """All clips with all packs; `quick` takes two. `regroup` keeps what was detected before."""
    made = make_hard(
        (work_folder() if quick else KEPT) / "clips",
        data_folder(),
        [one for one in CLIPS if not quick or one.name in QUICK],
    )
    videos = [Video(one.clip.name, one.video, one.clip.people, one.seen) for one in made]
    outcomes, judged = measure(videos, work_folder() if quick else KEPT, regroup=regroup), read_judged(JUDGED)
    if not quick:
        draw_sheets(outcomes, FOLDER, judged)
        print(f"everybody published, and apart from them everybody not: {FOLDER}", file=sys.stderr)
    what = Table(
        "What they show.", ("clip", "people", "what"), [(one.name, str(one.people), one.what) for one in CLIPS]
    )
    return part("Hard clips", outcomes, judged, HOW, [] if quick else [what])


HOW = """
What real film has and the clean clips below have not, made at bench time from the same filmed people, stills and drawn
shapes (`benchmarks/accuracy/hard_clips.py`); columns as above. They are there to be tuned on. Heads from behind, hands
and drawn faces are drawn, and rougher than real ones, for no video here shows enough of them. Who is seen when and
where is known, but nobody is asked for within a transition or a double exposure.
Sheets are written to `out/accuracy/hard/`.
"""
