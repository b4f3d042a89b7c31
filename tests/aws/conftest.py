"""The stacks of these tests: synthesized once, deployed into moto once, shared by all cases."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.aws import moto_gaps
from tests.aws.emulator import ACCOUNT, REGION, Cloud, Stack
from tests.known_people import make_clip
from tests.small_pack import small_pack

PEOPLE = 2 if os.environ.get("TALENT_FRAMES_TEST_MODELS") else 3
"""Published of the clip. Three are in it; the small pack never sees clearly the one who laughs with narrowed eyes."""
RUN_SETTINGS = {
    "chunk_s": 2,
    "short_below_s": 60,
    "short": {"dense_looks": 1, "dense_radius_s": 0.12},
    # Many chunks, little to look at in each.
    "long": {"period_s": 30, "dense_looks": 0},
    "alternatives": 1,
    "representative": 4,
}
MAIN: dict[str, Any] = {
    "stack": "Main",
    "run": RUN_SETTINGS,
    # One try, so that an ordered fault reaches the state machine.
    "s3_attempts": 1,
    "map_concurrency": 2,
    "webhook_url": "https://hooks.example.com/frames",
    "webhook_secret": "webhook-secret",
    "event_bus": "own",
}
WITH_GPU: dict[str, Any] = {
    **MAIN,
    "stack": "WithGpu",
    "gpu": True,
    "gpu_from_s": 0,
    "gpu_wait_s": 600,
    "source_prefix": "tok/",
    "runs_in_flight": 1,
    "webhook_url": "",
    "webhook_secret": "",
    "database_url": "https://project.example.co/rest/v1",
    "database_secret": "database-key",
}


@pytest.fixture(scope="session")
def pack() -> Path:
    return small_pack()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, pack: Path) -> Iterator[Cloud]:
    """An emulated account of this module's own."""
    with emulated(tmp_path_factory.mktemp("cloud"), pack) as made:
        yield made


@contextmanager
def emulated(work: Path, pack: Path) -> Iterator[Cloud]:
    """An account while the block runs, with what moto lacks filled in."""
    from moto import mock_aws

    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("AWS_DEFAULT_REGION", REGION), ("MOTO_ACCOUNT_ID", ACCOUNT)):
            patch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        config: Any = {
            "stepfunctions": {"execute_state_machine": True},
            "lambda": {"use_docker": False},
            "core": {"passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}},
        }
        with mock_aws(config=config):
            made = Cloud(work, pack)
            moto_gaps.fill(patch, made)
            try:
                yield made
            finally:
                made.end()


def deploy(cloud: Cloud, context: dict[str, Any], pack: Path, folder: Path) -> Stack:
    """Synthesizes the app as the CDK CLI would, and deploys what came out."""
    from infra.app import build

    build({**context, "pack": str(pack)}, str(folder)).synth()
    return cloud.deploy(folder, context["stack"])


@pytest.fixture(scope="module")
def main(cloud: Cloud, pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Uploads, queue, API and webhook; detect in the map."""
    return deploy(cloud, MAIN, pack, tmp_path_factory.mktemp("main"))


@pytest.fixture(scope="module")
def with_gpu(cloud: Cloud, pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Every video goes to Batch, and a status database is asked."""
    return deploy(cloud, WITH_GPU, pack, tmp_path_factory.mktemp("gpu"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds, three chunks: the camera moves over the astronaut, a cut, then over two of a group."""
    return make_clip(tmp_path_factory.mktemp("clip") / "video.mp4", 2.4, 3.0)
