"""Model packs on disk: their manifest, their facts, their detector and embedder.

A pack is a directory with `pack.json` and the files it names. A directory without one but with InsightFace's ONNX files
(a detection and a recognition model, others ignored) works too; its facts are derived. Which kinds of models there are
and which packs are known stands in catalogue.py. Getting packs is not done here.
"""

from __future__ import annotations

import hashlib
from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from lambdas.contracts import Contract, Distances, PackFacts
from lambdas.detect.catalogue import DETECTORS, EMBEDDERS, RECOGNIZED, KnownPack, Recognized, distances_for
from lambdas.detect.external_data import has_external_data
from lambdas.errors import DamagedPack, GpuMissing, MissingPack, UnknownPack

MANIFEST = "pack.json"
MOST_MANIFEST_BYTES = 65_536

# What runs the models loads numpy and OpenCV: only where a model is asked for, not for what is known of a pack.
if TYPE_CHECKING:
    from lambdas.detect.faces.detections import Detector, Embedder


class PackFile(Contract):
    """One file of a pack, checked whenever the pack is loaded."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    size_bytes: Annotated[int, Field(gt=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _one_of(kind: str, kinds: dict[str, str]) -> str:
    if kind not in kinds:
        raise ValueError(f"{kind!r} is none of {', '.join(kinds)}")
    return kind


class PackManifest(Contract):
    """`pack.json`."""

    version: Literal[1] = 1
    name: str
    licence: str
    commercial_use: bool
    detector: str
    """One of DETECTORS."""
    detector_file: PackFile
    embedder: str
    """One of EMBEDDERS."""
    embedder_file: PackFile
    embedding_size: Annotated[int, Field(gt=0)]
    distances: Distances

    @field_validator("detector")
    @classmethod
    def _known_detector(cls, kind: str) -> str:
        return _one_of(kind, DETECTORS)

    @field_validator("embedder")
    @classmethod
    def _known_embedder(cls, kind: str) -> str:
        return _one_of(kind, EMBEDDERS)

    @model_validator(mode="after")
    def _two_files(self) -> PackManifest:
        if self.detector_file.name == self.embedder_file.name:
            raise ValueError(f"{self.detector_file.name} can't be both detector and embedder")
        return self

    @property
    def files(self) -> tuple[PackFile, PackFile]:
        return self.detector_file, self.embedder_file

    def facts(self) -> PackFacts:
        """What a run records."""
        lines = sorted(f"{file.name} {file.sha256}\n" for file in self.files)
        return PackFacts(
            name=self.name,
            licence=self.licence,
            commercial_use=self.commercial_use,
            detector=f"{self.detector} {Path(self.detector_file.name).stem}",
            embedder=f"{self.embedder} {Path(self.embedder_file.name).stem}",
            embedding_size=self.embedding_size,
            sha256=hashlib.sha256("".join(lines).encode()).hexdigest(),
            distances=self.distances,
        )


class Pack:
    """A checked pack. Its models are loaded when first asked for."""

    def __init__(self, directory: Path, manifest: PackManifest, threads: int = 1) -> None:
        self.directory = directory
        self.manifest = manifest
        self.facts = manifest.facts()
        self._threads = threads

    @cached_property
    def detector(self) -> Detector:
        detector: Detector = self._loaded(DETECTORS[self.manifest.detector], self.manifest.detector_file)
        return detector

    @cached_property
    def embedder(self) -> Embedder:
        embedder: Embedder = self._loaded(EMBEDDERS[self.manifest.embedder], self.manifest.embedder_file)
        if embedder.size != self.facts.embedding_size:
            raise DamagedPack(
                f"{self.facts.name}: {self.manifest.embedder_file.name} gives {embedder.size} numbers a face, "
                f"{MANIFEST} says {self.facts.embedding_size}"
            )
        return embedder

    def _loaded(self, kind: str, file: PackFile) -> Any:
        module, _, name = kind.partition(".")
        model = getattr(import_module(f"lambdas.detect.{module}"), name)
        try:
            return model(self.directory / file.name, self._threads)
        except (ImportError, DamagedPack, MissingPack, GpuMissing):
            raise
        except Exception as error:
            # onnxruntime has no error of its own for a file that is not a model.
            raise DamagedPack(f"{self.facts.name}: {file.name} is not a model ({type(error).__name__})") from error


def manifest_of(known: KnownPack, detector_file: PackFile, embedder_file: PackFile) -> PackManifest:
    """The manifest of a known pack that is made of these files."""
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


def load_pack(directory: Path, threads: int = 1) -> Pack:
    """The pack in this directory, its files checked; every model will use so many threads.

    Raises UnknownPack if there is no such directory, MissingPack if it holds no pack, DamagedPack if a file is missing
    or not the one the manifest names.
    """
    if not directory.is_dir():
        raise UnknownPack(f"{directory}: no such directory")
    manifest = read_manifest(directory)
    check_files(directory, manifest)
    return Pack(directory, manifest, threads)


def read_manifest(directory: Path) -> PackManifest:
    """The directory's `pack.json`, or the one derived from InsightFace's files in it.

    Raises MissingPack if it is neither, DamagedPack if `pack.json` can't be read.
    """
    path = directory / MANIFEST
    if not path.is_file():
        return _insightface_manifest(directory)
    with path.open("rb") as file:
        text = file.read(MOST_MANIFEST_BYTES + 1)
    if len(text) > MOST_MANIFEST_BYTES:
        raise DamagedPack(f"{path}: more than {MOST_MANIFEST_BYTES:,} bytes")
    try:
        return PackManifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise DamagedPack(f"{path}: {where}: {first['msg']}") from error


def check_files(directory: Path, manifest: PackManifest) -> None:
    """Raises DamagedPack unless every file is there, of the right size and checksum, and whole in itself."""
    for file in manifest.files:
        path = directory / file.name
        if not path.is_file():
            raise DamagedPack(f"{manifest.name}: {path} is missing")
        found = describe_file(path)
        if found != file:
            raise DamagedPack(
                f"{manifest.name}: {path} has {found.size_bytes} bytes and sha256 {found.sha256}, "
                f"expected {file.size_bytes} and {file.sha256}"
            )
        _check_whole(path, manifest.name)


def _check_whole(path: Path, pack: str) -> None:
    """Raises DamagedPack for a network whose weights lie in files that no checksum of the pack covers."""
    if path.suffix != ".onnx":
        raise DamagedPack(f"{pack}: {path.name} is no .onnx file")
    if _is_external(path.resolve(), path.stat().st_mtime_ns, pack):
        raise DamagedPack(
            f"{pack}: {path.name} keeps weights in other files, which its checksum does not cover; save it as one file"
        )


@lru_cache(maxsize=64)
def _is_external(path: Path, modified_ns: int, pack: str) -> bool:
    try:
        return has_external_data(path)
    except ValueError as error:
        raise DamagedPack(f"{pack}: {path.name} is not a model ({error})") from None


def describe_file(path: Path) -> PackFile:
    """Name, size and sha256; hashed once a process while the file does not change."""
    status = path.stat()
    return PackFile(
        name=path.name, size_bytes=status.st_size, sha256=_sha256(path.resolve(), status.st_size, status.st_mtime_ns)
    )


@lru_cache(maxsize=64)
def _sha256(path: Path, size_bytes: int, modified_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# InsightFace's packs

_OTHER_MODULES = ("1k3d68.onnx", "2d106det.onnx", "genderage.onnx")
"""Files of InsightFace's packs that are neither detector nor embedder: landmarks, age."""


def _insightface_manifest(directory: Path) -> PackManifest:
    """Facts of a directory in InsightFace's format."""
    files = sorted(path for path in directory.glob("*.onnx") if path.name not in _OTHER_MODULES)
    # Before insightface opens them: it would open what they name as well.
    for path in files:
        _check_whole(path, directory.name)
    roles = [(path, *_role(path.resolve(), path.stat().st_mtime_ns)) for path in files]
    detectors = [path for path, role, _ in roles if role == "detection"]
    embedders = [(path, size) for path, role, size in roles if role == "recognition"]
    if not detectors or not embedders:
        raise MissingPack(
            f"{directory}: no model pack: neither {MANIFEST} nor a detection and a recognition model of InsightFace's "
            f"format ({len(detectors)} and {len(embedders)} found)"
        )
    embedder, size = embedders[0]
    described = describe_file(embedder)
    known = RECOGNIZED.get(
        described.sha256,
        Recognized(directory.resolve().name, "unknown; see where it came from", distances_for(size)),
    )
    return PackManifest(
        name=known.name,
        licence=known.licence,
        commercial_use=False,
        detector="scrfd",
        detector_file=describe_file(detectors[0]),
        embedder="arcface",
        embedder_file=described,
        embedding_size=size,
        distances=known.distances,
    )


@lru_cache(maxsize=64)
def _role(path: Path, modified_ns: int) -> tuple[Literal["detection", "recognition", "other"], int]:
    """`role_of` a file, asked once a process while the file does not change."""
    from lambdas.detect.insightface_models import role_of

    return role_of(path)
