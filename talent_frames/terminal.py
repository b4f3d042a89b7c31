"""What a command says: progress and errors on stderr, what was found on stdout."""

from __future__ import annotations

import contextlib
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lambdas.errors import OUT_OF_SPACE, BadInput, TalentFramesError
from talent_frames.progress import Bars, Lines, Progress, Silent, clock

if TYPE_CHECKING:
    from lambdas.publish.manifest import Manifest

_URL = re.compile(r"https?:/+(?:[^\s/@]*@)?([^\s?#'\"<>]*)[^\s'\"<>]*", re.IGNORECASE)


@contextlib.contextmanager
def shown_progress(quiet: bool = False) -> Iterator[Progress]:
    """Bars on a terminal, lines in a pipe, both on stderr; or nothing."""
    if quiet:
        yield Silent()
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines()
        return
    with Bars(console) as bars:
        yield bars


@contextlib.contextmanager
def errors(what: str, debug: bool) -> Iterator[None]:
    """Turns an error into one line on stderr and the exit code: 2 for bad input, 1 for anything else."""
    try:
        yield
    except Exception as error:
        if isinstance(error, typer.Exit):
            raise
        fail(error, what, debug)


def fail(error: Exception, what: str, debug: bool) -> None:
    if debug:
        print(_without_urls("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    line = " ".join(_without_urls(str(error)).split())
    if isinstance(error, OSError) and error.errno in OUT_OF_SPACE:
        # Whatever was being written; the video is not to blame.
        line = f"no space left ({error.filename or 'on the disk'}); with room on it the run goes on where it was"
    elif not isinstance(error, TalentFramesError):
        line = f"{_without_urls(what)}: {type(error).__name__}: {line} (--debug shows where)"
    print(f"error: {_printable(line)}", file=sys.stderr)
    raise typer.Exit(2 if isinstance(error, BadInput) else 1)


def _printable(line: str) -> str:
    """The line without what would move the cursor or colour the screen: names of files may hold anything."""
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def shown(video: str) -> str:
    """A video's name fit to be printed: of a URL, which may hold a password or a signature, its last part."""
    if _URL.match(video):
        video = video.partition("?")[0].partition("#")[0].rpartition("@")[2]
    name = PurePosixPath(video).name or "the video"
    return name.encode(errors="replace").decode()


def _without_urls(text: str) -> str:
    """The text with every URL in it cut down to host and path: what is before and behind may be secret.

    URLs the command was given are known whole, whatever is in them; as paths they have lost a slash.
    """
    for argument in sys.argv[1:]:
        if found := _URL.search(argument):
            url = argument[found.start() :]
            for given in (url, str(PurePosixPath(url)), PurePosixPath(url).name):
                for form in filter(None, (given, repr(given)[1:-1], " ".join(given.split()))):
                    text = text.replace(form, shown(url))
    return _URL.sub(lambda found: found[1], text).encode(errors="replace").decode()


def tell(manifest: Manifest, folder: Path, as_json: bool, *, compact: bool = False, quiet: bool = False) -> None:
    """Prints the manifest, or who was found and where things are, or nothing."""
    if as_json:
        print(manifest.model_dump_json(indent=None if compact else 1))
        return
    if quiet:
        return
    console = Console(highlight=False)
    if manifest.people:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("person", "name"):
            table.add_column(heading)
        for heading in ("on screen", "best at", "score"):
            table.add_column(heading, justify="right")
        table.add_column("best frame", no_wrap=True)
        for person in manifest.people:
            best = person.best_frame
            table.add_row(
                str(person.id),
                escape(person.name or "unknown"),
                clock(person.screen_time_s),
                clock(best.t_s),
                f"{best.score:.2f}",
                escape(best.file),
            )
        console.print(table)
    print(
        f"{len(manifest.people)} people, {len(manifest.representative_frames)} representative frames, "
        f"{len(manifest.scenes)} scenes"
    )
    for note in manifest.notes:
        print(f"note: {note}")
    print(f"report: {folder / manifest.report_file}")
