"""docs/accuracy.md keeps its order and its sections: real film first, made clips under their own heading."""

from pathlib import Path

from benchmarks.accuracy.__main__ import DOCUMENT, HEAD, PARTS, read_sections, write_section
from benchmarks.accuracy.table import Part


def _part(title: str) -> Part:
    return Part(title, (), (), ())


def test_a_section_takes_its_place_and_leaves_the_others(tmp_path: Path) -> None:
    document = tmp_path / "accuracy.md"
    for name in ("scenes", "real", "identity", "real"):
        write_section(document, name, _part(f"All about {name}"))
    text = document.read_text()
    assert text.startswith(HEAD)
    titles = [line for line in text.splitlines() if line.startswith("#")]
    assert titles == [
        "# Accuracy",
        "## All about real",
        "# Made clips: tuned on",
        "## All about identity",
        "## All about scenes",
    ]


def test_the_document_begins_with_real_film() -> None:
    sections = list(read_sections(DOCUMENT.read_text()))
    assert sections[:2] == ["real", "made"]
    assert set(sections) <= {"made", *PARTS}
