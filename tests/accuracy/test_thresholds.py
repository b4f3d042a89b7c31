"""The page's table of thresholds can't go stale: it is read from the source, and every number there is in it."""

from pathlib import Path

import pytest

from benchmarks.accuracy.thresholds import MODULES, NO_THRESHOLDS, OTHERWISE, ROOT, all_thresholds, thresholds_of

DECIDING = (
    "lambdas/cluster/*.py",
    "lambdas/detect/**/*.py",
    "lambdas/shots/*.py",
    "lambdas/scoring.py",
    "lambdas/dull_frames.py",
)
NOT_DECIDING = {
    "lambdas/cluster/suspicions.py",
    "lambdas/detect/detectors.py",
    "lambdas/detect/device.py",
    "lambdas/detect/decode/nonref.py",
    "lambdas/detect/embedders.py",
    "lambdas/detect/external_data.py",
    "lambdas/detect/packs.py",
    "lambdas/detect/decode/frame.py",
    "lambdas/detect/decode/interlacing.py",
    "lambdas/detect/decode/memory.py",
    "lambdas/detect/decode/tone_mapping.py",
    "lambdas/detect/faces/alignment.py",
    "lambdas/detect/faces/turned.py",
    "lambdas/detect/first_pass.py",
    "lambdas/detect/handler.py",
    "lambdas/detect/shots/damage.py",
    "lambdas/detect/selection/frame_cache.py",
    "lambdas/detect/insightface_models.py",
    "lambdas/detect/selection/encode.py",
    "lambdas/detect/__main__.py",
    "lambdas/shots/scene_detectors.py",
}
"""These read models, files and frames, or add a sentence; their numbers decide nothing about people, pictures or
scenes."""

SOURCE = '''
LOW, HIGH = 0.2, 0.8
"""Least and most
of it."""
NAME = "no number"
_SHARES = (0.1, 0.2)
A = 1
B = 2
"""Both."""
lower = 3
'''


def test_names_values_and_reasons_come_from_the_source() -> None:
    found = thresholds_of("some/module.py", SOURCE)
    assert [(one.names, one.values, one.reason) for one in found] == [
        (("LOW", "HIGH"), ("0.2", "0.8"), "Least and most of it."),
        (("_SHARES", "A", "B"), ("(0.1, 0.2)", "1", "2"), "Both."),
    ]


def test_a_module_without_numbers_has_no_thresholds() -> None:
    assert thresholds_of("some/module.py", "") == []


def _names(module: str) -> set[str]:
    return {name for one in thresholds_of(module, (ROOT / module).read_text()) for name in one.names}


@pytest.mark.parametrize("module", MODULES)
def test_each_listed_module_has_numbers(module: str) -> None:
    assert _names(module)


@pytest.mark.parametrize("at", OTHERWISE)
def test_each_number_with_material_of_its_own_exists(at: str) -> None:
    module, name = at.split(":")
    assert name in _names(module)


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module, ones in NO_THRESHOLDS.items() for name in sorted(ones)]
)
def test_each_number_left_out_exists(module: str, name: str) -> None:
    assert f"\n{name}" in (ROOT / module).read_text() or f", {name}" in (ROOT / module).read_text()


def test_every_module_that_decides_with_numbers_says_what_they_were_chosen_on() -> None:
    modules = {path.relative_to(ROOT).as_posix() for pattern in DECIDING for path in Path(ROOT).glob(pattern)}
    unsaid = {module for module in modules - set(MODULES) - NOT_DECIDING if _names(module)}
    assert not unsaid, "name the material in MODULES of benchmarks/accuracy/thresholds.py"


def test_every_threshold_has_its_material() -> None:
    assert all(one.chosen_on for one in all_thresholds())
