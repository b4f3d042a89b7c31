"""What is run beside a deployment: the switch on a bucket that was there before, and the teardown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from infra.source_events import switch_on
from infra.teardown import empty, plan


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    moto = pytest.importorskip("moto", reason="moto is not here; `make setup` installs it")
    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    with moto.mock_aws():
        yield boto3.client("s3")


def test_switching_eventbridge_on_keeps_a_buckets_other_notifications(s3: Any) -> None:
    queue = boto3.client("sqs").create_queue(QueueName="theirs")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    theirs = {"QueueConfigurations": [{"Id": "theirs", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.create_bucket(Bucket="videos")
    s3.put_bucket_notification_configuration(Bucket="videos", NotificationConfiguration=theirs)
    sent: list[dict[str, Any]] = []
    s3.meta.events.register(
        "provide-client-params.s3.PutBucketNotificationConfiguration",
        lambda params, **_: sent.append(params["NotificationConfiguration"]),
    )
    assert switch_on("videos", s3) == "videos: EventBridge is on, 1 other notifications stay"
    # moto keeps the switch but does not give it back.
    assert sent == [{**theirs, "EventBridgeConfiguration": {}}]
    found = s3.get_bucket_notification_configuration(Bucket="videos")
    assert found["QueueConfigurations"] == theirs["QueueConfigurations"]


def test_a_bucket_that_tells_eventbridge_already_is_not_written_to() -> None:
    class Bucket:
        def get_bucket_notification_configuration(self, Bucket: str) -> dict[str, Any]:  # noqa: N803
            return {"ResponseMetadata": {}, "EventBridgeConfiguration": {}}

    assert switch_on("videos", Bucket()) == "videos: EventBridge was on already, 0 other notifications stay"


RESOURCES = [
    {"LogicalResourceId": id, "PhysicalResourceId": name, "ResourceType": kind}
    for id, name, kind in (
        ("SourceBucket", "the-source", "AWS::S3::Bucket"),
        ("StagingBucket", "the-staging", "AWS::S3::Bucket"),
        ("PublishedBucket", "the-published", "AWS::S3::Bucket"),
        ("AccessLogBucket", "the-logs", "AWS::S3::Bucket"),
        ("Ledger", "the-ledger", "AWS::DynamoDB::Table"),
        ("Pipeline", "the-machine", "AWS::StepFunctions::StateMachine"),
    )
]


def test_a_teardown_empties_staging_and_logs_and_keeps_what_is_the_users() -> None:
    emptied, kept = plan(RESOURCES, everything=False)
    assert emptied == ["the-staging", "the-logs"]
    assert kept == ["bucket the-source", "bucket the-published", "table the-ledger"]


def test_a_teardown_of_everything_keeps_nothing() -> None:
    emptied, kept = plan(RESOURCES, everything=True)
    assert (set(emptied), kept) == ({"the-source", "the-staging", "the-published", "the-logs"}, [])


def test_emptying_takes_old_versions_along(s3: Any) -> None:
    s3.create_bucket(Bucket="full")
    s3.put_bucket_versioning(Bucket="full", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"old", b"new"):
        s3.put_object(Bucket="full", Key="a", Body=body)
    s3.delete_object(Bucket="full", Key="a")
    assert empty("full", s3) == 3
    s3.delete_bucket(Bucket="full")


def test_emptying_an_empty_bucket_is_nothing(s3: Any) -> None:
    s3.create_bucket(Bucket="empty")
    assert empty("empty", s3) == 0
