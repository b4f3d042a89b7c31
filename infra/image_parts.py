"""What each stage's image is made of: its Dockerfile, its room, and the shared modules it needs."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_ecr_assets as ecr_assets

from infra.packs import ChosenPack
from infra.settings import DeploymentSettings

ROOT = Path(__file__).parent.parent

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
