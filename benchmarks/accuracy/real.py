"""Real film that nobody tuned on: people published against people there, the naive way beside it.

`python -m benchmarks.accuracy.real 12=nape 15=hand` writes down what somebody saw who looked at all sheets of the last
run: these numbers are such that one would not publish them, all others are fine.
"""

from __future__ import annotations

import json
import sys
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.accuracy.clips import Box, MissingData, Seen, data_folder
from benchmarks.accuracy.counting import Judgement, People, judgement_of, read_judged, write_judged
from benchmarks.accuracy.identity_clips import EVERYWHERE
from benchmarks.accuracy.naive import HOW as NAIVE
from benchmarks.accuracy.outcomes import JUDGED, KEPT, SHEETS, Video, claim, draw_sheets, measure, part
from benchmarks.accuracy.runs import work_folder
from benchmarks.accuracy.table import Part, Table

FOLDER = SHEETS / "real"
README = Path(__file__).parent.parent.parent / "README.md"
BEGIN, END = "<!-- claim: written by make accuracy ARGS=real -->", "<!-- end of claim -->"
IN_VIEW = "Some thresholds were chosen with these videos in view."
QUICK = ("speaker_and_drawings", "silent_film")


def real_videos(data: Path) -> list[Video]:
    """The videos of `real/truth.json`. Raises MissingData without them."""
    folder = data / "real"
    if not (folder / "truth.json").is_file():
        raise MissingData(f"{folder}: no truth.json, so no real film to measure")
    truth = json.loads((folder / "truth.json").read_text())
    return [
        Video(name, folder / f"{name}.mp4", People(*facts["people"]), _labelled(name, facts))
        for name, facts in truth["videos"].items()
    ]


def _labelled(name: str, facts: dict[str, Any]) -> list[Seen]:
    """Who is seen when and where: as truth.json says, or else as written down below."""
    if "spans" in facts:
        return [Seen(a, b, EVERYWHERE, person) for person, spans in facts["spans"].items() for a, b in spans]
    return [
        Seen(start_s, end_s, place, person)
        for (start_s, end_s), people in zip(pairwise(BORDERS.get(name, ())), SHOWN.get(name, ()), strict=True)
        for place, person in zip(PLACES[len(people)], people, strict=True)
    ]


_HALF = 0.5
PLACES: dict[int, list[Box]] = {
    1: [EVERYWHERE],
    4: [(x, y, x + _HALF, y + _HALF) for y in (0.0, _HALF) for x in (0.0, _HALF)],
}
"""By the number of people at once: all of the picture, or its quarters."""
BORDERS = {
    "fades": (0, *(2.3 + 2 * n for n in range(15)), 32.68),
    "video_call": (0, 5, 8, 12.52, 15.52, 20.04, 23.04),
}
SHOWN = {
    "fades": tuple("abcdefghefghabcd"),
    "video_call": ("abcd", "c", "eafg", "g", "dcaf", "b"),
}
"""Read off the videos by eye: who is seen between these borders, row by row from the top left."""


def run(quick: bool, *, regroup: bool = False) -> Part:
    """All videos with all packs; `quick` takes two. `regroup` keeps what was detected before."""
    videos = [one for one in real_videos(data_folder()) if not quick or one.name in QUICK]
    outcomes, judged = measure(videos, work_folder() if quick else KEPT, regroup=regroup), read_judged(JUDGED)
    if not quick:
        draw_sheets(outcomes, FOLDER, judged)
        print(f"everybody published, and apart from them everybody not: {FOLDER}", file=sys.stderr)
    told = f"{claim(outcomes, judged)} {IN_VIEW}"
    if not quick:
        write_claim(README, told)
    return part("Real film", outcomes, judged, HOW, _bad(judged, videos), told)


def write_claim(readme: Path, told: str) -> None:
    """Puts the claim where the README has its place, in lines of the README's width."""
    before, after = readme.read_text().split(BEGIN)[0], readme.read_text().split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{textwrap.fill(told, 120, break_on_hyphens=False)}\n{END}{after}")


def _bad(judged: dict[str, list[Judgement]], videos: list[Video]) -> list[Table]:
    rows = [(one.name, f"{bad.t_s:.2f}", bad.why) for one in videos for bad in judged.get(one.name, ()) if bad.why]
    caption = "What somebody who looked would not have published, of these and of earlier runs."
    return [Table(caption, ("video", "at", "why"), rows)] if rows else []


HOW = f"""
Seven videos as they were found, and three cut together from one-person clips, whose people are partly those of the made
clips below.
True is how many people somebody counted who looked at the video: whoever shows a face of some 30 pixels or more for a
second or more; who is doubtful makes a range. A count within the range is right, others are bold. A published person is
one of the manifest's `people`; *unclear* is who was seen but is not published.

A best frame below 0.25 is one that nobody would publish, by number. *Bad by eye* is what somebody said who looked at
every sheet (`benchmarks/accuracy/judged.json`). Wrong merges and splits are counted where it is known who is seen when
(–: not known): a labelled person too many in a published one, a published person too many for a labelled one.

The naive way: {NAIVE[0].lower()}{NAIVE[1:]}

Sheets of everybody published, with their whole frame and the best of each of their tracks, and of everybody seen but
not published, are written to `out/accuracy/real/`, to be looked at.
"""


def judge(words: list[str]) -> int:
    """Writes down what somebody saw on the last run's sheets; `words` are `number=why`."""
    said = dict(word.split("=", 1) for word in words)
    pictures = json.loads((FOLDER / "pictures.json").read_text())
    unknown = set(said) - {str(one["number"]) for one in pictures}
    if unknown:
        print(f"no such picture: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    judged = read_judged(JUDGED)
    for one in pictures:
        ones = judged.setdefault(one["video"], [])
        while (earlier := judgement_of(ones, one["t_s"], one["x"], one["y"])) is not None:
            ones.remove(earlier)
        ones.append(Judgement(one["t_s"], one["x"], one["y"], said.get(str(one["number"]), "")))
    write_judged(JUDGED, judged)
    print(f"{len(pictures)} pictures looked at, {len(said)} not to be published")
    return 0


if __name__ == "__main__":
    sys.exit(judge(sys.argv[1:]))
