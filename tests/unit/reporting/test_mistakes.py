"""The most confident errors: which are chosen, whose films are shown, and what is not told."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_curve
from unit.planning.made_up_plan import grid, planned
from unit.training import tiny

from transfergrid.catalog.stages import STAGE
from transfergrid.data.store import open_split
from transfergrid.evaluation.ensemble import Ensemble, write_ensemble
from transfergrid.planning.metrics import built_in
from transfergrid.planning.naming import cell_name
from transfergrid.reporting.page.shown_mistakes import other_of, place_of, shown_mistakes
from transfergrid.reporting.pictures import mistakes
from transfergrid.reporting.pictures.mistakes_file import (
    NAME,
    NEGATIVE,
    POSITIVE,
    Mistake,
    read_mistakes,
    write_mistakes,
)
from transfergrid.reporting.tables.files import write_table
from transfergrid.reporting.tables.stage_files import seal_stage
from transfergrid.runtime.errors import UserError
from transfergrid.statistics.runs import runs_of


def made(seed: int, n: int = 150, tasks: tuple[str, ...] = ("edema", "fracture")) -> Ensemble:
    rng = np.random.default_rng(seed)
    labels = (rng.random((n, len(tasks))) < 0.4).astype(np.float32)
    values = 1 / (1 + np.exp(-(labels * 1.2 - 0.6 + rng.normal(size=labels.shape))))
    labels[rng.random(labels.shape) < 0.1] = np.nan
    ids = np.array([f"secret-patient{number:03d}" for number in range(n)])
    return Ensemble(ids, ids, tasks, values, labels, 1, n)


def stored(results: Path, entry: dict[str, Any], seeds: tuple[int, int]) -> dict[str, Any]:
    for split, seed in zip(("valid", "test"), seeds, strict=True):
        place = results / "s" / "ensemble" / entry["cell"] / "best" / f"{split}.parquet"
        write_ensemble(place, made(seed))
    return entry


def entry(cell: str, **more: Any) -> dict[str, Any]:
    place = {"architecture": "net", "pretraining": "random", "truncation": 0, "protocol": "p"}
    same = {"cell": cell, "role": "target", "dataset": "films", "seed": 0, "dataset_id": "x-0"}
    return {**same, **place, **more}


def study(cells: list[dict[str, Any]], most: int = 2) -> dict[str, Any]:
    return {
        "name": "s",
        "cells": cells,
        "evaluation": {"primary": "best"},
        "metrics": {"auroc": built_in("auroc")},
        "primary_metric": {"films": "auroc"},
        "mistaken": {"cells": [one["cell"] for one in cells], "most": most},
    }


def test_errors_are_the_most_confident_ones_beyond_a_threshold_of_validation(
    tmp_path: Path,
) -> None:
    asked = study([stored(tmp_path, entry("c"), (1, 2))])
    (run,) = runs_of(asked["cells"]).values()
    found = mistakes.mistakes_of(run, asked, tmp_path)
    valid, test = made(1), made(2)
    for number, task in enumerate(test.tasks):
        known = ~np.isnan(valid.labels[:, number])
        truth, scores = valid.labels[known, number], valid.probabilities[known, number]
        fpr, tpr, cuts = roc_curve(truth, scores, drop_intermediate=False)
        best = cuts[np.argmax(np.round(tpr - fpr, 12))]
        said, labels = test.probabilities[:, number], test.labels[:, number]
        own = [one for one in found if one.task == task]
        assert all(scores[scores < best].max() < one.threshold <= best for one in own)
        wrong = {POSITIVE: np.sort(said[(labels == 0) & (said >= own[0].threshold)])[::-1]}
        wrong[NEGATIVE] = np.sort(said[(labels == 1) & (said < own[0].threshold)])
        for kind, values in wrong.items():
            assert len(values) > 2
            told = [one.probability for one in own if one.kind == kind]
            assert told == pytest.approx(list(values[:2]))
        assert [said[one.place - 1] for one in own] == [one.probability for one in own]


def test_of_classes_the_other_one_is_named() -> None:
    rng = np.random.default_rng(0)
    truth, names = rng.integers(0, 3, 60), ("normal", "benign", "malignant_tumour")
    scores = rng.dirichlet([1, 1, 1], 60)
    one = Ensemble(*[np.arange(60).astype(str)] * 2, names, scores, np.eye(3)[truth], 1, 60)
    found = list(mistakes.errors("c", "c", one, one, None, classes=True))
    assert {one.kind for one in found} == {POSITIVE, NEGATIVE}
    for error in found:
        row = error.place - 1
        wanted = truth[row] if error.kind == POSITIVE else scores[row].argmax()
        assert error.other == names[wanted]
        words = "truly " if error.kind == POSITIVE else "most probable: "
        assert other_of(error) == words + names[wanted].replace("_", " ")
    assert {one.other for one in mistakes.errors("c", "c", one, one, None)} == {""}
    assert other_of(Mistake("c", "c", "edema", POSITIVE, 1, 0.9, 0.5)) == ""


def test_folds_are_one_choice_and_each_has_its_own_threshold(tmp_path: Path) -> None:
    cells = [
        stored(tmp_path, entry(f"c-seed0-fold{fold}-ab", fold=fold, folds=["0", "1"]), (k, 5 + k))
        for k, fold in enumerate("01")
    ]
    asked = study(cells, most=5)
    (run,) = runs_of(cells).values()
    found = mistakes.mistakes_of(run, asked, tmp_path)
    own = [one for one in found if (one.task, one.kind) == ("edema", POSITIVE)]
    assert len(own) == 5 and {one.cell for one in own} == set(run.cells.values())
    assert len({one.threshold for one in own}) == 2
    assert sorted((one.probability for one in own), reverse=True) == [
        one.probability for one in own
    ]
    assert place_of(own[0]).endswith(f"of fold {run_fold(own[0])}'s test part")


def run_fold(one: Mistake) -> str:
    return one.cell.split("fold")[1][0]


def test_the_best_cell_of_each_data_set_is_shown(tmp_path: Path) -> None:
    cells = [entry("a"), entry("b", pretraining="imagenet"), entry("c", dataset="eyes")]
    rows = pd.DataFrame(cells).assign(fold="all", selection="best", metric="auroc")
    rows["score"] = [0.6, 0.7, 0.5]
    table = tmp_path / "s" / "tables" / "cells.csv"
    table.parent.mkdir(parents=True)
    write_table(rows, table)
    seal_stage(tmp_path / "s", "cells", ["tables/cells.csv"])
    asked = study(cells)
    assert [run.name for run in mistakes.best_runs(asked, tmp_path)] == ["b", "c"]
    asked["mistaken"]["cells"] = ["a"]
    assert [run.name for run in mistakes.best_runs(asked, tmp_path)] == ["a"]


def test_the_film_is_the_studys_first_and_no_id_is_told(tmp_path: Path) -> None:
    tiny.make_cache(tmp_path)
    spec = tiny.make_spec()
    name = cell_name(spec)
    folder = tmp_path / "cells" / name
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(spec))
    split = open_split(tmp_path / "cache" / "tiny-0", "test")
    studies = np.array(list(dict.fromkeys(split.study_id.tolist())))
    labels = np.zeros((len(studies), 2), np.float32)
    one = Ensemble(studies, studies, ("Bright", "Half"), labels + 0.5, labels, 1, 20)
    write_ensemble(tmp_path / "s" / "ensemble" / name / "best" / "test.parquet", one)
    errors = [Mistake(name, name, "Half", POSITIVE, place, 0.9, 0.4) for place in (1, 4)]
    seen: list[np.ndarray] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            mistakes, "data_uri", lambda pixels: seen.append(pixels) or f"data:{len(seen)}"
        )
        found = mistakes.with_films(errors, study([entry(name)]), tmp_path)
    assert [film.picture for film in found] == ["data:1", "data:2"]
    assert [film.views for film in found] == [2, 2]
    for pixels, place in zip(seen, (1, 4), strict=True):
        row = int(np.flatnonzero(split.study_id == studies[place - 1])[0])
        assert np.array_equal(pixels[..., 0], split.images[row])
    told = json.dumps([asdict(film) for film in found])
    assert not re.search(r"test-s\d|p-test|test-\d", told)


def test_errors_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_mistakes(tmp_path) == ()
    one = Mistake("r", "c", "edema", POSITIVE, 3, 0.9, 0.5, 2, "data:")
    write_mistakes(tmp_path, [one])
    assert read_mistakes(tmp_path) == (one,)
    with open(tmp_path / NAME, "a") as file:
        file.write(" ")
    with pytest.raises(UserError, match=r"mistakes\.json"):
        read_mistakes(tmp_path)


def test_a_study_has_them_only_if_it_asks_and_never_of_films_that_it_hides(tmp_path: Path) -> None:
    def asked(pictures: Any) -> Any:
        axes = grid(datasets=["films"], pretrainings=["random"], truncations=[0], seeds=[0])
        return planned(tmp_path, {"pictures": pictures, **axes})

    for nothing in ({}, None, {"errors": 3, "hidden": ["films"]}):
        assert not asked(nothing).has(STAGE["mistakes"])
    told = asked({"errors": 3}).content("report")["mistaken"]
    assert told["most"] == 3 and len(told["cells"]) == 1
    with pytest.raises(UserError, match="errors"):
        asked({"errors": 6})


def test_the_page_names_the_network_the_task_and_the_place() -> None:
    row = entry("c") | {"truncation": 1}
    one = Mistake("c", "c", "edema", POSITIVE, 3, 0.9, 0.5, 2, "data:")
    (shown,) = shown_mistakes(pd.DataFrame([row]), [one, Mistake("x", "x", "", "", 1, 0, 0)])
    assert (shown.dataset, shown.told) == ("films", "random, net, one block removed, p, seed 0")
    assert shown.tasks == (("edema", (one,)),)
    assert place_of(one) == "study 3 of the test split, the first of 2 films"
