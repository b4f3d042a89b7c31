"""`make pack-facts`: writes pack_facts.json, what plans say of the packs known by name.

Run again when a pack's files or distances change. A pack whose files are made of others is put together to be looked
at; one that is downloaded as it is is described by the checksums it must have.
"""

from __future__ import annotations

import json

from infra.packs import TABLE
from lambdas.detect.catalogue import PACKS, KnownPack, Source
from lambdas.detect.packs import PackFile, PackManifest, manifest_of, read_manifest
from talent_frames.packs import get_pack


def facts_of(known: KnownPack) -> PackManifest:
    """The manifest a build of this pack will give."""
    if any(source.becomes for source in known.sources):
        return read_manifest(get_pack(known.name))
    return manifest_of(known, *(_file(source) for source in known.sources))


def _file(source: Source) -> PackFile:
    # Its size is no part of the facts.
    return PackFile(name=source.file, size_bytes=1, sha256=source.sha256)


def main() -> None:
    facts = {name: facts_of(known).facts().model_dump() for name, known in PACKS.items()}
    TABLE.write_text(json.dumps(facts, indent=2) + "\n")


if __name__ == "__main__":
    main()
