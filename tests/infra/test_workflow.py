"""The state machine: one order of stages, retries that help, every request's form understood."""

from __future__ import annotations

import inspect
import itertools
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydantic import BaseModel

from infra.settings import DeploymentSettings, from_context
from infra.states.language import DIED, PENDING, Places
from infra.states.requests import spellings
from infra.workflow import definition
from lambdas import contracts, errors
from lambdas.publish.cost import TRANSITIONS_PER_RUN
from tests.infra.reading import Template, tasks

ROOT = Path(__file__).parents[2]
OURS = {
    name for name, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, errors.TalentFramesError)
}
AWS = ("States.", "Lambda.", "DynamoDB.", "EventBridge.", "Batch.", "CloudWatch.", "Sandbox.", "Events.", "Runtime.")
FUNCTIONS = {
    name: f"arn:aws:lambda:us-east-1:123456789012:function:{name}" for name in ("split", "detect", "cluster", "publish")
}


def invokes(state: dict[str, Any]) -> bool:
    return str(state.get("Resource", "")).endswith("lambda:invoke")


def walk(machine: Template, start: str, *, default: bool = True) -> list[str]:
    """Names of the states from `start` on, by default branches."""
    names, name = [], start
    while name:
        names.append(name)
        state = machine["States"][name]
        name = state.get("Default") or state.get("Next")
    return names


def test_the_stages_run_in_the_order_of_the_local_command(machine: Template, full_machine: Template) -> None:
    source = (ROOT / "talent_frames" / "run.py").read_text()
    local = re.findall(r'progress\.started\("(\w+)"', source[source.index("def run_video(") :])
    cloud = [name for name in walk(machine, "Start or resume?") if name.lower() in local]
    assert [name.lower() for name in cloud] == local == ["split", "detect", "cluster", "publish"]


def test_after_publishing_the_event_comes_before_the_ledger(machine: Template) -> None:
    assert walk(machine, "Publish") == [
        "Publish",
        "Still ours?",
        "Video Processed",
        "Ledger done",
        "Execution done",
        "Metrics",
        "Done",
    ]


def test_the_cost_estimate_counts_the_transitions_there_are(machine: Template) -> None:
    upload = [*walk(machine, "Who asks?")[:4], "By uploaded version", *walk(machine, "Note the execution")]
    assert upload[3] == "Which video?"
    assert len(upload) == TRANSITIONS_PER_RUN


def test_every_task_and_the_machine_end_in_time(machine: Template, full_machine: Template) -> None:
    for states in (machine, full_machine):
        assert states["TimeoutSeconds"] == 21_600
        for name, state in tasks(states["States"]):
            if state["Type"] == "Task":
                assert 0 < state["TimeoutSeconds"] < 21_600, name


def test_every_task_is_tried_again_with_growing_jittered_pauses(full_machine: Template) -> None:
    for name, state in tasks(full_machine["States"]):
        if state["Type"] != "Task":
            continue
        for retrier in state["Retry"]:
            assert retrier["BackoffRate"] > 1, name
            assert retrier["JitterStrategy"] == "FULL", name
            assert retrier["MaxDelaySeconds"] <= 120, name


def test_errors_named_are_ours_or_of_aws(full_machine: Template) -> None:
    for name, state in tasks(full_machine["States"]):
        for handler in [*state.get("Retry", []), *state.get("Catch", [])]:
            for error in handler["ErrorEquals"]:
                assert error in OURS or error.startswith(AWS), f"{name}: {error}"
        if state["Type"] == "Fail":
            assert state["Error"] in OURS, name


def test_what_the_video_is_to_blame_for_is_never_tried_again(full_machine: Template) -> None:
    for name, state in tasks(full_machine["States"]):
        for retrier in state.get("Retry", []) if invokes(state) else []:
            for error in set(retrier["ErrorEquals"]) & OURS:
                assert not issubclass(getattr(errors, error), errors.BadInput), name
            assert not {"States.ALL", "States.TaskFailed"} & set(retrier["ErrorEquals"]), name


def test_throttled_calls_have_a_long_retrier_of_their_own(machine: Template) -> None:
    for name, state in tasks(machine["States"]):
        if invokes(state):
            retrier = state["Retry"][1]
            assert retrier["ErrorEquals"] == ["Lambda.TooManyRequestsException"], name
            assert retrier["MaxAttempts"] * retrier["MaxDelaySeconds"] >= 3600, name


def test_a_function_that_died_is_tried_once_more(machine: Template) -> None:
    for name, state in tasks(machine["States"]):
        if invokes(state):
            (retrier,) = [retrier for retrier in state["Retry"] if "Runtime.ExitError" in retrier["ErrorEquals"]]
            assert retrier["MaxAttempts"] == 1, name
            assert retrier["ErrorEquals"] == DIED, name


def test_an_idle_function_is_given_minutes_to_become_ready_before_anything_else(machine: Template) -> None:
    for name, state in tasks(machine["States"]):
        if not invokes(state):
            continue
        first = state["Retry"][0]
        assert first["ErrorEquals"] == PENDING, name
        assert "Lambda.CodeArtifactUserPendingException" in PENDING
        others = [error for retrier in state["Retry"][1:] for error in retrier["ErrorEquals"]]
        assert not set(others) & set(PENDING), name
        # A full jitter waits half of each delay on the mean; 106 s have been seen.
        waits, wait = 0.0, float(first["IntervalSeconds"])
        for _ in range(first["MaxAttempts"]):
            waits += min(wait, first["MaxDelaySeconds"]) / 2
            wait *= first["BackoffRate"]
        assert waits >= 2 * 106, name


def test_no_state_catches_everything(full_machine: Template) -> None:
    for name, state in tasks(full_machine["States"]):
        for catcher in state.get("Catch", []):
            assert "States.ALL" not in catcher["ErrorEquals"], name
    catching = {name for name, state in tasks(full_machine["States"]) if "Catch" in state}
    assert catching == {"Detect on a GPU", "Metrics", "Hold the claim", "Still ours?", "Ledger done"}


def test_a_lost_claim_is_a_named_end_and_a_redriven_run_claims_again(machine: Template) -> None:
    states = machine["States"]
    assert walk(machine, "Detect")[1:3] == ["Hold the claim", "Cluster"]
    # Redriven in Publish, a run asks once more before anybody is told of it.
    assert walk(machine, "Publish")[1:3] == ["Still ours?", "Video Processed"]
    for name in ("Hold the claim", "Still ours?"):
        hold = states[name]["Parameters"]
        # What the recorder wrote of its failure does not stand in the way; another execution's claim does.
        assert hold["ConditionExpression"] == "execution_arn = :arn AND #status <> :done"
        assert hold["ExpressionAttributeValues"][":running"] == {"S": "RUNNING"}
    for name in ("Hold the claim", "Still ours?", "Ledger done"):
        (catcher,) = states[name]["Catch"]
        assert catcher["ErrorEquals"] == ["DynamoDB.ConditionalCheckFailedException"]
        assert walk(machine, catcher["Next"]) == ["Note ClaimLost", "ClaimLost"]
        assert not any(set(retrier["ErrorEquals"]) & set(catcher["ErrorEquals"]) for retrier in states[name]["Retry"])


def test_a_failed_stage_fails_the_execution_so_that_a_redrive_resumes_there(machine: Template) -> None:
    """A redrive needs a failed state: none of the stages hands its failure on to another state."""
    for name, state in tasks(machine["States"]):
        if invokes(state):
            assert "Catch" not in state, name
    detect = machine["States"]["Detect"]
    assert "ToleratedFailurePercentage" not in detect
    # As many chunks may be lost as the run's settings say, by default none.
    assert detect["ToleratedFailureCountPath"] == "$.run.max_lost_chunks"
    assert machine["States"]["Split"]["ResultSelector"]["max_lost_chunks.$"] == "$.Payload.max_lost_chunks"


@pytest.mark.parametrize(
    ("state", "request_type"),
    [
        ("Split", "StartRequest"),
        ("Claim again", "StartRequest"),
        ("Detect chunk", "DetectRequest"),
        ("Cluster", "ClusterRequest"),
        ("Publish", "PublishOrder"),
    ],
)
def test_payloads_hold_what_the_stages_ask_for(machine: Template, state: str, request_type: str) -> None:
    payload = dict(tasks(machine["States"]))[state]["Parameters"]["Payload"]
    keys = {key.removesuffix(".$") for key in payload}
    fields = model(request_type).model_fields
    assert keys <= set(fields)
    assert {name for name, field in fields.items() if field.is_required()} <= keys


@pytest.mark.parametrize(("state", "response_type"), [("Split", "StartResponse"), ("Publish", "PublishAnswer")])
def test_what_is_kept_of_an_answer_is_in_it(machine: Template, state: str, response_type: str) -> None:
    kept = machine["States"][state]["ResultSelector"]
    assert {path.removeprefix("$.Payload.") for path in kept.values()} <= set(model(response_type).model_fields)


def test_the_map_reads_its_chunks_from_staging_and_keeps_no_results(machine: Template) -> None:
    detect = machine["States"]["Detect"]
    assert detect["ItemReader"]["Parameters"]["Key.$"] == (
        f"States.Format('{contracts.chunks_key('{}')}', $.run.run_id)"
    )
    assert detect["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert detect["ResultPath"] is None
    assert "ItemBatcher" not in detect
    assert "ResultWriter" not in detect


def test_long_videos_go_to_the_gpu_and_from_there_to_the_map_but_for_bad_input(full_machine: Template) -> None:
    states = full_machine["States"]
    from_s = DeploymentSettings.model_fields["gpu_from_s"].default
    assert states["Route"]["Choices"][0]["NumericGreaterThanEquals"] == from_s
    assert states["Route"]["Default"] == "Detect"
    choices = states["How is the job?"]["Choices"]
    assert choices[0] == {"Variable": "$.seen.now.Status", "StringEquals": "SUCCEEDED", "Next": "Hold the claim"}
    assert (choices[1]["And"][2]["NumericEquals"], choices[1]["Next"]) == (2, "BadInput")
    assert (choices[2]["StringEquals"], choices[2]["Next"]) == ("FAILED", "Detect")
    assert [catcher["Next"] for catcher in states["Detect on a GPU"]["Catch"]] == ["Detect"]


def test_a_job_that_waits_too_long_is_ended_whatever_the_reason_before_the_map_starts(full_machine: Template) -> None:
    states = full_machine["States"]
    # Not `.sync`, which waits for as long as the job does.
    assert states["Detect on a GPU"]["Resource"].endswith("batch:submitJob")
    given_up = states["How is the job?"]["Choices"][3]
    assert given_up["Next"] == "Give the job up"
    waits, looks = (limit["NumericGreaterThanEquals"] for limit in given_up["Or"])
    every_s = states["Wait for the job"]["Seconds"]
    assert waits * every_s == 900
    assert looks * every_s == 900 + 7200 + 60
    assert states["How is the job?"]["Default"] == "It waits"
    assert states["It works"]["Parameters"]["waits"] == 0
    assert walk(full_machine, "Give the job up")[:2] == ["Give the job up", "Detect"]


def test_the_recorder_names_the_state_that_worked_not_the_one_that_watched(full_machine: Template) -> None:
    from lambdas.recorder.handler import WATCHING_STATES

    assert set(WATCHING_STATES) <= set(full_machine["States"])


def test_watching_a_job_stays_within_an_executions_history(full_machine: Template) -> None:
    looks = full_machine["States"]["How is the job?"]["Choices"][3]["Or"][1]["NumericGreaterThanEquals"]
    # Wait, look (five events), choice, count: eleven events; the limit is 25,000 (Step Functions quotas).
    assert looks * 11 < 20_000


def test_resuming_claims_and_skips_to_cluster(machine: Template) -> None:
    assert machine["States"]["Claim again"]["Next"] == "Claimed?"
    last = machine["States"]["Claimed?"]["Choices"][-1]
    assert (last["StringEquals"], last["Next"]) == ("cluster", "Hold the claim")


def test_duplicates_end_well_and_named(machine: Template) -> None:
    for name in ("AlreadyRunning", "AlreadyDone"):
        assert machine["States"][name]["Type"] == "Succeed"
    assert {choice["Next"] for choice in machine["States"]["Claimed?"]["Choices"]} >= {"AlreadyRunning", "AlreadyDone"}


def test_videos_the_database_does_not_want_end_well_and_named(full_machine: Template) -> None:
    for name in ("NotListed", "NotDownloaded", "AlreadyExtracted", "NotAVideo"):
        assert full_machine["States"][name]["Type"] == "Succeed"


def test_every_good_end_is_written_down_for_whoever_asks(full_machine: Template) -> None:
    states = full_machine["States"]
    ends = {name for name, state in states.items() if state["Type"] == "Succeed"}
    # split writes these two, beside the run they found.
    assert ends >= {"AlreadyRunning", "AlreadyDone", "ClaimLost", "NotListed", "NotAVideo"}
    for name in ends - {"AlreadyRunning", "AlreadyDone", "Done"}:
        before = [one for one, state in states.items() if name in json.dumps(state) and one != name]
        assert f"Note {name}" in before
        values = states[f"Note {name}"]["Parameters"]["ExpressionAttributeValues"]
        assert values[":status"] == {"S": name}
        assert states[f"Note {name}"]["Next"] == name
        assert not any(f'"Next": "{name}"' in json.dumps(states[one]) for one in before if one != f"Note {name}"), name


def test_what_lies_among_corrections_and_is_none_is_no_video(machine: Template) -> None:
    choices = machine["States"]["Who asks?"]["Choices"]
    under = [(one["And"][1]["StringMatches"], one["Next"]) for one in choices if "And" in one]
    assert under == [("corrections/*.json", "By corrections"), ("corrections/*", "Note NotAVideo")]


def test_corrections_wait_for_a_run_that_is_being_worked_on(machine: Template) -> None:
    states = machine["States"]
    first = states["Claimed?"]["Choices"][0]
    assert first["Next"] == "Wait for the claim"
    assert (states["Wait for the claim"]["Type"], states["Wait for the claim"]["Next"]) == ("Wait", "Claim again")


def test_with_a_prefix_the_machine_looks_at_suffixes_in_every_case(full_machine: Template, machine: Template) -> None:
    assert "A video?" not in machine["States"]
    (rule,) = full_machine["States"]["A video?"]["Choices"]
    patterns = {one["StringMatches"] for one in rule["Or"]}
    assert {"*.mp4", "*.MP4", "*.mP4", "*.M2tS"} <= patterns
    assert {one["Variable"] for one in rule["Or"]} == {"$.detail.object.key"}
    assert spellings(".ts") == [".TS", ".Ts", ".tS", ".ts"]
    assert full_machine["States"]["A video?"]["Default"] == "Note NotAVideo"


def test_every_state_is_reached(full_machine: Template, machine: Template) -> None:
    for states in (machine["States"], full_machine["States"]):
        text = json.dumps(states)
        for name in states:
            assert name == "Who asks?" or f'": {json.dumps(name)}' in text, name


# the forms a request comes in, through a real interpreter


@pytest.fixture(scope="module")
def asked() -> Iterator[Any]:
    """A machine that stops where the request has been put together."""
    moto = pytest.importorskip("moto", reason="moto is not here; `make setup` installs it")
    places = Places("aws", FUNCTIONS, staging="staging", source="videos", ledger="ledger", bus="default")
    machine = definition(from_context({}), places)
    machine["States"]["Note the execution"] = {"Type": "Succeed"}
    with pytest.MonkeyPatch.context() as patched:
        for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("DEFAULT_REGION", "us-east-1")):
            patched.setenv(f"AWS_{name}", value)
        with moto.mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
            client = boto3.client("stepfunctions")
            arn = client.create_state_machine(
                name="asked", definition=json.dumps(machine), roleArn="arn:aws:iam::123456789012:role/any"
            )["stateMachineArn"]

            numbers = itertools.count(1)

            def run(request: Any) -> Any:
                execution = client.start_execution(
                    stateMachineArn=arn,
                    name=f"n{next(numbers)}",
                    input=json.dumps(request),
                )["executionArn"]
                deadline = time.monotonic() + 10
                while (found := client.describe_execution(executionArn=execution))["status"] == "RUNNING":
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                return json.loads(found["output"])["asked"] if found["status"] == "SUCCEEDED" else found["error"]

            run.count = 0  # type: ignore[attr-defined]
            yield run


REST = {"settings": {}, "force": "", "resume": ""}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (
            {"bucket": "b-b", "key": "a/ü.mp4"},
            {"source": {"bucket": "b-b", "key": "a/ü.mp4", "version_id": "", "etag": ""}, **REST},
        ),
        (
            {"bucket": "b-b", "key": "a.mp4", "version_id": "v", "settings": {"thorough": True}, "force": "x"},
            {
                "source": {"bucket": "b-b", "key": "a.mp4", "version_id": "v", "etag": ""},
                **REST,
                "settings": {"thorough": True},
                "force": "x",
            },
        ),
        ({"source": {"bucket": "b-b", "key": "a.mp4"}}, {"source": {"bucket": "b-b", "key": "a.mp4"}, **REST}),
        (
            {"platform": "reels", "shortcode": "C-d_9"},
            {"source": {"bucket": "videos", "key": "reels/C-d_9/video.mp4"}, **REST},
        ),
        (
            [{"messageId": "1", "body": '{"platform": "reels", "shortcode": "it\'s", "settings": {"fit": "crop"}}'}],
            {"source": {"bucket": "videos", "key": "reels/it's/video.mp4"}, **REST, "settings": {"fit": "crop"}},
        ),
        (
            {"detail": {"bucket": {"name": "b-b"}, "object": {"key": "a b.mp4", "etag": "e", "version-id": "v"}}},
            {"source": {"bucket": "b-b", "key": "a b.mp4", "etag": "e", "version_id": "v"}, **REST},
        ),
        (
            {"detail": {"bucket": {"name": "b-b"}, "object": {"key": "a.mp4", "etag": "e"}}},
            {"source": {"bucket": "b-b", "key": "a.mp4", "etag": "e"}, **REST},
        ),
        (
            {"resume": "cluster", "run_id": "r", "revision": "2"},
            {"resume": "cluster", "run_id": "r", "revision": "2", "corrections": {}},
        ),
        (
            {"resume": "cluster", "run_id": "r", "revision": "2", "corrections": {"version": 1}},
            {"resume": "cluster", "run_id": "r", "revision": "2", "corrections": {"version": 1}},
        ),
        (
            {"detail": {"bucket": {"name": "b-b"}, "object": {"key": "corrections/0123.json", "etag": "e-1"}}},
            {
                "resume": "cluster",
                "run_id": "0123",
                "revision": "c-e-1",
                "corrections": {"bucket": "b-b", "key": "corrections/0123.json"},
            },
        ),
        ({"shortcode": "only"}, "InvalidRequest"),
        ({}, "InvalidRequest"),
    ],
    ids=[
        "bare",
        "with settings",
        "source",
        "shortcode",
        "message",
        "version",
        "upload",
        "resume",
        "posted corrections",
        "corrections",
        "half",
        "nothing",
    ],
)
def test_every_form_of_request_is_understood(asked: Any, request_: Any, expected: Any) -> None:
    assert asked(request_) == expected


def model(name: str) -> type[BaseModel]:
    found: type[BaseModel] = getattr(contracts, name)
    return found
