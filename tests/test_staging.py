"""Buckets as AWS has them, without an endpoint of one's own: where signed URLs lead, what a refusal means."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from lambdas.door import services_named
from lambdas.errors import AwsMissing, ServiceUnavailable, SourceMissing, SourceRefused
from lambdas.staging import CONFLICT_TRIES, S3Staging, describe_object, presign, s3_client, source_location
from lambdas.video import open_video, size_bytes
from tests.split.range_server import serving

REFUSAL = b'<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>'


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """Credentials, no endpoint, no profile, and a client of this test's own."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_CONFIG_FILE", str(tmp_path / "config")),
    ):
        monkeypatch.setenv(name, value)
    s3_client.cache_clear()
    yield monkeypatch
    s3_client.cache_clear()


@pytest.mark.parametrize(
    ("region", "bucket", "host"),
    [
        ("us-east-1", "videos", "videos.s3.amazonaws.com"),
        ("eu-central-2", "videos", "videos.s3.eu-central-2.amazonaws.com"),
        ("ap-southeast-7", "videos", "videos.s3.ap-southeast-7.amazonaws.com"),
        ("cn-north-1", "videos", "videos.s3.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "videos", "videos.s3.us-gov-west-1.amazonaws.com"),
        # A dot in the bucket's name would not fit the host's certificate.
        ("eu-central-2", "my.videos", "s3.eu-central-2.amazonaws.com"),
    ],
)
def test_signed_urls_name_the_host_of_the_buckets_region(
    account: pytest.MonkeyPatch, region: str, bucket: str, host: str
) -> None:
    account.setenv("AWS_DEFAULT_REGION", region)
    url = urlsplit(presign(s3_client(), bucket, "a b/ü.mp4"))
    assert (url.scheme, url.netloc) == ("https", host)
    (credential,) = parse_qs(url.query)["X-Amz-Credential"]
    assert credential.split("/")[2] == region
    store = S3Staging(bucket)
    assert urlsplit(store.location("runs/x/segments/00000.mkv")).netloc == host
    # By this client publish signs the URLs in its event.
    assert urlsplit(presign(store.client, bucket, "a.mp4/run/people/0.jpg", expires_s=60)).netloc == host


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_of_ones_own_gets_the_bucket_in_the_path(account: pytest.MonkeyPatch, variable: str) -> None:
    account.setenv("AWS_DEFAULT_REGION", "eu-central-2")
    account.setenv(variable, "https://store.example.com")
    url = urlsplit(presign(s3_client(), "videos", "a.mp4"))
    assert (url.netloc, url.path) == ("store.example.com", "/videos/a.mp4")


def test_the_profile_decides_how_buckets_are_addressed(account: pytest.MonkeyPatch, tmp_path: Path) -> None:
    account.setenv("AWS_DEFAULT_REGION", "eu-central-2")
    account.setenv("AWS_ENDPOINT_URL", "https://store.example.com")
    (tmp_path / "config").write_text("[default]\ns3 =\n  addressing_style = virtual\n")
    assert urlsplit(presign(s3_client(), "videos", "a.mp4")).netloc == "videos.store.example.com"


# writing what nobody has written


@pytest.mark.parametrize(
    ("codes", "wrote"),
    [
        ([], True),
        (["PreconditionFailed"], False),
        # Another writer was at it: the next try tells who won.
        (["ConditionalRequestConflict"], True),
        (["ConditionalRequestConflict", "PreconditionFailed"], False),
    ],
)
def test_the_first_writer_wins_and_a_conflict_is_tried_again(
    account: pytest.MonkeyPatch, codes: list[str], wrote: bool
) -> None:
    client = boto3.client("s3", region_name="eu-central-2")
    with Stubber(client) as stub:
        for code in codes:
            stub.add_client_error("put_object", code, http_status_code=412 if code == "PreconditionFailed" else 409)
        if wrote:
            stub.add_response("put_object", {})
        assert S3Staging("staging", client=client).put_if_absent("a", b"1") == wrote
        stub.assert_no_pending_responses()


def test_a_conflict_that_does_not_end_is_the_stores_trouble(account: pytest.MonkeyPatch) -> None:
    client = boto3.client("s3", region_name="eu-central-2")
    with Stubber(client) as stub, pytest.raises(ServiceUnavailable, match="ConditionalRequestConflict"):
        for _ in range(CONFLICT_TRIES):
            stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        with services_named():
            S3Staging("staging", client=client).put_if_absent("a", b"1")


# refusals


@pytest.mark.parametrize(
    ("status", "code", "message", "error", "says"),
    [
        (400, "ExpiredToken", "", SourceRefused, "the credentials have expired"),
        (403, "AccessDenied", "Request has expired", SourceRefused, "the credentials have expired"),
        (403, "SignatureDoesNotMatch", "", SourceRefused, "the signature does not fit"),
        (400, "AuthorizationQueryParametersError", "", SourceRefused, "another region"),
        (403, "RequestTimeTooSkewed", "", SourceRefused, "clock"),
        (403, "AccessDenied", "Access Denied", SourceMissing, "AccessDenied"),
        (403, "InvalidObjectState", "", SourceMissing, "InvalidObjectState"),
        (404, "NoSuchKey", "", SourceMissing, "NoSuchKey"),
    ],
)
def test_a_refusal_that_is_not_about_the_object_says_what_it_is(
    tmp_path: Path, status: int, code: str, message: str, error: type[Exception], says: str
) -> None:
    with serving(tmp_path) as server:
        server.fail_with, server.fail_text = status, REFUSAL % (code.encode(), message.encode())
        for look in (size_bytes, open_video):
            with pytest.raises(error, match=says) as raised:
                look(server.url("a.mp4?X-Amz-Signature=abc"), "a.mp4")
            assert "X-Amz" not in str(raised.value)


def test_a_refusal_without_a_reason_says_its_status(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        server.fail_with = 403
        with pytest.raises(SourceMissing, match="HTTP 403"):
            size_bytes(server.url("a.mp4"), "a.mp4")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "ExpiredToken", SourceRefused),
        (403, "SignatureDoesNotMatch", SourceRefused),
        (403, "AccessDenied", SourceMissing),
        # A version that never was.
        (400, "InvalidArgument", SourceMissing),
    ],
)
def test_an_object_is_looked_at_once_more_where_the_head_does_not_say_why(
    account: pytest.MonkeyPatch, status: int, code: str, error: type[Exception]
) -> None:
    client = boto3.client("s3", region_name="eu-central-2")
    with Stubber(client) as stub:
        stub.add_client_error("head_object", str(status), http_status_code=status)
        stub.add_client_error("get_object", code, http_status_code=status)
        with pytest.raises(error, match=code):
            describe_object(client, "videos", "a.mp4", "v1")


def test_a_head_refused_where_reading_is_not_stays_a_missing_object(account: pytest.MonkeyPatch) -> None:
    client = boto3.client("s3", region_name="eu-central-2")
    with Stubber(client) as stub:
        stub.add_client_error("head_object", "403", http_status_code=403)
        stub.add_response("get_object", {"Body": StreamingBody(io.BytesIO(b"x"), 1)})
        with pytest.raises(SourceMissing, match="403"):
            describe_object(client, "videos", "a.mp4")


def test_without_boto3_a_bucket_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    s3_client.cache_clear()
    with pytest.raises(AwsMissing, match=r"pip install 'talent-frames\[aws\]'"):
        source_location("s3://videos/clip.mp4")


@pytest.fixture
def bucket(aws: None) -> S3Staging:
    s3_client().create_bucket(Bucket="staging")
    return S3Staging("staging", "p/")


def test_what_stands_stays_if_it_says_so(bucket: S3Staging) -> None:
    def later(than: bytes) -> Callable[[bytes], bool]:
        return lambda standing: standing > than

    assert bucket.put_unless("latest", b"2", later(b"2"))
    assert not bucket.put_unless("latest", b"1", later(b"1"))
    assert bucket.put_unless("latest", b"3", later(b"3"))
    assert bucket.get("latest") == b"3"


def test_what_is_written_in_between_is_looked_at_too(bucket: S3Staging) -> None:
    seen: list[bytes] = []

    def stays(standing: bytes) -> bool:
        seen.append(standing)
        if standing == b"old":
            # Another run ends just now.
            bucket.put("latest", b"newest")
        return standing == b"newest"

    bucket.put("latest", b"old")
    assert not bucket.put_unless("latest", b"ours", stays)
    assert seen == [b"old", b"newest"]
    assert bucket.get("latest") == b"newest"


def test_an_upload_that_fails_says_what_the_service_said(bucket: S3Staging, tmp_path: Path) -> None:
    (tmp_path / "segment").write_bytes(b"x")
    with pytest.raises(ClientError) as refused:
        S3Staging("no-such-bucket", client=bucket.client).put_file("segment", tmp_path / "segment")
    assert refused.value.response["Error"]["Code"] == "NoSuchBucket"
