"""How right a count of people is, and the pictures they are shown by. Pure, but for reading and writing judgements."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.accuracy.clips import Seen

LEAST_SCORE = 0.25
"""A best frame below this is one that nobody would publish, by number. Looking at 113 people published for other film,
those below it were black pictures, hands, napes and halves of faces."""
SEEN_S = 0.5
"""A stay that has a labelled person for so long, or for half of itself, shows that person; less is the end of one that
reaches across a cut."""
SAME_MOMENT_S = 0.2
SAME_PLACE = 0.08
"""A judgement is of a picture so near in time and place (share of the picture's width and height)."""


@dataclass(frozen=True)
class People:
    """How many people there are: as many as all would count, up to as many as one might."""

    fewest: int
    most: int

    def off(self, count: int) -> int:
        """By how many people a count is wrong; 0 within the range."""
        return max(self.fewest - count, count - self.most, 0)

    def __str__(self) -> str:
        return str(self.fewest) if self.fewest == self.most else f"{self.fewest} to {self.most}"


@dataclass(frozen=True)
class Stay:
    """Where somebody published is on screen without a break."""

    start_s: float
    end_s: float
    x: float
    y: float
    """The middle of the face as shares of the picture's width and height, mostly."""

    def shared_s(self, seen: Seen) -> float:
        """For how long the labelled person is in the same place."""
        left, top, right, bottom = seen.place
        here = left <= self.x < right and top <= self.y < bottom
        return max(0.0, min(self.end_s, seen.end_s) - max(self.start_s, seen.start_s)) if here else 0.0


def people_seen(stays: Sequence[Stay], labelled: Sequence[Seen]) -> set[str]:
    """Which labelled people somebody's stays show."""
    found = set()
    for stay in stays:
        shared: dict[str, float] = {}
        for seen in labelled:
            shared[seen.person] = shared.get(seen.person, 0.0) + stay.shared_s(seen)
        least = min(SEEN_S, max((stay.end_s - stay.start_s) / 2, 1e-6))
        found |= {person for person, seconds in shared.items() if seconds >= least}
    return found


@dataclass(frozen=True)
class Wrong:
    """How published people differ from the labelled ones."""

    merges: int
    """Labelled people too many in one published person: one that shows three counts two."""
    splits: int
    """Published people too many for one labelled person: somebody published three times counts two."""
    missing: int
    """Labelled people whom nobody published shows."""


def compare(published: Sequence[Sequence[Stay]], labelled: Sequence[Seen]) -> Wrong:
    """`published` holds each published person's stays; the places in `labelled` are shares of width and height."""
    shown = [people_seen(stays, labelled) for stays in published]
    times = Counter(person for people in shown for person in people)
    return Wrong(
        merges=sum(max(0, len(people) - 1) for people in shown),
        splits=sum(count - 1 for count in times.values()),
        missing=len({seen.person for seen in labelled} - set(times)),
    )


@dataclass(frozen=True)
class Judgement:
    """What somebody said who looked at a published picture. The same picture is the same whichever pack chose it."""

    t_s: float
    x: float
    y: float
    """The middle of the face as shares of the picture's width and height."""
    why: str
    """Why one would not publish it, in a word ("nape"); empty for a picture that one would."""

    def is_of(self, t_s: float, x: float, y: float) -> bool:
        near = abs(self.x - x) <= SAME_PLACE and abs(self.y - y) <= SAME_PLACE
        return near and abs(self.t_s - t_s) <= SAME_MOMENT_S + 1e-6

    def away(self, t_s: float, x: float, y: float) -> float:
        return abs(self.t_s - t_s) / SAME_MOMENT_S + (abs(self.x - x) + abs(self.y - y)) / SAME_PLACE


def judgement_of(judged: Sequence[Judgement], t_s: float, x: float, y: float) -> Judgement | None:
    """The nearest judgement of this picture, None where nobody has looked at it."""
    ones = [one for one in judged if one.is_of(t_s, x, y)]
    return min(ones, key=lambda one: one.away(t_s, x, y), default=None)


def read_judged(path: Path) -> dict[str, list[Judgement]]:
    """Judgements by video; none without the file."""
    if not path.is_file():
        return {}
    return {video: [Judgement(**one) for one in ones] for video, ones in json.loads(path.read_text()).items()}


def write_judged(path: Path, judged: Mapping[str, Sequence[Judgement]]) -> None:
    """One picture a line, in order of video and time."""
    videos = []
    for video in sorted(judged):
        ones = sorted(judged[video], key=lambda one: (one.t_s, one.x, one.y))
        lines = ",\n".join("  " + json.dumps(asdict(one)) for one in ones)
        videos.append(f" {json.dumps(video)}: [\n{lines}\n ]")
    path.write_text("{\n" + ",\n".join(videos) + "\n}\n")
