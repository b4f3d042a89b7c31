"""Four images: each of its own room and packages, and no other room's change touches it."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import infra.image_parts
from infra.image_parts import image, shared_paths
from infra.packs import choose_pack
from infra.requirements import IMAGES
from infra.settings import STAGES, from_context
from lambdas.detect.catalogue import INSIGHTFACE_KINDS, PACKS

ROOT = Path(__file__).parents[2]

PACKAGE_OF = {
    "ai_edge_litert": "ai-edge-litert",
    "aws_lambda_powertools": "aws-lambda-powertools",
    "cv2": "opencv-python-headless",
    "ffmpeg": "ffmpeg-python",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "pydantic_core": "pydantic-core",
    "scenedetect": "scenedetect-headless",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
"""Where a module's package is called otherwise."""


def hashes(root: Path) -> dict[str, str]:
    """Content hash of each stage's image with the repository at `root`."""
    import aws_cdk as cdk
    from aws_cdk import aws_ecr_assets as ecr_assets

    pack = choose_pack("open")
    stack = cdk.Stack(cdk.App(), "Hashes")
    return {
        stage: ecr_assets.DockerImageAsset(
            stack, stage, directory=str(root), **image(stage, "lambda", from_context({}), pack)
        ).asset_hash
        for stage in STAGES
    }


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    for folder in ("lambdas", "talent_frames", "infra", "tests"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", "*.mp4"))
    return root


@pytest.fixture(scope="module")
def before(copy: Path) -> dict[str, str]:
    return hashes(copy)


@pytest.mark.parametrize(
    ("edited", "rebuilt"),
    [
        *((f"lambdas/{stage}/handler.py", {stage}) for stage in STAGES),
        ("lambdas/cluster/requirements.txt", {"cluster"}),
        ("lambdas/video.py", {"split", "detect"}),
        ("lambdas/contracts/plan.py", set(STAGES)),
        ("talent_frames/packs.py", {"detect"}),
        ("talent_frames/cli.py", set()),
        ("infra/image_parts.py", set()),
        ("tests/conftest.py", set()),
    ],
)
def test_editing_a_file_rebuilds_only_what_holds_it(
    copy: Path, before: dict[str, str], edited: str, rebuilt: set[str]
) -> None:
    path = copy / edited
    original = path.read_bytes()
    path.write_bytes(original + b"\n")
    try:
        after = hashes(copy)
    finally:
        path.write_bytes(original)
    assert {stage for stage in STAGES if after[stage] != before[stage]} == rebuilt


def test_caches_are_no_part_of_an_image(copy: Path, before: dict[str, str]) -> None:
    cache = copy / "lambdas" / "cluster" / "__pycache__"
    cache.mkdir()
    (cache / "handler.pyc").write_bytes(b"x")
    assert hashes(copy) == before


def test_another_pack_is_another_image() -> None:
    settings = from_context({})
    opened, other = (
        image("detect", "lambda", settings, choose_pack(name))["build_args"] for name in ("open", "buffalo_s")
    )
    assert opened != other


def test_an_image_holds_its_room_and_no_other(plain_out: Path) -> None:
    assets = json.loads(next(plain_out.glob("*.assets.json")).read_text())["dockerImages"].values()
    assert len(assets) == len(STAGES)
    for asset in assets:
        stage = asset["source"]["dockerFile"].split("/")[1]
        folder = plain_out / asset["source"]["directory"]
        there = {path.name for path in (folder / "lambdas").iterdir()}
        assert there == {stage} | {path.name for path in shared_paths(stage) if path.exists()}


@pytest.mark.parametrize("stage", STAGES)
def test_what_a_room_imports_is_what_its_image_installs(stage: str) -> None:
    pins = packages(ROOT / "lambdas" / stage / "requirements.txt")
    if stage == "detect":
        pins |= packages(ROOT / "lambdas/detect/requirements-insightface.txt")
    needed = {PACKAGE_OF.get(name, name) for name in third_party(stage)}
    assert needed - set(pins) - {"botocore", "pandas"} == set()


def test_insightface_is_in_the_image_of_a_pack_of_its_format_and_in_no_other() -> None:
    holding = [one.requirements for one in IMAGES if "insightface" in packages(ROOT / one.requirements)]
    assert holding == ["lambdas/detect/requirements-insightface.txt"]
    assert frozenset(infra.image_parts.INSIGHTFACE_KINDS) == INSIGHTFACE_KINDS
    for name, known in PACKS.items():
        build_args = image("detect", "lambda", from_context({}), choose_pack(name))["build_args"]
        assert isinstance(build_args, dict)
        assert ("PACK_FORMAT" in build_args) == (known.embedder == "arcface"), name


def test_the_gpu_image_has_one_onnxruntime() -> None:
    pins = packages(ROOT / "lambdas" / "detect" / "requirements-batch.txt")
    assert "onnxruntime-gpu" in pins
    assert "onnxruntime" not in pins


@pytest.mark.parametrize("pins", [image.requirements for image in IMAGES])
def test_pins_are_exact_headless_and_those_the_tests_ran_with(pins: str) -> None:
    found = packages(ROOT / pins)
    locked = packages(ROOT / "requirements.lock")
    assert "opencv-python" not in found
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in found.values())
    assert {name: version for name, version in found.items() if locked.get(name, version) != version} == {}
    text = (ROOT / pins).read_text()
    assert len(found) == text.count("==")
    assert "http" not in text
    # Of each file of a release, so that any of its wheels may be taken and nothing else.
    hashed = text.replace("\\\n", "").splitlines()
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}$", line) for line in hashed)
    both = {line.split()[0]: line for line in (ROOT / "requirements.lock").read_text().replace("\\\n", "").splitlines()}
    assert [line.split()[0] for line in hashed if both.get(line.split()[0], line) != line] == []


@pytest.mark.parametrize("stage", STAGES)
def test_an_image_is_python_312_and_fails_while_it_is_built_if_its_handler_does(stage: str) -> None:
    text = (ROOT / "lambdas" / stage / "Dockerfile").read_text()
    froms = re.findall(r"^FROM (\S+)", text, re.M)
    assert {base for base in froms if "/" in base} == {"public.ecr.aws/lambda/python:3.12"}
    installs = re.findall(r"pip install (.*)", text)
    assert installs
    assert all("--no-deps --require-hashes" in line for line in installs)
    assert f"import lambdas.{stage}.handler" in text or f"import sys, lambdas.{stage}.handler" in text
    assert f'CMD ["lambdas.{stage}.handler.handler"]' in text


@pytest.mark.parametrize("stage", STAGES)
def test_an_image_runs_as_nobody_special_and_what_it_runs_was_tried_as_that_user(stage: str) -> None:
    text = (ROOT / "lambdas" / stage / "Dockerfile").read_text()
    targets = {
        found[1]: found[2] for found in re.finditer(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", text, re.M | re.S)
    }
    final = {name: body for name, body in targets.items() if re.search(r"^(CMD|ENTRYPOINT) ", body, re.M)}
    assert set(final) == {"lambda", "batch"} & set(targets)
    for name, body in final.items():
        steps = re.findall(r"^(COPY|RUN|USER|ENV|CMD|ENTRYPOINT)\b ?(.*)", body, re.M)
        users = [argument for step, argument in steps if step == "USER"]
        assert users == ["1000:1000"], name
        after = steps[[step for step, _ in steps].index("USER") + 1 :]
        assert after[0][0] == "RUN", name
        assert f"lambdas.{stage}." in after[0][1], name
        assert "COPY" not in [step for step, _ in after], name


@pytest.mark.parametrize(
    ("pins", "python"), [("requirements.lock", "3.11"), *((image.requirements, "3.12") for image in IMAGES)]
)
def test_pip_lets_every_pin_onto_its_python(pins: str, python: str) -> None:
    """uv overlooks that a package refuses later Pythons; pip, which builds the images, does not."""
    asked = 0
    for name in packages(ROOT / pins):
        try:
            about = importlib.metadata.metadata(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        asked += 1
        assert SpecifierSet(str(about.json.get("requires_python", ""))).contains(f"{python}.0"), name
    assert asked >= 10


def third_party(stage: str) -> set[str]:
    """Top-level modules that the image's code imports and Python does not bring."""
    found = set()
    for path in (ROOT / "lambdas" / stage, *shared_paths(stage)):
        nodes = [
            node
            for file in (path.rglob("*.py") if path.is_dir() else [path])
            for node in ast.walk(ast.parse(file.read_text()))
        ]
        for node in nodes:
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"lambdas"}


def packages(path: Path) -> dict[str, str]:
    """Version by name."""
    return dict(re.findall(r"^([a-z0-9.\-]+)(?:\[.*\])?==([^\s;\\]+)", path.read_text(), re.MULTILINE))


def test_infra_knows_rooms_by_their_names_alone() -> None:
    """But for the rule of file names, which publish owns and synth must apply too (docs/decisions)."""
    for path in Path(infra.image_parts.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            if module and module.startswith("lambdas.") and path.name != "pack_facts.py":
                assert module in ("lambdas.contracts", "lambdas.errors", "lambdas.publish.keys"), path.name


@pytest.mark.parametrize("room", ["split", "detect", "cluster", "publish"])
def test_a_stage_starts_where_the_system_says_nothing_of_its_processors(room: str) -> None:
    """As in Lambda on arm64, where /sys/devices/system/cpu is empty and older onnxruntimes crashed when imported
    (https://github.com/microsoft/onnxruntime/issues/10038). Tried on this machine's architecture."""
    hidden = "mount -t tmpfs none /sys/devices/system/cpu"
    if subprocess.run(["unshare", "-m", "sh", "-c", hidden], capture_output=True).returncode:
        pytest.skip("needs a mount namespace of its own: sudo make test")
    program = f"import lambdas.{room}.handler"
    if room == "detect":
        program += "; import onnxruntime, numpy, onnx; " + SMALLEST_MODEL
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f'{hidden} && test -z "$(ls /sys/devices/system/cpu)" && exec "$0" -c "$1"',
         sys.executable, program],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


SMALLEST_MODEL = (
    "g = onnx.helper.make_graph([onnx.helper.make_node('Relu', ['x'], ['y'])], 'g',"
    " [onnx.helper.make_tensor_value_info('x', 1, [1])], [onnx.helper.make_tensor_value_info('y', 1, [1])]);"
    " m = onnx.helper.make_model(g, ir_version=8, opset_imports=[onnx.helper.make_opsetid('', 13)]);"
    " s = onnxruntime.InferenceSession(m.SerializeToString());"
    " assert s.run(None, {'x': numpy.ones(1, numpy.float32)})[0] == 1"
)
"""A session that runs: what reads the processor's kind is asked then."""
