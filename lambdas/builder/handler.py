"""Starts the build of the images when CloudFormation asks for it; the build itself answers CloudFormation when it ends.

Needs nothing but boto3.
"""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import boto3

ANSWER = ("ResponseURL", "StackId", "RequestId", "LogicalResourceId")
"""Of CloudFormation's request, what an answer needs; handed to the build."""


def handler(event: dict[str, Any], context: object) -> None:
    """Starts a build for a new or changed set of images. Images go with their repository, so deleting is nothing."""
    properties = event["ResourceProperties"]
    place = properties["Tag"]
    if event["RequestType"] == "Delete":
        answer(event, "SUCCESS", event["PhysicalResourceId"])
        return
    try:
        boto3.client("codebuild").start_build(
            projectName=properties["Project"],
            environmentVariablesOverride=[
                {"name": f"CFN_{name}", "value": event[name], "type": "PLAINTEXT"} for name in ANSWER
            ],
        )
    except Exception as error:
        answer(event, "FAILED", place, f"the build could not be started ({type(error).__name__})")
        raise


def answer(event: dict[str, Any], status: str, place: str, reason: str = "") -> None:
    """Tells CloudFormation, by the signed URL it gave."""
    body = {
        "Status": status,
        "Reason": reason or "done",
        "PhysicalResourceId": place,
        **{name: event[name] for name in ANSWER[1:]},
    }
    request = urllib.request.Request(
        event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT"
    )
    with urllib.request.urlopen(request, timeout=30):
        pass
