"""What an ONNX file says of its graph, read in place: without the package `onnx`, a session, or the weights.

Protocol buffers' wire format (https://protobuf.dev/programming-guides/encoding/) is a row of fields, each a number, a
kind and, for what is nested, its length: what is not asked for is passed over. Field numbers are those of `onnx.proto`
(https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_GRAPH = 7
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12
_NODE_NAME, _TENSOR_NAME = 3, 8
_VALUE_NAME, _VALUE_TYPE = 1, 2
_TENSOR_TYPE, _TENSOR_SHAPE, _DIMENSION, _SIZE = 1, 2, 1, 1

_VARINT, _EIGHT_BYTES, _NESTED, _FOUR_BYTES = 0, 1, 2, 5


@dataclass(frozen=True)
class OnnxGraph:
    """Beginning and ends of a graph."""

    first_nodes: tuple[str, ...]
    """Names of the first nodes, as many as were asked for or there are."""
    inputs: tuple[tuple[int, ...], ...]
    """Shape of each input that is no weight; 0 for a free size."""
    outputs: tuple[tuple[int, ...], ...]
    """Shape of each output, as far as the file gives it: () without, 0 for a free size."""


def read_graph(path: Path, nodes: int = 0) -> OnnxGraph:
    """The file's graph, with the names of so many nodes. Raises ValueError if it isn't an ONNX file."""
    with path.open("rb") as file:
        if not file.seek(0, 2):
            raise ValueError(f"{path}: empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _graph(data, nodes)
            except (IndexError, UnicodeDecodeError) as error:
                raise ValueError(f"{path}: not an ONNX file") from error


def _graph(data: mmap.mmap, nodes: int) -> OnnxGraph:
    graphs = [span for number, span in _fields(data, (0, len(data))) if number == _GRAPH]
    if len(graphs) != 1 or isinstance(graphs[0], int):
        raise ValueError(f"not an ONNX file: {len(graphs)} graphs")
    names: list[str] = []
    weights: set[str] = set()
    inputs: list[tuple[str, tuple[int, ...]]] = []
    outputs: list[tuple[int, ...]] = []
    for number, span in _fields(data, graphs[0]):
        if isinstance(span, int):
            continue
        if number == _NODE and len(names) < nodes:
            names.append(_text(data, span, _NODE_NAME))
        elif number == _INITIALIZER:
            weights.add(_text(data, span, _TENSOR_NAME))
        elif number == _INPUT:
            inputs.append((_text(data, span, _VALUE_NAME), _shape(data, span)))
        elif number == _OUTPUT:
            outputs.append(_shape(data, span))
    # Old files list their weights among the inputs.
    return OnnxGraph(tuple(names), tuple(shape for name, shape in inputs if name not in weights), tuple(outputs))


def _shape(data: mmap.mmap, span: tuple[int, int]) -> tuple[int, ...]:
    """Of a named value; () if it isn't given."""
    for number in (_VALUE_TYPE, _TENSOR_TYPE, _TENSOR_SHAPE):
        found = next((inner for field, inner in _fields(data, span) if field == number), None)
        if found is None or isinstance(found, int):
            return ()
        span = found
    sizes = []
    for field, dimension in _fields(data, span):
        if field == _DIMENSION and not isinstance(dimension, int):
            given = (size for part, size in _fields(data, dimension) if part == _SIZE and isinstance(size, int))
            sizes.append(next(given, 0))
    return tuple(sizes)


def _text(data: mmap.mmap, span: tuple[int, int], number: int) -> str:
    """A field's text; empty without it."""
    for field, inner in _fields(data, span):
        if field == number and not isinstance(inner, int):
            return data[inner[0] : inner[1]].decode()
    return ""


def _fields(data: mmap.mmap, span: tuple[int, int]) -> Iterator[tuple[int, int | tuple[int, int]]]:
    """Each field's number with its value or, where bytes are nested, with the half-open range that holds them."""
    at, end = span
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
        elif kind == _NESTED:
            length, at = _varint(data, at)
            yield number, (at, at + length)
            at += length
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            at += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise IndexError(f"kind {kind} at {at}")
    if at != end:
        raise IndexError(f"a field ends at {at}, beyond {end}")


def _varint(data: mmap.mmap, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise IndexError(f"no number at {at}")
