"""Networks whose weights lie in other files: found wherever ONNX lets a tensor stand, and refused in a pack."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lambdas.detect.external_data import MESSAGES, has_external_data
from lambdas.detect.packs import MANIFEST, describe_file, load_pack
from lambdas.errors import DamagedPack
from talent_frames.packs import resolve_pack


def leading_to_tensors() -> dict[str, dict[int, str]]:
    """Of onnx.proto as onnx has it: the fields of each message that can hold a tensor, directly or further down."""
    fields: dict[str, dict[int, str]] = {}

    def walk(message: Any) -> None:
        if message.name in fields:
            return
        fields[message.name] = {
            field.number: field.message_type.name for field in message.fields if field.message_type is not None
        }
        for field in message.fields:
            if field.message_type is not None:
                walk(field.message_type)

    walk(onnx.ModelProto.DESCRIPTOR)
    fields["TensorProto"] = {}
    holding = {"TensorProto"}
    while more := {name for name, inside in fields.items() if set(inside.values()) & holding} - holding:
        holding |= more
    return {name: {number: inside for number, inside in fields[name].items() if inside in holding} for name in holding}


def test_every_place_of_a_tensor_in_onnx_is_looked_at() -> None:
    assert leading_to_tensors() == MESSAGES


def elsewhere() -> TensorProto:
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="weights.bin")
    return tensor


def graph(**more: Any) -> onnx.GraphProto:
    made = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], [])
    for name, value in more.items():
        getattr(made, name).append(value)
    return made


def node(**attributes: Any) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], **attributes)


def model(inside: onnx.GraphProto) -> onnx.ModelProto:
    return helper.make_model(inside)


def with_function() -> onnx.ModelProto:
    made = model(graph())
    made.functions.add().node.append(node(value=elsewhere()))
    return made


def with_training() -> onnx.ModelProto:
    made = model(graph())
    made.training_info.add().algorithm.initializer.append(elsewhere())
    return made


HIDDEN = {
    "initializer": model(graph(initializer=elsewhere())),
    "sparse initializer": model(graph(sparse_initializer=onnx.SparseTensorProto(values=elsewhere()))),
    "node": model(graph(node=node(value=elsewhere()))),
    "list of a node": model(graph(node=node(values=[elsewhere()]))),
    "graph in a graph": model(graph(node=node(then_branch=graph(node=node(body=graph(initializer=elsewhere())))))),
    "function": with_function(),
    "training": with_training(),
}


@pytest.mark.parametrize("place", HIDDEN)
def test_external_data_is_found_wherever_it_stands(place: str, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(HIDDEN[place].SerializeToString())
    assert has_external_data(tmp_path / "a.onnx")
    # Its tensor alone, with the numbers inside.
    inside = numpy_helper.from_array(onnx.numpy_helper.to_array(helper.make_tensor("w", TensorProto.FLOAT, [1], [2.0])))
    (tmp_path / "a.onnx").write_bytes(model(graph(initializer=inside)).SerializeToString())
    assert not has_external_data(tmp_path / "a.onnx")


def test_damaged_files_are_no_model_and_no_endless_reading(tmp_path: Path) -> None:
    whole = HIDDEN["graph in a graph"].SerializeToString()
    dice = random.Random(5)
    path = tmp_path / "a.onnx"
    ends: set[bool | str] = set()
    for _ in range(500):
        data = bytearray(whole[: dice.randrange(1, len(whole) + 1)])
        for _ in range(dice.randrange(4)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        path.write_bytes(data)
        try:
            ends.add(has_external_data(path))
        except ValueError:
            ends.add("refused")
    assert {True, "refused"} <= ends
    path.write_bytes(b"")
    with pytest.raises(ValueError):
        has_external_data(path)


def external_copy(folder: Path) -> Path:
    """`open` with its detector's weights in a file beside it, its manifest right about all that it names."""
    pack = Path(shutil.copytree(resolve_pack("open"), folder / "pack"))
    name = json.loads((pack / MANIFEST).read_text())["detector_file"]["name"]
    onnx.save(
        onnx.load(str(pack / name)),
        str(pack / name),
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    document = json.loads((pack / MANIFEST).read_text())
    document["detector_file"] = describe_file(pack / name).model_dump()
    (pack / MANIFEST).write_text(json.dumps(document))
    assert (pack / "weights.bin").stat().st_size > 1_000_000
    return pack


def test_a_pack_with_weights_in_other_files_is_refused(tmp_path: Path) -> None:
    pack = external_copy(tmp_path)
    with pytest.raises(DamagedPack, match=r"^open: centerface_dynamic\.onnx keeps weights in other files"):
        load_pack(pack)


def test_weights_in_other_files_are_refused_before_insightface_opens_them(test_pack: Path, tmp_path: Path) -> None:
    pack = Path(shutil.copytree(test_pack, tmp_path / "pack"))
    pack.chmod(0o755)
    found = onnx.load(str(pack / "rec_mbf.onnx"))
    found.graph.initializer.append(elsewhere())
    (pack / "rec_mbf.onnx").unlink()
    (pack / "rec_mbf.onnx").write_bytes(found.SerializeToString())
    with pytest.raises(DamagedPack, match=r"^pack: rec_mbf\.onnx keeps weights in other files"):
        load_pack(pack)
