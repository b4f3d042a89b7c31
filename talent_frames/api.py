"""The Python API: one function, the same as the command `talent-frames run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lambdas.contracts import MOST_GALLERY_BYTES, Gallery, Settings, first_problem
from lambdas.errors import GalleryPackMismatch, InvalidGallery, InvalidSettings, SourceMissing
from lambdas.publish.keys import source_names
from talent_frames.kept import KEPT_DAYS
from talent_frames.progress import Calls, Downloads, Progress, Silent
from talent_frames.run import RunOptions, run_video

if TYPE_CHECKING:
    from lambdas.publish.manifest import Manifest

DEFAULT_PACK = "open"


def run(
    video: str | Path,
    *,
    out: str | Path | None = None,
    models: str | Path = DEFAULT_PACK,
    gallery: str | Path | None = None,
    settings: Settings | Mapping[str, Any] | None = None,
    workers: int | None = None,
    force: str = "",
    link_video: bool = False,
    progress: Progress | Callable[[str, float, float | None], object] | None = None,
    corrections: str | Path | None = None,
    keep_days: float = KEPT_DAYS,
) -> Manifest:
    """Finds the people of one video, publishes them as a folder and returns its manifest, as manifest.json holds it.

    Args:
        video: A path, or an http(s) or s3 URL.
        out: The folder to publish as, `out/<name of the video>` by default. An earlier run in it is replaced whole.
        models: A model pack's name or folder; see `talent-frames models`.
        gallery: A gallery.npz, or a folder of pictures to enrol first (one folder or file per person).
        settings: Everything that changes results: a `talent_frames.Settings`, or some of its fields by name, as in
            `{"representative": 3}`; the rest is as by default.
        workers: Processes that look at the video, by default as many as cores and memory allow.
        force: A new text does chunks again that an interrupted run of the same video and settings finished.
        link_video: Whether the report links to the video wherever it lies; one in a folder above it is linked anyway.
        progress: Told what is going on: a function of a stage's name, how much of it is done and of how much (None
            where that is unknown), or `talent_frames.progress.Lines()`, which prints it.
        corrections: A corrections.json to apply; by default what was corrected in the run that `out` holds.
        keep_days: For so long the run can be corrected without its video; 0 keeps nothing.

    Raises:
        lambdas.errors.BadInput: The video, a setting or the gallery can't be worked with; nothing was written.
        lambdas.errors.TalentFramesError: Anything else that went wrong knowingly; nothing was written.
    """
    from talent_frames.packs import get_expression, resolve_pack

    settings = chosen_settings(settings)
    if progress is None:
        progress = Silent()
    elif not isinstance(progress, Progress):
        progress = Calls(progress)
    downloads = Downloads(progress)
    pack_dir = resolve_pack(str(models), downloads)
    get_expression(downloads)
    known = read_gallery(Path(gallery), pack_dir, progress) if gallery is not None else None
    return run_video(
        video,
        out=Path(out) if out is not None else Path("out") / source_names(str(video))[0],
        pack_dir=pack_dir,
        settings=settings,
        options=RunOptions(
            gallery=known,
            workers=workers,
            force=force,
            link_video=link_video,
            progress=progress,
            corrections=Path(corrections) if corrections is not None else None,
            keep_days=keep_days,
        ),
    )


def chosen_settings(given: Settings | Mapping[str, Any] | None) -> Settings | None:
    """The settings, made of single fields where those are given. Raises InvalidSettings naming the first wrong one."""
    if given is None or isinstance(given, Settings):
        return given
    try:
        return Settings.model_validate(dict(given))
    except ValidationError as error:
        raise InvalidSettings(f"settings: {first_problem(error)}") from None


def picture_kind(data: bytes) -> str:
    """The kind of picture these bytes begin, or empty."""
    for magic, kind in ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG", "PNG"), (b"GIF8", "GIF"), (b"BM", "BMP")):
        if data.startswith(magic):
            return kind
    return "HEIC" if data[4:8] == b"ftyp" else "WebP" if data[:4] == b"RIFF" else ""


def read_gallery(gallery: Path, pack_dir: Path, progress: Progress) -> bytes:
    """The bytes of a gallery.npz, enrolled here and now if `gallery` is a folder.

    Raises SourceMissing, InvalidGallery, and GalleryPackMismatch before any time is spent on a video.
    """
    from lambdas.detect.packs import read_manifest

    if gallery.is_dir():
        from talent_frames.enroll import enroll

        progress.started("enroll")
        known, warnings = enroll(gallery, pack_dir)
        progress.finished("enroll", "; ".join([f"{len(known.names)} people", *warnings]))
        return known.to_bytes()
    try:
        if gallery.stat().st_size > MOST_GALLERY_BYTES:
            raise InvalidGallery(f"{gallery}: larger than any gallery.npz")
        data = gallery.read_bytes()
    except OSError as error:
        raise SourceMissing(f"{gallery}: {error.strerror}") from None
    if kind := picture_kind(data):
        raise InvalidGallery(f"{gallery}: a picture ({kind}); give the folder it is in, with a picture for each person")
    try:
        enrolled_with = Gallery.from_bytes(data).pack_sha256
    except InvalidGallery as error:
        raise InvalidGallery(f"{gallery}: {error}") from None
    pack = read_manifest(pack_dir).facts()
    if enrolled_with != pack.sha256:
        raise GalleryPackMismatch(
            f"{gallery}: enrolled with another model pack than {pack.name} "
            f"({enrolled_with[:12]}, not {pack.sha256[:12]}); enrol its pictures again with --models {pack.name}"
        )
    return data
