"""`python -m infra.app` writes the CloudFormation template; the only reader of CDK context."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# On a Node past its end of life jsii says so in red on every start; the CDK CLI says it too, and that is enough.
os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "18,20")

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks

from infra.pipeline_stack import PipelineStack
from infra.settings import WrongSetting, from_context

ROOT = Path(__file__).parent.parent


def build(context: Mapping[str, Any] | None = None, outdir: str | None = None) -> cdk.App:
    """The app with its one stack. `context` comes before cdk.json's; what the CDK CLI hands over comes before both.

    Raises WrongSetting.
    """
    from_file: dict[str, Any] = json.loads((ROOT / "cdk.json").read_text())["context"]
    app = cdk.App(context={**from_file, **(context or {})}, outdir=outdir or os.environ.get("CDK_OUTDIR"))
    settings = from_context(given_context(app.node.get_all_context()))
    PipelineStack(app, settings.stack, settings=settings, env=_environment())
    for name, value in settings.tags.items():
        cdk.Tags.of(app).add(name, value)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    return app


def given_context(context: Mapping[str, Any]) -> dict[str, Any]:
    """The context with what `settings_file` names put into it: over cdk.json, under what the command line says.

    The CDK CLI hands over cdk.json's context and its own -c together; what differs from cdk.json is the latter's.
    Raises WrongSetting.
    """
    found = dict(context)
    name = found.pop("settings_file", "")
    if not name:
        return found
    try:
        chosen = json.loads((ROOT / name).read_text())
    except FileNotFoundError:
        raise WrongSetting(f"settings_file {name!r}: there is no such file.") from None
    except RecursionError:
        raise WrongSetting(f"settings_file {name!r}: is nested too deeply.") from None
    except json.JSONDecodeError as error:
        raise WrongSetting(f"settings_file {name!r}: is no JSON ({error.msg}, line {error.lineno}).") from None
    if not isinstance(chosen, dict):
        raise WrongSetting(f"settings_file {name!r}: holds no object of settings.")
    from_file = json.loads((ROOT / "cdk.json").read_text())["context"]
    said = {key: value for key, value in found.items() if key not in from_file or from_file[key] != value}
    return {**found, **chosen, **said}


def _environment() -> cdk.Environment | None:
    """The account and region the CDK CLI found credentials for; with them the network spans all zones of the region.

    None without any: the template then fits every account and region.
    """
    account, region = (os.environ.get(f"CDK_DEFAULT_{name}") for name in ("ACCOUNT", "REGION"))
    return cdk.Environment(account=account, region=region) if account and region else None


def main() -> None:
    try:
        app = build()
    except WrongSetting as error:
        sys.exit(f"wrong setting: {error}")
    app.synth()


if __name__ == "__main__":
    main()
