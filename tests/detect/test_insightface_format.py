"""Models in InsightFace's format are run by insightface, and only they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage
from numpy.typing import NDArray

from lambdas.detect.embedders import in_usual_light
from lambdas.detect.faces.detections import FaceDetections, distinct
from lambdas.detect.insightface_models import ArcFaceEmbedder, ScrfdDetector, role_of
from lambdas.errors import DamagedPack
from talent_frames.packs import resolve_pack

ASTRONAUT = Path(skimage.__file__).parent / "data" / "astronaut.png"


def by_insightface(model: Path, image: NDArray[np.uint8], min_confidence: float) -> FaceDetections:
    from insightface.model_zoo import SCRFD

    reference = SCRFD(model_file=str(model), static_shape_sessions=False)
    scores, boxes, landmarks = reference.forward(image, min_confidence)
    return distinct(FaceDetections(np.concatenate(boxes), np.concatenate(landmarks), np.concatenate(scores).ravel()))


def assert_same(found: FaceDetections, expected: FaceDetections) -> None:
    assert len(found) == len(expected)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-6)
    np.testing.assert_allclose(found.boxes, expected.boxes, atol=1e-3)
    np.testing.assert_allclose(found.landmarks, expected.landmarks, atol=1e-3)


@pytest.mark.parametrize("size", [(640, 448), (256, 256), (128, 96)], ids="{0[0]}x{0[1]}".format)
@pytest.mark.parametrize("min_confidence", [0.5, 0.1])
def test_scrfd_sees_what_insightface_sees_whatever_was_looked_at_before(
    test_pack: Path, six_people: NDArray[np.uint8], size: tuple[int, int], min_confidence: float
) -> None:
    detector = ScrfdDetector(test_pack / "det_500m.onnx")
    for picture in (six_people, cv2.imread(str(ASTRONAUT))):
        image = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        expected = by_insightface(test_pack / "det_500m.onnx", image, min_confidence)
        assert len(expected) or size != (640, 448)
        assert_same(detector._look(image, min_confidence), expected)


def tables(path: Path, outputs: int, *, batched: bool, fixed: bool) -> None:
    """A network of SCRFD's form for pictures of 256x128 that answers the same to every picture."""
    from onnx import TensorProto, helper, numpy_helper, save

    levels, strides, guesses = (3, (8, 16, 32), 2) if outputs in (6, 9) else (5, (8, 16, 32, 64, 128), 1)
    rng = np.random.default_rng(outputs)
    nodes, values, weights = [], [], []
    for number in range(outputs):
        rows = (256 // strides[number % levels]) * (128 // strides[number % levels]) * guesses
        width = (1, 4, 10)[number // levels]
        table = rng.uniform(0, 1, (rows, width)).astype(np.float32)
        weights.append(numpy_helper.from_array(table[None] if batched else table, f"table{number}"))
        nodes.append(helper.make_node("Identity", [f"table{number}"], [f"out{number}"]))
        shape = [1, rows, width] if batched else [rows, width]
        values.append(helper.make_tensor_value_info(f"out{number}", TensorProto.FLOAT, shape))
    sides = [128, 256] if fixed else ["height", "width"]
    picture = helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, *sides])
    graph = helper.make_graph(nodes, "scrfd", [picture], values, weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


@pytest.mark.parametrize("outputs", [9, 15])
@pytest.mark.parametrize("batched", [False, True], ids=["flat", "batched"])
@pytest.mark.parametrize("fixed", [False, True], ids=["free size", "fixed size"])
def test_every_form_of_scrfd_is_read_and_padded_where_its_size_is_fixed(
    tmp_path: Path, outputs: int, batched: bool, fixed: bool
) -> None:
    tables(tmp_path / "scrfd.onnx", outputs, batched=batched, fixed=fixed)
    image = np.zeros((128, 256, 3), np.uint8)
    expected = by_insightface(tmp_path / "scrfd.onnx", image, 0.98)
    assert len(expected) > 3
    detector = ScrfdDetector(tmp_path / "scrfd.onnx")
    assert_same(detector._look(image, 0.98), expected)
    if fixed:
        assert_same(detector._look(image[:100, :200], 0.98), expected)
    assert len(detector._look(image, 1.1)) == 0


@pytest.mark.parametrize("outputs", [6, 10])
def test_a_detector_without_landmarks_is_refused(tmp_path: Path, outputs: int) -> None:
    tables(tmp_path / "scrfd.onnx", outputs, batched=False, fixed=False)
    with pytest.raises(DamagedPack, match=f"scrfd.onnx: {outputs} outputs, .* landmarks that are needed"):
        ScrfdDetector(tmp_path / "scrfd.onnx")


def test_arcface_embeds_as_insightface_does(test_pack: Path, six_people: NDArray[np.uint8]) -> None:
    from insightface.model_zoo import ArcFaceONNX
    from onnxruntime import InferenceSession

    model = test_pack / "rec_mbf.onnx"
    embedder = ArcFaceEmbedder(model)
    faces = ScrfdDetector(test_pack / "det_500m.onnx").detect(six_people, 0.5)
    crops = [embedder.align(six_people, *face) for face in zip(faces.landmarks, faces.boxes, strict=True)]
    reference = ArcFaceONNX(model_file=str(model), session=InferenceSession(str(model)))
    expected = reference.get_feat([in_usual_light(crop) for crop in crops])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.embed(crops), expected, atol=1e-5)


def means(path: Path, sides: tuple[int, int] = (112, 112)) -> None:
    """A network of recognition's form that takes pictures of this size."""
    from onnx import TensorProto, helper, numpy_helper, save

    nodes: list[Any] = [
        helper.make_node("GlobalAveragePool", ["picture"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["vector"]),
    ]
    inputs = [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, *sides])]
    weights = [numpy_helper.from_array(np.eye(3, 4, dtype=np.float32), "weights")]
    output = helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, 4])
    graph = helper.make_graph(nodes, "recognition", inputs, [output], weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def test_what_a_file_is_for_is_told_by_its_form(test_pack: Path, tmp_path: Path) -> None:
    means(tmp_path / "rec.onnx")
    means(tmp_path / "odd.onnx", (113, 113))
    tables(tmp_path / "scrfd.onnx", 15, batched=False, fixed=False)
    tables(tmp_path / "without.onnx", 6, batched=False, fixed=False)
    assert role_of(test_pack / "det_500m.onnx") == ("detection", 0)
    assert role_of(test_pack / "rec_mbf.onnx") == ("recognition", 128)
    assert role_of(tmp_path / "rec.onnx") == ("recognition", 4)
    assert role_of(tmp_path / "scrfd.onnx") == ("detection", 0)
    for other in ("odd.onnx", "without.onnx"):
        assert role_of(tmp_path / other) == ("other", 0)


@pytest.mark.parametrize("data", [b"", b"text", b"\x08\x07", bytes(range(256))])
def test_a_file_that_is_no_onnx_is_a_damaged_pack(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.onnx").write_bytes(data)
    with pytest.raises(DamagedPack, match=r"model\.onnx: not an ONNX model"):
        role_of(tmp_path / "model.onnx")


def test_a_detector_is_no_embedder(test_pack: Path) -> None:
    with pytest.raises(DamagedPack, match=r"det_500m\.onnx: no recognition model"):
        ArcFaceEmbedder(test_pack / "det_500m.onnx")
    with pytest.raises(DamagedPack, match=r"rec_mbf\.onnx: 1 outputs, no SCRFD"):
        ScrfdDetector(test_pack / "rec_mbf.onnx")


def test_insightface_is_loaded_for_a_pack_of_its_format_and_for_no_other(test_pack: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from lambdas.detect.packs import load_pack\n"
        "pack = load_pack(Path(sys.argv[1])); pack.detector, pack.embedder\n"
        "print(sorted({'insightface', 'onnx', 'skimage', 'scenedetect'} & set(sys.modules)))"
    )
    loaded = []
    for pack in (resolve_pack("open"), test_pack):
        done = subprocess.run([sys.executable, "-c", program, str(pack)], capture_output=True, text=True, check=True)
        loaded.append(done.stdout.strip())
    assert loaded == ["[]", "['insightface', 'onnx', 'skimage']"]
