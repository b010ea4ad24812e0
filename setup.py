"""Builds a wheel in which the package finds what lies beside it in a checkout.

The library looks for rules, programs, schemas and tables two folders above its own. So a wheel
holds a folder in the layout of the repository, and a line that puts its src/ on Python's path.
Everything else about the package stands in pyproject.toml.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
HOME = "transfergrid_home"
"""The folder in site-packages."""
FOLDERS = ("config", "envs", "profiles", "resources", "studies", "workflow")
FILES = ("CITATION.cff", "LICENSE", "Snakefile", "config.yaml")


class BuildWithWorkflow(build_py):
    """Puts the package and the workflow into one folder; an editable install has the checkout."""

    def run(self) -> None:
        """Copy what an installation needs to the folder that becomes the wheel."""
        if not self.editable_mode:
            site = Path(self.build_lib)
            self.build_lib = str(site / HOME / "src")
            ignored = shutil.ignore_patterns("__pycache__")
            for name in FOLDERS:
                shutil.copytree(ROOT / name, site / HOME / name, ignore=ignored, dirs_exist_ok=True)
            for name in FILES:
                shutil.copy(ROOT / name, site / HOME / name)
            (site / "transfergrid.pth").write_text(f"{HOME}/src\n", encoding="utf-8")
        super().run()


setup(cmdclass={"build_py": BuildWithWorkflow})
