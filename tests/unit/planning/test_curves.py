"""Curves: only where they are asked for, and of cells that can have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from unit.planning.made_up_plan import grid, planned

from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.errors import UserError


def curves(folder: Path, asked: dict[str, Any] | None, **changes: Any) -> PlannedStudy:
    return planned(folder, {"curves": asked, **changes})


def test_a_study_has_the_stage_only_if_it_asks(tmp_path: Path) -> None:
    plain = planned(tmp_path)
    assert "curves" not in {stage.name for stage in plain.stages}
    study = curves(tmp_path, {})
    assert "curves" in {stage.name for stage in study.stages}
    told = study.content("curves")["curves"]
    assert told["cells"] == [cell.name for cell in study.targets]
    assert (told["pretrainings"], told["specificity"]) == (None, 0.9)
    assert told["baselines"] == ["random"]
    # What is asked changes no cell, and no table of a study that does not ask.
    assert [cell.name for cell in study.cells] == [cell.name for cell in plain.cells]
    assert study.stamps["scores"] == plain.stamps["scores"]
    few = curves(tmp_path, {"where": {"seed": 1}}).content("curves")["curves"]
    assert few["cells"] == [cell.name for cell in study.targets if cell.point.seed == 1]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"pretrainings": ["rando"]}, "curves.pretrainings names 'rando'.*mean 'random'"),
        ({"where": {"seed": 77}}, "curves.where"),
        ({"where": {"fold": 0}}, "curves has the fold 0"),
        ({"specificity": 1.0}, "specificity"),
        ({"pretrainings": []}, "pretrainings"),
    ],
)
def test_mistakes_are_told(tmp_path: Path, asked: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        curves(tmp_path, asked)


def test_masks_have_no_curves(tmp_path: Path) -> None:
    lungs = {"kind": "mask_phantom", "image_px": 64}
    changes = grid(datasets=["lungs"], pretrainings=["random"])
    with pytest.raises(UserError, match="learn masks"):
        curves(tmp_path, {}, datasets={"lungs": lungs}, **changes)
