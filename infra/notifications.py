"""What is told when a run ends: events, a webhook, a topic, the user's database, and the recorder of failures."""

from __future__ import annotations

import json
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_eventschemas as eventschemas
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.log_groups import log_group
from infra.settings import DeploymentSettings
from infra.states.results import EVENT_SOURCE
from infra.storage import Storage, acknowledge_wildcard
from infra.zip_function import zip_function

ROOT = Path(__file__).parent.parent

PROCESSED = "Video Processed"
FAILED = "Video Failed"

DELIVERY_HOURS = 24
"""EventBridge tries a receiver again for so long; then the event goes to the dead letters."""
DELIVERY_ATTEMPTS = 185
WEBHOOK_PAUSE_MINUTES = 10
"""Between two tries of the function that signs."""
SWEEP_MINUTES = 10
"""A turn whose run ended without a word is free again after so long."""
MAP_RUNS = (("execution", ":*"), ("execution", "/*"), ("mapRun", "/*"))
"""Kind of resource, and how its name goes on after the machine's: an execution, a map's child, a map's run."""


def dead_letters(scope: Construct, id: str, logical_id: str) -> sqs.Queue:
    """A queue for what could not be delivered, kept for the 14 days SQS allows."""
    queue = sqs.Queue(
        scope,
        id,
        retention_period=cdk.Duration.days(14),
        encryption=sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
    )
    element = queue.node.default_child
    assert isinstance(element, cdk.CfnResource)
    element.override_logical_id(logical_id)
    cdk.Validations.of(queue).acknowledge(
        cdk.Acknowledgment(id="AwsSolutions-SQS3", reason="It is the dead-letter queue.")
    )
    return queue


class Database(Construct):
    """The connection to a PostgREST (Supabase) database: its key stays in Secrets Manager and EventBridge."""

    def __init__(self, scope: Construct, id: str, *, settings: DeploymentSettings) -> None:
        super().__init__(scope, id)
        self.url = settings.database_url.rstrip("/")
        self.table = settings.database_table
        key = cdk.SecretValue.secrets_manager(settings.database_secret)
        self.connection = events.Connection(
            self,
            "Connection",
            description="Talent Frames: status of videos",
            # Supabase wants the key twice: as `apikey` for its gateway, as a bearer token for PostgREST.
            authorization=events.Authorization.api_key("apikey", key),
            header_parameters={
                "Authorization": events.HttpParameter.from_secret(
                    cdk.SecretValue.unsafe_plain_text(f"Bearer {key.unsafe_unwrap()}")
                )
            },
        )


class Notifications(Construct):
    """The bus with what listens to it."""

    def __init__(self, scope: Construct, id: str, *, settings: DeploymentSettings, database: Database | None) -> None:
        super().__init__(scope, id)
        self.bus: events.IEventBus = (
            events.EventBus(self, "Bus", event_bus_name=f"{settings.stack}-events")
            if settings.event_bus == "own"
            else events.EventBus.from_event_bus_name(self, "Bus", "default")
        )
        self.dead_letters = dead_letters(self, "DeadLetters", "NotificationDeadLetters")
        self.topic = self._topic() if settings.topic else None
        self.webhook_letters: sqs.Queue | None = None
        if settings.webhook_signing_secret:
            self._signed_webhook(settings)
        elif settings.webhook_url:
            self._webhook(settings)
        if settings.event_schemas:
            self._schemas(settings)
        if database:
            self._errors_into(database, settings)

    def _rule(self, id: str, description: str, detail_types: list[str]) -> events.Rule:
        return events.Rule(
            self,
            id,
            description=description,
            event_bus=self.bus,
            event_pattern=events.EventPattern(source=[EVENT_SOURCE], detail_type=detail_types),
        )

    def _webhook(self, settings: DeploymentSettings) -> None:
        destination = events.ApiDestination(
            self,
            "Webhook",
            description="Talent Frames: finished and failed videos",
            connection=events.Connection(
                self,
                "WebhookConnection",
                authorization=events.Authorization.api_key(
                    settings.webhook_header, cdk.SecretValue.secrets_manager(settings.webhook_secret)
                ),
            ),
            endpoint=settings.webhook_url,
            http_method=events.HttpMethod.POST,
            rate_limit_per_second=settings.webhook_rate_per_s,
        )
        self._rule("WebhookRule", "Tells the webhook", [PROCESSED, FAILED]).add_target(
            targets.ApiDestination(
                destination,
                dead_letter_queue=self.dead_letters,
                max_event_age=cdk.Duration.hours(DELIVERY_HOURS),
                retry_attempts=DELIVERY_ATTEMPTS,
            )
        )

    def _signed_webhook(self, settings: DeploymentSettings) -> None:
        """Events wait in a queue until a function could tell the webhook."""
        self.webhook_letters = dead_letters(self, "WebhookLetters", "WebhookDeadLetters")
        queue = sqs.Queue(
            self,
            "WebhookQueue",
            visibility_timeout=cdk.Duration.minutes(WEBHOOK_PAUSE_MINUTES),
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.webhook_letters, max_receive_count=DELIVERY_HOURS * 60 // WEBHOOK_PAUSE_MINUTES
            ),
        )
        log = log_group(self, "WebhookLog", settings.log_days)
        role = iam.Role(self, "WebhookRole", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log.grant_write(role)
        function = zip_function(
            self,
            "WebhookFunction",
            room="webhook",
            description="signs and sends events to the webhook",
            role=role,
            log=log,
            logical_id="WebhookFunction",
            tracing=lambda_.Tracing.ACTIVE,
            environment={
                "WEBHOOK_URL": settings.webhook_url,
                "WEBHOOK_HEADER": settings.webhook_header,
                "WEBHOOK_SECRET": settings.webhook_secret,
                "SIGNING_SECRET": settings.webhook_signing_secret,
            },
        )
        stack = cdk.Stack.of(self)
        for name in dict.fromkeys((settings.webhook_secret, settings.webhook_signing_secret)):
            role.add_to_policy(
                iam.PolicyStatement(
                    actions=["secretsmanager:GetSecretValue"],
                    # Secrets Manager puts six characters behind a name.
                    resources=[
                        stack.format_arn(
                            service="secretsmanager",
                            resource="secret",
                            resource_name=f"{name}-??????",
                            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                        )
                    ],
                )
            )
        acknowledge_wildcard(role, "*", "X-Ray's PutTraceSegments and PutTelemetryRecords know no resources.")
        function.add_event_source(
            sources.SqsEventSource(queue, batch_size=1, max_concurrency=max(2, settings.webhook_rate_per_s))
        )
        self._rule("WebhookRule", "Tells the webhook", [PROCESSED, FAILED]).add_target(
            targets.SqsQueue(queue, dead_letter_queue=self.dead_letters)
        )

    def _schemas(self, settings: DeploymentSettings) -> None:
        registry = eventschemas.CfnRegistry(
            self, "Schemas", registry_name=settings.stack, description="Events of Talent Frames"
        )
        for kind, file in ((PROCESSED, "event-processed"), (FAILED, "event-failed")):
            name = kind.replace(" ", "")
            eventschemas.CfnSchema(
                self,
                name,
                registry_name=registry.attr_registry_name,
                schema_name=f"{EVENT_SOURCE}@{name}",
                type="JSONSchemaDraft4",
                content=json.dumps(json.loads((ROOT / "docs" / f"{file}.schema.json").read_text())),
            )

    def _topic(self) -> sns.Topic:
        topic = sns.Topic(self, "Topic", enforce_ssl=True)
        self._rule("TopicRule", "Tells the topic", [PROCESSED, FAILED]).add_target(
            targets.SnsTopic(topic, dead_letter_queue=self.dead_letters)
        )
        return topic

    def _errors_into(self, database: Database, settings: DeploymentSettings) -> None:
        destination = events.ApiDestination(
            self,
            "ErrorsTable",
            connection=database.connection,
            endpoint=f"{database.url}/{settings.database_errors_table}",
            http_method=events.HttpMethod.POST,
        )
        self._rule("ErrorsRule", "Writes failures into the database", [FAILED]).add_target(
            targets.ApiDestination(
                destination,
                dead_letter_queue=self.dead_letters,
                max_event_age=cdk.Duration.hours(DELIVERY_HOURS),
                retry_attempts=DELIVERY_ATTEMPTS,
                event=events.RuleTargetInput.from_object(
                    {
                        field: events.EventField.from_path(f"$.detail.{field}")
                        for field in ("video", "run_id", "execution_arn", "error", "cause", "stage")
                    }
                ),
            )
        )


class Recorder(Construct):
    """Writes down how runs ended, and says on the bus which failed, timed out or were stopped."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        machine: sfn.StateMachine,
        storage: Storage,
        bus: events.IEventBus,
        turns_key: str,
    ) -> None:
        super().__init__(scope, id)
        self.log = log_group(self, "Log", settings.log_days)
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.log.grant_write(self.role)
        self.dead_letters = dead_letters(self, "DeadLetters", "RecorderDeadLetters")
        self.function = zip_function(
            self,
            "Function",
            room="recorder",
            description="records how runs ended",
            role=self.role,
            log=self.log,
            modules=("errors.py",),
            logical_id="RecorderFunction",
            tracing=lambda_.Tracing.ACTIVE,
            dead_letter_queue=self.dead_letters,
            environment={
                "LEDGER_TABLE": storage.ledger.table_name,
                "STAGING_BUCKET": storage.staging.bucket_name,
                "EVENT_BUS": bus.event_bus_name,
                "EVENT_SOURCE": EVENT_SOURCE,
                "METRICS_NAMESPACE": settings.stack,
                **({"TURNS_KEY": turns_key} if turns_key else {}),
                "LOG_LEVEL": settings.log_level,
            },
        )
        storage.let_use_ledger(self.role, "GetItem", "UpdateItem")
        storage.let_read_staging(self.role, "runs/*/failures/*", "runs/*/batch_error.json")
        self.role.add_to_policy(iam.PolicyStatement(actions=["events:PutEvents"], resources=[bus.event_bus_arn]))
        self._let_read_executions(machine)
        acknowledge_wildcard(self.role, "*", "X-Ray's PutTraceSegments and PutTelemetryRecords know no resources.")
        if turns_key:
            self._sweep()
        self._on_end(machine)

    def _let_read_executions(self, machine: sfn.StateMachine) -> None:
        stack = cdk.Stack.of(self)
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["states:DescribeExecution", "states:GetExecutionHistory"],
                resources=[
                    stack.format_arn(
                        service="states",
                        resource="execution",
                        resource_name=f"{machine.state_machine_name}:*",
                        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                    )
                ],
            )
        )
        # What a map's children died of: its own error does not say it.
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["states:ListMapRuns", "states:ListExecutions", "states:DescribeExecution"],
                resources=[
                    stack.format_arn(
                        service="states",
                        resource=kind,
                        resource_name=f"{machine.state_machine_name}{form}",
                        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                    )
                    for kind, form in MAP_RUNS
                ],
            )
        )
        for kind, form in MAP_RUNS[1:]:
            acknowledge_wildcard(
                self.role,
                f"arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:{kind}:<Pipeline.Name>{form}",
                "A map's runs and children get their names later.",
            )
        executions = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<Pipeline.Name>:*"
        acknowledge_wildcard(self.role, executions, "Executions get their names later.")

    def _sweep(self) -> None:
        events.Rule(
            self,
            "Sweep",
            description="Takes back the turns of runs whose end was not told",
            schedule=events.Schedule.rate(cdk.Duration.minutes(SWEEP_MINUTES)),
            targets=[
                targets.LambdaFunction(
                    self.function,
                    event=events.RuleTargetInput.from_object({"sweep": True}),
                    dead_letter_queue=self.dead_letters,
                )
            ],
        )

    def _on_end(self, machine: sfn.StateMachine) -> None:
        events.Rule(
            self,
            "Rule",
            description="Runs that ended",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "stateMachineArn": [machine.state_machine_arn],
                    "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
                },
            ),
            targets=[targets.LambdaFunction(self.function, dead_letter_queue=self.dead_letters, retry_attempts=20)],
        )
