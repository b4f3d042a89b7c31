"""What a reader of the results should know, in sentences. Pure."""

from __future__ import annotations

from lambdas.contracts import Limits, Plan, Selection, SourceFacts

ENDS_EARLY_S, ENDS_EARLY_SHARE = 0.25, 0.01
"""So much less than promised, the larger of the two, is the last frame's length, or a header's rounding."""
MOST_STRETCHES_NAMED = 10


def notes_of(plan: Plan, selection: Selection) -> list[str]:
    """What split and cluster noted, and what of the results is to be known."""
    notes = [*plan.notes, *selection.notes]
    if selection.lost:
        notes.append(_missing(plan, selection))
    else:
        notes += losses(plan.source, selection.duration_s, selection.frame_count)
    frames = len(selection.representative)
    if frames < plan.settings.representative:
        has = "1 frame" if frames == 1 else f"{frames} frames"
        notes.append(
            f"The video gave only {has} that could be published, fewer than the {plan.settings.representative} "
            "representative frames asked for: all are published."
        )
    notes += about_people(len(selection.people), len(selection.unclear), plan.settings.limits)
    if selection.scenes_are_even:
        notes.append(
            f"The video has fewer than {plan.settings.min_scenes} scenes: evenly spaced frames stand in for them."
        )
    for one in selection.unmatched:
        part = "applies in part" if one.applied else "no longer applies"
        notes.append(f"Correction {one.number + 1} ({one.do}) {part}: {one.reason}.")
    if selection.corrupt_frames:
        notes.append(f"{selection.corrupt_frames} damaged frames were passed over.")
    return notes


def about_people(people: int, unclear: int, limits: Limits) -> list[str]:
    """What is to be known of who was found, by how many clearly and how many unclearly."""
    notes = []
    if not people and unclear:
        notes.append("Nobody was seen clearly in this video; those seen unclearly are listed apart.")
    elif not people:
        notes.append("Nobody was found in this video.")
    if people == limits.max_people:
        notes.append(f"No more than the {people} people longest on screen are published (limits.max_people).")
    return notes


def _missing(plan: Plan, selection: Selection) -> str:
    """Which stretches of the video are missing, in a sentence."""
    lost = selection.lost
    stretches = ", ".join(f"{one.start_s:.1f} to {one.end_s:.1f} s" for one in lost[:MOST_STRETCHES_NAMED])
    more = f" and {len(lost) - MOST_STRETCHES_NAMED} more" if len(lost) > MOST_STRETCHES_NAMED else ""
    return (
        f"{len(lost)} of {len(plan.chunks)} parts of the video could not be worked through and are missing here: "
        f"{stretches}{more}."
    )


def losses(source: SourceFacts, met_s: float, frame_count: int) -> list[str]:
    """What the container promised and nobody met, in sentences."""
    notes = []
    if met_s < source.promised_s - max(ENDS_EARLY_S, ENDS_EARLY_SHARE * source.promised_s):
        notes.append(f"The video ends early: {met_s:.1f} of {source.promised_s:.1f} s could be read.")
    if frame_count < source.packets:
        notes.append(f"{source.packets - frame_count} of the file's {source.packets} frames were not met.")
    return notes
