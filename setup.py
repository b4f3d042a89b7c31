"""How the wheel is built: the stages, `lambdas` in this repository, lie under `talent_frames` in it.

A name as common as `lambdas` must not be taken at the top of whoever installs us, and there is one source: files are
copied with their imports renamed, nothing else. An editable install (make setup) uses this folder as it is.
"""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.egg_info import egg_info

HERE, THERE = "lambdas", "talent_frames.lambdas"
NAMED = re.compile(rf"(?<![\w.]){HERE}\b(?=\.\w|\"|\s+import\b)")
"""The package as code names it: before a dot, an `import` or the end of a string. A path of this repository stays, and
so does what was renamed before, in a build folder that is used again."""


def renamed(source: str) -> str:
    """The text of a module as it stands in the wheel."""
    return NAMED.sub(THERE, source)


class BuildUnderOnePackage(build_py):
    """Builds the packages of `lambdas` as those of `talent_frames.lambdas`."""

    def run(self) -> None:
        if not self.editable_mode:
            there = {name: re.sub(rf"^{HERE}\b", THERE, name) for name in self.packages}
            self.packages = list(there.values())
            self.package_dir = {THERE: HERE, **(self.package_dir or {})}
            self.package_data = {there.get(name, name): files for name, files in self.package_data.items()}
            self.distribution.packages = self.packages
            self.distribution.package_dir = self.package_dir
            self.distribution.package_data = self.package_data
            # Found already, by the names before.
            self.__dict__.pop("data_files", None)
        super().run()

    def build_module(self, module: str, module_file: str, package: str) -> tuple[str, bool]:
        target, copied = super().build_module(module, module_file, package)
        if not self.editable_mode:
            built = Path(target)
            built.write_text(renamed(built.read_text(encoding="utf-8")), encoding="utf-8")
        return target, copied


class ClaimOnePackage(egg_info):
    """Writes into the metadata the one name that the wheel has at the top."""

    def run(self) -> None:
        super().run()
        (Path(self.egg_info) / "top_level.txt").write_text("talent_frames\n")


setup(cmdclass={"build_py": BuildUnderOnePackage, "egg_info": ClaimOnePackage})
