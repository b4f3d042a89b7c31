"""The names file. Pure: no files, no environment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lambdas.publish.keys import UNKNOWN, Keys


class Named(Protocol):
    """Somebody who may have a name."""

    @property
    def id(self) -> int: ...

    @property
    def name(self) -> str | None: ...

    @property
    def screen_time_s(self) -> float: ...


def names_text(people: Sequence[Named], keys: Keys) -> str:
    """What the names file holds: everybody, or where it is named after its video that video's main person."""
    if keys.names_are_of_the_video:
        return main_name(people)
    return list_names([(keys.person(person.id, person.name), person) for person in people])


def list_names(people: Sequence[tuple[str, Named]]) -> str:
    """One line per person, `<file of the best frame>TAB<name>`, `unknown` where there is none; empty without people."""
    return "".join(f"{file}\t{_line(person.name)}\n" for file, person in people)


def main_name(people: Sequence[Named]) -> str:
    """One line: the name of the person longest on screen, `unknown` where they have none; empty without people."""
    if not people:
        return ""
    return f"{_line(max(people, key=lambda person: person.screen_time_s).name)}\n"


def _line(name: str | None) -> str:
    # A tab or a line break inside a name would read as a further column or person.
    return " ".join((name or UNKNOWN).split())
