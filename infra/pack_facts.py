"""`make pack-facts`: writes pack_facts.json, what plans say of the packs known by name.

Run again when a pack's files or distances change. `open` is put together to be looked at; a pack that would have to be
downloaded is described by the checksums it must have, and only where one of its files is made of another one is that
other one needed: it is looked for in the directories given.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from infra.packs import TABLE
from lambdas.detect.packs import PackFile, PackManifest, describe_file, read_manifest
from talent_frames.packs import PACKS, KnownPack, Source, get_pack


def facts_of(known: KnownPack, found_in: list[Path]) -> PackManifest:
    """The manifest a build of this pack will give."""
    if known.local:
        return read_manifest(get_pack(known.name))
    with tempfile.TemporaryDirectory() as folder:
        detector, embedder = (
            _file(source, found_in, Path(folder)) for source in (known.detector_source, known.embedder_source)
        )
    return PackManifest(
        name=known.name,
        licence=known.licence,
        commercial_use=known.commercial_use,
        detector=known.detector,
        detector_file=detector,
        embedder=known.embedder,
        embedder_file=embedder,
        embedding_size=known.embedding_size,
        distances=known.distances,
    )


def _file(source: Source, found_in: list[Path], folder: Path) -> PackFile:
    if source.make is None:
        # Its size is no part of the facts.
        return PackFile(name=source.file, size_bytes=source.size_bytes, sha256=source.sha256)
    original = next((place / source.file for place in found_in if (place / source.file).is_file()), None)
    if original is None or describe_file(original).sha256 != source.sha256:
        sys.exit(f"{source.file} is needed: name a directory that holds it, {source.urls[0]}")
    source.make(original, folder / source.becomes)
    return describe_file(folder / source.becomes)


def main(directories: list[str]) -> None:
    found_in = [Path(directory) for directory in directories]
    facts = {name: facts_of(known, found_in).facts().model_dump() for name, known in PACKS.items()}
    TABLE.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
