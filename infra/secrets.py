"""`make secrets`: lets webhook and status database use what their secrets in Secrets Manager hold now.

CloudFormation reads a secret when it makes or changes the connection that names it, and never again by itself: after a
rotation the connection keeps the old value (https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/
issues/369). This reads the secrets the stack's template names, writes them into its connections and prints nothing of
them.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any

CONNECTION = "AWS::Events::Connection"
REFERENCE = re.compile(r"\{\{resolve:secretsmanager:(?P<name>[^:}]+):SecretString:(?P<key>[^:}]*)[^}]*\}\}")
"""A dynamic reference as the CDK writes it."""


def renew(template: dict[str, Any], names: dict[str, str], events: Any, secrets: Any) -> list[str]:
    """Writes the secrets' present values into the connections; names of those written.

    `template` is the stack's, `names` gives a connection's name by its logical id.
    """
    written = []
    for id, resource in template["Resources"].items():
        if resource["Type"] != CONNECTION:
            continue
        properties = resource["Properties"]
        events.update_connection(
            Name=names[id],
            AuthorizationType=properties["AuthorizationType"],
            AuthParameters=_resolved(properties["AuthParameters"], secrets),
        )
        written.append(names[id])
    return written


def _resolved(value: Any, secrets: Any) -> Any:
    """The same with every reference to a secret replaced by what it holds."""
    if isinstance(value, dict):
        return {key: _resolved(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list):
        return [_resolved(inner, secrets) for inner in value]
    if not isinstance(value, str):
        return value

    def held(found: re.Match[str]) -> str:
        import json

        text: str = secrets.get_secret_value(SecretId=found["name"])["SecretString"]
        return str(json.loads(text)[found["key"]]) if found["key"] else text

    return REFERENCE.sub(held, value)


def main(arguments: list[str]) -> None:
    import boto3

    parser = argparse.ArgumentParser(prog="make secrets ARGS=...")
    parser.add_argument("--stack", default="TalentFrames")
    stack = parser.parse_args(arguments).stack
    formation = boto3.client("cloudformation")
    template = formation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
    names = {
        found["LogicalResourceId"]: found["PhysicalResourceId"]
        for page in formation.get_paginator("list_stack_resources").paginate(StackName=stack)
        for found in page["StackResourceSummaries"]
        if found["ResourceType"] == CONNECTION
    }
    for name in renew(template, names, boto3.client("events"), boto3.client("secretsmanager")):
        print(f"{name}: holds its secret as it is now")
    if not names:
        print(f"stack {stack} has no connection with a secret")


if __name__ == "__main__":
    main(sys.argv[1:])
