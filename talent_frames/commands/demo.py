"""`talent-frames demo`: shows that all of it works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from lambdas.errors import TalentFramesError
from talent_frames.commands.run_options import WANTED, AsJson, Debug, Models, Workers, option
from talent_frames.progress import Downloads
from talent_frames.terminal import errors, shown_progress, tell


def demo(
    out: Annotated[
        Path, option(WANTED, "The run's folder; the clip is put beside it.", "out/demo", metavar="DIR")
    ] = Path("out/demo"),
    models: Models = "open",
    workers: Workers = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make a short clip of four people and find them: shows that all of it works."""
    from talent_frames.api import run
    from talent_frames.demo import PEOPLE, PICTURES, make_clip
    from talent_frames.packs import get_pictures

    clip = out.parent / f"{out.name}.mp4"
    with errors(clip.name, debug):
        with shown_progress() as progress:
            get_pictures(PICTURES, Downloads(progress))
            progress.started("clip")
            make_clip(clip)
            progress.finished("clip", str(clip))
            manifest = run(clip, out=out, models=models, workers=workers, progress=progress)
        tell(manifest, out, as_json)
        found = len(manifest.people)
        verdict = f"{found} people found, {len(PEOPLE)} expected"
        if found != len(PEOPLE):
            raise TalentFramesError(verdict)
        if not as_json:
            print(verdict)
