"""The pipeline from end to end in an emulated account; docs/emulation.md says what that proves and what not."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.asl import machine_definition
from infra.smoke import Clients, Trouble, smoke
from lambdas.publish.manifest import Manifest
from tests.aws.conftest import PEOPLE, RUN_SETTINGS
from tests.aws.emulator import ACCOUNT, ON_THE_CPU, REGION, Cloud, Received, Stack, wait_for
from tests.clips import ffmpeg
from tests.faults.likeness import facts, is_frame
from tests.infra.reading import tasks
from tests.known_people import make_clip

WEBHOOK = "/frames"
CHUNKS = 3
"""Of the clip; the third face, with its eyes closed, is an unclear appearance."""


@pytest.fixture(autouse=True)
def calm(cloud: Cloud) -> Iterator[None]:
    """No faults left over from another test."""
    yield
    cloud.faults.clear()
    cloud.job_environment = dict(ON_THE_CPU)
    cloud.before_job = None
    cloud.machines = True
    cloud.refusals.clear()


def told(cloud: Cloud, run_or_video: str, count: int = 1) -> list[Received]:
    """The webhook's requests about a run or a video, once there are so many."""

    def look() -> list[Received]:
        return [one for one in cloud.receiver.received if one.path == WEBHOOK and run_or_video in json.dumps(one.body)]

    found: list[Received] = wait_for(look, lambda seen: len(seen) >= count, 20)
    return found


def asked(cloud: Cloud, stage: str, arn_or_run: str = "") -> list[tuple[Any, Any]]:
    """Event and answer of every invocation of a stage that mentions this."""
    return [
        (event, answer)
        for name, event, answer in list(cloud.functions.asked)
        if f"-{stage}Function" in name and arn_or_run in json.dumps(event)
    ]


def manifest_of(stack: Stack, run: str, prefix: str) -> Manifest:
    manifest = Manifest.model_validate_json(stack.read("Published", f"{prefix}manifest.json"))
    assert manifest.run_id == run
    assert set(stack.keys("Published", prefix)) == {prefix + file for file in [*manifest.files, "manifest.json"]}
    return manifest


def run_upload(stack: Stack, video: Path, key: str) -> tuple[str, dict[str, Any]]:
    """ARN of the execution an upload started, and the execution once it ended."""
    before = stack.arns()
    stack.upload(video, key)
    (arn,) = stack.started(before)
    return arn, stack.ended(arn)


def good(ended: dict[str, Any]) -> dict[str, Any]:
    assert ended["status"] == "SUCCEEDED", (ended.get("error"), ended.get("cause"))
    output: dict[str, Any] = json.loads(ended["output"])
    return output


# uploads


@pytest.fixture(scope="module")
def uploaded(main: Stack, clip: Path) -> tuple[str, dict[str, Any]]:
    """The first run of these tests: an upload."""
    return run_upload(main, clip, "show/first take.mp4")


def test_an_uploaded_video_is_published(cloud: Cloud, main: Stack, uploaded: tuple[str, dict[str, Any]]) -> None:
    arn, ended = uploaded
    output = good(ended)
    run = main.execution_row(arn)["run"]
    prefix = f"show/first take.mp4/{run}/"
    manifest = manifest_of(main, run, prefix)
    assert len(manifest.people) == PEOPLE
    assert len(manifest.representative_frames) == RUN_SETTINGS["representative"]
    assert output["manifest_uri"] == f"s3://{main.outputs['PublishedBucketName']}/{prefix}manifest.json"
    assert json.loads(main.read("Published", "show/first take.mp4/latest.json"))["run_id"] == run
    assert main.read("Published", prefix + manifest.people[0].best_frame.file)[:2] == b"\xff\xd8"

    row = main.row(run)
    assert (row["status"], row["execution_arn"], row["attempt"]) == ("DONE", arn, 1)
    assert (row["manifest_uri"], row["people"]) == (output["manifest_uri"], PEOPLE)
    assert main.execution_row(arn)["status"] == "DONE"
    assert len(asked(cloud, "Detect", run)) == CHUNKS


def test_the_webhook_gets_the_event_with_its_secret(
    cloud: Cloud, main: Stack, uploaded: tuple[str, dict[str, Any]]
) -> None:
    run = main.execution_row(uploaded[0])["run"]
    (request,) = told(cloud, run)
    assert (request.method, request.host) == ("POST", "hooks.example.com")
    assert request.headers["x-webhook-secret"] == "let-the-hook-in"
    event = request.body
    assert (event["source"], event["detail-type"]) == ("talent-frames", "Video Processed")
    detail = event["detail"]
    assert detail["metrics"]["people"] == len(detail["talent_frames"]) == PEOPLE
    assert detail["complete"]
    assert detail["video"]["width"] == 640
    assert all(frame["uri"].startswith("s3://") for frame in detail["talent_frames"])


def test_video_is_read_by_range_from_a_pinned_signed_url_that_is_written_nowhere(
    cloud: Cloud, main: Stack, uploaded: tuple[str, dict[str, Any]]
) -> None:
    source = f"/{main.outputs['SourceBucketName']}/show/first take.mp4"
    reads = [span for method, path, span in cloud.faults.requests if (method, path) == ("GET", source)]
    assert len(reads) > CHUNKS
    assert all(span.startswith("bytes=") and not span.endswith("-") for span in reads)
    history = json.dumps(
        boto3.client("stepfunctions").get_execution_history(executionArn=uploaded[0])["events"], default=str
    )
    logs = "".join(path.read_text() for path in (cloud.work / "logs").glob("*.log"))
    for text in (history, logs):
        assert "X-Amz-Signature" not in text
    run = main.execution_row(uploaded[0])["run"]
    lines = [json.loads(line) for line in logs.splitlines() if line.startswith('{"level"')]
    assert {"split", "detect", "cluster", "publish"} <= {line["service"] for line in lines if line["run_id"] == run}


def test_the_stages_run_in_their_order(main: Stack, uploaded: tuple[str, dict[str, Any]]) -> None:
    states = main.states(uploaded[0])
    stages = ["Split", "Detect", "Cluster", "Publish", "Video Processed", "Ledger done"]
    assert [state for state in states if state in stages] == stages


def test_one_upload_announced_three_times_is_one_run(cloud: Cloud, main: Stack, clip: Path) -> None:
    before = main.arns()
    version = main.upload(clip, "show/thrice.mp4")
    announced = {
        "detail-type": "Object Created",
        "detail": {
            "bucket": {"name": main.outputs["SourceBucketName"]},
            "object": {
                "key": "show/thrice.mp4",
                "etag": version["ETag"].strip('"'),
                "version-id": version["VersionId"],
            },
        },
    }
    main.start(announced)
    main.start(announced)
    arns = main.started(before, 3)
    assert {main.ended(arn)["status"] for arn in arns} == {"SUCCEEDED"}
    rows = [main.execution_row(arn) for arn in arns]
    assert len({row["run"] for row in rows}) == 1
    ends = [row["status"] for row in rows]
    assert ends.count("DONE") == 1
    assert set(ends) <= {"DONE", "AlreadyRunning", "AlreadyDone"}
    assert len(told(cloud, rows[0]["run"])) == 1
    assert len({key.split("/")[2] for key in main.keys("Published", "show/thrice.mp4/")} - {"latest.json"}) == 1


def test_a_sidecar_chooses_settings_and_sidecars_start_no_run(cloud: Cloud, main: Stack, clip: Path) -> None:
    before = main.arns()
    boto3.client("s3").put_object(
        Bucket=main.outputs["SourceBucketName"], Key="side.mp4.settings.json", Body=b'{"representative": 2}'
    )
    main.upload(clip, "side.mp4")
    (arn,) = main.started(before)
    good(main.ended(arn))
    run = main.execution_row(arn)["run"]
    assert len(manifest_of(main, run, f"side.mp4/{run}/").representative_frames) == 2
    assert len(set(main.arns()) - set(before)) == 1


# other triggers


def test_a_message_on_the_queue_starts_a_run(main: Stack, clip: Path) -> None:
    before = main.arns()
    boto3.client("s3").upload_file(str(clip), main.outputs["SourceBucketName"], "tok/abc123/video.mp4")
    (upload,) = main.started(before)
    for arn in main.arns():
        main.ended(arn)
    before = main.arns()
    boto3.client("sqs").send_message(
        QueueUrl=main.outputs["QueueUrl"], MessageBody=json.dumps({"platform": "tok", "shortcode": "abc123"})
    )
    (arn,) = main.started(before)
    good(main.ended(arn))
    # The upload itself started this run before.
    assert main.execution_row(arn)["status"] == "AlreadyDone"
    assert main.execution_row(arn)["run"] == main.execution_row(upload)["run"]


def test_a_post_starts_a_run_that_can_be_asked_for(main: Stack, clip: Path) -> None:
    bucket = main.outputs["SourceBucketName"]
    boto3.client("s3").upload_file(str(clip), bucket, "posted/it's.mp4.notavideo")
    status, answer = main.request(
        "POST", "/runs", {"bucket": bucket, "key": "posted/it's.mp4.notavideo", "settings": {"representative": 1}}
    )
    assert status == 202
    execution = answer["execution"]
    arn = f"{main.outputs['PipelineArn'].replace(':stateMachine:', ':execution:')}:{execution}"
    good(main.ended(arn))
    status, answer = main.request("GET", f"/runs/{execution}")
    assert (status, answer["status"], answer["execution"]) == (200, "DONE", execution)
    assert answer["manifest_uri"] == main.row(answer["run"])["manifest_uri"]
    assert main.request("GET", "/runs/none")[0] == 404
    assert main.request("POST", "/runs", {"key": "a.mp4"})[0] == 400
    assert main.request("POST", "/runs", {"bucket": bucket, "key": "a.mp4", "url": "https://x"})[0] == 400


@pytest.mark.parametrize(
    ("state", "error", "request_"),
    [
        ("By source", "SourceMissing", {"source": {"bucket": "BUCKET", "key": "no/such.mp4"}}),
        (
            "By upload",
            "SourceMissing",
            {"detail": {"bucket": {"name": "BUCKET"}, "object": {"key": "no/such.mp4", "etag": "e"}}},
        ),
        ("InvalidRequest", "InvalidRequest", {"shortcode": "alone"}),
    ],
)
def test_every_other_form_of_a_request_reaches_its_state(
    main: Stack, state: str, error: str, request_: dict[str, Any]
) -> None:
    arn = main.start(json.loads(json.dumps(request_).replace("BUCKET", main.outputs["SourceBucketName"])))
    assert main.ended(arn)["error"] == error
    assert state in main.states(arn)


def test_a_video_that_is_being_worked_on_is_left_to_its_run(main: Stack, uploaded: tuple[str, dict[str, Any]]) -> None:
    run = main.execution_row(uploaded[0])["run"]
    ledger, key = boto3.client("dynamodb"), {"run_id": {"S": run}}
    before = ledger.get_item(TableName=main.outputs["LedgerName"], Key=key)["Item"]
    running = before | {"status": {"S": "RUNNING"}, "lease_until": {"N": str(int(time.time()) + 600)}}
    ledger.put_item(TableName=main.outputs["LedgerName"], Item=running)
    arn = main.start({"bucket": main.outputs["SourceBucketName"], "key": "show/first take.mp4"})
    good(main.ended(arn))
    assert main.states(arn)[-1] == "AlreadyRunning"
    assert main.execution_row(arn)["status"] == "AlreadyRunning"
    ledger.put_item(TableName=main.outputs["LedgerName"], Item=before)


# trouble


def test_functions_nobody_called_for_weeks_are_waited_for(cloud: Cloud, main: Stack, clip: Path) -> None:
    cloud.refusals = {
        "Split": ["CodeArtifactUserPendingException"] * 4,
        "Detect": ["CodeArtifactUserPendingException", "ResourceConflictException"],
        "Publish": ["AWSLambdaException"] * 4,
    }
    arn, ended = run_upload(main, clip, "trouble/cold.mp4")
    good(ended)
    assert not any(cloud.refusals.values())
    assert main.execution_row(arn)["status"] == "DONE"


def test_a_chunk_that_fails_twice_is_done_the_third_time(cloud: Cloud, main: Stack, clip: Path) -> None:
    cloud.faults.order("PUT", r"detections/00001\.npz", 2)
    arn, ended = run_upload(main, clip, "trouble/twice.mp4")
    good(ended)
    run = main.execution_row(arn)["run"]
    tries = [answer for event, answer in asked(cloud, "Detect", run) if event["chunk"] == 1]
    assert [json.loads(answer.payload).get("errorType") for answer in tries] == [
        "ServiceUnavailable",
        "ServiceUnavailable",
        None,
    ]


def test_a_chunk_that_never_works_fails_the_run_and_the_next_start_does_only_what_is_missing(
    cloud: Cloud, main: Stack, clip: Path
) -> None:
    cloud.faults.order("PUT", r"detections/00002\.npz", 100)
    arn, ended = run_upload(main, clip, "trouble/never.mp4")
    assert ended["status"] == "FAILED"
    (request,) = told(cloud, arn)
    run = main.execution_row(arn)["run"]
    assert request.body["detail-type"] == "Video Failed"
    detail = request.body["detail"]
    assert (detail["run_id"], detail["error"], detail["stage"]) == (run, "ServiceUnavailable", "Detect")
    assert detail["video"] == f"{main.outputs['SourceBucketName']}/trouble/never.mp4"
    assert "PutObject" in detail["cause"]
    row = main.row(run)
    assert (row["status"], row["error"], row["stage"]) == ("FAILED", "ServiceUnavailable", "Detect")
    assert main.execution_row(arn)["status"] == "FAILED"
    assert main.keys("Published", "trouble/never.mp4/") == []
    assert len(main.keys("Staging", f"runs/{run}/chunks/")) == CHUNKS - 1

    cloud.faults.clear()
    already = len(asked(cloud, "Detect", run))
    again = main.start({"bucket": main.outputs["SourceBucketName"], "key": "trouble/never.mp4"})
    good(main.ended(again))
    row = main.row(run)
    assert (row["status"], row["attempt"], row["execution_arn"]) == ("DONE", 2, again)
    assert "error" not in row
    starts = [
        line
        for line in cloud.functions.log(next(name for name in main.function_names() if "DetectFunction" in name))
        .read_text()
        .splitlines()
        if run in line and "begins" in line
    ]
    # Asked for all chunks again, only the missing one was worked on: 2, then 1 + 3 retries, then 1.
    assert len(asked(cloud, "Detect", run)) - already == CHUNKS
    assert [json.loads(line)["chunk"] for line in starts].count(0) == 1
    assert json.loads(starts[-1])["chunk"] == CHUNKS - 1


def test_unreadable_input_fails_once_by_name(cloud: Cloud, main: Stack, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("This is no video.\n" * 100)
    arn, ended = run_upload(main, text, "trouble/text.mp4")
    assert (ended["status"], ended["error"]) == ("FAILED", "UnreadableVideo")
    assert len(asked(cloud, "Split", arn)) == 1
    (request,) = told(cloud, arn)
    detail = request.body["detail"]
    assert (detail["error"], detail["stage"]) == ("UnreadableVideo", "Split")
    assert detail["cause"].startswith("text.mp4: ")
    assert main.row(main.execution_row(arn)["run"])["status"] == "FAILED"


def test_a_video_that_is_not_there_fails_before_any_run(cloud: Cloud, main: Stack) -> None:
    arn = main.start({"bucket": main.outputs["SourceBucketName"], "key": "no/such.mp4"})
    assert main.ended(arn)["error"] == "SourceMissing"
    (request,) = told(cloud, arn)
    detail = request.body["detail"]
    assert (detail["run_id"], detail["stage"]) == ("", "Split")
    assert detail["video"] == f"{main.outputs['SourceBucketName']}/no/such.mp4"
    assert main.request("GET", f"/runs/{arn.rpartition(':')[2]}")[1]["error"] == "SourceMissing"


def test_a_setting_nobody_may_choose_per_video_is_refused(main: Stack, clip: Path) -> None:
    arn = main.start(
        {"bucket": main.outputs["SourceBucketName"], "key": "show/first take.mp4", "settings": {"chunk_s": 60}}
    )
    assert main.ended(arn)["error"] == "InvalidSettings"


def test_a_stopped_run_is_recorded_and_free_again(cloud: Cloud, main: Stack, clip: Path) -> None:
    cloud.faults.order("PUT", r"detections/", 1000)
    before = main.arns()
    main.upload(clip, "trouble/stopped.mp4")
    (arn,) = main.started(before)
    wait_for(lambda: main.states(arn), lambda states: "Detect" in states, 30)
    boto3.client("stepfunctions").stop_execution(executionArn=arn)
    (request,) = told(cloud, arn)
    assert request.body["detail"]["status"] in ("ABORTED", "FAILED")
    assert main.row(main.execution_row(arn)["run"])["status"] == "FAILED"


# other videos, other ways


def test_a_video_without_faces_is_published_without_people(main: Stack, tmp_path: Path) -> None:
    clip = tmp_path / "nobody.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=3", "-c:v", "libx264", "-preset", "ultrafast",
           "-g", "25", "-pix_fmt", "yuv420p", str(clip))  # fmt: skip
    arn, ended = run_upload(main, clip, "nobody.mp4")
    good(ended)
    run = main.execution_row(arn)["run"]
    manifest = manifest_of(main, run, f"nobody.mp4/{run}/")
    assert manifest.people == []
    assert manifest.representative_frames


def test_cluster_and_publish_can_be_repeated_under_a_revision(
    cloud: Cloud, main: Stack, uploaded: tuple[str, dict[str, Any]]
) -> None:
    run = main.execution_row(uploaded[0])["run"]
    detected = len(asked(cloud, "Detect", run))
    again = main.start({"resume": "cluster", "run_id": run, "revision": "r2"})
    good(main.ended(again))
    assert "Detect" not in main.states(again)
    assert len(asked(cloud, "Detect", run)) == detected
    first = manifest_of(main, run, f"show/first take.mp4/{run}/")
    second = manifest_of(main, run, f"show/first take.mp4/{run}-r2/")
    assert first.people == second.people
    row = main.row(run)
    assert (row["status"], row["attempt"], row["revision"], row["execution_arn"]) == ("DONE", 2, "r2", again)
    repeated = main.start({"resume": "cluster", "run_id": run, "revision": "r2"})
    good(main.ended(repeated))
    assert main.execution_row(repeated)["status"] == "AlreadyDone"


def corrections_of(manifest: Manifest) -> dict[str, Any]:
    """Names the first person and makes both people one, as one writes it who has the manifest alone."""
    people = [
        [
            {"t_s": track.best_s, "pts": track.best_pts, "box": track.best_box,
             "start_s": track.start_s, "end_s": track.end_s}
            for track in person.tracks
        ]
        for person in manifest.people
    ]  # fmt: skip
    made_at = "2026-01-01T00:00:00+00:00"
    return {
        "run_id": manifest.run_id,
        "source_identity": manifest.source.identity,
        "corrections": [
            {"do": "name", "made_at": made_at, "person": people[0], "name": "Ada"},
            {"do": "merge", "made_at": made_at, "people": people},
        ],
    }


def test_uploaded_corrections_start_cluster_and_publish_alone_under_a_claim(
    cloud: Cloud, main: Stack, uploaded: tuple[str, dict[str, Any]]
) -> None:
    run = main.execution_row(uploaded[0])["run"]
    first = manifest_of(main, run, f"show/first take.mp4/{run}/")
    detected, attempt = len(asked(cloud, "Detect", run)), main.row(run)["attempt"]
    text = json.dumps(corrections_of(first)).encode()
    before = main.arns()
    put = {"Bucket": main.outputs["SourceBucketName"], "Key": f"corrections/{run}.json", "Body": text}
    etag = boto3.client("s3").put_object(**put)["ETag"].strip('"')
    (arn,) = main.started(before)
    output = good(main.ended(arn))
    states = main.states(arn)
    assert [state for state in states if state in ("Split", "Detect", "Cluster", "Publish")] == ["Cluster", "Publish"]
    assert len(asked(cloud, "Detect", run)) == detected
    prefix = f"show/first take.mp4/{run}-c-{etag}/"
    assert output["manifest_uri"].endswith(f"{prefix}manifest.json")
    corrected = manifest_of(main, run, prefix)
    (person,) = corrected.people
    assert (person.name, corrected.corrections, corrected.unmatched_corrections) == ("Ada", 2, [])
    assert main.read("Published", prefix + "corrections.json") == text
    assert json.loads(main.read("Published", "show/first take.mp4/latest.json"))["manifest_uri"].endswith(
        f"{prefix}manifest.json"
    )
    row = main.row(run)
    assert (row["status"], row["attempt"], row["revision"]) == ("DONE", attempt + 1, f"c-{etag}")
    assert row["execution_arn"] == arn

    # The same once more is nothing new.
    before = main.arns()
    boto3.client("s3").put_object(**put)
    (repeated,) = main.started(before)
    good(main.ended(repeated))
    assert main.execution_row(repeated)["status"] == "AlreadyDone"


def test_corrections_wait_for_a_run_that_is_worked_on_and_wrong_ones_are_refused(
    main: Stack, uploaded: tuple[str, dict[str, Any]]
) -> None:
    run = main.execution_row(uploaded[0])["run"]
    document = corrections_of(manifest_of(main, run, f"show/first take.mp4/{run}/"))
    document["corrections"] = document["corrections"][:1]
    ledger, key = boto3.client("dynamodb"), {"run_id": {"S": run}}
    item = ledger.get_item(TableName=main.outputs["LedgerName"], Key=key)["Item"]
    held = item | {"status": {"S": "RUNNING"}, "lease_until": {"N": str(int(time.time()) + 600)}}
    ledger.put_item(TableName=main.outputs["LedgerName"], Item=held)
    posted = {"resume": "cluster", "run_id": run, "revision": "named", "corrections": document}
    arn = main.start(posted)
    wait_for(lambda: main.states(arn), lambda states: "Wait for the claim" in states, 60)
    ledger.put_item(TableName=main.outputs["LedgerName"], Item=item)
    good(main.ended(arn))
    named = manifest_of(main, run, f"show/first take.mp4/{run}-named/")
    assert [person.name for person in named.people] == ["Ada", *[None] * (PEOPLE - 1)]

    wrong = main.start(posted | {"revision": "other", "corrections": {**document, "source_identity": "another"}})
    assert main.ended(wrong)["error"] == "InvalidCorrections"
    gone = main.start({**posted, "run_id": "0" * 16})
    assert main.ended(gone)["error"] == "RunExpired"
    assert "nothing of it is in staging" in main.ended(gone)["cause"]
    assert "talent-frames correct" in main.ended(gone)["cause"]


def test_more_chunks_than_an_inline_map_runs_at_once(main: Stack, tmp_path: Path) -> None:
    """Step Functions runs 40 iterations of an inline map at a time; `make load` takes hundreds."""
    clip = tmp_path / "long.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=128x72:rate=2:duration=100", "-c:v", "libx264", "-preset", "ultrafast",
           "-g", "4", "-x264-params", "scenecut=0", "-pix_fmt", "yuv420p", str(clip))  # fmt: skip
    arn, ended = run_upload(main, clip, "long.mp4")
    good(ended)
    run = main.execution_row(arn)["run"]
    assert len(json.loads(main.read("Staging", f"runs/{run}/chunks.json"))) == 50
    assert len(main.keys("Staging", f"runs/{run}/chunks/")) == 50
    assert manifest_of(main, run, f"long.mp4/{run}/").source.frame_count == 200


def test_the_manifest_equals_that_of_a_local_run(
    main: Stack, pack: Path, clip: Path, uploaded: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    from lambdas.contracts import Settings
    from talent_frames.run import RunOptions, run_video

    run = main.execution_row(uploaded[0])["run"]
    cloud_made = manifest_of(main, run, f"show/first take.mp4/{run}/")
    settings = Settings.model_validate_json(json.dumps(RUN_SETTINGS))
    local = run_video(clip, out=tmp_path / "out", pack_dir=pack, settings=settings, options=RunOptions(workers=1))
    assert (cloud_made.source.uri, cloud_made.source.identity) != (local.source.uri, local.source.identity)
    there, here = (facts(found.model_dump_json().encode()) for found in (cloud_made, local))
    assert_alike(there, here)
    for file in filter(is_frame, cloud_made.files):
        assert main.read("Published", f"show/first take.mp4/{run}/{file}") == (tmp_path / "out" / file).read_bytes()


def assert_alike(one: Any, other: Any, where: str = "") -> None:
    """The same, numbers that are no times within 1e-4."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for name in one:
            assert_alike(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_alike(left, right, f"{where}[{index}]")
    elif isinstance(one, float) and not where.endswith("_s"):
        assert one == pytest.approx(other, abs=1e-4), where
    else:
        assert one == other, where


# a GPU, and a status database


class Table:
    """A PostgREST table at the receiver, which asks for its key."""

    def __init__(self, cloud: Cloud) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        cloud.receiver.answers[("GET", "/rest/v1/videos")] = self.select
        cloud.receiver.answers[("PATCH", "/rest/v1/videos")] = self.update

    def _allowed(self, asked: Received) -> bool:
        return asked.headers.get("apikey") == "service-key" and asked.headers.get("authorization") == (
            "Bearer service-key"
        )

    def select(self, asked: Received) -> tuple[int, Any]:
        if not self._allowed(asked):
            return 401, {"message": "No API key found in request"}
        row = self.rows.get(asked.query["shortcode"].removeprefix("eq."))
        return 200, [] if row is None else [{name: row[name] for name in asked.query["select"].split(",")}]

    def update(self, asked: Received) -> tuple[int, Any]:
        if not self._allowed(asked):
            return 401, {"message": "No API key found in request"}
        self.rows[asked.query["shortcode"].removeprefix("eq.")].update(asked.body)
        return 200, []


@pytest.fixture(scope="module")
def table(cloud: Cloud) -> Table:
    return Table(cloud)


def test_batch_does_all_chunks_and_the_database_hears_of_it(
    cloud: Cloud, with_gpu: Stack, table: Table, clip: Path
) -> None:
    table.rows["batch1"] = {"is_downloaded": True, "is_extracted": False}
    jobs = len(cloud.jobs)
    arn, ended = run_upload(with_gpu, clip, "tok/batch1/video.mp4")
    good(ended)
    run = with_gpu.execution_row(arn)["run"]
    assert cloud.jobs[jobs:] == [(["--run-id", run], 0)]
    assert "Detect on a GPU" in with_gpu.states(arn)
    assert "Detect" not in with_gpu.states(arn)
    manifest = manifest_of(with_gpu, run, f"tok/batch1/video.mp4/{run}/")
    assert len(manifest.people) == PEOPLE
    frames = len(manifest.people) + len(manifest.representative_frames) + len(manifest.scenes)
    assert table.rows["batch1"] == {"is_downloaded": True, "is_extracted": True, "frame_count": frames}


def test_a_job_without_its_gpu_fails_loudly_and_the_map_takes_over(
    cloud: Cloud, with_gpu: Stack, table: Table, clip: Path
) -> None:
    table.rows["batch2"] = {"is_downloaded": True, "is_extracted": False}
    cloud.job_environment["DETECT_DEVICE"] = "cuda"
    jobs = len(cloud.jobs)
    arn, ended = run_upload(with_gpu, clip, "tok/batch2/video.mp4")
    good(ended)
    run = with_gpu.execution_row(arn)["run"]
    assert [code for _, code in cloud.jobs[jobs:]] == [1]
    assert json.loads(with_gpu.read("Staging", f"runs/{run}/batch_error.json"))["error"] == "GpuMissing"
    states = with_gpu.states(arn)
    assert states.index("Detect on a GPU") < states.index("Detect")
    assert len(asked(cloud, "Detect", run)) == CHUNKS
    assert len(manifest_of(with_gpu, run, f"tok/batch2/video.mp4/{run}/").people) == PEOPLE


def test_bad_input_in_a_job_is_not_tried_elsewhere(cloud: Cloud, with_gpu: Stack, table: Table, clip: Path) -> None:
    table.rows["batch3"] = {"is_downloaded": True, "is_extracted": False}
    bucket = with_gpu.outputs["SourceBucketName"]

    def delete(job: Any) -> None:
        versions = boto3.client("s3").list_object_versions(Bucket=bucket, Prefix="tok/batch3/")["Versions"]
        boto3.client("s3").delete_object(Bucket=bucket, Key=versions[0]["Key"], VersionId=versions[0]["VersionId"])

    cloud.before_job = delete
    arn, ended = run_upload(with_gpu, clip, "tok/batch3/video.mp4")
    assert ended["status"] == "FAILED"
    run = with_gpu.execution_row(arn)["run"]
    assert cloud.jobs[-1] == (["--run-id", run], 2)
    assert asked(cloud, "Detect", run) == []
    row = wait_for(lambda: with_gpu.row(run), lambda found: found["status"] == "FAILED", 20)
    assert (row["error"], row["stage"]) == ("SourceMissing", "Detect on a GPU")
    # The database's own table of errors is told.
    wait_for(
        lambda: [one.body for one in cloud.receiver.received if one.path == "/rest/v1/extraction_errors"],
        lambda found: any(one["run_id"] == run and one["error"] == "SourceMissing" for one in found),
        20,
    )


@pytest.mark.parametrize(
    "row, ends_in",
    [
        (None, "NotListed"),
        ({"is_downloaded": False, "is_extracted": False}, "NotDownloaded"),
        ({"is_downloaded": True, "is_extracted": True}, "AlreadyExtracted"),
    ],
)
def test_the_database_may_refuse_a_video(
    cloud: Cloud, with_gpu: Stack, table: Table, row: dict[str, Any] | None, ends_in: str
) -> None:
    if row is not None:
        table.rows["refused"] = row
    split = len(asked(cloud, "Split"))
    arn = with_gpu.start({"platform": "tok", "shortcode": "refused"})
    assert with_gpu.ended(arn)["status"] == "SUCCEEDED"
    assert with_gpu.states(arn)[-1] == ends_in
    assert len(asked(cloud, "Split")) == split
    # Whoever asks for it learns how it ended, and the row is forgotten in time.
    assert with_gpu.request("GET", f"/runs/{arn.rpartition(':')[2]}")[1]["status"] == ends_in
    wait_for(lambda: with_gpu.execution_row(arn), lambda found: found.get("expires_at", 0) > time.time(), 10)


def test_an_upload_that_is_no_video_ends_at_once(cloud: Cloud, with_gpu: Stack, clip: Path) -> None:
    split = len(asked(cloud, "Split"))
    before = with_gpu.arns()
    with_gpu.upload(clip, "elsewhere/video.mp4")
    with_gpu.upload(clip, "tok/batch1/video.mp4.settings.json")
    (arn,) = with_gpu.started(before)
    assert with_gpu.ended(arn)["status"] == "SUCCEEDED"
    assert with_gpu.states(arn) == ["Who asks?", "A video?", "Note NotAVideo", "NotAVideo"]
    assert with_gpu.execution_row(arn)["status"] == "NotAVideo"
    assert len(asked(cloud, "Split")) == split
    assert len(set(with_gpu.arns()) - set(before)) == 1


def test_an_uploads_suffix_may_be_written_in_any_case(with_gpu: Stack, table: Table, clip: Path) -> None:
    before = with_gpu.arns()
    with_gpu.upload(clip, "tok/nobody/video.mP4")
    (arn,) = with_gpu.started(before)
    with_gpu.ended(arn)
    assert with_gpu.states(arn)[-1] == "NotListed"


def test_a_job_that_gets_no_machine_is_given_up_and_the_map_takes_over(
    cloud: Cloud, with_gpu: Stack, table: Table, clip: Path
) -> None:
    table.rows["batch4"] = {"is_downloaded": True, "is_extracted": False}
    cloud.machines = False
    jobs = len(cloud.jobs)
    arn, ended = run_upload(with_gpu, clip, "tok/batch4/video.mp4")
    good(ended)
    states = with_gpu.states(arn)
    # Ten minutes, looked at every minute.
    assert states.count("It waits") == 10
    assert states[states.index("Give the job up") + 1] == "Detect"
    assert len(cloud.jobs) == jobs
    (job,) = boto3.client("batch").describe_jobs(
        jobs=[one["jobId"] for one in _jobs_of(with_gpu, with_gpu.execution_row(arn)["run"])]
    )["jobs"]
    assert job["status"] == "FAILED"


def _jobs_of(stack: Stack, run: str) -> list[dict[str, Any]]:
    from moto.batch.models import batch_backends

    jobs = batch_backends[ACCOUNT][REGION]._jobs.values()
    return [{"jobId": job.job_id} for job in jobs if job.job_name == f"detect-{run}"]


def test_a_run_whose_claim_another_execution_took_ends_well_and_publishes_nothing(
    cloud: Cloud, with_gpu: Stack, table: Table, clip: Path
) -> None:
    """As a redriven run finds it whose video was uploaded again meanwhile."""
    table.rows["batch5"] = {"is_downloaded": True, "is_extracted": False}

    def take(job: Any) -> None:
        run = job.job_name.removeprefix("detect-")
        boto3.client("dynamodb").update_item(
            TableName=with_gpu.outputs["LedgerName"],
            Key={"run_id": {"S": run}},
            UpdateExpression="SET execution_arn = :other",
            ExpressionAttributeValues={":other": {"S": "arn:another"}},
        )

    cloud.before_job = take
    arn, ended = run_upload(with_gpu, clip, "tok/batch5/video.mp4")
    assert ended["status"] == "SUCCEEDED"
    assert with_gpu.states(arn)[-3:] == ["Hold the claim", "Note ClaimLost", "ClaimLost"]
    noted = with_gpu.execution_row(arn)
    assert noted["status"] == "ClaimLost"
    assert with_gpu.row(noted["run"])["execution_arn"] == "arn:another"
    assert with_gpu.keys("Published", "tok/batch5/") == []


def test_turns_are_given_back_however_a_run_ends(with_gpu: Stack) -> None:
    for arn in with_gpu.arns():
        with_gpu.ended(arn)
    wait_for(lambda: with_gpu.row("turns").get("holders"), lambda holders: not holders, 10)


def test_the_clip_of_these_tests_is_what_they_take_it_for(clip: Path, tmp_path: Path) -> None:
    assert make_clip(tmp_path / "again.mp4", 2.4, 3.0).read_bytes() == clip.read_bytes()


# after a deployment


def test_a_smoke_test_follows_its_video_to_the_people_in_it(main: Stack, clip: Path, tmp_path: Path) -> None:
    said: list[str] = []
    clients = Clients(boto3.client("s3"), boto3.client("stepfunctions"))
    manifest = smoke(main.outputs, clip, PEOPLE, tmp_path, clients, said.append, pause_s=0.2)
    assert len(manifest["people"]) == PEOPLE
    text = "\n".join(said)
    for stage in ("Split", "Detect", "Cluster", "Publish", f"{PEOPLE} people", "$0.0"):
        assert stage in text
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest
    assert "</html>" in (tmp_path / "report.html").read_text()
    # Nothing of it is left to start again.
    assert main.keys("Source", "smoke/") == []
    with pytest.raises(Trouble, match=f"{PEOPLE} people were found, {PEOPLE + 1} are in the video"):
        smoke(main.outputs, clip, PEOPLE + 1, tmp_path, clients, said.append, pause_s=0.2)


def test_a_smoke_test_says_how_a_run_went_wrong(main: Stack, with_gpu: Stack, clip: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("This is no video.\n" * 100)
    clients = Clients(boto3.client("s3"), boto3.client("stepfunctions"))
    with pytest.raises(Trouble, match="UnreadableVideo"):
        smoke(main.outputs, text, 3, tmp_path, clients, pause_s=0.2)
    # The status database knows nothing of it.
    with pytest.raises(Trouble, match="as NotListed"):
        smoke(with_gpu.outputs, clip, 3, tmp_path, clients, pause_s=0.2)


def test_every_state_was_reached_by_a_test_above(
    request: pytest.FixtureRequest, cloud: Cloud, main: Stack, with_gpu: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints how often each state of either machine was entered by the executions of this module."""
    here = [item for item in request.session.items if item.path == request.node.path]
    written = Path(__file__).read_text().count("\ndef test_")
    if len({item.originalname for item in here if isinstance(item, pytest.Function)}) < written:
        pytest.skip("only some tests of this module were chosen: run tests/aws without -k")
    entered = Counter(state for stack in (main, with_gpu) for arn in stack.arns() for state in stack.states(arn))
    # A map's children are executions of their own.
    entered["Detect chunk"] = len(asked(cloud, "Detect"))
    known = {name for stack in (main, with_gpu) for name, _ in tasks(machine_definition(stack.template)["States"])}
    with capsys.disabled():
        print("\nentered state")
        for name in sorted(known, key=lambda name: (entered[name], name)):
            print(f"{entered[name]:7d} {name}")
    assert sorted(name for name in known if not entered[name]) == []
