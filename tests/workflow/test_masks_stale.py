"""What is stale of a cell of masks after which change; one of labels, beside it, never is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.workflow.conftest import Workspace
from tests.workflow.masked_study import MASKED, STUDY
from tests.workflow.places import (
    ENSEMBLED,
    Place,
    analysed,
    copy_project,
    follow,
    new_cells,
    stamped,
    union,
)
from tests.workflow.test_staleness import TRIGGERS, Row

from transfergrid.planning.paths import PROJECT
from transfergrid.planning.study import merge

pytestmark = pytest.mark.slow


def change(**sections: Any) -> Callable[[Place], object]:
    return lambda place: place.workspace.write(merge(STUDY, sections))


def another_mask(place: Place) -> None:
    """Add a pixel to one mask; its film stays as it was."""
    path = place.folder / "discs.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["train_masks"][0, 0, 0] ^= 1
    np.savez(path, **arrays)


def edited(path: str, old: str, new: str) -> Callable[[Place], object]:
    return lambda place: place.code(f"src/transfergrid/{path}", old, new)


MEASURED = frozenset({("outlines", "weighings")})
PREPARED = frozenset({("prepare", "discs")})
OTHER_K = ("ensembles", "cells", "scores", "statistics", "costs", "report")
ROWS = {
    "nothing": Row(lambda p: None),
    "a loss": Row(change(protocols={"finetune": {"loss": "dice"}}), new_cells({MASKED}, MEASURED)),
    "the side of masks": Row(
        change(datasets={"discs": {"image_px": 48}}), new_cells({MASKED}, PREPARED, MEASURED)
    ),
    "another mask of one film": Row(another_mask, new_cells({MASKED}, PREPARED, MEASURED)),
    "the ensemble's k": Row(
        change(evaluation={"selections": ["best", "top1"]}),
        union(stamped(*OTHER_K), MEASURED, ENSEMBLED, analysed()),
    ),
    "what empty masks count": Row(
        change(
            metrics={"skipped": {"of": "iou", "empty": "skip"}},
            evaluation={"metrics": ["skipped", "dice_pooled", "hd95"]},
        ),
        union(stamped("scores", "figures", "report"), follow("scores")),
    ),
    "a tolerance of outlines": Row(
        change(
            metrics={"wide": {"of": "surface_dice", "tolerance": 3}},
            evaluation={"metrics": ["iou", "dice_pooled", "hd95", "wide"]},
        ),
        union(
            stamped("ensembles", "scores", "costs", "figures", "report"),
            MEASURED,
            ENSEMBLED,
            analysed(),
        ),
    ),
    "the size at which masks are compared": Row(
        change(datasets={"discs": {"scored_at": "film"}}),
        union(stamped("ensembles", "costs", "report"), MEASURED, ENSEMBLED, analysed()),
    ),
    "code of the decoder": Row(
        edited("models/unet.py", "16, 256", "16, 128"), new_cells({MASKED}, MEASURED)
    ),
    "code that reads masks": Row(
        edited("data/mask_coverage.py", "2 * ", "2.0 * "), new_cells({MASKED}, PREPARED, MEASURED)
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_change_makes_stale_what_it_must(masked: Workspace, tmp_path: Path, name: str) -> None:
    # With its records and all its triggers, where Snakemake finds most to do.
    shutil.copytree(masked.folder, tmp_path / "run", symlinks=True)
    project = copy_project(tmp_path / "project") if name.startswith("code ") else PROJECT
    place = Place(Workspace(tmp_path / "run", project))
    ROWS[name].change(place)
    jobs = place.jobs("--rerun-triggers", *TRIGGERS)
    # The copy's data lie elsewhere, which is noted and makes nothing stale.
    assert jobs - stamped("discs.location") == ROWS[name].expected
