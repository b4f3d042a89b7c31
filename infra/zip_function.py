"""Functions without an image: a room of lambdas/ that needs the runtime's boto3 and the standard library alone."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.image_parts import ROOT


def zip_function(
    scope: Construct,
    id: str,
    *,
    room: str,
    description: str,
    role: iam.Role,
    log: logs.LogGroup,
    modules: tuple[str, ...] = (),
    logical_id: str = "",
    **more: Any,
) -> lambda_.Function:
    """The handler of lambdas/<room>, with these shared `modules` beside it; `more` goes to the function as it is."""
    beside = [f"!lambdas/{name}" for name in ("__init__.py", *modules, room)]
    function = lambda_.Function(
        scope,
        id,
        description=f"Talent Frames: {description}",
        runtime=lambda_.Runtime.PYTHON_3_14,
        architecture=lambda_.Architecture.ARM_64,
        handler=f"lambdas.{room}.handler.handler",
        code=lambda_.Code.from_asset(
            str(ROOT),
            exclude=["*", "!lambdas", "lambdas/*", *beside, "**/__pycache__"],
            ignore_mode=cdk.IgnoreMode.DOCKER,
        ),
        memory_size=256,
        timeout=cdk.Duration.seconds(60),
        role=role,
        log_group=log,
        **more,
    )
    if logical_id:
        element = function.node.default_child
        assert isinstance(element, cdk.CfnResource)
        element.override_logical_id(logical_id)
    return function
