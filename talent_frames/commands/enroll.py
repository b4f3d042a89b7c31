"""`talent-frames enroll`: a gallery of known people."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from talent_frames.commands.run_options import WANTED, Debug, Models, option
from talent_frames.terminal import errors


def enroll(
    pictures: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder or file per person, named like them.", show_default=False)
    ],
    output: Annotated[
        Path, option(WANTED, "Where to write the gallery.", "gallery.npz", "-o", "--output", metavar="FILE")
    ] = Path("gallery.npz"),
    models: Models = "open",
    debug: Debug = False,
) -> None:
    """Turn pictures of known people into a gallery that runs can name them by."""
    from talent_frames.enroll import enroll as enroll_folder
    from talent_frames.packs import resolve_pack
    from talent_frames.whole_file import write_whole

    with errors(str(pictures), debug):
        gallery, warnings = enroll_folder(pictures, resolve_pack(models))
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        write_whole(output, gallery.to_bytes())
        print(f"{output}: {len(gallery.names)} people")
