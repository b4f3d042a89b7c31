"""Switches features off one after the other, in a copy of the tree, and says whose nearest tests stay green.

make mutants                          all of them, after the same tests with everything on
make mutants ARGS="--only skip"       those with "skip" in their name or file

A feature is off by a change of a line or two (`features.py`). A test run is a child of a process that has the libraries
loaded already, which saves each 2 CPU seconds.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from tests.switched_off.features import FEATURES, Feature

ROOT = Path(__file__).parents[2]
LIBRARIES = (
    "numpy", "numpy.random", "numpy.testing", "cv2", "av", "pydantic", "sklearn.cluster", "sklearn.neighbors",
    "scipy.sparse", "hypothesis", "pytest_timeout", "unittest.mock",
)  # fmt: skip
_UNCHANGED = ("lambdas.contracts", "lambdas.errors")
"""Modules without features, loaded once: the documents' models take longest."""
_PYTEST = (
    "-x",
    "-q",
    "--durations=0",
    "--no-header",
    "--assert=plain",
    "-p",
    "no:cacheprovider",
    "-p",
    "pytest_timeout",
)
"""Assertions as they stand: a copy of the tree has no rewritten ones at hand."""
TIMEOUT_S = 900
"""Of one feature's tests; who hangs without its feature is noticed as well."""

Outcome = Literal["red", "green", "hung", "broken"]
"""Of a test run; `broken` is one that never came to its tests."""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every feature was noticed, 1 if one was not, 2 if tests are red with everything on."""
    parser = argparse.ArgumentParser(prog="python -m tests.switched_off", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help="features with this in name or file")
    parser.add_argument("--unproven", action="store_true", help="don't run the tests with everything on before")
    options = parser.parse_args(arguments)
    chosen = [
        (number, one)
        for number, one in enumerate(FEATURES, 1)
        if any(text in f"{one.name} {one.file}" for text in options.only)
    ]
    for library in LIBRARIES:
        importlib.import_module(library)
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        _copy(tree)
        os.chdir(tree)
        sys.path.insert(0, str(tree))
        for module in _UNCHANGED:
            importlib.import_module(module)
        if not options.unproven:
            tests = sorted({test.partition("::")[0] for _, one in chosen for test in one.tests})
            outcome, said = run_tests(tree, tests)
            if outcome != "green":
                print(f"{outcome} with every feature on: {said}", file=sys.stderr)
                return 2
        survivors = []
        for number, one in chosen:
            begun = time.monotonic()
            outcome, said = _without(tree, one)
            print(f"{number:4} {outcome:6} {time.monotonic() - begun:5.0f} s  {one.name}: {said}", flush=True)
            if outcome in ("green", "broken"):
                survivors.append(one)
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} noticed")
    for one in survivors:
        print(f"not noticed: {one.name} ({one.file})")
    return 1 if survivors else 0


def _copy(tree: Path) -> None:
    """Copies what git knows, or would, to `tree`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    compileall.compile_dir(tree / "lambdas", quiet=1)


def without(one: Feature, text: str) -> str:
    """The file's text with the feature off. Raises ValueError where its old text is not there exactly once."""
    if text.count(one.old) != 1:
        raise ValueError(f"{one.file}: {text.count(one.old)} times, not once: {one.old!r} ({one.name})")
    return text.replace(one.old, one.new)


def _without(tree: Path, one: Feature) -> tuple[Outcome, str]:
    path = tree / one.file
    text, known = path.read_text(), path.stat()
    path.write_text(without(one, text))
    # Compiled files are told from stale ones by whole seconds.
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns + 10**10))
    try:
        return run_tests(tree, one.tests)
    finally:
        path.write_text(text)
        os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[Outcome, str]:
    """How these tests of the tree end, and the first one that failed."""
    with tempfile.NamedTemporaryFile() as output:
        child = os.fork()
        if child == 0:
            _test(tree, tests, output.fileno())
        status = _ended(child)
        output.seek(0)
        text = output.read().decode(errors="replace")
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", text, re.MULTILINE)
    said = failed.group(1) if failed else (text.strip().splitlines() or [""])[-1]
    if status is None:
        return "hung", said
    outcomes: dict[int, Outcome] = {0: "green", 1: "red"}
    # Errors of collection end with 2 under -x, but so does a test module that needs what is off.
    return outcomes.get(status, "broken"), said


def _test(tree: Path, tests: Sequence[str], output: int) -> None:
    """Runs them in this process and ends it."""
    os.dup2(output, 1)
    os.dup2(output, 2)
    # Not what the parent, perhaps a test, has put there.
    sys.stdout = sys.stderr = os.fdopen(1, "w")
    os.setpgid(0, 0)
    code = 3
    try:
        os.chdir(tree)
        sys.path.insert(0, str(tree))
        os.environ |= {"PYTHONPATH": str(tree), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        sys.dont_write_bytecode = True
        for name in [name for name in sys.modules if name.partition(".")[0] in ("tests", "lambdas")]:
            if name != "lambdas" and not name.startswith(_UNCHANGED):
                del sys.modules[name]
        code = int(pytest.main([*_PYTEST, *tests]))
    finally:
        sys.stdout.flush()
        os._exit(code)


def _ended(child: int) -> int | None:
    """The child's exit code; None where it had to be ended."""
    latest = time.monotonic() + TIMEOUT_S
    pid = 0
    try:
        while time.monotonic() < latest:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        return None
    finally:
        # Ctrl-C does not reach it, in a group of its own.
        if not pid:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)


if __name__ == "__main__":
    raise SystemExit(main())
