"""A warm worker: works through a run's chunks over and over, and writes what it holds after each as a line of JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from lambdas.contracts import DetectRequest, Plan, chunk_document_key, plan_key
from lambdas.detect import handler as detect
from lambdas.staging import DirectoryStaging, get_document


def main() -> None:
    root, run_id, pack, count = sys.argv[1:]
    staging = DirectoryStaging(Path(root))
    chunks = get_document(staging, plan_key(run_id), Plan).chunks
    for number in range(int(count)):
        index = chunks[number % len(chunks)].index
        # Else it would be left alone as done.
        staging.delete(chunk_document_key(run_id, index))
        detect.run(DetectRequest(run_id=run_id, chunk=index), staging, Path(pack))
        print(json.dumps(held()), flush=True)


def held() -> dict[str, int]:
    """Resident memory, handles and threads of this process (proc_pid_status(5))."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "memory_kib": int(status["VmRSS"].split()[0]),
        "handles": sum(1 for _ in Path("/proc/self/fd").iterdir()),
        "threads": int(status["Threads"]),
    }


if __name__ == "__main__":
    main()
