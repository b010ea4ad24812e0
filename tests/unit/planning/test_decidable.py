"""Questions and claims that so few networks cannot settle are told before anything runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from transfergrid.planning.needed import networks_needed
from transfergrid.planning.paths import PROJECT
from transfergrid.planning.plan import plan_run


@pytest.mark.parametrize(("margin", "alpha"), [(0.3, 0.05), (0.2, 0.05), (0.3, 0.1), (0.5, 0.05)])
def test_one_network_fewer_has_an_interval_beyond_the_margin(margin: float, alpha: float) -> None:
    def end(n: int) -> float:
        return math.tanh(float(stats.norm.isf(alpha / 2)) * math.sqrt(1.06 / (n - 3)))

    needed = networks_needed(margin, alpha)
    assert end(needed) < margin <= end(needed - 1)
    assert networks_needed(0.3) == 46


def warnings(path: Path, **overrides: Any) -> list[str]:
    return plan_run([path], overrides).warnings


def test_chextransfers_networks_are_too_few_to_show_no_relation() -> None:
    found = warnings(PROJECT / "studies" / "chextransfer_small.yaml")
    (question,) = (text for text in found if "question" in text)
    assert "'top1_and_auroc' cannot show with 16 networks" in question and "takes 46" in question
    (claims,) = (text for text in found if "cxt.top1_vs_auc.pt" in text)
    assert "bat.rho_top1.no_pt" in claims and "cannot be decided with 16 networks" in claims
    assert "cxt.rho_params" not in claims


def test_a_study_without_a_margin_is_told_nothing() -> None:
    assert not any("cannot" in text for text in warnings(PROJECT / "config.yaml"))
