"""What is seen of the pipeline: a dashboard and alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.gpu import Gpu
from infra.settings import DeploymentSettings
from infra.stages import Stage

FIVE_MINUTES = cdk.Duration.minutes(5)

LAMBDA_USD_PER_GB_SECOND = {"x86_64": 0.0000166667, "arm64": 0.0000133334}
"""us-east-1, 2026-05-11; as in lambdas/publish/cost.py, whose estimate the dashboard's numbers check."""


class Monitoring(Construct):
    """Dashboard and alarms of one deployment."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: DeploymentSettings,
        machine: sfn.StateMachine,
        stages: Mapping[str, Stage],
        queue: sqs.Queue | None,
        dead_letters: Sequence[sqs.Queue],
        gpu: Gpu | None,
        api: apigateway.RestApi | None,
    ) -> None:
        super().__init__(scope, id)
        self.alarms: list[cloudwatch.Alarm] = []
        self.topic = self._topic(settings)
        self._action = actions.SnsAction(self.topic)
        self._run_alarms(settings.stack)
        self._stage_alarms(stages)
        for letters in dead_letters:
            self._alarm(
                f"{letters.node.scope.node.id}{letters.node.id}Alarm" if letters.node.scope else "DeadLettersAlarm",
                letters.metric_approximate_number_of_messages_visible(period=FIVE_MINUTES, statistic="Maximum"),
                "Something could not be delivered; the message lies in the dead-letter queue.",
            )
        if queue:
            self._alarm(
                "QueueAgeAlarm",
                queue.metric_approximate_age_of_oldest_message(period=FIVE_MINUTES, statistic="Maximum"),
                "Messages wait: the pipe does not take them.",
                threshold=settings.queue_age_alarm_s,
            )
        if api:
            self._api_alarm(api)
        if gpu:
            self._gpu_alarm(gpu)
        if settings.budget_usd:
            self._budget(settings)
        self.dashboard = self._dashboard(settings, machine, stages, queue)

    def _topic(self, settings: DeploymentSettings) -> sns.Topic:
        topic = sns.Topic(self, "Alarms", enforce_ssl=True)
        # A policy of one's own replaces the one by which CloudWatch could publish.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LetAlarmsPublish",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        if settings.alarm_email:
            topic.add_subscription(subscriptions.EmailSubscription(settings.alarm_email))
        return topic

    def _alarm(self, id: str, metric: cloudwatch.IMetric, description: str, threshold: float = 0) -> None:
        alarm = cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            alarm_description=description,
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(self._action)
        self.alarms.append(alarm)

    def _run_alarms(self, namespace: str) -> None:
        # By the recorder, which tells by a failure's name whether the video is to blame. It writes no other dimension.
        self._alarm(
            "BrokenRunsAlarm",
            cloudwatch.Metric(namespace=namespace, metric_name="BrokenRuns", period=FIVE_MINUTES, statistic="Sum"),
            "A run failed or timed out, and not for its video; the ledger and a Video Failed event say why.",
        )

    def _api_alarm(self, api: apigateway.RestApi) -> None:
        self._alarm(
            "ApiServerErrorsAlarm",
            api.metric_server_error(period=FIVE_MINUTES, statistic="Sum"),
            "The API answers with errors of its own: an integration's role, or the service behind it.",
            # One may be a hiccup that a caller tries again.
            threshold=2,
        )

    def _stage_alarms(self, stages: Mapping[str, Stage]) -> None:
        for name, stage in stages.items():
            self._alarm(
                f"{name.capitalize()}ThrottlesAlarm",
                stage.function.metric_throttles(period=FIVE_MINUTES, statistic="Sum"),
                f"{name} is refused for want of concurrent executions; runs wait. Raise the account's quota.",
                # A map that starts beside another is throttled a little; minutes of it are a shortage.
                threshold=50,
            )

    def _budget(self, settings: DeploymentSettings) -> None:
        """Counts what bears the stack's tag, once `stack` is an active cost allocation tag of the account."""
        address = budgets.CfnBudget.SubscriberProperty(address=settings.alarm_email, subscription_type="EMAIL")
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=settings.budget_usd, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:stack${settings.tags['stack']}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN", notification_type=kind, threshold=percent
                    ),
                    subscribers=[address],
                )
                for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        )

    def _gpu_alarm(self, gpu: Gpu) -> None:
        """Batch has no metric for jobs that can't start, but sends an event when they block a queue."""
        rule = events.Rule(
            self,
            "GpuQueueBlocked",
            description="Jobs at the head of the GPU queue find no machine",
            event_pattern=events.EventPattern(
                source=["aws.batch"],
                detail_type=["Batch Job Queue Blocked"],
                resources=[gpu.queue.job_queue_arn],
            ),
            targets=[targets.SnsTopic(self.topic)],
        )
        self._alarm(
            "GpuQueueBlockedAlarm",
            cloudwatch.Metric(
                namespace="AWS/Events",
                metric_name="MatchedEvents",
                dimensions_map={"RuleName": rule.rule_name},
                period=FIVE_MINUTES,
                statistic="Sum",
            ),
            "The GPU queue is stuck: no capacity, or the account's quota of GPU vCPUs is 0. Runs go on in Lambda.",
        )

    def _dashboard(
        self,
        settings: DeploymentSettings,
        machine: sfn.StateMachine,
        stages: Mapping[str, Stage],
        queue: sqs.Queue | None,
    ) -> cloudwatch.Dashboard:
        dashboard = cloudwatch.Dashboard(self, "Dashboard", default_interval=cdk.Duration.days(7))
        dashboard.add_widgets(*_run_widgets(machine, stages["detect"].function))
        dashboard.add_widgets(*_stage_widgets(stages))
        dashboard.add_widgets(*_cost_widgets(settings, stages))
        if queue:
            dashboard.add_widgets(
                cloudwatch.GraphWidget(
                    title="Queue",
                    width=12,
                    left=[queue.metric_approximate_number_of_messages_visible()],
                    right=[queue.metric_approximate_age_of_oldest_message()],
                )
            )
        return dashboard


def _run_widgets(machine: sfn.StateMachine, detect: lambda_.IFunction) -> list[cloudwatch.IWidget]:
    return [
        cloudwatch.GraphWidget(
            title="Runs",
            width=8,
            left=[
                machine.metric_started(statistic="Sum"),
                machine.metric_succeeded(statistic="Sum"),
                machine.metric_failed(statistic="Sum"),
                machine.metric_timed_out(statistic="Sum"),
                machine.metric_aborted(statistic="Sum"),
            ],
        ),
        cloudwatch.GraphWidget(
            title="Time of a run",
            width=8,
            left=[machine.metric_time(statistic="p50"), machine.metric_time(statistic="p99")],
        ),
        cloudwatch.GraphWidget(
            title="Detect workers at once",
            width=8,
            left=[detect.metric("ConcurrentExecutions", statistic="Maximum", period=cdk.Duration.minutes(1))],
            right=[detect.metric_throttles(statistic="Sum")],
        ),
    ]


def _stage_widgets(stages: Mapping[str, Stage]) -> list[cloudwatch.IWidget]:
    functions = {name: stage.function for name, stage in stages.items()}
    return [
        cloudwatch.GraphWidget(
            title="Time of a stage (median)",
            width=12,
            left=[function.metric_duration(statistic="p50", label=name) for name, function in functions.items()],
        ),
        cloudwatch.GraphWidget(
            title="Errors of a stage",
            width=12,
            left=[function.metric_errors(statistic="Sum", label=name) for name, function in functions.items()],
        ),
    ]


def _cost_widgets(settings: DeploymentSettings, stages: Mapping[str, Stage]) -> list[cloudwatch.IWidget]:
    price = LAMBDA_USD_PER_GB_SECOND[settings.architecture]
    logs_of = [stage.log.log_group_name for stage in stages.values()]
    day = cdk.Duration.days(1)
    cost, seconds = (
        cloudwatch.Metric(namespace=settings.stack, metric_name=name, period=day, statistic="Sum")
        for name in ("Cost", "VideoSeconds")
    )
    return [
        cloudwatch.LogQueryWidget(
            title="Lambda, by the functions' own reports: cold and warm",
            width=12,
            view=cloudwatch.LogQueryVisualizationType.TABLE,
            log_group_names=logs_of,
            query_lines=[
                'filter @type = "REPORT"',
                "fields ispresent(@initDuration) as cold, @log as stage",
                "stats count(*) as calls, sum(@billedDuration) / 1000 as seconds, "
                "avg(@maxMemoryUsed / 1000000) as mean_mb, "
                f"sum(@billedDuration / 1000 * @memorySize / 1000000 / 1024) * {price:.10f} as usd by stage, cold",
            ],
        ),
        cloudwatch.GraphWidget(
            title="Cost, as the manifests estimate it (USD)",
            width=12,
            left=[
                cost.with_(statistic="Average", label="a video"),
                cloudwatch.MathExpression(
                    expression="3600 * cost / seconds",
                    using_metrics={"cost": cost, "seconds": seconds},
                    period=day,
                    label="an hour of video",
                ),
            ],
            right=[cost.with_(statistic="Sum", label="all")],
        ),
    ]
