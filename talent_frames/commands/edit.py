"""`talent-frames edit`: corrects a run in the browser."""

from __future__ import annotations

import threading
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from talent_frames.terminal import errors


def edit(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A run's folder.", show_default=False)],
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on this machine; 0 takes a free one.")] = 0,
    idle: Annotated[
        float, typer.Option(metavar="MINUTES", min=0.01, help="Ends when nothing was asked for so long.")
    ] = 30.0,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page.")] = True,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """Correct a run in the browser: names, merges, splits, another best frame.

    The page is served to this machine alone, at an address nobody can guess. Each change is written to corrections.json
    and published at once. Ctrl-C ends it.
    """

    with errors(str(out), debug):
        from talent_frames.edit_server import Editor, EditServer

        with EditServer(Editor(out), port, idle * 60) as server:
            print(f"correct {out} at {server.url}", flush=True)
            # The first correction need not wait for libraries.
            threading.Thread(target=_load, daemon=True).start()
            if browser:
                webbrowser.open(server.url)
            try:
                server.serve_forever()
                print(f"nothing was asked for {idle:g} minutes: ended")
            except KeyboardInterrupt:
                print("ended")


def _load() -> None:
    from lambdas.cluster import handler as _cluster  # noqa: F401
    from lambdas.cluster.clustering import scikit_learn
    from lambdas.publish import handler as _publish  # noqa: F401

    scikit_learn()
