"""Rules of the house: who may import whom, who reads the environment, and what is never committed."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
ROOMS = ("split", "detect", "cluster", "publish")
SHARED = {"lambdas.contracts", "lambdas.door", "lambdas.errors", "lambdas.staging"}
SHOT_ROOMS = ("detect", "cluster")
"""Only these look for scene changes and score faces: only they import shots, scoring and dull_frames of lambdas."""
SHOT_MODULES = {
    "lambdas.dull_frames",
    "lambdas.scoring",
    *(f"lambdas.shots.{path.stem}" for path in (HOUSE / "lambdas/shots").glob("[a-z]*.py")),
}
VIDEO_ROOMS = ("split", "detect")
"""Only these read video, so only these import lambdas.video and lambdas.web."""
MODULES = sorted(
    path.relative_to(HOUSE) for folder in ("lambdas", "talent_frames") for path in (HOUSE / folder).rglob("*.py")
)
READ_THE_ENVIRONMENT = re.compile(
    r"lambdas/\w+/(handler|__main__)\.py|lambdas/__init__\.py|talent_frames/(packs|machine|wheels)\.py"
)
HEAVY = ("av", "boto3", "cv2", "insightface", "onnxruntime", "scenedetect", "skimage", "sklearn")
MOST_LINES = 58
"""Of a function, its signature and docstring apart: about a screen. What needs more has parts with names."""
MOST_PARAMETERS = 7
"""Of a function; `self`, and the scope and id that every construct of the CDK has, are not counted."""
OPTIONS_OF_A_COMMAND = {
    "talent_frames/api.py:run",
    "talent_frames/commands/correct.py:correct",
    "talent_frames/commands/erase.py:erase",
    "talent_frames/commands/run.py:run_command",
}
"""Each parameter of these is an option of the command line, and typer knows no other way; `api.run` is its twin."""
MEDIA_AND_WEIGHTS = re.compile(r"\.(mp4|mov|mkv|webm|ts|avi|onnx|dat|npz|npy|pt|pth|zip|tar|gz|whl|wav|mp3)$")
PICTURES = re.compile(r"\.(jpe?g|png|gif|webp|bmp|tiff?)$")


def imports(path: Path) -> set[str]:
    """Dotted names of every module a file imports, wherever in it the import stands."""
    package = list(path.with_suffix("").parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse((HOUSE / path).read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            # `from lambdas import staging` imports a module, `from lambdas.staging import Store` does not.
            found.update(
                f"{module}.{alias.name}" if _is_module(f"{module}.{alias.name}") else module for alias in node.names
            )
    return found


def _is_module(dotted: str) -> bool:
    path = HOUSE / dotted.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_itself_and_the_shared_modules(room: str) -> None:
    allowed = SHARED | ({"lambdas.video", "lambdas.web"} if room in VIDEO_ROOMS else set())
    allowed |= SHOT_MODULES if room in SHOT_ROOMS else set()
    for module in MODULES:
        if module.parts[:2] != ("lambdas", room):
            continue
        for name in imports(module):
            ours = name.split(".")[0] in ("lambdas", "talent_frames", "infra")
            inside = name == f"lambdas.{room}" or name.startswith(f"lambdas.{room}.")
            assert not ours or inside or name in allowed, f"{module} imports {name}"


def test_shared_modules_import_no_room_and_there_are_no_more_than_eight() -> None:
    shared = [module for module in MODULES if len(module.parts) == 2 and module.parts[0] == "lambdas"]
    stems = ["__init__", "door", "dull_frames", "errors", "scoring", "staging", "video", "web"]
    assert [path.stem for path in shared] == stems
    for module in shared:
        ours = {name for name in imports(module) if name.startswith(("lambdas", "talent_frames", "infra"))}
        assert ours <= SHARED | {"lambdas.web"}, f"{module} imports {ours - SHARED}"


def test_shots_are_told_apart_by_contracts_and_their_own_modules_alone() -> None:
    for module in MODULES:
        if module.parts[:2] == ("lambdas", "shots"):
            ours = {name for name in imports(module) if name.startswith(("lambdas", "talent_frames", "infra"))}
            assert ours <= SHOT_MODULES | {"lambdas.contracts"}, f"{module} imports {ours}"


def test_contracts_import_one_another_and_errors_alone_and_nobody_reaches_into_their_package() -> None:
    for module in MODULES:
        inside = {name for name in imports(module) if name.startswith("lambdas.contracts.")}
        if module.parts[:2] == ("lambdas", "contracts"):
            ours = {name for name in imports(module) if name.startswith(("lambdas", "talent_frames", "infra"))}
            assert ours - inside <= {"lambdas.errors"}, f"{module} imports {ours - inside}"
        else:
            assert not inside, f"{module} imports {inside}"


def test_modules_of_infra_import_one_another_in_one_direction() -> None:
    """Imports for type checking alone count too."""
    modules = {
        ".".join(path.with_suffix("").parts): path
        for path in (one.relative_to(HOUSE) for one in (HOUSE / "infra").rglob("*.py"))
        if path.stem != "__init__"
    }
    left = {name: imports(path) & modules.keys() for name, path in modules.items()}
    assert left["infra.monitoring"] >= {"infra.gpu", "infra.stages"}
    while done := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in done:
            del left[name]
    assert not left, f"these import one another in a circle: {sorted(left)}"


def test_no_stage_imports_the_front_door() -> None:
    for module in MODULES:
        if module.parts[0] == "lambdas":
            assert not any(name.split(".")[0] == "talent_frames" for name in imports(module)), module


def test_the_environment_is_read_only_where_a_door_is() -> None:
    for module in MODULES:
        if READ_THE_ENVIRONMENT.fullmatch(module.as_posix()):
            continue
        for node in ast.walk(ast.parse((HOUSE / module).read_text())):
            reads = isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv")
            assert not reads, f"{module}:{getattr(node, 'lineno', 0)} reads the environment"


@pytest.mark.parametrize("room", ROOMS)
def test_importing_a_handler_loads_no_model_library(room: str) -> None:
    heavy = {"insightface", "onnx", "onnxruntime", "scenedetect", "skimage"}
    program = f"import sys, lambdas.{room}.handler; print(*sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=HOUSE, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_no_stage_loads_scikit_learn_or_scipy() -> None:
    rooms = ", ".join(f"lambdas.{room}.handler" for room in ROOMS)
    program = f"import sys, {rooms}; print(*sorted({{'sklearn', 'scipy'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=HOUSE, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_in_the_cloud_scikit_learn_is_loaded_when_cluster_starts_and_in_no_other_stage(room: str) -> None:
    program = f"import sys, lambdas.{room}.handler; print('sklearn' in sys.modules)"
    inside = {**os.environ, "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}
    done = subprocess.run([sys.executable, "-c", program], cwd=HOUSE, env=inside, capture_output=True, text=True)
    assert done.stdout.split() == [str(room == "cluster")], done.stderr


def test_help_and_version_load_nothing_heavy() -> None:
    program = f"import sys, talent_frames.cli; print(*sorted({set(HEAVY)!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=HOUSE, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_the_stages_are_called_in_their_order() -> None:
    tree = ast.parse((HOUSE / "talent_frames/run.py").read_text())
    body = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run_video")
    calls = [ast.unparse(node.func) for node in ast.walk(body) if isinstance(node, ast.Call)]
    lines = {ast.unparse(node.func): node.lineno for node in ast.walk(body) if isinstance(node, ast.Call)}
    steps = ["_split", "_detect", "_cluster", "_publish"]
    assert all(calls.count(step) == 1 for step in steps)
    assert sorted(steps, key=lambda step: lines[step]) == steps
    for step, stage in zip(steps, ("split.run", "detect_chunks", "cluster.run", "publish.run"), strict=True):
        called = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == step)
        assert stage in {ast.unparse(node.func) for node in ast.walk(called) if isinstance(node, ast.Call)}


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of the product, methods and inner ones included, and where it stands."""
    for folder in ("lambdas", "talent_frames", "infra"):
        for path in sorted((HOUSE / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{path.relative_to(HOUSE).as_posix()}:{node.name}", node


def test_no_function_is_longer_than_a_screen() -> None:
    long = {}
    for where, function in functions():
        body = function.body[ast.get_docstring(function) is not None :]
        lines = (function.end_lineno or 0) - body[0].lineno + 1 if body else 0
        if lines > MOST_LINES:
            long[where] = lines
    assert not long, "give its parts names"


def test_no_function_has_more_parameters_than_seven_but_for_commands() -> None:
    many = {}
    for where, function in functions():
        given = function.args
        names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        names += [one.arg for one in (given.vararg, given.kwarg) if one is not None]
        skipped = 1 if names[:1] in (["self"], ["cls"]) else 0
        skipped += 2 if names[skipped : skipped + 2] == ["scope", "id"] else 0
        if len(names) - skipped > MOST_PARAMETERS:
            many[where] = len(names) - skipped
    assert many.keys() == OPTIONS_OF_A_COMMAND, "a type is missing"


def test_no_name_says_nothing() -> None:
    for module in MODULES:
        assert not {"utils", "util", "common", "helpers", "misc", "manager", "constants"} & set(
            module.with_suffix("").parts
        ), module


def test_no_media_weights_or_registry_addresses_are_tracked() -> None:
    done = subprocess.run(["git", "ls-files", "-z"], cwd=HOUSE, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout: git clone the repository and run make test in it")
    tracked = [HOUSE / name for name in done.stdout.split("\0") if name]
    for path in tracked:
        assert not MEDIA_AND_WEIGHTS.search(path.name), f"{path} is tracked"
        assert path.name not in ("uv.lock", "package-lock.json", "poetry.lock"), f"{path} is tracked"
    pictures = [path for path in tracked if PICTURES.search(path.name) and path.is_file()]
    assert sum(path.stat().st_size for path in pictures) < 400_000
    pinned = re.compile(r"[a-z0-9][a-z0-9.\-\[\]]*==[^\s/:]+( ; [^\\]*)?(\s+--hash=sha256:[0-9a-f]{64})+")
    for lock in (HOUSE / "requirements.lock", *(HOUSE / "lambdas").glob("*/requirements*.txt")):
        for line in lock.read_text().replace("\\\n", "").splitlines():
            assert pinned.fullmatch(line), f"{lock.name}: {line}"
