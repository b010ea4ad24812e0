"""Distances of outlines, from what selections mark to the ensembles that tables read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from unit.training.disc_cells import cache_of, scored_cell

from transfergrid.catalog.mask_metrics import MASK_METRICS
from transfergrid.data.store import open_split
from transfergrid.evaluation import marked, predict
from transfergrid.evaluation.ensemble import read_ensemble
from transfergrid.evaluation.ensembles import Ensembles
from transfergrid.evaluation.marked import marked_films
from transfergrid.evaluation.outline_files import read_compared, write_compared
from transfergrid.evaluation.outlines import Measurement, compare_masks, record_outlines
from transfergrid.evaluation.predict import networks_of, score_cell
from transfergrid.evaluation.scores import read_cell_scores
from transfergrid.metrics.scoring import Cases, Scorer
from transfergrid.planning.ends import weighings_directory
from transfergrid.planning.metrics import declare
from transfergrid.planning.records import TRAINED
from transfergrid.runtime.errors import UserError
from transfergrid.runtime.hashing import sha256_file
from transfergrid.runtime.sealed import read_sealed, write_sealed

MASKS = {metric.name: metric for metric in MASK_METRICS}
MADE_FROM = {"selections": ["best", "last", "top2"], "tolerances": [1.0, 2.5]}
NUMBERS = (
    *("true_positive", "predicted", "true", "known"),
    *("diagonal", "hd95", "outline_predicted", "outline_true"),
    *("tolerance1", "near_predicted1", "near_true1", "tolerance2", "near_predicted2", "near_true2"),
)


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, Path]:
    """Return a scored cell's specification, its name and the results."""
    results = tmp_path_factory.mktemp("outlines")
    spec, name = scored_cell(results)
    record_outlines("o", asked(spec, results))
    return spec, name, results


def asked(spec: dict[str, Any], results: Path, **changes: Any) -> Measurement:
    note = {"declaration": spec["dataset"], "root": str(results / "discs.npz")}
    return Measurement.planned({**MADE_FROM, **changes}, spec, results, note)


def edge(mask: np.ndarray) -> np.ndarray:
    """Return (P, 2) pixels of a mask with a side that touches none of it."""
    around = np.pad(mask, 1)
    inside = around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    return np.argwhere(mask & ~inside)


def by_hand(marked: np.ndarray, true: np.ndarray, tolerance: float) -> tuple[float, float]:
    """Return HD95 and surface Dice of two masks with pixels, from all distances."""
    a, b = edge(marked), edge(true)
    apart = np.hypot(*(a[:, None] - b[None]).transpose(2, 0, 1))
    ways = apart.min(axis=1), apart.min(axis=0)
    near = sum(int((way <= tolerance).sum()) for way in ways)
    return max(float(np.percentile(way, 95)) for way in ways), near / (len(a) + len(b))


def test_tables_get_distances_of_what_a_selection_marks(
    cell: tuple[dict[str, Any], str, Path],
) -> None:
    spec, name, results = cell
    made = Ensembles(results, "discs", MADE_FROM["selections"], "code", {name: "o"})
    made.make(name)
    films = open_split(cache_of(spec, results), "test")
    (part,) = marked_films(spec, results, ["top2"])
    table = read_ensemble(made.file(name, "top2", "test"))
    assert table.numbers == NUMBERS and table.n_checkpoints == 2
    pairs = zip(part.marks["top2"].marked[:, 0], part.truth[:, 0] == 1, strict=True)
    told = np.array([by_hand(marked, true, 2.5) for marked, true in pairs])
    cases = Cases(table.probabilities, table.labels, table.patient_id, table.tasks, table.tasks)
    people = np.unique(films.patient_id)
    wide = declare(MASKS["surface_dice"], "wide", settings={"tolerance": 2.5})
    for metric, values in ((declare(MASKS["hd95"]), told[:, 0]), (wide, told[:, 1])):
        want = np.mean([values[films.patient_id == one].mean() for one in people])
        tasks, whole = Scorer.of(metric).intervals(cases)
        assert whole.estimate == pytest.approx(want) and tasks[0].low < want < tasks[0].high
    # What needs no outline is as it was scored; so is validation.
    stored = read_cell_scores(results / "cells" / name, "test")
    assert stored.tops is not None
    assert np.array_equal(table.probabilities[..., :4], stored.tops[1])
    assert read_ensemble(made.file(name, "top2", "valid")).numbers == NUMBERS[:4]


def test_ensembles_are_made_again_where_masks_were_compared_otherwise(
    cell: tuple[dict[str, Any], str, Path],
) -> None:
    spec, name, results = cell
    plain = Ensembles(results, "discs", ["best"], "code")
    with_outlines = replace(plain, outlined={name: "o"})
    assert plain.made_of(name) != with_outlines.made_of(name)
    record_outlines("wider", asked(spec, results, tolerances=[4.0]))
    other = replace(plain, outlined={name: "wider"})
    assert other.made_of(name) != with_outlines.made_of(name)
    with pytest.raises(UserError, match=r"gone/receipt.json is missing: run snakemake again"):
        replace(plain, outlined={name: "gone"}).made_of(name)
    mixed = read_compared("o", results)
    write_compared(weighings_directory("mixed", results), replace(mixed, checkpoints={"best": 7}))
    with pytest.raises(UserError, match="masks of .* that were compared are not those"):
        replace(plain, study="mixed", outlined={name: "mixed"}).make(name)
    swapped = replace(mixed, image_id=mixed.image_id[::-1])
    write_compared(weighings_directory("swapped", results), swapped)
    with pytest.raises(UserError, match="masks of .* that were compared are not those"):
        replace(plain, study="swapped", outlined={name: "swapped"}).make(name)


def test_without_outlines_there_are_the_counts_of_scoring(
    cell: tuple[dict[str, Any], str, Path],
) -> None:
    spec, name, results = cell
    found = compare_masks(asked(spec, results, tolerances=None))
    stored = read_cell_scores(results / "cells" / name, "test")
    assert stored.tops is not None and found.numbers == NUMBERS[:4] and found.unit == ""
    assert np.array_equal(found.rows["top2"], stored.tops[1])
    assert np.array_equal(found.rows["last"], stored.logits[2])


def test_a_cell_that_diverged_has_no_distances(
    cell: tuple[dict[str, Any], str, Path], tmp_path: Path
) -> None:
    spec, name, results = cell
    (tmp_path / "cache").symlink_to(results / "cache")
    folder = tmp_path / "cells" / name
    (folder / "checkpoints").mkdir(parents=True)
    receipt = read_sealed(results / "cells" / name / TRAINED)
    index = folder / "checkpoints" / "index.json"
    index.write_text(json.dumps({"checkpoints": [], "best": None}))
    files = {"checkpoints/index.json": sha256_file(index)}
    write_sealed(folder / TRAINED, {**receipt, "status": "diverged", "files": files})
    record_outlines("o", asked(spec, tmp_path))
    found = read_compared("o", tmp_path)
    assert found.rows["best"].shape == (6, 1, len(NUMBERS)) and set(found.checkpoints) == {
        *MADE_FROM["selections"]
    }
    assert all(np.isnan(rows).all() for rows in found.rows.values())
    assert set(found.checkpoints.values()) == {0}


@pytest.mark.parametrize("own_size", [False, True])
def test_outputs_that_are_not_finite_have_no_distances(
    cell: tuple[dict[str, Any], str, Path], monkeypatch: pytest.MonkeyPatch, own_size: bool
) -> None:
    """Neither are they scored; as "not marked" they would count as a missed structure."""
    spec, name, results = cell

    def broken(*arguments: Any) -> Any:
        load, normalise = networks_of(*arguments)

        def blind(pixels: torch.Tensor) -> torch.Tensor:
            films = normalise(pixels).clone()
            films[[1, 4]] = torch.nan
            return films

        return load, blind

    for module in (marked, predict):
        monkeypatch.setattr(module, "networks_of", broken)
    how = {"scored_at": "film"} if own_size else {}
    words = rf"networks of {name} give numbers that are not finite for test1, test4, and nothing"
    with pytest.raises(UserError, match=words):
        compare_masks(asked(spec, results, **how))
    with pytest.raises(UserError, match="a logit is NaN"):
        score_cell(spec, results, splits=["test"])
