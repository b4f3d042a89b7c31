"""Every choice a deployment can make, typed and checked; a wrong value is one sentence. Pure: no files."""

from __future__ import annotations

import json
import platform
import re
import string
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lambdas.contracts import Deployment, first_problem
from lambdas.contracts import Settings as RunSettings
from lambdas.errors import InvalidSettings

LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
"""Retention periods CloudWatch Logs knows."""

DIGEST = (
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.(com\.cn|com|eu)"
    r"/(?P<name>[a-z0-9][a-z0-9/_.-]{0,254})@(?P<digest>sha256:[0-9a-f]{64})"
)
"""An image in ECR by its digest: what is deployed can't change behind one's back."""


class WrongSetting(Exception):
    """A context value is unknown or outside its range; the text is one sentence."""


def _from_text(value: Any) -> Any:
    """`-c key=value` on the command line gives text: a list or an object is written there as JSON."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"is no JSON ({error.msg})") from error
        except RecursionError:
            raise ValueError("is nested too deeply") from None
    return value


def _known_log_days(days: int) -> int:
    if days not in LOG_DAYS:
        raise ValueError(f"CloudWatch keeps logs for one of {', '.join(map(str, LOG_DAYS))} days")
    return days


LogDays = Annotated[int, AfterValidator(_known_log_days)]
MemoryMib = Annotated[int, Field(ge=128, le=10_240)]
TimeoutS = Annotated[int, Field(ge=3, le=900)]
TmpMib = Annotated[int, Field(ge=512, le=10_240)]
BucketName = Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$")]
HttpsUrl = Annotated[str, Field(pattern=r"^(https://[^\s/?#]+(/[^\s?#]*)?)?$")]
STAGES = ("split", "detect", "cluster", "publish")
"""In the order they run."""
_PRICED = Deployment()
"""Defaults that decide what a run costs stand in the contract, beside the prices they are reckoned with."""
ImageName = Literal["split", "detect", "cluster", "publish", "detect_gpu"]
SecretName = Annotated[str, Field(pattern=r"^[A-Za-z0-9/_+=.@-]{0,512}$")]
"""A name in Secrets Manager, never the secret itself."""


def native_architecture(build: str) -> Literal["x86_64", "arm64"]:
    """What is built without emulation, as Lambda names it: this machine's own, and in the account the cheaper one."""
    if build == "codebuild":
        return "arm64"
    return "arm64" if platform.machine().lower() in ("arm64", "aarch64") else "x86_64"


class DeploymentSettings(BaseModel):
    """One deployment. The names are the keys of cdk.json's context and of `cdk deploy -c name=value`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tags: Annotated[dict[str, str], BeforeValidator(_from_text), Field(max_length=40)] = {}
    """Of everything in the stack that takes tags, for the bill and for rules of one's own."""
    budget_usd: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """A month's budget; alarm_email hears at 80% and when it is forecast to be passed. 0 for none."""
    stack: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9-]{0,59}$")] = "TalentFrames"

    # storage
    source_bucket: BucketName = ""
    """An existing bucket to take videos from; empty makes one."""
    source_bucket_key: str = ""
    """ARN of the KMS key an existing source bucket is encrypted with, if a customer's."""
    source_prefix: Annotated[str, Field(pattern=r"^[^*?\\]{0,512}$")] = ""
    """Only uploads under this prefix start a run."""
    source_suffixes: Annotated[
        list[Annotated[str, Field(pattern=r"^\.[A-Za-z0-9]{1,8}$")]],
        BeforeValidator(_from_text),
        Field(min_length=1, max_length=20),
    ] = [".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".flv", ".mxf"]
    """Only uploads that end so start a run, upper or lower case. Without it the sidecar JSON of a video would."""
    published_bucket: BucketName = ""
    """An existing bucket to publish into, as the one an earlier stack left; empty makes one."""
    published_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    """Published frames are deleted after so many days; 0 keeps them for ever, though faces are biometric data."""
    ledger_table: Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]{3,255})?$")] = ""
    """The ledger an earlier stack left; empty makes one."""
    staging_days: Annotated[int, Field(ge=1, le=365)] = _PRICED.staging_days
    """Staging holds faces and embeddings, biometric data: no longer than repeating a run can need it."""
    access_logs: bool = True
    access_log_days: Annotated[int, Field(ge=1, le=3650)] = 90
    customer_key: Annotated[str, Field(pattern=r"^(own|arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+)?$")] = ""
    """Encrypts buckets and ledger: empty for AWS's keys, `own` for a key of this stack, or a KMS key's ARN."""
    keep_data: bool = True
    """Whether source, published frames and ledger outlive the stack."""

    # functions
    build: Literal["here", "codebuild"] = "here"
    """Where the images are built: by this machine's Docker, or in the account."""
    images: Annotated[
        dict[ImageName, Annotated[str, Field(pattern=f"^{DIGEST}$")]],
        BeforeValidator(_from_text),
    ] = {}
    """Images taken from a registry (ECR) by digest instead of being built."""
    architecture: Annotated[
        Literal["x86_64", "arm64"], Field(default_factory=lambda chosen: native_architecture(chosen["build"]))
    ]
    """By default that of the machine which builds the images: the other one is emulated there, slowly or not at all.
    CodeBuild has both. arm64 costs a fifth less a second."""
    split_memory_mib: MemoryMib = _PRICED.memory_mib["split"]
    """It reads indexes and copies streams: network-bound."""
    detect_memory_mib: MemoryMib = _PRICED.memory_mib["detect"]
    """One whole vCPU, all that a worker uses; 4K takes 1.2 GB."""
    cluster_memory_mib: MemoryMib = _PRICED.memory_mib["cluster"]
    """Embeddings and their distances of 20,000 tracks, beyond which they are reduced by chunk first."""
    publish_memory_mib: MemoryMib = _PRICED.memory_mib["publish"]
    """One whole vCPU (AWS Lambda developer guide) to encode JPEGs."""
    split_timeout_s: TimeoutS = 900
    """Containers that can't be read by range are read twice and copied once."""
    detect_timeout_s: TimeoutS = 900
    """A chunk of 60 s takes about its own length; the rest is for 4K at 60 frames a second."""
    cluster_timeout_s: TimeoutS = 600
    publish_timeout_s: TimeoutS = 600
    split_tmp_mib: TmpMib = _PRICED.tmp_mib["split"]
    """Of a video whose container has no index it holds a few chunks at a time, or all of a GOP that is longer;
    $0.000003 of a run that needs none."""
    detect_tmp_mib: TmpMib = _PRICED.tmp_mib["detect"]
    cluster_tmp_mib: TmpMib = _PRICED.tmp_mib["cluster"]
    publish_tmp_mib: TmpMib = _PRICED.tmp_mib["publish"]
    s3_attempts: Annotated[int, Field(ge=1, le=20)] = 8
    """Tries of one AWS request; the SDK's 3 are few where hundreds of workers start at once."""
    s3_connect_timeout_s: Annotated[int, Field(ge=1, le=60)] = 5
    s3_read_timeout_s: Annotated[int, Field(ge=1, le=300)] = 30
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_days: LogDays = 30
    reserved_detect_concurrency: Annotated[int, Field(ge=0, le=10_000)] = 0
    """0 reserves nothing: a new account has 10 concurrent executions in all and refuses any reservation."""

    # the run
    pack: str = "open"
    """A model pack by name, or the path of a pack's directory; baked into detect's image."""
    gallery: str = ""
    """Path of a gallery.npz on this machine; uploaded with the stack."""
    run: Annotated[RunSettings, BeforeValidator(lambda value: _run_settings(value))] = RunSettings()
    """Settings of every run, as JSON: what a request or a sidecar doesn't say."""
    map_concurrency: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Detect workers of one run at once: a new account has 10 concurrent executions, two are left for the rest."""
    runs_in_flight: Annotated[int, Field(ge=0, le=1000)] = 0
    """Runs that may detect at once, the others wait; 0 for no limit (throttled calls wait and try again)."""
    run_timeout_s: Annotated[int, Field(ge=600, le=604_800)] = 21_600
    """Of the whole state machine. The claim on a video is let go 5 minutes later."""
    event_uri_cap: Annotated[int, Field(ge=0, le=500)] = 50
    """Frames listed in the event; an event holds 256 KB at most, the manifest lists all."""
    prefix_template: Annotated[str, Field(pattern=r"^[^*\\\\]{1,200}$")] = "{key}/{run_id}/"
    """Folder of a run in the published bucket; `/` for its top, where the file names tell videos apart themselves."""
    url_expiry_s: Annotated[int, Field(ge=0, le=43_200)] = 0
    """Signed URLs in the event live so long; 0 signs none. They die earlier with publish's role session."""

    # gpu
    gpu: bool = False
    gpu_from_s: Annotated[int, Field(ge=0)] = 10_800
    """Videos of this length and longer go to the GPU: a job waits minutes for its machine, and from about here on is
    cheaper than functions with `open` and larger networks (docs/cost.md)."""
    gpu_families: Annotated[
        list[Literal["g4dn", "g5", "g6"]], BeforeValidator(_from_text), Field(min_length=1, max_length=3)
    ] = ["g4dn", "g5", "g6"]
    gpu_spot: bool = _PRICED.gpu_spot
    """Spot first; on-demand machines stand behind it either way."""
    gpu_max_vcpus: Annotated[int, Field(ge=4, le=2560)] = 16
    """Four xlarge machines; a new account's quota is 0 until asked for."""
    gpu_decoder: Literal["nvdec", "cpu"] = "nvdec"
    """What decodes the video there: four vCPUs decode far slower than the GPU finds faces."""
    gpu_wait_s: Annotated[int, Field(ge=600, le=86_400)] = 900
    """A job without a machine for so long is cancelled and the run goes to Lambda (Batch's least is 600)."""
    gpu_job_timeout_s: Annotated[int, Field(ge=600, le=86_400)] = 7200
    gpu_memory_mib: Annotated[int, Field(ge=2048, le=786_432)] = 14_336
    """An xlarge machine has 16 GiB, of which the agent and the system keep some."""
    gpu_vcpus: Annotated[int, Field(ge=1, le=192)] = 4

    # triggers
    on_upload: bool = True
    queue: bool = True
    key_template: str = "{platform}/{shortcode}/video.mp4"
    """Where the video of a message `{"platform", "shortcode"}` lies in the source bucket."""
    queue_tries: Annotated[int, Field(ge=1, le=100)] = 5
    api: bool = True
    api_auth: Literal["iam", "api_key"] = "iam"
    api_rate_per_s: Annotated[float, Field(gt=0, le=1000)] = 5
    api_burst: Annotated[int, Field(ge=1, le=1000)] = 10
    api_month_quota: Annotated[int, Field(ge=1, le=10_000_000)] = 10_000
    """Requests a month of an API key's usage plan."""

    # completion
    event_bus: Literal["default", "own"] = "default"
    event_schemas: bool = False
    """Puts the events' schemas into EventBridge's schema registry."""
    webhook_url: HttpsUrl = ""
    webhook_secret: SecretName = ""
    """Secrets Manager's name of what the webhook gets in `webhook_header`."""
    webhook_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] = "X-Webhook-Secret"
    webhook_signing_secret: SecretName = ""
    """Secrets Manager's name of the key by which a function signs what the webhook gets; empty signs nothing."""
    webhook_rate_per_s: Annotated[int, Field(ge=1, le=300)] = 10
    topic: bool = False
    """An SNS topic that gets the events too."""

    # a status database of the user's
    database_url: HttpsUrl = ""
    """PostgREST root, at Supabase `https://<project>.supabase.co/rest/v1`; empty for none."""
    database_secret: SecretName = ""
    """Secrets Manager's name of the service key."""
    database_table: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")] = "videos"
    database_column: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")] = "shortcode"
    """Finds a video's row; it holds the field of that name in `key_template`."""
    database_count_column: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")] = "frame_count"
    database_errors_table: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")] = "extraction_errors"

    # eyes
    alarm_email: Annotated[str, Field(pattern=r"^([^@\s]+@[^@\s]+\.[^@\s]+)?$")] = ""
    queue_age_alarm_s: Annotated[int, Field(ge=60)] = 3600

    @model_validator(mode="after")
    def _together(self) -> Self:
        fields = template_fields(self.key_template)
        if set(fields) != {"platform", "shortcode"} or len(fields) != 2:
            raise ValueError(f"key_template {self.key_template!r}: needs {{platform}} and {{shortcode}}, once each")
        if re.search(r"[*?\\'\"]", self.key_template) or self.key_template.startswith("/"):
            raise ValueError(f"key_template {self.key_template!r}: no slash in front, no quotes, stars or backslashes")
        if self.webhook_url and not self.webhook_secret:
            raise ValueError("webhook_url: needs webhook_secret, the name of a secret in Secrets Manager")
        if self.webhook_signing_secret and not self.webhook_url:
            raise ValueError("webhook_signing_secret: needs webhook_url")
        if self.budget_usd and not self.alarm_email:
            raise ValueError("budget_usd: needs alarm_email, who is told")
        if self.budget_usd and "stack" not in self.tags:
            raise ValueError('budget_usd: needs tags to hold "stack", by which the bill is told apart')
        if self.database_url and not self.database_secret:
            raise ValueError("database_url: needs database_secret, the name of a secret in Secrets Manager")
        if self.database_url and f"{{{self.database_column}}}" not in self.key_template.split("/"):
            raise ValueError(
                f"database_column {self.database_column!r}: key_template {self.key_template!r} has no folder "
                f"{{{self.database_column}}} to take it from"
            )
        if self.published_days and self.published_bucket:
            raise ValueError("published_days: the rules of an existing published_bucket are its owner's to set")
        if self.source_bucket_key and not self.source_bucket:
            raise ValueError("source_bucket_key: only an existing source_bucket has one")
        shared = "{run_id}" not in self.prefix_template and "{key}" not in self.prefix_template
        for kind, template in self.run.keys.model_dump().items() if shared else ():
            if "{stem}" not in template and "{dirname}" not in template:
                raise ValueError(
                    f"prefix_template {self.prefix_template!r}: the videos share it, so run.keys.{kind} {template!r} "
                    "needs {stem} or {dirname}"
                )
        longest = max(self.split_timeout_s, self.detect_timeout_s, self.cluster_timeout_s, self.publish_timeout_s)
        if self.run_timeout_s <= longest:
            raise ValueError(f"run_timeout_s {self.run_timeout_s}: a single stage may take {longest} s")
        if self.gpu and self.run_timeout_s <= self.gpu_wait_s + self.gpu_job_timeout_s:
            raise ValueError(
                f"run_timeout_s {self.run_timeout_s}: the GPU alone may take gpu_wait_s + gpu_job_timeout_s = "
                f"{self.gpu_wait_s + self.gpu_job_timeout_s} s"
            )
        return self

    def memory_mib(self, stage: str) -> int:
        return int(getattr(self, f"{stage}_memory_mib"))

    def timeout_s(self, stage: str) -> int:
        return int(getattr(self, f"{stage}_timeout_s"))

    def tmp_mib(self, stage: str) -> int:
        return int(getattr(self, f"{stage}_tmp_mib"))

    def deployment(self) -> Deployment:
        """What decides about a run's cost, for publish to reckon by."""
        return Deployment(
            architecture=self.architecture,
            memory_mib={stage: self.memory_mib(stage) for stage in STAGES},
            tmp_mib={stage: self.tmp_mib(stage) for stage in STAGES},
            staging_days=self.staging_days,
            # The smallest machine of a family that a job fits into has four vCPUs.
            gpu_machine=f"{self.gpu_families[0]}.xlarge",
            gpu_spot=self.gpu_spot,
        )


def from_context(context: Mapping[str, Any]) -> DeploymentSettings:
    """The settings among the CDK context's keys; those of the CDK itself (`@aws-cdk/...`, `aws:cdk:...`) are left out.

    Raises WrongSetting, one sentence that names the key.
    """
    ours = {key: value for key, value in context.items() if not re.match(r"@|aws:|cdk|availability-zones:", key)}
    try:
        return DeploymentSettings.model_validate(ours)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = first_problem(error)
        if first["type"] == "extra_forbidden":
            what = f"{first['loc'][0]}: there is no such setting (infra/settings.py lists them)"
        raise WrongSetting(f"{what}, got {first['input']!r}." if first["loc"] else f"{what}.") from None


def template_fields(template: str) -> list[str]:
    """Names between braces, in order; ValueError for anything but plain `{name}`."""
    fields = []
    try:
        for _, field, specification, conversion in string.Formatter().parse(template):
            if field is None:
                continue
            if not field.isidentifier() or specification or conversion:
                raise ValueError(f"{template!r}: write {{platform}} and {{shortcode}} plainly")
            fields.append(field)
    except ValueError as error:
        raise ValueError(f"key_template {error}") from error
    return fields


def _run_settings(value: Any) -> RunSettings:
    """Settings of a run, checked by the contract; its file names by the rule publish applies to them."""
    from lambdas.publish.keys import check_keys

    if isinstance(value, RunSettings):
        return value
    try:
        settings = RunSettings.model_validate_json(value if isinstance(value, str) else json.dumps(value))
        check_keys(settings.keys)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from error
    except InvalidSettings as error:
        raise ValueError(str(error)) from error
    return settings
