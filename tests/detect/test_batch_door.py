"""The Batch door's refusals; tests/aws runs it through whole runs."""

from __future__ import annotations

import json
import subprocess
import sys

import boto3
import pytest

from lambdas.contracts import batch_error_key
from lambdas.detect import device
from lambdas.detect.__main__ import FAILED, main
from lambdas.errors import GpuMissing

BUCKET, RUN = "staging-bucket", "0123456789abcdef"


@pytest.fixture
def staging(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    monkeypatch.setenv("STAGING_BUCKET", BUCKET)
    monkeypatch.setenv("PACK_DIR", "/nowhere")


def reason() -> dict[str, str]:
    found: dict[str, str] = json.loads(
        boto3.client("s3").get_object(Bucket=BUCKET, Key=batch_error_key(RUN))["Body"].read()
    )
    return found


@pytest.mark.parametrize("asked", [["--device", "cuda"], ["--decoder", "nvdec"]])
def test_a_gpu_asked_for_and_absent_ends_the_job(staging: None, asked: list[str]) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this machine has a GPU: run it on one without")
    assert main(["--run-id", RUN, *asked]) == FAILED
    assert reason()["error"] == "GpuMissing"
    assert device.provider() == "CPUExecutionProvider"


def test_a_run_nobody_planned_is_named(staging: None) -> None:
    assert main(["--run-id", RUN]) == FAILED
    assert reason()["error"] == "IncompleteRun"


def test_a_wrong_argument_is_not_taken_for_bad_input() -> None:
    done = subprocess.run([sys.executable, "-m", "lambdas.detect", "--nonsense"], capture_output=True, timeout=60)
    assert done.returncode == FAILED


def test_a_session_that_fell_back_to_the_cpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class FellBack:
        def get_providers(self) -> list[str]:
            return ["CPUExecutionProvider"]

    monkeypatch.setitem(device._chosen, "device", "cuda")
    with pytest.raises(GpuMissing, match="CUDAExecutionProvider"):
        device.check_session(FellBack())
