"""Buckets of stores that speak S3 and are not AWS's: reached by AWS_ENDPOINT_URL, read by range from signed URLs."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdas.split.identify import identify_object
from lambdas.staging import S3Staging, describe_object, put_document, s3_client, source_location
from tests.clips import make_clip
from tests.split.test_chunks import all_frames, frames_of, split

ROOT = Path(__file__).parents[1]
KEYS = ("S3RVER", "S3RVER")
"""Access key and secret that s3rver takes; moto takes any."""


@pytest.fixture(params=["moto", "s3rver"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The endpoint of a store with an empty bucket `videos`; moto checks no signatures, s3rver does."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEYS[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEYS[1])
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-2")
    started = _moto() if request.param == "moto" else _s3rver(tmp_path / "store")
    endpoint = next(started)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    s3_client.cache_clear()
    s3_client().create_bucket(Bucket="videos", CreateBucketConfiguration={"LocationConstraint": "eu-central-2"})
    yield endpoint
    s3_client.cache_clear()
    next(started, None)


def _moto() -> Iterator[str]:
    from moto.s3.models import s3_backends
    from moto.server import ThreadedMotoServer

    s3_backends["123456789012"]["aws"].reset()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    # Its buckets belong to this process and would outlive it.
    s3_backends["123456789012"]["aws"].reset()
    server.stop()


def _s3rver(folder: Path) -> Iterator[str]:
    command = ROOT / "node_modules" / ".bin" / "s3rver"
    if not command.exists() or not shutil.which("node"):
        pytest.skip("s3rver is not here: npm install --no-save s3rver@3.7.1")
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [command, "--directory", folder, "--address", "127.0.0.1", "--port", str(port), "--silent"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)


def test_a_video_in_a_store_of_ones_own_is_read_by_range(store: str, tmp_path: Path) -> None:
    clip = make_clip("mp4_moov_last", tmp_path)
    s3_client().upload_file(str(clip), "videos", "a b/ü.mp4")
    uri = "s3://videos/a b/ü.mp4"
    location = source_location(uri)
    assert location.startswith(f"{store}/videos/a%20b/")
    plan, staging = split(uri, tmp_path)
    found = [frame for chunk in plan.chunks for frame in frames_of(plan, chunk, staging, location)]
    assert [crc for _, crc in found] == [crc for _, crc in all_frames(clip, plan.source.video_stream)]


def test_documents_of_a_run_lie_in_a_store_of_ones_own(store: str, tmp_path: Path) -> None:
    clip = make_clip("mkv", tmp_path)
    plan, _ = split(str(clip), tmp_path)
    bucket = S3Staging("videos", "staging/")
    put_document(bucket, "plan.json", plan)
    assert type(plan).model_validate_json(bucket.get("plan.json")) == plan
    assert bucket.exists("plan.json")
    assert not bucket.exists("none")
    assert bucket.get_range("plan.json", 2, 4) == bucket.get("plan.json")[2:6]
    with pytest.raises(KeyError):
        bucket.get("none")
    facts = describe_object(s3_client(), "videos", "staging/plan.json")
    assert identify_object("videos", "staging/plan.json", facts.version_id, facts.etag)
    bucket.delete("plan.json")
    assert not bucket.exists("plan.json")
