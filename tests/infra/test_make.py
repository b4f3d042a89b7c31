"""`make deploy` where nobody sits before it: what it hands the CDK, and that it asks for the permission it needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def recipe(*arguments: str) -> list[str]:
    """The commands `make` would run, each on a line of its own; the CDK is called `cdk`."""
    if not shutil.which("make"):
        pytest.skip("make is not here: apt-get install make")
    done = subprocess.run(["make", "-n", *arguments, "CDK=cdk"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.replace("\\\n", " ").splitlines()


def test_a_pipeline_says_what_it_approves_and_where_outputs_go() -> None:
    (command,) = [
        line
        for line in recipe("deploy", "APPROVE=never", "OUTPUTS=o.json", "STAGE=dev", "CONTEXT=-c gpu=true")
        if line.startswith("cdk deploy")
    ]
    words = command.split()
    for wanted in ("--require-approval never", "--outputs-file o.json", "-c settings_file=settings/dev.json"):
        assert wanted in " ".join(words)
    # What is said on the command line comes last.
    assert words[-2:] == ["-c", "gpu=true"]


def test_without_stage_or_outputs_nothing_of_them_is_handed_over() -> None:
    (command,) = [line for line in recipe("deploy") if line.startswith("cdk deploy")]
    assert not re.search(r"--outputs-file|settings_file|--require-approval", command)


@pytest.mark.parametrize(("arguments", "code"), [((), 2), (("APPROVE=never",), 0)])
def test_without_a_terminal_a_deployment_needs_its_approval_beforehand(arguments: tuple[str, ...], code: int) -> None:
    (check,) = [line for line in recipe("deploy", *arguments) if "nobody is here to be asked" in line]
    done = subprocess.run(["bash", "-c", check], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == code
    assert ("add APPROVE=never" in done.stderr) == bool(code)


@pytest.mark.parametrize("target", ["synth", "deploy-check", "deploy"])
def test_every_target_takes_the_stages_settings(target: str) -> None:
    lines = recipe(target, "STAGE=dev")
    assert any("settings_file=settings/dev.json" in line for line in lines)


def test_the_smoke_test_reads_the_outputs_a_deployment_wrote() -> None:
    assert any("infra.smoke --outputs o.json" in line for line in recipe("smoke", "OUTPUTS=o.json"))
