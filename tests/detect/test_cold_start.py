"""A fresh process comes soon to its first detection: that is a Lambda's cold start and a worker's beginning."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from talent_frames.packs import resolve_pack

ROOT = Path(__file__).parents[2]
MOST_CPU_S = {"open": 2.0, "insightface": 6.0}
"""About three times what it takes (0.7 s, and 2 s where insightface is imported), so that only a new heavy import or a
slow load fails."""

BEGIN = """
import sys, time
from pathlib import Path
import cv2
import lambdas.detect.handler
from lambdas.detect.packs import load_pack
frame = cv2.resize(cv2.imread(sys.argv[2]), (640, 384))
faces = load_pack(Path(sys.argv[1])).detector.detect(frame, 0.5)
print(len(faces), time.process_time())
"""


def begin(pack: Path) -> tuple[int, float]:
    """Faces found, and CPU seconds from the interpreter's start."""
    package = find_spec("insightface")
    assert package is not None and package.origin is not None
    picture = Path(package.origin).parent / "data" / "images" / "t1.jpg"
    command = [sys.executable, "-c", BEGIN, str(pack), str(picture)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    faces, seconds = done.stdout.split()
    return int(faces), float(seconds)


def test_the_first_face_is_found_within_seconds_in_insightfaces_format(test_pack: Path) -> None:
    faces, seconds = begin(test_pack)
    assert faces == 6
    assert seconds <= MOST_CPU_S["insightface"]


def test_the_first_face_is_found_within_two_seconds_with_the_default_pack() -> None:
    faces, seconds = begin(resolve_pack("open"))
    assert faces == 6
    assert seconds <= MOST_CPU_S["open"]
