"""Ranks of networks with bounds, against statsmodels' Holm on t tests by hand."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from unit.statistics.made_up_reader import reader_of

from transfergrid.metrics.influence import Influence
from transfergrid.statistics.basis import Basis
from transfergrid.statistics.findings import Finding
from transfergrid.statistics.ranking import ranking

PATIENTS = 40
QUESTION = {"name": "order", "kind": "ranking", "metric": None, "where": {}}


def ranked(
    scores: dict[str, float], errors: dict[str, np.ndarray], higher: bool = True
) -> dict[str, Finding]:
    place = {"dataset": "films", "pretraining": "random", "truncation": 0, "protocol": "p"}
    entries = [{**place, "cell": n, "architecture": n, "seed": 0, "fold": "all"} for n in scores]
    runs = {n: Influence(scores[n], np.arange(PATIENTS), errors[n]) for n in scores}
    reader: Any = reader_of(entries, runs, {})
    reader.metric_of = lambda dataset, name=None: {
        "name": "made_up",
        "higher_is_better": higher,
        "range": [None, None],
        "roc_area": False,
    }
    cells = pd.DataFrame(entries).assign(selection="best")
    study = {"evaluation": {"primary": "best"}}
    found = ranking(QUESTION, Basis(study, cells, reader, 0.05)).rows
    return {one.place["architecture"]: one for one in found}  # type: ignore[attr-defined]


def made(seed: int, gaps: list[float]) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return estimates with true errors, and contributions that tell of these errors."""
    rng = np.random.default_rng(seed)
    errors = {f"n{i}": rng.normal(size=PATIENTS) / PATIENTS for i in range(len(gaps))}
    errors = {name: values - values.mean() for name, values in errors.items()}
    spread = 1 / np.sqrt(PATIENTS)
    return {f"n{i}": gap + spread * rng.normal() for i, gap in enumerate(gaps)}, errors


def test_bounds_count_the_networks_that_holms_method_sets_apart() -> None:
    scores, errors = made(1, [0.0, 0.1, 0.5, 0.6, 1.5])
    pairs = list(itertools.combinations(scores, 2))
    p = []
    for a, b in pairs:
        se = np.sqrt(((errors[a] - errors[b]) ** 2).sum())
        p.append(2 * stats.t.sf(abs(scores[a] - scores[b]) / se, PATIENTS - 1))
    apart = dict(zip(pairs, multipletests(p, method="holm")[0], strict=True))
    assert 0 < sum(apart.values()) < len(pairs)
    found = ranked(scores, errors)
    for name, one in found.items():
        others = [
            set(pair) - {name} for pair, is_apart in apart.items() if is_apart and name in pair
        ]
        ahead = sum(scores[other] > scores[name] for (other,) in others)
        behind = len(others) - ahead
        assert (one.low, one.high) == (1 + ahead, len(scores) - behind)
        assert one.value == 1 + sum(score > scores[name] for score in scores.values())
    assert [one.value for one in found.values()] == [1, 2, 3, 4, 5]
    upside_down = ranked(scores, errors, higher=False)
    assert {n: 6 - one.value for n, one in upside_down.items()} == {
        n: one.value for n, one in found.items()
    }


def test_one_network_has_no_rank() -> None:
    assert ranked(*made(0, [0.0])) == {}


@pytest.mark.parametrize("gaps", [[0.0] * 4, [0.0, 0.0, 0.4, 0.8]])
def test_all_bounds_hold_at_once_as_often_as_they_say(gaps: list[float]) -> None:
    held = 0
    for seed in range(60):
        found = ranked(*made(seed, gaps))
        for place, gap in enumerate(gaps):
            one = found[f"n{place}"]
            ahead = sum(other > gap for other in gaps)
            level = sum(other == gap for other in gaps)
            if not (one.low <= 1 + ahead and one.high >= ahead + level):
                break  # networks that are equal share their places
        else:
            held += 1
    assert held / 60 >= 0.9
