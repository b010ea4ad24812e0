"""What the project says of itself, in several files, is one thing."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import yaml

import transfergrid

ROOT = Path(__file__).parents[3]
# What an automatically loaded profile sets cannot be overruled by a user's --profile.
SAFE = {
    "scheduler",
    "scheduler-subsample",
    "keep-going",
    "rerun-incomplete",
    "show-failed-logs",
    "rerun-triggers",
}


def test_the_citation_names_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == transfergrid.__version__
    assert citation["license"] == project["license"] == "Apache-2.0"
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "type"} <= set(citation)


def test_the_licence_is_whole():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert [int(n) for n in re.findall(r"^   (\d)\. [A-Z]", text, re.MULTILINE)] == list(
        range(1, 10)
    )
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_changelog_has_a_place_for_changes():
    assert "\n## Unreleased\n" in (ROOT / "CHANGELOG.md").read_text()


def test_the_default_profile_sets_safe_keys_only_each_with_a_reason():
    path = ROOT / "profiles" / "default" / "profile.yaml"
    assert set(yaml.safe_load(path.read_text())) == SAFE
    _, *settings = path.read_text().strip().split("\n\n")
    assert len(settings) == len(SAFE)
    assert all(paragraph.startswith("# ") for paragraph in settings)
