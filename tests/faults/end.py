"""How a schedule of faults ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

Schedule = TypeVar("Schedule")


@dataclass
class End(Generic[Schedule]):
    """Of one schedule."""

    schedule: Schedule
    first: str
    """`published`, `killed`, or the error that the ledger holds or the command printed."""
    wrong: list[str] = field(default_factory=list)
    """What should have been otherwise; empty where all is well."""
