"""A file that is there whole or not at all."""

from __future__ import annotations

from pathlib import Path


def write_whole(file: Path, data: bytes) -> None:
    """Writes the file beside its place and moves it there, its folders made; a file of before stays until then."""
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_name(f".{file.name}.writing")
    try:
        written.write_bytes(data)
        written.replace(file)
    finally:
        written.unlink(missing_ok=True)
