"""The base of every contract."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """Base of everything written to staging or handed to a stage."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
