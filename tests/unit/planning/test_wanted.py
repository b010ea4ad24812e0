"""Several values of an axis in a `where`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from unit.planning.made_up_plan import planned

from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.places import groups_of_networks

BOOST = {"name": "boost", "kind": "contrast", "axis": "pretraining", "baseline": "random"}


def study(folder: Path, **where: Any) -> PlannedStudy:
    return planned(folder, {"cams": {"where": where}, "questions": [{**BOOST, "where": where}]})


def test_a_list_is_any_of_its_values(tmp_path: Path) -> None:
    both = study(tmp_path, pretraining=["random", "shapes"], seed=1)
    assert {cell.point.pretraining for cell in both.cam_cells} == {"random", "shapes"}
    assert {cell.point.seed for cell in both.cam_cells} == {1} and len(both.cam_cells) == 4
    other = study(tmp_path, pretraining=["shapes", "random"], seed=[1])
    assert other.stamps == both.stamps  # neither order nor brackets say anything
    assert study(tmp_path, seed=[0, 1]).stamps != both.stamps


def test_a_list_without_a_cell_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has where { seed: \[7, 8\] }, which no cell of the gri"):
        planned(tmp_path, {"questions": [{**BOOST, "where": {"seed": [8, 7]}}]})
    with pytest.raises(UserError, match=r"has the fold 0, 1 in its where, but answers pool all"):
        planned(tmp_path, {"questions": [{**BOOST, "where": {"fold": [0, 1]}}]})
    with pytest.raises(UserError, match=r"questions\[0\].where.seed"):
        planned(tmp_path, {"questions": [{**BOOST, "where": {"seed": []}}]})


def test_answers_take_rows_of_any_of_them() -> None:
    axes = {"dataset": "films", "truncation": 0, "protocol": "p", "seed": 0, "fold": "all"}
    rows = [
        {**axes, "architecture": name, "pretraining": start, "selection": "best", "cell": name}
        for name in ("a", "b")
        for start in ("random", "shapes", "hub")
    ]
    made = groups_of_networks(
        pd.DataFrame(rows),
        {"evaluation": {"primary": "best"}},
        {"pretraining": ["random", "hub"], "architecture": "a"},
    )
    found = {place["pretraining"]: list(group["architecture"]) for place, group in made}
    assert found == {"random": ["a"], "hub": ["a"]}
