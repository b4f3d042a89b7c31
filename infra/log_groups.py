"""Logs that end."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from constructs import Construct


def log_group(scope: Construct, id: str, days: int, name: str | None = None) -> logs.LogGroup:
    """A log that forgets after so many days and goes with the stack."""
    group = logs.LogGroup(scope, id, log_group_name=name, removal_policy=cdk.RemovalPolicy.DESTROY)
    element = group.node.default_child
    assert isinstance(element, logs.CfnLogGroup)
    element.retention_in_days = days
    return group
