"""Print a study's results as Markdown tables: networks over seeds, then contrasts."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from transfergrid.reporting.tables.files import read_table
from transfergrid.reporting.words import p_value
from transfergrid.runtime.atomic import read_json
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.program import run_program

GROUP = ["architecture", "pretraining", "truncation", "protocol"]
TESTS = {"p_difference": "difference", "p_equivalence": "equivalence"}


def networks(cells: pd.DataFrame, results: Path) -> str:
    """Return one row per network and recipe: test score by seed, its spread, and validation."""
    primary = cells[cells["selection"] == cells["selection"].iloc[0]].copy()
    primary["valid"] = [
        read_json(results / "cells" / cell / "train.json")["best_valid_score"]
        for cell in primary["cell"]
    ]
    known = {"auroc": "AUROC"}
    titles = [known.get(name, name) for name in primary["metric"].unique()]
    lines = [
        f"| network | weights | cut | recipe | test {' or '.join(titles)}, mean of seeds "
        "| each seed (95 % interval) | validation, best, mean |",
        "|---|---|---:|---|---:|---|---:|",
    ]
    for key, group in primary.groupby(GROUP, sort=False):
        seeds = "; ".join(
            f"{row['score']:.3f} ({row['score_low']:.3f}–{row['score_high']:.3f})"
            for row in group.to_dict("records")
        )
        names = " | ".join(str(part) for part in key)
        mean, valid = group["score"].mean(), group["valid"].mean()
        lines.append(f"| {names} | {mean:.3f} | {seeds} | {valid:.3f} |")
    return "\n".join(lines)


def contrasts(table: pd.DataFrame) -> str:
    """Return one row per contrast, p adjusted within its question."""
    lines = [
        "| contrast | seeds | difference (95 % interval) | adjusted p that the verdict rests on "
        "| verdict |",
        "|---|---:|---:|---|---|",
    ]
    for row in table.to_dict("records"):
        rests_on = row["verdict_rests_on"]
        interval = f"{row['estimate']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
        lines.append(
            f"| {row['contrast']} | {row['n_seeds']} | {interval} "
            f"| {TESTS[rests_on]}, {p_value(row[f'{rests_on}_adjusted'])} | {row['verdict']} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print both tables of results/<study>/tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", help="name of a finished study")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results")
    arguments = parser.parse_args()
    tables = arguments.results / arguments.study / "tables"
    if not (tables / "contrasts.csv").is_file():
        raise UserError(f"{tables} has no contrasts.csv; run the study to its end first.")
    print(networks(read_table(tables / "cells.csv"), arguments.results))
    print()
    print(contrasts(read_table(tables / "contrasts.csv")))


if __name__ == "__main__":
    run_program(main)
