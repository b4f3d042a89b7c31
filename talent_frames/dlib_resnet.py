"""dlib's face recognition ResNet as ONNX: the same weights, several times as fast on onnxruntime as in dlib.

Reads `dlib_face_recognition_resnet_model_v1.dat` (Davis King, CC0) by the layout dlib's serialization gives it. The
network's layers are those of dlib's `dnn_face_recognition_ex.cpp`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambdas.errors import DamagedPack

SIDE = 150
"""Pixels of the square input."""
SIZE = 128
"""Numbers in a descriptor."""
_MEAN_RGB = (122.782, 117.001, 104.298)
"""Taken off every pixel before it is divided by 256: dlib's `input_rgb_image_sized`."""
_BLOCKS = (
    *[(32, False)] * 3,
    *[(64, True)] + [(64, False)] * 3,
    *[(128, True)] + [(128, False)] * 2,
    *[(256, True)] + [(256, False)] * 2,
    (256, True),
)
"""Channels of each residual block from the input on, and whether it halves the picture."""

Floats = NDArray[np.float32]


@dataclass
class _Tensors:
    """The weights of a serialized network, read in the order the layers run in."""

    data: bytes
    place: int = 0

    def take(self, *shape: int) -> Floats:
        """The next tensor of this shape (up to four dimensions).

        dlib writes a tensor as its version (2), its four dimensions and its little-endian floats; an integer as the
        count of its bytes and the bytes.
        """
        dims = (*shape, 1, 1, 1)[:4]
        header = b"\x01\x02" + b"".join(_integer(dim) for dim in dims)
        found = self.data.find(header, self.place)
        count = int(np.prod(shape))
        start = found + len(header)
        if found < 0 or start + 4 * count > len(self.data):
            raise DamagedPack(f"dlib's ResNet: no weights of shape {list(shape)} after byte {self.place}")
        self.place = start + 4 * count
        return np.frombuffer(self.data, "<f4", count, start).reshape(shape).astype(np.float32)

    def convolution(self, filters: int, channels: int, side: int) -> tuple[Floats, Floats]:
        """Weights (filters, channels, side, side) and bias (filters,) with the affine layer that follows folded in."""
        count = filters * channels * side * side
        convolution, affine = self.take(count + filters), self.take(2 * filters)
        gamma, beta = affine[:filters], affine[filters:]
        weights = convolution[:count].reshape(filters, channels, side, side) * gamma[:, None, None, None]
        return weights, convolution[count:] * gamma + beta


def _integer(value: int) -> bytes:
    data = value.to_bytes((value.bit_length() + 7) // 8, "little")
    return bytes([len(data)]) + data


def to_onnx(source: Path, target: Path) -> None:
    """Writes the network as ONNX: `crops` (n, 3, 150, 150) BGR 0 to 255 in, `descriptors` (n, 128) out.

    Raises DamagedPack if the file is not the network expected.
    """
    from onnx import TensorProto, helper, numpy_helper

    tensors = _Tensors(source.read_bytes())
    nodes: list[Any] = []
    weights: list[Any] = []

    def add(kind: str, inputs: list[str], **attributes: Any) -> str:
        name = f"{kind.lower()}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(values: NDArray[Any]) -> str:
        name = f"weights_{len(weights)}"
        weights.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def convolve(x: str, filters: int, channels: int, stride: int) -> str:
        kernel, bias = tensors.convolution(filters, channels, 3)
        # dlib pads by half the filter where the stride is 1, else not at all.
        padding = [1 if stride == 1 else 0] * 4
        return add("Conv", [x, constant(kernel), constant(bias)], strides=[stride] * 2, pads=padding)

    def pad(x: str, channels: int, side: int) -> str:
        """Zeros after the last channel, row and column: dlib's add_prev adds tensors of different shapes so."""
        if channels == side == 0:
            return x
        return add("Pad", [x, constant(np.array([0, 0, 0, 0, 0, channels, side, side], np.int64))])

    kernel, bias = tensors.convolution(32, 3, 7)
    # In double precision, so that the order of the sum, which differs between CPUs, does not change the file.
    mean = np.array(_MEAN_RGB)[None, :, None, None] / 256
    bias = (bias - (kernel.astype(np.float64) * mean).sum(axis=(1, 2, 3))).astype(np.float32)
    x = add("Conv", ["crops", constant(kernel[:, ::-1] / 256), constant(bias)], strides=[2, 2])
    x = add("MaxPool", [add("Relu", [x])], kernel_shape=[3, 3], strides=[2, 2])
    channels, side = 32, ((SIDE - 7) // 2 + 1 - 3) // 2 + 1
    for filters, halves in _BLOCKS:
        before = x
        y = add("Relu", [convolve(before, filters, channels, 2 if halves else 1)])
        y = convolve(y, filters, filters, 1)
        if halves:
            before = add("AveragePool", [before], kernel_shape=[2, 2], strides=[2, 2])
            pooled, convolved = side // 2, (side - 3) // 2 + 1
            side = max(pooled, convolved)
            y = pad(y, 0, side - convolved)
            before = pad(before, filters - channels, side - pooled)
        x = add("Relu", [add("Add", [y, before])])
        channels = filters
    x = add("Flatten", [add("GlobalAveragePool", [x])])
    add("MatMul", [x, constant(tensors.take(256, SIZE))])
    nodes[-1].output[0] = "descriptors"
    graph = helper.make_graph(
        nodes,
        "dlib_face_recognition_resnet_model_v1",
        [helper.make_tensor_value_info("crops", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("descriptors", TensorProto.FLOAT, ["n", SIZE])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    target.write_bytes(model.SerializeToString(deterministic=True))
