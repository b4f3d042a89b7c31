"""The event of a finished run: what it lists, and where it stops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lambdas.contracts import QUALITY_PARTS
from lambdas.publish.event import DETAIL_BYTES, Published, event_detail, latest_document, latest_key, points_to_newer
from lambdas.publish.manifest import Manifest

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "event-processed.schema.json").read_text())


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    """Two people, three representative frames, two scenes."""
    quality = dict.fromkeys(QUALITY_PARTS, 0.5)

    def face(file: str) -> dict[str, object]:
        return {
            "file": file,
            "t_s": 1.0,
            "pts": 25,
            "box": [1.0, 2.0, 3.0, 4.0],
            "score": 0.9,
            "quality": quality,
            "flags": [],
            "landmarks": [[1.0, 1.0]] * 5,
        }

    people: list[dict[str, Any]] = [
        {
            "id": number,
            "name": None,
            "name_similarity": None,
            "confidence": 0.9,
            "best_frame": face(f"people/{number}.jpg"),
            "alternatives": [],
            "thumbnail": f"people/{number}_face.jpg",
            "screen_time_s": 2.0,
            "tracks": [{"start_s": 0.0, "end_s": 2.0, "best_s": 1.0}],
        }
        for number in range(2)
    ]
    frames: list[dict[str, Any]] = [
        {"file": f"representative/{number}.jpg", "t_s": float(number), "score": 0.5} for number in range(3)
    ]
    scenes: list[dict[str, Any]] = [
        {"index": number, "start_s": 0.0, "end_s": 1.0, "t_s": 0.5, "file": f"scenes/{number}.jpg"}
        for number in range(2)
    ]
    files = [person["best_frame"]["file"] for person in people] + [person["thumbnail"] for person in people]
    files += [one["file"] for one in (*frames, *scenes)] + ["names.txt", "report.html", "contact_sheet.jpg"]
    document = {
        "run_id": "0123456789abcdef",
        "source": {
            "uri": "s3://source/a.mp4", "container": "mov", "codec": "h264", "width": 640, "height": 360,
            "rotation": 0, "fps": 25.0, "duration_s": 2.0, "frame_count": 50,
        },
        "models": {
            "pack": "p", "licence": "l", "detector": "d", "embedder": "e", "commercial_use": True, "sha256": "0" * 64,
        },
        "settings": {},
        "people": people,
        "suggested_merges": [],
        "representative_frames": frames,
        "scenes": scenes,
        "timings": {"split": 1.0, "detect": 2.0, "cluster": 1.0, "publish": 1.0},
        "cost": {
            "total_usd": 0.0, "parts": [], "region": "us-east-1", "architecture": "x86_64",
            "prices_as_of": "2026-01-01", "prices_source": "list",
        },
        "scenes_are_even": False,
        "unclear": [],
        "missing": [],
        "notes": [],
        "looked_frames": 3,
        "corrupt_frames": 0,
        "detect_steps": {},
        "pipeline_version": "0",
        "created_at": "2026-01-01T00:00:00+00:00",
        "names_file": "names.txt",
        "report_file": "report.html",
        "contact_sheet_file": "contact_sheet.jpg",
        "files": sorted(files),
    }  # fmt: skip
    return Manifest.model_validate_json(json.dumps(document))


def listed(detail: dict[str, object]) -> list[str]:
    kinds = ("talent_frames", "representative_frames", "scene_frames")
    return [frame["uri"] for kind in kinds for frame in detail[kind]]  # type: ignore[attr-defined]


@pytest.mark.parametrize("most, count, complete", [(50, 7, True), (7, 7, True), (6, 6, False), (0, 0, False)])
def test_frames_are_listed_up_to_the_cap(manifest: Manifest, most: int, count: int, complete: bool) -> None:
    detail = event_detail(manifest, Published("b", "a/", "a/manifest.json"), execution_arn="arn", most_uris=most)
    uris = listed(detail)
    assert (len(uris), detail["complete"]) == (count, complete)
    assert uris == [f"s3://b/a/{file}" for file in (
        "people/0.jpg", "people/1.jpg", "representative/0.jpg", "representative/1.jpg", "representative/2.jpg",
        "scenes/0.jpg", "scenes/1.jpg",
    )][:count]  # fmt: skip
    assert detail["metrics"]["people"] == 2
    assert detail["manifest_uri"] == "s3://b/a/manifest.json"
    assert "urls_expire_in_s" not in detail


def test_signed_urls_stand_beside_the_uris_with_their_lifetime(manifest: Manifest) -> None:
    detail = event_detail(
        manifest, Published("b", "a/", "m"), execution_arn="arn", most_uris=50,
        sign=lambda key: f"https://signed/{key}", urls_expire_in_s=900,
    )  # fmt: skip
    assert detail["talent_frames"][0]["url"] == "https://signed/a/people/0.jpg"
    assert detail["urls_expire_in_s"] == 900


def test_an_event_stays_small_whatever_the_urls(manifest: Manifest) -> None:
    detail = event_detail(
        manifest, Published("b", "a/", "m"), execution_arn="arn", most_uris=50,
        sign=lambda key: "x" * 60_000,
    )  # fmt: skip
    assert len(json.dumps(detail)) <= DETAIL_BYTES
    assert not detail["complete"]
    assert len(listed(detail)) == 2


@pytest.mark.parametrize(
    "prefix, key",
    [
        ("a/b.mp4/run/", "a/b.mp4/latest.json"),
        ("a/b.mp4/run-r2/", "a/b.mp4/latest.json"),
        ("run/", "latest.json"),
        ("", None),
        ("fixed/", None),
    ],
)
def test_the_pointer_lies_beside_the_runs(prefix: str, key: str | None) -> None:
    assert latest_key(prefix, "run") == key


def test_the_pointer_names_run_and_manifest(manifest: Manifest) -> None:
    pointer = json.loads(latest_document(manifest, Published("b", "a/run/", "a/run/manifest.json")))
    assert pointer["run_id"] == manifest.run_id
    assert pointer["manifest_uri"] == "s3://b/a/run/manifest.json"


@pytest.mark.parametrize(
    ("standing", "newer"),
    [
        ({"uploaded_at": "2026-01-02T00:00:00+00:00", "created_at": "2026-01-02"}, True),
        ({"uploaded_at": "2026-01-01T00:00:00+00:00", "created_at": "2026-01-03"}, True),
        ({"uploaded_at": "2026-01-01T00:00:00+00:00", "created_at": "2026-01-02"}, False),
        ({"uploaded_at": "2025-12-31T00:00:00+00:00", "created_at": "2026-01-09"}, False),
        ({"created_at": "2026-01-09"}, False),
        ({"uploaded_at": None, "created_at": "2026-01-09"}, False),
        (["no pointer"], False),
    ],
)
def test_a_pointer_is_newer_by_its_upload_and_then_by_its_plan(standing: Any, newer: bool) -> None:
    ours = {"uploaded_at": "2026-01-01T00:00:00+00:00", "created_at": "2026-01-02"}
    assert points_to_newer(json.dumps(standing).encode(), json.dumps(ours).encode()) is newer
    assert not points_to_newer(b"{", b"{}")


@pytest.mark.parametrize("sign", [None, lambda key: f"https://signed/{key}"], ids=["unsigned", "signed"])
@pytest.mark.parametrize("most_uris", [0, 50])
def test_an_event_fits_its_schema(manifest: Manifest, sign: Any, most_uris: int) -> None:
    detail = event_detail(
        manifest,
        Published("published", "a.mp4/run/", "a.mp4/run/manifest.json"),
        execution_arn="arn",
        most_uris=most_uris,
        sign=sign,
        urls_expire_in_s=60 if sign else 0,
    )
    jsonschema.validate(detail, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**detail, "more": 1}, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({key: value for key, value in detail.items() if key != "run_id"}, SCHEMA)
