"""Numbers that say how good a grouping of faces into people is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Score:
    """How a grouping of sightings compares with the truth."""

    people: int
    """People reported."""
    true_people: int
    precision: float
    """B-cubed: for an average sighting, the share of its group that is the same person (Bagga & Baldwin, 1998)."""
    recall: float
    """B-cubed: for an average sighting, the share of its person's sightings that are in its group."""
    purity: float
    """Share of sightings that are of the person their group has most of (weighted cluster purity)."""
    wrong_merges: int
    """People too many within the reported people: a group of sightings of three people counts two."""
    wrong_splits: int
    """Reported people too many for the true ones: someone reported three times counts two."""
    sightings: int

    @property
    def f(self) -> float:
        return (
            2 * self.precision * self.recall / (self.precision + self.recall) if self.precision + self.recall else 0.0
        )

    @property
    def ratio(self) -> float:
        """People reported over true people; 1 where both are none."""
        if self.true_people:
            return self.people / self.true_people
        return 1.0 if not self.people else float("inf")


def b_cubed(truth: Sequence[Hashable], found: Sequence[Hashable]) -> tuple[float, float]:
    """Precision and recall, both 1 for nothing at all."""
    if not truth:
        return 1.0, 1.0
    both = Counter(zip(truth, found, strict=True))
    of_truth, of_found = Counter(truth), Counter(found)
    precision = sum(count * count / of_found[group] for (_, group), count in both.items())
    recall = sum(count * count / of_truth[person] for (person, _), count in both.items())
    return precision / len(truth), recall / len(truth)


def score(truth: Sequence[str | None], found: Sequence[int], reported: set[int], true_people: int) -> Score:
    """`truth` is who each sighting is (None: nobody, a false alarm), `found` its group, `reported` the groups that
    count as people.

    A false alarm is a person of its own. It costs precision where it was put into a group with others.
    """
    who: list[Hashable] = [("false alarm", index) if person is None else person for index, person in enumerate(truth)]
    precision, recall = b_cubed(who, found)
    people_in: dict[int, Counter[str]] = {}
    groups_of: dict[str, set[int]] = {}
    most = Counter[int]()
    largest: dict[int, int] = {}
    for (person, group), count in Counter(zip(who, found, strict=True)).items():
        largest[group] = max(largest.get(group, 0), count)
        if isinstance(person, str):
            people_in.setdefault(group, Counter())[person] += count
            if group in reported:
                groups_of.setdefault(person, set()).add(group)
    most.update(largest)
    owners = {group: people.most_common(1)[0][0] for group, people in people_in.items()}
    merges = sum(len(people) - 1 for group, people in people_in.items() if group in reported)
    # A person's few stray sightings in another's group are that group's wrong merge, not another split.
    splits = sum(max(0, sum(owners[group] == person for group in groups) - 1) for person, groups in groups_of.items())
    return Score(
        people=len(reported),
        true_people=true_people,
        precision=precision,
        recall=recall,
        purity=most.total() / len(truth) if truth else 1.0,
        wrong_merges=merges,
        wrong_splits=splits,
        sightings=len(truth),
    )


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a share; 95% with z = 1.96 (Wilson, 1927)."""
    if of == 0:
        return 0.0, 1.0
    share = hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * float(np.sqrt(share * (1 - share) / of + z * z / (4 * of * of)))
    return max(0.0, middle - half), min(1.0, middle + half)


def relabelled(labels: Sequence[int]) -> NDArray[np.int64]:
    """The same grouping with numbers from 0 in order of first appearance: equal groupings become equal arrays."""
    first: dict[int, int] = {}
    return np.array([first.setdefault(label, len(first)) for label in labels], np.int64)
