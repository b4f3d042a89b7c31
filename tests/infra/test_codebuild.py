"""Images that are not built here: the template, the source that leaves the machine, and the build as far as it goes
without Docker."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.combinations import registry
from infra.settings import STAGES, WrongSetting, from_context
from tests.infra.conftest import Synth, read_template
from tests.infra.reading import Template, allowed, of_type

ROOT = Path(__file__).parents[2]
GPU_IMAGE = "detect-batch"


@pytest.fixture(scope="module")
def built_out(synth: Synth) -> Path:
    return synth(build="codebuild", gpu=True)


@pytest.fixture(scope="module")
def built(built_out: Path) -> Template:
    return read_template(built_out)


@pytest.fixture(scope="module")
def source(built_out: Path) -> Path:
    """The folder that is uploaded for the build."""
    files = json.loads(next(built_out.glob("*.assets.json")).read_text())["files"].values()
    found: Path
    (found,) = [
        built_out / file["source"]["path"]
        for file in files
        if (built_out / file["source"]["path"] / "infra/codebuild/buildspec.yml").is_file()
    ]
    return found


def projects(template: Template) -> dict[str, dict[str, str]]:
    """Variables of each CodeBuild project, by its platform."""
    found = {}
    for project in of_type(template, "AWS::CodeBuild::Project").values():
        variables = {one["Name"]: one["Value"] for one in project["Environment"]["EnvironmentVariables"]}
        found[variables["PLATFORM"]] = variables
    return found


def test_each_image_is_built_for_its_machine_in_the_account_and_none_here(built: Template, built_out: Path) -> None:
    assert "dockerImages" not in json.loads(next(built_out.glob("*.assets.json")).read_text()) or not json.loads(
        next(built_out.glob("*.assets.json")).read_text()
    ).get("dockerImages")
    images = {platform: one["IMAGES"] for platform, one in projects(built).items()}
    # The GPU's machines are x86, Lambda's are what is cheaper.
    assert images == {
        "linux/arm64": "split:lambda detect:lambda cluster:lambda publish:lambda",
        "linux/amd64": "detect:batch",
    }
    assert len(of_type(built, "AWS::ECR::Repository")) == 1


def test_functions_wait_for_their_images_and_change_with_the_source(built: Template) -> None:
    builds = {id for id, one in built["Resources"].items() if one["Type"] == "Custom::Images"}
    assert len(builds) == 2
    (tag,) = {built["Resources"][id]["Properties"]["Tag"] for id in builds}
    for stage in STAGES:
        function = built["Resources"][f"{stage.capitalize()}Function"]
        assert builds & set(function["DependsOn"]), stage
        assert json.dumps(function["Properties"]["Code"]["ImageUri"]).endswith(f':{stage}-lambda-{tag}"]]}}')
        assert function["Properties"]["Architectures"] == ["arm64"]
    (job,) = [one for one in built["Resources"].values() if one["Type"] == "AWS::Batch::JobDefinition"]
    assert builds & set(job["DependsOn"])
    assert f"{GPU_IMAGE}-{tag}" in json.dumps(job["Properties"]["ContainerProperties"]["Image"])


def test_the_build_may_push_to_its_repository_and_read_its_source_alone(built: Template) -> None:
    may = allowed(built, "ImagesRolearm64")
    assert set(may) == {
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:CompleteLayerUpload",
        "ecr:GetAuthorizationToken",
        "ecr:GetDownloadUrlForLayer",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:GetBucketLocation",
        "s3:GetObject",
        "s3:GetObjectVersion",
    }
    assert "ImagesRepository" in may["ecr:PutImage"]
    assert set(allowed(built, "ImagesStarterRole")) == {
        "codebuild:StartBuild",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
    }


def test_the_source_holds_what_the_dockerfiles_copy_and_nothing_secret(source: Path) -> None:
    files = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    for stage in STAGES:
        dockerfile = (source / f"lambdas/{stage}/Dockerfile").read_text()
        for copied in re.findall(r"^COPY (?!--from)(\S+)", dockerfile, re.MULTILINE):
            assert (source / copied).exists(), copied
    assert {path.split("/")[0] for path in files} == {"infra", "lambdas", "talent_frames"}
    assert {path for path in files if path.startswith("infra/")} == {
        f"infra/codebuild/{name}" for name in ("answer.sh", "build.sh", "buildspec.yml")
    }
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode == 0:
        assert files <= set(tracked.stdout.splitlines())


def test_what_looks_like_a_secret_stays_here(tmp_path: Path) -> None:
    from infra.images import NOT_IN_THE_SOURCE

    secret = {".env", ".env.local", "server.pem", "signing.key"}
    assert all(any(Path(f"lambdas/split/{name}").match(pattern) for pattern in NOT_IN_THE_SOURCE) for name in secret)
    assert not any(Path("lambdas/split/handler.py").match(pattern) for pattern in NOT_IN_THE_SOURCE)


# the build itself, with stand-ins for docker, aws and curl


def build(source: Path, folder: Path, variables: dict[str, str], docker_fails_at: str = "") -> tuple[str, list[str]]:
    """Runs the buildspec's phases as CodeBuild does; what was printed, and the calls of the stand-ins."""
    tools, calls = folder / "tools", folder / "calls"
    tools.mkdir()
    for name in ("docker", "aws", "curl"):
        fails = f'case "$*" in *{docker_fails_at}*) exit 1;; esac' if name == "docker" and docker_fails_at else ":"
        body = "cat answer.json >> $CALLS.answer" if name == "curl" else ":"
        (tools / name).write_text(f'#!/bin/bash\necho "{name} $*" >> $CALLS\n{body}\n{fails}\n')
        (tools / name).chmod(0o755)
    subprocess.run(["cp", "-r", f"{source}/.", folder / "src"], check=True)
    environment = {
        **variables,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "CALLS": str(calls),
        "REPOSITORY": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/images",
        "CODEBUILD_BUILD_ID": "project:1",
        "CFN_ResponseURL": "https://answer.example.com/signed?secret",
        "CFN_StackId": "arn:stack",
        "CFN_RequestId": "request-1",
        "CFN_LogicalResourceId": "Build",
    }
    said = ""
    succeeding = "1"
    for phase in yaml.safe_load((source / "infra/codebuild/buildspec.yml").read_text())["phases"].values():
        for command in phase["commands"]:
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=folder / "src",
                env={**environment, "CODEBUILD_BUILD_SUCCEEDING": succeeding},
                capture_output=True,
                text=True,
            )
            said += done.stdout + done.stderr
            if done.returncode:
                succeeding = "0"
                break
    return said, calls.read_text().splitlines()


def answered(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "calls.answer").read_text())
    return found


@pytest.mark.parametrize("platform", ["linux/arm64", "linux/amd64"])
def test_the_build_pushes_each_image_and_tells_cloudformation(
    built: Template, source: Path, tmp_path: Path, platform: str
) -> None:
    variables = {name: str(value) for name, value in projects(built)[platform].items() if isinstance(value, str)}
    said, calls = build(source, tmp_path, variables)
    pushed = [call.split(":")[-1] for call in calls if call.startswith("docker push")]
    wanted = [image.replace(":", "-") for image in variables["IMAGES"].split()]
    assert pushed == [f"{image}-{variables['TAG']}" for image in wanted]
    for call in [call for call in calls if call.startswith("docker build")]:
        assert f"--platform {platform}" in call
        (dockerfile,) = re.findall(r"--file (\S+)", call)
        (target,) = re.findall(r"--target (\S+)", call)
        assert f"AS {target}" in (source / dockerfile).read_text()
        # What the pack in the image is checked against.
        assert (f"PACK_SHA256={variables['PACK_SHA256']}" in call) == ("detect" in dockerfile)
    assert answered(tmp_path) == {
        "Status": "SUCCESS",
        "Reason": "see the log of build project:1",
        "PhysicalResourceId": variables["TAG"],
        "StackId": "arn:stack",
        "RequestId": "request-1",
        "LogicalResourceId": "Build",
    }
    assert "signed?secret" not in said


def test_a_build_that_fails_is_told_too(built: Template, source: Path, tmp_path: Path) -> None:
    variables = {name: str(value) for name, value in projects(built)["linux/arm64"].items() if isinstance(value, str)}
    _, calls = build(source, tmp_path, variables, docker_fails_at="lambdas/cluster")
    assert answered(tmp_path)["Status"] == "FAILED"
    assert not any("publish" in call for call in calls)


# by digest


def test_images_by_digest_are_deployed_as_they_are(synth: Synth) -> None:
    images = registry("eu-west-1", *STAGES)
    outdir = synth(images=images)
    template = read_template(outdir)
    for stage in STAGES:
        uri = json.dumps(
            of_type(template, "AWS::Lambda::Function")[f"{stage.capitalize()}Function"]["Code"]["ImageUri"]
        )
        assert f"talent-frames/{stage}@sha256:{'0' * 64}" in uri
        assert "eu-west-1" in uri
    assert not json.loads(next(outdir.glob("*.assets.json")).read_text()).get("dockerImages")


@pytest.mark.parametrize(
    ("images", "says"),
    [
        ({"split": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/split:latest"}, "images.split"),
        ({"split": "docker.io/library/split@sha256:" + "0" * 64}, "images.split"),
        ({"resize": registry("eu-west-1", "resize")["resize"]}, "images.resize"),
    ],
)
def test_an_image_without_a_digest_in_ecr_is_refused(images: dict[str, str], says: str) -> None:
    with pytest.raises(WrongSetting, match=says):
        from_context({"images": images})


def test_a_pack_of_this_machine_cannot_be_built_elsewhere(
    synth: Synth, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from infra import pipeline_stack
    from infra.packs import ChosenPack, choose_pack

    monkeypatch.setattr(pipeline_stack, "choose_pack", lambda _: ChosenPack(choose_pack("open").facts, tmp_path))
    with pytest.raises(WrongSetting, match="CodeBuild has no pack that lies on this machine"):
        synth(build="codebuild", pack="mine")
