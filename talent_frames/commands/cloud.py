"""`talent-frames submit`, `status` and `open`: a deployed stack from the command line."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from talent_frames.terminal import errors, shown_progress

if TYPE_CHECKING:
    from talent_frames.cloud import Estimate

Stack = Annotated[str, typer.Option(metavar="NAME", help="The deployed stack.", show_envvar=False)]
Debug = Annotated[bool, typer.Option("--debug", help="Show where an error came from.", show_envvar=False)]


def submit(
    uri: Annotated[str, typer.Argument(metavar="s3://BUCKET/PREFIX", show_default=False, show_envvar=False)],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, and start nothing.", show_envvar=False)
    ] = False,
    at_once: Annotated[int, typer.Option(metavar="N", min=1, help="Runs at a time.", show_envvar=False)] = 4,
    again: Annotated[
        bool, typer.Option("--again", help="Start those once more whose run failed.", show_envvar=False)
    ] = False,
    stack: Stack = "TalentFrames",
    debug: Debug = False,
) -> None:
    """Send videos that lie in a bucket already through a deployed stack.

    Says how many there are, and what they take and cost by measured rates. Interrupted, it goes on where it was:
    nothing is submitted twice.
    """

    with errors(uri, debug):
        from talent_frames import cloud

        videos = cloud.videos_under(uri)
        durations = [cloud.duration_s(video) for video in cloud.sample(videos)]
        for line in told(cloud.Estimate.of(videos, durations, at_once)):
            print(line)
        if dry_run or not videos:
            return
        target = cloud.Stack(stack)
        with shown_progress() as progress:
            progress.started("submit", float(len(videos)))

            def tell(one: cloud.Submitted) -> None:
                progress.advanced("submit", 1.0)
                if one.state not in ("SUCCEEDED", "submitted before"):
                    print(f"{one.video.key}: {one.state}", file=sys.stderr)

            counts = cloud.counted(cloud.submit(target, videos, at_once, again=again), tell)
            progress.finished("submit", ", ".join(f"{count} {state.lower()}" for state, count in counts.items()))
        if set(counts) - {"SUCCEEDED", "submitted before"}:
            raise typer.Exit(1)


def status(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="A run's id or an execution's name.", show_default=False, show_envvar=False),
    ] = None,
    most: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="How many.", show_envvar=False)] = 20,
    stack: Stack = "TalentFrames",
    debug: Debug = False,
) -> None:
    """Say how a run of a deployed stack fares, or what was started last."""

    with errors(run or stack, debug):
        from talent_frames import cloud

        target = cloud.Stack(stack)
        if run is None:
            recent = target.recent(most)
            for one in recent:
                print(f"{one['started_at']}  {one['status']:<10}  {one['name']}")
            if not recent:
                print(f"stack {stack} has started nothing yet")
            return
        row = target.run(run)
        for name in (
            *("status", "source", "run", "started_at", "finished_at", "people", "manifest_uri"),
            *("attempt", "revision", "stage", "error", "cause"),
        ):
            if row.get(name):
                print(f"{name:<12}  {row[name]}")


def open_run(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A run's folder, its id or an execution's name.", show_default=False, show_envvar=False
        ),
    ],
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Or only print where the report is.", show_envvar=False)
    ] = True,
    stack: Stack = "TalentFrames",
    debug: Debug = False,
) -> None:
    """Show a run's report: of a folder, or of a deployed stack by a signed URL that is good for an hour."""

    with errors(run, debug):
        if Path(run).is_dir():
            from talent_frames.corrections import read_manifest

            url = (Path(run) / read_manifest(Path(run)).report_file).resolve().as_uri()
        else:
            from talent_frames import cloud

            url = cloud.Stack(stack).report_url(run)
        if browser:
            webbrowser.open(url)
        else:
            print(url)


def told(estimate: Estimate) -> list[str]:
    """An estimate in words."""
    from talent_frames.progress import clock

    videos = "1 video" if estimate.videos == 1 else f"{estimate.videos:,} videos"
    megabytes = estimate.size_bytes / 1e6
    size = f"{megabytes:.1f} MB" if megabytes < 1000 else f"{megabytes / 1000:,.2f} GB"
    lines = [f"{videos}, {size}" if estimate.videos else videos]
    if estimate.sampled:
        how = "" if estimate.sampled == estimate.videos else f" by the length of {estimate.sampled} of them"
        length = f"{estimate.hours:,.1f} hours" if estimate.hours >= 1 else f"{clock(estimate.hours * 3600)} minutes"
        usd = f"about ${estimate.usd:,.2f}" if estimate.usd >= 0.005 else "less than a cent"
        lines.append(
            f"about {length} of video{how}: {usd} and about {clock(estimate.seconds)}, by what docs/cost.md measured"
        )
    elif estimate.videos:
        lines.append("of none of those looked at could the length be told, so neither can cost and time")
    return lines
