"""Every program, and the shell of the one rule without a program, on a disk that takes no more."""

from __future__ import annotations

import re
import resource
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import timm
import yaml
from safetensors.torch import save_file

pytestmark = pytest.mark.slow

LIMIT = 20
"""Bytes that a file may have: less than any result."""
PROGRAMS = {
    "analyse": "cells",
    "cams": "cams",
    "draw_figures": "figures",
    "ensembles": "ensembles",
    "evaluate": "evaluate",
    "features": "features",
    "gather": "gather",
    "prepare": "prepare",
    "printf": "spec",
    "stamp": "stamp",
    "train": "train",
    "tune": "tune",
    "weights": "weights",
    "write_page": "page",
}
"""The rule of each program; of one that several rules run, one of them."""


@pytest.fixture(scope="module")
def commands(tuned, tmp_path_factory):
    """A finished study in a folder of its own, and a command of each rule that would redo it."""
    folder = tmp_path_factory.mktemp("full") / "run"
    shutil.copytree(tuned.folder, folder, symlinks=True)
    here = type(tuned)(folder, tuned.project)
    made: dict[str, list[str]] = {}
    for line in here.snakemake("--detailed-summary", "--forceall").text.splitlines():
        columns = line.split("\t")
        if len(columns) > 3:
            made.setdefault(columns[2], []).append(columns[0])
    found = {}
    for study in ("study.yaml", start_from_a_file(folder)):
        told = here.snakemake("--dry-run", "--printshellcmds", "--forceall", study=study).text
        for command in re.findall(r"^Shell command: (.*)$", told, flags=re.M):
            program = re.search(r'"/(\w+)\.py|\((printf)', command)
            rule = PROGRAMS.get(program[1] or program[2]) if program else None
            if rule == "cells" and "/small.cells." not in command:
                continue
            if rule == "features" and "-random-" not in command:
                continue  # which would prepare weights first
            if rule:
                every = made.get(rule, [])
                own = [path for path in every if path in command or _about(path) in command]
                found.setdefault(rule, (command, own or every))
    return here, found


def start_from_a_file(folder: Path) -> str:
    """Write a study of cells whose weights come from a file, and of heads; return its name."""
    network = timm.create_model("lcnet_050", num_classes=3)
    save_file(network.state_dict(), folder / "start.safetensors")
    study = yaml.safe_load((folder / "study.yaml").read_text())
    study["pretrainings"]["start"] = {"kind": "file", "path": str(folder / "start.safetensors")}
    study["grid"] = [{**study["grid"][0], "pretrainings": ["start", "random"]}]
    study["protocols"]["finetune"] = {"train_layers": "head"}
    study |= {"name": "started", "questions": [], "cams": None}
    (folder / "started.yaml").write_text(yaml.safe_dump(study))
    return "started.yaml"


def _about(path: str) -> str:
    """Return the cell, data set, weights or tuning of a file; else what no command holds."""
    name = re.search(r"^results/(?:cells|cache|weights|tuning)/([^/]+)/", path)
    return name[1] if name else "\0"


def state(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted((folder / "results").rglob("*"))
        if path.is_file()
    }


def test_every_rule_has_a_command(commands) -> None:
    assert commands[1].keys() == set(PROGRAMS.values())


@contextmanager
def without(folder: Path, outputs: list[str]) -> Iterator[None]:
    """Set outputs aside, and put them back."""
    away = folder / "away"
    for number, output in enumerate(outputs):
        (away / str(number)).mkdir(parents=True)
        (folder / output).rename(away / str(number) / "it")
    try:
        yield
    finally:
        for number, output in enumerate(outputs):
            shutil.rmtree(folder / output, ignore_errors=True)
            (away / str(number) / "it").rename(folder / output)
        shutil.rmtree(away, ignore_errors=True)


def limit() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, resource.RLIM_INFINITY))


@pytest.mark.parametrize("rule", sorted(PROGRAMS.values()))
def test_a_disk_that_takes_no_more_ends_in_a_sentence(commands, rule) -> None:
    here, found = commands
    command, outputs = found[rule]
    shell = re.sub(r" > \S+\.log 2>&1$", "", command)  # to a pipe, which has no such limit
    outputs = [str(Path(outputs[0]).parent)] if rule == "prepare" else outputs
    outputs = [output for output in outputs if (here.folder / output).exists()]
    environment = {
        **here.command()["env"],
        "TRANSFERGRID": str(here.project / "workflow" / "scripts"),
        "TRANSFERGRID_DEVICE": "auto",
        "TRANSFERGRID_FRESH": "1",
    }
    with without(here.folder, outputs):
        before = state(here.folder)
        done = subprocess.run(
            ["bash", "-c", f"set -euo pipefail; {shell}"],
            cwd=here.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            preexec_fn=limit,
        )
        after = state(here.folder)
        said = done.stdout + done.stderr
        assert done.returncode == 1, said
        assert "Traceback" not in said
        assert [line for line in said.splitlines() if line.startswith("error: ")], said
        assert not [output for output in outputs if (here.folder / output).exists()]
    unlasting = (".lock", "progress.jsonl", "history.jsonl")
    made = {name for name in after.keys() - before.keys() if not name.endswith(unlasting)}
    assert not made, "something half-written stays"
    changed = {name for name in before if after.get(name) != before[name]}
    assert not {name for name in changed if not name.endswith(unlasting)}
