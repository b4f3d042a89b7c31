"""The list of features that can be switched off fits the files as they are now."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.switched_off.__main__ import ROOT, run_tests, without
from tests.switched_off.features import FEATURES


def test_each_feature_can_be_switched_off_and_leaves_python() -> None:
    for one in FEATURES:
        assert one.old != one.new, one.name
        ast.parse(without(one, (ROOT / one.file).read_text()))


def test_each_feature_s_tests_are_there() -> None:
    for one in FEATURES:
        assert one.tests, one.name
        for test in one.tests:
            path, _, name = test.partition("::")
            assert (ROOT / path).is_file(), test
            assert f"def {name}(" in (ROOT / path).read_text() if name else True, test


def test_a_feature_whose_text_is_gone_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 times, not once"):
        without(FEATURES[0], "")


def test_a_run_tells_red_from_green(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text("def test_is_green():\n    pass\n")
    (tmp_path / "test_two.py").write_text("def test_is_red():\n    raise AssertionError\n")
    assert run_tests(tmp_path, ["test_one.py"])[0] == "green"
    assert run_tests(tmp_path, ["test_one.py", "test_two.py"]) == ("red", "test_two.py::test_is_red")
    assert run_tests(tmp_path, ["test_three.py"])[0] == "broken"
