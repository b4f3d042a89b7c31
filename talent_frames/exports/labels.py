"""What exports call people and times. Pure."""

from __future__ import annotations

from lambdas.publish.manifest import Person


def label(person: Person) -> str:
    """The name, or the number that the report shows."""
    return person.name or f"Person {person.id + 1}"


def timecode(seconds: float) -> str:
    """`0:00:12.400`, hours without a limit, to the millisecond."""
    thousandths = round(max(seconds, 0.0) * 1000)
    minutes, thousandths = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{thousandths // 1000:02d}.{thousandths % 1000:03d}"
