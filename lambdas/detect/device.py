"""On what this process runs models and decodes: the CPU unless the GPU was asked for, and then nothing else."""

from __future__ import annotations

from typing import Any, Literal

from lambdas.errors import GpuMissing

Device = Literal["cpu", "cuda"]
Decoder = Literal["cpu", "nvdec"]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
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
