"""The model pack by which runs that meet faults look for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import __main__ as command


@pytest.fixture(scope="session")
def pack() -> Path:
    return command.pack()
