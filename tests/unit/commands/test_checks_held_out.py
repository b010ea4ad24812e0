"""Patients who are held out and leave a validation without a class: told before any training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from unit.planning.made_up_plan import grid, planned
from unit.reporting.grouped_study import SPLIT

from transfergrid.commands.checks_asked import CHECKS
from transfergrid.commands.checks_held_out import check_held_out
from transfergrid.commands.remarks import Remark
from transfergrid.commands.tables_read import TablesRead
from transfergrid.data.cache import build_cache
from transfergrid.planning.paths import cache_directory
from transfergrid.planning.planned import PlannedStudy
from transfergrid.training.subsets import held_out

PATIENTS = [f"p{number:02d}" for number in range(20)]
SHARE = 0.2


def study(folder: Path, ill: list[str], **sections: Any) -> PlannedStudy:
    """Plan a study whose training patients `ill` have a mass, and half of those tested on."""
    rows = [(f"t/{name}.png", name, "train", int(name in ill)) for name in PATIENTS]
    for part in ("valid", "test"):
        rows += [(f"{part}/{n}.png", f"{part}{n}", part, n % 2) for n in range(6)]
    table = pd.DataFrame(rows, columns=["image", "patient", "part", "mass"])
    table.to_csv(folder / "films.csv", index=False)
    data = {
        "kind": "csv",
        "root": str(folder),
        "table": "films.csv",
        "image_column": "image",
        "patient_column": "patient",
        "label_columns": ["mass"],
        "split": SPLIT,
        **sections.pop("data", {}),
    }
    axes = grid(datasets=["films"], pretrainings=["random"], truncations=[0])
    return planned(folder, {"datasets": {"films": data}, **axes, **sections})


def held() -> list[str]:
    return list(np.array(PATIENTS)[held_out(np.array(PATIENTS), SHARE)])


def told(made: PlannedStudy, folder: Path) -> list[Remark]:
    return list(check_held_out(made, TablesRead(folder / "results")))


def test_held_out_patients_of_one_class_choose_no_checkpoint(tmp_path: Path) -> None:
    well = [name for name in PATIENTS if name not in held()]
    recipe = {"recipe": {"holdout": SHARE}}
    (error,) = told(study(tmp_path, well[:5], **recipe), tmp_path)  # once for both seeds
    assert error.level == "error"
    assert "protocol 'finetune' validates on the 4 images of 0.2 of the training" in error.told
    assert "where auroc has no value: a scored task has a single class there" in error.told
    assert error.mend.startswith("a larger holdout,")
    assert not told(study(tmp_path, [held()[0], *well[:5]], **recipe), tmp_path)
    assert check_held_out in CHECKS.values()


def test_trials_hold_out_their_own_share(tmp_path: Path) -> None:
    well = [name for name in PATIENTS if name not in held()]
    tune = {"learning_rates": [1e-4, 1e-3], "holdout": SHARE, "epochs": 1}
    (error,) = told(study(tmp_path, well[:5], recipe={"tune": tune}), tmp_path)
    assert error.mend.startswith("a larger tune.holdout,")


@pytest.mark.parametrize("metric", ["brier", "balanced_accuracy"])
def test_a_metric_that_has_a_value_of_one_class_is_no_fault(tmp_path: Path, metric: str) -> None:
    well = [name for name in PATIENTS if name not in held()]
    made = study(tmp_path, well[:5], recipe={"holdout": SHARE}, data={"metric": metric})
    has = metric == "brier"
    assert (not told(made, tmp_path)) == has


def test_the_last_checkpoint_needs_no_score(tmp_path: Path) -> None:
    well = [name for name in PATIENTS if name not in held()]
    last = {"evaluation": {"selections": ["last"]}}
    (warning,) = told(study(tmp_path, well[:5], recipe={"holdout": SHARE}, **last), tmp_path)
    assert warning.level == "warning"


@pytest.mark.parametrize("folds", [None, {"k": 3}])
def test_a_prepared_data_set_is_asked_for_its_training_images(
    tmp_path: Path, folds: dict[str, int] | None
) -> None:
    counts = {"patients": 12, "valid_patients": 10, "test_patients": 10}
    data = {"kind": "phantom", "image_px": 64, "score_tasks": ["edema"], "folds": folds, **counts}
    changes = {"datasets": {"films": data}, "recipe": {"holdout": 0.01}}
    made = planned(tmp_path, changes | grid(pretrainings=["random"], truncations=[0], seeds=[0]))
    films = made.datasets["films"]
    build_cache(films.declaration, None, cache_directory(films.id, tmp_path / "results"), 1)
    # One patient is held out, whose films have one label.
    found = told(made, tmp_path)
    assert len(found) == (1 if folds is None else 3)
    assert {one.told.count(", fold ") for one in found} == {int(folds is not None)}


def test_a_study_that_holds_nobody_out_is_not_read(tmp_path: Path) -> None:
    made = study(tmp_path, [])
    (tmp_path / "films.csv").unlink()
    assert not told(made, tmp_path)
