"""Which jobs write specifications, and the program that publishes those of several cells."""

from __future__ import annotations

import json
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from unit.commands import made_up_results as made

from transfergrid.planning import specs
from transfergrid.planning.paths import SCRIPTS
from transfergrid.planning.plan import Plan

RESULTS = Path("results")


@pytest.fixture()
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(tmp_path)
    return made.plan(tmp_path, made.TUNED)


def test_every_cell_is_written_once_after_what_it_waits_for(planned: Plan) -> None:
    jobs = specs.spec_jobs(planned, planned.cells)
    assert not jobs.alone and jobs.pattern == specs.NEVER
    assert sorted(cell for job in jobs.together for cell in job.cells) == sorted(planned.cells)
    for job in jobs.together:
        assert {specs.needs_of(planned.cells[cell]) for cell in job.cells} == {job.needs}
    assert len({job.needs for job in jobs.together}) == len(jobs.together) < len(planned.cells)


def test_a_cell_waits_for_data_weights_source_and_rate(planned: Plan) -> None:
    tuned = [cell for cell in planned.cells.values() if cell.tuning and cell.source_cell]
    for cell in tuned:
        assert set(specs.needs_of(cell)) == {
            f"cache/{cell.dataset_id}/receipt.json",
            f"cells/{cell.source_cell}/receipts/train.json",
            f"tuning/{cell.tuning.id}/tuning.json",  # type: ignore[union-attr]
        }
    assert tuned


def test_trained_cells_have_none_written(planned: Plan) -> None:
    there = specs.on_disk(RESULTS)
    assert specs.untrained(planned, there) == list(planned.cells)
    made.finish(planned, RESULTS)
    assert specs.untrained(planned, there) == []
    first, second, *_ = (name for name, cell in planned.cells.items() if not cell.source_cell)
    (RESULTS / "cells" / first / "spec.json").unlink()
    (RESULTS / "cells" / second / "train.json").unlink()
    assert set(specs.untrained(planned, there)) == {first, second}


def test_a_cell_with_freed_weights_waits_for_its_source(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    started = {name for name, cell in planned.cells.items() if cell.source_cell}
    for name in planned.cells:
        (RESULTS / "cells" / name / "receipts" / "train.json").unlink()
    assert set(specs.untrained(planned, specs.on_disk(RESULTS))) == started != set()


def test_jobs_are_bounded_and_few_cells_go_alone(
    planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(specs, "MOST_TOGETHER", 3)
    monkeypatch.setattr(specs, "MOST_RULES", 2)
    monkeypatch.setattr(specs, "FEW", 2)
    jobs = specs.spec_jobs(planned, planned.cells)
    assert jobs.alone and jobs.together
    assert all(2 <= len(job.cells) <= 3 for job in jobs.together)
    matched = {name for name in planned.cells if re.fullmatch(jobs.pattern, name)}
    assert matched == jobs.alone
    assert jobs.job_of.keys() == planned.cells.keys()
    assert len({job.rule for job in jobs.together}) == len(jobs.together)


def test_cells_that_share_a_hash_go_the_same_way(
    planned: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(specs, "MOST_RULES", 0)
    monkeypatch.setattr(specs, "FEW", 2)
    monkeypatch.setattr(specs, "_digest", lambda name: "0" * 8)
    assert specs.spec_jobs(planned, planned.cells).alone == planned.cells.keys()


def publish(job: specs.SpecJob, limit: Callable[[], None] | None = None) -> tuple[int, str]:
    command = [sys.executable, SCRIPTS / "spec.py", "--planned", job.planned]
    done = subprocess.run(
        [*map(str, command), *(f"results/{name}" for name in job.files)],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=limit,
    )
    return done.returncode, done.stderr


def test_planned_specifications_are_published_as_they_were_planned(planned: Plan) -> None:
    jobs = specs.spec_jobs(planned, planned.cells)
    specs.write_planned(planned, jobs.together, Path())
    job = jobs.together[0]
    assert publish(job) == (0, "")
    for cell in job.cells:
        text = (RESULTS / "cells" / cell / "spec.json").read_text()
        assert text == planned.cells[cell].spec
    assert not Path(job.planned).exists()
    status, said = publish(job)
    assert status == 1 and said.startswith(f"error: {job.planned} is missing")
    Path(job.planned).write_text(
        json.dumps(dict.fromkeys(job.cells, planned.cells[job.cells[0]].spec))
    )
    if len(job.cells) > 1:
        assert "was edited by hand" in publish(job)[1]


def small_disk() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, resource.RLIM_INFINITY))


def test_a_full_disk_ends_in_a_sentence(planned: Plan) -> None:
    (job, *_) = specs.spec_jobs(planned, planned.cells).together
    specs.write_planned(planned, [job], Path())
    status, said = publish(job, small_disk)
    assert status == 1 and said.startswith("error: ") and "Traceback" not in said
    assert Path(job.planned).exists()  # for the next try
    assert not list(RESULTS.rglob("*.json"))
