"""Snapshots of a study that is not finished, and of one that is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from tests.workflow.conftest import Workspace, python

from transfergrid.catalog.tables import ANALYSES
from transfergrid.planning.paths import PROJECT
from transfergrid.reporting.tables.files import read_table
from transfergrid.runtime.live import Live

pytestmark = pytest.mark.slow
NOTHING = "Nothing to be done"


@pytest.fixture()
def copied(finished: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(finished.folder, tmp_path / "copy", symlinks=True)
    return Workspace(tmp_path / "copy")


def snapshot(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [python(), "-m", "transfergrid.commands.main", "snapshot", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src")}
    return subprocess.run(
        [*command, "study.yaml"],
        cwd=workspace.folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "snapshot" not in path.parts
    }


def test_a_snapshot_of_a_finished_study_is_its_report(copied: Workspace) -> None:
    before = files(copied.folder)
    done = snapshot(copied)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "results/small/snapshot/report.html: 4 of 4 cells\n"
    study = copied.folder / "results" / "small"
    for part in ("tables", "figures"):
        for path in (study / part).iterdir():
            assert (study / "snapshot" / part / path.name).read_bytes() == path.read_bytes()
    page = (study / "snapshot" / "report.html").read_text()
    assert "4 of 4 cells have results" in page
    assert "A small study" in page
    assert files(copied.folder) == before
    assert NOTHING in copied.snakemake("-n").text


def test_a_snapshot_in_the_middle_of_a_run(copied: Workspace) -> None:
    results = copied.folder / "results"
    study = results / "small"
    whole = read_table(study / "tables" / "cells.csv")
    running, failed = sorted(path for path in (results / "cells").glob("films-*-textures-*"))
    for cell in (running, failed):
        shutil.rmtree(cell)
    for made in ("tables", "figures", "ensemble"):  # not even the ensembles are there yet
        shutil.rmtree(study / made)
    (study / "report.html").unlink()
    account = Live(running, "train")
    account.report(
        {"event": "step", "step": 3, "steps": 6, "loss": 0.5}
        | {"images_per_second": 80.0, "seconds_left": 60.0}
    )
    (failed / "logs").mkdir(parents=True)
    (failed / "logs" / "train.log").write_text("error: <b>the disk</b> is gone.\n")
    before = files(copied.folder)

    done = snapshot(copied)
    assert done.returncode == 0, done.stderr
    assert "2 of 4 cells (1 running, 1 failed)" in done.stdout
    assert files(copied.folder) == before
    page = (study / "snapshot" / "report.html").read_text()
    assert "2 of 4 cells have results. The others are listed below: 1 running and 1 failed" in page
    assert "in training, step 3 of 6" in page
    assert "error: &lt;b&gt;the disk&lt;/b&gt; is gone." in page
    assert "No answer yet" in page  # nothing pretrained is there to compare

    table = read_table(study / "snapshot" / "tables" / "cells.csv")
    there = table[table["status"] == "finished"]
    expected = whole[whole["pretraining"] == "random"]
    pd.testing.assert_frame_equal(there[whole.columns], expected, check_dtype=False)
    assert {path.stem for path in (study / "snapshot" / "tables").iterdir()} == {
        table.name for stage in ANALYSES if not stage.asked_by for table in stage.tables
    }
    page_now = (study / "snapshot").stat().st_ino
    assert snapshot(copied).returncode == 0
    assert (study / "snapshot").stat().st_ino != page_now  # replaced as a whole

    # The run goes on as if nobody had looked.
    account.report({"event": "end", "status": "stopped"})
    outcome = copied.snakemake()
    assert outcome.status == 0, outcome.text[-3000:]
    pd.testing.assert_frame_equal(
        read_table(study / "tables" / "cells.csv").drop(columns=TIMES), whole.drop(columns=TIMES)
    )
    assert NOTHING in copied.snakemake("-n").text


TIMES = ["train_seconds", "images_per_second", "peak_memory_mb"]


def test_without_a_finished_target_there_is_no_snapshot(copied: Workspace) -> None:
    for cell in (copied.folder / "results" / "cells").glob("films-*"):
        (cell / "receipts" / "evaluate.json").unlink()
    done = snapshot(copied)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "error: study 'small' has no finished cell yet (4 not scored yet); take the snapshot once "
        "the first one is scored.\n"
    )
    assert not (copied.folder / "results" / "small" / "snapshot").exists()


def test_a_broken_file_is_named(copied: Workspace) -> None:
    (cell, *_) = (copied.folder / "results" / "cells").glob("films-*")
    (cell / "train.json").write_text(json.dumps({"status": "finished"})[:-3])
    done = snapshot(copied)
    assert done.returncode == 1
    assert "train.json is not what was written" in done.stderr and "Traceback" not in done.stderr
