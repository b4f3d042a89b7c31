"""Which model pack goes into the detect image, and what a plan says of it.

The packs we know stand in pack_facts.json, written by `make pack-facts`; another pack is a directory, described by the
code that will read it, in a process of its own so that nothing here loads a model library.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from lambdas.contracts import PackFacts

TABLE = Path(__file__).parent / "pack_facts.json"
ROOT = Path(__file__).parent.parent

_DESCRIBE = """\
import sys
from pathlib import Path
from lambdas.detect.packs import check_files, read_manifest
directory = Path(sys.argv[1])
manifest = read_manifest(directory)
check_files(directory, manifest)
print(manifest.facts().model_dump_json())
"""


class UnknownModelPack(Exception):
    """No pack has that name and no directory has that path; the text is one sentence."""


@dataclass(frozen=True)
class ChosenPack:
    """A pack as the image's build and the plans need it."""

    facts: PackFacts
    directory: Path | None
    """Where it lies, for a pack of one's own; None for a known one, which the build gets by its name."""


def choose_pack(wanted: str) -> ChosenPack:
    """The pack of that name or in that directory. Raises UnknownModelPack."""
    known = known_packs()
    if wanted in known:
        return ChosenPack(known[wanted], None)
    directory = Path(wanted).expanduser()
    if not directory.is_dir():
        raise UnknownModelPack(f"pack {wanted!r}: neither a directory nor one of {', '.join(known)}.")
    described = subprocess.run(
        [sys.executable, "-c", _DESCRIBE, str(directory.resolve())], cwd=ROOT, capture_output=True, text=True
    )
    if described.returncode:
        raise UnknownModelPack(f"pack {wanted!r}: {described.stderr.strip().splitlines()[-1]}.")
    return ChosenPack(PackFacts.model_validate_json(described.stdout), directory.resolve())


def known_packs() -> dict[str, PackFacts]:
    """By name."""
    return {name: PackFacts.model_validate(facts) for name, facts in json.loads(TABLE.read_text()).items()}
