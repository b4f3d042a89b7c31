"""Every number that decides who is published, by which picture, and where scenes are: value, reason, material.

Values and reasons are read from the source, so they can't differ from it; on which material a number was chosen is
written down here, by module, and by name where it was another one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.accuracy.table import Part, Table

ROOT = Path(__file__).parent.parent.parent

WHO = "the 26 clips of *Who is who*"
BEST = "the trials of *Best frame* and the film they are cut from"
SCENES = "the clips of *Scenes*, but for `unseen`"
FILM = "the clips of *Scenes of real film*, but for those held out"
TEN = "the videos of *Representative frames*"
REAL = "the ten videos of *Real film*"
STILLS = "pictures of the gallery (LFW) and of a series (`data/stills`)"
SPEED = "the clips of [performance.md](performance.md), for speed"
SEEN = "27 public videos, ten of them in *Real film*: the people that the first release published, looked at"
GIVEN = "no clips: it follows from how video, detectors or eyes are"

MODULES = {
    "lambdas/cluster/best_frames.py": BEST,
    "lambdas/cluster/clarity.py": REAL,
    "lambdas/cluster/corrections.py": GIVEN,
    "lambdas/cluster/identities.py": f"{WHO}, {REAL}",
    "lambdas/cluster/tracks.py": WHO,
    "lambdas/cluster/representatives.py": TEN,
    "lambdas/cluster/scenes.py": SCENES,
    "lambdas/contracts/quality.py": f"{BEST}; {REAL}",
    "lambdas/detect/catalogue.py": STILLS,
    "lambdas/detect/decode/chunk_reader.py": SCENES,
    "lambdas/detect/decode/gop_activity.py": f"{WHO}; {SPEED}; `fades` of *Real film*",
    "lambdas/detect/decode/large_packets.py": SCENES,
    "lambdas/detect/decode/packet_buffer.py": SCENES,
    "lambdas/detect/faces/analyzer.py": BEST,
    "lambdas/detect/faces/attributes.py": BEST,
    "lambdas/detect/faces/detections.py": WHO,
    "lambdas/detect/faces/quality.py": BEST,
    "lambdas/detect/faces/sampling.py": f"{WHO}; {SPEED}",
    "lambdas/detect/faces/second_opinion.py": REAL,
    "lambdas/detect/pipeline.py": WHO,
    "lambdas/detect/refinement.py": f"{BEST}; {SPEED}",
    "lambdas/detect/selection/staging.py": BEST,
    "lambdas/detect/selection/targets.py": f"{BEST}; {TEN}",
    "lambdas/detect/shots/boundaries.py": f"{SCENES}; {FILM}",
    "lambdas/detect/shots/dissolves.py": f"{SCENES}; {BEST}",
    "lambdas/detect/shots/feature_track.py": f"{SCENES}; {FILM}",
    "lambdas/detect/shots/features.py": f"{SCENES}; {FILM}",
    "lambdas/detect/shots/static_gops.py": f"{WHO}; {SPEED}; `fades` of *Real film*",
    "lambdas/detect/tracking/association.py": WHO,
    "lambdas/detect/tracking/embeddings.py": f"{WHO}; pairs of strangers of eight videos, seven of them in *Real film*",
    "lambdas/detect/tracking/scores.py": BEST,
    "lambdas/scoring.py": f"{BEST}; {REAL}",
    "lambdas/dull_frames.py": f"{TEN}; {BEST}",
    "lambdas/shots/columns.py": f"{SCENES}; {FILM}",
    "lambdas/shots/bars.py": f"{SCENES}; {FILM}",
    "lambdas/shots/layouts.py": f"{SCENES}; {FILM}",
    "lambdas/shots/change.py": f"{SCENES}; {FILM}",
    "lambdas/shots/cuts.py": f"{SCENES}; {FILM}",
    "lambdas/shots/fades.py": f"{SCENES}; {FILM}",
    "lambdas/shots/windows.py": f"{SCENES}; {FILM}",
    "lambdas/shots/dissolves.py": f"{SCENES}; {FILM}",
    "lambdas/shots/wipes.py": f"{SCENES}; {FILM}",
    "lambdas/shots/wipe_fit.py": FILM,
}
"""On what the thresholds of each module were chosen."""

OTHERWISE = {
    "lambdas/cluster/clarity.py:CLEAR_PX": GIVEN,
    "lambdas/cluster/clarity.py:CLEAR_SCORE": SEEN,
    "lambdas/cluster/tracks.py:BORDER_PERIODS": GIVEN,
    "lambdas/detect/selection/staging.py:STAGED_PER_MINUTE": GIVEN,
    "lambdas/detect/faces/attributes.py:_EYE_MARGIN": GIVEN,
    "lambdas/detect/faces/analyzer.py:_READABLE_FRONTAL": REAL,
    "lambdas/detect/faces/analyzer.py:_SURELY_A_FACE": REAL,
    "lambdas/detect/faces/attributes.py:_EYE_WIDTH": GIVEN,
}
"""On what single ones were, by module and name."""

NO_THRESHOLDS = {
    "lambdas/cluster/clustering.py": {"APART", "LARGEST_TABLE"},
    "lambdas/cluster/merges.py": {"MOST_SUGGESTIONS"},
    "lambdas/detect/decode/packet_buffer.py": {"BACK_OFF_S", "BEFORE_START_S", "KEPT_BYTES"},
    "lambdas/detect/faces/attributes.py": {
        "_EYES",
        "_EYES_SIDE",
        "_EYE_SIDE",
        "_FACE",
        "_LOWER",
        "_MESH_SIDE",
        "_UPPER",
    },
    "lambdas/detect/faces/detections.py": {"STRIDE"},
    "lambdas/detect/faces/quality.py": {"_SIZE"},
    "lambdas/detect/refinement.py": {"_FEWEST_WAITING", "_WAITING_BYTES"},
    "lambdas/detect/shots/dissolves.py": {"_BLOCK"},
    "lambdas/detect/tracking/detection.py": {"_PATTERN_SIDE"},
    "lambdas/detect/shots/feature_track.py": {"BETWEEN_BYTES", "FEWEST_BETWEEN"},
    "lambdas/detect/shots/features.py": {"THUMBNAIL_HEIGHT", "THUMBNAIL_WIDTH"},
    "lambdas/shots/bars.py": {"_LEADING", "WHOLE"},
    "lambdas/shots/layouts.py": {"BLOCK"},
}
"""Shapes, networks' own numbers and bounds on memory, which decide nothing."""


@dataclass(frozen=True)
class Threshold:
    """One number, or several that have one reason."""

    module: str
    names: tuple[str, ...]
    values: tuple[str, ...]
    """As the source has them."""
    reason: str
    """The docstring beneath them; empty without one."""
    chosen_on: str


def thresholds_of(module: str, source: str) -> list[Threshold]:
    """The module's numbers in upper case, in its order."""
    found = []
    for names, values, reason in _constants(ast.parse(source)):
        kept = [at for at, name in enumerate(names) if name not in NO_THRESHOLDS.get(module, ())]
        if kept:
            first = names[kept[0]]
            chosen_on = OTHERWISE.get(f"{module}:{first}", MODULES.get(module, ""))
            found.append(
                Threshold(module, tuple(names[at] for at in kept), tuple(values[at] for at in kept), reason, chosen_on)
            )
    return found


def all_thresholds() -> list[Threshold]:
    """Those of MODULES, as they stand."""
    return [one for module in MODULES for one in thresholds_of(module, (ROOT / module).read_text())]


def _constants(tree: ast.Module) -> Iterator[tuple[list[str], list[str], str]]:
    """Names, values and docstring of each run of assignments that a docstring or something else ends."""
    names: list[str] = []
    values: list[str] = []
    for node in [*tree.body, ast.Pass()]:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            named = (
                [ast.unparse(one) for one in target.elts] if isinstance(target, ast.Tuple) else [ast.unparse(target)]
            )
            if all(name.strip("_").isupper() for name in named) and _has_number(node.value):
                names += named
                values += _values(node.value, len(named))
                continue
        told = node.value.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) else None
        if names:
            yield names, values, " ".join(told.split()) if isinstance(told, str) else ""
        names, values = [], []


def _values(value: ast.expr, count: int) -> list[str]:
    if count > 1 and isinstance(value, ast.Tuple) and len(value.elts) == count:
        return [ast.unparse(one) for one in value.elts]
    return [ast.unparse(value)]


def _has_number(value: ast.expr) -> bool:
    return any(isinstance(one, ast.Constant) and type(one.value) in (int, float) for one in ast.walk(value))


def run(quick: bool) -> Part:
    """The section of the document; nothing is measured."""
    ones = all_thresholds()
    tables = []
    for module in MODULES:
        rows = [
            (", ".join(f"`{name}`" for name in one.names), _code(one.values), _cell(one.reason), one.chosen_on)
            for one in ones
            if one.module == module
        ]
        if rows:
            tables.append(Table(f"`{module}`", ("threshold", "value", "reason", "chosen on"), rows))
    return Part("Thresholds, and what they were chosen on", (), (), (), HOW, tables)


def _code(values: tuple[str, ...]) -> str:
    return ", ".join(f"`{_cell(value)}`" for value in values)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


HOW = """
Values and reasons are those of the source. A number chosen on clips is flattered by results on those clips: what it is
worth shows on film it was not chosen on. The packs' distances and their material are in [models.md](models.md).
"""
