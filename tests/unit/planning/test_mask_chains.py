"""Chains of trainings over labels and masks: folds, and what has been learned before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets.nih14.make import make as make_nih14
from datasets.siim.make import make as make_siim
from unit.data.discs import discs
from unit.planning.made_up_plan import grid, planned

from transfergrid.planning.cells import Cell
from transfergrid.planning.passed_on import passed_on
from transfergrid.planning.planned import PlannedStudy
from transfergrid.runtime.errors import UserError

FOLDS = {"k": 3}


def chained(folder: Path, **changes: Any) -> PlannedStudy:
    """Plan labels -> masks -> labels, whole and in part, in three folds."""
    root = folder / "discs.npz"
    if not root.exists():
        discs(root, {"train": 12, "val": 4, "test": 4})
    marks = {"kind": "mask_npz", "root": str(root), "structures": ["disc"], "image_px": 64}
    cell = {"kind": "cell", "fold": "same"}
    pretrainings = {
        "films": {**cell, "dataset": "films", "protocol": "source", "pretraining": "shapes"},
        "marks": {**cell, "dataset": "discs", "protocol": "mark", "pretraining": "films"},
        "low": {"of": "marks", "derive": [{"keep": {"through": 2}}]},
        **changes,
    }
    one = grid(truncations=[1], seeds=[0])["grid"][0]
    blocks = [
        {**one, "datasets": ["discs"], "pretrainings": ["films"], "protocols": ["mark"]},
        {**one, "datasets": ["films"], "pretrainings": ["marks", "low"], "protocols": ["finetune"]},
    ]
    study = {
        "datasets": {"discs": {**marks, "folds": FOLDS}, "films": {"folds": FOLDS}},
        "pretrainings": pretrainings,
        "protocols": {"mark": {"loss": "dice"}},
        "grid": blocks,
    }
    return planned(folder, study)


def before(study: PlannedStudy, cell: Cell) -> list[Cell]:
    """Return the cells that came before one, the last first."""
    by_name = {one.name: one for one in study.cells}
    found = []
    while cell.source_cell:
        cell = by_name[cell.source_cell]
        found.append(cell)
    return found


def test_masks_and_labels_follow_each_other_in_the_same_fold(tmp_path: Path) -> None:
    study = chained(tmp_path)
    chains = {
        (cell.point.dataset, cell.point.pretraining, cell.point.fold): [
            (one.point.dataset, one.point.protocol, one.point.fold) for one in before(study, cell)
        ]
        for cell in study.targets
    }
    assert len(chains) == 9
    for (dataset, _, fold), found in chains.items():
        shapes, films = ("shapes", "source", "all"), ("films", "source", fold)
        marks = [("discs", "mark", fold)] if dataset == "films" else []
        assert found == [*marks, films, shapes]
    # Each is trained once, whoever starts from it, and whole.
    assert len(study.cells) == 9 + 3 + 3 + 1
    assert {cell.point.truncation for cell in study.cells if cell not in study.targets} == {0}


def test_every_link_is_audited(tmp_path: Path) -> None:
    study = chained(tmp_path)
    names = {data.id: name for name, data in study.datasets.items()}
    found = {(names[one.target], names[one.source]): one.folds for one in passed_on(study.entries)}
    same = tuple((str(fold), str(fold)) for fold in range(3))
    assert found == {
        ("discs", "films"): same,
        ("discs", "shapes"): (),
        ("films", "discs"): same,
        ("films", "shapes"): (),
    }


def test_test_films_are_not_learned_on_the_way_through_masks(tmp_path: Path) -> None:
    fixed = {"kind": "cell", "dataset": "films", "protocol": "source", "fold": 0}
    with pytest.raises(UserError, match="'marks' for fold 1 of .*'films' starts from .* fold 0 of"):
        chained(tmp_path, films=fixed)
    fixed = {"kind": "cell", "dataset": "discs", "protocol": "mark", "fold": 1}
    again = {**fixed, "fold": "same", "pretraining": "marks"}
    with pytest.raises(UserError, match="'marks' for fold 0 of .*'discs' starts from .* fold 1 of"):
        chained(tmp_path, marks=fixed, films=again)


def test_labels_and_masks_of_the_same_films_keep_their_folds(tmp_path: Path) -> None:
    rows = [f"{n}.png,p{n // 2},{n % 2}" for n in range(24)]
    (tmp_path / "films.csv").write_text("\n".join(["film,who,ill", *rows]))
    table = {
        "root": str(tmp_path),
        "table": "films.csv",
        "image_column": "film",
        "patient_column": "who",
        "image_px": 64,
        "folds": FOLDS,
    }
    ill = {**table, "kind": "csv", "label_columns": ["ill"]}
    layers = [{"structures": ["lung"], "files": ["film"]}]
    lungs = {**table, "kind": "mask_table", "layers": layers}
    axes = grid(datasets=["lungs"], pretrainings=["ill"], truncations=[0], seeds=[0])
    for fold, seed in (("same", 0), (1, 0), ("same", 1)):
        start = {"kind": "cell", "dataset": "ill", "protocol": "source", "fold": fold}
        other = {**ill, "folds": {**FOLDS, "seed": seed}}
        study = {"datasets": {"ill": other, "lungs": lungs}, "pretrainings": {"ill": start}, **axes}
        if (fold, seed) == ("same", 0):
            assert len(planned(tmp_path, study).targets) == 3
            continue
        with pytest.raises(UserError, match="shares a label table with it and is not split alike"):
            planned(tmp_path, study)


def test_films_that_two_publications_share_are_warned_of_along_the_chain(tmp_path: Path) -> None:
    make_nih14(tmp_path / "nih", np.random.default_rng(0))
    make_siim(tmp_path / "air", np.random.default_rng(0))
    text = (tmp_path / "air" / "train-rle.csv").read_text()
    (tmp_path / "air" / "few.csv").write_text(text[: text.rindex("1.2.276")])
    (tmp_path / "w.pth.tar").write_bytes(b"1")
    nih = {"kind": "nih14", "root": str(tmp_path / "nih"), "score_tasks": ["effusion"]}
    air = {"kind": "siim", "root": str(tmp_path / "air"), "image_px": 64, "table": "train-rle.csv"}
    path = str(tmp_path / "w.pth.tar")
    cell = {"kind": "cell", "protocol": "source"}
    start = {
        "nih": {**cell, "dataset": "nih"},
        "shapes": {**cell, "dataset": "shapes", "pretraining": "nih"},
        "air": {**cell, "dataset": "air"},
        "few": {**cell, "dataset": "few"},
        "released": {"kind": "release", "release": "chestxray14", "path": path},
        "other": {"kind": "release", "release": "chexpert", "path": path},
    }
    study = {
        "datasets": {
            "nih": {**nih, "image_px": 64},
            "air": air,
            "few": {**air, "table": "few.csv"},
            "same": {**air, "image_px": 32},
        },
        "pretrainings": start,
        "protocols": {"mark": {"loss": "bce"}},
    }
    axes = {"architectures": ["resnet50"], "truncations": [0], "seeds": [0]}

    def told(dataset: str, pretraining: str) -> str:
        cells = grid(datasets=[dataset], pretrainings=[pretraining], **axes)
        found = planned(tmp_path, {**study, **cells}).warnings
        return " ".join(one for one in found if "films of" in one)

    assert "learned data set 'nih' (nih14), and data set 'air' (siim) holds" in told("air", "nih")
    assert "'shapes' learned data set 'nih' (nih14)" in told("air", "shapes")
    assert "learned data set 'air' (siim), and data set 'nih' (nih14) holds" in told("nih", "air")
    assert (
        "goes back to release 'chestxray14', which learned from films of nih14, and data set "
        in (told("air", "released"))
    )
    assert "learned data set 'few' (siim), and data set 'air' (siim) holds" in told("air", "few")
    assert not told("same", "air")  # which is known to be divided alike
    assert not told("air", "other") and not told("films", "nih")
