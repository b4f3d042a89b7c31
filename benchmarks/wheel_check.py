"""`make wheel-check`: the built wheel alone, in a clean environment of every Python it is for, from the package index.

In an empty folder, with a home of its own: what is installed and how large it is, that there is one OpenCV and no
tensorflow, and that the demo finds its four people, in two processes, with what a first run fetches.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
UV = Path(sys.executable).parent / "uv"
PYTHONS = ("3.11", "3.12", "3.13")

LOOK = """
import importlib.metadata as m, json, sys
from pathlib import Path
names = sorted(d.metadata["Name"].lower() for d in m.distributions())
place = Path(m.distribution("talent-frames").locate_file("."))
size = sum(p.stat().st_size for p in place.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
print(json.dumps({"names": names, "mb": round(size / 1e6), "lambdas": (place / "lambdas").exists()}))
"""


def build(folder: Path) -> Path:
    """The wheel of this checkout."""
    subprocess.run([UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT], check=True)
    return next(folder.glob("*.whl"))


def check(wheel: Path, python: str, extras: str) -> str:
    """One line on the wheel in a clean environment of this Python; ends with a sentence if anything is wrong."""
    with tempfile.TemporaryDirectory(prefix="talent-frames-wheel-") as name:
        folder = Path(name)
        venv, empty = folder / "venv", folder / "empty"
        empty.mkdir()
        subprocess.run([UV, "venv", "--quiet", "--python", python, venv], check=True)
        inside = venv / "bin" / "python"
        wanted = f"talent-frames{extras} @ {wheel.as_uri()}"
        subprocess.run([UV, "pip", "install", "--quiet", "--python", inside, wanted], check=True)

        found = json.loads(subprocess.run([inside, "-c", LOOK], cwd=empty, capture_output=True, check=True).stdout)
        opencvs = [one for one in found["names"] if one.startswith("opencv")]
        if len(opencvs) != 1 or "tensorflow" in found["names"] or found["lambdas"]:
            sys.exit(f"{python}: {', '.join(opencvs)}; tensorflow: {'tensorflow' in found['names']}; {found}")
        environment = {
            **os.environ,
            "HOME": str(folder / "home"),
            "TALENT_FRAMES_HOME": str(folder / "kept"),
            # As uvx and pipx have it: the tool that installed is at hand, the environment holds no pip.
            "UV": str(UV),
        }
        began = time.monotonic()
        for arguments in (["--version"], ["models"], ["demo", "--workers", "2"]):
            done = subprocess.run(
                [venv / "bin" / "talent-frames", *arguments],
                cwd=empty,
                env=environment,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                sys.exit(f"{python}: talent-frames {' '.join(arguments)}: {done.stderr.strip()}")
        if "4 people found, 4 expected" not in done.stdout:
            sys.exit(f"{python}: the demo ended with: {done.stdout.strip().splitlines()[-1]}")
        fetched = sum(path.stat().st_size for path in (folder / "kept").rglob("*") if path.is_file())
        return (
            f"{python}: {len(found['names'])} packages, {found['mb']} MB, {opencvs[0]}; demo with its downloads in "
            f"{time.monotonic() - began:.0f} s, {fetched / 1e6:.0f} MB kept"
        )


def find_python(version: str) -> str | None:
    """A Python of this version on this machine, None without one."""
    found = subprocess.run([UV, "python", "find", "--no-python-downloads", version], capture_output=True, text=True)
    if found.returncode == 0:
        return found.stdout.strip()
    # pyenv hides the versions that are not chosen.
    return next((str(path) for path in Path.home().glob(f".pyenv/versions/{version}.*/bin/python")), None)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.wheel_check", description=__doc__)
    parser.add_argument("--python", action="append", help="only this version; may be given several times")
    parser.add_argument("--extras", default="", metavar="[aws,demo]")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="talent-frames-dist-") as folder:
        wheel = build(Path(folder))
        print(f"{wheel.name}: {wheel.stat().st_size / 1e3:.0f} kB")
        for version in given.python or PYTHONS:
            python = find_python(version)
            if python is None:
                print(f"{version}: not on this machine, not tried")
                continue
            print(check(wheel, python, given.extras).replace(python, version), flush=True)
    shutil.rmtree(ROOT / "build", ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
