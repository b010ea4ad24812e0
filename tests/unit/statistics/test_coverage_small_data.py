"""Intervals of small-data curves hold the truth as often as they say, from three and five seeds."""

from __future__ import annotations

import importlib
import re
from types import ModuleType

import pytest

from transfergrid.planning.paths import PROJECT


@pytest.fixture(name="simulated")
def _simulated(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    return importlib.import_module("coverage_small_data")


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("name", ["both alike", "mostly seeds"])
def test_intervals_hold_the_truth(simulated: ModuleType, name: str, seeds: int) -> None:
    repeats = 200
    boost, every, cross, all_of_them = simulated.coverage(
        simulated.SETTINGS[name], seeds, repeats, "test"
    )
    # 93 to 97 %, and three standard errors of so few studies, the sizes of one hanging together.
    assert 0.93 - 0.035 < boost < 0.97 + 0.025
    assert 0.93 - 0.035 < cross < 0.97 + 0.025
    assert every > 0.95 - 0.045 and all_of_them > 0.95 - 0.045


def test_the_table_of_the_page_comes_from_the_program(
    simulated: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated.main(["--quick"])
    (head,) = re.findall(r"^(\| .+ \|)\n\|-", capsys.readouterr().out, flags=re.M)
    page = (PROJECT / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert head in page and "benchmarks/coverage_small_data.py" in page
