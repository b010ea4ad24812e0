"""The program that makes docs/statistics.md's tables on networks runs, and gives what they show."""

from __future__ import annotations

import importlib
import re
from types import ModuleType

import numpy as np
import pytest

from transfergrid.planning.paths import PROJECT


@pytest.fixture(name="simulated")
def _simulated(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    return importlib.import_module("coverage_networks")


def test_every_table_of_the_page_comes_from_the_program(
    simulated: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated.main(["--quick"])
    heads = re.findall(r"^(\| .+ \|)\n\|-", capsys.readouterr().out, flags=re.M)
    page = (PROJECT / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert len(heads) == 8
    assert [head for head in heads if head not in page] == []


def test_noise_is_taken_off_and_families_are_seen(simulated: ModuleType) -> None:
    raw, freed, median, median_freed = simulated.noise_coverage("16 in 6", 0.7, 0.95, 0.7, 120)
    assert raw < 0.7 and freed > 0.94
    assert median < 0.8 and median_freed > 0.88


def test_cuts_are_rarely_too_far_and_their_bounds_hold(simulated: ModuleType) -> None:
    far, bounds, cut, own, ours = simulated.cut_coverage(
        np.array([0.0, -0.01, -0.02]), (0.004, 0.01), 3, 400
    )
    assert far < 0.07 and bounds > 0.95 and cut > 0.1
    assert ours > own and ours > 0.9
