"""Tests from printed summaries, against the runs that they summarise."""

from __future__ import annotations

import importlib
import math

import numpy as np
import pytest
from scipy import stats

from transfergrid.planning.paths import PROJECT
from transfergrid.statistics.summaries import Summary, recomputed

SLEEP = np.array(
    [
        [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2],
        [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
    ]
)


@pytest.mark.parametrize("ddof", [0, 1])
def test_summaries_give_what_the_runs_give(ddof: int) -> None:
    a, b = (Summary(float(x.mean()), float(x.std(ddof=ddof)), ddof) for x in SLEEP)
    found = recomputed(a, b, 10)
    student = stats.ttest_ind(*SLEEP)
    assert recomputed(a, b, 10, pooled=True).two_sided == pytest.approx(student.pvalue)
    assert found.two_sided == pytest.approx(0.07939414, abs=1e-7)  # R 4.2.2 on its sleep data
    less = stats.ttest_ind(*SLEEP, equal_var=False, alternative="less")
    assert found.one_sided == pytest.approx(less.pvalue)


def test_equal_runs_have_no_p_value() -> None:
    assert math.isnan(recomputed(Summary(1, 0), Summary(2, 0), 5).two_sided)


def test_the_page_shows_what_the_program_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(PROJECT / "benchmarks"))
    program = importlib.import_module("printed_p_values")
    program.main()
    said = capsys.readouterr().out
    page = (PROJECT / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert all(part.strip() in page for part in said.split("\n\n"))
    assert "benchmarks/printed_p_values.py" in page
    # Of seven printed p-values, by hand: ECC's is one-sided of ten trials, LXS's is of neither.
    lines = [line.split(" | ") for line in said.splitlines()]
    (ecc,) = (line for line in lines if line[0] == "| ECC" and line[1] == "Student")
    a, b, error = 94.45, 94.73, math.sqrt((0.23**2 + 0.11**2) / 10)
    assert f"{stats.t.sf((b - a) / error, 18):.2g}" == ecc[-1].strip(" |").split(" to ")[0]
