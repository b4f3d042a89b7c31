"""One stage: its image, its function, its role and its log. Written once, used for each of lambdas/<name>."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.monitoring import log_group
from infra.packs import ChosenPack
from infra.settings import DeploymentSettings
from infra.storage import acknowledge_wildcard

if TYPE_CHECKING:
    from infra.images import Images

ROOT = Path(__file__).parent.parent

STAGES = ("split", "detect", "cluster", "publish")
"""In the order they run."""

SHARED_MODULES = ("__init__", "contracts", "errors", "staging", "door")
VIDEO_READERS = ("split", "detect")
"""These read the video itself, by lambdas/video.py and lambdas/web.py."""
SHOT_STAGES = ("detect", "cluster")
"""These look for scene changes and score faces, and leave dull frames out, by lambdas/shots, lambdas/scoring.py and
lambdas/dull_frames.py."""
PACK_MAKERS = ("talent_frames/packs.py", "talent_frames/onnx_files.py", "talent_frames/wheels.py")
"""What the detect image's build puts a pack together with, without the package's own imports; not in the image."""

PACK_DIR = "/opt/pack"

INSIGHTFACE_KINDS = ("scrfd", "arcface")
"""First words of what a pack's facts say of models that insightface runs; a test compares with the catalogue."""


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


def image(name: str, target: str, settings: DeploymentSettings, pack: ChosenPack) -> dict[str, object]:
    """Arguments of an image asset: its Dockerfile, and of the repository only what this stage is made of."""
    exclude = [
        "*",
        "!lambdas",
        "lambdas/*",
        *(f"!{path.relative_to(ROOT).as_posix()}" for path in shared_paths(name)),
        f"!lambdas/{name}",
        "**/__pycache__",
        "**/*.in",
    ]
    build_args: dict[str, str] = {}
    build_contexts: dict[str, str] = {}
    if name == "detect":
        exclude += ["!talent_frames", "talent_frames/*", *(f"!{path}" for path in PACK_MAKERS)]
        # Part of the image's hash: another pack is another image.
        build_args = {"PACK_NAME": pack.facts.name, "PACK_SHA256": pack.facts.sha256}
        if any(said.split()[0] in INSIGHTFACE_KINDS for said in (pack.facts.detector, pack.facts.embedder)):
            build_args["PACK_FORMAT"] = "insightface"
        if pack.directory is not None:
            build_args["PACK_FROM"] = "given"
            build_contexts = {"given": str(pack.directory)}
    return {
        "file": f"lambdas/{name}/Dockerfile",
        "target": target,
        "exclude": exclude,
        "ignore_mode": cdk.IgnoreMode.DOCKER,
        "platform": ecr_assets.Platform.LINUX_ARM64
        if settings.architecture == "arm64" and target == "lambda"
        else ecr_assets.Platform.LINUX_AMD64,
        "build_args": build_args or None,
        "build_contexts": build_contexts or None,
        # The path of a pack on the deploying machine is no part of what the image is; its checksum above is.
        "invalidation": ecr_assets.DockerImageAssetInvalidationOptions(build_contexts=False),
    }


def shared_paths(name: str) -> list[Path]:
    """The modules (files) and packages (folders) of lambdas/ that this stage's image holds beside its room."""
    video = ("video", "web") if name in VIDEO_READERS else ()
    shots = ("shots", "scoring", "dull_frames") if name in SHOT_STAGES else ()
    folders = [ROOT / "lambdas" / module for module in (*SHARED_MODULES, *video, *shots)]
    return [folder if folder.is_dir() else folder.with_suffix(".py") for folder in folders]


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
