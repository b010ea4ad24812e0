"""The sections on how alike networks are: what was compared, in words, with their figures."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from unit.reporting import fabricate
from unit.reporting.made_up_alike import SETTINGS, agreement_of, cells_of, similarity_of

from transfergrid.reporting.figures.data import read_figure_data
from transfergrid.reporting.figures.drawing import draw_one
from transfergrid.reporting.page import alike
from transfergrid.reporting.page.material import ReportInput, read_report
from transfergrid.reporting.page.page import render
from transfergrid.reporting.tables.files import write_table
from transfergrid.reporting.tables.stage_files import seal_stage

CELLS = cells_of(["phantom"], ["resnet18"], ["random", "shapes"], ["1", "2"], seeds=2)
SIMILARITY, AGREEMENT = similarity_of(CELLS), agreement_of(CELLS)


def told(study: dict[str, Any], **tables: pd.DataFrame) -> dict[str, dict[str, str]]:
    return {one.name: dict(one.facts) for one in alike.sections(study, tables)}


@pytest.fixture(scope="module")
def study(drawn_tree: fabricate.Tree) -> dict[str, Any]:
    resolved = {**drawn_tree.study["resolved"], "similarity": SETTINGS}
    return {**drawn_tree.study, "resolved": resolved, "similarity": SETTINGS}


@pytest.fixture(scope="module")
def report(study: dict[str, Any], drawn_tree: fabricate.Tree, tmp_path_factory: Any) -> ReportInput:
    results = Path(tmp_path_factory.mktemp("alike")) / "results"
    shutil.copytree(drawn_tree.results, results)
    for name, table in (("similarity", SIMILARITY), ("agreement", AGREEMENT)):
        write_table(table, results / "demo" / "tables" / f"{name}.csv")
        seal_stage(results / "demo", name, [f"tables/{name}.csv"])
    data = read_figure_data(study, results)
    # A protocol may be called by a digit, where states before training have none.
    assert set(data.similarity["left_protocol"].dropna()) == {"1", "2"}
    drawn = [draw_one(data, name) for name in ("score", "features", "prediction_pairs")]
    return replace(read_report(study, results, []), figures=drawn)


def test_the_words_say_what_was_compared(study: dict[str, Any]) -> None:
    found = told(study, similarity=SIMILARITY, agreement=AGREEMENT)
    features, predictions = found["features"], found["predictions"]
    size = "1\u202f196 images of 412 patients in the validation split of phantom"
    assert features["Images"].startswith(size)
    assert "stem\u00a01\u202f196, block1\u00a02\u202f392" in features["Rows"]
    pairs = SIMILARITY.drop_duplicates(["pair", "left", "right"])
    assert features["Pairs"].startswith(f"{len(pairs)} pairs")
    for reason, number in pairs["pair"].value_counts().items():
        assert f"{number} of {alike.PAIRS[reason]}" in features["Pairs"]
    assert "one checkpoint, the best by macro AUROC on the validation split" in features["Weights"]
    assert "200 times" in features["Floor"] and "rows of a patient" in features["Floor"]
    assert "groups of patients" in features["Intervals"]
    lost = (pairs["flags"] == "diverged").sum()
    assert features["Left out"] == f"{lost} pairs, because a training diverged."
    assert "Remarks" not in features
    assert "not above its floor says nothing" in features["Not to be concluded"]
    assert predictions["Cases"].startswith(
        "480 studies of 301 patients in the test split of phantom"
    )
    assert "mean probability of the 3 checkpoints" in predictions["Checkpoints"]
    assert "above 0.5" in predictions["Right and wrong"]
    assert "independent" in predictions["Baseline, ceiling"]
    assert "alone shows nothing" in predictions["Not to be concluded"]


def test_the_words_say_what_is_weak(study: dict[str, Any]) -> None:
    flags = SIMILARITY["flags"].mask(SIMILARITY["layer"] == "stem", "short;cut_left;dead_left")
    changed = SIMILARITY.assign(flags=flags, split="train")
    changed = changed[changed["pair"] != "seeds"]
    found = told(study, similarity=changed)["features"]
    assert "trained on these" in found["Images"] and "training split" in found["Images"]
    layers = changed.drop_duplicates(["pair", "left", "right", "layer"])
    some = (layers["layer"] == "stem").sum()
    every = layers["layer"].notna().sum()
    assert found["Remarks"].startswith(f"Of {every} comparisons of a layer {some} have fewer")
    assert "says the same of every image" in found["Remarks"]
    assert "this study has no such pair" in found["Not to be concluded"]


def test_the_words_say_what_a_floor_a_start_and_an_interval_rest_on(study: dict[str, Any]) -> None:
    flags = SIMILARITY["flags"].mask(SIMILARITY["layer"] == "stem", "uneven_patients")
    flags = flags.mask(SIMILARITY["layer"] == "block1", "calibrated_left;calibrated_right")
    few = AGREEMENT["flags"].mask(AGREEMENT["measure"] == "kappa", "few_patients")
    found = told(
        study, similarity=SIMILARITY.assign(flags=flags), agreement=AGREEMENT.assign(flags=few)
    )
    assert "have a floor that may be too low or too high" in found["features"]["Remarks"]
    assert "statistics of the training images" in found["features"]["Weights"]
    values = AGREEMENT["measure"].notna().sum()
    start = f"{(few == 'few_patients').sum()} of {values} values rest on fewer than ten patients"
    assert found["predictions"]["Remarks"].startswith(start)
    plain = told(study, similarity=SIMILARITY, agreement=AGREEMENT)
    assert "Remarks" not in plain["predictions"]
    assert "statistics of" not in plain["features"]["Weights"]


def test_a_study_where_all_diverged_says_so(study: dict[str, Any]) -> None:
    lost = (table[table["flags"] == "diverged"] for table in (SIMILARITY, AGREEMENT))
    found = told(study, **dict(zip(("similarity", "agreement"), lost, strict=True)))
    assert found["features"]["Images"] == "None: no pair could be compared."
    assert found["predictions"]["Cases"] == "None: no pair could be compared."


def test_a_section_has_its_own_figures(report: ReportInput) -> None:
    page = render(report)
    parts = dict(re.findall(r'<section id="(\w+)"(.*?)</section>', page, re.S))
    where = {name: re.findall(r'<figure id="figure-(\w+)"', part) for name, part in parts.items()}
    assert where["figures"] == ["score"]
    assert (where["features"], where["predictions"]) == (["features"], ["prediction_pairs"])
    for name in ("features", "predictions"):
        assert f'<a href="#{name}">' in page
        assert "Not to be concluded" in parts[name]


def test_a_study_that_does_not_ask_has_no_such_section(report: ReportInput) -> None:
    tables = {k: v for k, v in report.tables.items() if k not in ("similarity", "agreement")}
    page = render(replace(report, tables=tables, figures=report.figures[:1]))
    assert 'id="features"' not in page and 'href="#predictions"' not in page


def test_names_are_escaped(report: ReportInput) -> None:
    rows = report.tables["similarity"]
    evil = replace(report, tables={**report.tables, "similarity": rows.assign(dataset="<b>x</b>")})
    page = render(evil)
    assert "<b>x</b>" not in page and "&lt;b&gt;x&lt;/b&gt;" in page
