"""A clip of known people, from pictures that installed packages bring along."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from tests.clips import ffmpeg

VIEWS = (
    ("skimage", "data/astronaut.png", 0, 0, 464, 261),
    ("insightface", "data/images/t1.jpg", 394, 240, 460, 259),
    ("skimage", "data/coffee.png", 0, 20, 540, 303),
)
"""Package, picture, and where in it a camera move begins: x, y, width, height."""


def make_clip(path: Path, *seconds: float) -> Path:
    """A clip of known people from pictures inside installed packages, 640x360, one shot for each length given."""
    inputs: list[str] = []
    filters = []
    for number, length in enumerate(seconds):
        package, picture, x, y, width, height = VIEWS[number % len(VIEWS)]
        spec = find_spec(package)
        assert spec is not None and spec.origin is not None
        inputs += ["-loop", "1", "-framerate", "25", "-t", str(length), "-i", str(Path(spec.origin).parent / picture)]
        view = f"crop={width}:{height}:{x}+12*t:{y}+6*t,scale=640:360,setsar=1,format=yuv420p"
        filters.append(f"[{number}:v]{view}[v{number}]")
    joined = "".join(f"[v{number}]" for number in range(len(seconds)))
    graph = ";".join([*filters, f"{joined}concat=n={len(seconds)}[v]"])
    ffmpeg(
        *inputs, "-filter_complex", graph, "-map", "[v]", "-c:v", "libx264", "-preset", "veryfast", "-g", "25",
        "-bf", "2", "-x264-params", "threads=1", "-bitexact", str(path),
    )  # fmt: skip
    return path
