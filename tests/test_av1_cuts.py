"""Hard cuts in AV1, whose encoders hide frames and show them later, are found at the very frame."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.accuracy.stages import process
from lambdas.contracts import Settings
from tests.clips import RATE, ffmpeg

CUTS = (37, 88, 131)
"""Numbers of frames, none of them at a keyframe that would stand there anyway."""
FRAMES = 175
SCENES = ("testsrc2", "mandelbrot", "life=mold=10:ratio=0.3:death_color=#C83232:life_color=#00ff00:seed=1")
ENCODERS = {
    "svt.mp4": "-c:v libsvtav1 -preset 12 -svtav1-params lp=1:keyint=250",
    "svt_low_delay.mp4": "-c:v libsvtav1 -preset 12 -svtav1-params lp=1:pred-struct=1:keyint=60",
    "svt.webm": "-c:v libsvtav1 -preset 12 -svtav1-params lp=1:keyint=250:scd=1",
    "aom.mkv": "-c:v libaom-av1 -usage realtime -cpu-used 8 -threads 1 -g 250 -crf 40",
}
"""What ffmpeg is told, by file."""


def film(path: Path, encoder: str) -> Path:
    """A moving picture for each scene, the first one again at the end."""
    shown = [*SCENES, SCENES[0]]
    inputs = [f"{scene}{':' if '=' in scene else '='}size=160x96:rate={RATE}" for scene in shown]
    spans = list(pairwise((0, *CUTS, FRAMES)))
    parts = [
        f"[{number}:v]trim=end_frame={end - begin},setpts=PTS-STARTPTS,format=yuv420p[v{number}]"
        for number, (begin, end) in enumerate(spans)
    ]
    joined = "".join(f"[v{number}]" for number in range(len(spans)))
    graph = ";".join([*parts, f"{joined}concat=n={len(spans)}[v]"])
    given = [argument for one in inputs for argument in ("-f", "lavfi", "-i", one)]
    ffmpeg(*given, "-filter_complex", graph, "-map", "[v]", *encoder.split(), str(path))
    return path


@pytest.mark.parametrize("chunk_s", [60, 2])
@pytest.mark.parametrize("file", ENCODERS)
def test_a_cut_in_av1_is_found_at_its_frame(file: str, chunk_s: float, tmp_path: Path) -> None:
    """Also where it is a chunk's last frame: four chunks end at 43.75, 87.5 and 131.25 frames."""
    clip = film(tmp_path / file, ENCODERS[file])
    plan, selection, _ = process(clip, tmp_path / "staging", Settings(min_scenes=0, chunk_s=chunk_s))
    assert plan.source.codec == "libdav1d"
    assert [round(scene.start_s * RATE) for scene in selection.scenes] == [0, *CUTS]
