"""`python -m infra.asl TEMPLATE` prints the state machine of a template with stand-ins where deployment puts names."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def machine_definition(template: dict[str, Any]) -> dict[str, Any]:
    """The definition in Amazon States Language; references and attributes become harmless ARNs."""
    machine = template["Resources"]["Pipeline"]["Properties"]["DefinitionString"]
    text = machine if isinstance(machine, str) else "".join(_text(part) for part in machine["Fn::Join"][1])
    definition: dict[str, Any] = json.loads(text)
    return definition


def _text(part: Any) -> str:
    if isinstance(part, str):
        return part
    ((kind, value),) = part.items()
    if kind == "Ref":
        return {"AWS::Partition": "aws"}.get(value, str(value))
    return f"arn:aws:service:region:123456789012:{value[0]}"


if __name__ == "__main__":
    json.dump(machine_definition(json.loads(Path(sys.argv[1]).read_text())), sys.stdout, indent=1)
