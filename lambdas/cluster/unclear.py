"""Why somebody is not listed among the people, in one word. Pure."""

from __future__ import annotations

from lambdas.cluster.clarity import CLEAR_PX, Clarity
from lambdas.contracts import Detections, FaceFlag, UnclearReason
from lambdas.scoring import Scores, named_flags

_REASON_OF_FLAG: dict[FaceFlag, UnclearReason] = {
    "too_dark": "dark",
    "too_bright": "bright",
    "in_transition": "mixed",
    "cut_off": "cut_off",
    "blurry": "blurry",
    "covered": "covered",
    "side_face": "turned",
    "eyes_closed": "eyes",
    "too_small": "small",
}
"""What weighs most comes first: in the dark a face also seems covered, blurred and turned."""


def reason_of(columns: Detections, scores: Scores, clarity: Clarity, row: int) -> UnclearReason:
    """By the best picture there is of them, `row`."""
    if clarity.front[row]:
        return "brief"
    if clarity.side[row]:
        return "turned"
    left, top, right, bottom = columns.boxes[row].tolist()
    if min(right - left, bottom - top) < CLEAR_PX:
        return "small"
    flags = set(named_flags(int(scores.flags[row])))
    if not columns.confirmed[row] and not flags & {"too_dark", "cut_off"}:
        return "doubtful"
    return next((reason for flag, reason in _REASON_OF_FLAG.items() if flag in flags), "doubtful")
