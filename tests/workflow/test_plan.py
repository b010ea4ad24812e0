"""`transfergrid plan` and `prune` beside Snakemake: they say what it does, and it agrees."""

from __future__ import annotations

import copy
import os
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.workflow.conftest import TUNED, Workspace

from transfergrid.commands.main import main
from transfergrid.commands.plan import job_counts, survey
from transfergrid.planning.plan import plan_run
from transfergrid.planning.study import merge

pytestmark = pytest.mark.slow
NOTHING = "Nothing to be done"


@pytest.fixture()
def copied(finished: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def run(*words: str) -> None:
    assert main(list(words)) == 0


def cell(part: str) -> Path:
    return next(path for path in Path("results/cells").iterdir() if part in path.name)


def touch_all() -> None:
    """Give every file a new time, the ones that were made last the oldest."""
    files = [path for path in Path("results").rglob("*") if path.is_file()]
    files.sort(key=lambda path: -path.stat().st_mtime_ns)
    for number, path in enumerate(files):
        os.utime(path, (2e9 + number, 2e9 + number))


def free() -> None:
    run("prune", "study.yaml", "--checkpoints", "--delete")


def forget() -> None:
    shutil.rmtree(".snakemake")


def unstamp() -> None:
    next(Path("results/stamps").glob("code.evaluate.*")).unlink()


def kill_while_scoring() -> None:
    receipt = str(cell("drop1") / "receipts" / "evaluate.json")
    marker = Path(".snakemake/incomplete") / urlsafe_b64encode(receipt.encode()).decode()
    marker.write_text("{}")


def remove(*names: str) -> Callable[[], None]:
    def action() -> None:
        for name in names:
            found = list(Path("results").glob(name))
            assert found
            for path in found:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    return action


def all_of(*actions: Callable[[], None]) -> Callable[[], None]:
    def action() -> None:
        for one in actions:
            one()

    return action


def grid(**axes: Any) -> dict[str, Any]:
    block: dict[str, Any] = {
        "datasets": ["films"],
        "architectures": ["lcnet_050"],
        "pretrainings": ["random", "textures"],
        "truncations": [0, 1],
        "seeds": [0],
    }
    return {"grid": [block | axes]}


CASES: dict[str, tuple[dict[str, Any], Callable[[], None] | None]] = {
    "nothing": ({}, None),
    "a learning rate": ({"protocols": {"finetune": {"learning_rate": 2e-3}}}, None),
    "a source's epochs": ({"protocols": {"source": {"epochs": 1}}}, None),
    "a seed and no cache": (grid(seeds=[0, 1]), remove("cache")),
    "replicates": ({"evaluation": {"bootstrap": {"replicates": 200}}}, None),
    "a specification gone": ({}, remove("cells/*random-drop0-finetune*/spec.json")),
    "no cache, a new cell, weights freed": (
        grid(truncations=[0, 1, 2]),
        all_of(free, remove("cache/films-*")),
    ),
    "scores gone": ({}, remove("cells/*drop1*/receipts/evaluate.json")),
    "a training gone": ({}, remove("cells/*random-drop0-finetune*/train.json")),
    "its source gone as well": ({}, remove("cells/*textures-drop0*", "cells/*source*")),
    "an ensemble gone": ({}, remove("small/ensemble/*drop1*/last/test.parquet")),
    "a figure gone": ({}, remove("small/figures/score.svg")),
    "a figure and a table gone": ({}, remove("small/figures/score.svg", "small/tables/cells.csv")),
    "evaluation's code": ({}, unstamp),
    "evaluation's code, weights freed": ({}, all_of(free, unstamp)),
    "weights freed, a new cell of theirs": (grid(truncations=[0, 1, 2]), free),
    "killed while scoring": ({}, kill_while_scoring),
    "touched in reverse": ({}, touch_all),
    "touched in reverse, no records": ({}, all_of(touch_all, forget)),
}


TUNED_CASES: dict[str, tuple[dict[str, Any], Callable[[], None] | None]] = {
    "nothing": ({}, None),
    "another rate": ({"protocols": {"finetune": {"tune": {"learning_rates": [1e-4, 2e-3]}}}}, None),
    "no tuning any more": ({"protocols": {"finetune": {"tune": None}}}, None),
    "a seed": ({"grid": [{**TUNED["grid"][0], "seeds": [0, 1]}]}, None),
    "the choices gone": ({}, remove("tuning")),
    "a trial gone": ({}, remove("cells/*random-drop0-trial.lr0.001.*")),
    "a trial's record and a choice gone": (
        {},
        remove("cells/*textures*lr0.0001.*/train.json", "tuning/*textures*"),
    ),
    "a trial's specification gone": ({}, remove("cells/*random*lr0.0001.*/spec.json")),
    "weights freed, the choices gone": ({}, all_of(free, remove("tuning"))),
    "more films in a map": ({"cams": {"films": 2}}, None),
    "a map gone": ({}, remove("small/cams/*random*")),
    "a map gone, weights freed": ({}, all_of(free, remove("small/cams/*random*"))),
    "the maps' table gone": ({}, remove("small/tables/cams.csv")),
    "no maps any more": ({"cams": None}, None),
    "a table of the statistics gone": ({}, remove("small/tables/findings.csv")),
    "touched in reverse, no records": ({}, all_of(touch_all, forget)),
}


@pytest.mark.parametrize("case", CASES)
def test_plan_counts_the_jobs_that_snakemake_would_run(case: str, copied: Workspace) -> None:
    changes, action = CASES[case]
    copied.write(changes)
    _compare(copied, action)


@pytest.mark.parametrize("case", TUNED_CASES)
def test_plan_counts_the_jobs_of_tuned_cells(
    case: str, tuned: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, action = TUNED_CASES[case]
    shutil.copytree(tuned.folder, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    workspace = Workspace(tmp_path / "copy")
    workspace.write(merge(copy.deepcopy(TUNED), changes))
    _compare(workspace, action)


def _compare(copied: Workspace, action: Callable[[], None] | None) -> None:
    if action:
        action()
    planned = job_counts(survey(plan_run([Path("study.yaml")], {})))
    expected = copied.snakemake("-n").jobs
    expected.pop("stamp", None)
    assert planned == dict(expected)


def test_freed_weights_ask_for_nothing_and_come_back_where_they_are_needed(
    copied: Workspace,
) -> None:
    results = copied.folder / "results"
    before = (results / "small" / "tables" / "cells.csv").read_bytes()
    free()
    assert not list(results.glob("cells/*/checkpoints"))
    assert NOTHING in copied.snakemake("-n").text
    unstamp()
    outcome = copied.snakemake()
    assert outcome.status == 0, outcome.text[-3000:]
    jobs = outcome.jobs
    assert (jobs["train"], jobs["evaluate"]) == (5, 5)
    assert list(results.glob("cells/*/checkpoints/*.safetensors"))
    columns = slice(0, before.index(b"train_seconds"))
    assert (results / "small" / "tables" / "cells.csv").read_bytes()[columns] == before[columns]


def test_what_prune_removes_is_missed_by_nobody(copied: Workspace) -> None:
    copied.write(grid(truncations=[0]))
    assert copied.snakemake().status == 0
    run("prune", "study.yaml", "--delete")
    assert len(list((copied.folder / "results" / "cells").iterdir())) == 3
    assert NOTHING in copied.snakemake("-n").text
    forget()
    assert NOTHING in copied.snakemake("-n").text


def test_plan_says_why_in_words(copied: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    changes = {
        "protocols": {"finetune": {"learning_rate": 3e-4}},
        "evaluation": {"bootstrap": {"replicates": 200}},
    }
    copied.write(changes)
    run("plan", "study.yaml")
    text = capsys.readouterr().out
    assert "4 cells of protocol finetune: learning rate 1e-3 → 3e-4" in text
    assert "bootstrap replicates 100 → 200" in text
