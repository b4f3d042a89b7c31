"""Packs on disk."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from lambdas.detect.catalogue import DETECTORS, EMBEDDERS
from lambdas.detect.packs import MANIFEST, PackManifest, load_pack, read_manifest
from lambdas.errors import DamagedPack, MissingPack, UnknownPack
from talent_frames.packs import resolve_pack


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of `open` that may be damaged."""
    return Path(shutil.copytree(resolve_pack("open"), tmp_path / "copy"))


def edit(directory: Path, **changes: object) -> None:
    document = json.loads((directory / MANIFEST).read_text())
    (directory / MANIFEST).write_text(json.dumps({**document, **changes}))


def test_facts_of_open() -> None:
    facts = load_pack(resolve_pack("open")).facts
    assert (facts.name, facts.commercial_use, facts.embedding_size) == ("open", True, 128)
    assert facts.detector == "centerface centerface_dynamic"
    # The files are made on each machine; a worker elsewhere must come to the same ones.
    assert facts.sha256 == "cb7554bc2898d493a18445891fb2ff3cc109a71c0469a09dd075712ec5cf13b0"


def test_loading_a_pack_loads_no_model(copy: Path) -> None:
    pack = load_pack(copy)
    assert "detector" not in vars(pack)
    assert pack.detector is pack.detector
    assert "embedder" not in vars(pack)


def test_importing_the_room_loads_no_model_library() -> None:
    libraries = {"onnx", "onnxruntime", "insightface"}
    code = f"import sys, lambdas.detect.packs; print(sorted({libraries} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_an_absent_directory_is_an_unknown_pack(tmp_path: Path) -> None:
    with pytest.raises(UnknownPack, match="nowhere"):
        load_pack(tmp_path / "nowhere")


def test_an_empty_directory_is_no_pack(tmp_path: Path) -> None:
    with pytest.raises(MissingPack, match="0 and 0 found"):
        load_pack(tmp_path)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / "centerface_dynamic.onnx").unlink()
    with pytest.raises(DamagedPack, match=r"centerface_dynamic\.onnx is missing"):
        load_pack(copy)


@pytest.mark.parametrize("damage", ["cut off", "one bit"])
def test_a_damaged_file_is_named(copy: Path, damage: str) -> None:
    path = copy / "centerface_dynamic.onnx"
    data = bytearray(path.read_bytes())
    if damage == "one bit":
        data[len(data) // 2] ^= 1
    path.write_bytes(data if damage == "one bit" else data[:1000])
    with pytest.raises(DamagedPack, match=r"centerface_dynamic\.onnx has"):
        load_pack(copy)


@pytest.mark.parametrize(
    "changes",
    [{"surprise": 1}, {"detector": "guess"}, {"embedder": "guess"}, {"distances": {"same": 0.5}}, {"version": 2}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_manifest_of_another_shape_is_refused(copy: Path, changes: dict[str, object]) -> None:
    edit(copy, **changes)
    with pytest.raises(DamagedPack, match=MANIFEST):
        load_pack(copy)


def test_a_manifest_that_is_not_json_is_refused(copy: Path) -> None:
    (copy / MANIFEST).write_text("{")
    with pytest.raises(DamagedPack, match=MANIFEST):
        read_manifest(copy)


@pytest.mark.parametrize("text", ["[" * 60_000, '{"a":' * 60_000, " " * 70_000], ids=["brackets", "braces", "long"])
def test_a_manifest_nested_too_deeply_or_too_long_is_refused(copy: Path, text: str) -> None:
    (copy / MANIFEST).write_text(text)
    with pytest.raises(DamagedPack, match=MANIFEST) as caught:
        load_pack(copy)
    assert len(str(caught.value)) < 300


def test_a_pack_is_of_onnx_files_alone(copy: Path) -> None:
    (copy / "centerface_dynamic.onnx").rename(copy / "centerface_dynamic.ort")
    file = json.loads((copy / MANIFEST).read_text())["detector_file"]
    edit(copy, detector_file={**file, "name": "centerface_dynamic.ort"})
    with pytest.raises(DamagedPack, match=r"centerface_dynamic\.ort is no \.onnx file"):
        load_pack(copy)


def test_a_manifest_can_not_name_files_elsewhere(copy: Path) -> None:
    file = json.loads((copy / MANIFEST).read_text())["detector_file"]
    edit(copy, detector_file={**file, "name": "../centerface_dynamic.onnx"})
    with pytest.raises(DamagedPack, match="detector_file"):
        load_pack(copy)


def test_a_file_that_is_no_model_is_a_damaged_pack(copy: Path) -> None:
    from lambdas.detect.packs import describe_file

    (copy / "centerface_dynamic.onnx").write_bytes(b"no model")
    edit(copy, detector_file=describe_file(copy / "centerface_dynamic.onnx").model_dump())
    with pytest.raises(DamagedPack, match="not a model"):
        _ = load_pack(copy).detector


def test_an_embedder_of_another_size_is_a_damaged_pack(copy: Path) -> None:
    edit(copy, embedding_size=512)
    with pytest.raises(DamagedPack, match="128"):
        _ = load_pack(copy).embedder


def test_every_kind_of_model_is_a_class_of_this_room() -> None:
    for kinds, methods in ((DETECTORS, ("input_size", "detect", "sure")), (EMBEDDERS, ("align", "embed"))):
        for where in kinds.values():
            module, _, name = where.partition(".")
            kind = getattr(import_module(f"lambdas.detect.{module}"), name)
            assert all(hasattr(kind, method) for method in methods), where


def test_the_checksum_tells_packs_apart() -> None:
    manifest = read_manifest(resolve_pack("open"))
    other = manifest.detector_file.model_copy(update={"sha256": "0" * 64})
    assert manifest.facts().sha256 != manifest.model_copy(update={"detector_file": other}).facts().sha256
    assert manifest.facts().sha256 == PackManifest.model_validate_json(manifest.model_dump_json()).facts().sha256


def test_insightface_files_are_a_pack_without_a_manifest(test_pack: Path) -> None:
    facts = load_pack(test_pack).facts
    assert facts.name == "mobilefacenet-128"
    assert not facts.commercial_use
    assert (facts.detector, facts.embedder) == ("scrfd det_500m", "arcface rec_mbf")
    assert facts.embedding_size == 128
    assert facts.distances.same == 0.54


def test_other_modules_of_insightface_are_ignored(test_pack: Path, tmp_path: Path) -> None:
    shutil.copytree(test_pack, tmp_path / "pack")
    for name in ("1k3d68.onnx", "2d106det.onnx", "genderage.onnx"):
        (tmp_path / "pack" / name).write_bytes(b"not looked at")
    assert load_pack(tmp_path / "pack").facts == load_pack(test_pack).facts


def test_an_insightface_detector_alone_is_no_pack(test_pack: Path, tmp_path: Path) -> None:
    shutil.copy(test_pack / "det_500m.onnx", tmp_path)
    with pytest.raises(MissingPack, match="1 and 0 found"):
        load_pack(tmp_path)


def test_a_file_that_is_no_onnx_is_named(test_pack: Path, tmp_path: Path) -> None:
    shutil.copytree(test_pack, tmp_path / "pack")
    (tmp_path / "pack" / "rec_mbf.onnx").write_bytes(b"text")
    with pytest.raises(DamagedPack, match=r"rec_mbf\.onnx"):
        load_pack(tmp_path / "pack")
