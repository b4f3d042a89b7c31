"""`make source-events BUCKET=name`: lets a bucket you already have tell EventBridge of its uploads.

S3 keeps all notifications of a bucket in one document that every write replaces. So it is read first, given the switch
and written back, and read again to see that nothing else changed. The stack can't do this by itself.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any


def with_events(configuration: dict[str, Any]) -> dict[str, Any]:
    """The notifications as they are, and EventBridge beside them."""
    kept = {name: value for name, value in configuration.items() if name != "ResponseMetadata"}
    return {**kept, "EventBridgeConfiguration": {}}


def switch_on(bucket: str, s3: Any) -> str:
    """Switches EventBridge on for the bucket; says in a sentence what was done, or exits with what went wrong."""
    before = s3.get_bucket_notification_configuration(Bucket=bucket)
    others = sum(len(value) for name, value in before.items() if name.endswith("Configurations"))
    if "EventBridgeConfiguration" in before:
        return f"{bucket}: EventBridge was on already, {others} other notifications stay"
    wanted = with_events(before)
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wanted)
    after = s3.get_bucket_notification_configuration(Bucket=bucket)
    if with_events(after) != wanted:
        sys.exit(f"{bucket}: S3 now has {after}, {wanted} was written")
    return f"{bucket}: EventBridge is on, {others} other notifications stay"


def main(arguments: list[str]) -> None:
    import boto3

    parser = argparse.ArgumentParser(prog="make source-events")
    parser.add_argument("bucket")
    print(switch_on(parser.parse_args(arguments).bucket, boto3.client("s3")))


if __name__ == "__main__":
    main(sys.argv[1:])
