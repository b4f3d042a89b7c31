"""What a part of the benchmark reports, and how it is written down. Pure: no files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """A table with a caption; every row has as many cells as the header."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.header):
                raise ValueError(f"{self.caption}: {len(row)} cells under {len(self.header)} headings: {row}")


@dataclass(frozen=True)
class Verdict:
    """One bar and whether it is met."""

    text: str
    """The bar and the number measured, as one sentence."""
    met: bool


@dataclass(frozen=True)
class Part:
    """One part of the benchmark."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    """The main table, all text."""
    verdicts: Sequence[Verdict]
    how: str = ""
    """How the numbers were made: one or more paragraphs of Markdown."""
    tables: Sequence[Table] = ()
    """Further tables."""
    numbers: dict[str, float] = field(default_factory=dict)
    """The same, for tests to compare."""
    summary: str = ""
    """The whole in a paragraph of Markdown, first of all."""
    pictures: dict[str, str] = field(default_factory=dict)
    """SVG by file name without ending, shown below the tables; each a few kilobytes."""

    @property
    def main(self) -> Table:
        return Table("", self.header, self.rows)


def markdown_table(table: Table) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (table.header, *table.rows)]
    lines.insert(1, "|" + "---|" * len(table.header))
    return "\n".join(lines) + "\n"


def plain_table(table: Table) -> str:
    """Columns aligned with spaces, for a terminal."""
    cells = [table.header, *table.rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines) + "\n"


def markdown(part: Part) -> str:
    """A section of docs/accuracy.md."""
    pieces = [f"## {part.title}\n", part.summary.strip() + "\n" if part.summary else ""]
    pieces += ["".join(f"- {'met' if v.met else '**missed**'}: {v.text}\n" for v in part.verdicts)]
    if part.rows:
        pieces.append(markdown_table(part.main))
    for table in part.tables:
        pieces.append(f"{table.caption}\n")
        pieces.append(markdown_table(table))
    pieces += [f"![{name}](accuracy/{name}.svg)\n" for name in part.pictures]
    if part.how:
        pieces.append(part.how.strip() + "\n")
    return "\n".join(piece for piece in pieces if piece)


def plain(part: Part) -> str:
    """The part as a terminal shows it."""
    pieces = [part.title + "\n" + "=" * len(part.title) + "\n"]
    if part.rows:
        pieces.append(plain_table(part.main))
    for table in part.tables:
        pieces += [table.caption + "\n", plain_table(table)]
    pieces.append("".join(f"{'met   ' if v.met else 'MISSED'}  {v.text}\n" for v in part.verdicts))
    return "\n".join(pieces)
