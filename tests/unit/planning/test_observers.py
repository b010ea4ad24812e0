"""Observers of masks: whom a study names, and that a cell is the same with and without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from unit.data.discs import discs
from unit.planning.made_up_plan import grid, names, planned

from transfergrid.planning.observers import observers_of
from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.errors import UserError


def films(folder: Path) -> Path:
    root = discs(folder / "discs.npz", {"train": 4, "val": 2, "test": 2})
    arrays = dict(np.load(root))
    more = {f"{s}_masks_observer2": arrays[f"{s}_masks"] for s in ("train", "val", "test")}
    np.savez(root, **arrays, **more)
    return root


def study(folder: Path, **settings: Any) -> PlannedStudy:
    data = {"kind": "mask_npz", "root": str(films(folder)), "structures": ["disc"], "image_px": 32}
    axes = grid(datasets=["discs"], pretrainings=["random"], truncations=[0], seeds=[0])
    return planned(folder, {"datasets": {"discs": data | settings}, **axes})


def test_a_further_observer_is_no_part_of_a_cell(tmp_path: Path) -> None:
    before = study(tmp_path)
    after = study(tmp_path, observers=["masks_observer2"])
    assert names(after) == names(before)
    assert "observers" not in after.datasets["discs"].declaration
    assert names(study(tmp_path, masks=["masks", "masks_observer2"])) != names(before)


def test_a_data_set_says_under_which_settings_all_are_read(tmp_path: Path) -> None:
    def found(**settings: Any) -> Any:
        return observers_of(study(tmp_path, **settings).study.config["datasets"]["discs"])

    both = ["masks", "masks_observer2"]
    assert found() is None
    assert found(observers=["masks_observer2"]) == {"masks": both}
    assert found(masks=both, combine="union") == {}
    assert observers_of({"kind": "phantom"}) is None
    layer = {"structures": ["lung"], "files": ["a"]}
    assert observers_of({"kind": "mask_table", "layers": [layer]}) is None
    seen = {"structures": ["heart"], "observers": [{"files": ["b"]}, {"files": ["c"]}]}
    assert observers_of({"kind": "mask_table", "layers": [layer, seen]}) == {}


def test_an_observer_without_masks_is_refused_when_a_study_is_planned(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no array train_third, val_third, test_third for"):
        study(tmp_path, observers=["third"])
    with pytest.raises(UserError, match="names masks in masks and in observers"):
        study(tmp_path, observers=["masks"])
