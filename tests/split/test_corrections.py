"""Corrections that come in with a request are those of this video, or refused by name."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from pydantic import JsonValue

from lambdas.contracts import Corrections, NamePerson, Plan, Settings, Sighting, SourceFacts
from lambdas.errors import InvalidCorrections
from lambdas.split.corrections import MOST_BYTES, read_corrections
from tests.cluster.factory import pack

DOCUMENT = Corrections(
    run_id="r",
    source_identity="abc",
    corrections=[
        NamePerson(
            made_at="2026-01-01T00:00:00+00:00",
            person=[Sighting(t_s=1.0, pts=25, box=(0.0, 0.0, 9.0, 9.0), start_s=0.0, end_s=2.0)],
            name="Ada",
        )
    ],
)
GIVEN: dict[str, Any] = json.loads(DOCUMENT.model_dump_json())


@pytest.fixture
def plan() -> Plan:
    source = SourceFacts(
        uri="s3://videos/a.mp4", identity="abc", size_bytes=1, container="mp4", codec="h264", width=64, height=64,
        rotation=0, sample_aspect_ratio=1.0, interlaced=False, hdr="", fps=25.0, duration_s=9.0, start_pts=0,
        time_base_num=1, time_base_den=25, video_stream=0, segmented=False,
    )  # fmt: skip
    return Plan(
        pipeline_version="1", run_id="r", source=source, settings=Settings(), pack=pack(), gallery_key=None, chunks=[],
        created_at="2026-01-01T00:00:00Z", split_s=0.0,
    )  # fmt: skip


def test_the_document_itself_or_the_object_that_holds_it_is_taken(aws: None, plan: Plan) -> None:
    client = boto3.client("s3")
    client.create_bucket(Bucket="videos")
    assert Corrections.model_validate_json(read_corrections(client, GIVEN, plan)) == DOCUMENT
    client.put_object(Bucket="videos", Key="corrections/r.json", Body=DOCUMENT.model_dump_json().encode())
    place: dict[str, JsonValue] = {"bucket": "videos", "key": "corrections/r.json"}
    assert read_corrections(client, place, plan) == DOCUMENT.model_dump_json().encode()
    for body, reason in (
        (b"{", "Invalid JSON"),
        (b" " * (MOST_BYTES + 1), "more than 8,388,608 bytes"),
        (json.dumps(GIVEN | {"more": 1}).encode(), "more: Extra inputs"),
    ):
        client.put_object(Bucket="videos", Key="corrections/r.json", Body=body)
        with pytest.raises(InvalidCorrections, match=reason):
            read_corrections(client, place, plan)
    client.delete_object(Bucket="videos", Key="corrections/r.json")
    with pytest.raises(InvalidCorrections, match="there is nothing any more"):
        read_corrections(client, place, plan)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"source_identity": "xyz"}, "another video"),
        ({"version": 2}, "version"),
        ({"corrections": [{"do": "explode"}]}, "corrections.0"),
        ({"corrections": [{**GIVEN["corrections"][0], "person": []}]}, "at least 1 item"),
        ({"corrections": [{**GIVEN["corrections"][0], "name": ""}]}, "at least 1 character"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(plan: Plan, change: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidCorrections, match=reason):
        read_corrections(None, GIVEN | change, plan)
