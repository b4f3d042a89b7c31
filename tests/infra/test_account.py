"""What an account lacks is said before a deployment, by stubbed answers of AWS; and the settings of a stage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from infra.account import look
from infra.app import given_context
from infra.settings import WrongSetting, from_context

Answers = list[tuple[str, Any]]
PLENTY = {"AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 1000}}
ROLE = {"Path": "/", "RoleName": "r", "RoleId": "A" * 16, "Arn": "arn:aws:iam::1:role/r", "CreateDate": "2026-01-01"}
GOOD: dict[str, Answers] = {
    "ssm": [("get_parameter", {"Parameter": {"Value": "30"}})],
    "lambda": [("get_account_settings", PLENTY)],
    "service-quotas": [("get_service_quota", {"Quota": {"Value": 64.0}})] * 2,
    "iam": [("get_role", {"Role": ROLE})],
    "secretsmanager": [("describe_secret", {"Name": "n"})] * 3,
    "s3": [("get_bucket_notification_configuration", {"EventBridgeConfiguration": {}})],
}
WITH_GPU = {"gpu": True, "webhook_url": "https://h.example.com", "webhook_secret": "s", "source_bucket": "mine"}


def account(changed: dict[str, Answers]) -> Callable[[str], Any]:
    """Clients that answer so; an answer that is text is an error's code."""

    def client(service: str) -> Any:
        made = boto3.client(service, region_name="eu-central-2", aws_access_key_id="x", aws_secret_access_key="x")
        stub = Stubber(made)
        for operation, answer in changed.get(service, GOOD[service]):
            if isinstance(answer, str):
                stub.add_client_error(operation, answer)
            else:
                stub.add_response(operation, answer)
        stub.activate()
        return made

    return client


def short(settings: dict[str, Any], changed: dict[str, Answers] | None = None) -> list[str]:
    return [found.text for found in look(from_context(settings), account(changed or {})) if not found.enough]


def test_an_account_that_allows_everything_is_short_of_nothing() -> None:
    assert short({}) == []
    assert short(WITH_GPU) == []


def test_a_new_accounts_ten_functions_do_for_the_defaults_and_for_no_more() -> None:
    ten = {"AccountLimit": {"ConcurrentExecutions": 10, "UnreservedConcurrentExecutions": 10}}
    answers: dict[str, Answers] = {"lambda": [("get_account_settings", ten)]}
    assert short({}, answers) == []
    (said,) = short({"map_concurrency": 40}, answers)
    assert "10 concurrent executions" in said
    assert "wants 42" in said
    assert len(short({"reserved_detect_concurrency": 5}, answers)) == 1


@pytest.mark.parametrize(
    ("service", "answers", "says"),
    [
        ("ssm", [("get_parameter", "ParameterNotFound")], "cdk bootstrap"),
        ("service-quotas", [("get_service_quota", {"Quota": {"Value": 0.0}})] * 2, "not one job would get a machine"),
        ("service-quotas", [("get_service_quota", {"Quota": {"Value": 8.0}})] * 2, "8 vCPUs, gpu_max_vcpus 16"),
        ("iam", [("get_role", "NoSuchEntity")], "create-service-linked-role --aws-service-name spot.amazonaws.com"),
        ("secretsmanager", [("describe_secret", "ResourceNotFoundException")], "no secret s"),
        ("s3", [("get_bucket_notification_configuration", {})], "make source-events BUCKET=mine"),
        ("s3", [("get_bucket_notification_configuration", "AccessDenied")], "AccessDenied"),
    ],
)
def test_what_is_missing_is_said_with_what_to_do(service: str, answers: Answers, says: str) -> None:
    said = short(WITH_GPU, {service: answers})
    assert said
    assert all(says in one for one in said)


def test_memory_that_no_api_tells_of_is_mentioned() -> None:
    found = [one.text for one in look(from_context({"detect_memory_mib": 4096}), account({}))]
    assert any("4096 MiB" in text and "3008" in text for text in found)


# settings of a stage


def test_a_stages_file_is_over_cdk_json_and_under_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cdk.json").write_text('{"context": {"stack": "TalentFrames", "log_days": 30}}')
    (tmp_path / "dev.json").write_text('{"stack": "Dev", "log_days": 7, "gpu": true}')
    monkeypatch.setattr("infra.app.ROOT", tmp_path)
    handed = {"stack": "TalentFrames", "log_days": "14", "settings_file": "dev.json"}
    assert given_context(handed) == {"stack": "Dev", "log_days": "14", "gpu": True}
    assert given_context({"stack": "X"}) == {"stack": "X"}


@pytest.mark.parametrize(
    ("text", "says"), [(None, "there is no such file"), ("{", "is no JSON"), ("[]", "holds no object")]
)
def test_a_stages_file_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, says: str
) -> None:
    (tmp_path / "cdk.json").write_text('{"context": {}}')
    if text is not None:
        (tmp_path / "dev.json").write_text(text)
    monkeypatch.setattr("infra.app.ROOT", tmp_path)
    with pytest.raises(WrongSetting, match=says):
        given_context({"settings_file": "dev.json"})
