"""The base of every contract, and how one is said to be broken."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError


class Contract(BaseModel):
    """Base of everything written to staging or handed to a stage."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def first_problem(error: ValidationError) -> str:
    """The first field that is wrong and why, as `short.period_s: Input should be ...`; its value is not shown."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    why = first["msg"].removeprefix("Value error, ")
    return f"{where}: {why}" if where else why
