"""One stage: its image, its function, its role and its log. Written once, used for each of lambdas/<name>."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.images import Images
from infra.log_groups import log_group
from infra.settings import DeploymentSettings
from infra.storage import acknowledge_wildcard


class Stage(Construct):
    """A function of the image of lambdas/<name>, with a role that may do nothing yet but write its log and traces."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str,
        settings: DeploymentSettings,
        images: Images,
        environment: Mapping[str, str],
        reserved_concurrency: int = 0,
    ) -> None:
        super().__init__(scope, id)
        self.name = name
        title = f"{name.capitalize()}Function"
        self.log = log_group(self, "Log", settings.log_days)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.log.grant_write(self.role)
        self.function = lambda_.DockerImageFunction(
            self,
            "Function",
            description=f"Talent Frames: {name}",
            code=images.function(name),
            architecture=lambda_.Architecture.ARM_64
            if settings.architecture == "arm64"
            else lambda_.Architecture.X86_64,
            memory_size=settings.memory_mib(name),
            timeout=cdk.Duration.seconds(settings.timeout_s(name)),
            ephemeral_storage_size=cdk.Size.mebibytes(settings.tmp_mib(name)),
            reserved_concurrent_executions=reserved_concurrency or None,
            environment={**environment, **common_environment(name, settings)},
            role=self.role,
            log_group=self.log,
            tracing=lambda_.Tracing.ACTIVE,
        )
        element = self.function.node.default_child
        assert isinstance(element, cdk.CfnResource)
        element.override_logical_id(title)
        images.wait(self.function, name, "lambda")
        acknowledge_wildcard(self.role, "*", "X-Ray's PutTraceSegments and PutTelemetryRecords know no resources.")


def common_environment(name: str, settings: DeploymentSettings) -> dict[str, str]:
    """What every worker is told."""
    return {
        "POWERTOOLS_SERVICE_NAME": name,
        "LOG_LEVEL": settings.log_level,
        "AWS_RETRY_MODE": "standard",
        "AWS_MAX_ATTEMPTS": str(settings.s3_attempts),
        "S3_CONNECT_TIMEOUT_S": str(settings.s3_connect_timeout_s),
        "S3_READ_TIMEOUT_S": str(settings.s3_read_timeout_s),
    }
