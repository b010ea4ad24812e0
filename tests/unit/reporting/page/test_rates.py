from __future__ import annotations

from typing import Any

import pandas as pd

from transfergrid.catalog.measured import TUNING
from transfergrid.reporting.page.rates import Taken, rates


def tuning(
    name: str, pretraining: str, tried: dict[float, str], taken: float | None, trials: str = ""
) -> Any:
    ends = {min(tried), max(tried)}
    for rate, status in tried.items():
        yield {
            "tuning": name,
            "dataset": "films",
            "protocol": "tuned",
            "pretraining": pretraining,
            "learning_rate": rate,
            "cell": f"{trials or name}-{rate}",
            "status": status,
            "chosen": rate == taken,
            "at_edge": taken in ends,
        }


def table(*tunings: Any) -> pd.DataFrame:
    return pd.DataFrame([row for rows in tunings for row in rows], columns=list(TUNING.header))


def test_choices_are_counted_by_pretraining() -> None:
    done = dict.fromkeys([0.0001, 0.001, 0.01], "finished")
    found = rates(
        table(
            tuning("a", "random", done, 0.001),
            tuning("b", "random", done, 0.01),
            tuning("c", "random", done, 0.01),
            tuning("d", "imagenet", {**done, 0.01: "diverged"}, 0.0001),
            tuning("e", "imagenet", dict.fromkeys(done, "missing"), None),
            tuning("f", "statistics", dict.fromkeys([0.001, 0.1], "diverged"), None),
        )
    )
    assert found is not None
    assert found.tried == ("0.0001", "0.001", "0.01", "0.1")
    assert found.rows == (
        Taken("films", "tuned", "random", (0, 1, 2, None), 3, 2, 0),
        Taken("films", "tuned", "imagenet", (1, 0, 0, None), 2, 1, 1),
        Taken("films", "tuned", "statistics", (None, 0, None, 0), 1, 0, 1),
    )
    assert found.sentence.startswith("4 rates chosen from 14 trials, of which 3 diverged; 2 not")
    assert found.warning.startswith("3 of 4 chosen rates lie at an end of what was tried")


def test_no_warning_without_a_rate_at_the_edge_and_nothing_without_trials() -> None:
    done = dict.fromkeys([0.0001, 0.001, 0.01], "finished")
    found = rates(table(tuning("a", "random", done, 0.001)))
    assert found is not None and not found.warning
    assert found.sentence == "1 rate chosen from 3 trials"
    assert rates(table()) is None
    both = table(tuning("a", "random", done, 0.001), tuning("b", "random", done, 0.001, trials="a"))
    shared = rates(both)
    assert shared is not None and shared.sentence == "2 rates chosen from 3 trials"
