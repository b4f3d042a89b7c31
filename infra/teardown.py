"""`make teardown`: empties the buckets that hold intermediate data, deletes the stack and says what it keeps.

Videos, published frames and the ledger outlive the stack. To be rid of them too, deploy once with `keep_data=false` and
then add `--everything`.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

EMPTIED = ("StagingBucket", "AccessLogBucket")
"""Logical ids of the buckets that are emptied: faces and embeddings on their way, and access logs."""
WAIT_MINUTES = 30


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
    resources = [
        found
        for page in cloudformation.get_paginator("list_stack_resources").paginate(StackName=given.stack)
        for found in page["StackResourceSummaries"]
    ]
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
    for bucket in emptied:
        print(f"{bucket}: {empty(bucket, boto3.client('s3'))} objects deleted")
    cloudformation.delete_stack(StackName=given.stack)
    cloudformation.get_waiter("stack_delete_complete").wait(
        StackName=given.stack, WaiterConfig={"Delay": 15, "MaxAttempts": WAIT_MINUTES * 4}
    )
    print(f"stack {given.stack} is gone")


if __name__ == "__main__":
    main(sys.argv[1:])
