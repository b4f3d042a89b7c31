"""What the same run would have cost on AWS Lambda, from its own seconds and bytes. Pure: no files, no environment.

The one place with prices: update `PRICES` and its date together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from lambdas.contracts import Deployment

Stage = Literal["split", "detect", "cluster", "publish"]
Architecture = Literal["x86_64", "arm64"]


@dataclass(frozen=True)
class Reading:
    """Where some of the prices were read."""

    prices: str
    copy: str
    dated: str
    """ISO date that the copy bears, or the first day of the quarter it names."""


@dataclass(frozen=True)
class PriceTable:
    """USD, on demand, first tier, without the free tier."""

    region: str
    readings: tuple[Reading, ...]
    """The newest copy with numbers that was found for each."""
    older: Reading
    """What no copy of the year before `searched` shows numbers for, and may have changed since."""
    searched: str
    """ISO date."""
    lambda_gb_second: dict[Architecture, float]
    lambda_request: float
    ephemeral_gb_second: float
    """Of a function's disk above the 512 MiB that come free."""
    state_transition: float
    """Of a standard workflow."""
    s3_put: float
    s3_get: float
    s3_gb_month: float
    gpu_hour: dict[str, float]
    """Of EC2 machines with one GPU, on demand, by the second."""
    gpu_spot_share: float
    """Spot prices change by the hour and zone: this share of the above is usual, no promise."""
    public_address_hour: float
    """Of a machine's IPv4 address."""
    disk_gb_month: float
    """EBS gp3."""

    @property
    def as_of(self) -> str:
        """ISO date of the oldest of `readings`."""
        return min(reading.dated for reading in self.readings)

    @property
    def source(self) -> str:
        told = [f"{one.prices}: {one.copy} ({one.dated})" for one in (*self.readings, self.older)]
        return f"{'; '.join(told)}; searched {self.searched}"


PRICES = PriceTable(
    region="us-east-1",
    readings=(
        Reading("Lambda, seconds and requests", "git.mcrn.ar, lambda_local_runner, page on cost", "2026-05-11"),
        Reading("Step Functions, standard workflows", "wring.co, AWS Step Functions pricing", "2026-03-14"),
        Reading("EC2, g5.xlarge", "factualminds.com, Amazon EC2 on-demand pricing", "2026-06-17"),
        Reading("EC2, g4dn.xlarge and g6.xlarge", "GitHub, gpuaudit/cli, prices of us-east-1 in Q1 2026", "2026-01-01"),
    ),
    older=Reading(
        "S3, EBS, public addresses, Lambda's disk; the share of spot prices is an assumption",
        "guides to AWS' price pages",
        "2025-06-01",
    ),
    searched="2026-11-29",
    lambda_gb_second={"x86_64": 0.0000166667, "arm64": 0.0000133334},
    lambda_request=0.20 / 1_000_000,
    ephemeral_gb_second=0.0000000309,
    state_transition=0.025 / 1_000,
    s3_put=0.005 / 1_000,
    s3_get=0.0004 / 1_000,
    s3_gb_month=0.023,
    gpu_hour={"g4dn.xlarge": 0.526, "g5.xlarge": 1.006, "g6.xlarge": 0.8048},
    gpu_spot_share=0.4,
    public_address_hour=0.005,
    disk_gb_month=0.08,
)

FREE_EPHEMERAL_MIB = 512
DAYS_PER_MONTH = 30.4375

DEPLOYMENT = Deployment()
"""What a run on one's own machine is reckoned for."""

TRANSITIONS_PER_RUN = 19
"""States an upload passes through: reading the request, ledger, four stages, claim, event, ledger, metrics, end."""
TRANSITIONS_PER_CHUNK = 2
"""Start of the child and its one task."""
TRANSITIONS_PER_JOB_MINUTE = 4
"""A Batch job is looked at every minute: wait, look, decide, count."""
SOURCE_READS_PER_CHUNK = 12
"""Range requests of a worker for its index and its span."""
STAGED_FRAMES_PER_MINUTE = 20
"""At most so many are kept (they are nearly all of staging)."""


@dataclass(frozen=True)
class Line:
    """One part of an estimate."""

    name: str
    quantity: float
    unit: str
    usd_per_unit: float

    @property
    def usd(self) -> float:
        return self.quantity * self.usd_per_unit


@dataclass(frozen=True)
class Work:
    """What a run did, as far as it is charged."""

    seconds: dict[Stage, float]
    """Of each stage's functions; detect's is the sum over its workers."""
    chunks: int
    segments: int
    """Chunks that split copied to staging."""
    segment_bytes: int
    video_s: float
    staged_frame_bytes: float
    """Mean size of a staged frame."""
    frames_read: int
    """Staged frames that publish fetched."""
    files_published: int
    job_chunks: int = 0
    """Of the chunks, those a Batch job did."""
    job_s: float = 0.0
    """For which that job held its machine."""


def estimate(work: Work, deployment: Deployment = DEPLOYMENT, prices: PriceTable = PRICES) -> list[Line]:
    """The parts of the estimate, largest first; their sum is the cost of the run.

    Seconds are taken as measured, wherever that was: a Lambda vCPU may be slower or faster. Not in it: the source and
    published buckets, logs, transfer out of AWS, and the minutes in which a GPU machine starts.
    """
    lines = [*_function_lines(work, deployment, prices), *_service_lines(work, deployment, prices)]
    if work.job_chunks:
        kind = "spot" if deployment.gpu_spot else "on demand"
        lines.append(
            Line(
                f"gpu {deployment.gpu_machine}, {kind}",
                work.job_s / 3600,
                "hour",
                gpu_hour(deployment.gpu_machine, deployment.gpu_spot, deployment.gpu_disk_gib, prices),
            )
        )
    return sorted(lines, key=lambda line: -line.usd)


def _function_lines(work: Work, deployment: Deployment, prices: PriceTable) -> list[Line]:
    memory_mib = deployment.memory_mib
    invocations: dict[Stage, int] = {"split": 1, "detect": work.chunks - work.job_chunks, "cluster": 1, "publish": 1}
    lines = [
        Line(
            f"lambda {stage}, {memory_mib[stage]} MiB",
            seconds * memory_mib[stage] / 1024,
            "GB-second",
            prices.lambda_gb_second[deployment.architecture],
        )
        for stage, seconds in work.seconds.items()
    ]
    disk = sum(
        seconds * max(deployment.tmp_mib[stage] - FREE_EPHEMERAL_MIB, 0) / 1024
        for stage, seconds in work.seconds.items()
    )
    return [
        *lines,
        Line("lambda requests", sum(invocations.values()), "request", prices.lambda_request),
        Line("lambda ephemeral storage above 512 MiB", disk, "GB-second", prices.ephemeral_gb_second),
    ]


def _service_lines(work: Work, deployment: Deployment, prices: PriceTable) -> list[Line]:
    # split: plan, chunks; each chunk: frames, detections, document; cluster: selection.
    puts = 2 + work.segments + 3 * work.chunks + 1 + work.files_published
    # Each stage reads the plan; cluster two documents of each chunk; publish the selection and single frames.
    gets = SOURCE_READS_PER_CHUNK * (1 + work.chunks) + work.chunks + 2 * work.chunks + 3 + work.frames_read
    staged = work.staged_frame_bytes * STAGED_FRAMES_PER_MINUTE * work.video_s / 60 + work.segment_bytes
    return [
        Line(
            "step functions",
            TRANSITIONS_PER_RUN
            + TRANSITIONS_PER_CHUNK * (work.chunks - work.job_chunks)
            + TRANSITIONS_PER_JOB_MINUTE * math.ceil(work.job_s / 60),
            "state transition",
            prices.state_transition,
        ),
        Line("s3 puts", puts, "request", prices.s3_put),
        Line("s3 gets", gets, "request", prices.s3_get),
        Line(
            f"staging for {deployment.staging_days} days",
            staged / 1024**3 * deployment.staging_days / DAYS_PER_MONTH,
            "GB-month",
            prices.s3_gb_month,
        ),
    ]


def gpu_hour(machine: str, spot: bool, disk_gib: float, prices: PriceTable = PRICES) -> float:
    """USD an hour of a GPU machine, with its address and its disk."""
    hour = prices.gpu_hour[machine] * (prices.gpu_spot_share if spot else 1.0)
    return hour + prices.public_address_hour + disk_gib * prices.disk_gb_month / (DAYS_PER_MONTH * 24)
