"""Two synthesized templates: what a bare `cdk deploy` gives, and one with every option in use."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.app import build
from infra.asl import machine_definition

ROOT = Path(__file__).parents[2]
Template = dict[str, Any]
Synth = Callable[..., Path]

EVERYTHING: dict[str, Any] = {
    "gpu": True,
    "customer_key": "own",
    "runs_in_flight": 3,
    "source_bucket": "my-videos",
    "source_prefix": "incoming/",
    "webhook_url": "https://hooks.example.com/frames",
    "webhook_secret": "talent-frames/webhook",
    "database_url": "https://project.supabase.co/rest/v1",
    "database_secret": "talent-frames/database",
    "topic": True,
    "event_bus": "own",
    "api_auth": "api_key",
    "alarm_email": "someone@example.com",
    "architecture": "arm64",
    "keep_data": False,
    "published_days": 365,
}
KEPT_KEY = "arn:aws:kms:eu-central-2:123456789012:key/00000000-0000-0000-0000-000000000000"
AGAIN: dict[str, Any] = {
    "source_bucket": "kept-source",
    "source_bucket_key": KEPT_KEY,
    "published_bucket": "kept-published",
    "ledger_table": "kept-ledger",
    "customer_key": KEPT_KEY,
    # And what no other template here has.
    "webhook_url": "https://hooks.example.com/frames",
    "webhook_secret": "hooks/static",
    "webhook_signing_secret": "hooks/key",
    "event_schemas": True,
    "tags": {"stack": "kept", "team": "video"},
    "alarm_email": "someone@example.com",
    "budget_usd": 50,
}
"""A second deployment, over what a first one left."""


@pytest.fixture(scope="session")
def synth(tmp_path_factory: pytest.TempPathFactory) -> Synth:
    """Writes the template for these settings and returns its folder."""

    def written(**context: Any) -> Path:
        outdir = tmp_path_factory.mktemp("cdk")
        build(context, str(outdir)).synth()
        return outdir

    return written


@pytest.fixture(scope="session")
def plain_out(synth: Synth) -> Path:
    return synth()


@pytest.fixture(scope="session")
def full_out(synth: Synth, tmp_path_factory: pytest.TempPathFactory) -> Path:
    gallery = tmp_path_factory.mktemp("gallery") / "gallery.npz"
    gallery.write_bytes(b"only uploaded here, never read")
    return synth(**EVERYTHING, gallery=str(gallery))


@pytest.fixture(scope="session")
def plain(plain_out: Path) -> Template:
    return read_template(plain_out)


@pytest.fixture(scope="session")
def full(full_out: Path) -> Template:
    return read_template(full_out)


@pytest.fixture(scope="session")
def again(synth: Synth) -> Template:
    return read_template(synth(**AGAIN))


@pytest.fixture(scope="session")
def machine(plain: Template) -> Template:
    return machine_definition(plain)


@pytest.fixture(scope="session")
def full_machine(full: Template) -> Template:
    return machine_definition(full)


@pytest.fixture(scope="session", autouse=True)
def cfn_lint(plain_out: Path, full_out: Path) -> Iterator[subprocess.Popen[str]]:
    """cfn-lint on both templates, started at once: it takes as long as all other tests together."""
    templates = [str(next(out.glob("*.template.json"))) for out in (plain_out, full_out)]
    lint = subprocess.Popen(
        [Path(sys.executable).parent / "cfn-lint", *templates],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    yield lint
    if lint.poll() is None:
        lint.kill()
        lint.communicate()


def read_template(outdir: Path) -> Template:
    (path,) = outdir.glob("*.template.json")
    template: Template = json.loads(path.read_text())
    return template
