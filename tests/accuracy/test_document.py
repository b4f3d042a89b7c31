"""docs/accuracy.md keeps its order and its sections: real film first, made clips under their own heading."""

from pathlib import Path

from benchmarks.accuracy.__main__ import DOCUMENT, HEAD, PARTS, read_sections, write_section
from benchmarks.accuracy.real import BEGIN, END, README, write_claim
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


def test_the_readmes_claim_is_the_pages_own() -> None:
    readme = README.read_text()
    told = " ".join(readme.split(BEGIN)[1].split(END)[0].split())
    assert told
    assert told in " ".join(read_sections(DOCUMENT.read_text())["real"].split())


def test_a_claim_is_written_between_its_marks_alone(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_claim(readme, "new " * 40)
    before, rest = readme.read_text().split(BEGIN)
    told, after = rest.split(END)
    assert (before, after) == ("before\n", "\nafter\n")
    assert told.split() == ["new"] * 40
    assert max(len(line) for line in told.splitlines()) <= 120
