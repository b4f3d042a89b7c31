"""The command `talent-frames`. Exit codes: 0 done, 1 failed, 2 bad input or usage, 129, 130 and 143 interrupted."""

from __future__ import annotations

import importlib.metadata
import signal
import sys
from types import FrameType
from typing import Annotated

import typer
import typer.core

from talent_frames.commands.cloud import open_run, status, submit
from talent_frames.commands.compare import compare
from talent_frames.commands.correct import correct
from talent_frames.commands.demo import demo
from talent_frames.commands.edit import edit
from talent_frames.commands.enroll import enroll
from talent_frames.commands.erase import erase
from talent_frames.commands.export import export
from talent_frames.commands.models import models_app
from talent_frames.commands.run import run_command
from talent_frames.terminal import errors

PACKAGE = "talent-frames"

app = typer.Typer(
    name=PACKAGE,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    # TALENT_FRAMES_RUN_SIZE=source is run's --size.
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "TALENT_FRAMES"},
    help="From a video to its people: the best frame of everyone in it, ten frames for the whole, one per scene.",
)
app.add_typer(models_app, name="models")
for _command in (edit, correct, compare, export, submit, status, erase):
    app.command()(_command)
app.command("open")(open_run)
app.command("run")(run_command)
app.command()(demo)
app.command()(enroll)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(PACKAGE, importlib.metadata.version(PACKAGE))
        raise typer.Exit


class Terminated(BaseException):
    """SIGTERM or SIGHUP arrived; holds its number."""


def main() -> None:
    """Entry point; ends the process with the exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        # A terminal that goes away ends us in order, unless nohup says to go on.
        signal.signal(signal.SIGHUP, _terminate)
    try:
        app()
    except KeyboardInterrupt as end:
        _tell_notes(end)
        sys.exit(130)
    except Terminated as end:
        _tell_notes(end)
        sys.exit(128 + int(end.args[0]))
    except SystemExit as end:
        # Typer makes one of Ctrl-C.
        cause: BaseException | None = end
        while cause is not None and not isinstance(cause, KeyboardInterrupt):
            cause = cause.__cause__ or cause.__context__
        if cause is not None:
            _tell_notes(cause)
        raise
    except BrokenPipeError:
        # The reader of our stdout left; what is still buffered has nowhere to go.
        sys.stdout = None
        sys.exit(1)
    except OSError as error:
        # Before a command has begun: not even a module of ours could be opened.
        print(f"error: {error.strerror}", file=sys.stderr)
        sys.exit(1)


def _tell_notes(end: BaseException) -> None:
    """What a run that was interrupted said of itself."""
    for note in getattr(end, "__notes__", []):
        print(note, file=sys.stderr)


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit."),
    ] = False,
) -> None:
    from talent_frames import options

    with errors(str(options.FILE), debug=False):
        group = context.command
        assert isinstance(group, typer.core.TyperGroup)
        context.default_map = options.options_of(options.FILE, group)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)


if __name__ == "__main__":
    main()
