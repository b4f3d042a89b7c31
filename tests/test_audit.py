"""The audit of pinned packages: what it reads from the lock and from their metadata, and the bill it writes."""

from __future__ import annotations

from benchmarks.audit import LOCK, Package, bill_of_materials, package, pinned


def test_every_pin_is_in_the_bill_of_materials() -> None:
    lock = LOCK.read_text()
    pins = pinned(lock)
    assert len(pins) == len([line for line in lock.splitlines() if "==" in line]) > 50
    bill = bill_of_materials([package(name, version) for name, version in pins])
    assert {component["purl"] for component in bill["components"]} == {
        f"pkg:pypi/{name}@{version}" for name, version in pins
    }
    assert bill == bill_of_materials([package(name, version) for name, version in pins])


def test_every_licence_is_one_that_allows_what_we_do() -> None:
    packages = [package(name, version) for name, version in pinned(LOCK.read_text())]
    assert [one for one in packages if not one.allowed] == []


def test_a_licence_that_is_not_on_the_list_is_told() -> None:
    assert not Package("a", "1", "AGPL-3.0-only").allowed
    assert not Package("a", "1", "").allowed
    assert Package("a", "1", "MIT License").allowed
