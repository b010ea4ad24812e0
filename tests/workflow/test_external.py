"""Finished cells tested on the films of another hospital, through Snakemake to the table."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from tests.workflow.conftest import Once, Workspace
from tests.workflow.places import Place

import transfergrid
from transfergrid.commands import archive
from transfergrid.commands.archiving import parts
from transfergrid.commands.main import main
from transfergrid.evaluation.scores import read_scores
from transfergrid.planning.study import merge

pytestmark = pytest.mark.slow

OTHER = {
    "kind": "phantom",
    "seed": 5,
    "patients": 16,
    "valid_patients": 16,
    "test_patients": 60,
    "image_px": 32,
}
STUDY: dict[str, Any] = {
    "datasets": {"other": OTHER},
    "external": [{"tested_on": ["other"], "where": {"truncation": 0}}],
}


@pytest.fixture(scope="module")
def base(finished: Workspace, once: Once) -> Workspace:
    """The small study, once it was finished also tested on other films."""

    def make(workspace: Workspace) -> None:
        shutil.copytree(finished.folder, workspace.folder, symlinks=True)
        workspace.write(STUDY)
        outcome = workspace.snakemake()
        assert outcome.status == 0, outcome.text[-6000:]
        assert (outcome.jobs["external"], outcome.jobs["prepare"]) == (2, 1)
        assert not {"train", "evaluate", "ensembles", "spec"} & outcome.jobs.keys()

    return once.run("external", make)


def table_of(workspace: Workspace) -> pd.DataFrame:
    folder = workspace.folder / "results" / "small" / "tables"
    return pd.read_csv(folder / "external.csv", keep_default_na=False, na_values=[""])


def by_hand(folder: Path, selection: str, task: str) -> float:
    """Return the AUROC of studies, of the best checkpoint or the last, from stored logits."""
    with np.load(folder / "scores.npz") as scores:
        column = scores["task"].tolist().index(task)
        number = {"best": np.nanargmax(scores["valid_score"]), "last": -1}[selection]
        frame = pd.DataFrame(
            {
                "study": scores["study_id"],
                "logit": scores["logits"][number, :, column],
                "label": scores["labels"][:, column],
            }
        )
    found = frame.groupby("study").agg({"logit": "max", "label": "max"}).dropna()
    return float(roc_auc_score(found["label"], 1 / (1 + np.exp(-found["logit"].astype(float)))))


def test_values_are_scikit_learns_on_what_was_stored(base: Workspace) -> None:
    table, folders = (
        table_of(base),
        list((base.folder / "results" / "weighings").glob("films-*-external-*")),
    )
    assert len(folders) == 2 and table["cell"].nunique() == 2
    assert set(table["tested_on"]) == {"other"} and set(table["selection"]) == {"best", "last"}
    tasks = table[table["task"].isin(["cardiomegaly", "edema"]) & (table["metric"] == "auroc")]
    assert len(tasks) == 8
    for row in tasks.to_dict("records"):
        # Truncation 0 alone is tested; names of cells and measurements begin alike.
        (folder,) = [f for f in folders if row["cell"].startswith(f.name.split("-external-")[0])]
        assert row["value"] == pytest.approx(by_hand(folder, row["selection"], row["task"]))
    whole = table[table["task"].isna()].to_dict("records")
    assert {row["mean_over"] for row in whole} == {"cardiomegaly;pleural_effusion"}
    for row in whole:
        parts = table[
            (table["cell"] == row["cell"])
            & (table["selection"] == row["selection"])
            & table["task"].isin(["cardiomegaly", "pleural_effusion"])
        ]
        assert row["value"] == pytest.approx(parts["value"].mean())
        assert row["drop"] == pytest.approx(row["internal"] - row["value"])
        assert row["drop_low"] < row["drop"] < row["drop_high"]
        assert row["flags"].split(";")[0] == "synthetic"


def test_the_internal_value_is_that_of_the_other_tables(base: Workspace) -> None:
    table = table_of(base)
    scores = pd.read_csv(base.folder / "results" / "small" / "tables" / "scores.csv")
    key = ["cell", "fold", "selection", "metric", "task"]
    both = table.merge(scores, on=key, suffixes=("", "_own"))
    assert len(both) == len(table)
    for here, there in (("internal", "value_own"), ("internal_low", "low_own")):
        np.testing.assert_allclose(both[here], both[there])
    assert (both["internal_n"] == both["n_own"]).all()


def test_a_test_elsewhere_comes_and_goes_without_a_training(
    base: Workspace, tmp_path: Path
) -> None:
    shutil.copytree(base.folder, tmp_path / "run", symlinks=True)
    place = Place(Workspace(tmp_path / "run"))

    def jobs(study: dict[str, Any]) -> Counter[str]:
        place.workspace.write(study)
        outcome = place.workspace.snakemake("-n")
        assert outcome.status == 0, outcome.text[-3000:]
        return outcome.jobs

    assert not jobs(STUDY)
    forbidden = {"prepare", "spec", "train", "evaluate", "ensembles", "gather"}
    without = jobs({})
    assert without["page"] == 1 and not without.keys() & {*forbidden, "external", "externals"}
    more = jobs(merge(STUDY, {"external": [{"tested_on": ["other"]}]}))
    # Those of the cut networks as well; what was scored already is not scored again.
    assert more["external"] == 2 and more["externals"] == 1 and not more.keys() & forbidden
    every = jobs(merge(STUDY, {"external": [{**STUDY["external"][0], "split": "all"}]}))
    assert every["external"] == 2 and not every.keys() & forbidden
    # A lost measurement is missed by nobody until its table is made anew.
    for folder in (place.results / "weighings").glob("films-*-external-*"):
        shutil.rmtree(folder)
    assert not jobs(STUDY)
    table = place.results / "small" / "tables" / "external.csv"
    before = table.read_bytes()
    table.unlink()
    outcome = place.workspace.snakemake()
    assert outcome.status == 0, outcome.text[-3000:]
    assert outcome.jobs["external"] == 2 and "train" not in outcome.jobs
    assert table.read_bytes() == before


def test_films_of_another_form_are_refused_before_anything_runs(workspace: Workspace) -> None:
    workspace.write(merge(STUDY, {"datasets": {"other": {**OTHER, "resize": "pad"}}}))
    outcome = workspace.snakemake("-n")
    assert outcome.status != 0
    assert "write resize: crop for datasets.other." in outcome.text
    assert not (workspace.folder / "results").exists()


def test_an_archive_tells_what_cells_do_elsewhere_under_other_names(
    base: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "drawn_sets", lambda study: [])  # as if films were real ones
    monkeypatch.setattr(parts, "DRAWN", "")
    row = table_of(base).query("task.isna() and selection == 'best'").iloc[0]
    study = [str(base.folder / "study.yaml"), "--directory", str(base.folder)]
    place = tmp_path / "archive"
    assert main(["archive", *study, "--output", str(place), "--release", row["cell"]]) == 0
    told = read_scores(place / "external" / "other" / f"{row['cell']}.npz")
    (own,) = (base.folder / "results" / "weighings").glob(f"{row['cell'][:20]}*external*")
    stored = read_scores(own / "scores.npz")
    assert (told.logits == stored.logits).all() and (told.labels == stored.labels).all()
    for kind in ("image_id", "study_id", "patient_id"):
        new, old = getattr(told, kind), getattr(stored, kind)
        assert all(name.startswith("archived_") for name in new)
        assert len(set(zip(new, old, strict=True))) == len(set(new)) == len(set(old))
    split = pd.read_csv(place / "splits" / "other.csv")
    assert set(told.image_id) == set(split.loc[split["split"] == "test", "image_id"])
    card = (place / "models" / row["cell"] / "README.md").read_text()
    says = f"On the test films of data set 'other' ({row['n']} examinations): {row['metric']} "
    assert f"{says}{row['value']:.3f} ({row['low']:.3f} to {row['high']:.3f})" in card
    assert "on those of which scores are told above, and on no others" in card
    loaded = transfergrid.load_cell(place / "models" / row["cell"])
    assert says in loaded.about and "films of any other source" in loaded.about
    hidden = ["--ids", "films", "--output", str(tmp_path / "half")]
    assert main(["archive", *study, *hidden]) == 0
    half = pd.read_csv(tmp_path / "half" / "splits" / "other.csv")
    assert half["patient_id"].str.startswith("archived_").all()
