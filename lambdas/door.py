"""What the doors of the stages share: strict requests, the environment's variables, structured logs."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

from pydantic import ValidationError

from lambdas.contracts import Contract, first_problem
from lambdas.errors import OUT_OF_SPACE, InvalidRequest, MissingEnvironment, NoSpace, ServiceUnavailable
from lambdas.staging import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, S3Staging, limit_waiting

C = TypeVar("C", bound=Contract)

THROTTLED = (
    "ConditionalRequestConflict",
    "OperationAborted",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TransactionConflictException",
)


def decode(kind: type[C], event: Any) -> C:
    """The request in an event. Raises InvalidRequest naming the first field that is wrong; its value is not shown."""
    try:
        return kind.model_validate_json(json.dumps(event))
    except RecursionError:
        raise InvalidRequest(f"{kind.__name__}: nested too deeply") from None
    except ValidationError as error:
        raise InvalidRequest(f"{kind.__name__}: {first_problem(error)}") from None


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
        raise MissingEnvironment(f"{name}: {first_problem(error)}") from None


def open_bucket(environment: Mapping[str, str], name: str) -> S3Staging:
    """The bucket a variable names, reached as patiently as S3_CONNECT_TIMEOUT_S and S3_READ_TIMEOUT_S say."""
    limit_waiting(
        number(environment, "S3_CONNECT_TIMEOUT_S", CONNECT_TIMEOUT_S),
        number(environment, "S3_READ_TIMEOUT_S", READ_TIMEOUT_S),
    )
    return S3Staging(variable(environment, name))


@contextmanager
def services_named() -> Iterator[None]:
    """Turns throttling and outages of AWS services, after boto's own tries, into ServiceUnavailable, and a full disk
    into NoSpace."""
    from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
    from botocore.exceptions import ConnectionError as OutOfReach

    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = error.response.get("Error", {}).get("Code", "")
        if status >= 500 or status == 429 or code in THROTTLED:
            raise ServiceUnavailable(f"{error.operation_name}: {code}") from None
        raise
    except (HTTPClientError, IncompleteReadError, OutOfReach) as error:
        # Its message may hold the address asked.
        raise ServiceUnavailable(type(error).__name__) from None
    except OSError as error:
        if error.errno not in OUT_OF_SPACE:
            raise
        raise NoSpace(f"no space left ({error.strerror})") from None


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
