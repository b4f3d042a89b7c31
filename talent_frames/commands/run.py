"""`talent-frames run`: everyone in a video, or in each of several."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import uuid
import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from pydantic import ValidationError

from lambdas.contracts import Settings, first_problem
from lambdas.errors import BadInput, InvalidSettings
from talent_frames.commands.run_options import (
    DEFAULTS,
    Alternatives,
    AsJson,
    ChunkSeconds,
    CorrectionsPath,
    Debug,
    Fit,
    Force,
    GalleryPath,
    KeepDays,
    LinkVideo,
    MinScenes,
    MinSightings,
    Models,
    OpenReport,
    Out,
    PeopleOnly,
    Quality,
    Quiet,
    Representative,
    SceneDetector,
    Scenes,
    SceneThreshold,
    SettingsFile,
    Size,
    Thorough,
    Videos,
    Watch,
    Workers,
)
from talent_frames.folders import Task, arrivals, shared_folder, tasks
from talent_frames.kept import KEPT_DAYS
from talent_frames.terminal import errors, fail, shown, shown_progress, tell

MOST_SETTINGS_BYTES = 65_536
THRESHOLDS = {
    "adaptive": "adaptive_ratio",
    "hash": "hash_distance",
    "histogram": "histogram_difference",
    "threshold": "fade_level",
}
"""Settings that --scene-threshold sets, by scene detector; for the others it is scene_threshold."""


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
    from talent_frames.machine import check_address_space

    with errors("memory", debug):
        check_address_space()
    detector = scene_detector or settings_of(settings_file, debug).scene_detector
    settings = settings_of(
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
    found = _found(videos, out, watch=watch, debug=debug)
    several = watch or len(found) > 1 or any(task.in_folder for task in found)
    worst = 0
    with contextlib.ExitStack() as ending:
        if several and gallery is not None and gallery.is_dir():
            # Enrolled once for all of them.
            with errors(str(gallery), debug):
                gallery = ending.enter_context(_enrolled(gallery, models))
        runs = _Runs(
            settings=settings,
            models=models,
            gallery=gallery,
            workers=workers,
            force=force,
            link_video=link_video,
            corrections=corrections,
            keep_days=keep_days,
            open_report=open_report,
            as_json=as_json,
            compact=several,
            quiet=quiet,
            debug=debug,
        )
        if watch:
            for arrived in arrivals(videos, out):
                for task in arrived:
                    runs.one(task)
        for task in found:
            worst = max(worst, runs.one(task))
    raise typer.Exit(worst)


def _found(videos: list[str], out: Path | None, *, watch: bool, debug: bool) -> list[Task]:
    """The videos that are there, each with its folder; ends the command where they can't be run."""
    from talent_frames.run import check_name

    if watch and not all(Path(video).is_dir() for video in videos):
        fail(InvalidSettings("--watch takes folders alone"), "", debug)
    for video in videos:
        with errors(shown(video), debug):
            check_name(video)
    found = tasks(videos, out)
    if (shared := shared_folder(found)) is not None:
        fail(BadInput(f"two of the videos have the same name and would share {shared}; run them one by one"), "", debug)
    if not found and not watch:
        fail(BadInput(f"{', '.join(videos)}: no video in it"), "", debug)
    return found


@dataclass(frozen=True)
class _Runs:
    """How each of the videos is run and told of."""

    settings: Settings
    models: str
    gallery: Path | None
    workers: int | None
    force: bool
    link_video: bool
    corrections: Path | None
    keep_days: float
    open_report: bool
    as_json: bool
    compact: bool
    """Whether a manifest is printed as one line."""
    quiet: bool
    debug: bool

    def one(self, task: Task) -> int:
        """Runs one video, and returns its exit code."""
        try:
            with errors(shown(task.video), self.debug):
                if task.in_folder and not self.force and _is_done(task, self.settings, self.models, self.gallery):
                    if not self.quiet:
                        print(f"{shown(task.video)}: done already, {task.out}", file=sys.stderr)
                    return 0
                self._run(task)
        except typer.Exit as end:
            return end.exit_code
        return 0

    def _run(self, task: Task) -> None:
        from talent_frames.api import run

        with shown_progress(self.quiet) as progress:
            manifest = run(
                task.video,
                out=task.out,
                models=self.models,
                gallery=self.gallery,
                settings=self.settings,
                workers=self.workers,
                force=uuid.uuid4().hex if self.force else "",
                link_video=self.link_video,
                progress=progress,
                corrections=self.corrections,
                keep_days=self.keep_days,
            )
        tell(manifest, task.out, self.as_json, compact=self.compact, quiet=self.quiet)
        if self.open_report:
            webbrowser.open((task.out / manifest.report_file).absolute().as_uri())


@contextlib.contextmanager
def _enrolled(pictures: Path, models: str) -> Iterator[Path]:
    """A gallery.npz of these pictures, for as long as the block lasts."""
    from talent_frames.api import read_gallery
    from talent_frames.packs import resolve_pack

    with tempfile.TemporaryDirectory(prefix="talent-frames-") as folder:
        with shown_progress() as progress:
            data = read_gallery(pictures, resolve_pack(models), progress)
        file = Path(folder) / "gallery.npz"
        file.write_bytes(data)
        yield file


def _is_done(task: Task, settings: Settings, models: str, gallery: Path | None) -> bool:
    from talent_frames.folders import is_done
    from talent_frames.packs import resolve_pack

    return is_done(task, settings, resolve_pack(models), gallery.read_bytes() if gallery is not None else b"")


def settings_of(file: Path | None, debug: bool, **given: Any) -> Settings:
    """The file's settings, or the defaults, with those given in place of them."""
    with errors(str(file or "settings"), debug):
        try:
            settings = DEFAULTS if file is None else Settings.model_validate_json(_settings_text(file))
            chosen = {name: value for name, value in given.items() if value is not None}
            # What nobody gave stays so: the chunks' length is then chosen by the number of workers.
            return Settings.model_validate({**settings.model_dump(exclude_unset=True), **chosen})
        except OSError as error:
            raise InvalidSettings(f"{file}: {error.strerror}") from None
        except ValidationError as error:
            raise InvalidSettings(f"{file or 'settings'}: {first_problem(error)}") from None


def _settings_text(file: Path) -> bytes:
    with file.open("rb") as opened:
        text = opened.read(MOST_SETTINGS_BYTES + 1)
    if len(text) > MOST_SETTINGS_BYTES:
        raise InvalidSettings(f"{file}: more than {MOST_SETTINGS_BYTES:,} bytes")
    return text
