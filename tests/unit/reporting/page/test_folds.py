"""Where cells are folds: what the page counts, shows first and folds away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from unit.reporting.built_in_words import WORDS
from unit.reporting.made_up_tables import leaks_of
from unit.reporting.tables.test_crossed import CELLS, RUN, K, whole
from unit.statistics.crossed_study import SEEDS

from transfergrid.reporting.figures.palette import marks_of
from transfergrid.reporting.folds import answered, trained
from transfergrid.reporting.page import methods, notes
from transfergrid.reporting.page.answer import Manner
from transfergrid.reporting.page.cell_scores import measures
from transfergrid.reporting.page.cell_sections import sections
from transfergrid.reporting.page.leaderboard import leaderboard
from transfergrid.reporting.tables.cells import cells_table
from transfergrid.reporting.tables.scores import scores_table
from transfergrid.statistics.runs import runs_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], pd.DataFrame, Path]:
    results = tmp_path_factory.mktemp("crossed")
    study = whole(results, one_class=1)
    return study, cells_table(study, results), results


def test_runs_are_answered_for_and_folds_were_trained(
    made: tuple[dict[str, Any], pd.DataFrame, Path],
) -> None:
    cells = made[1]
    runs, folds = answered(cells), trained(cells)
    assert len(runs) == 2 * len(SEEDS) and len(folds) == K * len(runs)
    assert set(folds["cell"]) == {entry["cell"] for entry in made[0]["cells"]}
    plain = pd.DataFrame({"cell": ["a"], "dataset": ["other"], "fold": ["all"]})
    both = pd.concat([cells, plain])
    assert "a" in set(answered(both)["cell"]) and "a" in set(trained(both)["cell"])


def test_the_leaderboard_ranks_runs_and_says_what_is_left_out(
    made: tuple[dict[str, Any], pd.DataFrame, Path],
) -> None:
    board = leaderboard(answered(made[1]), {}, marks_of(["random", "imagenet"]), WORDS, {})
    assert {row.cell["cell"] for row in board.rows} == set(answered(made[1])["cell"])
    assert board.without == 0


def test_an_answer_says_that_patients_were_tested_fold_by_fold(
    made: tuple[dict[str, Any], pd.DataFrame, Path],
) -> None:
    asked = {**made[0], "evaluation": {"confidence": 0.95}, "primary_metric": {"films": "auroc"}}
    manner = Manner.of({**asked, "metrics": {}})
    assert manner.tested_on("films") == "films, tested fold by fold"
    assert manner.tested_on("scans") == "the test split of scans"


def test_single_folds_are_folded_away_with_their_run(
    made: tuple[dict[str, Any], pd.DataFrame, Path],
) -> None:
    study, cells, results = made
    runs = {run.name: tuple(run.cells.values()) for run in runs_of(study["cells"]).values()}
    scores = scores_table(study, results).replace({"task": {"": None}})  # as read from disk
    measured = measures(scores, "best", WORDS)
    found = sections(cells, measured, "best", {}, WORDS, runs=runs)
    assert [section.cell["cell"] for section in found] == list(answered(cells)["cell"])
    (own,) = (section for section in found if section.cell["cell"] == RUN)
    assert [fold.cell["cell"] for fold in own.folds] == CELLS
    assert own.primary is not None and len(own.primary.tasks) == 2 and " to " in own.range
    assert not own.folds[0].folds


def test_the_notes_and_the_summary_count_trainings_and_name_folds(
    made: tuple[dict[str, Any], pd.DataFrame, Path],
) -> None:
    study, cells, _ = made
    told = {
        note.title: note.text for note in notes.notes({}, {"cells": cells, "leaks": leaks_of()}, {})
    }
    assert told["Cross-validation"].startswith("films in 3 folds: every patient is tested once")
    assert "fracture: the patients of fold 1 lack a class" in told["Small classes"]
    slice_ = cells[cells["fold"].isin(["all", "1"])]
    cards = {"films": {"folds": K, "task_kind": "multilabel"}}
    told = {
        note.title: note.text
        for note in notes.notes({}, {"cells": slice_, "leaks": leaks_of()}, cards)
    }
    assert told["Cross-validation"].startswith(
        "films in 3 folds (here only fold 1): patients of the folds that are here are tested once"
    )
    assert ("1", "fold") in notes.summary(answered(slice_), {}, trained(slice_))
    summary = notes.summary(answered(cells), {}, trained(cells))
    assert summary[0] == (str(len(study["cells"])), "cells")
    # The leaderboard has a row a run, so both counts stand at the head of the page.
    assert summary[1] == (str(2 * len(SEEDS)), "runs")
    assert (str(K), "folds") in summary


@pytest.mark.parametrize(
    ("folds", "words"),
    [
        ({"k": 5, "by": "patient", "seed": 3}, "drawn by patient (seed 3)"),
        ({"k": 5, "by": "stratified", "valid": 0.1}, "but for 10 % of the others"),
        ({"k": 5, "column": "fold"}, "those of the column fold"),
        ({"k": 5, "file": "folds.csv"}, "those of folds.csv"),
    ],
)
def test_the_methods_say_how_folds_were_made(folds: dict[str, Any], words: str) -> None:
    part = {"images": 20, "patients": 10}
    card = {"splits": dict.fromkeys(("train", "valid", "test"), part), "patients": "known"}
    card |= {"tasks": ["edema"], "task_kind": "multilabel", "kind": "csv"}
    text = methods.dataset("films", {"folds": folds}, {**card, "image_px": 64, "resize": "crop"})
    assert "60 images of 30 patients in 5 folds" in text
    assert words in text
