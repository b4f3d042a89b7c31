"""The documentation is right: generated pages are those of the code, commands exist, examples run, links lead on."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from benchmarks.doc_pages import ADVICE, PAGES, field_texts, named_errors
from infra.settings import DeploymentSettings
from lambdas.contracts import Settings
from talent_frames.cli import app
from tests.publish.test_page import write_clip

ROOT = Path(__file__).parents[1]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ACCOUNT = re.compile(r"^\*Needs an account: .+\*$")
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
TEST = re.compile(r"^def (test_\w+)", re.MULTILINE)
NAMED_TEST = re.compile(r"\btest(?:_[a-z0-9]+){3,}\b(?!\.py)")
"""As a test's whole sentence; `test_pack` is a folder."""
CLOUD = {"aws", "deploy", "deploy-check", "smoke", "teardown", "secrets", "source-events"}
"""Programs and targets that ask an account."""


def console_lines() -> list[tuple[str, str, bool]]:
    """Page, command and whether it is marked as needing an account, of every command in a block of its own.

    A mark holds to the next heading, or where it says so for the page.
    """
    found = []
    for page in DOCS:
        marked, inside, whole = False, "", "on this page.*" in page.read_text()
        for line in map(str.strip, page.read_text().splitlines()):
            if line.startswith("#") and not inside:
                marked = False
            marked = marked or whole or bool(ACCOUNT.search(line))
            if line.startswith("```"):
                inside = "" if inside else line
            elif (inside == "```console" and line.startswith("$ ")) or (
                inside == "```" and line.startswith(("make ", "aws ", "talent-frames "))
            ):
                found.append((page.name, line.removeprefix("$ "), marked))
    return found


def words_of(line: str) -> list[list[str]]:
    """The commands of a line, pipes taken apart, without comments and assignments before them."""
    parts: list[list[str]] = [[]]
    for word in shlex.split(line, comments=True):
        if word in ("|", ";", "do", "done"):
            parts.append([])
        elif parts[-1] or not re.fullmatch(r"[A-Z_]+=.*", word):
            parts[-1].append(word)
    return [part for part in parts if part]


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_those_of_the_code(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), "run: python -m benchmarks.doc_pages"


def test_every_error_is_explained_with_what_to_do() -> None:
    for error in named_errors():
        assert error.__doc__ and ADVICE[error.__name__]
        assert f"`{error.__name__}`" in (ROOT / "docs" / "troubleshooting.md").read_text()
    assert len(named_errors()) > 25


def test_every_setting_stands_in_its_page() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    assert [name for name in Settings.model_fields if f"`{name}`" not in page] == []
    assert field_texts(Settings)["thorough"] == "Look twice as often."


@pytest.mark.parametrize(("page", "line", "marked"), console_lines())
def test_a_command_in_the_documentation_exists_as_it_is_written(page: str, line: str, marked: bool) -> None:
    asks_account = False
    for words in words_of(line):
        if words[0] == "talent-frames":
            parse(words[1:])
        elif words[0] == "make":
            target = words[1]
            assert target in TARGETS, f"{page}: make {target}"
            asks_account |= target in CLOUD
            for name in re.findall(r"-c (\w+)=", " ".join(words)):
                assert name in DeploymentSettings.model_fields, f"{page}: {name}"
        asks_account |= words[0] in CLOUD
    assert marked or not asks_account, f"{page}: {line} needs an account; say so above it"


def parse(arguments: list[str]) -> None:
    """Passes where the command would take these arguments; nothing is run. Raises click's errors."""
    command = typer.main.get_command(app)
    context = command.make_context("talent-frames", list(arguments), resilient_parsing=True)
    rest = list(arguments)
    while hasattr(command, "commands"):
        name, rest = rest[0], rest[1:]
        assert name in command.commands, f"talent-frames {' '.join(arguments)}"
        command = command.commands[name]
        if not rest:
            break
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in rest:
        assert not word.startswith("-") or word.partition("=")[0] in known, f"{word} of talent-frames {arguments}"
    context.close()


def test_the_example_of_the_python_page_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)
    write_clip(tmp_path / "interview.mp4")
    (tmp_path / "example.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=170,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d+ scenes, 5 frames for the whole", done.stdout)
    assert (tmp_path / "out" / "interview" / "contact_sheet.jpg").exists()


def test_tests_named_in_the_documentation_exist() -> None:
    written = {name for path in (ROOT / "tests").rglob("test_*.py") for name in TEST.findall(path.read_text())}
    named = {(page.name, name) for page in DOCS for name in NAMED_TEST.findall(page.read_text())}
    assert {page for page, _ in named} >= {"reliability.md", "security.md"}
    assert [one for one in sorted(named) if one[1] not in written] == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


BOUNDARIES = (
    *(
        "video file",
        "URL",
        "key, file name",
        "settings, sidecar, request",
        "gallery",
        "model pack",
        "report",
        "edit page",
    ),
    *("corrections", "output folder", "staging", "queue", "API", "webhook", "libraries", "packages", "images"),
)


def boundaries() -> dict[str, list[list[str]]]:
    """The rows of docs/security.md by boundary, without its name; one without a name goes on with that before it."""
    found: dict[str, list[list[str]]] = {}
    name = ""
    for line in (ROOT / "docs" / "security.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and set(cells[0]) != {"-"} and cells[0] != "boundary":
            name = cells[0] or name
            found.setdefault(name, []).append(cells[1:])
    return found


def test_every_boundary_says_what_comes_what_holds_it_and_which_tests_show_that() -> None:
    rows = boundaries()
    assert set(BOUNDARIES) <= set(rows)
    tests = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text(), re.MULTILINE)
    }
    for name, lines in rows.items():
        for comes, holds, shown in lines:
            named = shown.split(", ")
            assert comes and holds and named, name
            assert [one for one in named if one not in tests] == [], name
            assert [path for path in re.findall(r"`(\w+/[\w/.]+)`", holds) if not (ROOT / path).exists()] == [], name
