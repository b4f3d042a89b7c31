"""The options of `talent-frames run`, some of which other commands have too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape

from lambdas.contracts import Settings
from talent_frames.kept import KEPT_DAYS

DEFAULTS = Settings()
WANTED, HOW, WHO, MACHINE = "What comes out", "How it is looked at", "Who is who", "This command"
"""Panels of the help."""


def option(panel: str, text: str, default: object = None, *names: str, **more: Any) -> Any:
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
    option(
        WANTED,
        "The run's folder; an earlier run in it is replaced whole. Several videos get a folder each in it.",
        "out/<name of the video>",
        metavar="DIR",
    ),
]
Representative = Annotated[
    int | None,
    option(WANTED, "Representative frames of the whole video.", DEFAULTS.representative, metavar="N", min=0, max=100),
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
    option(
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
    option(
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
    option(WANTED, "Frames as they are, or 1920x1080 or 1080x1920 by orientation.", DEFAULTS.size),
]
Fit = Annotated[
    Literal["pad", "crop"] | None,
    option(WANTED, "How other shapes become 1080p; crop keeps faces inside.", DEFAULTS.fit),
]
Quality = Annotated[
    int | None, option(WANTED, "Of the JPEG files.", DEFAULTS.jpeg_quality, metavar="N", min=50, max=100)
]
LinkVideo = Annotated[
    bool,
    option(
        WANTED,
        "The report plays the video's moments wherever it lies, a URL as given; one in a folder above the report plays "
        "anyway.",
        None,
        "--link-video",
    ),
]
Models = Annotated[str, option(WHO, "Model pack, see [bold]talent-frames models[/bold].", "open", metavar="NAME|DIR")]
GalleryPath = Annotated[
    Path | None,
    option(
        WHO,
        "People to name: pictures in one folder or file per person, or a gallery.npz.",
        "nobody is named",
        "--gallery",
        metavar="DIR|FILE",
    ),
]
MinSightings = Annotated[
    int | None,
    option(
        WHO,
        "People with fewer clear detections than this are listed under unclear.",
        DEFAULTS.min_sightings,
        metavar="N",
        min=1,
        max=1000,
    ),
]
Thorough = Annotated[bool, option(HOW, "Look twice as often; takes about twice as long.", None, "--thorough")]
ChunkSeconds = Annotated[
    float | None,
    option(
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
    option(
        HOW,
        "layout also finds dissolves and passes over flashes; the others are PySceneDetect's.",
        DEFAULTS.scene_detector,
    ),
]
SceneThreshold = Annotated[
    float | None,
    option(
        HOW,
        "What the detector takes for a cut, on its own scale; lower finds more (threshold: a mean brightness).",
        f"{DEFAULTS.scene_threshold:g}, adaptive {DEFAULTS.adaptive_ratio:g}, hash {DEFAULTS.hash_distance:g}, "
        f"histogram {DEFAULTS.histogram_difference:g}, threshold {DEFAULTS.fade_level:g}",
        metavar="N",
    ),
]
SettingsFile = Annotated[
    Path | None,
    option(
        HOW, "More settings, as the manifest lists them; options given here win.", None, "--settings", metavar="FILE"
    ),
]
Workers = Annotated[
    int | None,
    option(
        MACHINE,
        "Processes that look at the video, up to 1.5 GB each.",
        "as many as cores and memory allow",
        metavar="N",
        min=1,
    ),
]
PeopleOnly = Annotated[
    bool, option(WANTED, "No scenes and no representative frames, which is faster.", None, "--people-only")
]
CorrectionsPath = Annotated[
    Path | None,
    option(
        WHO,
        "Corrections to apply.",
        "those of the run that stands in the folder",
        "--corrections",
        metavar="FILE",
    ),
]
Watch = Annotated[bool, option(MACHINE, "Go on with what comes into the folders; Ctrl-C ends it.", None, "--watch")]
KeepDays = Annotated[
    float,
    option(
        MACHINE,
        "Days for which a run can be corrected without its video; 0 keeps nothing.",
        f"{KEPT_DAYS:g}",
        metavar="DAYS",
        min=0,
    ),
]
OpenReport = Annotated[bool, option(MACHINE, "Show the report when the run is done.", None, "--open")]
Force = Annotated[bool, option(MACHINE, "Start afresh even where an interrupted run could go on.", None, "--force")]
Quiet = Annotated[
    bool, option(MACHINE, "Print nothing but warnings and errors (and --json's manifest).", None, "--quiet", "-q")
]
AsJson = Annotated[bool, option(MACHINE, "Print the manifest on stdout and nothing else.", None, "--json")]
Debug = Annotated[bool, option(MACHINE, "Show where an error came from.", None, "--debug")]
