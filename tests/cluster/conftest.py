"""A staging folder of its own for each test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lambdas.cluster import handler
from lambdas.contracts import ClusterRequest, Selection, selection_key
from lambdas.staging import DirectoryStaging, get_document
from tests.cluster.factory import RUN, Video


@pytest.fixture
def staging(tmp_path: Path) -> DirectoryStaging:
    return DirectoryStaging(tmp_path)


@pytest.fixture
def select(staging: DirectoryStaging) -> Callable[..., Selection]:
    """Writes a video's documents and runs the stage on them."""

    def write_and_run(video: Video, chunk_s: float = 60.0, **changes: object) -> Selection:
        video.write(staging, chunk_s, **changes)
        handler.run(ClusterRequest(run_id=RUN), staging)
        return get_document(staging, selection_key(RUN), Selection)

    return write_and_run
