"""A stack from outside: what lies in a bucket is submitted once, runs are asked for, reports are opened."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from typer.testing import CliRunner

from lambdas.staging import s3_client
from talent_frames import cli, cloud
from talent_frames.cloud import Estimate, Submitted, Video
from talent_frames.commands.cloud import told
from tests.clips import make_clip
from tests.talent_frames.drawn_run import publish_drawn

MACHINE = {
    "StartAt": "Which?",
    "States": {
        "Which?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.key", "StringMatches": "*bad*", "Next": "Bad"}],
            "Default": "Good",
        },
        "Good": {"Type": "Succeed"},
        "Bad": {"Type": "Fail", "Error": "NoFrames", "Cause": "there are none"},
    },
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stack whose machine ends at once, on a server of moto's; nothing leaves the machine."""
    from moto.core import config
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    before = config.default_user_config["stepfunctions"]["execute_state_machine"]
    config.default_user_config["stepfunctions"]["execute_state_machine"] = True
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        s3_client.cache_clear()
        s3_client().create_bucket(Bucket="videos")
        s3_client().create_bucket(Bucket="published")
        arn = boto3.client("stepfunctions").create_state_machine(
            name="Pipeline", definition=json.dumps(MACHINE), roleArn="arn:aws:iam::123456789012:role/any"
        )["stateMachineArn"]
        boto3.client("dynamodb").create_table(
            TableName="ledger",
            KeySchema=[{"AttributeName": "run_id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "run_id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        outputs = {"PipelineArn": {"Value": arn}, "LedgerName": {"Value": "ledger"}}
        template = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": outputs}
        # Moto imports every service it has at this call; asked again, it would find the stack standing.
        patient = Config(read_timeout=600, retries={"max_attempts": 0})
        boto3.client("cloudformation", config=patient).create_stack(
            StackName="TalentFrames", TemplateBody=json.dumps(template)
        )
        yield arn
    config.default_user_config["stepfunctions"]["execute_state_machine"] = before
    s3_client.cache_clear()
    server.stop()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip("mp4_moov_last", tmp_path_factory.mktemp("clip"))


def executions(arn: str) -> list[str]:
    return [one["name"] for one in boto3.client("stepfunctions").list_executions(stateMachineArn=arn)["executions"]]


def command(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli.app, list(arguments))
    return done.exit_code, done.stdout, done.stderr


def test_an_estimate_goes_by_bytes_where_only_some_were_looked_at() -> None:
    videos = [Video("b", f"{number}.mp4", 1000, "e") for number in range(100)]
    assert len(cloud.sample(videos)) == cloud.SAMPLE
    found = Estimate.of(videos, [36.0] * (cloud.SAMPLE - 1) + [0.0], at_once=4)
    assert (found.videos, found.sampled) == (100, cloud.SAMPLE - 1)
    assert found.hours == pytest.approx(1.0)
    assert found.usd == pytest.approx(100 * 0.0006 + 0.025)
    assert found.seconds == pytest.approx((100 * 12 + 57) / 4)
    assert Estimate.of([], [], 4).usd == 0.0
    assert Estimate.of(videos[:1], [0.0], 4).hours == 0.0


def test_a_dry_run_counts_reckons_and_starts_nothing(stack: str, clip: Path) -> None:
    for key in ("dry/a.mp4", "dry/b.MOV", "dry/c.json"):
        s3_client().upload_file(str(clip), "videos", key)
    before = executions(stack)
    code, out, err = command("submit", "s3://videos/dry/", "--dry-run")
    assert (code, err) == (0, "")
    megabytes = 2 * clip.stat().st_size / 1e6
    assert out.startswith(f"2 videos, {megabytes:.1f} MB\nabout 0:12 minutes of video: less than a cent and about 0:1")
    assert executions(stack) == before
    assert (command("status")[1] == "stack TalentFrames has started nothing yet\n") == (before == [])
    assert command("submit", "s3://videos/nothing/", "--dry-run") == (0, "0 videos\n", "")


def test_a_back_fill_of_hours_is_told_in_hours_gigabytes_and_dollars() -> None:
    lines = told(Estimate(videos=1200, size_bytes=3_210_000_000, hours=1234.5, sampled=20, usd=1001.0, seconds=7200))
    assert lines[0] == "1,200 videos, 3.21 GB"
    told_of, reckoned = lines[1].split(": ")
    assert told_of == "about 1,234.5 hours of video by the length of 20 of them"
    assert reckoned.startswith("about $1,001.00 and about 2:00:00")


def test_each_video_is_submitted_once_and_failures_are_told(stack: str, clip: Path) -> None:
    for key in ("some/a.mp4", "some/bad.mp4", "some/it's c.mkv"):
        s3_client().upload_file(str(clip), "videos", key)
    videos = cloud.videos_under("s3://videos/some/")
    assert [video.key for video in videos] == ["some/a.mp4", "some/bad.mp4", "some/it's c.mkv"]
    code, _, err = command("submit", "s3://videos/some/", "--at-once", "2")
    assert code == 1
    assert "some/bad.mp4: FAILED\n" in err
    assert "2 succeeded" in err
    assert "1 failed" in err
    started = executions(stack)
    assert {video.execution_name for video in videos} <= set(started)
    code, _, err = command("submit", "s3://videos/some/")
    assert (code, "3 submitted before" in err) == (0, True)
    assert executions(stack) == started
    code, _, err = command("submit", "s3://videos/some/", "--again")
    assert (code, len(executions(stack))) == (1, len(started) + 1)
    # An upload that takes another's place is another video.
    s3_client().put_object(Bucket="videos", Key="some/a.mp4", Body=b"another")
    assert cloud.videos_under("s3://videos/some/a")[0].execution_name != videos[0].execution_name


def test_what_runs_already_is_waited_for_and_not_started_twice(stack: str) -> None:
    target = cloud.Stack("TalentFrames")
    video = Video("videos", "waiting.mp4", 1, "etag")
    target.states.start_execution(
        stateMachineArn=stack, name=video.execution_name, input=json.dumps({"bucket": "videos", "key": "waiting.mp4"})
    )
    ends = list(cloud.submit(target, [video], 1, poll_s=0.05))
    assert ends in ([Submitted(video, "SUCCEEDED")], [Submitted(video, "submitted before")])
    assert executions(stack).count(video.execution_name) == 1


def test_runs_are_asked_for_by_run_and_by_execution_and_their_report_is_opened(
    stack: str, own_home: Path, tmp_path: Path
) -> None:
    publish_drawn(tmp_path / "out", tmp_path / "work", "run-cloud")
    for file in (tmp_path / "out").rglob("*.*"):
        key = f"a b.mp4/run-cloud/{file.relative_to(tmp_path / 'out').as_posix()}"
        s3_client().upload_file(str(file), "published", key)
    table = boto3.resource("dynamodb").Table("ledger")
    uri = "s3://published/a b.mp4/run-cloud/manifest.json"
    table.put_item(
        Item={"run_id": "run-cloud", "status": "DONE", "source": "videos/a b.mp4", "manifest_uri": uri, "people": 3}
    )
    table.put_item(Item={"run_id": "execution#second", "run": "run-cloud", "status": "AlreadyDone"})
    table.put_item(Item={"run_id": "run-bad", "status": "FAILED", "error": "NoFrames"})
    code, out, _ = command("status", "run-cloud")
    assert code == 0
    assert out.splitlines()[:2] == ["status        DONE", "source        videos/a b.mp4"]
    assert "AlreadyDone" in command("status", "second")[1]
    assert command("status", "none")[0] == 2
    assert command("status")[0] == 0
    code, out, _ = command("open", "second", "--no-browser")
    with urllib.request.urlopen(out.strip()) as answer:
        assert answer.read() == (tmp_path / "out" / "report.html").read_bytes()
    code, _, err = command("open", "run-bad", "--no-browser")
    assert (code, err) == (1, "error: run-bad: nothing is published; its status is FAILED (NoFrames)\n")
    code, out, _ = command("open", str(tmp_path / "out"), "--no-browser")
    assert out == f"{(tmp_path / 'out' / 'report.html').resolve().as_uri()}\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("submit", "videos/some"), "written as s3://bucket/prefix"),
        (("submit", "s3://no-such-bucket-here/x"), "bucket does not exist"),
        (("status", "x", "--stack", "Another"), "stack Another"),
    ],
)
def test_what_is_not_there_is_one_line_and_2(stack: str, arguments: tuple[str, ...], reason: str) -> None:
    code, _, err = command(*arguments)
    assert (code, reason in err, err.count("\n")) == (2, True, 1), err
