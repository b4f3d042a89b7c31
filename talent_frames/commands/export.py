"""`talent-frames export`: a run for spreadsheets, players and editing programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from talent_frames.terminal import errors

if TYPE_CHECKING:
    from lambdas.publish.manifest import Manifest


class Kind(StrEnum):
    CSV = "csv"
    VTT = "vtt"
    EDL = "edl"
    OTIO = "otio"
    FCPXML = "fcpxml"
    XMP = "xmp"


_TIMELINES: dict[Kind, Literal["edl", "otio", "fcpxml"]] = {
    Kind.EDL: "edl",
    Kind.OTIO: "otio",
    Kind.FCPXML: "fcpxml",
}


def export(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A run's folder.", show_default=False)],
    to: Annotated[
        list[Kind],
        typer.Option(
            help="csv, vtt, edl, otio, fcpxml, or xmp: copies of the pictures that tell where they are from.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="DIR", help="Where to write; OUT.export by default.", show_default=False
        ),
    ] = None,
    media: Annotated[
        str | None,
        typer.Option(metavar="PATH|URL", help="The video that timelines link to.", show_default=False),
    ] = None,
    names: Annotated[bool, typer.Option("--names", help="Write people's names into pictures, too.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """Hand a run on: appearances and scenes as tables, captions, timelines; pictures with their origin inside."""
    from talent_frames.corrections import read_manifest

    with errors(str(out), debug):
        manifest = read_manifest(out)
        target = output if output is not None else out.with_name(f"{out.resolve().name}.export")
        target.mkdir(parents=True, exist_ok=True)
        for kind in dict.fromkeys(to):
            for path in write(kind, manifest, out, target, media or _media(manifest), names=names):
                print(path)


def write(kind: Kind, manifest: Manifest, root: Path, target: Path, media: str, *, names: bool) -> list[Path]:
    """Writes a run as one kind of file into a folder; the files written."""
    stem = Path(manifest.source.uri).stem or "video"
    texts: dict[str, str] = {}
    if kind is Kind.CSV:
        from talent_frames.exports import tables

        texts = {
            f"{stem}.appearances.csv": tables.appearances(manifest),
            f"{stem}.scenes.csv": tables.scenes(manifest),
        }
    elif kind is Kind.VTT:
        from talent_frames.exports import captions

        made = captions.thumbnails(manifest, root, stem)
        texts = {
            f"{stem}.chapters.vtt": captions.chapters(manifest),
            f"{stem}.people.vtt": captions.appearances(manifest),
            f"{stem}.thumbnails.vtt": made.vtt,
        }
        for name, data in made.sprites.items():
            (target / name).write_bytes(data)
    elif kind is Kind.XMP:
        from talent_frames.exports.pictures import write_pictures

        return write_pictures(manifest, root, target, names=names)
    else:
        from talent_frames.exports.timelines import timeline

        texts = {f"{stem}.{kind}": timeline(manifest, _TIMELINES[kind], media)}
    for name, text in texts.items():
        # Line ends are the text's own: CSV has its own kind.
        (target / name).write_text(text, encoding="utf-8", newline="")
    return [target / name for name in texts]


def _media(manifest: Manifest) -> str:
    """The video as the run read it, while that is kept; else its name."""
    from lambdas.contracts import Plan, plan_key
    from lambdas.errors import RunExpired
    from lambdas.staging import get_document
    from talent_frames.kept import kept_run

    try:
        staging, _ = kept_run(manifest.run_id)
        uri = get_document(staging, plan_key(manifest.run_id), Plan).source.uri
    except (RunExpired, KeyError):
        return manifest.source.uri
    # A signed URL is a secret and soon over.
    return manifest.source.uri if "://" in uri else uri
