"""Long videos on a GPU: an AWS Batch queue that is empty, and costs nothing, until a job comes."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_batch as batch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra.image_parts import PACK_DIR
from infra.images import Images
from infra.log_groups import log_group
from infra.settings import DeploymentSettings
from infra.stages import common_environment
from infra.storage import Storage, acknowledge, acknowledge_wildcard
from lambdas.contracts import Deployment

DISK_GIB = Deployment().gpu_disk_gib
"""60: the image with CUDA and cuDNN takes 10 GB, twice while it is unpacked."""

MOST_ZONES = 6
"""A subnet each; no region has more. Without a known region the CDK takes two."""

INSTANCE_CLASSES = {
    "g4dn": ec2.InstanceClass.G4DN,
    "g5": ec2.InstanceClass.G5,
    "g6": ec2.InstanceClass.G6,
}


class Gpu(Construct):
    """Network, compute environments, queue and job definition."""

    def __init__(
        self, scope: Construct, id: str, *, settings: DeploymentSettings, storage: Storage, images: Images
    ) -> None:
        super().__init__(scope, id)
        self.vpc = self._network(settings)
        self.queue = self._queue(settings, self._compute_environments(settings))
        self.log = log_group(self, "Log", settings.log_days)
        self.role = iam.Role(self, "JobRole", assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"))
        storage.let_read_source(self.role)
        storage.let_stage(self.role, "runs/")
        self.job = self._job(settings, self._container(settings, storage, images))
        images.wait(self.job, "detect", "batch")

    def _network(self, settings: DeploymentSettings) -> ec2.Vpc:
        # Public subnets and a gateway to S3: a NAT gateway would cost $32 a month while nothing runs.
        vpc = ec2.Vpc(
            self,
            "Vpc",
            # All there are: GPU machines are short in one zone while another has them.
            max_azs=MOST_ZONES,
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(name="Public", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=True)
            ],
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
        )
        for subnet in vpc.public_subnets:
            element = subnet.node.default_child
            assert isinstance(element, ec2.CfnSubnet)
            # Zones by name, where the region is known: cfn-lint would have them asked for, which gives two of them.
            element.cfn_options.metadata = {
                **(element.cfn_options.metadata or {}),
                "cfn-lint": {"config": {"ignore_checks": ["W3010"]}},
            }
        flow_log = log_group(self, "FlowLog", settings.log_days)
        # What was refused is what there is to see: the rest is S3, and is billed by the gigabyte.
        vpc.add_flow_log(
            "Rejected",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow_log),
            traffic_type=ec2.FlowLogTrafficType.REJECT,
        )
        return vpc

    def _compute_environments(self, settings: DeploymentSettings) -> list[batch.ManagedEc2EcsComputeEnvironment]:
        """Spot machines first, where they are wanted."""
        group = ec2.SecurityGroup(
            self, "NoIngress", vpc=self.vpc, description="Nothing comes in; S3, ECR and logs are reached over TLS"
        )
        template = self._template()
        host = self._host_role()

        def environment(kind: str, spot: bool) -> batch.ManagedEc2EcsComputeEnvironment:
            made = batch.ManagedEc2EcsComputeEnvironment(
                self,
                kind,
                vpc=self.vpc,
                vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
                security_groups=[group],
                instance_classes=[INSTANCE_CLASSES[family] for family in settings.gpu_families],
                use_optimal_instance_classes=False,
                images=[batch.EcsMachineImage(image_type=batch.EcsMachineImageType.ECS_AL2023_NVIDIA)],
                launch_template=template,
                instance_role=host,
                minv_cpus=0,
                maxv_cpus=settings.gpu_max_vcpus,
                spot=spot,
                allocation_strategy=batch.AllocationStrategy.SPOT_PRICE_CAPACITY_OPTIMIZED
                if spot
                else batch.AllocationStrategy.BEST_FIT_PROGRESSIVE,
            )
            element = made.node.default_child
            assert isinstance(element, batch.CfnComputeEnvironment)
            # As the API writes it.
            element.type = "MANAGED"
            return made

        kinds = [environment("Spot", True)] if settings.gpu_spot else []
        kinds.append(environment("OnDemand", False))
        return kinds

    def _template(self) -> ec2.LaunchTemplate:
        return ec2.LaunchTemplate(
            self,
            "Machine",
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/xvda",
                    volume=ec2.BlockDeviceVolume.ebs(
                        DISK_GIB, volume_type=ec2.EbsDeviceVolumeType.GP3, encrypted=True, delete_on_termination=True
                    ),
                )
            ],
        )

    def _host_role(self) -> iam.Role:
        host = iam.Role(
            self,
            "HostRole",
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonEC2ContainerServiceforEC2Role")
            ],
        )
        acknowledge(
            host,
            "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/"
            "service-role/AmazonEC2ContainerServiceforEC2Role]",
            "The ECS agent's own policy, which AWS keeps in step with the agent.",
        )
        return host

    def _queue(
        self, settings: DeploymentSettings, kinds: list[batch.ManagedEc2EcsComputeEnvironment]
    ) -> batch.JobQueue:
        return batch.JobQueue(
            self,
            "Queue",
            compute_environments=[
                batch.OrderedComputeEnvironment(compute_environment=kind, order=order)
                for order, kind in enumerate(kinds, start=1)
            ],
            job_state_time_limit_actions=[
                batch.JobStateTimeLimitAction(
                    max_time=cdk.Duration.seconds(settings.gpu_wait_s),
                    reason=reason,
                    state=batch.JobStateTimeLimitActionsState.RUNNABLE,
                    action=batch.JobStateTimeLimitActionsAction.CANCEL,
                )
                for reason in (
                    batch.JobStateTimeLimitActionsReason.INSUFFICIENT_INSTANCE_CAPACITY,
                    batch.JobStateTimeLimitActionsReason.COMPUTE_ENVIRONMENT_MAX_RESOURCE,
                    batch.JobStateTimeLimitActionsReason.JOB_RESOURCE_REQUIREMENT,
                )
            ],
        )

    def _container(
        self, settings: DeploymentSettings, storage: Storage, images: Images
    ) -> batch.EcsEc2ContainerDefinition:
        container = batch.EcsEc2ContainerDefinition(
            self,
            "Container",
            image=images.container(),
            gpu=1,
            cpu=settings.gpu_vcpus,
            memory=cdk.Size.mebibytes(settings.gpu_memory_mib),
            job_role=self.role,
            # The image's own, said again for whoever builds another.
            user="1000:1000",
            logging=ecs.LogDriver.aws_logs(stream_prefix="detect", log_group=self.log),
            environment={
                **common_environment("detect", settings),
                "STAGING_BUCKET": storage.staging.bucket_name,
                "PACK_DIR": PACK_DIR,
                "DETECT_DEVICE": "cuda",
                "DETECT_DECODER": settings.gpu_decoder,
                # NVDEC is left out of a container that doesn't ask for `video`.
                "NVIDIA_DRIVER_CAPABILITIES": "compute,video,utility",
                "AWS_DEFAULT_REGION": cdk.Stack.of(self).region,
            },
        )
        acknowledge_wildcard(container.execution_role, "*", "ecr:GetAuthorizationToken knows no resources.")
        return container

    def _job(self, settings: DeploymentSettings, container: batch.EcsEc2ContainerDefinition) -> batch.EcsJobDefinition:
        return batch.EcsJobDefinition(
            self,
            "Job",
            container=container,
            timeout=cdk.Duration.seconds(settings.gpu_job_timeout_s),
            retry_attempts=3,
            retry_strategies=[
                # A spot machine taken back is no fault of the job; anything else is told to the state machine.
                batch.RetryStrategy.of(batch.Action.RETRY, batch.Reason.SPOT_INSTANCE_RECLAIMED),
                batch.RetryStrategy.of(batch.Action.EXIT, batch.Reason.custom(on_reason="*")),
            ],
        )
