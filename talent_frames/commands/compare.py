"""`talent-frames compare`: what two runs of a video found differently."""

from __future__ import annotations

import base64
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from talent_frames.terminal import errors

if TYPE_CHECKING:
    from lambdas.publish.manifest import Manifest
    from talent_frames.comparison import Comparison


def compare(
    before: Annotated[Path, typer.Argument(metavar="A", help="A run's folder.", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="B", help="Another run's.", show_default=False)],
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page with everybody's faces, too.", show_default=False),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """Compare two runs of a video: people gained, lost, merged, split; frames, scenes and settings changed."""
    from talent_frames.comparison import compare as compare_runs
    from talent_frames.comparison import sentences
    from talent_frames.corrections import read_manifest
    from talent_frames.exports.labels import label

    with errors(f"{before} and {after}", debug):
        found = compare_runs(read_manifest(before), read_manifest(after))
        for line in sentences(found, label):
            print(line)
        if page is not None:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(render(found, before, after), encoding="utf-8")
            print(f"page: {page}")


def render(found: Comparison, before: Path, after: Path) -> str:
    """The comparison as one self-contained page."""
    import jinja2

    from talent_frames.exports.labels import label

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("talent_frames", ""), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("compare.html.j2").render(
        **{field.name: getattr(found, field.name) for field in fields(found)},
        title=Path(found.after.source.uri).name,
        pictures_before=_faces(found.before, before),
        pictures_after=_faces(found.after, after),
        label=label,
    )


def _faces(manifest: Manifest, root: Path) -> dict[int, str]:
    """Everybody's face as a data URI, empty where the file is gone."""
    found: dict[int, str] = {}
    for person in manifest.people:
        try:
            data = (root / person.thumbnail).read_bytes()
        except OSError:
            found[person.id] = ""
        else:
            found[person.id] = "data:image/jpeg;base64," + base64.b64encode(data).decode()
    return found
