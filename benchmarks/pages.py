"""Writes what benchmarks find into pages of docs/: each table between its markers, each drawing beside the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def write_docs(found: Mapping[str, str], drawn: Mapping[str, str], page: Path) -> None:
    """Puts each table between its markers on the page, and each drawing beside it."""
    text = page.read_text()
    for name, body in found.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if begin not in text or end not in text:
            raise SystemExit(f"{page.name} has no place for {name!r}")
        text = text[: text.index(begin) + len(begin)] + body + "\n" + text[text.index(end) :]
    page.write_text(text)
    for name, svg in drawn.items():
        (page.parent / name).write_text(svg)
