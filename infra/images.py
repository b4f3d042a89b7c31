"""Where the stages' images come from: built here by Docker, built in the account by CodeBuild, or taken by digest."""

from __future__ import annotations

import re

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from infra.image_parts import PACK_MAKERS, ROOT, image
from infra.log_groups import log_group
from infra.packs import ChosenPack
from infra.settings import DIGEST, STAGES, DeploymentSettings, WrongSetting
from infra.storage import acknowledge, acknowledge_wildcard
from infra.zip_function import zip_function

BUILD_MINUTES = 50
"""CloudFormation waits an hour for a custom resource."""
NOT_IN_THE_SOURCE = ("**/__pycache__", "**/*.in", "**/.env", "**/.env.*", "**/*.pem", "**/*.key")


class Images(Construct):
    """Hands each stage its image; makes what builds them in the account, where that was chosen."""

    def __init__(self, scope: Construct, id: str, *, settings: DeploymentSettings, pack: ChosenPack) -> None:
        super().__init__(scope, id)
        self._settings, self._pack = settings, pack
        self._builds: dict[str, cdk.CustomResource] = {}
        wanted = [(name, "lambda") for name in STAGES] + ([("detect", "batch")] if settings.gpu else [])
        missing = [image for image in wanted if _key(*image) not in settings.images]
        if settings.build == "codebuild" and missing:
            if pack.directory is not None:
                raise WrongSetting(
                    "build: CodeBuild has no pack that lies on this machine; name a known pack, or build here."
                )
            self._build_in_the_account(missing)

    def function(self, name: str) -> lambda_.DockerImageCode:
        """The image of a stage's function."""
        if found := self._taken(name, "lambda"):
            repository, tag = found
            return lambda_.DockerImageCode.from_ecr(repository, tag_or_digest=tag)
        return lambda_.DockerImageCode.from_image_asset(str(ROOT), **image(name, "lambda", self._settings, self._pack))

    def container(self) -> ecs.ContainerImage:
        """The image of the GPU job."""
        if found := self._taken("detect", "batch"):
            repository, tag = found
            return ecs.ContainerImage.from_ecr_repository(repository, tag)
        asset = ecr_assets.DockerImageAsset(
            self, "Gpu", directory=str(ROOT), **image("detect", "batch", self._settings, self._pack)
        )
        return ecs.ContainerImage.from_docker_image_asset(asset)

    def wait(self, construct: Construct, name: str, target: str) -> None:
        """Lets the construct be made only when its image is there."""
        build = self._builds.get(_key(name, target))
        if build is not None:
            construct.node.add_dependency(build)

    def _taken(self, name: str, target: str) -> tuple[ecr.IRepository, str] | None:
        """Repository and tag or digest of an image that is not built here."""
        key = _key(name, target)
        if key in self._settings.images:
            found = re.fullmatch(DIGEST, self._settings.images[key])
            assert found is not None
            stack = cdk.Stack.of(self)
            repository = ecr.Repository.from_repository_attributes(
                self,
                f"Taken-{key}",
                repository_arn=f"arn:{stack.partition}:ecr:{found['region']}:{found['account']}:repository/{found['name']}",
                repository_name=found["name"],
            )
            return repository, found["digest"]
        if key in self._builds:
            return self._repository, f"{name}-{target}-{self._tag}"
        return None

    def _build_in_the_account(self, wanted: list[tuple[str, str]]) -> None:
        self._repository = ecr.Repository(
            self,
            "Repository",
            image_scan_on_push=True,
            empty_on_delete=True,
            removal_policy=cdk.RemovalPolicy.DESTROY,
            lifecycle_rules=[ecr.LifecycleRule(max_image_count=10 * len(wanted))],
        )
        source = s3_assets.Asset(
            self,
            "Source",
            path=str(ROOT),
            # What the Dockerfiles copy, and how it is built; nothing else of this folder leaves the machine.
            exclude=[
                *("*", "!lambdas", "!infra", "infra/*", "!infra/codebuild", "!talent_frames", "talent_frames/*"),
                *(f"!{path}" for path in PACK_MAKERS),
                *NOT_IN_THE_SOURCE,
            ],
            ignore_mode=cdk.IgnoreMode.DOCKER,
        )
        # Another pack or target is another image of the same source.
        self._tag = f"{source.asset_hash[:32]}-{self._pack.facts.sha256[:8]}"
        starter = self._starter()
        for architecture in ("x86_64", "arm64"):
            # GPU machines are x86.
            here = [
                (name, target)
                for name, target in wanted
                if architecture == ("x86_64" if target == "batch" else self._settings.architecture)
            ]
            if here:
                self._project(architecture, here, source, starter)

    def _project(
        self, architecture: str, wanted: list[tuple[str, str]], source: s3_assets.Asset, starter: lambda_.Function
    ) -> None:
        arm = architecture == "arm64"
        log = log_group(self, f"Log-{architecture}", self._settings.log_days)
        role = iam.Role(self, f"Role-{architecture}", assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"))
        project = codebuild.Project(
            self,
            f"Project-{architecture}",
            description=f"Talent Frames: builds images for {architecture}",
            source=codebuild.Source.s3(bucket=source.bucket, path=source.s3_object_key),
            build_spec=codebuild.BuildSpec.from_source_filename("infra/codebuild/buildspec.yml"),
            environment=codebuild.BuildEnvironment(
                build_image=codebuild.LinuxArmBuildImage.AMAZON_LINUX_2023_STANDARD_3_0
                if arm
                else codebuild.LinuxBuildImage.AMAZON_LINUX_2023_5,
                compute_type=codebuild.ComputeType.LARGE,
                privileged=True,
            ),
            environment_variables={
                name: codebuild.BuildEnvironmentVariable(value=value)
                for name, value in {
                    "REPOSITORY": self._repository.repository_uri,
                    "IMAGES": " ".join(f"{name}:{target}" for name, target in wanted),
                    "TAG": self._tag,
                    "PLATFORM": "linux/arm64" if arm else "linux/amd64",
                    "PACK_NAME": self._pack.facts.name,
                    "PACK_SHA256": self._pack.facts.sha256,
                }.items()
            },
            timeout=cdk.Duration.minutes(BUILD_MINUTES),
            # What the CDK would add by itself names more than it needs.
            role=role.without_policy_updates(),
            grant_report_group_permissions=False,
            logging=codebuild.LoggingOptions(cloud_watch=codebuild.CloudWatchLoggingOptions(log_group=log)),
        )
        log.grant_write(role)
        self._repository.grant_pull_push(role)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject", "s3:GetObjectVersion"],
                resources=[source.bucket.arn_for_objects(source.s3_object_key)],
            )
        )
        role.add_to_policy(iam.PolicyStatement(actions=["s3:GetBucketLocation"], resources=[source.bucket.bucket_arn]))
        starter.add_to_role_policy(
            iam.PolicyStatement(actions=["codebuild:StartBuild"], resources=[project.project_arn])
        )
        acknowledge(project, "AwsSolutions-CB3", "Docker in a build needs it; the source is this stack's own code.")
        acknowledge(project, "AwsSolutions-CB4", "It writes no artifacts; images are encrypted by their repository.")
        acknowledge_wildcard(role, "*", "ecr:GetAuthorizationToken knows no resources.")
        build = cdk.CustomResource(
            self,
            f"Build-{architecture}",
            service_token=starter.function_arn,
            resource_type="Custom::Images",
            properties={"Project": project.project_name, "Tag": self._tag, "Images": [_key(*one) for one in wanted]},
        )
        # The project's own policy must stand before it is started.
        build.node.add_dependency(role, project)
        self._builds |= {_key(*one): build for one in wanted}

    def _starter(self) -> lambda_.Function:
        log = log_group(self, "StarterLog", self._settings.log_days)
        role = iam.Role(self, "StarterRole", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log.grant_write(role)
        return zip_function(self, "Starter", room="builder", description="has its images built", role=role, log=log)


def _key(name: str, target: str) -> str:
    """As `images` names it."""
    return "detect_gpu" if target == "batch" else name
