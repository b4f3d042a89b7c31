"""The stack: makes the constructs and hands each what it needs of the others. Owns no resource."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from infra.gpu import Gpu
from infra.image_parts import PACK_DIR
from infra.images import Images
from infra.monitoring import Monitoring
from infra.notifications import Database, Notifications, Recorder
from infra.packs import ChosenPack, UnknownModelPack, choose_pack
from infra.settings import STAGES, DeploymentSettings, WrongSetting
from infra.stages import Stage
from infra.states.language import TURNS
from infra.storage import Storage
from infra.triggers import Triggers
from infra.workflow import Workflow

CONSOLE = "console.aws.amazon.com"
CONSOLES = {"China": ("aws-cn", "console.amazonaws.cn"), "GovCloud": ("aws-us-gov", "console.amazonaws-us-gov.com")}
"""Partitions whose console has another host than CONSOLE, and that host."""

LEASE_SPARE_S = 300
"""A claim outlives the state machine's own time limit by so much."""


class PipelineStack(cdk.Stack):
    """Talent Frames in one account and region."""

    def __init__(
        self, scope: Construct, id: str, *, settings: DeploymentSettings, env: cdk.Environment | None = None
    ) -> None:
        super().__init__(
            scope, id, env=env, description="Talent Frames: a video in, the best frame of everyone in it out"
        )
        try:
            pack = choose_pack(settings.pack)
        except UnknownModelPack as error:
            raise WrongSetting(str(error)) from None
        if settings.queue and self.region.startswith("us-gov-"):
            raise WrongSetting("queue: EventBridge Pipes, which empties it, is not in GovCloud; set queue=false.")
        gallery = self._gallery(settings)
        storage = Storage(self, "Storage", settings=settings)
        database = Database(self, "Database", settings=settings) if settings.database_url else None
        notifications = Notifications(self, "Notifications", settings=settings, database=database)

        images = Images(self, "Images", settings=settings, pack=pack)
        environments = _environments(settings, storage, pack, gallery)
        stages = self._stages(settings, images, environments)
        _let_work(stages, storage, gallery)
        gpu = Gpu(self, "Gpu", settings=settings, storage=storage, images=images) if settings.gpu else None
        workflow = Workflow(
            self,
            "Workflow",
            settings=settings,
            stages=stages,
            storage=storage,
            bus=notifications.bus,
            gpu=gpu,
            database=database,
        )
        recorder = Recorder(
            self,
            "Recorder",
            settings=settings,
            machine=workflow.machine,
            storage=storage,
            bus=notifications.bus,
            turns_key=TURNS if settings.runs_in_flight else "",
        )
        triggers = Triggers(self, "Triggers", settings=settings, machine=workflow.machine, storage=storage)
        monitoring = Monitoring(
            self,
            "Monitoring",
            settings=settings,
            machine=workflow.machine,
            stages=stages,
            queue=triggers.queue,
            dead_letters=[
                notifications.dead_letters,
                *([notifications.webhook_letters] if notifications.webhook_letters else []),
                recorder.dead_letters,
                *triggers.dead_letters,
            ],
            gpu=gpu,
            api=triggers.api,
        )
        self._outputs(storage, notifications, workflow, triggers, monitoring, settings)

    def _stages(
        self, settings: DeploymentSettings, images: Images, environments: Mapping[str, Mapping[str, str]]
    ) -> dict[str, Stage]:
        return {
            name: Stage(
                self,
                name.capitalize(),
                name=name,
                settings=settings,
                images=images,
                environment=environments[name],
                reserved_concurrency=settings.reserved_detect_concurrency if name == "detect" else 0,
            )
            for name in STAGES
        }

    def _gallery(self, settings: DeploymentSettings) -> s3_assets.Asset | None:
        if not settings.gallery:
            return None
        path = Path(settings.gallery).expanduser()
        if not path.is_file():
            raise WrongSetting(f"gallery {settings.gallery!r}: there is no such file.")
        return s3_assets.Asset(self, "Gallery", path=str(path.resolve()))

    def _console_host(self) -> str:
        """Chosen where the stack is deployed: neither region nor partition need be known at synth."""
        host = CONSOLE
        for name, (partition, other) in CONSOLES.items():
            there = cdk.CfnCondition(
                self, f"In{name}", expression=cdk.Fn.condition_equals(cdk.Aws.PARTITION, partition)
            )
            host = cdk.Token.as_string(cdk.Fn.condition_if(there.logical_id, other, host))
        return host

    def _outputs(
        self,
        storage: Storage,
        notifications: Notifications,
        workflow: Workflow,
        triggers: Triggers,
        monitoring: Monitoring,
        settings: DeploymentSettings,
    ) -> None:
        machine = workflow.machine
        console = f"https://{self.region}.{self._console_host()}"
        outputs = {
            "SourceBucketName": storage.source.bucket_name,
            "StagingBucketName": storage.staging.bucket_name,
            "PublishedBucketName": storage.published.bucket_name,
            "LedgerName": storage.ledger.table_name,
            "PipelineArn": machine.state_machine_arn,
            "EventBusName": notifications.bus.event_bus_name,
            "PipelineConsole": f"{console}/states/home?region={self.region}#/statemachines/view/"
            f"{machine.state_machine_arn}",
            "DashboardConsole": f"{console}/cloudwatch/home?region={self.region}#dashboards/dashboard/"
            f"{monitoring.dashboard.dashboard_name}",
            "AlarmTopicArn": monitoring.topic.topic_arn,
            "AlarmsGoTo": settings.alarm_email or "nobody: set alarm_email, or subscribe to AlarmTopicArn",
        }
        if settings.source_prefix:
            outputs["SourcePrefix"] = settings.source_prefix
        if triggers.queue:
            outputs["QueueUrl"] = triggers.queue.queue_url
        if triggers.api:
            outputs["ApiUrl"] = triggers.api.url
        if notifications.topic:
            outputs["TopicArn"] = notifications.topic.topic_arn
        if settings.source_bucket:
            outputs["SourceBucketSwitch"] = (
                f"EventBridge must be switched on for {settings.source_bucket}: see docs/deploy.md, "
                "'A bucket you already have'"
            )
        for name, value in outputs.items():
            cdk.CfnOutput(self, name, value=value)


def _environments(
    settings: DeploymentSettings, storage: Storage, pack: ChosenPack, gallery: s3_assets.Asset | None
) -> dict[str, dict[str, str]]:
    """What each stage's function is told, beside what all are."""
    staging = {"STAGING_BUCKET": storage.staging.bucket_name}
    return {
        "split": {
            **staging,
            "LEDGER_TABLE": storage.ledger.table_name,
            "LEASE_S": str(settings.run_timeout_s + LEASE_SPARE_S),
            "PREFIX_TEMPLATE": settings.prefix_template,
            "PACK_FACTS": pack.facts.model_dump_json(),
            "DEFAULT_SETTINGS": settings.run.model_dump_json(exclude_defaults=True),
            **({"GALLERY_BUCKET": gallery.s3_bucket_name, "GALLERY_KEY": gallery.s3_object_key} if gallery else {}),
        },
        "detect": {**staging, "PACK_DIR": PACK_DIR},
        "cluster": staging,
        "publish": {
            **staging,
            "PUBLISHED_BUCKET": storage.published.bucket_name,
            "DEPLOYMENT": settings.deployment().model_dump_json(),
            "EVENT_URI_CAP": str(settings.event_uri_cap),
            "URL_EXPIRY_S": str(settings.url_expiry_s),
        },
    }


def _let_work(stages: Mapping[str, Stage], storage: Storage, gallery: s3_assets.Asset | None) -> None:
    """What each stage may read and write."""
    storage.let_read_source(stages["split"].role)
    storage.let_stage(stages["split"].role, "runs/", "galleries/")
    storage.let_use_ledger(stages["split"].role, "GetItem", "PutItem", "UpdateItem")
    if gallery:
        # Not grant_read: the assets' bucket holds more than this, and one action is enough.
        stages["split"].role.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject"], resources=[gallery.bucket.arn_for_objects(gallery.s3_object_key)]
            )
        )
    storage.let_read_source(stages["detect"].role)
    storage.let_stage(stages["detect"].role, "runs/")
    storage.let_stage(stages["cluster"].role, "runs/")
    storage.let_read_staging(stages["cluster"].role, "galleries/*")
    storage.let_read_staging(stages["publish"].role, "runs/*")
    storage.let_publish(stages["publish"].role)
