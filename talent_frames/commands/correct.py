"""`talent-frames correct`: what `edit` does by hand, for scripts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lambdas.contracts import LONGEST_NAME
from lambdas.errors import BadInput
from talent_frames.terminal import errors

if TYPE_CHECKING:
    from lambdas.publish.manifest import Manifest
    from talent_frames.corrections import Wish

_TIME = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")
_WHO = r"[pu]?\d+"


class WrongCorrection(BadInput):
    """A correction is not written as it should be."""


def correct(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A run's folder.", show_default=False)],
    merge: Annotated[
        list[str] | None, typer.Option(metavar="ID,ID", help="These people are one.", show_default=False)
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID:TRACK",
            help="This presence (its place in the person's tracks, several as 2:5,6) shows somebody else.",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="ID=NAME", help="The person's name; nothing behind = takes it away.", show_default=False),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(metavar="ID", help="No person.", show_default=False)] = None,
    hide: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="A person who is not to be shown.", show_default=False)
    ] = None,
    best: Annotated[
        list[str] | None,
        typer.Option(metavar="ID=TIME", help="The moment of the best frame, as 3=1:02:12.4.", show_default=False),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was corrected last.")] = False,
    enroll: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Add the named people to this gallery.npz, so that other videos know them.",
            show_default=False,
        ),
    ] = None,
    models: Annotated[
        str | None,
        typer.Option(metavar="NAME|DIR", help="The run's model pack, if it is elsewhere by now.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the manifest and nothing else.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """Correct a run and publish it anew, without reading the video.

    People go by their id in manifest.json, which is the number in their files' names, or by p and the number that the
    report shows: p4 is 3. Those seen unclearly go by u and their place in the list, as u0. All of it means the run
    as it is before the command. Each option may be repeated.
    """
    from talent_frames.corrections import Run
    from talent_frames.corrections import correct as add
    from talent_frames.corrections import undo as undo_last

    with errors(str(out), debug):
        wishes = wishes_of(merge or [], split or [], name or [], drop or [], hide or [], best or [])
        if undo and wishes:
            raise WrongCorrection("--undo goes alone")
        run = Run.open(out)
        if undo:
            run = undo_last(run)
        elif wishes:
            from talent_frames.packs import resolve_pack

            run = add(run, wishes, resolve_pack(models) if models else None)
        elif enroll is None:
            raise WrongCorrection("nothing to correct: give --merge, --split, --name, --drop, --hide, --best or --undo")
        added = ""
        if enroll is not None:
            from talent_frames.enroll_run import enroll_run

            names = enroll_run(run, enroll)
            added = f"{enroll}: {', '.join(names) if names else 'nobody in this run has a name'}"
        if as_json:
            print(run.manifest.model_dump_json(indent=1))
            return
        for line in outcome(run.manifest):
            print(line)
        if added:
            print(added)


def outcome(manifest: Manifest) -> list[str]:
    """What came of the corrections, in sentences."""
    count = manifest.corrections
    lines = [f"{len(manifest.people)} people, {count} correction{'' if count == 1 else 's'} applied"]
    for person in manifest.people:
        shown = person.name or f"Person {person.id + 1}"
        lines.append(f"  {person.id}  {shown}  {person.best_frame.file}")
    for one in manifest.unmatched_corrections:
        at = ", ".join(f"{at_s:.2f} s" for at_s in one.at_s[:5])
        lines.append(f"correction {one.number + 1} ({one.do}): {one.reason}" + (f" ({at})" if at else ""))
    return lines


def wishes_of(
    merge: list[str], split: list[str], name: list[str], drop: list[str], hide: list[str], best: list[str]
) -> list[Wish]:
    """The options as corrections: tracks are split off and people merged before the rest. Raises WrongCorrection."""
    from talent_frames.corrections import Best, Leave, Merge, Name, Split

    wishes: list[Wish] = []
    for text in split:
        found = _parts(rf"({_WHO}):(\d+(?:,\d+)*)", text, "--split", "2:5")
        wishes.append(Split(found[0], tuple(int(track) for track in found[1].split(","))))
    for text in merge:
        found = _parts(rf"({_WHO}(?:,{_WHO})+)", text, "--merge", "3,7")
        wishes.append(Merge(tuple(found[0].split(","))))
    for text in name:
        found = _parts(rf"({_WHO})=(.*)", text, "--name", '3="Ada"')
        wishes.append(Name(found[0], checked_name(found[1])))
    for option, texts in (("--drop", drop), ("--hide", hide)):
        for text in texts:
            for who in text.split(","):
                _parts(rf"({_WHO})", who, option, "9")
                wishes.append(Leave(who, "drop" if option == "--drop" else "hide"))
    for text in best:
        found = _parts(rf"({_WHO})=({_TIME.pattern})", text, "--best", "3=00:12.4")
        wishes.append(Best(found[0], seconds(found[1])))
    return wishes


def checked_name(text: str) -> str | None:
    """A name as it may be written down; None for an empty one. Raises WrongCorrection."""
    name = " ".join(text.split())
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise WrongCorrection(f"a name of {len(name)} letters: at most {LONGEST_NAME}, and such as can be printed")
    return name or None


def seconds(text: str) -> float:
    """`12.4`, `0:12.4` or `1:02:12.4` as seconds. Raises WrongCorrection."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise WrongCorrection(f"{text}: a time is written as 12.4, 0:12.4 or 1:02:12.4")
    hours, minutes, rest = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + rest


def _parts(pattern: str, text: str, option: str, example: str) -> tuple[str, ...]:
    found = re.fullmatch(pattern, text.strip(), re.DOTALL)
    if found is None:
        raise WrongCorrection(f"{option} {text}: written as {option} {example}")
    return found.groups()
