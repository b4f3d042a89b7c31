"""Where videos come from, where a run's documents wait, where frames stand, and the ledger of runs."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.settings import DeploymentSettings

OLD_VERSIONS_DAYS = 7
"""A source object overwritten during a run stays readable, by its version, for so long."""


class Storage(Construct):
    """Three buckets, their access logs and the ledger, all private, encrypted and reached over TLS only."""

    def __init__(self, scope: Construct, id: str, *, settings: DeploymentSettings) -> None:
        super().__init__(scope, id)
        self._settings = settings
        self.key = self._key(settings.customer_key)
        # Kept when the stack goes, but not when its first deployment fails: the next try would find leftovers.
        kept = cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if settings.keep_data else cdk.RemovalPolicy.DESTROY
        self._logs = self._log_bucket() if settings.access_logs else None

        self.source_key: kms.IKey | None = self.key
        self.source: s3.IBucket
        if settings.source_bucket:
            self.source = s3.Bucket.from_bucket_name(self, "SourceBucket", settings.source_bucket)
            self.source_key = (
                kms.Key.from_key_arn(self, "SourceKey", settings.source_bucket_key)
                if settings.source_bucket_key
                else None
            )
        else:
            self.source = self._source_bucket(kept)
        self.staging = self._bucket(
            "StagingBucket",
            removal_policy=cdk.RemovalPolicy.DESTROY,
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=cdk.Duration.days(settings.staging_days),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
        )
        self.published: s3.IBucket = (
            s3.Bucket.from_bucket_name(self, "PublishedBucket", settings.published_bucket)
            if settings.published_bucket
            else self._bucket(
                "PublishedBucket",
                removal_policy=kept,
                lifecycle_rules=[
                    s3.LifecycleRule(
                        expiration=cdk.Duration.days(settings.published_days) if settings.published_days else None,
                        abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                    )
                ],
            )
        )
        self.ledger: dynamodb.ITable = (
            dynamodb.Table.from_table_name(self, "Ledger", settings.ledger_table)
            if settings.ledger_table
            else self._ledger(kept)
        )

    def _source_bucket(self, removal_policy: cdk.RemovalPolicy) -> s3.Bucket:
        source = self._bucket(
            "SourceBucket",
            removal_policy=removal_policy,
            # A run reads the very version that was announced, also when it is overwritten meanwhile.
            versioned=True,
            lifecycle_rules=[
                s3.LifecycleRule(
                    noncurrent_version_expiration=cdk.Duration.days(OLD_VERSIONS_DAYS),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(OLD_VERSIONS_DAYS),
                )
            ],
        )
        # On the L1: the L2's switch is a custom resource with a Lambda of its own.
        bucket = source.node.default_child
        assert isinstance(bucket, s3.CfnBucket)
        bucket.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
        )
        return source

    def _ledger(self, removal_policy: cdk.RemovalPolicy) -> dynamodb.Table:
        ledger = dynamodb.Table(
            self,
            "Ledger",
            partition_key=dynamodb.Attribute(name="run_id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires_at",
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if self.key else dynamodb.TableEncryption.DEFAULT,
            encryption_key=self.key,
            removal_policy=removal_policy,
        )
        _name(ledger, "Ledger")
        return ledger

    # what a stage may do, in the actions it needs and no others

    def let_read_source(self, role: iam.Role) -> None:
        _allow(role, ["s3:GetObject", "s3:GetObjectVersion"], self.source.arn_for_objects("*"))
        source = self._settings.source_bucket
        named = f"arn:<AWS::Partition>:s3:::{source}" if source else "<SourceBucket.Arn>"
        acknowledge_wildcard(role, f"{named}/*", "Videos may have any key.")
        # Without it a missing object answers 403 instead of 404.
        _allow(role, ["s3:ListBucket"], self.source.bucket_arn)
        if self.source_key:
            _allow(role, ["kms:Decrypt"], self.source_key.key_arn)

    def let_stage(self, role: iam.Role, *prefixes: str) -> None:
        """Reads and writes the staging keys under these prefixes; nothing there is ever deleted but by expiry."""
        _allow(
            role,
            ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
            *(self.staging.arn_for_objects(f"{prefix}*") for prefix in prefixes),
        )
        for prefix in prefixes:
            acknowledge_wildcard(role, f"<StagingBucket.Arn>/{prefix}*", "Runs and galleries get their names later.")
        _allow(role, ["s3:ListBucket"], self.staging.bucket_arn)
        self._let_use_key(role, "kms:Decrypt", "kms:GenerateDataKey")

    def let_read_staging(self, role: iam.Role, *patterns: str) -> None:
        _allow(role, ["s3:GetObject"], *(self.staging.arn_for_objects(pattern) for pattern in patterns))
        for pattern in patterns:
            acknowledge_wildcard(role, f"<StagingBucket.Arn>/{pattern}", "Runs and galleries get their names later.")
        _allow(role, ["s3:ListBucket"], self.staging.bucket_arn)
        self._let_use_key(role, "kms:Decrypt")

    def let_publish(self, role: iam.Role) -> None:
        """Also deletes: with fixed key templates the files that a newer manifest no longer lists are removed."""
        _allow(
            role,
            ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload", "s3:DeleteObject"],
            self.published.arn_for_objects("*"),
        )
        published = self._settings.published_bucket
        named = f"arn:<AWS::Partition>:s3:::{published}" if published else "<PublishedBucket.Arn>"
        acknowledge_wildcard(role, f"{named}/*", "Published keys follow from the video's key.")
        _allow(role, ["s3:ListBucket"], self.published.bucket_arn)
        self._let_use_key(role, "kms:Decrypt", "kms:GenerateDataKey")

    def let_use_ledger(self, role: iam.Role, *actions: str) -> None:
        _allow(role, [f"dynamodb:{action}" for action in actions], self.ledger.table_arn)
        # DynamoDB itself uses the key, on behalf of the caller.
        self._let_use_key(role, "kms:Decrypt", "kms:GenerateDataKey")

    def _let_use_key(self, role: iam.Role, *actions: str) -> None:
        if self.key:
            _allow(role, list(actions), self.key.key_arn)

    def _key(self, wanted: str) -> kms.IKey | None:
        if not wanted:
            return None
        if wanted != "own":
            return kms.Key.from_key_arn(self, "CustomerKey", wanted)
        return kms.Key(
            self,
            "CustomerKey",
            enable_key_rotation=True,
            description="Videos, faces and frames of Talent Frames",
            # What is kept must stay readable.
            removal_policy=cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
            if self._settings.keep_data
            else cdk.RemovalPolicy.DESTROY,
        )

    def _log_bucket(self) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "AccessLogBucket",
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            # S3 delivers access logs to buckets under its own keys only.
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[s3.LifecycleRule(expiration=cdk.Duration.days(self._settings.access_log_days))],
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        _name(bucket, "AccessLogBucket")
        cdk.Validations.of(bucket).acknowledge(
            cdk.Acknowledgment(id="AwsSolutions-S1", reason="The access logs' own bucket: logging it would never end.")
        )
        return bucket

    def _bucket(
        self,
        id: str,
        *,
        removal_policy: cdk.RemovalPolicy,
        lifecycle_rules: list[s3.LifecycleRule],
        versioned: bool = False,
    ) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            id,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.KMS if self.key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=self.key,
            bucket_key_enabled=True if self.key else None,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=versioned,
            lifecycle_rules=lifecycle_rules,
            server_access_logs_bucket=self._logs,
            server_access_logs_prefix=f"{id}/" if self._logs else None,
            removal_policy=removal_policy,
        )
        _name(bucket, id)
        # A bucket that is kept keeps refusing what comes without TLS.
        assert bucket.policy is not None
        bucket.policy.apply_removal_policy(removal_policy)
        if not self._logs:
            cdk.Validations.of(bucket).acknowledge(
                cdk.Acknowledgment(id="AwsSolutions-S1", reason="access_logs is off by the owner's setting.")
            )
        return bucket


def acknowledge_wildcard(scope: Construct, resource: str, reason: str) -> None:
    """Tells cdk-nag why a policy names more than one thing; `resource` as its finding writes it without an account."""
    acknowledge(scope, f"AwsSolutions-IAM5[Resource::{resource}]", reason)


def acknowledge(scope: Construct, finding: str, reason: str) -> None:
    """Tells cdk-nag why a finding stands. Where account and region are known, findings write them out."""
    stack = cdk.Stack.of(scope)
    for name, value in (("Partition", stack.partition), ("Region", stack.region), ("AccountId", stack.account)):
        if not cdk.Token.is_unresolved(value):
            finding = finding.replace(f"<AWS::{name}>", value)
    cdk.Validations.of(scope).acknowledge(cdk.Acknowledgment(id=finding, reason=reason))


def _allow(role: iam.Role, actions: list[str], *resources: str) -> None:
    role.add_to_principal_policy(iam.PolicyStatement(actions=actions, resources=list(resources)))


def _name(resource: Construct, logical_id: str) -> None:
    """Gives the resource a logical id to find it by in the template and the console."""
    element = resource.node.default_child
    assert isinstance(element, cdk.CfnResource)
    element.override_logical_id(logical_id)
