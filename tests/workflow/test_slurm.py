"""The grid on a real Slurm of one node: jobs that are cancelled, nodes that die, studies edited."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from tests.workflow.conftest import Outcome, Workspace
from tests.workflow.slurm.one_node import OneNode, missing_programs
from unit.runtime import fake_gpus

from transfergrid.planning.naming import cell_name
from transfergrid.planning.paths import PROJECT

Found = TypeVar("Found")

pytestmark = pytest.mark.slow
PROFILE = PROJECT / "profiles" / "slurm"
# The first look at jobs comes after so many seconds, and the next ones as eager.py says.
SOON = ("--slurm-init-seconds-before-status-checks", "1")
EAGER = str(PROJECT / "tests" / "workflow" / "slurm" / "eager.py")
# A run that takes longer hangs.
SECONDS = 900

# Four trainings of some ten seconds for the two GPUs; torch sees none and trains on the CPU.
QUEUE: dict[str, Any] = {
    "device": "auto",
    "pretrainings": {"random": {"kind": "random"}},
    "recipe": {"epochs": 120},
    "grid": [
        {
            "datasets": ["films"],
            "architectures": ["lcnet_050"],
            "pretrainings": ["random"],
            "truncations": [0],
            "seeds": [0, 1, 2, 3],
        }
    ],
    "questions": [],
}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneNode]:
    missing = missing_programs()
    if not find_spec("snakemake_executor_plugin_slurm"):
        missing.append("snakemake-executor-plugin-slurm")
    if missing:
        reason = f"Slurm is not installed ({', '.join(missing)} missing)"
        if os.environ.get("TRANSFERGRID_REQUIRE_SLURM"):
            pytest.fail(reason)
        pytest.skip(reason)
    node = OneNode(tmp_path_factory.mktemp("slurm"))
    try:
        node.start()
        yield node
    finally:
        node.stop()


@pytest.fixture()
def cluster(node: OneNode, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneNode]:
    """The cluster, found by the commands of this test; no job outlives it."""
    for name, value in node.variables.items():
        monkeypatch.setenv(name, value)
    yield node
    node.cancel_all()


class Run:
    """Snakemake on the cluster, at work beside the test."""

    def __init__(self, workspace: Workspace, *arguments: str) -> None:
        self.workspace = workspace
        self.output = workspace.folder / "snakemake.txt"
        with self.output.open("w") as output:
            command = workspace.command("--workflow-profile", PROFILE, *SOON, *arguments)
            python, *words = command["args"]
            assert words[:2] == ["-m", "snakemake"]
            command["args"] = [python, EAGER, *words[2:]]
            self.process = subprocess.Popen(
                **command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def wait(self) -> Outcome:
        """Wait for its end."""
        try:
            status = self.process.wait(SECONDS)
        finally:
            self.kill()
        return Outcome(status, self.output.read_text())

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)

    def until(self, look: Callable[[], Found], what: str) -> Found:
        """Look again and again for what the run brings, and return it once it is there.

        The run's output is shown where it never comes.
        """
        end = time.monotonic() + SECONDS
        while not (found := look()):
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                pytest.fail(f"{what} was not seen:\n{self.output.read_text()[-6000:]}")
            time.sleep(0.2)
        return found


@pytest.fixture()
def start(cluster: OneNode, workspace: Workspace) -> Iterator[Callable[..., Run]]:
    """Start runs that end with the test."""
    runs: list[Run] = []

    def begin(*arguments: str) -> Run:
        runs.append(Run(workspace, *arguments))
        return runs[-1]

    yield begin
    for run in runs:
        run.kill()


def cells(workspace: Workspace) -> list[Path]:
    return sorted((workspace.folder / "results" / "cells").glob("*-seed*"))


def text_of(path: Path) -> str:
    """Read a file that comes and goes: Snakemake removes a job's log before each attempt."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def events(cell: Path, name: str) -> list[dict[str, Any]]:
    """What the job that has a cell now, or had it last, told of itself."""
    lines = text_of(cell / "logs" / "progress.jsonl").splitlines()
    return [event for line in lines if (event := json.loads(line))["event"] == name]


def job_of(cluster: OneNode, cell: str) -> str:
    """Return the newest Slurm job that trains a cell."""
    jobs = re.findall(
        rf"^(\d+) rule_train\S*{cell}$",
        cluster.command("squeue", "--states=all", "--noheader", "--format=%i %k"),
        flags=re.MULTILINE,
    )
    return max(jobs, key=int)


def assert_finished_as_planned(cell: Path) -> None:
    spec = json.loads((cell / "spec.json").read_text())
    record = json.loads((cell / "train.json").read_text())
    assert cell_name(spec) == cell.name == record["cell"]
    assert record["status"] == "finished"
    steps = [json.loads(line)["step"] for line in (cell / "history.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))


def test_the_default_study_to_its_report(
    cluster: OneNode, workspace: Workspace, start: Callable[..., Run]
) -> None:
    # A slice, with fewer films and epochs: the whole takes two cores a quarter of an hour here.
    study = yaml.safe_load((PROJECT / "config.yaml").read_text())
    study["datasets"]["phantom"].update(patients=80, valid_patients=60, test_patients=60)
    study["datasets"]["shapes"].update(patients=64, valid_patients=40, test_patients=40)
    study["protocols"]["source"]["epochs"] = 1
    study["recipe"]["epochs"] = 2
    part = {"architectures": ["lcnet_050"], "truncations": [0], "seeds": [0]}
    study["grid"] = [{**study["grid"][0], **part}]
    (workspace.folder / "study.yaml").write_text(yaml.safe_dump(study))
    outcome = start().wait()
    assert outcome.status == 0, outcome.text[-6000:]
    assert len(cells(workspace)) == 3  # two targets and the source of one of them
    for cell in cells(workspace):
        assert_finished_as_planned(cell)
    results = workspace.folder / "results"
    assert "TransferGrid demo" in (results / "demo" / "report.html").read_text()
    jobs = cluster.command("scontrol", "show", "job", "--oneliner").splitlines()
    assert not [job for job in jobs if "gres:gpu" in job]  # device: cpu
    (ensembles,) = (job for job in jobs if "/rule_ensembles" in job)
    assert "NumCPUs=1 " in ensembles
    assert "Nothing to be done" in workspace.snakemake("--workflow-profile", PROFILE, "-n").text


def test_the_doctor_compares_the_profile_with_the_cluster(
    cluster: OneNode, workspace: Workspace
) -> None:
    workspace.write(QUEUE)
    command = [
        sys.executable,
        "-m",
        "transfergrid.commands.main",
        "doctor",
        "study.yaml",
        "--slurm",
    ]

    def said(*words: str | Path) -> str:
        done = subprocess.run(
            [*command, *words], cwd=workspace.folder, capture_output=True, text=True
        )
        return done.stdout

    sound = said("--workflow-profile", PROFILE)
    assert "ok       partition    main, the default, nodes of up to 64000 MB, GPUs." in sound
    assert "squeue tells of jobs that have ended." in sound
    assert not re.search(
        "^(warning|error) +(profile|partition|gpu|time|memory|status)", sound, re.M
    )

    changed = yaml.safe_load((PROFILE / "profile.yaml").read_text())
    changed["slurm-status-command"] = "sacct"
    changed["set-resources"]["train"].update(gpu_model="'nvidia-a100'", mem_mb=70_000)
    changed["set-resources"]["evaluate"] = {"slurm_partition": "'mian'"}
    other = workspace.folder / "mine"
    other.mkdir()
    (other / "profile.yaml").write_text(yaml.safe_dump(changed))
    faulty = said("--workflow-profile", other)
    for part in (
        "train: gpu_model is nvidia-a100, which the plug-in refuses",
        "train: 70000 MB, and partition main has 64000 at most",
        "evaluate: partition mian is not there",
        "slurm-status-command is sacct, and a run would wait for ever: sacct fails: ",
    ):
        assert part in faulty


def test_a_queued_job_keeps_its_device(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a job: the study is parsed again, and asks for a GPU that the allocation does not have.
    workspace.write(QUEUE)
    monkeypatch.setenv("TRANSFERGRID_DEVICES", "cpu")
    text = workspace.snakemake("-n", "--printshellcmds", "--mode", "remote").text
    assert "--gpus 0" in text
    assert "--gpus 1" not in text


def test_the_shell_of_a_job_outlives_sigterm(workspace: Workspace) -> None:
    # Slurm signals every process of a job, and kills those that are left when the shell has ended.
    workspace.write(QUEUE)
    run = workspace.start("--until", "train")
    try:
        end = time.monotonic() + SECONDS
        while not (found := [e for cell in cells(workspace) for e in events(cell, "start")]):
            assert run.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        status = Path(f"/proc/{found[0]['pid']}/status")
        shell = int(re.findall(r"^PPid:\t(\d+)$", status.read_text(), flags=re.MULTILINE)[0])
        assert Path(f"/proc/{shell}/comm").read_text().strip() == "bash"
        os.kill(shell, signal.SIGTERM)
        time.sleep(1)
        assert f"PPid:\t{shell}\n" in status.read_text()
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()


def test_jobs_survive_scancel_a_dead_node_and_an_edited_study(
    cluster: OneNode, workspace: Workspace, start: Callable[..., Run]
) -> None:
    workspace.write(QUEUE)
    run = start("--until", "train")
    run.until(lambda: len([c for c in cells(workspace) if events(c, "step")]) == 2, "a step")
    first, second = (cell for cell in cells(workspace) if events(cell, "step"))
    queued = set(cells(workspace)) - {first, second}

    # Two train, two wait for a GPU: now the study keeps one seed, at another learning rate.
    job = cluster.command("scontrol", "show", "job", job_of(cluster, first.name))
    assert "gres:gpu:1" in job
    assert len(queued) == 2
    grid = [{**QUEUE["grid"][0], "seeds": [1]}]
    workspace.write({**QUEUE, "recipe": {**QUEUE["recipe"], "learning_rate": 0.5}, "grid": grid})

    begun = job_of(cluster, first.name)
    cluster.command("scancel", begun)
    log = first / "logs" / "train.log"
    saved = run.until(
        lambda: re.findall(r"state saved at (step \d+ of \d+)", text_of(log)),
        "the end of a cancelled training",
    )
    run.until(lambda: f"continuing at {saved[0]}" in text_of(log), "another attempt")

    again = job_of(cluster, first.name)
    assert again != begun
    cluster.crash_node()
    time.sleep(8)  # a younger job would be thought to be still on its way to the node
    cluster.start_node()
    run.until(
        lambda: "Restarts=1" in cluster.command("scontrol", "show", "job", again),
        "a job that Slurm has requeued",
    )
    outcome = run.wait()
    assert outcome.status == 0, outcome.text[-6000:]
    assert len(cells(workspace)) == 4
    for cell in cells(workspace):
        assert_finished_as_planned(cell)
    workspace.write(QUEUE)
    done = workspace.snakemake("--workflow-profile", PROFILE, "-n", "--until", "train")
    assert done.jobs["train"] == 0


def test_features_are_computed_on_an_allocated_gpu_and_on_a_leased_one(
    cluster: OneNode, workspace: Workspace, start: Callable[..., Run]
) -> None:
    grid = {**QUEUE["grid"][0], "seeds": [0]}
    workspace.write({**QUEUE, "recipe": {"train_layers": "head"}, "grid": [grid]})
    outcome = start("--until", "features").wait()
    assert outcome.status == 0, outcome.text[-6000:]
    assert (outcome.jobs["prepare"], outcome.jobs["features"]) == (1, 1)
    jobs = cluster.command("scontrol", "show", "job", "--oneliner").splitlines()
    (computed,) = (job for job in jobs if "/rule_features" in job)
    assert "gres:gpu:1" in computed
    (folder,) = (workspace.folder / "results" / "features").glob("films-*")
    made = (folder / "receipt.json").read_bytes()

    # An allocation of two GPUs, which Slurm does not divide among the jobs of one run. This one,
    # of GPUs that are not there, does not say which they are.
    shutil.rmtree(folder)
    programs = fake_gpus.install(workspace.folder / "bin", [0, 1])
    scripts, notes = PROJECT / "workflow" / "scripts", ".snakemake/transfergrid"
    command = (
        f'cd {workspace.folder}; PATH={programs}:"$PATH" PYTHONPATH={PROJECT / "src"} '
        f"TRANSFERGRID_GPU_LOCKS={workspace.folder / 'locks'} CUDA_VISIBLE_DEVICES=0,1 "
        f"{sys.executable} {scripts / 'features.py'} --id {folder.name} --notes {notes} 2>&1"
    )
    told = cluster.command("srun", "--gpus", "2", "bash", "-c", command)
    assert f"on {fake_gpus.uuid(0)}" in told
    assert (folder / "receipt.json").read_bytes() == made


def test_an_unreadable_study_fails_the_queued_and_the_next_run_mends_it(
    cluster: OneNode, workspace: Workspace, start: Callable[..., Run]
) -> None:
    grid = [{**QUEUE["grid"][0], "seeds": [0, 1, 2]}]
    study = workspace.write({**QUEUE, "recipe": {"epochs": 10}, "grid": grid})
    # GPUs are asked for by their other name, as where sbatch refuses --gpus.
    gres = ("--set-resources", "train:gpu=0", "train:gres=gpu:1")
    run = start("--until", "train", "--retries", "0", *gres)
    run.until(lambda: len([c for c in cells(workspace) if events(c, "start")]) == 2, "a start")
    begun = next(cell for cell in cells(workspace) if events(cell, "start"))
    job = cluster.command("scontrol", "show", "job", job_of(cluster, begun.name))
    assert "gres:gpu:1" in job
    text = study.read_text()
    study.write_text("recipe: {")
    outcome = run.wait()
    assert outcome.status != 0
    finished = [cell for cell in cells(workspace) if (cell / "train.json").exists()]
    assert len(finished) == 2
    study.write_text(text)
    outcome = start("--until", "train").wait()
    assert outcome.status == 0, outcome.text[-6000:]
    assert outcome.jobs["train"] == 1
    for cell in cells(workspace):
        assert_finished_as_planned(cell)
