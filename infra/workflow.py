"""The state machine: the order of the stages, what they hand one another, which failures are tried again.

Written as Amazon States Language itself, in JSONPath, so that what the console shows stands here word for word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.gpu import Gpu
from infra.log_groups import log_group
from infra.notifications import Database
from infra.settings import DeploymentSettings
from infra.stages import Stage
from infra.states.chunks import chunk_states
from infra.states.claim import claim_states
from infra.states.job import job_states
from infra.states.language import Places, State
from infra.states.requests import request_states
from infra.states.results import result_states
from infra.states.turns import turn_states
from infra.storage import Storage, acknowledge_wildcard

CHILDREN = (":*", "/*")
"""How the names of a map's runs and of their children go on after the machine's."""


class Workflow(Construct):
    """The state machine `Pipeline` with its role and log."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        stages: Mapping[str, Stage],
        storage: Storage,
        bus: events.IEventBus,
        gpu: Gpu | None,
        database: Database | None,
    ) -> None:
        super().__init__(scope, id)
        stack = cdk.Stack.of(self)
        # Under this prefix one policy serves all log groups; elsewhere each adds to one that has a limit.
        self.log = log_group(self, "Log", settings.log_days, name=f"/aws/vendedlogs/states/{settings.stack}-Pipeline")
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("states.amazonaws.com"))
        places = Places(
            partition=stack.partition,
            functions={name: stage.function.function_arn for name, stage in stages.items()},
            staging=storage.staging.bucket_name,
            source=storage.source.bucket_name,
            ledger=storage.ledger.table_name,
            bus=bus.event_bus_name,
            gpu_queue=gpu.queue.job_queue_arn if gpu else "",
            gpu_job=gpu.job.job_definition_arn if gpu else "",
            connection=database.connection.connection_arn if database else "",
        )
        self.machine = sfn.StateMachine(
            self,
            "StateMachine",
            # Not Stack.to_json_string: on its way to the CDK a null (ResultPath) gets lost.
            definition_body=sfn.DefinitionBody.from_string(json.dumps(definition(settings, places))),
            role=self.role,
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=self.log, level=sfn.LogLevel.ALL, include_execution_data=False),
        )
        element = self.machine.node.default_child
        assert isinstance(element, cdk.CfnResource)
        element.override_logical_id("Pipeline")
        self._let_work(settings.stack, stages, storage, bus, gpu, database)

    def _let_work(
        self,
        namespace: str,
        stages: Mapping[str, Stage],
        storage: Storage,
        bus: events.IEventBus,
        gpu: Gpu | None,
        database: Database | None,
    ) -> None:
        self._allow(["lambda:InvokeFunction"], *(stage.function.function_arn for stage in stages.values()))
        storage.let_read_staging(self.role, "runs/*/chunks.json")
        storage.let_use_ledger(self.role, "UpdateItem")
        self._allow(["events:PutEvents"], bus.event_bus_arn)
        if gpu:
            self._let_use_batch(gpu)
        if database:
            self._allow(["events:RetrieveConnectionCredentials"], database.connection.connection_arn)
            self._allow(
                ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
                database.connection.connection_secret_arn,
            )
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],
                conditions={"StringEquals": {"cloudwatch:namespace": namespace}},
            )
        )
        own = self._own_policy()
        acknowledge_wildcard(
            self.role, "*", "Log delivery, X-Ray, metrics and Batch's describing of jobs know no resources."
        )
        if database:
            own.add_statements(
                iam.PolicyStatement(
                    sid="AskDatabase",
                    actions=["states:InvokeHTTPEndpoint"],
                    resources=[self.machine.state_machine_arn],
                    conditions={
                        "StringEquals": {
                            "states:HTTPEndpoint": f"{database.url}/{database.table}",
                            "states:HTTPMethod": ["GET", "PATCH"],
                        }
                    },
                )
            )

    def _allow(self, actions: list[str], *resources: str) -> None:
        self.role.add_to_policy(iam.PolicyStatement(actions=actions, resources=list(resources)))

    def _let_use_batch(self, gpu: Gpu) -> None:
        self._allow(["batch:SubmitJob"], gpu.queue.job_queue_arn, gpu.job.job_definition_arn)
        self._allow(["batch:DescribeJobs"], "*")
        self._allow(
            ["batch:TerminateJob"], cdk.Stack.of(self).format_arn(service="batch", resource="job", resource_name="*")
        )
        acknowledge_wildcard(
            self.role,
            "arn:<AWS::Partition>:batch:<AWS::Region>:<AWS::AccountId>:job/*",
            "Jobs get their names later.",
        )

    def _own_policy(self) -> iam.Policy:
        """Lets the machine start and watch its map's children."""
        stack = cdk.Stack.of(self)
        # Of its own, as the machine waits for the role's other policy and this one names the machine.
        own = iam.Policy(self, "MachinePolicy")
        own.attach_to_role(self.role)
        own.add_statements(
            iam.PolicyStatement(
                sid="StartMapChildren", actions=["states:StartExecution"], resources=[self.machine.state_machine_arn]
            ),
            iam.PolicyStatement(
                sid="WatchMapChildren",
                actions=["states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"],
                # AWS Step Functions developer guide, "IAM policies for using Distributed Map states".
                resources=[
                    stack.format_arn(
                        service="states",
                        resource="execution",
                        resource_name=f"{self.machine.state_machine_name}{form}",
                        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                    )
                    for form in CHILDREN
                ],
            ),
        )
        for form in CHILDREN:
            executions = f"arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<Pipeline.Name>{form}"
            acknowledge_wildcard(own, executions, "A map's children get their names later.")
        return own


def definition(settings: DeploymentSettings, places: Places) -> State:
    """The machine in Amazon States Language."""
    by_map = "Detect"
    detect = "Route" if places.gpu_queue else by_map
    claimed = "Wait for a turn" if settings.runs_in_flight else detect
    states: dict[str, State] = {
        **request_states(settings, places, next="Note the execution"),
        **claim_states(settings, places, next=claimed),
        **(turn_states(settings, places, next=detect) if settings.runs_in_flight else {}),
        **(job_states(settings, places, fallback=by_map, next="Hold the claim") if places.gpu_queue else {}),
        **chunk_states(settings, places, next="Hold the claim"),
        **result_states(settings, places),
    }
    return {
        "Comment": "A video in, the best frame of everyone in it out.",
        "StartAt": "Who asks?",
        "TimeoutSeconds": settings.run_timeout_s,
        "States": states,
    }
