"""Known vulnerabilities and licences of the pinned packages, and their bill of materials (CycloneDX).

    make audit                       ARGS=--offline leaves out what needs a database of vulnerabilities

Exits with 1 where a pinned package has a known vulnerability or a licence that is not on the list, with 0 else; a
database that can't be reached is told and is no failure.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"
BILL = ROOT / "out" / "sbom.json"
PIP_AUDIT = "pip-audit==2.10.1"
AUDIT_TIMEOUT_S = 300
FREE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|Unlicense|CC0|Zlib|HPND|0BSD|Public Domain|"
    r"Boost|BSL|LGPL|GPL-3.0 WITH|Artistic)\b",
    re.IGNORECASE,
)
"""Licences that allow what we do: use without a change, commercially too."""
KNOWN = {
    "imageio-ffmpeg": "BSD-2-Clause; the ffmpeg it brings is GPL-3.0 and runs as a program of its own",
    "insightface": "MIT, the code; its weights are not used",
}
"""Packages whose metadata does not say it, or not all of it."""


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    licence: str
    """Empty where its metadata says nothing."""

    @property
    def allowed(self) -> bool:
        return self.name in KNOWN or bool(FREE.search(self.licence))


def pinned(lock: str) -> list[tuple[str, str]]:
    """Name and version of each pin."""
    return [
        (found[1], found[2]) for found in re.finditer(r"^([a-z0-9.\-]+)(?:\[.*?\])?==([^\s;]+)", lock, re.MULTILINE)
    ]


def package(name: str, version: str) -> Package:
    """What is known of an installed package; one that is not installed (here) has no licence."""
    if name in KNOWN:
        return Package(name, version, KNOWN[name])
    try:
        about = importlib.metadata.metadata(name)
    except importlib.metadata.PackageNotFoundError:
        return Package(name, version, "")
    of_old = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier") or [] if line.startswith("License")]
    expression, licence = (about.json.get(field, "") for field in ("license_expression", "license"))
    told = [str(expression), *of_old, str(licence).split("\n")[0]]
    return Package(name, version, "; ".join(dict.fromkeys(one for one in told if one)))


def bill_of_materials(packages: list[Package]) -> dict[str, Any]:
    """A CycloneDX 1.5 document (https://cyclonedx.org/docs/1.5/json/)."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, repr(packages))}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "talent-frames", "bom-ref": "talent-frames"}},
        "components": [
            {
                "type": "library",
                "bom-ref": f"pkg:pypi/{one.name}@{one.version}",
                "name": one.name,
                "version": one.version,
                "purl": f"pkg:pypi/{one.name}@{one.version}",
                **({"licenses": [{"license": {"name": one.licence}}]} if one.licence else {}),
            }
            for one in packages
        ],
    }


def vulnerabilities(lock: Path) -> list[str] | None:
    """A line for each known vulnerability of a pin; None where no database can be reached."""
    command = [str(Path(sys.executable).parent / "uv"), "tool", "run", "--from", PIP_AUDIT, "pip-audit"]
    asked = [
        *command,
        "--requirement",
        str(lock),
        "--no-deps",
        "--disable-pip",
        "--format",
        "json",
        "--progress-spinner=off",
    ]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=AUDIT_TIMEOUT_S)
        found = json.loads(done.stdout)["dependencies"]
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return None
    return [f"{one['name']} {one['version']}: {flaw['id']}" for one in found for flaw in one.get("vulns", [])]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make audit")
    parser.add_argument("--offline", action="store_true")
    offline = parser.parse_args().offline
    packages = [package(name, version) for name, version in pinned(LOCK.read_text())]
    BILL.parent.mkdir(exist_ok=True)
    BILL.write_text(json.dumps(bill_of_materials(packages), indent=1) + "\n")
    print(f"{len(packages)} packages: {BILL.relative_to(ROOT)}")
    unclear = [one for one in packages if not one.allowed]
    for one in unclear:
        print(f"licence not on the list: {one.name} {one.version}: {one.licence or 'none stated'}")
    found = None if offline else vulnerabilities(LOCK)
    if found is None:
        print("vulnerabilities: skipped, no database of them can be reached from here")
    else:
        print(f"vulnerabilities: {len(found)} known", *found, sep="\n")
    sys.exit(bool(found or unclear))


if __name__ == "__main__":
    main()
