"""What two runs of one video found differently: people gained, lost, merged, split; frames changed. Pure.

People are told to be the same by when and where they are on screen: their embeddings are in no manifest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lambdas.publish.manifest import Manifest, Person, Scene, Track

SHARED = 0.3
"""Share of the shorter screen time that two people must share to be one, or parts of one."""
AWAY = 2.5
"""Widths of a face within which two boxes of overlapping presences can be one face: heads move in between."""
SAME_FRAME_S = 0.045
"""Frames nearer than this are taken for one; at 25 frames a second they are 0.04 s apart."""
SAME_CUT_S = 0.1

Change = Literal["same", "gained", "lost", "merged", "split", "regrouped"]


@dataclass(frozen=True)
class Group:
    """People of both runs who are one, or parts of one."""

    change: Change
    before: list[Person]
    after: list[Person]

    @property
    def renamed(self) -> bool:
        return {person.name for person in self.before} != {person.name for person in self.after}

    @property
    def best_moved_s(self) -> float | None:
        """How far the best frame moved; None where it is the same, or there is more than one person."""
        if self.change != "same":
            return None
        moved = self.after[0].best_frame.t_s - self.before[0].best_frame.t_s
        return moved if abs(moved) > SAME_FRAME_S else None


@dataclass(frozen=True)
class Comparison:
    before: Manifest
    after: Manifest
    groups: list[Group]
    """Those that changed first, then by screen time."""
    representative_lost: list[float]
    """Seconds of representative frames that the second run has no longer, and of those it has instead."""
    representative_gained: list[float]
    cuts_lost: list[float]
    cuts_gained: list[float]
    settings: list[str]
    """Settings, models and version that differ, as `name: before -> after`."""
    other_video: bool
    """Whether length or size of the pictures say that these are two videos."""

    @property
    def is_same(self) -> bool:
        """Whether the runs found the same."""
        people = all(
            group.change == "same" and not group.renamed and group.best_moved_s is None for group in self.groups
        )
        return people and not (
            self.representative_lost or self.representative_gained or self.cuts_lost or self.cuts_gained
        )


def compare(before: Manifest, after: Manifest) -> Comparison:
    """What the second run found differently from the first."""
    one, other = before.source, after.source
    longest = max(one.duration_s, other.duration_s)
    frames = [[frame.t_s for frame in manifest.representative_frames] for manifest in (before, after)]
    cuts = [_cuts(manifest.scenes) for manifest in (before, after)]
    return Comparison(
        before=before,
        after=after,
        groups=_groups(before, after),
        representative_lost=_without(frames[0], frames[1], SAME_FRAME_S),
        representative_gained=_without(frames[1], frames[0], SAME_FRAME_S),
        cuts_lost=_without(cuts[0], cuts[1], SAME_CUT_S),
        cuts_gained=_without(cuts[1], cuts[0], SAME_CUT_S),
        settings=_settings(before, after),
        other_video=abs(one.duration_s - other.duration_s) > max(1.0, 0.01 * longest)
        or abs(one.width * other.height - other.width * one.height) > 0.02 * one.width * other.height,
    )


def _groups(before: Manifest, after: Manifest) -> list[Group]:
    shared = _shared(before, after)
    for (b, a), seconds in _shared(after, before).items():
        shared[a, b] = max(shared.get((a, b), 0.0), seconds)
    parent = {("before", person.id): ("before", person.id) for person in before.people}
    parent |= {("after", person.id): ("after", person.id) for person in after.people}

    def root(node: tuple[str, int]) -> tuple[str, int]:
        while parent[node] != node:
            node = parent[node]
        return node

    for one in before.people:
        for other in after.people:
            least = SHARED * max(0.01, min(one.screen_time_s, other.screen_time_s))
            if shared.get((one.id, other.id), 0.0) >= least:
                parent[root(("after", other.id))] = root(("before", one.id))
    members: dict[tuple[str, int], tuple[list[Person], list[Person]]] = {}
    for side, people in enumerate((before.people, after.people)):
        for person in people:
            members.setdefault(root(("after" if side else "before", person.id)), ([], []))[side].append(person)
    groups = [Group(_change(len(were), len(are)), were, are) for were, are in members.values()]

    def order(group: Group) -> tuple[bool, float]:
        return group.change == "same", -max(person.screen_time_s for person in (*group.before, *group.after))

    return sorted(groups, key=order)


def _change(were: int, are: int) -> Change:
    if were == are == 1:
        return "same"
    if not were:
        return "gained"
    if not are:
        return "lost"
    return "merged" if are == 1 else "split" if were == 1 else "regrouped"


def _shared(one: Manifest, other: Manifest) -> dict[tuple[int, int], float]:
    """Seconds that each two people are on screen together in the same place: each presence of `one` counts for whom of
    `other` it lies nearest to."""
    found: dict[tuple[int, int], float] = {}
    tracks = [(person, track) for person in other.people for track in person.tracks]
    for person in one.people:
        for track in person.tracks:
            near = [
                (_away(track, one, theirs, other), -_together(track, theirs), who.id)
                for who, theirs in tracks
                if _together(track, theirs) > 0
            ]
            # One presence may be several in the other run, one after the other.
            closest = min(near, default=(AWAY, 0.0, 0))[0]
            for away, together, who in near:
                if away <= AWAY and away <= closest + 0.5:
                    found[person.id, who] = found.get((person.id, who), 0.0) - together
    return found


def _together(one: Track, other: Track) -> float:
    return max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))


def _away(one: Track, of_one: Manifest, other: Track, of_other: Manifest) -> float:
    """How far two presences' boxes lie apart, in widths of the larger face; 0 where a run tells no boxes."""
    if one.best_box is None or other.best_box is None:
        return 0.0
    a = [edge / of_one.source.width for edge in one.best_box]
    b = [edge / of_other.source.width for edge in other.best_box]
    across = (a[0] + a[2] - b[0] - b[2]) / 2
    down = (a[1] + a[3] - b[1] - b[3]) / 2
    return float((across**2 + down**2) ** 0.5 / max(a[2] - a[0], b[2] - b[0], 1e-6))


def _cuts(scenes: Sequence[Scene]) -> list[float]:
    return [scene.start_s for scene in scenes[1:]]


def _without(these: Sequence[float], those: Sequence[float], near_s: float) -> list[float]:
    """Times of the first list that have none of the second nearby."""
    return [round(t, 3) for t in these if all(abs(t - other) > near_s for other in those)]


def _settings(before: Manifest, after: Manifest) -> list[str]:
    found: list[str] = []

    def tell(name: str, one: Any, other: Any) -> None:
        if isinstance(one, dict) and isinstance(other, dict):
            for key in sorted(one.keys() | other.keys()):
                tell(f"{name}.{key}" if name else key, one.get(key), other.get(key))
        elif one != other:
            found.append(f"{name}: {one} -> {other}")

    tell("", before.settings.model_dump(mode="json"), after.settings.model_dump(mode="json"))
    tell("pack", before.models.pack, after.models.pack)
    tell("pipeline_version", before.pipeline_version, after.pipeline_version)
    return found


def sentences(comparison: Comparison, label: Callable[[Person], str]) -> list[str]:
    """The comparison in words, a line for each thing."""
    lines: list[str] = []
    if comparison.other_video:
        lines.append("These seem to be runs of two different videos.")
    counts = [f"{len(manifest.people)} people" for manifest in (comparison.before, comparison.after)]
    lines.append(f"{counts[0]} before, {counts[1]} after")
    for group in comparison.groups:
        were = ", ".join(f"{label(person)} (id {person.id})" for person in group.before)
        are = ", ".join(f"{label(person)} (id {person.id})" for person in group.after)
        if group.change == "same":
            if group.renamed:
                lines.append(f"renamed    {were} -> {are}")
            if group.best_moved_s is not None:
                at = [f"{side[0].best_frame.t_s:.2f} s" for side in (group.before, group.after)]
                lines.append(f"best frame {are}: {at[0]} -> {at[1]}")
        elif group.change in ("gained", "lost"):
            lines.append(f"{group.change:<10} {are or were}")
        else:
            lines.append(f"{group.change:<10} {were} -> {are}")
    for name, gone, came in (
        ("representative frames", comparison.representative_lost, comparison.representative_gained),
        ("cuts", comparison.cuts_lost, comparison.cuts_gained),
    ):
        if gone or came:
            lines.append(f"{name}: {len(gone)} gone{_times(gone)}, {len(came)} new{_times(came)}")
    if comparison.is_same:
        lines.append("The same people, best frames, representative frames and scenes.")
    lines += [f"setting    {line}" for line in comparison.settings]
    return lines


def _times(times: Sequence[float]) -> str:
    if not times:
        return ""
    return f" ({', '.join(f'{t:.2f}' for t in times[:5])}{', ...' if len(times) > 5 else ''} s)"
