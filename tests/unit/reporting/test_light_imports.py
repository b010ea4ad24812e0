"""What a stage does not need, its process does not load: a small study pays for every start."""

from __future__ import annotations

import subprocess
import sys

import pytest

from transfergrid.catalog.figures import FIGURES
from transfergrid.catalog.questions import telling
from transfergrid.planning.paths import SCRIPTS

PAGE = ("transfergrid.reporting.page.page", "transfergrid.reporting.page.material", *telling())
DRAWING = ("transfergrid.reporting.figures.drawing", *(figure.module for figure in FIGURES))


@pytest.mark.parametrize(
    ("code", "without"),
    [
        (f"import {', '.join(PAGE)}", {"scipy", "matplotlib", "torch"}),
        (f"import {', '.join(DRAWING)}", {"scipy.stats", "torch"}),
        *(
            (
                f"import sys; sys.path.insert(0, {str(SCRIPTS)!r}); import {program}",
                {"numpy", "yaml", "jsonschema", "transfergrid.planning.study"},
            )
            for program in ("train", "evaluate")
        ),
    ],
    ids=["page", "figures", "train", "evaluate"],
)
def test_a_program_starts_without_what_it_may_not_need(code: str, without: set[str]) -> None:
    told = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert not without & set(told.stdout.split())
