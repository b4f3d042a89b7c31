"""Measures every part, prints its tables and writes docs/accuracy.md.

`python -m benchmarks.accuracy` does it all; with names of parts it does those alone and leaves the other sections of
the document as they are.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
import time
from pathlib import Path

from benchmarks.accuracy.clips import DATA, MODELS, MissingData, data_folder, models_folder
from benchmarks.accuracy.table import Part, markdown, plain

PARTS = (
    "real",
    "hard",
    "identity",
    "recognition",
    "best_frame",
    "scenes",
    "scenes_film",
    "representatives",
    "people_only",
    "thresholds",
)
MADE = """# Made clips: tuned on

Everything from here on is measured on clips and pictures that thresholds were chosen on, unless it says otherwise.
"""
"""Stands between real film and the rest."""
REGROUPED = ("real", "hard")
"""Parts that keep what was detected from run to run."""
DOCUMENT = Path(__file__).parent.parent.parent / "docs/accuracy.md"
HEAD = f"""# Accuracy

Real film first, for it is the nearest to what a new video will bring. Then clips made for one difficulty each, on which
we tuned: they show what was thought of. Last, every threshold with the material it was chosen on; where that is the
real film, a result on it is flattered too.

Written by `make accuracy`, which takes the test videos and pictures from `{DATA}` and the test pack from `{MODELS}`.
Everything random is seeded. A fixed subset runs in `make test`.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="the subset that make test runs; writes nothing")
    parser.add_argument(
        "--regroup",
        action="store_true",
        help=f"keep what was detected, whatever has changed since, and group and choose anew: {', '.join(REGROUPED)}",
    )
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if chosen.regroup and not set(chosen.parts) <= set(REGROUPED):
        parser.error(f"--regroup is for {', '.join(REGROUPED)} alone")
    try:
        data_folder()
    except MissingData as missing:
        print(f"benchmarks.accuracy: {missing}", file=sys.stderr)
        return 2
    if models_folder() is None:
        print(f"without the test pack: set {MODELS}=/path/to/models to measure it too", file=sys.stderr)
    missed = 0
    for name in chosen.parts or PARTS:
        started = time.monotonic()
        run = importlib.import_module(f"benchmarks.accuracy.{name}").run
        try:
            part: Part = run(chosen.quick, regroup=chosen.regroup) if name in REGROUPED else run(chosen.quick)
        except MissingData as missing:
            print(f"benchmarks.accuracy: {name}: {missing}", file=sys.stderr)
            continue
        print(plain(part))
        print(f"({time.monotonic() - started:.0f} s)\n", flush=True)
        missed += sum(not verdict.met for verdict in part.verdicts)
        if not chosen.quick:
            write_section(DOCUMENT, name, part)
    print(f"{missed} bars missed" if missed else "every bar met")
    return 0


def write_section(document: Path, name: str, part: Part) -> None:
    """Puts the part's section into the document, in the place it has among the parts, and its pictures beside it."""
    sections = read_sections(document.read_text() if document.is_file() else "")
    sections[name] = markdown(part)
    for picture, svg in part.pictures.items():
        folder = document.parent / "accuracy"
        folder.mkdir(exist_ok=True)
        (folder / f"{picture}.svg").write_text(svg)
    sections["made"] = MADE
    order = ("real", "made", *PARTS[1:])
    written = [f"<!-- part: {one} -->\n{sections[one].strip()}\n" for one in order if one in sections]
    document.write_text("\n".join([HEAD, *written]))


def read_sections(text: str) -> dict[str, str]:
    """Sections of the document by the name of their part."""
    pieces = re.split(r"<!-- part: (\w+) -->\n", text)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


if __name__ == "__main__":
    sys.exit(main())
