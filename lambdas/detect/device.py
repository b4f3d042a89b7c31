"""On what this process runs models and decodes: the CPU unless the GPU was asked for, and then nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lambdas.errors import GpuMissing

Device = Literal["cpu", "cuda"]
Decoder = Literal["cpu", "nvdec"]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
BATCH = 32
"""Inputs a model gets at once on the GPU. On a CPU a batch of 8 faces takes half as long again per face as one."""
_chosen: dict[str, str] = {"device": "cpu", "decoder": "cpu"}


def use(device: Device, decoder: Decoder) -> None:
    """From here on models and decoders that are loaded use these. Raises GpuMissing where they can't be had."""
    if device == "cuda":
        import onnxruntime

        offered = onnxruntime.get_available_providers()
        if _PROVIDERS["cuda"] not in offered:
            raise GpuMissing(f"models were to run on the GPU, this onnxruntime offers {', '.join(offered)}")
    if decoder == "nvdec":
        import av
        import av.error
        from av.codec.hwaccel import HWAccel

        try:
            HWAccel("cuda", allow_software_fallback=False).create(av.Codec("h264", "r"))
        except (av.error.FFmpegError, OSError, NotImplementedError) as error:
            raise GpuMissing(f"video was to be decoded on the GPU, FFmpeg gets no CUDA device ({error})") from None
    _chosen.update(device=device, decoder=decoder)


def provider() -> str:
    """onnxruntime's name for where models run."""
    return _PROVIDERS[_chosen["device"]]


def batch() -> int:
    """How many inputs a model gets at once."""
    return 1 if _chosen["device"] == "cpu" else BATCH


def check_session(session: Any) -> None:
    """Raises GpuMissing where onnxruntime quietly fell back to the CPU, as it does when CUDA's libraries don't load."""
    if session.get_providers()[0] != provider():
        raise GpuMissing(f"a model was to run on {provider()}, onnxruntime chose {session.get_providers()[0]}")


def hardware_decoder() -> Any:
    """PyAV's handle for decoding on the GPU, None for the CPU; a codec the GPU can't decode is then an error."""
    if _chosen["decoder"] == "cpu":
        return None
    from av.codec.hwaccel import HWAccel

    return HWAccel("cuda", allow_software_fallback=False)


def first_outputs(session: Any, inputs: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """A model's first output for each input (k, channels, height, width): (k, ...).

    On the GPU as many at once as BATCH allows, on the CPU one after the other, as also where the model's file fixes how
    many it takes.
    """
    given = session.get_inputs()[0]
    alone = _chosen["device"] == "cpu" or isinstance(given.shape[0], int)
    outputs: list[NDArray[np.float32]] = []
    for batch in _batches(inputs, 1 if alone else BATCH):
        found = session.run(None, {given.name: batch[0] if len(batch) == 1 else np.concatenate(batch)})[0]
        outputs.extend(np.split(found, np.cumsum([len(one) for one in batch])[:-1]))
    return outputs


def _batches(inputs: Sequence[NDArray[np.float32]], most: int) -> list[list[NDArray[np.float32]]]:
    """The inputs in their order, in as few lists as hold at most `most` rows each, or a single input."""
    batches: list[list[NDArray[np.float32]]] = []
    room = 0
    for one in inputs:
        if len(one) > room:
            batches.append([])
            room = most
        batches[-1].append(one)
        room -= len(one)
    return batches
