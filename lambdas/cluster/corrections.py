"""What a person corrected, applied to the identities that were found. Pure: no files.

Corrections name presences by sightings, a moment and a box each. So they outlive settings, model packs and versions:
what is detected there now is what they mean. They are applied in order, after the identities are found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from lambdas.cluster.footage import Footage
from lambdas.cluster.groups import renumbered
from lambdas.cluster.identities import Identities, regroup
from lambdas.cluster.tracks import Tracks, overlap
from lambdas.contracts import (
    ChooseBest,
    Correction,
    Distances,
    LeaveOut,
    MergePeople,
    NamePerson,
    Sighting,
    SplitTracks,
    UnmatchedCorrection,
)

SAME_FACE_OVERLAP = 0.3
"""IoU from which a box is a correction's: detectors of different packs draw one face with 0.5 to 0.9, and a head moves
little between two detections."""
REACH_S = 0.6
"""How long before its first and after its last detection a track may still be meant: another run looks at other frames,
a scan period of the default settings apart at most."""
WITHIN_S = 0.05
"""A track that reaches out of a corrected presence by so little belongs to it."""

LeftOut = Literal["drop", "hide"]


@dataclass(frozen=True)
class Corrected:
    """The identities with a person's corrections, which are about numbers of these identities."""

    identities: Identities
    names: dict[int, str | None]
    left_out: dict[int, LeftOut]
    best: dict[int, Sighting]
    """The moment of the best frame."""
    asked_for: set[int]
    """Identities that a correction made or named: people, however seldom they were seen clearly."""
    applied: int
    unmatched: list[UnmatchedCorrection]


@dataclass
class _Board:
    """The identity of each unit while corrections are applied, and what they said of identities."""

    label: NDArray[np.int64]
    """(u,)"""
    weight: NDArray[np.int64]
    """(u,) detections."""
    is_person: dict[int, bool]
    names: dict[int, str | None] = field(default_factory=dict)
    left_out: dict[int, LeftOut] = field(default_factory=dict)
    best: dict[int, Sighting] = field(default_factory=dict)
    asked_for: set[int] = field(default_factory=set)
    apart: set[tuple[int, int]] = field(default_factory=set)
    """Pairs of units."""

    def new_label(self, *, is_person: bool) -> int:
        label = max(self.is_person, default=-1) + 1
        self.is_person[label] = is_person
        return label

    def gather(self, units: set[int]) -> int:
        """One identity of all these units: their own, or a new one where they are the lesser part of another's.

        An identity of which they are half, by detections, joins whole.
        """
        members = np.array(sorted(units), np.int64)
        share: dict[int, int] = {}
        for unit in members.tolist():
            share[int(self.label[unit])] = share.get(int(self.label[unit]), 0) + int(self.weight[unit])
        whole = [label for label, seen in share.items() if 2 * seen >= int(self.weight[self.label == label].sum())]
        person = any(self.is_person[label] for label in share)
        # The one seen most keeps its number, and with it what was said of it.
        target = max(whole, key=lambda label: (share[label], -label)) if whole else self.new_label(is_person=person)
        for label in whole:
            self.join(label, target)
        self.label[members] = target
        self.is_person[target] = person
        return target

    def join(self, label: int, target: int) -> None:
        """Makes identity `label` part of `target`, which keeps what was said of it."""
        if label == target:
            return
        self.label[self.label == label] = target
        self.is_person[target] = self.is_person[target] or self.is_person[label]
        _hand_over(self.names, label, target)
        _hand_over(self.left_out, label, target)
        _hand_over(self.best, label, target)
        if label in self.asked_for:
            self.asked_for.add(target)


T = TypeVar("T")


def _hand_over(said: dict[int, T], label: int, target: int) -> None:
    """What was said of `label` is said of `target` now, unless something was said of that."""
    if label in said:
        of_label = said.pop(label)
        said.setdefault(target, of_label)


def apply_corrections(
    corrections: Sequence[Correction],
    footage: Footage,
    tracks: Tracks,
    found: Identities,
    distances: Distances,
    *,
    same: float | None = None,
) -> Corrected:
    """The identities as corrected; without corrections those that were found.

    A correction some of whose sightings match nobody is applied by the rest, and listed as unmatched as well. Two
    people whom a person merges are one, even where both were seen in one frame: a mirror, a poster.
    """
    if not corrections:
        return Corrected(found, {}, {}, {}, set(), 0, [])
    places = _Places.of(footage, tracks)
    unit_of_track = found.unit_of_track
    count = int(unit_of_track.max(initial=-1)) + 1
    label = np.zeros(count, np.int64)
    label[unit_of_track] = found.of_track
    weight = np.zeros(count, np.int64)
    np.add.at(weight, unit_of_track, [len(rows) for rows in tracks.rows])
    board = _Board(label, weight, dict(enumerate(found.is_person.tolist())))
    unmatched: list[UnmatchedCorrection] = []
    applied = 0

    def units_of(sightings: Sequence[Sighting], missed: list[float]) -> set[int]:
        """The units of these presences: who is at each sighting, and what else of the same identity lies within."""
        units: set[int] = set()
        for sighting in sightings:
            track = places.track_at(sighting)
            if track is None:
                missed.append(round(sighting.t_s, 3))
                continue
            unit = int(unit_of_track[track])
            units.add(unit)
            for other in places.within(sighting):
                if board.label[unit_of_track[other]] == board.label[unit]:
                    units.add(int(unit_of_track[other]))
        return units

    for number, correction in enumerate(corrections):
        missed: list[float] = []
        reason = _apply(correction, board, units_of, missed)
        applied += not reason
        if reason or missed:
            unmatched.append(
                UnmatchedCorrection(
                    number=number,
                    do=correction.do,
                    applied=not reason,
                    reason=reason or "some of its presences are not detected any more",
                    at_s=missed,
                )
            )
    return replace(_corrected(board, found, tracks, distances, same), applied=applied, unmatched=unmatched)


def rows_of(
    footage: Footage, tracks: Tracks, identities: Identities, sightings: Sequence[Sighting]
) -> list[tuple[int, int]]:
    """All detections, as position of the chunk and row, of the identities seen at these sightings; by PTS."""
    places = _Places.of(footage, tracks)
    found = {track for track in map(places.track_at, sightings) if track is not None}
    meant = {int(identities.of_track[track]) for track in found}
    rows = [
        (int(tracks.chunk[track]), row)
        for track in np.flatnonzero(np.isin(identities.of_track, list(meant))).tolist()
        for row in tracks.rows[track].tolist()
    ]
    return sorted(rows, key=lambda at: (int(footage.detections[at[0]].pts[at[1]]), at))


_NOBODY = "nobody is detected where it was made"
_UnitsOf = Callable[[Sequence[Sighting], list[float]], set[int]]
"""Sightings to units; adds the times of those that match nobody to the list."""


def _apply(correction: Correction, board: _Board, units_of: _UnitsOf, missed: list[float]) -> str:
    """Applies one correction; why it can't be, or empty."""
    if isinstance(correction, MergePeople):
        groups = [units for units in (units_of(person, missed) for person in correction.people) if units]
        if len(groups) < 2:
            return "fewer than two of its people are detected any more"
        target, *others = [board.gather(units) for units in groups]
        for other in others:
            board.join(other, target)
        board.asked_for.add(target)
        return ""
    if isinstance(correction, SplitTracks):
        rest, tracks = units_of(correction.person, missed), units_of(correction.tracks, missed)
        tracks -= rest
        if not tracks or not rest:
            return _NOBODY if not tracks else "the rest of the person is not detected any more"
        stays = {int(board.label[unit]) for unit in rest}
        leaving = {unit for unit in tracks if int(board.label[unit]) in stays}
        if leaving:
            of = board.new_label(is_person=any(board.is_person[int(board.label[unit])] for unit in leaving))
            board.label[sorted(leaving)] = of
            board.asked_for.add(of)
        # Also where this run told them apart by itself: nobody is to suggest that they are one.
        board.apart |= {(min(rest), unit) for unit in tracks}
        return ""
    units = units_of(correction.person, missed)
    if not units:
        return _NOBODY
    label = board.gather(units)
    if isinstance(correction, NamePerson):
        board.names[label] = correction.name
        board.asked_for.add(label)
    elif isinstance(correction, LeaveOut):
        board.left_out[label] = correction.do
    elif isinstance(correction, ChooseBest):
        board.best[label] = correction.moment
        board.asked_for.add(label)
    return ""


def _corrected(board: _Board, found: Identities, tracks: Tracks, distances: Distances, same: float | None) -> Corrected:
    """The board's labels as identities, everything said of a label said of its identity."""
    by_track = board.label[found.unit_of_track]
    of_track = renumbered(by_track)
    number = {int(label): int(identity) for label, identity in zip(by_track, of_track, strict=True)}
    is_person = np.zeros(int(of_track.max(initial=-1)) + 1, bool)
    for label, identity in number.items():
        is_person[identity] = board.is_person[label] or label in board.asked_for
    apart = {
        (min(a, b), max(a, b))
        for a, b in ((number[int(board.label[a])], number[int(board.label[b])]) for a, b in board.apart)
        if a != b
    }
    return Corrected(
        identities=regroup(found, tracks, of_track, is_person, apart, distances, same=same),
        names={number[label]: name for label, name in board.names.items()},
        left_out={number[label]: why for label, why in board.left_out.items()},
        best={number[label]: moment for label, moment in board.best.items()},
        asked_for={number[label] for label in board.asked_for if label in number},
        applied=0,
        unmatched=[],
    )


@dataclass(frozen=True)
class _Places:
    """Where and when each track (t) was seen."""

    footage: Footage
    tracks: Tracks
    seconds: list[NDArray[np.float64]]
    """Per track, ascending."""
    start_s: NDArray[np.float64]
    """(t,)"""
    end_s: NDArray[np.float64]

    @classmethod
    def of(cls, footage: Footage, tracks: Tracks) -> _Places:
        by_chunk = [footage.seconds(chunk) for chunk in range(len(footage.detections))]
        seconds = [by_chunk[chunk][rows] for chunk, rows in zip(tracks.chunk.tolist(), tracks.rows, strict=True)]
        edges = np.array([[times[0], times[-1]] for times in seconds], np.float64).reshape(-1, 2)
        return cls(footage, tracks, seconds, edges[:, 0], edges[:, 1])

    def track_at(self, sighting: Sighting) -> int | None:
        """The track whose face is where this one was, at this moment; None where there is none."""
        at = sighting.t_s
        near = np.flatnonzero((self.start_s <= at + REACH_S) & (self.end_s >= at - REACH_S))
        wanted = np.array(sighting.box, np.float32)
        found = [(overlap(self.box_at(track, at), wanted), -track) for track in near.tolist()]
        best, track = max(found, default=(0.0, 0))
        return -track if best >= SAME_FACE_OVERLAP else None

    def box_at(self, track: int, at: float) -> NDArray[np.float32]:
        """(4,) xyxy, between two detections in proportion."""
        boxes = self.footage.detections[int(self.tracks.chunk[track])].boxes[self.tracks.rows[track]]
        times = self.seconds[track]
        return np.array([np.interp(at, times, boxes[:, edge]) for edge in range(4)], np.float32)

    def within(self, sighting: Sighting) -> list[int]:
        """Tracks that lie within the presence a sighting was chosen from."""
        inside = (self.start_s >= sighting.start_s - WITHIN_S) & (self.end_s <= sighting.end_s + WITHIN_S)
        found: list[int] = np.flatnonzero(inside).tolist()
        return found
