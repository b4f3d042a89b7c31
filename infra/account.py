"""What an account must allow before a deployment works: `make deploy-check` asks it, by the environment's credentials.

Reads only. A new account has 10 concurrent functions and no GPU at all.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.settings import STAGES, DeploymentSettings, WrongSetting, from_context

ROOT = Path(__file__).parent.parent

OTHER_FUNCTIONS = 2
"""Concurrent executions beside the map's: the recorder, and a run that begins."""
UNRESERVED = 100
"""Lambda keeps so many concurrent executions unreserved (AWS Lambda developer guide, "Configuring reserved
concurrency")."""
SMALL_MEMORY_MIB = 3008
"""New accounts may have no more (AWS Lambda developer guide, "Lambda quotas"); no API tells."""
GPU_QUOTAS = {
    "L-DB2E81BA": "Running On-Demand G and VT instances",
    "L-3819A6DF": "All G and VT Spot Instance Requests",
}
"""Service Quotas' codes, in vCPUs (service code `ec2`)."""
SPOT_ROLE = "AWSServiceRoleForEC2Spot"
BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"


@dataclass(frozen=True)
class Finding:
    """One thing looked at."""

    enough: bool
    text: str


def look(settings: DeploymentSettings, client: Callable[[str], Any]) -> Iterator[Finding]:
    """Everything the deployment needs of the account; `client` makes boto3's client of a service."""
    yield _bootstrapped(client("ssm"))
    yield from _functions(settings, client("lambda"))
    if settings.gpu:
        yield from _machines(settings, client("service-quotas"))
        if settings.gpu_spot:
            yield _spot_role(client("iam"))
    for name in {settings.webhook_secret, settings.database_secret, settings.webhook_signing_secret} - {""}:
        yield _secret(name, client("secretsmanager"))
    if settings.source_bucket:
        yield _source(settings.source_bucket, client("s3"))


def _bootstrapped(ssm: Any) -> Finding:
    try:
        version = ssm.get_parameter(Name=BOOTSTRAP)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        return Finding(False, "the CDK is not bootstrapped here: node_modules/.bin/cdk bootstrap")
    return Finding(True, f"the CDK is bootstrapped (version {version})")


def _functions(settings: DeploymentSettings, functions: Any) -> Iterator[Finding]:
    limit = functions.get_account_settings()["AccountLimit"]
    allowed, free = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    wanted = settings.map_concurrency * max(settings.runs_in_flight, 1) + OTHER_FUNCTIONS
    text = f"Lambda: {allowed} concurrent executions, {free} unreserved"
    yield Finding(
        free >= wanted,
        f"{text}; map_concurrency {settings.map_concurrency} wants {wanted}: more wait, none fail"
        if free < wanted
        else f"{text}, {wanted} wanted",
    )
    reserved = settings.reserved_detect_concurrency
    if reserved and free - reserved < UNRESERVED:
        yield Finding(False, f"{text}: reserving {reserved} leaves fewer than {UNRESERVED}, which Lambda refuses")
    largest = max(settings.memory_mib(stage) for stage in STAGES)
    if largest > SMALL_MEMORY_MIB:
        yield Finding(True, f"Lambda: {largest} MiB of memory; new accounts stop at {SMALL_MEMORY_MIB}, no API tells")


def _machines(settings: DeploymentSettings, quotas: Any) -> Iterator[Finding]:
    for code, name in GPU_QUOTAS.items():
        if "Spot" in name and not settings.gpu_spot:
            continue
        value = quotas.get_service_quota(ServiceCode="ec2", QuotaCode=code)["Quota"]["Value"]
        text = f"EC2: {name}: {value:.0f} vCPUs, gpu_max_vcpus {settings.gpu_max_vcpus}"
        if value < settings.gpu_vcpus:
            yield Finding(False, f"{text}: not one job would get a machine; every long video goes to Lambda")
        else:
            yield Finding(value >= settings.gpu_max_vcpus, text)


def _spot_role(iam: Any) -> Finding:
    try:
        iam.get_role(RoleName=SPOT_ROLE)
    except iam.exceptions.NoSuchEntityException:
        make = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"
        return Finding(False, f"EC2's role for spot machines is not there: {make}")
    return Finding(True, "EC2's role for spot machines is there")


def _secret(name: str, secrets: Any) -> Finding:
    try:
        secrets.describe_secret(SecretId=name)
    except secrets.exceptions.ResourceNotFoundException:
        return Finding(False, f"Secrets Manager has no secret {name}: the deployment would fail")
    return Finding(True, f"Secrets Manager has {name}")


def _source(bucket: str, s3: Any) -> Finding:
    from botocore.exceptions import ClientError

    try:
        told = "EventBridgeConfiguration" in s3.get_bucket_notification_configuration(Bucket=bucket)
    except ClientError as error:
        return Finding(False, f"bucket {bucket}: {error.response['Error']['Code']}")
    if not told:
        return Finding(
            False, f"bucket {bucket} does not tell EventBridge of uploads: make source-events BUCKET={bucket}"
        )
    return Finding(True, f"bucket {bucket} tells EventBridge of uploads")


def main(arguments: list[str]) -> None:
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    from infra.app import given_context

    parser = argparse.ArgumentParser(prog="infra.account")
    parser.add_argument("-c", "--context", action="append", default=[], metavar="NAME=VALUE")
    given = dict(one.partition("=")[::2] for one in parser.parse_args(arguments).context)
    try:
        settings = from_context(given_context({**json.loads((ROOT / "cdk.json").read_text())["context"], **given}))
    except WrongSetting as error:
        sys.exit(f"wrong setting: {error}")
    try:
        who = boto3.client("sts").get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        print(f"account: not looked at, no credentials that work ({type(error).__name__})")
        return
    print(f"account {who}, {boto3.session.Session().region_name}")
    short = 0
    for found in look(settings, boto3.client):
        print(f"  {'ok   ' if found.enough else 'SHORT'} {found.text}")
        short += not found.enough
    if short:
        sys.exit(f"account: {short} of these are short")


if __name__ == "__main__":
    main(sys.argv[1:])
