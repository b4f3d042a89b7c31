"""Batches as the GPU gets them, without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lambdas.detect import device
from lambdas.detect.detectors import onnx_session
from lambdas.detect.insightface_models import ArcFaceEmbedder
from lambdas.errors import GpuMissing


class Counting:
    """A session that remembers how many inputs each run had."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.runs: list[int] = []

    def get_inputs(self) -> Any:
        return self._session.get_inputs()

    def run(self, outputs: Any, feed: dict[str, NDArray[np.float32]]) -> Any:
        self.runs.append(len(next(iter(feed.values()))))
        return self._session.run(outputs, feed)


def small_network(path: Path, batch: int | str) -> Counting:
    """Means of the three channels."""
    from onnx import TensorProto, helper, save

    graph = helper.make_graph(
        [
            helper.make_node("GlobalAveragePool", ["data"], ["mean"]),
            helper.make_node("Flatten", ["mean"], ["flat"]),
        ],
        "means",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [batch, 3, 4, 4])],
        [helper.make_tensor_value_info("flat", TensorProto.FLOAT, [batch, 3])],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return Counting(onnx_session(path, 1))


def inputs_of(count: int, rows: int = 1) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(count)
    return [rng.standard_normal((rows, 3, 4, 4), np.float32) for _ in range(count)]


def expected_of(inputs: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    return [one.mean(axis=(2, 3)) for one in inputs]


@pytest.mark.parametrize(
    ("count", "rows", "runs"),
    [
        (0, 1, []),
        (1, 1, [1]),
        (32, 1, [32]),
        (33, 1, [32, 1]),
        (70, 1, [32, 32, 6]),
        (20, 2, [32, 8]),
        (2, 40, [40, 40]),
    ],
)
def test_the_gpu_gets_full_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, rows: int, runs: list[int]
) -> None:
    session = small_network(tmp_path / "means.onnx", "n")
    monkeypatch.setitem(device._chosen, "device", "cuda")
    inputs = inputs_of(count, rows)
    found = device.first_outputs(session, inputs)
    assert session.runs == runs
    assert [len(one) for one in found] == [rows] * count
    for got, expected in zip(found, expected_of(inputs), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)


def test_the_cpu_gets_one_after_the_other(tmp_path: Path) -> None:
    session = small_network(tmp_path / "means.onnx", "n")
    device.first_outputs(session, inputs_of(3))
    assert session.runs == [1, 1, 1]


def test_a_model_of_fixed_size_gets_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = small_network(tmp_path / "means.onnx", 1)
    monkeypatch.setitem(device._chosen, "device", "cuda")
    inputs = inputs_of(3)
    found = device.first_outputs(session, inputs)
    assert session.runs == [1, 1, 1]
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(expected_of(inputs)), atol=1e-6)


def test_faces_embedded_in_batches_are_those_embedded_alone(test_pack: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = ArcFaceEmbedder(test_pack / "rec_mbf.onnx")
    rng = np.random.default_rng(1)
    crops = [np.asarray(rng.integers(0, 255, (112, 112, 3)), np.uint8) for _ in range(5)]
    assert embedder._batch == 1
    alone = embedder.embed(crops)
    assert embedder.embed([]).shape == (0, 128)
    monkeypatch.setitem(device._chosen, "device", "cuda")
    assert device.batch() == 32
    monkeypatch.setattr(embedder, "_batch", 3)
    np.testing.assert_allclose(embedder.embed(crops), alone, atol=1e-5)


def test_cuda_is_refused_where_onnxruntime_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["AzureExecutionProvider"])
    with pytest.raises(GpuMissing, match="AzureExecutionProvider"):
        device.use("cuda", "cpu")
    assert device.provider() == "CPUExecutionProvider"


def test_cuda_is_chosen_where_onnxruntime_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    chosen = {"device": "cpu", "decoder": "cpu"}
    monkeypatch.setattr(device, "_chosen", chosen)
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    device.use("cuda", "cpu")
    assert device.provider() == "CUDAExecutionProvider"
    assert device.hardware_decoder() is None


def test_frames_are_decoded_by_the_gpu_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_chosen", {"device": "cpu", "decoder": "nvdec"})
    decoder = device.hardware_decoder()
    assert decoder is not None
    assert not decoder.allow_software_fallback
