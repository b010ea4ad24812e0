from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from unit.commands import made_up_results as made

from transfergrid.commands.state import CellState, Status, cell_states
from transfergrid.planning.plan import Plan

RESULTS = Path("results")


@pytest.fixture()
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    monkeypatch.chdir(tmp_path)
    return made.plan(tmp_path)


def name_of(planned: Plan, part: str) -> str:
    return next(name for name in planned.cells if part in name)


def folder(planned: Plan, part: str) -> Path:
    return RESULTS / "cells" / name_of(planned, part)


def state(planned: Plan, part: str) -> CellState:
    return cell_states(planned)[name_of(planned, part)]


def jobs(found: CellState) -> tuple[bool, bool, bool]:
    return found.specs, found.trains, found.scores


def events(where: Path, *lines: dict[str, object], pid: int, host: str = "") -> Path:
    path = where / "logs" / "progress.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    start = {"event": "start", "stage": "train", "pid": pid, "host": host or platform.node()}
    now = time.time()
    path.write_text("".join(json.dumps({"time": now, **line}) + "\n" for line in (start, *lines)))
    return path


def log(where: Path, text: str, stage: str = "train") -> None:
    (where / "logs").mkdir(parents=True, exist_ok=True)
    (where / "logs" / f"{stage}.log").write_text(text)


def _reaped() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_nothing_on_disk_is_missing(planned: Plan) -> None:
    states = cell_states(planned)
    assert {found.status for found in states.values()} == {Status.MISSING}
    assert all(jobs(found) == (True, True, True) for found in states.values())


def test_a_finished_run_is_done(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    for found in cell_states(planned).values():
        assert (found.status, jobs(found)) == (Status.DONE, (False, False, False))


def test_asking_changes_nothing_on_disk(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    shutil.rmtree(folder(planned, "drop1") / "receipts")

    def listing() -> list[tuple[str, int, int]]:
        found = [(str(p), p.stat().st_mtime_ns, p.stat().st_size) for p in Path().rglob("*")]
        return sorted(found)

    before = listing()
    cell_states(planned)
    assert listing() == before


def test_a_diverged_cell_is_a_result(planned: Plan) -> None:
    made.finish(planned, RESULTS, record={"status": "diverged"})
    assert {found.status for found in cell_states(planned).values()} == {Status.DIVERGED}


def test_a_trained_cell_without_scores_needs_scoring(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    (folder(planned, "drop1") / "receipts" / "evaluate.json").unlink()
    found = state(planned, "drop1")
    assert (found.status, jobs(found)) == (Status.UNSCORED, (False, False, True))


def test_changed_evaluation_code_asks_for_all_scores(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    (RESULTS / "stamps" / planned.evaluate_stamp[0]).unlink()
    assert {found.status for found in cell_states(planned).values()} == {Status.UNSCORED}


def test_freed_weights_are_no_loss_until_scores_are_asked_for(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    (folder(planned, "drop1") / "receipts" / "train.json").unlink()
    found = state(planned, "drop1")
    assert (found.status, found.freed, found.trains) == (Status.DONE, True, False)
    (RESULTS / "stamps" / planned.evaluate_stamp[0]).unlink()
    found = state(planned, "drop1")
    assert (found.status, jobs(found)) == (Status.FREED, (False, True, True))


def test_a_new_cell_brings_back_the_freed_weights_that_it_starts_from(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    (folder(planned, "source") / "receipts" / "train.json").unlink()
    shutil.rmtree(folder(planned, "textures-drop0"))
    found = state(planned, "source")
    assert (found.status, jobs(found)) == (Status.FREED, (False, True, True))


def test_a_cell_of_the_same_place_makes_it_stale(planned: Plan, tmp_path: Path) -> None:
    made.finish(planned, RESULTS)
    changed = made.plan(tmp_path, {"protocols": {"finetune": {"learning_rate": 2e-3}}})
    for name, found in cell_states(changed).items():
        if "source" in name:
            assert found.status is Status.DONE
        else:
            assert found.status is Status.STALE
            assert [old.rpartition("-")[0] for old in found.predecessors] == [
                name.rpartition("-")[0]
            ]


def test_an_untrained_folder_makes_nothing_stale(planned: Plan, tmp_path: Path) -> None:
    made.finish(planned, RESULTS)
    for path in RESULTS.glob("cells/*/train.json"):
        path.unlink()
    changed = made.plan(tmp_path, {"recipe": {"learning_rate": 2e-3}})
    assert {found.status for found in cell_states(changed).values()} == {Status.MISSING}


def test_a_trial_is_done_when_it_is_trained(tmp_path: Path, planned: Plan) -> None:
    tuned = made.plan(tmp_path, made.TUNED)
    made.finish(tuned, RESULTS)
    one, other = (cell.name for cell in tuned.studies["small"].trials[:2])
    made.write(RESULTS / "cells" / one / "train.json", {"status": "diverged"})
    found = cell_states(tuned)
    assert (found[one].status, found[one].finished) == (Status.DIVERGED, True)
    assert (found[other].status, jobs(found[other])) == (Status.DONE, (False, False, False))
    (RESULTS / "cells" / other / "train.json").unlink()
    found = cell_states(tuned)
    assert (found[other].status, jobs(found[other])) == (Status.MISSING, (False, True, False))


def test_a_state_without_a_job_is_stopped(planned: Plan) -> None:
    where = folder(planned, "drop1")
    step = {"event": "step", "step": 3, "steps": 12}
    events(where, step, pid=_reaped())
    (where / "resume.pt").write_bytes(b"state")
    found = state(planned, "drop1")
    assert (found.status, found.share_done) == (Status.STOPPED, 0.25)


def test_a_job_that_runs_is_running_whatever_its_log_says(planned: Plan) -> None:
    where = folder(planned, "drop1")
    log(where, "error: an earlier one\n")
    (where / "spec.json").write_text("{}")
    events(where, {"event": "step", "step": 6, "steps": 12}, pid=os.getpid())
    found = state(planned, "drop1")
    assert (found.status, found.share_done) == (Status.RUNNING, 0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "step 1/9\nerror: cache x is broken; delete it.\n",
            "error: cache x is broken; delete it.",
        ),
        ("Traceback:\n  File\nRuntimeError: shapes\n", "RuntimeError: shapes"),
        ("torch.OutOfMemoryError: CUDA\n\n", "torch.OutOfMemoryError: CUDA"),
    ],
)
def test_a_log_that_ends_in_an_error_is_a_failure(text: str, message: str, planned: Plan) -> None:
    log(folder(planned, "drop1"), text)
    (folder(planned, "drop1") / "spec.json").write_text("{}")
    found = state(planned, "drop1")
    assert (found.status, found.message) == (Status.FAILED, message)
    assert found.log.endswith("logs/train.log")


@pytest.mark.parametrize("text", ["step 1/9\n", "stopped: state saved at step 3 of 12\n", ""])
def test_any_other_end_is_none(text: str, planned: Plan) -> None:
    log(folder(planned, "drop1"), text)
    (folder(planned, "drop1") / "spec.json").write_text("{}")
    assert state(planned, "drop1").status is Status.MISSING


def test_scoring_can_fail_too(planned: Plan) -> None:
    made.finish(planned, RESULTS)
    (folder(planned, "drop1") / "receipts" / "evaluate.json").unlink()
    log(folder(planned, "drop1"), "error: scores\n", "evaluate")
    found = state(planned, "drop1")
    assert (found.status, jobs(found)) == (Status.FAILED, (False, False, True))


def test_a_job_that_told_its_end_runs_no_more(planned: Plan) -> None:
    where = folder(planned, "drop1")
    events(where, {"event": "end", "status": "failed"}, pid=os.getpid())
    (where / "spec.json").write_text("{}")
    found = state(planned, "drop1")
    assert (found.status, found.message) == (Status.FAILED, "no reason was logged")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_dead_process_that_nobody_waited_for_is_dead(planned: Plan) -> None:
    where = folder(planned, "drop1")
    process = subprocess.Popen([sys.executable, "-c", ""])
    while Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    events(where, pid=process.pid)
    (where / "resume.pt").write_bytes(b"state")
    assert state(planned, "drop1").status is Status.STOPPED
    process.wait()
