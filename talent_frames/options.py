"""Options of commands from a file and the environment, where the command line does not give them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import typer.core

from lambdas.errors import InvalidSettings

FILE = Path("talent-frames.toml")
"""In the folder the command is started in: a table for each command, with its options as keys."""


def options_of(file: Path, group: typer.core.TyperGroup) -> dict[str, dict[str, Any]]:
    """The file's options by command, as typer takes them for defaults; empty where there is no such file.

    Options are called as on the command line, without the dashes before them; `no-scenes` is `scenes = false`.
    Raises InvalidSettings for what no command has.
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(f"{file}: {error}") from None
    found: dict[str, dict[str, Any]] = {}
    for name, table in tables.items():
        command = group.commands.get(name)
        if not isinstance(table, dict):
            raise InvalidSettings(f"{file}: {name} stands in no table; options stand under their command, as [run]")
        if command is None:
            raise InvalidSettings(f"{file}: [{name}] is no command; there are {', '.join(sorted(group.commands))}")
        names = {
            option.lstrip("-"): parameter.name
            for parameter in command.params
            if isinstance(parameter, typer.core.TyperOption)
            for option in parameter.opts
            if option.startswith("--")
        }
        wrong = sorted(set(table) - set(names))
        if wrong:
            raise InvalidSettings(f"{file}: [{name}] {wrong[0]}: there is no option --{wrong[0]}")
        found[name] = {str(names[key]): value for key, value in table.items()}
    return found
