"""Networks compared through Snakemake: asked for, changed, freed, trained again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.workflow.conftest import Once, Workspace
from tests.workflow.test_snapshot import snapshot as take_snapshot

from transfergrid.commands.plan import job_counts, survey
from transfergrid.planning.plan import plan_run

pytestmark = pytest.mark.slow
NOTHING = "Nothing to be done"
TASKS = ("cardiomegaly", "pleural_effusion")
ASKED: dict[str, Any] = {"where": {"truncation": 0}, "permutations": 39}
AFTER = {"statistics": 1, "costs": 1, "figures": 1, "page": 1}
"""Jobs that read the comparisons."""


@pytest.fixture(scope="module")
def compared(finished: Workspace, once: Once) -> Workspace:
    """The finished study, which then asks how alike its whole networks are."""

    def make(workspace: Workspace) -> None:
        shutil.copytree(finished.folder, workspace.folder, symlinks=True)
        workspace.write({"similarity": ASKED})
        # Random weights and those of the source cell, before and after.
        jobs = {"activations": 4, "similarity": 1, "agreement": 1, **AFTER}
        assert wanted(workspace) == jobs == counted(workspace)
        outcome = workspace.snakemake()
        assert outcome.status == 0, outcome.text[-6000:]

    return once.run("compared", make)


def wanted(workspace: Workspace) -> dict[str, int]:
    """Return the jobs that Snakemake would run, stamps aside."""
    found = workspace.snakemake("-n")
    assert found.status == 0, found.text[-3000:]
    return {rule: count for rule, count in found.jobs.items() if rule != "stamp"}


def counted(workspace: Workspace) -> dict[str, int]:
    """Return the jobs that `transfergrid plan` counts, stamps aside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workspace.folder)
        counts = job_counts(survey(plan_run([Path("study.yaml")], {})))
    return {rule: count for rule, count in counts.items() if rule != "stamp"}


def test_a_table_compares_them_and_nothing_is_left_to_do(compared: Workspace) -> None:
    table = pd.read_csv(compared.folder / "results" / "small" / "tables" / "similarity.csv")
    assert set(table["pair"]) == {"before_after", "random"}
    assert set(table["layer"]) == {"stem", *(f"block{n}" for n in range(1, 7)), "pooled"}
    assert len(table) == 4 * 8 * 7
    # The stem has 8 channels and 40 films or more, so one epoch leaves it far above its floor.
    stem = table[(table["layer"] == "stem") & (table["measure"] == "mean_cca")]
    after = stem[stem["pair"] == "before_after"]
    assert (after["value"] > after["floor_high"]).all()
    said = pd.read_csv(compared.folder / "results" / "small" / "tables" / "agreement.csv")
    assert set(said["pair"]) == {"random"} and set(said["task"].dropna()) == set(TASKS)
    assert NOTHING in compared.snakemake("-n").text and counted(compared) == {}


def test_changes_redo_what_they_must(compared: Workspace, tmp_path: Path) -> None:
    shutil.copytree(compared.folder, tmp_path / "copy", symlinks=True)
    workspace = Workspace(tmp_path / "copy")
    more = {"similarity": {**ASKED, "permutations": 45}}
    workspace.write(more)
    assert wanted(workspace) == {"similarity": 1, **AFTER} == counted(workspace)
    workspace.write({"similarity": {**ASKED, "rows": 500}})
    found = {"activations": 4, "similarity": 1, **AFTER}
    assert wanted(workspace) == found == counted(workspace)
    # Freed activations, cache and weights are missed by no comparison that is made.
    shutil.rmtree(workspace.folder / "results" / "activations")
    shutil.rmtree(workspace.folder / "results" / "cache")
    workspace.write({"similarity": ASKED})
    assert NOTHING in workspace.snakemake("-n").text and counted(workspace) == {}
    assert take_snapshot(workspace).returncode == 0
    workspace.write(more)
    found = {"prepare": 1, "activations": 4, "similarity": 1, **AFTER}
    assert wanted(workspace) == found == counted(workspace)


def test_a_pattern_without_cells_is_said(compared: Workspace) -> None:
    compared.write({"similarity": {"where": {"pretraining": "moon"}}}, "faulty.yaml")
    outcome = compared.snakemake("-n", study="faulty.yaml")
    assert outcome.status and "similarity.where is" in outcome.text
    assert "which no cell of the grid matches" in outcome.text and "Traceback" not in outcome.text
