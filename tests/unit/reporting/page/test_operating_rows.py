"""Operating points of the drawn arms, as rows of the page."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from unit.reporting import fabricate
from unit.reporting.tables.test_curves import asking

from transfergrid.catalog.axes import PLACE
from transfergrid.reporting.figures import curves
from transfergrid.reporting.page.material import read_report
from transfergrid.reporting.page.operating_rows import MOST, operating_points
from transfergrid.reporting.page.page import context, render
from transfergrid.reporting.tables.curves import analyse

Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def made(tree: fabricate.Tree) -> Tables:
    return analyse(asking(tree.study), tree.results, 1)


@pytest.fixture(scope="module")
def cells(tree: fabricate.Tree) -> pd.DataFrame:
    return read_report(tree.study, tree.results, []).primary_cells


def printed(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[\d.]+", text)]


def test_rows_are_means_over_the_seeds_of_the_arms_whose_curves_are_drawn(
    made: Tables, cells: pd.DataFrame
) -> None:
    shown = operating_points(made, cells)
    assert shown is not None
    assert shown.rules == ("90 % validation specificity", "Youden's threshold")
    arms = made["curves"][[*PLACE]].drop_duplicates()
    names = cells.merge(arms, on=list(PLACE)).groupby("pretraining")["cell"].apply(list)
    assert [one.pretraining for one in shown.rows[:2]] == ["random", "shapes"] == list(names.index)
    points = made["operating_points"]
    for one in shown.rows:
        own = points[points["cell"].isin(names[one.pretraining])]
        own = own[own["task"].str.replace("_", " ") == one.task]
        assert one.counted == f"{own['n_pos'].iloc[0]} of {own['n'].iloc[0]} positive"
        for rule, pair in zip(("specificity 0.9", "youden"), one.values, strict=True):
            rows = own[own["rule"] == rule]
            assert len(rows) == 2
            for share, text in zip(("sensitivity", "specificity"), pair, strict=True):
                expected = rows[[share, f"{share}_low", f"{share}_high"]].mean()
                assert np.allclose(printed(text), expected, atol=5.1e-4)
    # A task of which the test split lacks a class has no curve, and no row.
    assert "Fracture" not in {one.task for one in shown.rows}
    assert "2 seeds, each with thresholds of its own" in shown.lead


def test_the_mean_is_over_the_seeds_that_all_arms_have(made: Tables, cells: pd.DataFrame) -> None:
    lost = cells[~((cells["pretraining"] == "random") & (cells["seed"] == 1))]
    one, both = (operating_points(made, own) for own in (lost, cells))
    assert one is not None and both is not None
    assert "means over 1 seed; intervals" in one.lead
    shapes = [
        [row.values for row in own.rows if row.pretraining == "shapes"] for own in (one, both)
    ]
    assert shapes[0] != shapes[1]


def test_of_many_tasks_those_are_shown_whose_curves_are_drawn(
    made: Tables, cells: pd.DataFrame
) -> None:
    assert curves.MOST == MOST
    many = {
        name: pd.concat(
            [
                table[table["task"] == "Edema"].assign(task=f"task{number}")
                for number in range(MOST + 1)
            ]
        )
        for name, table in made.items()
        if name in ("curves", "operating_points")
    }
    shown = operating_points(many, cells)
    assert shown is not None and len(shown.rows) == 2 * MOST
    assert f"Of {MOST + 1} tasks the first {MOST} are shown." in shown.lead


def test_a_study_without_curves_has_none(made: Tables, cells: pd.DataFrame) -> None:
    assert operating_points({}, cells) is None
    assert operating_points({**made, "curves": made["curves"].iloc[:0]}, cells) is None


def test_the_page_has_them_under_its_figures(
    tree: fabricate.Tree, made: Tables, cells: pd.DataFrame
) -> None:
    report = read_report(tree.study, tree.results, [])
    assert context(report)["operating"] is None
    assert 'id="operating-points"' not in render(report)
    report.tables.update(made)  # type: ignore[attr-defined]
    page = render(report)
    section = page[page.index('id="operating-points"') :]
    section = section[: section.index("</section>")]
    shown = operating_points(made, cells)
    assert shown is not None
    assert section.count('<th scope="row"') == len(shown.rows)
    assert all(text in section for row in shown.rows for pair in row.values for text in pair)
