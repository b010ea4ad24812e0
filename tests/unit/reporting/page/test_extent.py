"""What the page of a large study holds, and that it says what it leaves out."""

from __future__ import annotations

import pandas as pd
from unit.reporting.built_in_words import WORDS

from transfergrid.reporting.figures.palette import marks_of
from transfergrid.reporting.page.extent import MOST_ROWS, best_rows, with_section
from transfergrid.reporting.page.leaderboard import leaderboard

NETWORKS, SEEDS = 3, 4


def cells(networks: int = NETWORKS, seeds: int = SEEDS) -> pd.DataFrame:
    """Rows of cells.csv, in which a later network is better, and of a network an earlier seed."""
    rows = [
        {
            "cell": f"n{network}-s{seed}",
            "dataset": "films",
            "family": "f",
            "architecture": f"n{network}",
            "pretraining": "random",
            "truncation": 0,
            "protocol": "p",
            "seed": seed,
            "status": "finished",
            "micro_batch": 8.0,
            "metric": "auroc",
            "score": 0.5 + 0.4 * network / networks - 1e-5 * seed,
            "flags": None,
        }
        for network in range(networks)
        for seed in range(seeds)
    ]
    frame = pd.DataFrame(rows)
    return frame.assign(score_low=frame["score"] - 0.1, score_high=frame["score"] + 0.1)


def ranked(frame: pd.DataFrame) -> list[str]:
    return list(frame.sort_values("score", ascending=False)["cell"])


def test_every_cell_has_a_section_as_long_as_they_are_few() -> None:
    table = cells()
    every = frozenset(table["cell"])
    assert with_section(table, [], {}, len(table)) == every  # even without a score
    assert with_section(table, ranked(table), {}, len(table) - 1) < every


def test_first_seeds_come_first_and_the_best_network_before_the_others() -> None:
    table = cells().sample(frac=1.0, random_state=0)
    order = [f"n{n}-s{s}" for s in range(SEEDS) for n in reversed(range(NETWORKS))]
    for most in range(1, NETWORKS * SEEDS):
        assert with_section(table, ranked(table), {}, most) == frozenset(order[:most])


def test_folds_count_as_sections_of_their_own() -> None:
    table = cells()
    folds = {name: [f"{name}-fold{k}" for k in range(4)] for name in table["cell"]}
    assert with_section(table, ranked(table), folds, 5 * len(table)) == frozenset(table["cell"])
    assert with_section(table, ranked(table), folds, 14) == {"n2-s0", "n1-s0"}


def test_rows_are_left_out_of_every_metric_alike() -> None:
    table = cells()
    both = pd.concat([table, table.assign(metric="brier")], ignore_index=True)
    kept = best_rows(both, 10)
    assert kept["metric"].value_counts().to_dict() == {"auroc": 5, "brier": 5}
    assert best_rows(both, len(both)) is both


def test_the_leaderboard_of_a_large_study_says_how_many_rows_it_lacks() -> None:
    table = cells(10, (MOST_ROWS + 20) // 10)
    board = leaderboard(table, {}, marks_of(["random"]), WORDS, {})
    assert len(board.rows) == MOST_ROWS and board.left_out == 20 and board.without == 0
    assert [row.cell["cell"] for row in board.rows] == ranked(table)[:MOST_ROWS]
    assert not board.seeds  # a mean over the seeds that are left would be another number
    whole = leaderboard(cells(), {}, marks_of(["random"]), WORDS, {})
    assert whole.left_out == 0 and whole.seeds
