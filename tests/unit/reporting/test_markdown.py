"""The Markdown tables of a finished study, as docs/pneumoniamnist.md shows them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd

from transfergrid.planning.paths import SCRIPTS
from transfergrid.runtime.atomic import write_json

CELL = {"architecture": "net", "pretraining": "random", "truncation": 0, "protocol": "slow"}


def printed(results: Path) -> str:
    command = [sys.executable, SCRIPTS / "markdown.py", "films", "--results", results]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_row_has_the_mean_of_its_seeds_and_a_p_value_is_never_nought(tmp_path: Path) -> None:
    tables = tmp_path / "films" / "tables"
    tables.mkdir(parents=True)
    cells = []
    for seed, (score, valid) in enumerate([(0.81, 0.9), (0.84, 0.7)]):
        write_json(tmp_path / "cells" / f"c{seed}" / "train.json", {"best_valid_score": valid})
        ends = {"score_low": score - 0.01, "score_high": score + 0.02}
        cell = CELL | {"cell": f"c{seed}", "metric": "auroc", "score": score} | ends
        cells += [cell | {"selection": "best"}, cell | {"selection": "last", "score": 0.1}]
    pd.DataFrame(cells).to_csv(tables / "cells.csv", index=False)
    contrast = {"contrast": "a - b", "n_seeds": 2, "estimate": 0.02, "low": 0.01, "high": 0.03}
    tests = {"p_difference_adjusted": 0.00004, "p_equivalence_adjusted": 0.25}
    rows = [
        contrast | tests | {"verdict": "better", "verdict_rests_on": "p_difference"},
        contrast | tests | {"verdict": "undecided", "verdict_rests_on": "p_equivalence"},
    ]
    pd.DataFrame(rows).to_csv(tables / "contrasts.csv", index=False)

    lines = printed(tmp_path).splitlines()

    seeds = "0.810 (0.800–0.830); 0.840 (0.830–0.860)"
    assert lines[2] == f"| net | random | 0 | slow | 0.825 | {seeds} | 0.800 |"
    start = "| a - b | 2 | +0.020 (+0.010 to +0.030) |"
    assert lines[-2:] == [
        f"{start} difference, p < 0.001 | better |",
        f"{start} equivalence, p = 0.250 | undecided |",
    ]
