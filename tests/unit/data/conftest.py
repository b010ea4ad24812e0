"""What the tests of readers of published data sets share."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture()
def copy(published: Path, tmp_path: Path) -> Path:
    """Return a copy, to be damaged, of the data set that a module's fixture `published` makes."""
    return shutil.copytree(published, tmp_path / "copy")
