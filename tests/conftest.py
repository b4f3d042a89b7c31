"""What many tests share: the demo clip, runs of it, and the test data where it is mounted."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdas.publish.manifest import Manifest

# A shell's background jobs ignore Ctrl-C and hand that on: the runs that tests start must not inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# The same of what `nohup` begins and the end of its terminal.
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

DATA, MODELS = "TALENT_FRAMES_TEST_DATA", "TALENT_FRAMES_TEST_MODELS"

LONG_FIRST = ("aws", "accuracy", "test_main_job.py", "faults", "fuzz", "publish/test_page.py")
"""Files and folders whose tests take longest: begun first, or one process works on alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files come first; the order within a file stays."""
    places = {f"tests/{name}": place for place, name in enumerate(LONG_FIRST)}

    def place(item: pytest.Item) -> int:
        return next((place for name, place in places.items() if item.nodeid.startswith(name)), len(places))

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Model packs and staging of these tests, apart from the user's."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TALENT_FRAMES_HOME", str(home))
        yield home


def _mounted(variable: str, what: str) -> Path:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"needs {what}: run {variable}=/path/to/it make test")
    return Path(folder)


@pytest.fixture(scope="session")
def videos() -> Path:
    """Folder of the test videos."""
    return _mounted(DATA, "the folder with videos/ and gallery/") / "videos"


@pytest.fixture(scope="session")
def gallery_pictures() -> Path:
    """Folder with one folder of pictures per known person."""
    return _mounted(DATA, "the folder with videos/ and gallery/") / "gallery"


@pytest.fixture(scope="session")
def test_pack() -> Path:
    """A small pack in InsightFace's format."""
    return _mounted(MODELS, "the folder with insightface/models/test_pack") / "insightface/models/test_pack"


@pytest.fixture(scope="session")
def demo_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo clip, made once."""
    from talent_frames.demo import make_clip

    clip = tmp_path_factory.mktemp("demo") / "demo.mp4"
    make_clip(clip)
    return clip


@pytest.fixture(scope="session")
def demo_run(demo_clip: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, Path]:
    """The demo clip's manifest and output folder, found with the default pack in two workers."""
    import talent_frames
    from lambdas.contracts import Settings

    out = tmp_path_factory.mktemp("demo-out") / "run"
    return talent_frames.run(demo_clip, out=out, workers=2, settings=Settings(chunk_s=12)), out


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """AWS in memory (moto), reached by boto3 in this process; nothing leaves the machine."""
    from moto import mock_aws

    from lambdas.staging import s3_client

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "testing"),
        ("AWS_SECRET_ACCESS_KEY", "testing"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        s3_client.cache_clear()
        yield
    s3_client.cache_clear()
