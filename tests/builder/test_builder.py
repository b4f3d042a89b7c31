"""What starts the build of the images: CodeBuild is asked, CloudFormation is answered."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from lambdas.builder import handler as builder


@pytest.fixture
def answers() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """CloudFormation's URL, and what was put there."""
    got: list[dict[str, Any]] = []

    class Requests(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/signed?x", got
    server.shutdown()
    server.server_close()


@pytest.fixture
def codebuild(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client("codebuild", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    monkeypatch.setattr(boto3, "client", lambda _: client)
    with Stubber(client) as stub:
        yield stub


def asked(url: str, kind: str) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": url,
        "StackId": "arn:stack",
        "RequestId": "r-1",
        "LogicalResourceId": "Build",
        "PhysicalResourceId": "old-tag",
        "ResourceProperties": {"Project": "images", "Tag": "new-tag"},
    }


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_build_is_started_and_told_where_to_answer(
    answers: tuple[str, list[dict[str, Any]]], codebuild: Stubber, kind: str
) -> None:
    url, got = answers
    variables = [
        {"name": f"CFN_{name}", "value": asked(url, kind)[name], "type": "PLAINTEXT"} for name in builder.ANSWER
    ]
    expected = {"projectName": "images", "environmentVariablesOverride": variables}
    codebuild.add_response("start_build", {"build": {"id": "images:1"}}, expected)
    builder.handler(asked(url, kind), None)
    codebuild.assert_no_pending_responses()
    # The build answers, when it has ended.
    assert got == []


def test_a_build_that_cannot_start_is_answered_at_once(
    answers: tuple[str, list[dict[str, Any]]], codebuild: Stubber
) -> None:
    url, got = answers
    codebuild.add_client_error("start_build", "AccountLimitExceededException")
    with pytest.raises(Exception, match="AccountLimitExceeded"):
        builder.handler(asked(url, "Create"), None)
    (answer,) = got
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("FAILED", "new-tag")


def test_deleting_builds_nothing(answers: tuple[str, list[dict[str, Any]]], codebuild: Stubber) -> None:
    url, got = answers
    builder.handler(asked(url, "Delete"), None)
    (answer,) = got
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "old-tag")
    assert (answer["StackId"], answer["RequestId"], answer["LogicalResourceId"]) == ("arn:stack", "r-1", "Build")
