"""Scene changes as real film has them: bars, black and white, pale prints, title cards, wipes, slides, damage.

Beside clips made for it, the real videos whose changes are known; half of them no threshold has seen.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import av

from benchmarks.accuracy.clips import data_folder
from benchmarks.accuracy.clips_film import MAKERS, make_clip
from benchmarks.accuracy.clips_scenes import Change, Clip
from benchmarks.accuracy.scenes import badly_shown, by_pyscenedetect, by_us, f1, match, total
from benchmarks.accuracy.table import Part, Verdict

PEERS = ("content", "adaptive", "hash")
QUICK_CLIPS = ("gray_in_bars", "many_wipes")
TUNED_ON = ("fades", "small_on_blur", "handheld_profile", "series", "silent_film")
"""Real videos that thresholds were chosen on; the others were looked at once, at the end."""
NOT_SEEN = ("one_person_cuts", "stage_dark", "speaker_and_drawings", "street_crowd")
DISSOLVE_S = 0.6
"""Length of the dissolves in `fades`, by its description."""


def real_clips(folder: Path, names: Sequence[str]) -> list[Clip]:
    """Real videos of the test data and their changes; none where it has none."""
    truth_file = folder / "truth.json"
    if not truth_file.is_file():
        return []
    truth = json.loads(truth_file.read_text())["videos"]
    clips = []
    for name in names:
        path = folder / f"{name}.mp4"
        with av.open(str(path)) as container:
            frame_s = 1 / float(container.streams.video[0].average_rate or 25)
        half = DISSOLVE_S / 2 if name == "fades" else 0.0
        changes = [Change("dissolve" if half else "cut", at - half, at + half) for at in truth[name].get("cuts", [])]
        clips.append(Clip(name, path, changes, frame_s))
    return clips


def run(quick: bool) -> Part:
    """The part on real film; `quick` takes two clips and one of PySceneDetect's detectors."""
    data = data_folder()
    peers = PEERS[:1] if quick else PEERS
    rows: list[list[str]] = []
    sums: dict[str, tuple[int, int, int]] = {}
    bad: list[str] = []
    shown = off_frame = cuts = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = [make_clip(data / "videos", folder, clip) for clip in (QUICK_CLIPS if quick else MAKERS)]
        groups = {
            "made, tuned on": [clip for clip in made if clip.name != "another_throw"],
            "made, not seen": [clip for clip in made if clip.name == "another_throw"],
            "real, tuned on": [] if quick else real_clips(data / "real", TUNED_ON),
            "real, not seen": [] if quick else real_clips(data / "real", NOT_SEEN),
        }
        for group, clips in groups.items():
            ours: list[tuple[int, int, int]] = []
            theirs: dict[str, list[tuple[int, int, int]]] = {peer: [] for peer in peers}
            for clip in clips:
                found, selection, _ = by_us(clip, folder, 3600.0)
                matched = match([change.at_s for change in found], clip)
                ours.append(matched.counts)
                found_cuts = [(change, at) for change, at in matched.pairs if change.kind == "cut"]
                cuts += len(found_cuts)
                off_frame += sum(abs(at - change.start_s) > clip.frame_s for change, at in found_cuts)
                for peer in peers:
                    theirs[peer].append(match(by_pyscenedetect(clip, peer), clip).counts)
                if clip in made:
                    bad += badly_shown(selection, clip)
                    shown += len(selection.scenes)
                rows.append(_row(clip.name, group, ours[-1], [theirs[peer][-1] for peer in peers]))
            if clips:
                sums[group] = total(ours)
                rows.append(_row("all", group, sums[group], [total(theirs[peer]) for peer in peers]))
    tuned = sums["made, tuned on"]
    verdicts = [
        Verdict(f"F1 on made clips that thresholds were chosen on at least 0.95: {f1(tuned):.3f}", f1(tuned) >= 0.95),
        Verdict(f"Hard cuts found within a frame: {cuts - off_frame} of {cuts}", off_frame == 0),
    ]
    for group in ("made, not seen", "real, not seen"):
        if group in sums:
            figure = f1(sums[group])
            verdicts.append(Verdict(f"F1 on clips that no threshold has seen ({group}): {figure:.3f}", figure >= 0.9))
    return Part(
        title="Scenes of real film",
        header=["clip", "", "changes", "ours", "missed/false", *peers],
        rows=rows,
        verdicts=verdicts,
        how=HOW
        + f"\nScenes of made clips whose frame is far from the middle or in a transition: {len(bad)} of {shown}.",
        numbers={"f1": f1(tuned), "off_frame": float(off_frame), "missed": float(tuned[1]), "false": float(tuned[2])},
    )


def _row(name: str, group: str, ours: tuple[int, int, int], theirs: Sequence[tuple[int, int, int]]) -> list[str]:
    found, missed, false = ours
    return [
        name,
        group,
        str(found + missed),
        f"{f1(ours):.3f}",
        f"{missed}/{false}",
        *(f"{f1(one):.3f}" for one in theirs),
    ]


HOW = """
The clips are made while the benchmark runs (`benchmarks/accuracy/clips_film.py`), of the same footage as those above.
Thresholds for bars, pale pictures, jerks, wipes and slides (`lambdas/shots/`) were chosen on
the clips named tuned on, on black and white, sepia, pale and 4:3 copies of `people17`, and on the clips above;
`another_throw` and the real videos named not seen were measured once they stood. Numbers in the columns of detectors
are F1, of PySceneDetect's own manager on every frame. Nobody is looked for here: where faces are, looks at them find
more, as in `fades`, of which a run with a model pack finds 15 of 15. In `handheld_profile` what is taken for cuts is
a smear that is part of the picture: the file was encoded anew from a damaged one, so its decoder meets no damage.
"""
