"""The whole decision of cluster: who is in a video, which frames show it, where its scenes are. Pure: no files."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lambdas.cluster.corrections import Corrected
from lambdas.cluster.footage import Footage
from lambdas.cluster.people import Found, choose_people
from lambdas.cluster.representatives import choose_representatives, weigh_frames
from lambdas.cluster.scenes import choose_scenes, in_transition, join_columns
from lambdas.cluster.scores import score_people
from lambdas.cluster.suspicions import suspicions
from lambdas.cluster.who_is_who import who_is_who_corrected
from lambdas.contracts import (
    QUALITY_PARTS,
    ChooseBest,
    Correction,
    Gallery,
    Moment,
    Plan,
    SelectedFrame,
    SelectedScene,
    Selection,
    Settings,
    Sighting,
    UnmatchedCorrection,
)
from lambdas.shots.change import Change
from lambdas.shots.scene_changes import find_changes


def select(
    plan: Plan,
    footage: Footage,
    gallery: Gallery | None,
    corrections: Sequence[Correction] = (),
    moments: Sequence[Moment] = (),
) -> Selection:
    """The whole decision, with `cluster_s` 0; `moments` are frames staged for corrections."""
    settings = plan.settings
    changes = find_changes(join_columns(footage.detections, footage.border_scores, plan.source), settings)
    cuts = [change.at_s for change in changes]
    tracks, corrected = who_is_who_corrected(plan, footage, cuts, corrections)
    footage = score_people(footage, tracks, corrected.identities)
    people = choose_people(Found(plan, footage, tracks, corrected, cuts), gallery, moments)
    scenes, even = _scenes(footage, changes, settings)
    return Selection(
        run_id=plan.run_id,
        duration_s=footage.duration_s,
        frame_count=sum(document.frame_count for document in footage.documents),
        people=people.selected,
        unclear=people.unclear,
        suggested_merges=people.merges,
        representative=_representatives(footage, changes, settings.representative),
        scenes=scenes,
        scenes_are_even=even,
        notes=suspicions(footage),
        lost=footage.lost,
        looked_frames=sum(document.looked_frames for document in footage.documents),
        corrupt_frames=sum(document.corrupt_frames for document in footage.documents),
        detect_seconds=_detect_seconds(footage),
        cluster_s=0.0,
        corrections=corrected.applied - len(people.missing),
        unmatched=_unmatched(corrections, corrected, people.missing),
    )


def _scenes(footage: Footage, changes: Sequence[Change], settings: Settings) -> tuple[list[SelectedScene], bool]:
    """The scenes, and whether evenly spaced frames stand in for them."""
    if not settings.scenes:
        return [], False
    scenes, even = choose_scenes(changes, footage.duration_s, footage.staged, settings.min_scenes)
    selected = [
        SelectedScene(
            index=index,
            start_s=scene.start_s,
            end_s=scene.end_s,
            frame=footage.frame_ref(scene.staged),
            faces=footage.boxes(scene.staged),
        )
        for index, scene in enumerate(scenes)
    ]
    return selected, even


def _detect_seconds(footage: Footage) -> dict[str, float]:
    """Sum over the chunks, by step."""
    seconds: dict[str, float] = {}
    for document in footage.documents:
        for step, spent in document.seconds.items():
            seconds[step] = seconds.get(step, 0.0) + spent
    return {step: round(spent, 3) for step, spent in sorted(seconds.items())}


def _representatives(footage: Footage, changes: Sequence[Change], wanted: int) -> list[SelectedFrame]:
    if not footage.staged:
        return []
    part = QUALITY_PARTS.index("frontal")
    facing = np.zeros(len(footage.staged))
    for staged, rows in enumerate(footage.rows_of_staged):
        for chunk, row in rows:
            scores = footage.scores[chunk]
            facing[staged] = max(facing[staged], float(scores.parts[row, part]) * float(scores.numbers[row]))
    cuts = [change.at_s for change in changes]
    mixed = in_transition(footage.staged, changes)
    candidates = weigh_frames(footage.staged, footage.small, facing, mixed, cuts, footage.duration_s)
    chosen = choose_representatives(candidates, wanted, footage.duration_s)
    return [
        SelectedFrame(
            frame=footage.frame_ref(index),
            score=round(float(candidates.quality[index]), 4),
            faces=footage.boxes(index),
        )
        for index in sorted(chosen, key=lambda index: (footage.staged[index].t_s, index))
    ]


def _unmatched(
    corrections: Sequence[Correction], corrected: Corrected, missing: Sequence[Sighting]
) -> list[UnmatchedCorrection]:
    """Those that match nobody, and those that ask for a frame that is not here."""
    frames = [
        UnmatchedCorrection(
            number=number,
            do=correction.do,
            applied=False,
            reason="no frame of that moment was kept, and the video was not read for it",
            at_s=[correction.moment.t_s],
        )
        for number, correction in enumerate(corrections)
        if isinstance(correction, ChooseBest) and correction.moment in missing
    ]
    return sorted([*corrected.unmatched, *frames], key=lambda one: one.number)
