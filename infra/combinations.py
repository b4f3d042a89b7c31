"""`make combinations`: ten kinds of deployment, in several regions and partitions, each synthesized and linted.

cdk-nag looks at each while it is synthesized, cfn-lint at its template by its region, asl-validator at its machine.
Nothing is asked of AWS: account, region and zones are given as the CDK CLI would find them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.app import build
from infra.asl import machine_definition

ROOT = Path(__file__).parent.parent
ACCOUNT = "123456789012"
DIGEST = "sha256:" + "0" * 64


def registry(region: str, *names: str) -> dict[str, str]:
    """Images of these names by digest, in a registry of that region."""
    return {name: f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/talent-frames/{name}@{DIGEST}" for name in names}


@dataclass(frozen=True)
class Combination:
    """A deployment as somebody might ask for it."""

    name: str
    region: str = ""
    """Empty for a template that fits every account and region."""
    zones: int = 3
    context: dict[str, Any] = field(default_factory=dict)


HOOK = {"webhook_url": "https://hooks.example.com/frames", "webhook_secret": "hooks/static"}
TABLE = {"database_url": "https://project.supabase.co/rest/v1", "database_secret": "database/key"}
KEY = "arn:aws:kms:ap-southeast-2:123456789012:key/00000000-0000-0000-0000-000000000000"

COMBINATIONS = (
    Combination("defaults, wherever"),
    Combination("gpu and arm64", "eu-central-2", context={"gpu": True, "architecture": "arm64"}),
    Combination(
        "imported bucket with a key and a prefix",
        "ap-southeast-2",
        context={"source_bucket": "my-videos", "source_bucket_key": KEY, "source_prefix": "incoming/"},
    ),
    Combination("China, webhook", "cn-north-1", context=HOOK),
    Combination(
        "GovCloud, key of its own", "us-gov-west-1", context={"customer_key": "own", "topic": True, "queue": False}
    ),
    Combination(
        "database, gpu on demand, turns",
        "us-west-2",
        zones=4,
        context={**TABLE, "gpu": True, "gpu_spot": False, "runs_in_flight": 2},
    ),
    Combination("api key, bus of its own", "eu-west-1", context={"api_auth": "api_key", "event_bus": "own"}),
    Combination("images built by CodeBuild", "us-east-1", context={"build": "codebuild", "gpu": True}),
    Combination(
        "images by digest, signed webhook, no queue",
        "eu-north-1",
        context={
            **HOOK,
            "webhook_signing_secret": "hooks/key",
            "queue": False,
            "event_schemas": True,
            "images": registry("eu-north-1", "split", "detect", "cluster", "publish"),
        },
    ),
    Combination(
        "everything",
        "us-east-1",
        zones=6,
        context={
            **HOOK,
            **TABLE,
            "build": "codebuild",
            "gpu": True,
            "customer_key": "own",
            "source_bucket": "my-videos",
            "source_prefix": "incoming/",
            "runs_in_flight": 3,
            "api_auth": "api_key",
            "topic": True,
            "event_bus": "own",
            "alarm_email": "someone@example.com",
            "tags": {"stack": "everything"},
            "budget_usd": 100,
            "published_days": 365,
        },
    ),
)


def check(combination: Combination, folder: Path) -> list[str]:
    """What is wrong with it; empty where nothing is."""
    from cfnlint.api import ManualArgs, lint

    zones = {
        f"availability-zones:account={ACCOUNT}:region={combination.region}": [
            f"{combination.region}{letter}" for letter in "abcdef"[: combination.zones]
        ]
    }
    # As the CDK CLI hands them over.
    for name, value in (("ACCOUNT", ACCOUNT), ("REGION", combination.region)):
        os.environ.pop(f"CDK_DEFAULT_{name}", None)
        if combination.region:
            os.environ[f"CDK_DEFAULT_{name}"] = value
    try:
        build({**combination.context, **(zones if combination.region else {})}, str(folder)).synth()
    except RuntimeError as error:
        return [f"synth, cdk-nag: {error}"]
    (template,) = folder.glob("*.template.json")
    text = template.read_text()
    arguments: ManualArgs = {"regions": [combination.region]} if combination.region else {}
    wrong = [f"cfn-lint: {match}" for match in lint(text, config=arguments)]
    machine = folder / "machine.asl.json"
    machine.write_text(json.dumps(machine_definition(json.loads(text))))
    validator = ROOT / "node_modules/.bin/asl-validator"
    done = subprocess.run([validator, "--json-path", str(machine)], capture_output=True, text=True)
    return wrong + ([f"asl-validator: {done.stdout}{done.stderr}"] if done.returncode else [])


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="make combinations")
    parser.add_argument("names", nargs="*", help="only those whose name holds one of these")
    names = parser.parse_args(arguments).names
    failed = 0
    for combination in COMBINATIONS:
        if names and not any(name in combination.name for name in names):
            continue
        with tempfile.TemporaryDirectory(prefix="talent-frames-combination-") as folder:
            wrong = check(combination, Path(folder))
        where = combination.region or "any region"
        print(f"{'FAILED' if wrong else 'ok    '} {combination.name} ({where})", flush=True)
        for one in wrong:
            print(one, flush=True)
        failed += bool(wrong)
    if failed:
        sys.exit(f"combinations: {failed} of these have something wrong")


if __name__ == "__main__":
    main(sys.argv[1:])
