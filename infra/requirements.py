"""`make requirements` pins what each image installs; `make images-check` tries those pins without Docker.

The pins are those of requirements.lock wherever that has them, so that an image runs what the tests ran. They are
resolved for CPython 3.12 on manylinux_2_28 (the Lambda base image, Amazon Linux 2023) on both architectures and must
come out the same, fully compiled: pip installs them with --no-deps and knows nothing of uv's overrides. Beside each pin
stand the sha256 of all files of that release, and nothing of where they were had from.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from infra.image_parts import PACK_MAKERS, shared_paths
from infra.packs import TABLE

ROOT = Path(__file__).parent.parent
UV = Path(sys.executable).parent / "uv"
PYTHON = "3.12"
PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "arm64": "aarch64-manylinux_2_28"}

SDIST_ONLY = ("future",)
"""Packages without a wheel, pure Python: built where they are installed."""

NEVER = "sys_platform == 'never'"


@dataclass(frozen=True)
class Image:
    """What one image installs."""

    name: str
    requirements: str
    """Path of the pins; the names asked for lie beside them, with `.in`."""
    architectures: tuple[str, ...] = ("x86_64", "arm64")
    never: tuple[str, ...] = ("opencv-python",)
    """Packages that others ask for and that must not come in: headless OpenCV is the one owner of cv2/, and what stands
    in for later Pythons' own modules is refused by pip."""
    imports: str = ""
    """Module whose import proves the pins complete."""

    @property
    def asked(self) -> Path:
        return ROOT / self.requirements.replace(".txt", ".in")

    @property
    def pins(self) -> Path:
        return ROOT / self.requirements


IMAGES = (
    Image("split", "lambdas/split/requirements.txt", imports="lambdas.split.handler"),
    Image(
        "detect",
        "lambdas/detect/requirements.txt",
        never=("opencv-python", "backports-strenum"),
        imports="lambdas.detect.handler",
    ),
    # GPU machines are x86; the CPU's onnxruntime owns the same files and must not be beside the GPU's.
    Image(
        "detect on a GPU",
        "lambdas/detect/requirements-batch.txt",
        ("x86_64",),
        ("opencv-python", "onnxruntime", "backports-strenum"),
        imports="lambdas.detect.handler",
    ),
    # In either of them where the pack is in InsightFace's format.
    Image(
        "detect by insightface",
        "lambdas/detect/requirements-insightface.txt",
        never=("opencv-python", "onnxruntime"),
    ),
    # These make the pack while the image is built; they are not in the image.
    Image("detect's pack", "lambdas/detect/requirements-pack.txt"),
    Image("cluster", "lambdas/cluster/requirements.txt", imports="lambdas.cluster.handler"),
    Image("publish", "lambdas/publish/requirements.txt", imports="lambdas.publish.handler"),
)


def compile_pins(image: Image) -> None:
    """Writes the image's pins; ends with a sentence if the architectures need different ones."""
    found = {architecture: _resolved(image, PLATFORMS[architecture]) for architecture in image.architectures}
    if len(set(found.values())) != 1:
        only = set(found["x86_64"].splitlines()) ^ set(found["arm64"].splitlines())
        sys.exit(f"{image.name}: the architectures need different pins: {', '.join(sorted(only))}")
    image.pins.write_text(next(iter(found.values())))
    print(f"{image.requirements}: {image.pins.read_text().count('==')} packages")


def _resolved(image: Image, platform: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        overrides = Path(folder) / "overrides.txt"
        overrides.write_text("".join(f"{package} ; {NEVER}\n" for package in image.never))
        answer = _uv(
            "compile",
            *("--python-platform", platform, "--python-version", PYTHON),
            *("--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header", "--generate-hashes"),
            *("--override", str(overrides), "--constraint", str(ROOT / "requirements.lock")),
            str(image.asked),
        )
    # A pin and its hashes are one line, broken by backslashes.
    pins = re.sub(r"^#.*\n", "", answer, flags=re.MULTILINE).replace("\\\n", "\0").splitlines()
    return "".join(pin.replace("\0", "\\\n") + "\n" for pin in pins if pin and NEVER not in pin)


def check_wheels(image: Image, architecture: str) -> None:
    """Ends with a sentence unless pip, which the images install with, takes every pin for this architecture.

    uv would not do: it takes releases that say they are for older Pythons.
    """
    machine = PLATFORMS[architecture].split("-")[0]
    platforms = [f"manylinux_2_{minor}_{machine}" for minor in range(28, 4, -1)] + [f"manylinux2014_{machine}"]
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--dry-run", "--no-deps", "--require-hashes", "--target", folder),
            *("--python-version", PYTHON, "--implementation", "cp", "--only-binary", ":all:"),
            *(argument for package in SDIST_ONLY for argument in ("--no-binary", package)),
            *(argument for platform in platforms for argument in ("--platform", platform)),
            *("-r", str(image.pins)),
        ]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{image.name}: {done.stderr.strip()}")
    print(f"{image.name}: every pin is there for {architecture}")


_MAKE_PACK = """\
import json, os, sys, tempfile
from pathlib import Path
os.environ["TALENT_FRAMES_HOME"] = tempfile.mkdtemp(dir=sys.argv[2])
from lambdas.detect.packs import load_pack
from talent_frames.packs import DEFAULT_PACK, get_pack
pack = load_pack(get_pack(DEFAULT_PACK))
pack.detector, pack.embedder
expected = json.loads(Path(sys.argv[1]).read_text())[DEFAULT_PACK]
if pack.facts.model_dump() != expected:
    sys.exit(f"{DEFAULT_PACK} came out as {pack.facts}, pack_facts.json says {expected}: make pack-facts")
"""


def check_pack(python: str) -> None:
    """Puts the default pack together as the Dockerfile does and compares it with what plans will say of it."""
    with tempfile.TemporaryDirectory(prefix="talent-frames-pack-") as name:
        folder = Path(name)
        inside = folder / "venv" / "bin" / "python"
        subprocess.run([UV, "venv", "--quiet", "--python", python, inside.parent.parent], check=True)
        for pins in ("requirements.txt", "requirements-pack.txt"):
            _uv("install", "--python", str(inside), "--no-deps", "--require-hashes", "-r", f"lambdas/detect/{pins}")
        _copy_code(folder / "code", "detect")
        (folder / "code" / "talent_frames").mkdir()
        for maker in PACK_MAKERS:
            shutil.copy(ROOT / maker, folder / "code" / maker)
        arguments = ("-c", _MAKE_PACK, str(TABLE), str(folder))
        done = subprocess.run([inside, *arguments], cwd=folder / "code", capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"pack: {done.stderr.strip()}")
    print("the default pack: made, and the one the plans will ask for")


def check_install(image: Image, python: str) -> None:
    """Installs the pins as the Dockerfile does, into a clean environment, and imports what the image runs."""
    with tempfile.TemporaryDirectory(prefix="talent-frames-image-") as name:
        folder = Path(name)
        inside = folder / "venv" / "bin" / "python"
        subprocess.run([UV, "venv", "--quiet", "--python", python, inside.parent.parent], check=True)
        _uv("install", "--python", str(inside), "--no-deps", "--require-hashes", "-r", str(image.pins))
        if image.imports:
            _copy_code(folder / "code", image.imports.split(".")[1])
            done = subprocess.run(
                [inside, "-c", f"import {image.imports}"], cwd=folder / "code", capture_output=True, text=True
            )
            if done.returncode:
                sys.exit(f"{image.name}: {done.stderr.strip()}")
    print(f"{image.name}: installed and imported with Python {PYTHON}")


def _copy_code(target: Path, room: str) -> None:
    """What an image's build finds of lambdas/."""
    for path in (ROOT / "lambdas" / room, *shared_paths(room)):
        to = target / path.relative_to(ROOT)
        if path.is_dir():
            shutil.copytree(path, to, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, to)


def _uv(command: str, *arguments: str) -> str:
    done = subprocess.run([UV, "pip", command, *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"uv pip {command}: {done.stderr.strip()}")
    return done.stdout


def _python() -> str | None:
    """A Python of the images' version on this machine, None without one."""
    found = subprocess.run([UV, "python", "find", "--no-python-downloads", PYTHON], capture_output=True, text=True)
    if found.returncode == 0:
        return found.stdout.strip()
    # pyenv hides the versions that are not chosen.
    return next((str(path) for path in Path.home().glob(f".pyenv/versions/{PYTHON}.*/bin/python")), None)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="infra.requirements")
    parser.add_argument("task", choices=["compile", "check"])
    task = parser.parse_args(arguments).task
    if task == "compile":
        for image in IMAGES:
            compile_pins(image)
        return
    for image in IMAGES:
        for architecture in image.architectures:
            check_wheels(image, architecture)
    python = _python()
    if python is None:
        print(f"no Python {PYTHON} on this machine: nothing was installed, the wheels alone were checked")
        return
    for image in IMAGES:
        if image.imports:
            check_install(image, python)
    check_pack(python)


if __name__ == "__main__":
    main(sys.argv[1:])
