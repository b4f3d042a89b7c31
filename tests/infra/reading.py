"""Ways to ask a CloudFormation template what it means."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

Template = dict[str, Any]


def of_type(template: Template, kind: str) -> dict[str, dict[str, Any]]:
    """Properties by logical id."""
    return {
        id: resource.get("Properties", {}) for id, resource in template["Resources"].items() if resource["Type"] == kind
    }


def statements(template: Template, role: str) -> list[dict[str, Any]]:
    """Policy statements attached to the role whose logical id starts so."""
    (role_id,) = [id for id in of_type(template, "AWS::IAM::Role") if id.startswith(role)]
    return [
        statement
        for policy in of_type(template, "AWS::IAM::Policy").values()
        if {"Ref": role_id} in policy["Roles"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def allowed(template: Template, role: str) -> dict[str, str]:
    """Each action the role may do -> its resources as text."""
    found: dict[str, str] = {}
    for statement in statements(template, role):
        for action in as_list(statement["Action"]):
            found[action] = found.get(action, "") + json.dumps(statement["Resource"])
    return found


def tasks(states: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every state of every level, by name."""
    for name, state in states.items():
        yield name, state
        if "ItemProcessor" in state:
            yield from tasks(state["ItemProcessor"]["States"])


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
