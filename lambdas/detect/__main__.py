"""The Batch door: one job works through every chunk of a run that is not done yet, several at a time.

Exits 0 when all chunks are done, 2 for bad input (trying elsewhere can't help) and 1 for anything else; then the reason
lies in staging under `batch_error.json`.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from contextlib import contextmanager, suppress
from os import cpu_count, environ
from pathlib import Path
from typing import NoReturn, get_args

from lambdas.contracts import (
    ChunkDocument,
    DetectRequest,
    Failure,
    JobReport,
    Plan,
    batch_error_key,
    chunk_document_key,
    job_report_key,
    plan_key,
)
from lambdas.detect import device
from lambdas.detect.decode.chunk_reader import ChunkReader
from lambdas.detect.handler import location_of, run_noting_failure
from lambdas.door import log_for, open_bucket, services_named, variable
from lambdas.errors import BadInput, GpuMissing, IncompleteRun
from lambdas.staging import S3Staging, get_document, put_document

_LOG = logging.getLogger(__name__)

DONE, FAILED, BAD_INPUT = 0, 1, 2
MOST_WORKERS = 8
"""Chunks at once: they overlap one's decoding with another's models; beyond, models wait for the GPU."""


def main(arguments: Sequence[str]) -> int:
    """Works through the run; the exit code."""
    given = _parser().parse_args(arguments)
    log_for(given.run_id)
    staging = open_bucket(environ, "STAGING_BUCKET")
    try:
        with services_named():
            work_through(given.run_id, staging, Path(variable(environ, "PACK_DIR")), given)
    except Exception as error:
        _LOG.exception("run %s: the job gave up", given.run_id)
        with suppress(Exception):
            put_document(staging, batch_error_key(given.run_id), Failure(error=type(error).__name__, cause=str(error)))
        return BAD_INPUT if isinstance(error, BadInput) else FAILED
    return DONE


def work_through(run_id: str, staging: S3Staging, pack: Path, given: argparse.Namespace) -> None:
    """Every chunk without a document, in worker processes that share the GPU; the first error ends it all."""
    # Before any work: a job without its GPU is to fail at once.
    device.use(given.device, given.decoder)
    try:
        plan = get_document(staging, plan_key(run_id), Plan)
    except KeyError:
        raise IncompleteRun(f"run {run_id}: its plan is not in staging") from None
    missing = [chunk.index for chunk in plan.chunks if not staging.exists(chunk_document_key(run_id, chunk.index))]
    _LOG.info("run %s: %d of %d chunks to do on %s", run_id, len(missing), len(plan.chunks), given.device)
    with _reporting(run_id, missing, staging):
        _work_on_all(run_id, plan, missing, staging, pack, given)


@contextmanager
def _reporting(run_id: str, missing: Sequence[int], staging: S3Staging) -> Iterator[None]:
    """Leaves in staging what the job did and how long it took, also where it fails; publish reckons by it."""
    began = time.perf_counter()
    try:
        yield
    finally:
        with suppress(Exception):
            before = JobReport(chunks=0, detect_s=0.0, job_s=0.0)
            with suppress(KeyError):
                before = get_document(staging, job_report_key(run_id), JobReport)
            done = [
                get_document(staging, chunk_document_key(run_id, chunk), ChunkDocument).seconds["total"]
                for chunk in missing
                if staging.exists(chunk_document_key(run_id, chunk))
            ]
            report = JobReport(
                chunks=before.chunks + len(done),
                detect_s=before.detect_s + sum(done),
                job_s=before.job_s + time.perf_counter() - began,
            )
            put_document(staging, job_report_key(run_id), report)


def _work_on_all(
    run_id: str, plan: Plan, missing: Sequence[int], staging: S3Staging, pack: Path, given: argparse.Namespace
) -> None:
    if missing and given.decoder == "nvdec":
        _prove_decoder(plan, missing[0], staging)
    workers = min(given.workers, len(missing))
    if workers <= 1:
        for chunk in missing:
            run_noting_failure(DetectRequest(run_id=run_id, chunk=chunk), staging, pack)
        return
    # Spawned: CUDA does not outlive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin, (run_id, given.device, given.decoder)) as pool:
        futures = [pool.submit(_work_on, run_id, chunk, staging.bucket, pack) for chunk in missing]
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        pool.shutdown(wait=True, cancel_futures=True)
        for future in done:
            future.result()


def _prove_decoder(plan: Plan, index: int, staging: S3Staging) -> None:
    """Raises GpuMissing if the GPU can't decode this video: the reader would take every packet for a damaged one."""
    chunk, source = plan.chunks[index], plan.source
    with ChunkReader(location_of(plan, chunk, staging), source.uri, source, chunk) as reader:
        if next(reader.frames(every=False), None) is None:
            raise GpuMissing(f"the GPU decoded no frame of the {source.codec} video in chunk {index}")


def _begin(run_id: str, on: device.Device, decoder: device.Decoder) -> None:
    log_for(run_id)
    device.use(on, decoder)


def _work_on(run_id: str, chunk: int, bucket: str, pack: Path) -> None:
    run_noting_failure(DetectRequest(run_id=run_id, chunk=chunk), S3Staging(bucket), pack)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse's own 2 would say bad input.
        self.print_usage(sys.stderr)
        self.exit(FAILED, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("lambdas.detect", description="Work through all chunks of a run that are not done.")
    parser.add_argument("--run-id", required=True)
    parser.add_argument("--device", choices=get_args(device.Device), default=environ.get("DETECT_DEVICE", "cpu"))
    parser.add_argument("--decoder", choices=get_args(device.Decoder), default=environ.get("DETECT_DECODER", "cpu"))
    fitting = min(MOST_WORKERS, cpu_count() or 1)
    parser.add_argument("--workers", type=int, default=int(environ.get("DETECT_WORKERS") or fitting))
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
