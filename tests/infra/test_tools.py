"""What is run beside a deployment: the switch on a bucket that was there before, and the teardown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import WaiterError

from infra.secrets import REFERENCE, renew
from infra.source_events import switch_on
from infra.teardown import TRIES, delete, empty, plan, stop_logging


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


class Formation:
    """CloudFormation whose buckets can't be deleted while something is in them; `late` puts logs in after emptying."""

    def __init__(self, s3: Any, late: int, stubborn: str = "") -> None:
        self.s3, self.late, self.stubborn = s3, late, stubborn
        self.asked: list[dict[str, Any]] = []
        self.gone = False

    def delete_stack(self, **asked: Any) -> None:
        self.asked.append(asked)
        if self.late:
            self.late -= 1
            self.s3.put_object(Bucket="the-logs", Key=f"late-{self.late}", Body=b"x")
        full = "Contents" in self.s3.list_objects_v2(Bucket="the-logs")
        self.gone = not self.stubborn and (not full or "AccessLogBucket" in asked.get("RetainResources", []))

    def get_waiter(self, _: str) -> Any:
        formation = self

        class Waiter:
            def wait(self, **_: Any) -> None:
                if not formation.gone:
                    raise WaiterError("StackDeleteComplete", "DELETE_FAILED", {})

        return Waiter()

    def get_paginator(self, _: str) -> Any:
        failed = self.stubborn or "AccessLogBucket"
        summaries = [
            {**found, "ResourceStatus": "DELETE_FAILED" if found["LogicalResourceId"] == failed else "DELETE_COMPLETE"}
            for found in RESOURCES
        ]

        class Paginator:
            def paginate(self, **_: Any) -> list[dict[str, Any]]:
                return [{"StackResourceSummaries": summaries}]

        return Paginator()


@pytest.mark.parametrize(("late", "tries", "left"), [(0, 1, []), (2, 3, []), (9, 4, ["the-logs"])])
def test_logs_that_arrive_late_do_not_stop_a_teardown(s3: Any, late: int, tries: int, left: list[str]) -> None:
    s3.create_bucket(Bucket="the-logs")
    formation = Formation(s3, late)
    assert delete("Stack", ["the-logs"], formation, s3) == left
    assert formation.gone
    assert len(formation.asked) == tries
    assert not any("RetainResources" in asked for asked in formation.asked[:TRIES])


def test_what_else_stands_in_a_teardowns_way_is_said(s3: Any) -> None:
    s3.create_bucket(Bucket="the-logs")
    with pytest.raises(SystemExit, match="Pipeline"):
        delete("Stack", ["the-logs"], Formation(s3, 0, stubborn="Pipeline"), s3)


def test_a_teardown_stops_the_logging_into_the_bucket_it_deletes(s3: Any) -> None:
    summaries = [one for one in RESOURCES if one["ResourceType"] == "AWS::S3::Bucket"]
    for one in summaries:
        s3.create_bucket(Bucket=one["PhysicalResourceId"])
    asked: list[str] = []
    s3.meta.events.register(
        "provide-client-params.s3.PutBucketLogging",
        lambda params, **_: asked.append(f"{params['Bucket']} {params['BucketLoggingStatus']}"),
    )
    stop_logging(RESOURCES, s3)
    assert asked == [f"{one['PhysicalResourceId']} {{}}" for one in summaries]


# secrets


def connection(name: str, secret: str) -> dict[str, Any]:
    """A connection as the template has it."""
    key = f"{{{{resolve:secretsmanager:{secret}:SecretString:::}}}}"
    return {
        "Type": "AWS::Events::Connection",
        "Properties": {
            "AuthorizationType": "API_KEY",
            "AuthParameters": {
                "ApiKeyAuthParameters": {"ApiKeyName": name, "ApiKeyValue": key},
                "InvocationHttpParameters": {
                    "HeaderParameters": [{"Key": "Authorization", "Value": f"Bearer {key}", "IsValueSecret": True}]
                },
            },
        },
    }


def test_rotated_secrets_are_written_into_their_connections(s3: Any) -> None:
    secrets, events = boto3.client("secretsmanager"), boto3.client("events")
    for name in ("webhook", "database/key"):
        secrets.create_secret(Name=name, SecretString=f"old {name}")
    template = {
        "Resources": {
            "Hook": connection("X-Webhook-Secret", "webhook"),
            "Table": connection("apikey", "database/key"),
            "Bus": {"Type": "AWS::Events::EventBus", "Properties": {}},
        }
    }
    names = {"Hook": "hook-1", "Table": "table-1"}
    for id, name in names.items():
        properties = template["Resources"][id]["Properties"]
        events.create_connection(Name=name, **properties)
    secrets.put_secret_value(SecretId="webhook", SecretString="new one")
    sent: list[dict[str, Any]] = []
    events.meta.events.register(
        "provide-client-params.events.UpdateConnection", lambda params, **_: sent.append(params)
    )
    assert renew(template, names, events, secrets) == ["hook-1", "table-1"]
    hook, table = (one["AuthParameters"] for one in sent)
    assert hook["ApiKeyAuthParameters"] == {"ApiKeyName": "X-Webhook-Secret", "ApiKeyValue": "new one"}
    assert hook["InvocationHttpParameters"]["HeaderParameters"][0]["Value"] == "Bearer new one"
    assert table["ApiKeyAuthParameters"]["ApiKeyValue"] == "old database/key"


def test_the_templates_references_are_of_the_kind_that_is_resolved(full: dict[str, Any]) -> None:
    connections = [one for one in full["Resources"].values() if one["Type"] == "AWS::Events::Connection"]
    assert len(connections) == 2
    for one in connections:
        assert REFERENCE.search(one["Properties"]["AuthParameters"]["ApiKeyAuthParameters"]["ApiKeyValue"])
