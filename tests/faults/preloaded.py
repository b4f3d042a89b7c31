"""A process that has every library of a local run loaded, and forks a run of the command for each line it reads.

Loading takes four times as long as a run of a small clip. A line is a JSON object of the command's arguments, its
environment, its limits and the file for its stderr; the answers are lines of JSON too: the run's process, its end.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import gc
import json
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


class Preloaded:
    """The process, seen from outside."""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.preloaded"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment,
        )  # fmt: skip
        self._lock = threading.Condition()
        self._begun: list[int] = []
        self._ended: dict[int, int] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def start(
        self,
        arguments: Sequence[str],
        stderr: Path,
        *,
        environment: Mapping[str, str] | None = None,
        limits: Mapping[str, int] | None = None,
    ) -> int:
        """The process id of a run of the command. `limits` are soft limits by their names in `resource`."""
        assert self._process.stdin is not None
        line = {"arguments": list(arguments), "stderr": str(stderr), "environment": dict(environment or {})}
        with self._lock:
            print(json.dumps({**line, "limits": dict(limits or {})}), file=self._process.stdin, flush=True)
            # The first waits for what is loading, a minute and more on a machine that is busy with other work.
            while not self._begun:
                if self._process.poll() is not None:
                    raise RuntimeError(f"the process to fork from ended with {self._process.returncode}")
                self._lock.wait(1)
            return self._begun.pop()

    def wait(self, pid: int, timeout_s: float) -> int | None:
        """The run's exit code, negative for a signal; None if it has not ended by then."""
        with self._lock:
            while pid not in self._ended and timeout_s > 0:
                # By the second, so that time for which somebody stopped this machine's processes does not count.
                step = min(1.0, timeout_s)
                self._lock.wait_for(lambda: pid in self._ended, step)
                timeout_s -= step
            return self._ended.get(pid)

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            with self._lock:
                if "status" in told:
                    self._ended[told["pid"]] = told["status"]
                else:
                    self._begun.append(told["pid"])
                self._lock.notify_all()


def _load() -> None:
    """Every library that a run imports but for the command line itself, and nothing that starts threads."""
    import ai_edge_litert.interpreter  # noqa: F401
    import av  # noqa: F401
    import cv2  # noqa: F401
    import onnx  # noqa: F401
    import onnxruntime  # noqa: F401
    import requests  # noqa: F401
    import skimage.transform  # noqa: F401

    with contextlib.suppress(ImportError):
        # Asked for files of its packs, where it is installed.
        import insightface.model_zoo  # noqa: F401

    import lambdas.cluster.handler
    import lambdas.detect.handler
    import lambdas.publish.handler
    import lambdas.split.handler  # noqa: F401
    import talent_frames.api  # noqa: F401
    from lambdas.cluster.clustering import scikit_learn

    scikit_learn()
    # What a run collects is its own.
    gc.collect()
    gc.freeze()


def _run(order: Mapping[str, Any]) -> None:
    """The command, in a session of its own as a shell would start it; never returns."""
    from talent_frames.__main__ import main

    os.setsid()
    os.environ.update(order["environment"])
    error = os.open(order["stderr"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    nothing = os.open(os.devnull, os.O_RDWR)
    for ours, theirs in ((nothing, 0), (nothing, 1), (error, 2)):
        os.dup2(ours, theirs)
    for name, amount in order["limits"].items():
        kind = getattr(resource, name)
        resource.setrlimit(kind, (amount, resource.getrlimit(kind)[1]))
    # Asked by SIGUSR1 where it hangs.
    faulthandler.register(signal.SIGUSR1)
    sys.argv = ["talent-frames", *order["arguments"]]
    code: object = 1
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        # As at the end of any process, but for the buffers of the process it was forked from.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def main() -> None:
    _load()
    answers = threading.Lock()

    def tell(**told: int) -> None:
        with answers:
            print(json.dumps(told), flush=True)

    def wait(pid: int) -> None:
        tell(pid=pid, status=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    for line in sys.stdin:
        order = json.loads(line)
        with answers:
            pid = os.fork()
            if pid == 0:
                _run(order)
        tell(pid=pid)
        threading.Thread(target=wait, args=(pid,), daemon=True).start()


if __name__ == "__main__":
    main()
