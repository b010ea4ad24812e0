"""The index of findings has every script, with the version that its header names."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

FINDINGS = Path(__file__).parents[3] / "findings"
SCRIPTS = sorted(FINDINGS.glob("*.sh"))
ROW = re.compile(r"^\| `(?P<script>[^`]+)` \| (?P<version>[^|]+?) \|", re.MULTILINE)


def rows() -> dict[str, str]:
    found = ROW.finditer((FINDINGS / "README.md").read_text(encoding="utf-8"))
    return {row["script"]: row["version"] for row in found}


def test_the_index_has_every_script_in_order() -> None:
    assert list(rows()) == [script.name for script in SCRIPTS]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_says_what_it_shows(script: Path) -> None:
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    told = re.findall(r"^# (\w+):", text, re.MULTILINE)
    assert told == ["Guess", "Happens", "Version", "Source"]
    header = next(line for line in text.splitlines() if line.startswith("# Version:"))
    assert rows()[script.name] in header
