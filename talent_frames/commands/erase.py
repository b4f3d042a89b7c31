"""`talent-frames erase`: a run, a video or a person, with a receipt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lambdas.errors import BadInput
from talent_frames.terminal import errors, shown


class WrongErasure(BadInput):
    """What is to be erased is not said as it should be."""


def erase(
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="A run's folder.", show_default=False, show_envvar=False)
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="VIDEO", help="Every run of this video.", show_default=False, show_envvar=False),
    ] = None,
    person: Annotated[
        Path | None,
        typer.Option(metavar="PICTURE", help="The person in this picture.", show_default=False, show_envvar=False),
    ] = None,
    folder: Annotated[
        list[Path] | None,
        typer.Option(
            "--in",
            metavar="DIR",
            help="Where runs are looked for, with --source and --person.",
            show_default="out",
            show_envvar=False,
        ),
    ] = None,
    gallery: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="A gallery.npz the person is taken out of.", show_default=False, show_envvar=False
        ),
    ] = None,
    models: Annotated[str, typer.Option(metavar="NAME|DIR", help="The runs' model pack.", show_envvar=False)] = "open",
    receipt: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the receipt here as well.", show_default=False, show_envvar=False),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.", show_envvar=False)] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.", show_envvar=False)] = False,
) -> None:
    """Erase a run, every run of a video, or a person from runs and galleries on this machine; prints a receipt.

    What is kept of the runs goes as well. The receipt lists frames that still show the person beside others. In the
    cloud: docs/erase.md.
    """

    with errors(str(out or source or person or "erase"), debug):
        from talent_frames import erasure

        if sum(one is not None for one in (out, source, person)) != 1:
            raise WrongErasure("erase takes a run's folder, or --source, or --person")
        if not yes:
            if not sys.stdin.isatty():
                raise WrongErasure("nobody is here to be asked: add --yes")
            typer.confirm("This can't be undone. Erase?", abort=True, err=True)
        folders = folder or [Path("out")]
        if out is not None:
            made = erasure.erase_run(out)
        elif source is not None:
            from lambdas.split.identify import identify

            made = erasure.erase_source(identify(source, shown(source))[0], folders)
        else:
            from talent_frames.packs import resolve_pack

            assert person is not None
            made = erasure.erase_person(person, folders, gallery or [], resolve_pack(models))
        text = made.text()
        if receipt is not None:
            receipt.write_text(text)
        print(text, end="")
