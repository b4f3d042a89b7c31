"""`make teardown`: empties the buckets that hold intermediate data, deletes the stack and says what it keeps.

Videos, published frames and the ledger outlive the stack. To be rid of them too, deploy once with `keep_data=false` and
then add `--everything`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

EMPTIED = ("StagingBucket", "AccessLogBucket")
"""Logical ids of the buckets that are emptied: faces and embeddings on their way, and access logs."""
WAIT_MINUTES = 30
TRIES = 3
"""Of deleting the stack. S3 delivers access logs for hours after the access (Amazon S3 user guide, "Logging requests
with server access logging"), so a bucket that was emptied may hold something again."""


def plan(resources: list[dict[str, Any]], everything: bool) -> tuple[list[str], list[str]]:
    """Names of the buckets to empty, and a line for each thing of the user's that stays.

    `resources` are CloudFormation's stack resource summaries; `everything` takes the user's data along, which works
    only for a stack deployed with keep_data=false: the others hold on to it.
    """
    emptied, kept = [], []
    for found in resources:
        bucket = found["ResourceType"] == "AWS::S3::Bucket"
        if bucket and (everything or found["LogicalResourceId"] in EMPTIED):
            emptied.append(found["PhysicalResourceId"])
        elif bucket or found["ResourceType"] in ("AWS::DynamoDB::Table", "AWS::KMS::Key"):
            kept.append(f"{found['ResourceType'].rpartition('::')[2].lower()} {found['PhysicalResourceId']}")
    return emptied, [] if everything else kept


def empty(bucket: str, s3: Any) -> int:
    """Deletes every object and every old version; how many."""
    count = 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [
            {"Key": entry["Key"], "VersionId": entry["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for entry in page.get(kind, [])
        ]
        if found:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})
            if answer.get("Errors"):
                sys.exit(f"{bucket}: {answer['Errors'][0]['Key']}: {answer['Errors'][0]['Message']}")
        count += len(found)
    return count


def stop_logging(resources: list[dict[str, Any]], s3: Any) -> None:
    """Lets the stack's buckets write no more access logs: the bucket they go to is to be deleted."""
    for found in resources:
        if found["ResourceType"] == "AWS::S3::Bucket":
            s3.put_bucket_logging(Bucket=found["PhysicalResourceId"], BucketLoggingStatus={})


def delete(stack: str, emptied: Sequence[str], cloudformation: Any, s3: Any) -> list[str]:
    """Empties these buckets and deletes the stack, again where something got into one of them meanwhile.

    Names of the buckets that were not empty even at the last try: the stack goes without them. Exits where anything
    else stands in the way.
    """
    from botocore.exceptions import WaiterError

    in_the_way: list[dict[str, Any]] = []
    for attempt in range(TRIES + 1):
        for bucket in emptied:
            print(f"{bucket}: {empty(bucket, s3)} objects deleted")
        # Only of a stack that could not be deleted CloudFormation lets something be left out.
        left = {"RetainResources": [one["LogicalResourceId"] for one in in_the_way]} if attempt == TRIES else {}
        cloudformation.delete_stack(StackName=stack, **left)
        try:
            cloudformation.get_waiter("stack_delete_complete").wait(
                StackName=stack, WaiterConfig={"Delay": 15, "MaxAttempts": WAIT_MINUTES * 4}
            )
        except WaiterError:
            in_the_way = [one for one in _resources(stack, cloudformation) if one["ResourceStatus"] == "DELETE_FAILED"]
            others = [one for one in in_the_way if one["PhysicalResourceId"] not in emptied]
            if others or not in_the_way:
                first = others[0] if others else {}
                what, why = first.get("LogicalResourceId", stack), first.get("ResourceStatusReason", "no reason given")
                sys.exit(f"stack {stack} could not be deleted: {what}: {why}")
            continue
        return [one["PhysicalResourceId"] for one in in_the_way] if left else []
    sys.exit(f"stack {stack} could not be deleted, even without its buckets; its events in the console say why")


def _resources(stack: str, cloudformation: Any) -> list[dict[str, Any]]:
    return [
        found
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
        for found in page["StackResourceSummaries"]
    ]


def main(arguments: list[str]) -> None:
    import boto3

    parser = argparse.ArgumentParser(prog="make teardown ARGS=...")
    parser.add_argument("--stack", default="TalentFrames")
    parser.add_argument("--yes", action="store_true", help="do it; without it only what would be done is said")
    parser.add_argument(
        "--everything", action="store_true", help="videos and frames too; deploy with keep_data=false first"
    )
    given = parser.parse_args(arguments)
    cloudformation = boto3.client("cloudformation")
    resources = _resources(given.stack, cloudformation)
    emptied, kept = plan(resources, given.everything)
    for bucket in emptied:
        print(f"empties and deletes bucket {bucket}")
    print(f"deletes stack {given.stack}")
    for thing in kept:
        print(f"keeps {thing}")
    print("keeps the images in the CDK's container repository, the CDK's assets bucket, and the API log role")
    if not given.yes:
        print("nothing was done; add ARGS=--yes")
        return
    s3 = boto3.client("s3")
    stop_logging(resources, s3)
    left = delete(given.stack, emptied, cloudformation, s3)
    print(f"stack {given.stack} is gone")
    for bucket in left:
        print(f"bucket {bucket} is still getting access logs and was left; delete it in a day")


if __name__ == "__main__":
    main(sys.argv[1:])
