"""What networks score on films of other hospitals, as tables of the page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from unit.reporting import fabricate

from transfergrid.catalog.external import EXTERNAL
from transfergrid.reporting.metric_words import MetricWords
from transfergrid.reporting.page.elsewhere_rows import MOST, backwards, elsewhere, films_elsewhere
from transfergrid.reporting.page.material import read_report
from transfergrid.reporting.page.notes import notes
from transfergrid.reporting.page.page import context, render

METRICS = {
    "auroc": MetricWords("AUROC", averaged=False),
    "brier": MetricWords("Brier score", higher_is_better=False),
}


def made(cells: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return external.csv of cells: another metric, task and selection beside the rows shown."""
    rng = np.random.default_rng(seed)
    rows = []
    for cell in cells.to_dict("records"):
        about = {"cell": cell["cell"], "fold": "all", "dataset": cell["dataset"], "split": "all"}
        about |= {"tested_on": "other", "mean_over": "edema", "flags": ""}
        counts = {"n": 50, "n_pos": 20, "n_patients": 40}
        counts |= {f"internal_{name}": 2 * number for name, number in counts.items()}
        for selection in (cell["selection"], "another"):
            for metric in (cell["metric"], "another"):
                for task in ("", "edema"):
                    home, there = rng.uniform(0.5, 1, 2)
                    row = {**about, **counts, "selection": selection, "metric": metric}
                    row |= {"task": task, "internal": home, "value": there, "drop": home - there}
                    for name, mark in (("internal", "internal_"), ("value", ""), ("drop", "drop_")):
                        row |= {f"{mark}low": row[name] - 0.1, f"{mark}high": row[name] + 0.05}
                    rows.append(row)
    return pd.DataFrame(rows, columns=list(EXTERNAL.header))


def cells_of(networks: int, seeds: int = 2, metric: str = "auroc") -> pd.DataFrame:
    rows = []
    for number in range(networks):
        for seed in range(seeds):
            place = {"dataset": "films", "architecture": f"net{number}", "pretraining": "random"}
            place |= {"truncation": 0, "protocol": "p", "seed": seed}
            name = f"films-net{number}-random-seed{seed}"
            rows.append({"cell": name, "selection": "best", "metric": metric, **place})
    return pd.DataFrame(rows)


def test_rows_are_means_over_seeds_the_best_at_home_first() -> None:
    cells = cells_of(3)
    table = made(cells)
    (pair,) = elsewhere(table, cells, METRICS)
    assert pair.title == "films, tested on other" and pair.metric.title == "AUROC"
    own = table[(table["selection"] == "best") & (table["metric"] == "auroc")]
    own = own[own["task"] == ""].merge(cells[["cell", "architecture"]], on="cell")
    means = own.groupby("architecture")[["internal", "value", "drop"]].mean()
    means = means.sort_values("internal", ascending=False)
    assert [row.network for row in pair.rows] == list(means.index)
    for row, mean in zip(pair.rows, means.to_dict("records"), strict=True):
        home, low = mean["internal"], mean["internal"] - 0.1
        assert row.internal.startswith(f"{home:.3f} ({low:.3f}–")
        assert row.external.startswith(f"{mean['value']:.3f} (")
        assert row.drop.replace("−", "-").startswith(f"{mean['drop']:+.3f} (")
    assert pair.told == (
        "100 studies, 40 of them positive, of 80 patients at home, 50 studies, 20 of them "
        "positive, of 40 patients there (all of its films); means over 2 seeds."
    )


def test_a_mean_over_tasks_is_named_where_there_are_several() -> None:
    cells, averaged = cells_of(1), {"auroc": MetricWords("AUROC")}
    table = made(cells)
    (pair,) = elsewhere(table, cells, averaged)
    assert pair.metric.score == "AUROC"
    (pair,) = elsewhere(table.assign(mean_over="edema;effusion"), cells, averaged)
    assert pair.metric.score == "Macro AUROC"


def test_methods_describe_films_that_none_learned_from() -> None:
    told = films_elsewhere(made(cells_of(2)), {"other": {"kind": "csv"}})
    assert told == [
        "other (csv), in the same form as films: no network learned from it; finished ones were "
        "tested on all of its films, 50 studies of 40 patients."
    ]
    assert films_elsewhere(None, {}) == []


def test_a_loss_is_best_where_it_is_lowest() -> None:
    cells = cells_of(3, metric="brier")
    (pair,) = elsewhere(made(cells), cells, METRICS)
    homes = [float(row.internal[:5]) for row in pair.rows]
    assert homes == sorted(homes)


def test_what_is_to_be_known_of_the_films_is_said() -> None:
    cells = cells_of(MOST + 1, seeds=1)
    table = made(cells).assign(
        split="test", mean_over="edema;effusion", flags="patients_unknown;shared_films"
    )
    (pair,) = elsewhere(table, cells, METRICS)
    assert len(pair.rows) == MOST
    assert "100 studies of 80 patients at home" in pair.told and "(its test split)" in pair.told
    for words in ("mean over edema and effusion", "each study counts as one", "leaks.csv"):
        assert words in pair.told
    assert f"Of {MOST + 1} networks, the {MOST}" in pair.told


def test_a_cell_without_a_value_leaves_its_network_without_one() -> None:
    cells = cells_of(1)
    table = made(cells)
    table.loc[table["cell"] == cells["cell"][0], ["value", "low", "high"]] = np.nan
    ((row,),) = [pair.rows for pair in elsewhere(table, cells, METRICS)]
    assert row.external == "–"


def test_the_page_has_a_section_where_something_was_tested_elsewhere(tree: fabricate.Tree) -> None:
    report = read_report(tree.study, tree.results, [])
    assert context(report)["elsewhere"] == [] and 'id="elsewhere"' not in render(report)
    report.tables["external"] = made(report.primary_cells)  # type: ignore[index]
    page = render(report)
    section = page[page.index('<section id="elsewhere"') :]
    section = section[: section.index("</section>")]
    assert section.count('<th scope="row"') == 12  # networks, of 22 cells
    assert '<a href="#elsewhere">' in page


def test_networks_that_rank_the_wrong_way_round_are_a_banner() -> None:
    cells = cells_of(2)
    table = made(cells).assign(value=0.7, low=0.6, high=0.8)
    assert backwards(table, "best") == backwards(None, "best") == ""
    of_one = (table["cell"] == cells["cell"][0]) & (table["selection"] == "best")
    # Of two intervals below one half, one is of a task and one of another metric.
    worse = of_one & ((table["task"] == "edema") | (table["metric"] == "another"))
    table.loc[worse, ["value", "low", "high"]] = [0.1, 0.05, 0.2]
    assert backwards(table, "best") == ""
    whole = of_one & (table["task"] == "") & (table["metric"] == "auroc")
    table.loc[whole, ["value", "low", "high"]] = [0.4, 0.3, 0.51]
    assert backwards(table, "best") == ""
    table.loc[whole, ["value", "low", "high"]] = [0.3, 0.2, 0.45]
    assert backwards(table, "best") == "on other 1 of 4 trainings, down to 0.300 (0.200–0.450)"
    leaks = pd.DataFrame(columns=["dataset", "other_dataset", "n_images", "n_equal", "n_near"])
    row = {"cell": "one", "dataset": "films", "fold": "all", "seed": 0, "status": "finished"}
    tables = {"cells": pd.DataFrame([row | {"flags": ""}]), "leaks": leaks, "external": table}
    found = {n.title: n for n in notes({"evaluation": {"primary": "best"}}, tables, {})}
    note = found["Below chance elsewhere"]
    assert note.kind == "warning" and "on other 1 of 4 trainings" in note.text


@pytest.mark.parametrize("table", [None, pd.DataFrame(columns=list(EXTERNAL.header))])
def test_nothing_was_tested_elsewhere(table: pd.DataFrame | None) -> None:
    assert elsewhere(table, cells_of(1), METRICS) == []
