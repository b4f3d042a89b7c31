"""Tells ONNX files whose weights lie in other files, from their bytes alone: no model library is loaded for it.

onnxruntime opens whatever path such a file names, and no checksum of the file covers what lies there. What is read is
protobuf's wire format (protobuf.dev/programming-guides/encoding), as far down as tensors can be, and no weights.
"""

from __future__ import annotations

import mmap
from pathlib import Path

MESSAGES: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto",
        6: "GraphProto",
        10: "TensorProto",
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
}
"""Fields of onnx.proto that lead to tensors: the message in each."""
EXTERNAL_DATA, DATA_LOCATION = 13, 14
"""Fields of a TensorProto: where else its numbers lie, and whether they do."""

_VARINT, _EIGHT, _COUNTED, _FOUR = 0, 1, 2, 5
"""Wire types. Groups, which ONNX never had, are no ONNX."""


def has_external_data(path: Path) -> bool:
    """Whether a tensor of an ONNX file lies in another file. Raises ValueError for what is no ONNX file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found_graph = False
        # From, to and kind of each message still to be read; no recursion, however deep graphs lie in graphs.
        left = [(0, len(data), "ModelProto")]
        while left:
            at, end, kind = left.pop()
            fields = MESSAGES[kind]
            while at < end:
                tag, at = _varint(data, at, end)
                number, wire = tag >> 3, tag & 7
                if not 0 < number < 2**29:
                    raise ValueError("a field without a number")
                if wire == _VARINT:
                    value, at = _varint(data, at, end)
                    if kind == "TensorProto" and number == DATA_LOCATION and value:
                        return True
                    continue
                if wire == _COUNTED:
                    length, at = _varint(data, at, end)
                elif wire in (_EIGHT, _FOUR):
                    length = 8 if wire == _EIGHT else 4
                else:
                    raise ValueError(f"wire type {wire}")
                if at + length > end:
                    raise ValueError("it ends within a field")
                if wire == _COUNTED:
                    if kind == "TensorProto" and number == EXTERNAL_DATA:
                        return True
                    if number in fields:
                        left.append((at, at + length, fields[number]))
                        found_graph |= fields[number] == "GraphProto"
                at += length
    if not found_graph:
        raise ValueError("no graph in it")
    return False


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """A number of seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        if at >= end or shift > 63:
            raise ValueError("it ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
