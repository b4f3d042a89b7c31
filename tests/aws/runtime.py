"""Runs Lambda functions and Batch jobs as processes of their own, under AWS's own runtime client.

A function's process asks a small Runtime API server for its next event, exactly as inside Lambda, answers there and
stays warm for the next one. What stands for the container is a folder with what the image's Dockerfile copies into it;
packages come from this environment.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PASSED_ON = ("PATH", "HOME", "TMPDIR", "LANG", "LD_LIBRARY_PATH")
"""Of this process' environment; a function sees nothing else of it."""
END_S = 5.0


@dataclass(frozen=True)
class Program:
    """What a container would run."""

    root: Path
    """Folder that stands for the container's `/var/task`, or for the working directory of a job."""
    command: tuple[str, ...]
    """Handler of a function; entry point of a job."""
    environment: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    payload: bytes
    error: str = ""
    """`Unhandled` where the function failed; the payload then tells how."""


@dataclass
class _Event:
    body: bytes
    arn: str
    deadline_ms: int
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    answers: queue.Queue[Answer] = field(default_factory=queue.Queue)


class Worker:
    """One process of a function: starts with the first event, answers one at a time."""

    def __init__(self, name: str, program: Program, log: Path) -> None:
        self._events: queue.Queue[_Event] = queue.Queue()
        self._asked: dict[str, _Event] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._requests())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        environment = {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            **program.environment,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "3008",
            "AWS_LAMBDA_LOG_GROUP_NAME": name,
            "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
            "LAMBDA_TASK_ROOT": str(program.root),
            "PYTHONPATH": str(program.root),
        }
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", *program.command],
                cwd=program.root,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def invoke(self, body: bytes, arn: str, timeout_s: float) -> Answer:
        event = _Event(body, arn, int((time.time() + timeout_s) * 1000))
        self._asked[event.id] = event
        self._events.put(event)
        give_up = time.monotonic() + timeout_s
        while True:
            try:
                return event.answers.get(timeout=0.2)
            except queue.Empty:
                if self.process.poll() is not None:
                    return _failed("Runtime.ExitError", f"Runtime exited with status {self.process.returncode}")
                if time.monotonic() > give_up:
                    self.end()
                    return _failed("Sandbox.Timedout", f"Task timed out after {timeout_s:.2f} seconds")

    def alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        """Ends the process and its server; both are ours alone."""
        if self.alive():
            self.process.terminate()
            try:
                self.process.wait(END_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._server.shutdown()
        self._server.server_close()

    def _requests(self) -> type[BaseHTTPRequestHandler]:
        worker = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if not self.path.endswith("/runtime/invocation/next"):
                    self._reply(404)
                    return
                event = worker._events.get()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", event.id)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(event.deadline_ms))
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", event.arn)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(event.body)))
                self.end_headers()
                self.wfile.write(event.body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                *_, asked, kind = self.path.split("/")
                event = worker._asked.pop(asked, None)
                if event is not None:
                    event.answers.put(Answer(body, "" if kind == "response" else "Unhandled"))
                elif self.path.endswith("/init/error"):
                    waiting = worker._events.get()
                    waiting.answers.put(Answer(body, "Unhandled"))
                self._reply(202)

            def _reply(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "15")
                self.end_headers()
                self.wfile.write(b'{"status":"OK"}')

            def log_message(self, *_: Any) -> None:
                pass

        return Requests


def _failed(error: str, message: str) -> Answer:
    return Answer(json.dumps({"errorType": error, "errorMessage": message}).encode(), "Unhandled")


class Functions:
    """All functions' processes; each function has as many as are asked at once, up to `most`, and they stay warm."""

    def __init__(self, logs: Path, most: int = 2) -> None:
        self._logs = logs
        self._most = most
        self._lock = threading.Lock()
        self._idle: dict[str, list[Worker]] = {}
        self._turns: dict[str, threading.Semaphore] = {}
        self.before: Callable[[str, Worker], float | None] | None = None
        """Told of each invocation's function and process; the seconds it may take, None for those of the function."""
        self.asked: list[tuple[str, Any, Answer]] = []
        """Function, event and answer of every invocation, in the order they ended."""

    def invoke(self, name: str, arn: str, program: Program, body: bytes, timeout_s: float) -> Answer:
        with self._lock:
            turn = self._turns.setdefault(name, threading.Semaphore(self._most))
        with turn:
            with self._lock:
                idle = self._idle.setdefault(name, [])
                worker = idle.pop() if idle else None
            if worker is None or not worker.alive():
                worker = Worker(name, program, self.log(name))
            shorter = self.before(name, worker) if self.before else None
            answer = worker.invoke(body, arn, timeout_s if shorter is None else shorter)
            with self._lock:
                self._idle[name].append(worker)
                self.asked.append((name, json.loads(body), answer))
        return answer

    def log(self, name: str) -> Path:
        """What the function's processes wrote."""
        return self._logs / f"{name}.log"

    def end(self) -> None:
        for workers in self._idle.values():
            for worker in workers:
                worker.end()


def run_job(program: Program, arguments: list[str], log: Path, timeout_s: float) -> int:
    """Runs a Batch job's container to its end; the exit code."""
    environment = {
        **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
        **program.environment,
        "PYTHONPATH": str(program.root),
    }
    command = [sys.executable if word == "python" else word for word in program.command]
    with log.open("ab") as output:
        done = subprocess.run(
            [*command, *arguments],
            cwd=program.root,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
    return done.returncode
