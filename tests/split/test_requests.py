"""What a request to the cloud means: object, settings, prefix."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import boto3
import pytest
from pydantic import JsonValue, ValidationError

from lambdas.contracts import KeyTemplates, Settings, SourceObject, StartRequest
from lambdas.door import decode
from lambdas.errors import InvalidRequest, InvalidSettings, KeyTooLong, SourceChanged, SourceMissing
from lambdas.split.requests import (
    DEFAULT_PREFIX,
    PER_VIDEO,
    check_room,
    choose_settings,
    pin,
    published_prefix,
    read_sidecar,
)
from lambdas.staging import source_location, split_s3_uri

EXECUTION = {"arn": "arn:x", "name": "x", "started_at": "2026-01-01T00:00:00Z"}


@pytest.fixture
def s3(aws: None) -> Any:
    client = boto3.client("s3")
    client.create_bucket(Bucket="source")
    return client


def versioned(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="source", VersioningConfiguration={"Status": "Enabled"})


def test_an_object_is_pinned_to_its_etag(s3: Any) -> None:
    etag = s3.put_object(Bucket="source", Key="a?b#c%20.mp4", Body=b"one")["ETag"].strip('"')
    pinned, uploaded_at = pin(s3, SourceObject(bucket="source", key="a?b#c%20.mp4"))
    assert pinned == SourceObject(bucket="source", key="a?b#c%20.mp4", etag=etag)
    assert abs(datetime.fromisoformat(uploaded_at).timestamp() - time.time()) < 60


def test_an_etag_gone_by_now_gives_way_to_the_present_one(s3: Any) -> None:
    old = s3.put_object(Bucket="source", Key="a.mp4", Body=b"one")["ETag"].strip('"')
    new = s3.put_object(Bucket="source", Key="a.mp4", Body=b"two")["ETag"].strip('"')
    assert pin(s3, SourceObject(bucket="source", key="a.mp4", etag=old))[0].etag == new


def test_a_version_stays_the_one_announced(s3: Any) -> None:
    versioned(s3)
    first = s3.put_object(Bucket="source", Key="a.mp4", Body=b"one")
    second = s3.put_object(Bucket="source", Key="a.mp4", Body=b"two")
    pinned, _ = pin(s3, SourceObject(bucket="source", key="a.mp4", version_id=first["VersionId"]))
    assert (pinned.version_id, pinned.etag) == (first["VersionId"], first["ETag"].strip('"'))
    assert pin(s3, SourceObject(bucket="source", key="a.mp4"))[0].version_id == second["VersionId"]


@pytest.mark.parametrize("bucket, key", [("source", "none.mp4"), ("no-such-bucket", "a.mp4")])
def test_what_is_not_there_is_named(s3: Any, bucket: str, key: str) -> None:
    with pytest.raises(SourceMissing, match=f"s3://{bucket}/{key}"):
        pin(s3, SourceObject(bucket=bucket, key=key))


def test_a_location_is_pinned_to_the_version(s3: Any) -> None:
    versioned(s3)
    version = s3.put_object(Bucket="source", Key="a.mp4", Body=b"one")["VersionId"]
    assert f"versionId={version}" in source_location("s3://source/a.mp4", version_id=version, etag="other")


def test_an_overwritten_object_is_not_read(s3: Any) -> None:
    etag = s3.put_object(Bucket="source", Key="a.mp4", Body=b"one")["ETag"].strip('"')
    assert "X-Amz-Signature" in source_location("s3://source/a.mp4", etag=etag)
    s3.put_object(Bucket="source", Key="a.mp4", Body=b"two")
    with pytest.raises(SourceChanged, match=r"a\.mp4"):
        source_location("s3://source/a.mp4", etag=etag)


def test_keys_of_s3_uris_are_taken_as_they_are() -> None:
    assert split_s3_uri("s3://bucket/a?b#c%20/d.mp4") == ("bucket", "a?b#c%20/d.mp4")


def test_without_a_sidecar_there_are_no_settings(s3: Any) -> None:
    assert read_sidecar(s3, SourceObject(bucket="source", key="a.mp4")) == {}


@pytest.mark.parametrize("text", [b"[]", b"{", b"\xff", b"{" + b" " * 70_000 + b"}"])
def test_a_sidecar_that_is_no_small_json_object_is_named(s3: Any, text: bytes) -> None:
    s3.put_object(Bucket="source", Key="a.mp4.settings.json", Body=text)
    with pytest.raises(InvalidSettings, match=r"a\.mp4\.settings\.json"):
        read_sidecar(s3, SourceObject(bucket="source", key="a.mp4"))


def test_request_over_sidecar_over_stack() -> None:
    stack = Settings(representative=5, alternatives=1, min_scenes=7)
    chosen = choose_settings(stack, {"representative": 6, "alternatives": 2}, {"representative": 8})
    assert (chosen.representative, chosen.alternatives, chosen.min_scenes) == (8, 2, 7)


@pytest.mark.parametrize("name", [*sorted(Settings.model_fields.keys() - PER_VIDEO), "nonsense", "bucket"])
def test_keys_limits_and_unknown_settings_are_refused(name: str) -> None:
    for place in ("sidecar", "request"):
        chosen: dict[str, dict[str, JsonValue]] = {"sidecar": {}, "request": {}}
        chosen[place] = {name: 1}
        with pytest.raises(InvalidSettings, match=f"{place}: {name}"):
            choose_settings(Settings(), **chosen)


def test_every_allowed_setting_is_one() -> None:
    assert Settings.model_fields.keys() > PER_VIDEO
    assert not {"keys", "short", "long", "chunk_s"} & PER_VIDEO


def test_a_value_out_of_range_is_named() -> None:
    with pytest.raises(InvalidSettings, match="representative"):
        choose_settings(Settings(keys=KeyTemplates()), {}, {"representative": -1})


@pytest.mark.parametrize(
    "template, key, prefix",
    [
        (DEFAULT_PREFIX, "a/b.mp4", "a/b.mp4/run/"),
        (DEFAULT_PREFIX, "//a/./../b\\\n.mp4", "a/b__.mp4/run/"),
        ("faces/{run_id}", "b.mp4", "faces/run/"),
        ("/", "b.mp4", ""),
    ],
)
def test_a_prefix_is_a_folder_inside_the_bucket(template: str, key: str, prefix: str) -> None:
    assert published_prefix(template, key, "run") == prefix


def test_what_is_absent_may_be_null_or_empty() -> None:
    event = {
        "source": {"bucket": "source", "key": "a.mp4", "version_id": "", "etag": None},
        "execution": EXECUTION,
        "force": "",
        "resume": "",
        "settings": None,
    }
    request = decode(StartRequest, event)
    assert request == StartRequest.model_validate({"source": SourceObject(bucket="source", key="a.mp4"),
                                                   "execution": request.execution})  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"source": {"bucket": "source"}},
        {"source": {"bucket": "source", "key": "a", "url": "https://x"}},
        {"resume": "cluster"},
        {"resume": "detect", "run_id": "r", "revision": "1"},
        {"resume": "cluster", "run_id": "r", "revision": "../1"},
        {"resume": "cluster", "run_id": "r", "revision": "1", "settings": {"size": "source"}},
        {"source": {"bucket": "source", "key": "a"}, "run_id": "r"},
    ],
)
def test_a_request_that_makes_no_sense_is_bad_input(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="StartRequest"):
        decode(StartRequest, {**wrong, "execution": EXECUTION})
    with pytest.raises(ValidationError):
        StartRequest.model_validate({**wrong, "execution": EXECUTION})


# room for names


@pytest.mark.parametrize(
    ("key", "fits"),
    [
        ("a.mp4", True),
        ("a" * 900 + ".mp4", True),
        ("a" * 980 + ".mp4", False),
        # Counted in bytes, not in letters.
        ("ü" * 470 + ".mp4", True),
        ("ü" * 490 + ".mp4", False),
        ("f/" * 500 + "a.mp4", False),
    ],
)
def test_a_key_that_leaves_no_room_is_refused_at_once(key: str, fits: bool) -> None:
    prefix = published_prefix("{key}/{run_id}/", key, "0" * 16)
    if fits:
        check_room(prefix, KeyTemplates(), key)
        return
    with pytest.raises(KeyTooLong, match=f"{len(key.encode())} bytes"):
        check_room(prefix, KeyTemplates(), key)


def test_folders_and_names_in_templates_count() -> None:
    key = "f" * 500 + "/a.mp4"
    check_room("", KeyTemplates(scene="{dirname}/scenes/{index}.jpg"), key)
    with pytest.raises(KeyTooLong, match="dirname"):
        check_room("", KeyTemplates(scene="{dirname}/{dirname}/scenes/{stem}/{index}.jpg"), key)


def test_a_sidecar_needs_room_too() -> None:
    with pytest.raises(KeyTooLong, match=r"settings\.json"):
        check_room("", KeyTemplates(), "a" * 1020)
