"""Identity of an upload and of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdas.contracts import Settings
from lambdas.split.handler import source_name
from lambdas.split.identify import END_BYTES, PIPELINE_VERSION, identify, run_id
from tests.split.range_server import serving
from tests.split.test_chunks import PACK


def identity_of(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return identify(str(path), path.name)[0]


@pytest.mark.parametrize("size", [1, END_BYTES, END_BYTES + 1, 2 * END_BYTES, 3 * END_BYTES])
def test_identity_is_the_same_for_a_copy_and_over_http(size: int, tmp_path: Path) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    here = identity_of(tmp_path / "a.mp4", data[:size])
    assert identity_of(tmp_path / "b.mp4", data[:size]) == here
    with serving(tmp_path) as server:
        assert identify(server.url("a.mp4"), "a.mp4") == (here, size)
    changed = bytearray(data[:size])
    changed[-1] ^= 1
    assert identity_of(tmp_path / "c.mp4", bytes(changed)) != here
    assert identity_of(tmp_path / "d.mp4", data[:size] + b"x") != here


def test_a_run_id_changes_with_everything_that_changes_results() -> None:
    usual = run_id("abc", Settings(), PACK)
    others = [
        run_id("abd", Settings(), PACK),
        run_id("abc", Settings(representative=9), PACK),
        run_id("abc", Settings(), PACK.model_copy(update={"sha256": "1" * 64})),
        run_id("abc", Settings(), PACK, gallery=b"people"),
        run_id("abc", Settings(), PACK, force="again"),
    ]
    assert run_id("abc", Settings(), PACK) == usual
    assert len({usual, *others}) == 6
    assert len(usual) == 16
    int(usual, 16)


def test_the_pipeline_version_is_the_packages() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert f'version = "{PIPELINE_VERSION}"' in text


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("clip.mp4", "clip.mp4"),
        ("/some where/my clip#1.mp4", "my clip#1.mp4"),
        ("https://host/a/b%20c.mp4?X-Signature=secret", "b c.mp4"),
        ("s3://bucket/a/b.mp4", "b.mp4"),
        ("https://host/", "host"),
    ],
)
def test_a_source_is_named_without_its_query(uri: str, name: str) -> None:
    assert source_name(uri) == name
