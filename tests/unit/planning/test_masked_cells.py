"""Whatever decides how masks are learned, or which they are, is part of a cell's name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from unit.training.disc_cells import planned, study

from transfergrid.planning.study import merge
from transfergrid.runtime.errors import UserError

LEARNED: dict[str, dict[str, Any]] = {
    "as it is": {},
    "loss": {"recipe": {"loss": "dice"}},
    "another loss": {"recipe": {"loss": "bce"}},
    "form of Dice": {"recipe": {"dice": {"form": "squared"}}},
    "what Dice is over": {"recipe": {"dice": {"over": "batch"}}},
    "how films are moved": {"recipe": {"augmentation": {"scale": 0.1}}},
    "what ranks checkpoints": {"discs": {"metric": "iou"}},
}
"""Changes of a study that leave its films and masks as they are."""

SHOWN: dict[str, dict[str, Any]] = {
    "side": {"discs": {"image_px": 48}},
    "structures": {"discs": {"structures": ["ring"]}},
    "exclusive": {"discs": {"exclusive": True}},
    "which numbers are true": {"discs": {"values": {"disc": [1]}}},
    "which are unknown": {"discs": {"unknown_values": [7]}},
}


def named(folder: Path, discs: dict[str, Any] | None = None, **sections: Any) -> tuple[str, str]:
    """Return the names of the data set and the cell of a study with changes."""
    path = study(folder)
    changes = {**sections, "datasets": {"discs": discs or {}}}
    path.write_text(yaml.safe_dump(merge(yaml.safe_load(path.read_text()), changes)))
    spec, name = planned(path)
    return str(spec["dataset"]["id"]), name


def test_every_axis_of_masks_has_a_name_of_its_own(tmp_path: Path) -> None:
    learned = [named(tmp_path, **change) for change in LEARNED.values()]
    assert len({dataset for dataset, _ in learned}) == 1
    shown = [named(tmp_path, **change) for change in SHOWN.values()]
    every = [*learned, *shown]
    assert len({dataset for dataset, _ in every}) == 1 + len(SHOWN)
    assert len({cell for _, cell in every}) == len(LEARNED) + len(SHOWN)


def test_what_only_tables_need_is_in_no_name(tmp_path: Path) -> None:
    before = named(tmp_path)
    more = {"skipped": {"of": "iou", "empty": "skip"}}
    tables = {"metrics": ["skipped", "dice_pooled"], "selections": ["top3", "best"]}
    assert named(tmp_path, metrics=more, evaluation=tables) == before


def test_one_pixel_of_a_mask_is_another_data_set(tmp_path: Path) -> None:
    before = named(tmp_path)
    path = tmp_path / "discs.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["test_masks"][0, 0, 0] ^= 1
    np.savez(path, **arrays)
    dataset, cell = named(tmp_path)
    assert dataset != before[0] and cell != before[1]


def test_stored_features_are_refused_and_not_computed_in_silence(tmp_path: Path) -> None:
    for asked in ("auto", "computed"):
        named(tmp_path, recipe={"train_layers": "head", "frozen_prefix": asked})
    with pytest.raises(UserError) as raised:
        named(tmp_path, recipe={"train_layers": "head", "frozen_prefix": "stored"})
    told = str(raised.value)
    assert "protocol 'plain' asks for frozen_prefix: stored, which data set 'discs'" in told
    assert told.endswith("takes maps of all layers; write auto or computed.")
