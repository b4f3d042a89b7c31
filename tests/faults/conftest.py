"""The model pack by which runs that meet faults look for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.small_pack import small_pack


@pytest.fixture(scope="session")
def pack() -> Path:
    return small_pack()
