"""What the doors of the stages share: strict requests, the environment's variables, structured logs."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError

from lambdas.contracts import Contract
from lambdas.errors import InvalidRequest, MissingEnvironment

C = TypeVar("C", bound=Contract)


def decode(kind: type[C], event: Any) -> C:
    """The request in an event. Raises InvalidRequest naming the first field that is wrong; its value is not shown."""
    try:
        return kind.model_validate_json(json.dumps(event))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "request"
        raise InvalidRequest(f"{kind.__name__}: {where}: {first['msg']}") from None


def variable(environment: Mapping[str, str], name: str) -> str:
    """A variable that must be set. Raises MissingEnvironment naming it."""
    value = environment.get(name, "")
    if not value:
        raise MissingEnvironment(f"{name} is not set")
    return value


def number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    """A variable that must be a whole number, 0 or more; `default` where it isn't set."""
    if default is not None and not environment.get(name):
        return default
    value = variable(environment, name)
    if not value.isdecimal():
        raise MissingEnvironment(f"{name} is {value!r}, not a whole number")
    return int(value)


def document(environment: Mapping[str, str], name: str, kind: type[C]) -> C:
    """A variable that must be a contract's JSON."""
    try:
        return kind.model_validate_json(variable(environment, name))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise MissingEnvironment(f"{name}: {where}: {first['msg']}") from None


def log_for(run_id: str, **more: str | int) -> None:
    """From here on every line this process logs is JSON and holds the run's id, and nothing of a run before."""
    _logger().structure_logs(run_id=run_id, **more)


@cache
def _logger() -> Any:
    """Powertools' logger, which the stages' own loggers write through; service and level come from the environment."""
    from aws_lambda_powertools import Logger

    # The runtime's handler sits at the root; ours takes the stages' lines before they reach it.
    logger = Logger(stream=sys.stdout)
    rooms = logging.getLogger("lambdas")
    rooms.handlers = list(logger.handlers)
    rooms.setLevel(logger.log_level)
    rooms.propagate = False
    return logger
