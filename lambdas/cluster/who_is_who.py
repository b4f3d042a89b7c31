"""The identity of every track of a video. Pure: no files."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from lambdas.cluster.clarity import clarity_of
from lambdas.cluster.corrections import Corrected, apply_corrections
from lambdas.cluster.footage import Footage
from lambdas.cluster.identities import Identities, identify
from lambdas.cluster.scenes import join_columns
from lambdas.cluster.tracks import Tracks, gather_tracks, link_across_borders
from lambdas.contracts import Correction, Plan
from lambdas.shots.scene_changes import find_changes


def cuts_of(plan: Plan, footage: Footage) -> list[float]:
    """When scenes change, seconds."""
    columns = join_columns(footage.detections, footage.border_scores, plan.source)
    return [change.at_s for change in find_changes(columns, plan.settings)]


def who_is_who(plan: Plan, footage: Footage, cuts: Sequence[float]) -> tuple[Tracks, Identities]:
    """The tracks of all chunks and the identity of each."""
    settings, distances = plan.settings, plan.pack.distances
    period_s = settings.tier(plan.source.duration_s).period_s
    tracks = gather_tracks(footage.detections, clarity_of(footage.detections, footage.scores))
    links = link_across_borders(
        tracks,
        footage.detections,
        _border_cuts(footage, cuts, settings.scene_threshold),
        period_s / float(plan.source.time_base),
        distances.strict,
    )
    same, least = settings.same_person_distance, settings.min_sightings
    return tracks, identify(tracks, links, distances, same=same, least=least)


def who_is_who_corrected(
    plan: Plan, footage: Footage, cuts: Sequence[float], corrections: Sequence[Correction]
) -> tuple[Tracks, Corrected]:
    """The tracks of all chunks and the identity of each, as a person corrected them."""
    tracks, found = who_is_who(plan, footage, cuts)
    same = plan.settings.same_person_distance
    return tracks, apply_corrections(corrections, footage, tracks, found, plan.pack.distances, same=same)


def _border_cuts(footage: Footage, cuts: Sequence[float], threshold: float) -> list[bool]:
    """Whether a cut lies between each chunk and the next; so strict that also a change not kept as a cut counts."""
    found: list[bool] = []
    for before, after, score in zip(
        footage.documents[:-1], footage.documents[1:], footage.border_scores[1:], strict=True
    ):
        if before.last_pts is None or after.first_pts is None:
            found.append(True)
            continue
        last_s = footage.source.seconds(before.last_pts)
        first_s = footage.source.seconds(after.first_pts)
        between = bisect.bisect_right(cuts, first_s + 1e-6) > bisect.bisect_right(cuts, last_s)
        found.append(between or score >= threshold)
    return found
