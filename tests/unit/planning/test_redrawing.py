"""Labels drawn anew in each epoch: whose cells have another name, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.planning.made_up_plan import grid, planned

from transfergrid.planning.planned import PlannedStudy
from transfergrid.planning.recipe import Recipe
from transfergrid.runtime.errors import UserError


def study(folder: Path, protocols: dict[str, Any], **films: Any) -> PlannedStudy:
    data = {"films": {"uncertain": "smooth", **films}}
    axes = grid(protocols=list(protocols), pretrainings=["random"], truncations=[0], seeds=[0])
    return planned(folder, {"datasets": data, "protocols": protocols} | axes)


def test_a_cell_that_does_not_ask_for_it_keeps_its_name(tmp_path: Path) -> None:
    both = {"once": {"train_layers": "head"}, "anew": {"train_layers": "head"}}
    alone = study(tmp_path, {"once": both["once"]})
    both["anew"]["redraw_uncertain"] = True
    found = study(tmp_path, both)
    cells = {cell.point.protocol: cell for cell in found.targets}
    assert cells["once"].name == alone.targets[0].name
    assert "redraw_uncertain" not in json.loads(cells["once"].spec)["recipe"]
    spec = json.loads(cells["anew"].spec)
    assert spec["recipe"]["redraw_uncertain"] and spec["dataset"]["smooth_range"] == [0.55, 0.85]
    # Images and features are the same ones.
    assert cells["once"].dataset_id == cells["anew"].dataset_id
    assert cells["once"].features == cells["anew"].features != ()
    asked = Recipe(redraw_uncertain=True)
    assert Recipe.from_dict(asked.to_dict()) == asked


def test_trials_of_a_rate_draw_them_too(tmp_path: Path) -> None:
    tune = {"tune": {"learning_rates": [1e-4, 1e-3], "epochs": 1}, "redraw_uncertain": True}
    trials = study(tmp_path, {"anew": tune}).trials
    assert len(trials) == 2
    assert all(json.loads(cell.spec)["recipe"]["redraw_uncertain"] for cell in trials)


@pytest.mark.parametrize(
    ("films", "told"),
    [
        ({"uncertain": "ones"}, r"no labels of data set 'films' are drawn; write uncertain: smoo"),
        ({"smooth_range": [0.5, 1]}, r"smooth_range \[0\.5, 1\] of data set 'films' ends in 1, w"),
        ({"smooth_range": [0, 0]}, r"smooth_range \[0, 0\] of data set 'films' ends in 0, where"),
    ],
)
def test_what_cannot_be_drawn_anew_is_refused(
    tmp_path: Path, films: dict[str, Any], told: str
) -> None:
    with pytest.raises(UserError, match=rf"protocol 'anew' has redraw_uncertain, but .*{told}"):
        study(tmp_path, {"anew": {"redraw_uncertain": True}}, **films)
    study(tmp_path, {"once": {}}, **films)
