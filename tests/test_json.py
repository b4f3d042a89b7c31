"""Every JSON the product reads may be brackets within brackets by the thousand: it ends by name."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from lambdas.contracts import Corrections, SourceObject, StartRequest
from lambdas.door import decode
from lambdas.errors import InvalidCorrections, InvalidRequest, InvalidSettings, RunExpired
from lambdas.publish.event import points_to_newer
from lambdas.publish.manifest import listed_files
from lambdas.split.requests import read_sidecar
from talent_frames.corrections import NoRun, corrections_in, manifest_path, read_corrections, read_manifest
from talent_frames.kept import kept_run
from talent_frames.output import is_manifest

HOUSE = Path(__file__).parent.parent
DEEP = {"brackets": "[" * 60_000, "braces": '{"a":' * 60_000, "closed": "[" * 60_000 + "]" * 60_000}
WITHOUT_PYDANTIC = {"lambdas/recorder/handler.py", "lambdas/webhook/handler.py", "lambdas/builder/handler.py"}
"""Functions of the standard library alone: they catch what its parser raises."""


@pytest.fixture(params=DEEP)
def deep(request: pytest.FixtureRequest) -> str:
    return DEEP[str(request.param)]


def inside(deep: str, **more: object) -> str:
    """An object with the brackets in its last field."""
    return json.dumps({**more, "deep": 0})[:-2] + deep + "}"


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    from talent_frames.cli import main

    monkeypatch.setattr(sys, "argv", ["talent-frames", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_settings_are_refused_by_name(
    deep: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.json").write_text(deep)
    for text in (deep, deep[:60_000], inside(deep[:60_000])):
        (tmp_path / "s.json").write_text(text)
        assert command(monkeypatch, "run", "a.mp4", "--settings", str(tmp_path / "s.json")) == 2
        told = capfd.readouterr().err
        assert told.startswith(f"error: {tmp_path}/s.json: ")
        assert "recursion limit" in told or "more than 65,536 bytes" in told
        assert len(told) < 300


def test_a_sidecar_is_refused_by_name(deep: str, aws: None) -> None:
    client = boto3.client("s3")
    client.create_bucket(Bucket="source")
    client.put_object(Bucket="source", Key="a.mp4.settings.json", Body=deep[:60_000].encode())
    with pytest.raises(InvalidSettings, match=r"^a\.mp4\.settings\.json: recursion limit"):
        read_sidecar(client, SourceObject(bucket="source", key="a.mp4"))


def test_a_request_is_refused_by_name() -> None:
    event: dict[str, Any] = {}
    for _ in range(60_000):
        event = {"a": event}
    with pytest.raises(InvalidRequest, match="nested too deeply"):
        decode(StartRequest, event)


def test_what_is_nested_too_deeply_is_no_manifest(deep: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    for text in (deep, inside(deep, schema_version="1", run_id="x")):
        path.write_text(text)
        assert not is_manifest(path)
        assert listed_files(text.encode()) == []
        with pytest.raises(NoRun):
            manifest_path(tmp_path)
        with pytest.raises(NoRun):
            read_manifest(tmp_path)
        assert corrections_in(tmp_path) == []


def test_corrections_are_refused_by_name(deep: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(deep)
    with pytest.raises(InvalidCorrections, match=r"c\.json: .*recursion limit"):
        read_corrections(tmp_path / "c.json")
    (tmp_path / "c.json").write_bytes(b" " * (8 * 2**20 + 1))
    with pytest.raises(InvalidCorrections, match=r"c\.json: more than 8,388,608 bytes"):
        read_corrections(tmp_path / "c.json")
    with pytest.raises(InvalidCorrections, match=r"^there: .*recursion limit"):
        Corrections.parsed(inside(deep, version=1).encode(), "there")


def test_a_pointer_that_can_not_be_read_is_the_older(deep: str) -> None:
    pointer = json.dumps({"uploaded_at": "2026-01-01", "created_at": "2026-01-01"}).encode()
    assert not points_to_newer(deep.encode(), pointer)
    assert not points_to_newer(inside(deep).encode(), pointer)


def test_what_is_kept_of_a_run_and_can_not_be_read_is_kept_no_longer(
    deep: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TALENT_FRAMES_HOME", str(tmp_path))
    from talent_frames.kept import _folder

    folder = _folder() / "run-1"
    folder.mkdir(parents=True)
    (folder / "kept.json").write_text(deep)
    with pytest.raises(RunExpired):
        kept_run("run-1")


def test_what_is_recorded_of_a_failure_is_the_text_where_it_is_no_json(deep: str) -> None:
    from lambdas.recorder.handler import _announced, _short
    from lambdas.webhook.handler import _id

    assert deep.startswith(_short(deep))
    assert _announced(deep) == ""
    assert _id(deep.encode()) is None


def parses(tree: ast.AST) -> list[int]:
    """Lines that call the standard library's parser."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in ("load", "loads")
        and isinstance(node.value, ast.Name)
        and node.value.id == "json"
    ]


def test_no_json_is_read_by_a_parser_without_a_limit_of_depth() -> None:
    """pydantic's ends at 200; the standard library's with RecursionError, which is no ValueError."""
    found: dict[str, list[int]] = {}
    for folder in ("lambdas", "talent_frames"):
        for path in sorted((HOUSE / folder).rglob("*.py")):
            tree = ast.parse(path.read_text())
            name = path.relative_to(HOUSE).as_posix()
            bare = set(parses(tree))
            if name in WITHOUT_PYDANTIC:
                for node in ast.walk(tree):
                    if isinstance(node, ast.Try) and "RecursionError" in ast.unparse(node.handlers[0]):
                        bare -= set(parses(ast.Module(node.body, [])))
            if bare:
                found[name] = sorted(bare)
    assert found == {}
