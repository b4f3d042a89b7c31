"""The template by meaning: what is kept, who may do what, what a failure leaves behind."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infra.app import build
from infra.settings import STAGES, DeploymentSettings, WrongSetting
from lambdas.contracts import Deployment
from tests.infra.conftest import KEPT_KEY, Synth, read_template
from tests.infra.reading import Template, allowed, as_list, of_type, statements

ROOT = Path(__file__).parents[2]
KNOWS_NO_RESOURCES = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "cloudwatch:PutMetricData",
    "batch:DescribeJobs",
    "ecr:GetAuthorizationToken",
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}
"""Actions whose only resource is `*` by AWS's service authorization reference."""


@pytest.fixture(params=["plain", "full"])
def template(request: pytest.FixtureRequest) -> Template:
    found: Template = request.getfixturevalue(request.param)
    return found


# storage


def test_no_bucket_is_public_and_every_one_is_encrypted(template: Template) -> None:
    for bucket in of_type(template, "AWS::S3::Bucket").values():
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert bucket["BucketEncryption"]
        assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]


def test_every_bucket_refuses_what_comes_without_tls(template: Template) -> None:
    policies = of_type(template, "AWS::S3::BucketPolicy").values()
    refusing = {
        policy["Bucket"]["Ref"]
        for policy in policies
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny" and statement["Condition"].get("Bool") == {"aws:SecureTransport": "false"}
    }
    assert refusing == set(of_type(template, "AWS::S3::Bucket"))


def test_every_queue_and_topic_refuses_what_comes_without_tls(template: Template) -> None:
    policies = [
        *of_type(template, "AWS::SQS::QueuePolicy").values(),
        *of_type(template, "AWS::SNS::TopicPolicy").values(),
    ]
    refusing = [
        policy
        for policy in policies
        if any(
            s["Effect"] == "Deny" and "aws:SecureTransport" in str(s["Condition"])
            for s in policy["PolicyDocument"]["Statement"]
        )
    ]
    assert len(refusing) == len(of_type(template, "AWS::SQS::Queue")) + len(of_type(template, "AWS::SNS::Topic"))


def test_staging_holds_biometric_data_for_seven_days_at_most(plain: Template) -> None:
    rules = of_type(plain, "AWS::S3::Bucket")["StagingBucket"]["LifecycleConfiguration"]["Rules"]
    assert [rule["ExpirationInDays"] for rule in rules] == [7]
    assert all(rule["Status"] == "Enabled" and "Prefix" not in rule for rule in rules)


def test_published_frames_and_videos_never_expire_and_outlive_the_stack(plain: Template) -> None:
    for id in ("SourceBucket", "PublishedBucket", "Ledger"):
        # Kept, unless the deployment that makes them fails: then nothing is in them.
        assert plain["Resources"][id]["DeletionPolicy"] == "RetainExceptOnCreate"
        assert plain["Resources"][id]["UpdateReplacePolicy"] == "Retain"
    for id in ("SourceBucket", "PublishedBucket"):
        rules = of_type(plain, "AWS::S3::Bucket")[id]["LifecycleConfiguration"]["Rules"]
        assert not any("ExpirationInDays" in rule for rule in rules)


def test_data_goes_with_the_stack_where_the_owner_says_so(full: Template) -> None:
    assert full["Resources"]["PublishedBucket"]["DeletionPolicy"] == "Delete"


def test_our_source_bucket_keeps_versions_and_tells_eventbridge(plain: Template) -> None:
    bucket = of_type(plain, "AWS::S3::Bucket")["SourceBucket"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["NotificationConfiguration"]["EventBridgeConfiguration"] == {"EventBridgeEnabled": True}


def test_an_existing_source_bucket_is_used_and_not_touched(full: Template) -> None:
    assert "SourceBucket" not in full["Resources"]
    assert full["Outputs"]["SourceBucketName"]["Value"] == "my-videos"
    assert "docs/deploy.md" in full["Outputs"]["SourceBucketSwitch"]["Value"]


def test_a_second_deployment_takes_up_what_the_first_one_kept(again: Template, plain: Template) -> None:
    for id in ("SourceBucket", "PublishedBucket", "Ledger"):
        assert id in plain["Resources"]
        assert id not in again["Resources"]
    assert again["Outputs"]["SourceBucketName"]["Value"] == "kept-source"
    assert again["Outputs"]["PublishedBucketName"]["Value"] == "kept-published"
    assert again["Outputs"]["LedgerName"]["Value"] == "kept-ledger"
    functions = of_type(again, "AWS::Lambda::Function")
    assert functions["PublishFunction"]["Environment"]["Variables"]["PUBLISHED_BUCKET"] == "kept-published"
    for function in ("SplitFunction", "RecorderFunction"):
        assert functions[function]["Environment"]["Variables"]["LEDGER_TABLE"] == "kept-ledger"
    assert "kept-published/*" in allowed(again, "PublishRole")["s3:PutObject"]
    assert "table/kept-ledger" in allowed(again, "SplitRole")["dynamodb:UpdateItem"]
    # The key that encrypts what was kept stays the same one.
    assert KEPT_KEY in allowed(again, "PublishRole")["kms:Decrypt"]
    assert not of_type(again, "AWS::KMS::Key")


def test_published_faces_expire_where_the_owner_says_so(again: Template, full: Template) -> None:
    (rule,) = of_type(full, "AWS::S3::Bucket")["PublishedBucket"]["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 365
    assert "PublishedBucket" not in again["Resources"]


def test_every_bucket_of_data_logs_its_accesses(template: Template) -> None:
    logging = {id for id, bucket in of_type(template, "AWS::S3::Bucket").items() if "LoggingConfiguration" in bucket}
    assert logging == set(of_type(template, "AWS::S3::Bucket")) - {"AccessLogBucket"}


def test_the_ledger_can_be_restored_and_forgets(plain: Template) -> None:
    table = of_type(plain, "AWS::DynamoDB::Table")["Ledger"]
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["KeySchema"] == [{"AttributeName": "run_id", "KeyType": "HASH"}]
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_a_customers_key_encrypts_buckets_and_ledger_and_every_reader_may_use_it(full: Template) -> None:
    ((key, properties),) = of_type(full, "AWS::KMS::Key").items()
    assert properties["EnableKeyRotation"]
    for id in ("StagingBucket", "PublishedBucket"):
        encryption = of_type(full, "AWS::S3::Bucket")[id]["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
        assert encryption["ServerSideEncryptionByDefault"]["KMSMasterKeyID"] == {"Fn::GetAtt": [key, "Arn"]}
    assert of_type(full, "AWS::DynamoDB::Table")["Ledger"]["SSESpecification"]["KMSMasterKeyId"]
    for role in ("SplitRole", "DetectRole", "ClusterRole", "PublishRole", "GpuJobRole", "RecorderRole", "WorkflowRole"):
        assert "kms:Decrypt" in allowed(full, role), role


# who may do what


def test_no_policy_allows_wildcard_actions(template: Template) -> None:
    for id, policy in of_type(template, "AWS::IAM::Policy").items():
        for statement in policy["PolicyDocument"]["Statement"]:
            assert not [a for a in as_list(statement["Action"]) if "*" in a], id


def test_only_actions_that_know_no_resources_have_all_of_them(template: Template) -> None:
    for id, policy in of_type(template, "AWS::IAM::Policy").items():
        for statement in policy["PolicyDocument"]["Statement"]:
            if "*" in as_list(statement["Resource"]):
                assert set(as_list(statement["Action"])) <= KNOWS_NO_RESOURCES, id


def test_roles_are_assumed_by_services_alone(template: Template) -> None:
    for id, role in of_type(template, "AWS::IAM::Role").items():
        for statement in role["AssumeRolePolicyDocument"]["Statement"]:
            assert set(statement["Principal"]) == {"Service"}, id


@pytest.mark.parametrize(
    ("stage", "source", "staging", "published", "ledger"),
    [
        ("split", "read", "write", None, "write"),
        ("detect", "read", "write", None, None),
        ("cluster", None, "write", None, None),
        ("publish", None, "read", "write", None),
    ],
)
def test_a_stage_reaches_what_it_needs_and_no_more(
    plain: Template, stage: str, source: str | None, staging: str | None, published: str | None, ledger: str | None
) -> None:
    may = allowed(plain, f"{stage.capitalize()}Role")
    for bucket, wanted in (("SourceBucket", source), ("StagingBucket", staging), ("PublishedBucket", published)):
        assert (bucket in may["s3:GetObject"]) == (wanted is not None), bucket
        assert (bucket in may.get("s3:PutObject", "")) == (wanted == "write"), bucket
        assert (bucket in may["s3:ListBucket"]) == (wanted is not None), bucket
    assert ("dynamodb:UpdateItem" in may) == (ledger == "write")
    assert set(may) <= {
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "s3:AbortMultipartUpload",
        "s3:DeleteObject",
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:ListBucket",
        "s3:PutObject",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    }


def test_only_publish_deletes_and_only_what_is_published(template: Template) -> None:
    for role in of_type(template, "AWS::IAM::Role"):
        deleting = allowed(template, role).get("s3:DeleteObject", "")
        assert bool(deleting) == role.startswith("PublishRole"), role
        assert "StagingBucket" not in deleting
        assert "SourceBucket" not in deleting


def test_staging_is_reached_under_the_runs_prefix_only(template: Template) -> None:
    for id, policy in of_type(template, "AWS::IAM::Policy").items():
        for statement in policy["PolicyDocument"]["Statement"]:
            if not {"s3:GetObject", "s3:PutObject"} & set(as_list(statement["Action"])):
                continue
            for resource in as_list(statement["Resource"]):
                if "StagingBucket" in json.dumps(resource):
                    assert resource["Fn::Join"][1][1].startswith(("/runs/", "/galleries/")), id


def test_split_reads_the_one_gallery_object(full: Template, plain: Template) -> None:
    gets = [s for s in statements(full, "SplitRole") if as_list(s["Action"]) == ["s3:GetObject"]]
    assert [json.dumps(s["Resource"])[-8:-2] for s in gets if "cdk-hnb" in json.dumps(s)]
    environment = of_type(full, "AWS::Lambda::Function")["SplitFunction"]["Environment"]["Variables"]
    assert environment["GALLERY_KEY"].endswith(".npz")
    assert "GALLERY_KEY" not in of_type(plain, "AWS::Lambda::Function")["SplitFunction"]["Environment"]["Variables"]


def test_a_trigger_may_start_runs_and_nothing_else_of_the_state_machine(template: Template) -> None:
    for role in ("TriggersUploadRole", "TriggersPipeRole", "TriggersApiRole"):
        states = {action for action in allowed(template, role) if action.startswith("states:")}
        assert states == {"states:StartExecution"}, role


def test_the_state_machine_asks_the_database_only_for_its_table(full: Template) -> None:
    (statement,) = [s for s in statements(full, "WorkflowRole") if s["Action"] == "states:InvokeHTTPEndpoint"]
    assert statement["Condition"]["StringEquals"] == {
        "states:HTTPEndpoint": "https://project.supabase.co/rest/v1/videos",
        "states:HTTPMethod": ["GET", "PATCH"],
    }


# functions


def test_there_is_one_image_for_each_stage_and_one_small_recorder(plain: Template) -> None:
    functions = of_type(plain, "AWS::Lambda::Function")
    images = {id for id, function in functions.items() if function.get("PackageType") == "Image"}
    assert images == {f"{stage.capitalize()}Function" for stage in STAGES}
    assert set(functions) - images == {"RecorderFunction"}


def test_a_new_account_takes_the_defaults(plain: Template, machine: Template) -> None:
    for id, function in of_type(plain, "AWS::Lambda::Function").items():
        assert function["MemorySize"] <= 3008, id
        assert "ReservedConcurrentExecutions" not in function, id
        assert function["Timeout"] <= 900, id
    assert machine["States"]["Detect"]["MaxConcurrency"] < 10


def test_every_function_is_traced_and_logs_for_a_limited_time(template: Template) -> None:
    groups = of_type(template, "AWS::Logs::LogGroup")
    for id, function in of_type(template, "AWS::Lambda::Function").items():
        assert function["TracingConfig"] == {"Mode": "Active"}, id
        assert groups[function["LoggingConfig"]["LogGroup"]["Ref"]]["RetentionInDays"] == 30, id
    assert all(group["RetentionInDays"] for group in groups.values())


def test_split_gets_what_it_plans_with(plain: Template) -> None:
    from lambdas.contracts import PackFacts, Settings

    environment = of_type(plain, "AWS::Lambda::Function")["SplitFunction"]["Environment"]["Variables"]
    assert PackFacts.model_validate_json(environment["PACK_FACTS"]).name == "open"
    assert Settings.model_validate_json(environment["DEFAULT_SETTINGS"]) == Settings()
    assert int(environment["LEASE_S"]) == 21_600 + 300


def test_a_runs_cost_is_reckoned_by_what_is_deployed(template: Template) -> None:
    functions = of_type(template, "AWS::Lambda::Function")
    told = Deployment.model_validate_json(functions["PublishFunction"]["Environment"]["Variables"]["DEPLOYMENT"])
    for stage in STAGES:
        function = functions[f"{stage.capitalize()}Function"]
        assert function["MemorySize"] == told.memory_mib[stage], stage
        assert function["EphemeralStorage"]["Size"] == told.tmp_mib[stage], stage
        assert function["Architectures"] == [told.architecture], stage
    (rule,) = of_type(template, "AWS::S3::Bucket")["StagingBucket"]["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == told.staging_days
    for environment in of_type(template, "AWS::Batch::ComputeEnvironment").values():
        assert told.gpu_machine.partition(".")[0] in str(environment["ComputeResources"]["InstanceTypes"])
    for machine in of_type(template, "AWS::EC2::LaunchTemplate").values():
        (disk,) = machine["LaunchTemplateData"]["BlockDeviceMappings"]
        assert disk["Ebs"]["VolumeSize"] == told.gpu_disk_gib


def test_what_a_local_run_is_reckoned_for_is_the_stacks_defaults() -> None:
    assert DeploymentSettings(architecture="x86_64").deployment() == Deployment()


def test_x86_and_arm_are_a_setting_but_gpu_machines_are_x86(full: Template, full_out: Path) -> None:
    for stage in STAGES:
        function = of_type(full, "AWS::Lambda::Function")[f"{stage.capitalize()}Function"]
        assert function["Architectures"] == ["arm64"]
    images = json.loads(next(full_out.glob("*.assets.json")).read_text())["dockerImages"].values()
    platforms = sorted((image["source"]["dockerBuildTarget"], image["source"]["platform"]) for image in images)
    assert platforms == [("batch", "linux/amd64"), *[("lambda", "linux/arm64")] * 4]


# what a failure leaves behind


def test_whatever_cannot_be_delivered_lands_in_a_dead_letter_queue(template: Template) -> None:
    for id, rule in of_type(template, "AWS::Events::Rule").items():
        for target in rule["Targets"]:
            if "GpuQueueBlocked" not in id:
                assert target["DeadLetterConfig"], id
    queues = of_type(template, "AWS::SQS::Queue")
    assert queues["Queue"]["RedrivePolicy"]["maxReceiveCount"] == 5
    assert of_type(template, "AWS::Lambda::Function")["RecorderFunction"]["DeadLetterConfig"]


def test_dead_letters_are_kept_as_long_as_can_be_and_seen(template: Template) -> None:
    letters = {id for id in of_type(template, "AWS::SQS::Queue") if id.endswith("DeadLetters")}
    watched = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
        if alarm.get("MetricName") == "ApproximateNumberOfMessagesVisible"
        for dimension in alarm["Dimensions"]
    }
    assert (
        watched
        == letters
        == {"NotificationDeadLetters", "QueueDeadLetters", "RecorderDeadLetters", "UploadDeadLetters"}
    )
    assert {of_type(template, "AWS::SQS::Queue")[id]["MessageRetentionPeriod"] for id in letters} == {14 * 86_400}


def test_every_alarm_tells_somebody(template: Template) -> None:
    alarms = of_type(template, "AWS::CloudWatch::Alarm")
    assert all(alarm["AlarmActions"] for alarm in alarms.values())
    described = " ".join(alarms)
    for what in ("BrokenRuns", "Throttles", "QueueAge", "ApiServerErrors"):
        assert what in described


def test_a_video_that_is_refused_raises_no_alarm(template: Template) -> None:
    alarms = of_type(template, "AWS::CloudWatch::Alarm").values()
    watched = {alarm.get("MetricName") for alarm in alarms}
    assert "BrokenRuns" in watched
    # These count every run that fails, the ones of broken videos with them.
    assert not any(metric in json.dumps(list(alarms)) for metric in ("ExecutionsFailed", "RefusedVideos"))
    environment = of_type(template, "AWS::Lambda::Function")["RecorderFunction"]["Environment"]["Variables"]
    (broken,) = [alarm for alarm in alarms if alarm.get("MetricName") == "BrokenRuns"]
    assert broken["Namespace"] == environment["METRICS_NAMESPACE"]


def test_the_outputs_say_whom_alarms_reach(plain: Template, full: Template) -> None:
    assert plain["Outputs"]["AlarmsGoTo"]["Value"].startswith("nobody")
    assert full["Outputs"]["AlarmsGoTo"]["Value"] == "someone@example.com"


def test_no_function_is_told_of_metrics_nobody_writes(template: Template) -> None:
    for id, function in of_type(template, "AWS::Lambda::Function").items():
        assert "POWERTOOLS_METRICS_NAMESPACE" not in function["Environment"]["Variables"], id


def test_what_the_api_logs_by_itself_ends_and_goes_with_the_stack(plain: Template) -> None:
    groups = of_type(plain, "AWS::Logs::LogGroup")
    (id,) = [id for id, group in groups.items() if "API-Gateway-Execution-Logs_" in json.dumps(group)]
    assert groups[id]["RetentionInDays"] == 30
    assert groups[id]["LogGroupName"]["Fn::Join"][1][-1] == "/v1"
    assert plain["Resources"][id]["DeletionPolicy"] == "Delete"
    (stage,) = [one for one in plain["Resources"].values() if one["Type"] == "AWS::ApiGateway::Stage"]
    assert id in stage["DependsOn"]


def test_the_network_logs_what_it_refused_alone(full: Template) -> None:
    (log,) = of_type(full, "AWS::EC2::FlowLog").values()
    assert log["TrafficType"] == "REJECT"


def test_alarms_may_publish_to_their_topic(template: Template) -> None:
    policies = json.dumps(of_type(template, "AWS::SNS::TopicPolicy"))
    assert '"Service": "cloudwatch.amazonaws.com"' in policies


def test_a_stuck_gpu_queue_raises_an_alarm(full: Template) -> None:
    assert any("GpuQueueBlocked" in id for id in of_type(full, "AWS::CloudWatch::Alarm"))


def test_every_variable_a_function_reads_is_set(full: Template) -> None:
    optional = {"GALLERY_BUCKET", "GALLERY_KEY"}
    for name in (*STAGES, "recorder"):
        code = (ROOT / "lambdas" / name / "handler.py").read_text()
        read = set(re.findall(r'(?:_variable|variable|number|document)\((?:environ, )?"([A-Z_]+)"', code))
        function = of_type(full, "AWS::Lambda::Function")[f"{name.capitalize()}Function"]
        assert read - optional <= set(function["Environment"]["Variables"]), name
        assert read or name == "cluster", name


def test_lost_turns_are_looked_for(full: Template, plain: Template) -> None:
    (sweep,) = [r for r in of_type(full, "AWS::Events::Rule").values() if "ScheduleExpression" in r]
    assert sweep["ScheduleExpression"] == "rate(10 minutes)"
    assert json.loads(sweep["Targets"][0]["Input"]) == {"sweep": True}
    environment = of_type(full, "AWS::Lambda::Function")["RecorderFunction"]["Environment"]["Variables"]
    assert environment["TURNS_KEY"] == "turns"
    assert not [r for r in of_type(plain, "AWS::Events::Rule").values() if "ScheduleExpression" in r]


def test_the_map_may_watch_its_runs_and_children_by_both_forms_of_their_names(template: Template) -> None:
    (statement,) = [s for s in statements(template, "WorkflowRole") if s.get("Sid") == "WatchMapChildren"]
    endings = {resource["Fn::Join"][1][-1][-2:] for resource in statement["Resource"]}
    assert endings == {":*", "/*"}


def test_the_recorder_hears_of_every_ending_of_this_machine(plain: Template) -> None:
    (rule,) = [rule for id, rule in of_type(plain, "AWS::Events::Rule").items() if id.startswith("RecorderRule")]
    assert rule["EventPattern"]["detail"] == {
        "stateMachineArn": [{"Ref": "Pipeline"}],
        "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
    }


# triggers


def test_an_upload_starts_a_run_whatever_the_case_of_its_suffix(plain: Template) -> None:
    (rule,) = [rule for id, rule in of_type(plain, "AWS::Events::Rule").items() if id.startswith("TriggersUpload")]
    assert rule["EventPattern"]["source"] == ["aws.s3"]
    assert {"suffix": {"equals-ignore-case": ".mp4"}} in rule["EventPattern"]["detail"]["object"]["key"]
    assert [target["Arn"] for target in rule["Targets"]] == [{"Ref": "Pipeline"}]


def test_with_a_prefix_uploads_elsewhere_start_nothing(full: Template) -> None:
    (rule,) = [rule for id, rule in of_type(full, "AWS::Events::Rule").items() if id.startswith("TriggersUpload")]
    assert rule["EventPattern"]["detail"]["object"]["key"] == [{"prefix": "incoming/"}]


def test_uploaded_corrections_start_the_machine(template: Template) -> None:
    rules = [r for id, r in of_type(template, "AWS::Events::Rule").items() if id.startswith("TriggersCorrections")]
    for rule in rules:
        assert rule["EventPattern"]["detail"]["object"]["key"] == [{"prefix": "corrections/"}]
        assert [target["Arn"] for target in rule["Targets"]] == [{"Ref": "Pipeline"}]


def test_no_rule_has_wildcards_which_eventbridge_refuses_when_there_are_several(template: Template) -> None:
    rules = of_type(template, "AWS::Events::Rule")
    assert rules
    assert not [id for id, rule in rules.items() if "wildcard" in json.dumps(rule.get("EventPattern", {}))]


def test_a_message_starts_one_run(plain: Template) -> None:
    (pipe,) = of_type(plain, "AWS::Pipes::Pipe").values()
    assert pipe["Source"] == {"Fn::GetAtt": ["Queue", "Arn"]}
    assert pipe["SourceParameters"]["SqsQueueParameters"]["BatchSize"] == 1
    assert pipe["TargetParameters"]["StepFunctionStateMachineParameters"]["InvocationType"] == "FIRE_AND_FORGET"


def test_the_api_is_for_signed_callers_and_checks_what_they_send(plain: Template) -> None:
    methods = of_type(plain, "AWS::ApiGateway::Method").values()
    assert {method["AuthorizationType"] for method in methods} == {"AWS_IAM"}
    assert {method["Integration"]["Type"] for method in methods} == {"AWS"}
    assert all("RequestValidatorId" in method for method in methods)
    (model,) = of_type(plain, "AWS::ApiGateway::Model").values()
    assert all(not choice["additionalProperties"] for choice in model["Schema"]["oneOf"])


def test_an_api_key_is_throttled_by_a_usage_plan(full: Template) -> None:
    assert all(method["ApiKeyRequired"] for method in of_type(full, "AWS::ApiGateway::Method").values())
    (plan,) = of_type(full, "AWS::ApiGateway::UsagePlan").values()
    assert plan["Throttle"] == {"BurstLimit": 10, "RateLimit": 5}
    assert plan["Quota"] == {"Limit": 10_000, "Period": "MONTH"}


# completion


def test_webhook_and_database_get_their_secrets_from_secrets_manager(full: Template) -> None:
    text = json.dumps(of_type(full, "AWS::Events::Connection"))
    assert "{{resolve:secretsmanager:talent-frames/webhook:SecretString:::}}" in text
    assert "Bearer {{resolve:secretsmanager:talent-frames/database:SecretString:::}}" in text


def test_the_webhook_hears_of_both_endings(full: Template) -> None:
    (rule,) = [r for id, r in of_type(full, "AWS::Events::Rule").items() if id.startswith("NotificationsWebhookRule")]
    assert rule["EventPattern"] == {"detail-type": ["Video Processed", "Video Failed"], "source": ["talent-frames"]}
    assert rule["EventBusName"] == {"Ref": next(iter(of_type(full, "AWS::Events::EventBus")))}


def test_failures_go_to_the_databases_errors_with_what_the_recorder_tells(full: Template) -> None:
    recorder = (ROOT / "lambdas" / "recorder" / "handler.py").read_text()
    assert all(f'"{field}":' in recorder for field in ("video", "run_id", "execution_arn", "error", "cause", "stage"))
    (rule,) = [r for id, r in of_type(full, "AWS::Events::Rule").items() if id.startswith("NotificationsErrorsRule")]
    assert rule["EventPattern"]["detail-type"] == ["Video Failed"]
    assert set(rule["Targets"][0]["InputTransformer"]["InputPathsMap"].values()) == {
        f"$.detail.{field}" for field in ("video", "run_id", "execution_arn", "error", "cause", "stage")
    }


def test_a_signed_webhook_is_told_by_a_function_from_a_queue(again: Template) -> None:
    assert not of_type(again, "AWS::Events::ApiDestination")
    function = of_type(again, "AWS::Lambda::Function")["WebhookFunction"]
    code = (ROOT / "lambdas" / "webhook" / "handler.py").read_text()
    assert set(re.findall(r'_variable\("([A-Z_]+)"\)', code)) == set(function["Environment"]["Variables"])
    (mapping,) = of_type(again, "AWS::Lambda::EventSourceMapping").values()
    queue = of_type(again, "AWS::SQS::Queue")[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
    assert mapping["BatchSize"] == 1
    assert queue["VisibilityTimeout"] > function["Timeout"]
    # For a day, every ten minutes; then it is seen in the dead letters.
    assert queue["VisibilityTimeout"] * queue["RedrivePolicy"]["maxReceiveCount"] == 86_400
    assert queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] == "WebhookDeadLetters"
    assert "WebhookDeadLetters" in json.dumps(of_type(again, "AWS::CloudWatch::Alarm"))
    (rule,) = [r for id, r in of_type(again, "AWS::Events::Rule").items() if id.startswith("NotificationsWebhookRule")]
    assert rule["EventPattern"]["detail-type"] == ["Video Processed", "Video Failed"]
    reads = allowed(again, "NotificationsWebhookRole")["secretsmanager:GetSecretValue"]
    assert "secret:hooks/static-??????" in reads
    assert "secret:hooks/key-??????" in reads


def test_the_events_schemas_are_registered_as_the_docs_have_them(again: Template, full: Template) -> None:
    schemas = of_type(again, "AWS::EventSchemas::Schema").values()
    registered = {schema["SchemaName"]: json.loads(schema["Content"]) for schema in schemas}
    assert registered == {
        f"talent-frames@Video{kind.capitalize()}": json.loads((ROOT / "docs" / f"event-{kind}.schema.json").read_text())
        for kind in ("processed", "failed")
    }
    assert not of_type(full, "AWS::EventSchemas::Schema")


def test_everything_bears_the_owners_tags_and_the_budget_counts_by_them(again: Template) -> None:
    tag = {"Key": "team", "Value": "video"}
    resources = again["Resources"].items()
    tagged = {id for id, one in resources if tag in as_list(one.get("Properties", {}).get("Tags", []))}
    assert {"StagingBucket", "SplitFunction", "Pipeline"} <= tagged
    (budget,) = of_type(again, "AWS::Budgets::Budget").values()
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": ["user:stack$kept"]}
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 50, "Unit": "USD"}
    told = [one["Subscribers"][0]["Address"] for one in budget["NotificationsWithSubscribers"]]
    assert told == ["someone@example.com"] * 2


# gpu


def test_without_gpu_there_is_no_network_and_no_batch(plain: Template) -> None:
    kinds = {resource["Type"] for resource in plain["Resources"].values()}
    assert not [kind for kind in kinds if kind.startswith(("AWS::EC2", "AWS::Batch"))]


def test_the_gpus_network_costs_nothing_at_rest_and_lets_nothing_in(full: Template) -> None:
    assert not of_type(full, "AWS::EC2::NatGateway")
    (endpoint,) = of_type(full, "AWS::EC2::VPCEndpoint").values()
    assert endpoint["VpcEndpointType"] == "Gateway"
    (group,) = of_type(full, "AWS::EC2::SecurityGroup").values()
    assert "SecurityGroupIngress" not in group
    assert not of_type(full, "AWS::EC2::SecurityGroupIngress")


def test_the_gpus_network_spans_every_zone_of_the_region_it_is_deployed_to(synth: Synth) -> None:
    zones = [f"eu-central-2{letter}" for letter in "abcd"]
    with pytest.MonkeyPatch.context() as patch:
        # As the CDK CLI says it, with credentials.
        patch.setenv("CDK_DEFAULT_ACCOUNT", "123456789012")
        patch.setenv("CDK_DEFAULT_REGION", "eu-central-2")
        # cdk-nag has no objection either: findings then write account and region out.
        out = synth(**{"gpu": True, "availability-zones:account=123456789012:region=eu-central-2": zones})
    subnets = of_type(read_template(out), "AWS::EC2::Subnet").values()
    assert sorted(subnet["AvailabilityZone"] for subnet in subnets) == zones
    assert {subnet["MapPublicIpOnLaunch"] for subnet in subnets} == {True}


def test_govcloud_has_no_pipes_and_says_so_before_anything_is_built(synth: Synth) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_DEFAULT_ACCOUNT", "123456789012")
        patch.setenv("CDK_DEFAULT_REGION", "us-gov-west-1")
        with pytest.raises(WrongSetting, match="queue=false"):
            synth()


@pytest.mark.parametrize(
    ("partition", "region", "host"),
    [
        ("aws", "eu-central-2", "console.aws.amazon.com"),
        ("aws-cn", "cn-north-1", "console.amazonaws.cn"),
        ("aws-us-gov", "us-gov-west-1", "console.amazonaws-us-gov.com"),
        ("aws-iso", "us-iso-east-1", "console.aws.amazon.com"),
    ],
)
def test_the_consoles_address_is_that_of_where_the_stack_is_deployed(
    plain: Template, partition: str, region: str, host: str
) -> None:
    """Of one template, which knows no region at synth."""
    place = {"AWS::Partition": partition, "AWS::Region": region, "AWS::AccountId": "123456789012"}
    outputs = plain["Outputs"]
    for name, page in (("PipelineConsole", "states/home"), ("DashboardConsole", "cloudwatch/home")):
        link = deployed(outputs[name]["Value"], plain, place)
        assert link.startswith(f"https://{region}.{host}/{page}?region={region}#"), link


def deployed(value: Any, template: Template, place: dict[str, str]) -> Any:
    """A value as CloudFormation resolves it there; what resources are called is left as their logical ids."""
    if not isinstance(value, dict):
        return value
    ((function, given),) = value.items()
    if function == "Fn::If":
        name, then, otherwise = given
        return deployed(then if deployed(template["Conditions"][name], template, place) else otherwise, template, place)
    if function == "Fn::Equals":
        first, second = (deployed(one, template, place) for one in given)
        return first == second
    if function == "Fn::Join":
        separator, parts = given
        return separator.join(deployed(part, template, place) for part in parts)
    assert function in ("Ref", "Fn::GetAtt"), function
    return place.get(given, given) if isinstance(given, str) else ".".join(given)


def test_gpu_machines_scale_to_zero_spot_first(full: Template) -> None:
    environments = of_type(full, "AWS::Batch::ComputeEnvironment")
    for environment in environments.values():
        resources = environment["ComputeResources"]
        assert resources["MinvCpus"] == 0
        assert resources["Ec2Configuration"] == [{"ImageType": "ECS_AL2023_NVIDIA"}]
        assert {kind.partition(".")[0] for kind in resources["InstanceTypes"]} == {"g4dn", "g5", "g6"}
    (queue,) = of_type(full, "AWS::Batch::JobQueue").values()
    order = [entry["ComputeEnvironment"]["Fn::GetAtt"][0] for entry in queue["ComputeEnvironmentOrder"]]
    assert [environments[id]["ComputeResources"]["Type"] for id in order] == ["SPOT", "EC2"]


def test_a_job_without_a_machine_is_cancelled_and_one_that_works_too_long_ended(full: Template) -> None:
    (queue,) = of_type(full, "AWS::Batch::JobQueue").values()
    limits = queue["JobStateTimeLimitActions"]
    assert {limit["Action"] for limit in limits} == {"CANCEL"}
    assert {limit["MaxTimeSeconds"] for limit in limits} == {900}
    (job,) = of_type(full, "AWS::Batch::JobDefinition").values()
    assert job["Timeout"] == {"AttemptDurationSeconds": 7200}
    assert job["RetryStrategy"]["EvaluateOnExit"] == [
        {"Action": "RETRY", "OnStatusReason": "Host EC2*"},
        {"Action": "EXIT", "OnReason": "*"},
    ]


def test_the_job_asks_for_one_gpu_with_its_decoder(full: Template) -> None:
    (job,) = of_type(full, "AWS::Batch::JobDefinition").values()
    container = job["ContainerProperties"]
    assert {"Type": "GPU", "Value": "1"} in container["ResourceRequirements"]
    assert container["User"] == "1000:1000"
    environment = {entry["Name"]: entry["Value"] for entry in container["Environment"]}
    assert environment["NVIDIA_DRIVER_CAPABILITIES"] == "compute,video,utility"
    assert (environment["DETECT_DEVICE"], environment["DETECT_DECODER"]) == ("cuda", "nvdec")


# linters


def test_cfn_lint_has_no_objection(cfn_lint: Any) -> None:
    said, _ = cfn_lint.communicate(timeout=120)
    assert cfn_lint.returncode == 0, said


def test_asl_validator_has_no_objection(machine: Template, full_machine: Template, tmp_path: Path) -> None:
    validator = ROOT / "node_modules" / ".bin" / "asl-validator"
    if not validator.exists() or not shutil.which("node"):
        pytest.skip("asl-validator is not here; `make deploy-check` installs and runs it")
    for name, definition in (("plain", machine), ("full", full_machine)):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(definition))
        checked = subprocess.run([validator, "--json-path", path], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_acknowledged_finding_has_its_reason(full_out: Path) -> None:
    metadata = json.loads(next(full_out.glob("*.metadata.json")).read_text())
    reasons = [
        entry["data"][key] if isinstance(entry["data"], dict) else entry["data"]
        for entries in metadata.values()
        for entry in entries
        if entry["type"] == "aws:cdk:acknowledged-rules"
        for key in (entry["data"] if isinstance(entry["data"], dict) else ("",))
    ]
    assert len(reasons) > 20
    assert all(len(str(reason)) > 20 for reason in reasons)


def test_a_finding_nobody_acknowledged_fails_the_synth(tmp_path: Path) -> None:
    import aws_cdk as cdk
    from aws_cdk import aws_sqs as sqs

    app = build({}, str(tmp_path))
    stack = app.node.find_child("TalentFrames")
    assert isinstance(stack, cdk.Stack)
    sqs.Queue(stack, "Bare")
    with pytest.raises(RuntimeError, match="AwsSolutions-SQS3"):
        app.synth()
