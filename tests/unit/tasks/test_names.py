"""Training and the choice of checkpoints know no kind of task and no metric by its name."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from transfergrid.catalog.metrics import METRICS
from transfergrid.catalog.tasks import TASK_KINDS
from transfergrid.planning.fingerprint import SOURCE
from transfergrid.planning.syntax import canonical_syntax

NAMES = {one.name for one in (*METRICS, *TASK_KINDS)}
FILES = [
    *sorted((SOURCE / "training").glob("*.py")),
    *(SOURCE / "evaluation" / f"{name}.py" for name in ("ensemble", "predict", "scores")),
    *(SOURCE / "evaluation" / f"{name}.py" for name in ("ahead", "cam", "inference", "selection")),
    *(SOURCE / "metrics" / f"{name}.py" for name in ("estimate", "intervals", "scoring")),
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_name_stands_in_the_code(path: Path) -> None:
    code = canonical_syntax(ast.parse(path.read_text(encoding="utf-8")))  # without docstrings
    own = {"iou"} if path.name == "cam.py" else set()  # that of regions and maps
    assert [name for name in NAMES - own if re.search(rf"\b{name}\b", code)] == []
