"""What the doors of the stages share."""

from __future__ import annotations

import errno
import json
import subprocess
import sys

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, IncompleteReadError, ReadTimeoutError

from lambdas.contracts import DetectRequest, Settings
from lambdas.door import decode, document, number, services_named, variable
from lambdas.errors import InvalidRequest, MissingEnvironment, NoSpace, ServiceUnavailable


def test_a_variable_that_is_not_set_is_named() -> None:
    for read in (variable, number):
        with pytest.raises(MissingEnvironment, match="LEASE_S is not set"):
            read({"LEASE_S": ""}, "LEASE_S")
    assert number({}, "LEASE_S", 5) == 5


def test_a_variable_of_the_wrong_kind_is_named() -> None:
    with pytest.raises(MissingEnvironment, match="LEASE_S"):
        number({"LEASE_S": "1h"}, "LEASE_S")
    with pytest.raises(MissingEnvironment, match=r"DEFAULT_SETTINGS: alternatives"):
        document({"DEFAULT_SETTINGS": '{"alternatives": 99}'}, "DEFAULT_SETTINGS", Settings)


def test_a_request_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="DetectRequest: extra"):
        decode(DetectRequest, {"run_id": "r", "chunk": 0, "extra": 1})
    with pytest.raises(InvalidRequest, match="DetectRequest"):
        decode(DetectRequest, None)


def _client_error(code: str, status: int) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject")


@pytest.mark.parametrize(
    "trouble",
    [
        _client_error("SlowDown", 503),
        _client_error("InternalError", 500),
        _client_error("ThrottlingException", 400),
        EndpointConnectionError(endpoint_url="https://secret.example"),
        ReadTimeoutError(endpoint_url="https://secret.example"),
    ],
)
def test_outages_get_the_name_that_is_tried_again(trouble: Exception) -> None:
    with pytest.raises(ServiceUnavailable) as caught, services_named():
        raise trouble
    assert "secret" not in str(caught.value)


def test_a_refusal_keeps_its_name() -> None:
    with pytest.raises(ClientError), services_named():
        raise _client_error("AccessDenied", 403)


def test_lines_of_the_stages_are_json_with_the_runs_id() -> None:
    program = (
        "import logging; from lambdas.door import log_for\n"
        "assert logging.getLogger('lambdas').propagate\n"
        "log_for('first', chunk=3); logging.getLogger('lambdas.detect.handler').info('works on %d', 3)\n"
        "log_for('second'); logging.getLogger('lambdas.cluster.handler').info('merges')\n"
    )
    environment = {"POWERTOOLS_SERVICE_NAME": "detect", "LOG_LEVEL": "INFO", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environment)
    first, second = (json.loads(line) for line in done.stdout.splitlines())
    assert (first["run_id"], first["chunk"], first["service"], first["message"]) == ("first", 3, "detect", "works on 3")
    assert (second["run_id"], "chunk" in second) == ("second", False)


def test_an_answer_that_ends_early_and_a_full_disk_are_named() -> None:
    with pytest.raises(ServiceUnavailable, match="IncompleteReadError"), services_named():
        raise IncompleteReadError(actual_bytes=1, expected_bytes=2)
    for number_ in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        with pytest.raises(NoSpace, match="no space left"), services_named():
            raise OSError(number_, "full")
    with pytest.raises(OSError, match="handles"), services_named():
        raise OSError(errno.EMFILE, "handles")
