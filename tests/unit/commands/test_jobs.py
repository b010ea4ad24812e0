"""Jobs of tuned cells; tests/workflow/test_plan.py asks Snakemake the same."""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from unit.commands import made_up_results as made

from transfergrid.commands.jobs import Jobs, planned_jobs
from transfergrid.planning.paths import tuning_file
from transfergrid.planning.plan import Plan
from transfergrid.planning.specs import needs_of

RESULTS = Path("results")


@pytest.fixture()
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(tmp_path)
    return made.plan(tmp_path, made.TUNED)


def counts(jobs: Jobs) -> tuple[int, int, int, int]:
    return len(jobs.specs), len(jobs.trains), len(jobs.tunes), len(jobs.scores)


def test_trials_are_trained_and_never_scored(planned: Plan) -> None:
    jobs = planned_jobs(planned)
    assert counts(jobs) == (10, 10, 2, 6)
    trials = {cell.name for cell in planned.studies["small"].trials}
    assert len(trials) == 4 and trials < jobs.trains and not trials & jobs.scores


def test_a_finished_tuned_study_asks_for_nothing(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    assert counts(planned_jobs(planned)) == (0, 0, 0, 0)


def test_a_file_that_a_job_at_work_has_just_renamed_hides_no_other(
    planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.finish(planned, RESULTS)
    for cell in planned.cells:
        (RESULTS / "cells" / cell / ".tmp-0123456789abcdef-resume.pt").touch()
    listed = os.scandir

    def scandir(folder: Path) -> Any:
        entries = sorted(listed(folder), key=lambda entry: entry.name)
        for entry in entries:
            if entry.name.startswith(".tmp-"):
                os.unlink(entry.path)
        return nullcontext(entries)

    monkeypatch.setattr(os, "scandir", scandir)
    assert counts(planned_jobs(planned)) == (0, 0, 0, 0)


def test_a_choice_that_is_lost_is_made_again_and_trains_nothing(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    tuning_id = next(iter(planned.tunings))
    shutil.rmtree(tuning_file(tuning_id).parent)
    jobs = planned_jobs(planned)
    assert jobs.tunes == {tuning_id}
    assert (jobs.specs, jobs.trains, jobs.scores) == (set(), set(), set())


def test_a_trial_that_is_lost_is_trained_again_and_its_rate_chosen_again(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    tuning_id, tuning = next(iter(planned.tunings.items()))
    trial = next(iter(tuning.trials.values()))
    shutil.rmtree(RESULTS / "cells" / trial)
    jobs = planned_jobs(planned)
    assert (jobs.specs, jobs.trains, jobs.tunes, jobs.scores) == (
        {trial},
        {trial},
        {tuning_id},
        set(),
    )


def test_cells_that_wait_for_the_same_are_one_job(planned: Plan) -> None:
    jobs = planned_jobs(planned)
    # The data alone; two sources; the rate of each pretraining, of one also its source.
    assert jobs.spec_jobs == len({needs_of(cell) for cell in planned.cells.values()}) < 10
    made.finish(planned, RESULTS)
    lost, other, *_ = (cell for cell in planned.cells.values() if cell.trial)
    for cell in (lost, other):
        (RESULTS / "cells" / cell.name / "train.json").unlink()
    (RESULTS / "cells" / lost.name / "spec.json").unlink()
    jobs = planned_jobs(planned)
    assert jobs.specs == {lost.name, other.name} and jobs.spec_jobs == 1


def test_freed_weights_of_trials_are_no_loss(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    for cell in planned.studies["small"].trials:
        (RESULTS / "cells" / cell.name / "receipts" / "train.json").unlink()
    tuning_file(next(iter(planned.tunings))).unlink()
    jobs = planned_jobs(planned)
    assert (len(jobs.tunes), jobs.trains) == (1, set())
