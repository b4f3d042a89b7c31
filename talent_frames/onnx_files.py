"""ONNX files rewritten once, when a pack is made: whole float32 weights, free sizes, no weights among the inputs.

The same file comes out on every machine: weights are computed with one rounding each, and the graph is written in its
own order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lambdas.errors import DamagedPack


def make_detector(source: Path, target: Path) -> None:
    """Writes a detector's ONNX with float32 weights and with free height and width."""
    model = _plain(source)
    for value in (*model.graph.input, *model.graph.output):
        dims = value.type.tensor_type.shape.dim
        # Rank 4 is (batch, channels, height, width), rank 3 is YuNet's (batch, cells, numbers).
        free = {2: "height", 3: "width"} if len(dims) == 4 else {1: "cells"}
        if value.name not in {given.name for given in model.graph.input}:
            free = {axis: f"{value.name}_{name}" for axis, name in free.items()}
        for axis, name in free.items():
            dims[axis].dim_param = name
        if len(dims) == 4:
            dims[0].dim_value = 1
    target.write_bytes(model.SerializeToString(deterministic=True))


def make_embedder(source: Path, target: Path) -> None:
    """Writes an embedder's ONNX with float32 weights, for any number of faces at once."""
    model = _plain(source)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"
    target.write_bytes(model.SerializeToString(deterministic=True))


def _plain(source: Path) -> Any:
    """The model with its quantized weights made float32 and nothing but its picture among the inputs.

    Weights listed as inputs keep onnxruntime from folding batch norms into convolutions; weights listed that are no
    longer there (SFace's, since it was quantized) keep it from running the model at all.

    Raises DamagedPack if the file is no model, or one of another shape.
    """
    import onnx

    try:
        model = onnx.load(str(source), load_external_data=False)
    except Exception as error:  # protobuf's own class is not part of its interface
        raise DamagedPack(f"{source.name}: not an ONNX model") from error
    graph = model.graph
    _fold(graph)
    weights = {tensor.name for tensor in graph.initializer}
    used = {name for node in graph.node for name in node.input}
    for value in list(graph.input):
        if value.name in weights or value.name not in used:
            graph.input.remove(value)
    if len(graph.input) != 1:
        raise DamagedPack(f"{source.name}: {len(graph.input)} inputs instead of one picture")
    del graph.value_info[:]
    return model


def _fold(graph: Any) -> None:
    """Replaces weights that are computed from others (DequantizeLinear, then Reshape) with what comes out."""
    from onnx import helper, numpy_helper

    known = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    folded: dict[str, NDArray[Any]] = {}
    left = []
    for node in graph.node:
        given = [known[name] for name in node.input if name in known]
        if node.op_type not in ("DequantizeLinear", "Reshape") or len(given) < len(node.input):
            left.append(node)
            continue
        if node.op_type == "DequantizeLinear":
            named = {one.name: helper.get_attribute_value(one) for one in node.attribute}
            array = _dequantized(*given, axis=named["axis"], block=named["block_size"])
        else:
            array = given[0].reshape(given[1])
        known[node.output[0]] = folded[node.output[0]] = array
    if not folded:
        return
    del graph.node[:]
    graph.node.extend(left)
    used = {name for node in left for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    made = [numpy_helper.from_array(array, name) for name, array in folded.items() if name in used]
    del graph.initializer[:]
    graph.initializer.extend([*kept, *made])


def _dequantized(
    quantized: NDArray[Any], scale: NDArray[np.float32], zero: NDArray[Any], *, axis: int, block: int
) -> NDArray[np.float32]:
    """ONNX's DequantizeLinear, one scale for each block of weights along the axis."""
    length = quantized.shape[axis]
    scale, zero = (np.repeat(array, block, axis=axis).take(range(length), axis=axis) for array in (scale, zero))
    # Whole numbers below 2^24: only the product is rounded.
    return (quantized.astype(np.int32) - zero.astype(np.int32)).astype(np.float32) * scale
