"""The small study through Snakemake: what it makes, what it says, what it redoes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score
from tests.unit.runtime.fake_gpus import install, uuid
from tests.workflow.conftest import Workspace

from transfergrid.planning.naming import cell_name

pytestmark = pytest.mark.slow
NOTHING = "Nothing to be done"


@pytest.fixture()
def copied(finished: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    return Workspace(tmp_path / "copy")


def test_every_contract_is_there(finished: Workspace) -> None:
    results = finished.folder / "results"
    cells = sorted(path.name for path in (results / "cells").iterdir())
    assert len(cells) == 5  # four targets and the source that two of them share
    for cell in cells:
        spec = json.loads((results / "cells" / cell / "spec.json").read_text())
        assert cell_name(spec) == cell
        record = json.loads((results / "cells" / cell / "train.json").read_text())
        assert record["status"] == "finished"
    study = results / "small"
    figures = {path.stem for path in (study / "figures").glob("*.svg")}
    # One seed, one network, one validation a cell, no claim: their figures have nothing to show.
    assert figures == {"score", "tasks", "boosts", "truncation", "calibration"}
    assert "A small study" in (study / "report.html").read_text()
    contrasts = pd.read_csv(study / "tables" / "contrasts.csv")
    assert len(contrasts) == 4
    assert set(contrasts["conditional_on"]) == {"conditional on this seed"}


def test_what_jobs_took_is_a_table_and_decides_nothing(copied: Workspace) -> None:
    results = copied.folder / "results"
    table = pd.read_csv(results / "small" / "tables" / "costs.csv").set_index("stage")
    jobs = {"prepare": 2, "evaluate": 5, "ensembles": 1, "gather": 1, "cells": 1, "statistics": 1}
    assert {stage: table.loc[stage, "jobs"] for stage in jobs} == jobs
    assert (table["jobs"] == table["measured"]).all()  # all is of this build
    assert list(dict.fromkeys(table.index))[:4] == ["prepare", "train", "evaluate", "ensembles"]
    assert (table["seconds"] > 0).all()
    for role, cells in (("cells of the grid", 4), ("sources", 1)):
        trained = table[table["role"] == role]
        assert trained[["jobs", "trained", "device"]].to_numpy().tolist() == [[cells, cells, "cpu"]]
    index = (results / "index.html").read_text()
    assert 'href="small/report.html"' in index
    assert "5 of 5 done" in index

    # As of a build that measured nothing, or where logs are removed.
    for path in (*results.rglob("*.tsv"), results / "index.html"):
        path.unlink()
    assert NOTHING in copied.snakemake("-n").text
    shutil.rmtree(copied.folder / ".snakemake" / "metadata")
    assert NOTHING in copied.snakemake("-n").text


def test_aurocs_are_scikit_learns_from_the_stored_scores(finished: Workspace) -> None:
    results = finished.folder / "results"
    table = pd.read_csv(results / "small" / "tables" / "scores.csv")
    last = table[table["selection"] == "last"]
    assert last["cell"].nunique() == 4
    for cell, rows in last.groupby("cell"):
        areas = rows.set_index("task")["value"]
        scores = np.load(results / "cells" / cell / "scores" / "test.npz")
        step = int(np.argmax(scores["step"]))
        frame = pd.DataFrame(scores["logits"][step], columns=scores["task"])
        frame["study"] = scores["study_id"]
        logit = frame.groupby("study").max()
        label = pd.DataFrame(scores["labels"], columns=scores["task"])
        label = label.groupby(scores["study_id"]).max()
        for task in scores["task"]:
            known = label[task].notna()
            if label[task][known].nunique() == 2:
                expected = roc_auc_score(label[task][known], logit[task][known])
                assert areas[task] == pytest.approx(expected, abs=1e-9)


def test_a_finished_study_has_nothing_to_do(finished: Workspace) -> None:
    assert NOTHING in finished.snakemake("-n", "--resources", "gpu=4").text


def test_a_copy_without_records_trains_nothing(copied: Workspace) -> None:
    shutil.rmtree(copied.folder / ".snakemake")
    jobs = copied.snakemake("-n").jobs
    assert not jobs.keys() & {"prepare", "weights", "spec", "train"}


def test_a_learning_rate_retrains_its_protocol_alone_and_can_be_taken_back(
    copied: Workspace,
) -> None:
    copied.write({"protocols": {"finetune": {"learning_rate": 2e-3}}})
    jobs = copied.snakemake("-n").jobs
    assert {rule: jobs[rule] for rule in ("prepare", "spec", "train", "evaluate")} == {
        "prepare": 0,
        "spec": 2,  # two wait for the data alone, and two for their source as well
        "train": 4,
        "evaluate": 4,
    }
    copied.write()
    assert NOTHING in copied.snakemake("-n").text


def test_a_seed_is_added_without_touching_the_others(copied: Workspace) -> None:
    study = copied.write().read_text()
    (copied.folder / "study.yaml").write_text(
        study.replace("seeds:\n  - 0", "seeds:\n  - 0\n  - 1")
    )
    shutil.rmtree(copied.folder / "results" / "cache")
    jobs = copied.snakemake("-n").jobs
    assert (jobs["train"], jobs["evaluate"], jobs["prepare"]) == (5, 5, 2)


def test_settings_of_the_analysis_retrain_nothing(copied: Workspace) -> None:
    copied.write({"evaluation": {"selections": ["best", "top2"]}})
    assert copied.snakemake("-n").jobs == {
        "stamp": 5,
        "ensembles": 1,
        "gather": 1,
        **dict.fromkeys(["cells", "scores", "sources", "bootstrap", "tuning", "calibration"], 1),
        "statistics": 1,
        "costs": 1,
        "figures": 1,
        "page": 1,
    }


def test_the_end_of_a_run_says_where_its_page_is(copied: Workspace) -> None:
    page = "results/small/report.html"
    told = f"The page of small: {page}"
    assert told not in copied.snakemake("-n").text
    for lost in (page, "results/small/receipts/cells.json"):
        (copied.folder / lost).unlink()
    # A run that was asked for something else has not looked at the page.
    outcome = copied.snakemake("results/small/receipts/cells.json")
    assert outcome.status == 0 and told not in outcome.text, outcome.text[-3000:]
    outcome = copied.snakemake()
    assert outcome.status == 0 and told in outcome.text, outcome.text[-3000:]
    assert (copied.folder / page).is_file()


def test_a_configfile_replaces_the_default_study(workspace: Workspace) -> None:
    workspace.write()
    text = workspace.snakemake("-n").text
    assert "phantom-" not in text
    assert "results/demo" not in text
    assert "results/small" in text


def test_two_studies_in_one_run_share_cells(workspace: Workspace) -> None:
    workspace.write(name="a.yaml")
    workspace.write({"name": "other"}, name="b.yaml")
    jobs = workspace.snakemake("-n", "--config", "studies=a.yaml,b.yaml", study=None).jobs
    assert (jobs["train"], jobs["evaluate"], jobs["cells"]) == (5, 5, 2)


def test_a_slice_from_the_command_line(workspace: Workspace) -> None:
    workspace.write()
    only = "only={truncations: [0], pretrainings: [random]}"
    assert workspace.snakemake("-n", "--config", only).jobs["train"] == 1


def test_a_fault_stops_before_anything_is_made(workspace: Workspace) -> None:
    workspace.write({"recipe": {"learning_rte": 1.0}})
    outcome = workspace.snakemake()
    assert outcome.status != 0
    assert "'learning_rte' (did you mean 'learning_rate'?)" in outcome.text
    assert "Traceback" not in outcome.text
    assert not (workspace.folder / "results").exists()


def test_jobs_lease_their_gpu_and_a_forgotten_limit_is_told(
    copied: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The simulated GPUs are leased like real ones; PyTorch then sees none and takes the CPU.
    monkeypatch.setenv("PATH", f"{install(tmp_path / 'bin', [1, 2])}:{os.environ['PATH']}")
    monkeypatch.setenv("TRANSFERGRID_GPU_LOCKS", str(tmp_path / "locks"))
    cell = next((copied.folder / "results" / "cells").glob("films-*random-drop0-*"))
    copied.write({"device": "auto"})
    for words, told in (((), True), (("--resources", "gpu=2"), False)):
        (cell / "train.json").unlink()
        (cell / "finished.json").unlink()
        outcome = copied.snakemake("--until", "train", *words)
        assert outcome.status == 0, outcome.text[-3000:]
        assert ("give snakemake --resources gpu=2" in outcome.text) == told
        events = [json.loads(line) for line in (cell / "logs" / "progress.jsonl").open()]
        assert [event["lease"] for event in events if "lease" in event] == [uuid(1)]
        assert "torch sees no GPU" in (cell / "logs" / "train.log").read_text()
    copied.write({"device": "cpu"})
    (cell / "train.json").unlink()
    assert "gpu=" not in copied.snakemake("--until", "train").text
    (cell / "train.json").unlink()
    told = copied.snakemake("--until", "train", "--resources", "gpu=2").text
    assert "--resources gpu=2 has no effect, because device is cpu" in told
